"""What a what-if would change: read from the words of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inwit.runtime.capture.prices import priced_models

Kind = Literal[
    "cached", "parallel", "retries", "timeout", "removed", "faster", "model", "load",
    "concurrency", "route", "uncached", "reliable", "visits", "broken", "unknown",
]  # fmt: skip

_PEOPLE = (
    r"people|persons|users?|clients?|customers?|requests?|calls|callers|questions|executions|runs"
    r"|invocations|everyone|everybody|thousands?|hundreds?"
)
_COUNTED = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "twenty": 20, "fifty": 50, "hundred": 100, "thousand": 1000,
}  # fmt: skip
_MANY = re.compile(rf"(?<![\w.-])(\d{{1,6}}|one(?! of)|{'|'.join(_COUNTED)})(?![\w.%]|-\w)")
_AT_MOST = r"(?:at most|only|up to|no more than|limited to|a limit of|maximum of)"
_BESIDE = r"(?:at once|at a time|in parallel|side by side|beside each other|concurrently)"
_OFTEN = (
    r"(?:(?:once|twice|thrice)|(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|a single)"
    r" (?:times?|rounds?|visits?|pass(?:es)?|runs?|iterations?|loops?|turns?|go(?:es)?)\b)(?! (?:as|the|slower|faster|quicker|longer|more|less)\b| at once)"
)
_BOUND = (
    r"(?:(?:the )?(?:at (?:the )?most|max(?:imum|imal)?(?: of)?|tops)|(?:no|not|never|n[o']t) (?:\w+ )?more (?:often )?than|up to|only|just"
    r"|(?:limit|cap|capp|restrict|bound)(?:s|ed|ing)?|stop\w* after)"
)
_VISITS = rf"{_BOUND}\W+(?:\w+ ){{0,4}}?{_OFTEN}|{_OFTEN}(?:,? (?:at|as) (?:a|the))? (?:most|max\w*|tops)|max {_OFTEN}"
"""That a node runs no more than so often in an execution: "at most twice", "limited to 3 rounds"."""
_KINDS: tuple[tuple[Kind, str], ...] = (
    (
        "uncached",
        (
            r"(?:no|without (?:the |its |a )?|not |n[o']t (?:be )?|disabl\w* (?:the |its )?|remov\w* (?:the |its )?|drop\w* (?:the |its )?)cach"
            r"|cach\w*\b.*\b(?:removed|off|disabled|dropped|gone|cleared)"
        ),
    ),
    (
        "reliable",
        r"never (?:fail|crash|broke)|(?:did|do|does|would)(?:n['’]t| not) (?:fail|crash)|always (?:succeed|work)",
    ),
    ("cached", r"cach|memoi[sz]|remember(?:ed|s|ing)? (?:its|the|results?)|hit rate"),
    ("load", rf"(?:{_PEOPLE})\b.*\b(?:at once|at the same time|simultaneous|together|in parallel)"),
    ("load", rf"(?:{_PEOPLE})\b.*\bconcurrently|\bconcurrent (?:{_PEOPLE})\b"),
    (
        "concurrency",
        (
            rf"max[_ -]?(?:concurrency|parallel)|concurrency|{_AT_MOST} \w+ (?:\w+ ){{0,3}}{_BESIDE}"
            r"|(?:workers|slots|branches)\b|one (?:at a time|by one|after (?:another|the other))|sequential|(?:not|n['’]t) (?:run |ran )?(?:in parallel|at the same time|side by side)"
            r"|\w+ (?:nodes|steps|branches|calls) (?:ran |run )?at a time"
        ),
    ),
    (
        "parallel",
        r"parallel|concurrent(?!cy)|simultaneous|side[- ]by[- ]side|same time|at once|together",
    ),
    ("load", r"traffic|load\b|requests per|users\b|throughput"),
    (
        "retries",
        (
            r"retr(?:y|ies|ied|ying)|attempts?\b|tries\b|(?:tried|called) (?:only |just |at most )*"
            r"(?:once|twice|one time|\w+ times)"
        ),
    ),
    ("visits", _VISITS),
    ("timeout", r"timed? ?-?out|time-?outs?|time limit|deadline|time out"),
    (
        "broken",
        (
            r"(?:if|when|once|suppos\w+|should|assuming|imagine|with)\b[^,?]*?\b(?:fail(?:s|ed|ing)?|crash(?:es|ed|ing)?|br(?:eaks?|oke|oken)|die[sd]?"
            r"|dead|raise[sd]?|thr(?:ows?|ew|own)(?! (?:\w+ )?(?:out|away)\b)|errors?)\b(?!.* (?:less|more|fewer|half)\b)"
            r"|(?:is|was|were|be|been|being|goes|go|went|stays?|stayed) (?:\w+ )?(?:down|unavailable|out of (?:service|order)|offline|unreachable|gone for good)\b"
            r"|(?:outage|failure) of|stop(?:s|ped)? (?:working|answering|responding)|became unavailable"
        ),
    ),
    ("model", r"model|haiku|opus|sonnet|gpt|llm\b|gemini|llama|mistral|embedding"),
    (
        "removed",
        r"remov|drop|skip|without|delet|no\b|never (?:ran|run)|n[o']t (?:exist|there|run|ran)|disabl|eliminat|(?:left|leave|cut|thr[eo]wn?) (?:\w+ )?(?:out|away)|scrap|gone|rid of",
    ),
    (
        "faster",
        r"fast|quick|speed|slow|half|twice|halve|double|instant|\d+(?:\.\d+)? ?x\b|took|take|%",
    ),
    ("faster", r"percent|less time|optimi[sz]"),
    ("route", r"instead|picked|chosen|chose|routed|other (?:branch|path|way)"),
)
_NUMBERS = {"zero": 0, "no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
            "seven": 7, "eight": 8, "nine": 9, "ten": 10, "a": 1, "single": 1}  # fmt: skip
_NUMBER = rf"(\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})"
_TIME = re.compile(
    rf"\b(\d+(?:\.\d+)?|(?:{'|'.join(_NUMBERS)})(?= \w{{3}})) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)\b"
)
_FACTOR = re.compile(
    rf"\b(?:{_NUMBER} ?(?:x|times|fold)(?:\b|$)|(twice|double|thrice|triple|half|halve[sd]?))"
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|percent)")
_OFF = re.compile(
    r"\b(?:off|(?:did|do|does|would)(?:n't| not)|stopp?(?:ed|ing)?|no retr|without retr|disabl|remov|never retr|zero retr|drop|not (?:be )?(?:re-?tried|tried again|repeated))"
)
_TRIES = re.compile(rf"\b{_NUMBER} (?:more |extra )?(retr(?:y|ies)|attempts?|tries|try)\b")
_TIMES = re.compile(
    rf"\b(?:tried|called) (?:only |just |at most )*(?:(once)|(twice)|{_NUMBER} times?)\b"
)
_RETRIED = re.compile(
    rf"\bretried (?:only |just |up to |at most )*(?:(once)|(twice)|{_NUMBER} times?)\b"
)
"""Further attempts after the first: "retried 5 times"."""
_LIMIT = re.compile(rf"\b(?:retr(?:y|ies)|attempts?)\b[^.?]*?\b{_NUMBER}\b")

_DONE = {
    "cached": "were cached", "uncached": "were not cached", "reliable": "never failed",
    "broken": "failed", "parallel": "ran in parallel", "removed": "were removed",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change to a graph. `factor` multiplies durations; the rest as the kind needs it."""

    kind: Kind
    nodes: tuple[str, ...] = ()
    factor: float | None = None
    duration_ms: float | None = None
    max_attempts: int | None = None
    hit_rate: float | None = None
    number: int | None = None
    within: bool = False
    """Whether a number at once is meant within each execution, not of a node in all of them."""
    """How many at once: executions under load, nodes of one with another concurrency."""
    model: str = ""

    @property
    def words(self) -> str:
        """The change as part of a sentence: ``search were cached``."""
        what = " and ".join(self.nodes) or "all nodes"
        match self.kind:
            case "cached" | "uncached" | "reliable" | "broken" | "parallel" | "removed":
                return f"{what} {_DONE[self.kind]}"
            case "timeout":
                return f"{what} had a time-out of {self.duration_ms or 0:g} ms"
            case "concurrency":
                whose = f" of {what}" if self.nodes else ""
                calls = "call" if self.number == 1 else "calls"
                return f"at most {self.number} {calls}{whose} ran at once{' in an execution' if self.within else ''}"
            case "load":
                return f"{self.number} executions ran at once"
            case "model":
                return f"{'' if not self.nodes else what + ' '}used {self.model}".strip()
            case "visits":
                often = {1: "once", 2: "twice"}.get(self.number or 0, f"{self.number} times")
                return f"{what} ran at most {often}"
            case "retries":
                often = "once" if self.max_attempts == 1 else f"at most {self.max_attempts} times"
                return f"{what} were called {often}"
            case _:
                return self._speed(what)

    def _speed(self, what: str) -> str:
        if self.duration_ms is not None:
            return f"{what} took {self.duration_ms:g} ms"
        return f"{what} took {self.factor or 1:.0%} of its time"


