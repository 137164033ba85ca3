"""Executions by what they were called with: which tenant is slowest, the cost per city."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

from inwit.introspection.attributes import Known, Results
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, times, told_value
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.views import Execution

TOLD = 8
_BY = re.compile(r"\b(?:per|by|for each|for every|of each|of every)\s+(\w+)")
_WHICH = re.compile(r"\b(?:which|what)\s+(\w+)")
_RELATED = re.compile(
    r"\b(\w+) (?:is |are |was |were |at all )?(?:related|correlat\w+|linked|associated)\b"
)
_RANKED = (
    r".*\b(?:slow\w*|fast\w*|long\w*|fail\w*|error\w*|cost\w*|expensive|cheap\w*|tokens?|most|least|often|retr\w+"
    r"|reliable|crash\w*|runs?|asked|used|executions?)\b"
)
_NO_ATTRIBUTE = frozenset(
    ["node", "nodes", "step", "steps", "version", "execution", "executions", "run", "runs", "graph",
     "graphs", "tool", "tools", "model", "models", "thread", "threads", "branch", "key", "minute",
     "hour", "day", "error", "errors"]
)  # fmt: skip
Figure = tuple[str, Callable[[Sequence[Execution]], float | None], Callable[[float], str]]


def answer(scene: Scene) -> Draft | None:
    """Rank the values of an attribute; None where the question names none that executions have."""
    attribute = _attribute(scene)
    if attribute is None:
        return None
    known: Known | Results = Known(scene.store)
    if attribute.startswith("result."):
        known = Results(scene.store)
    found = scene.store.executions(graph=scene.scope, limit=HISTORY).items
    groups: dict[str, list[Execution]] = defaultdict(list)
    for one in found:
        value = known.of(one).attributes.get(attribute)
        if value is not None:
            groups[str(value)].append(one)
    of = count(sum(map(len, groups.values())), "execution")
    title, figure, words = _figure(scene)
    ranked = [(value, number, mine) for value, mine in groups.items()
              if (number := figure(mine)) is not None]  # fmt: skip
    least = scene.says(r".*\b(?:fast\w*|cheap\w*|least|fewest|most reliable)\b")
    ranked.sort(key=lambda row: (row[1] if least else -row[1], row[0]))
    draft = Draft(data={"attribute": attribute, "values": {}, "times": []})
    draft.data["values"] = {value: number for value, number, _ in ranked}
    uri = graph_uri(next((one[0] for one in groups.values()), found[0]).graph_name, "executions")
    if not ranked:
        draft.say(f"{title[:1].upper()}{title[1:]} by {attribute} is not on record.", uri)
        return draft
    if figure in (_failed, _retries) and not least:
        ranked = [row for row in ranked if row[1]]
    if not ranked:
        what = "failed" if figure is _failed else "was tried again"
        draft.say(f"None of {of} with {attribute} on record {what}.", uri)
        return draft
    draft.say(f"By {attribute}, {title}, over the last {of}:", uri)
    for value, number, mine in ranked[:TOLD]:
        shown = words(number)
        draft.say(
            f"{told_value(value, 60)}: {f'{shown}, ' if shown else ''}{count(len(mine), 'execution')}.",
            *(Ref(uri=one.uri, why=f"{attribute} = {value}"[:80]) for one in mine[:2]),
        )
    return draft


def is_asked(scene: Scene) -> bool:
    """Whether a question names an attribute that executions have, to rank its values."""
    return _attribute(scene) is not None


def is_related(scene: Scene) -> bool:
    """Whether a question is for what an attribute has to do with failures, times or costs."""
    return scene.says(_RANKED) and _RELATED.search(scene.words) is not None and is_asked(scene)


def _attribute(scene: Scene) -> str | None:
    """The attribute whose name the question has: ``tenant`` for metadata.tenant or input.tenant."""
    said = [*_BY.findall(scene.words)]
    if scene.says(_RANKED):
        said += _WHICH.findall(scene.words) + _RELATED.findall(scene.words)
    words = {
        form for one in said for form in (one, one.removesuffix("s"), re.sub(r"ies$", "y", one))
    }
    words -= _NO_ATTRIBUTE - set(scene.named("key"))
    if not words:
        return None
    page = scene.store.executions(graph=scene.scope, limit=HISTORY)
    for known in (Known(scene.store), Results(scene.store)):
        names = dict.fromkeys(name for one in page.items for name in known.of(one).attributes)
        for name in names:
            if "." in name and name.rpartition(".")[2].lower() in words:
                return name
    return None


def _figure(scene: Scene) -> Figure:
    if scene.says(r".*\b(?:retr\w+|tried again|attempts?)\b"):
        return "how often they were tried again", _retries, lambda number: times(int(number))
    if scene.says(r".*\b(?:fail\w*|error\w*|crash\w*|reliable)\b"):
        return "the share that failed", _failed, lambda share: f"{share:.0%} failed"
    if scene.says(r".*\b(?:cost\w*|expensive|cheap\w*|money|spen\w+)\b"):
        return "the median cost", _cost, lambda usd: f"${usd:.6f}"
    if scene.says(r".*\btokens?\b"):
        return "the median tokens", _tokens, lambda number: f"{number:,.0f} tokens"
    if scene.says(r".*\b(?:slow\w*|fast\w*|long\w*|latenc\w*|durations?|takes?)\b"):
        return "the median duration", _took, duration
    return "how many", lambda mine: float(len(mine)), lambda _: ""


def _retries(mine: Sequence[Execution]) -> float | None:
    return float(sum(one.retries for one in mine))


def _failed(mine: Sequence[Execution]) -> float | None:
    return sum(one.status == "failed" for one in mine) / len(mine)


def _took(mine: Sequence[Execution]) -> float | None:
    took = [
        one.duration_ms for one in mine if one.duration_ms is not None and one.status == "completed"
    ]
    return median(took) if took else None


def _cost(mine: Sequence[Execution]) -> float | None:
    costs = [one.cost_usd for one in mine if one.cost_usd is not None and not one.unpriced_calls]
    return median(costs) if costs else None


def _tokens(mine: Sequence[Execution]) -> float | None:
    used = [float(one.input_tokens + one.output_tokens) for one in mine if one.llm_calls]
    return median(used) if used else None