def parse(words: str, nodes: Sequence[str], is_said: str | None = None) -> Change:
    """Read a change from a question in lower case; `is_said` has its names blanked out."""
    said = words if is_said is None else is_said
    fitting = (kind for kind, pattern in _KINDS if re.search(rf"\b(?:{pattern})", said))
    kind: Kind = next(fitting, "unknown")
    if kind in ("unknown", "route", "faster") and _names_model(words):
        kind = "model"
    chosen = tuple(nodes)
    match kind:
        case "cached":
            rate = _PERCENT.search(said)
            return Change(kind=kind, nodes=chosen, hit_rate=float(rate[1]) / 100 if rate else None)
        case "retries":
            most = _attempts(said)
            factor = _times_as_many(said) if most is None else None
            return Change(kind=kind, nodes=chosen, max_attempts=most, factor=factor)
        case "timeout":
            return Change(kind=kind, nodes=chosen, duration_ms=milliseconds(said))
        case "faster":
            return _speed(said, chosen)
        case "visits":
            return Change(kind=kind, nodes=chosen, number=_how_often(said))
        case "concurrency" | "load":
            within = not re.search(r"concurrency|max[_ -]?parallel", said)
            return Change(kind=kind, nodes=chosen, number=_how_many(said), within=within)
        case _:
            return Change(kind=kind, nodes=chosen)


def _names_model(words: str) -> bool:
    known = priced_models()
    return any(len(one) > 2 and one in known for one in re.findall(r"[a-z][\w./:@-]*\w", words))


def _attempts(said: str) -> int | None:
    if _OFF.search(said):
        return 1
    often = _TIMES.search(said)
    if often:
        return 1 if often[1] else 2 if often[2] else max(int(_value(often[3])), 1)
    again = _RETRIED.search(said)
    if again:
        return 1 + (1 if again[1] else 2 if again[2] else int(_value(again[3])))
    found = _TRIES.search(said)
    if found:
        number = int(_value(found[1]))
        return number + 1 if found[2].startswith("retr") else max(number, 1)
    found = _LIMIT.search(said)
    return max(int(_value(found[1])), 1) if found else None


def _times_as_many(said: str) -> float | None:
    """How many times as many are meant: "doubled", "three times the retries"."""
    found = re.search(r"\b(doubl|twice|tripl|thrice|halv|half)", said)
    if found:
        return {"dou": 2.0, "twi": 2.0, "tri": 3.0, "thr": 3.0}.get(found[1][:3], 0.5)
    number = re.search(rf"\b{_NUMBER} ?(?:(?:x|times) (?:as many|the|more|our)|fold)\b", said)
    return _value(number[1]) if number else None


def _how_often(said: str) -> int | None:
    """How often something may run: the number of the bound."""
    bound = re.search(rf"\b(?:{_VISITS})", said)
    found = re.search(_OFTEN, bound[0]) if bound else None
    if found is None:
        return None
    first = found[0].split()[0]
    return {"once": 1, "twice": 2, "thrice": 3, "a": 1}.get(first) or max(int(_value(first)), 1)


def _how_many(said: str) -> int | None:
    """The first number that is said, from 1."""
    found = _MANY.search(said)
    if found is None:
        return (
            1
            if re.search(
                r"\b(?:sequential|one by one|one at a time|not (?:run |ran )?(?:in parallel|at the same time)|n['’]t (?:run |ran )?(?:in parallel|at the same time))",
                said,
            )
            else None
        )
    number = 1 if found[1] == "one" else _COUNTED.get(found[1]) or int(found[1])
    return max(number, 1)


def milliseconds(said: str) -> float | None:
    """The stretch of time that words name; None without one."""
    found = _TIME.search(said)
    if found is None:
        return None
    unit = found[2]
    scale = 1.0 if unit.startswith(("ms", "milli")) else 60_000.0 if unit[0] == "m" else 1000.0
    return _value(found[1]) * scale


def _speed(said: str, nodes: tuple[str, ...]) -> Change:
    took = milliseconds(said)
    if took is not None:
        return Change(kind="faster", nodes=nodes, duration_ms=took)
    is_slower = re.search(r"\bslow|more time|longer", said) is not None
    found = _FACTOR.search(said)
    if found:
        times = _value(found[1]) if found[1] else {"thr": 3.0, "tri": 3.0}.get(found[2][:3], 2.0)
        return Change(
            kind="faster", nodes=nodes, factor=times if is_slower else 1 / max(times, 1e-9)
        )
    found = _PERCENT.search(said)
    if found:
        part = min(float(found[1]) / 100, 1.0)
        return Change(kind="faster", nodes=nodes, factor=1 + part if is_slower else 1 - part)
    factor = 0.0 if re.search(r"\binstant|no time", said) else None
    return Change(kind="faster", nodes=nodes, factor=factor)


def _value(word: str) -> float:
    return float(_NUMBERS[word]) if word in _NUMBERS else float(word)
