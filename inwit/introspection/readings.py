"""Which readings of a question are answered: the router's, mended where its words are certain."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from inwit.answers import LEVELS, Intent, Level
from inwit.errors import MalformedInputError
from inwit.introspection import platform
from inwit.introspection.analyses import node_facts, recorded, unused
from inwit.introspection.claims import short
from inwit.introspection.feature_names import features_in
from inwit.introspection.router import Reading, Routing
from inwit.introspection.scene import blanked, last_package
from inwit.introspection.terms import terms_in
from inwit.runtime.project import Project

PARTS_MOST = 2
_PLANS = re.compile(
    r"\b(?:what|which|any|list|show|my|see|how many|are there)\b[^?.]*?\bplans\b", re.IGNORECASE
)
_SURE = 0.9
"""How likely a question in the words of what is recorded is about that."""
_ABOUT = Reading(level="platform", intent="whatis", probability=_SURE)


_OF_PACKAGE = re.compile(
    r"publish|wrote|written|author|maintain|licen[cs]e|made|make|own|version|newest|latest|install"
    r"|provid|requir|depend|downloads?|popular|package",
    re.IGNORECASE,
)
_IS_THERE = re.compile(r"^\W*(?:is|are) there (?:an? |any |some )?(.+?)\W*$", re.IGNORECASE)
FEATURE_WORDS = 3
"""The longest name of a feature that a question has where it names nothing else."""
_LOOKED_FOR = re.compile(
    r"\b(?:packages?|templates?|plans|librar(?:y|ies)|tools?)\b(?:.*\b(?:for|to|that|about|which)\b|\W*$)",
    re.IGNORECASE,
)
_IT = re.compile(r"\b(?:it|that one|this one|them)\b", re.IGNORECASE)


_NOT_SO = re.compile(
    r"^\W*(?:how (?:do|can|to|should)|what is an error budget|define\b|why|what if|when(?!.*\b(?:added|removed|introduced)\b)|how often|what would)\b",
    re.IGNORECASE,
)
_TIME_GOES = r"^\W*where (?:does|did|do|is|has) (?:\w+ )*time (?:go|gone|spent)\b"
_CERTAIN: tuple[tuple[str, Level, Intent], ...] = (
    (unused.ASKED + r"(?!.*\bexecutions?\b)", "app", "whatis"),
    (r"^\W*where (?:can|does|do|may|will|could|might) .*\b(?:end|start|begin|finish)s?\b", "app", "whatis"),
    ((r"^\W*(?:what|which)\b(?:(?!\bnow\b).)*\b(?:runs?|can run|may run|execute)\b(?:(?!\bnow\b).)*\b"
     r"(?:parallel|at the same time|concurrently|simultaneously|side by side)"), "app", "whatis"),
    (r"^\W*what(?:'s| is| are|s)? (?:the |my |our )?(?:\w+ )?bottle ?necks?", "live", "when"),
    (r"^\W*(?:what|who|which \w+) waits? (?:for|on)\b", "app", "whatis"),
    (r"^\W*what(?:'s| is| was|s) new (?:in|with|about)\b(?! this version)", "app", "whatis"),
    (r"^\W*what(?:'s| is| are|s)? the (?:time-?out|timeouts?|retry polic\w+|cache|ttl|rate limit|fallback)\b", "app", "whatis"),
    (r"\bwhich graphs?\b.*\b(?:nodes|edges|keys|versions|tools?|loops?|cycles?|parallel|decisions?|subgraphs?)\b", "app", "whatis"),
    (r"\bfail\w* more (?:often|frequently|than)\b|\bmore likely to fail\b", "live", "state"),
    (r"^\W*(?:when|since when)\b.*\b(?:added|removed|introduced|exists?)\b", "live", "when"),
    (r"^\W*(?:which|what) (?:branch|way|route|path)\b.*\b(?:most|least|often)\b", "live", "when"),
    (r"^\W*what happens (?:if|when)\b.*\b(?:fails?|crash\w*|raises?|throws?|times? out)\b(?!.*\bnode\b)", "app", "whatis"),
    (r"^\W*how reliable\b", "live", "state"),
    (r"\b(?:same|equal|identical) (?:\w+ )?(?:tool|call|model|input|argument)\w*\b.*\b(?:twice|again|times|repeat\w*)\b", "live", "ami"),
    (r"^\W*who (?:decides|chooses|routes)\b", "app", "whatis"),
    (r"\berror budgets?\b|\bslos?\b|\bservice levels?\b|\b(?:my|our|its|the|declared) objectives?\b", "live", "ami"),
    (r"\bdrift(?:ed|ing|s)?\b", "live", "ami"),
    (_TIME_GOES, "live", "when"),
    ((r"^\W*what (?:has |have |is |was )?(?:changed|different|new)(?: (?:lately|recently|today|since \w+"
     r"|since then|here|now))?\W*$"), "live", "when"),
)  # fmt: skip
_ASKS_FOR = re.compile(r"^\W*(?:can|could|does|do|is|are|may|will)\b", re.IGNORECASE)


def read(question: str, route: Callable[[str], Routing], project: Project) -> Routing:
    """Read a question; one that is about "it" alone is read with the last package in its place."""
    routing = route(question)
    if not routing.abstained or not _IT.search(question) or not _OF_PACKAGE.search(question):
        return routing
    again = route(_IT.sub(last_package(project) or "the package", question))
    is_network = not again.abstained and again.best.level == "network"
    return msgspec.structs.replace(again, entities=routing.entities) if is_network else routing


def readings_of(question: str, routing: Routing, wanted: Level | None) -> list[Reading]:
    """The readings to answer, of the level that is insisted on, if one is."""
    found = _readings(routing, wanted)
    if wanted is not None:
        return found
    found = _of_nodes(found, question, routing)
    found = [_within_project(one, question, routing) for one in found]
    found = [_of_plans(one, question, routing) for one in found]
    found = _certain(found, question, routing)
    about = _of_terms(question) or _of_errors(question) or _of_features(found, question, routing)
    if about and not any(one.part for one in found):
        return [next((one for one in found if _same(one, about)), about)]
    return _of_own(_one_prediction(_of_record(found, question, routing)), routing)


def level_of(level: str | None) -> Level | None:
    """Read a level that a caller insists on; None where it leaves that open.

    Raises:
        MalformedInputError: There is no such level.
    """
    if level is None or level in ("", "auto"):
        return None
    for known in LEVELS:
        if known == level:
            return known
    raise MalformedInputError(
        f"No level {short(level, 40)!r}.", hint=f"Levels: {', '.join(LEVELS)}."
    )


def _readings(routing: Routing, wanted: Level | None) -> list[Reading]:
    """The readings to answer: those of the level that is insisted on, else the router's own."""
    if wanted is None:
        return list(routing.readings[: 1 if routing.abstained else PARTS_MOST])
    fitting = [one for one in routing.readings if one.level == wanted]
    if fitting:
        return fitting[:PARTS_MOST]
    best = next((one for one in routing.readings if one.level != "none"), None)
    intent: Intent = best.intent if best is not None else "whatis"
    return [Reading(level=wanted, intent=intent, probability=best.probability if best else 0.0)]


def _within_project(reading: Reading, question: str, routing: Routing) -> Reading:
    """A question about the platform that names a part of a graph, and no feature, is about that."""
    names_own = any(one.kind in ("graph", "node", "key") for one in routing.entities)
    if reading.level != "platform" or reading.intent not in ("whatis", "ami") or not names_own:
        return reading
    if features_in(question):
        return reading
    return msgspec.structs.replace(reading, level="app", intent="whatis")


def _of_nodes(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """A question for the nodes of a kind ("which nodes have a time-out?") is about the graph."""
    if any(one.part for one in found) or any(one.level == "live" for one in found[:1]):
        return found
    if not node_facts.is_asked(blanked(question, routing.entities)):
        return found
    kept = next((one for one in found if (one.level, one.intent) == ("app", "whatis")), None)
    return [kept or Reading(level="app", intent="whatis", probability=_SURE)]


def _of_plans(reading: Reading, question: str, routing: Routing) -> Reading:
    """A question for the plans on record is a search, unless a node or a key is called so."""
    names = {one.value for one in routing.entities if one.kind in ("graph", "node", "key")}
    if reading.level not in ("live", "app", "none") or not _PLANS.search(question):
        return reading
    if any(name in ("plan", "plans") for name in names):
        return reading
    probability = reading.probability if reading.level == "live" else _SURE
    return Reading(level="live", intent="search", probability=probability, part=reading.part)


def _of_terms(question: str) -> Reading | None:
    """A question for the difference of two of inwit's words is about those."""
    return _ABOUT if len(terms_in(question)) > 1 else None


def _of_errors(question: str) -> Reading | None:
    """A question that names an error by its code is about that."""
    said = set(re.findall(r"[a-z]+\.[a-z_]+", question.lower()))
    return _ABOUT if said & {str(one["name"]) for one in platform.entries("errors")} else None


def _of_features(found: list[Reading], question: str, routing: Routing) -> Reading | None:
    """Whether a question is for a feature alone ("Are there budgets?"): then for the platform."""
    said = _IS_THERE.match(question)
    searches = found and found[0].intent == "search"
    names_own = any(one.kind in ("graph", "node", "key", "package") for one in routing.entities)
    if said is None or not searches or names_own or len(said[1].split()) > FEATURE_WORDS:
        return None
    # "a package for summarising" is looked for, and so are "any improvement plans".
    if _LOOKED_FOR.search(question):
        return None
    return _ABOUT if features_in(said[1]) else None


def _certain(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """A question whose words leave no doubt of what it is about is read so."""
    if any(one.part for one in found):
        return found
    words = blanked(question, routing.entities).lower()
    if _NOT_SO.search(words) is None:
        for said, level, intent in _CERTAIN:
            if re.search(said, words):
                kept = next(
                    (one for one in found if (one.level, one.intent) == (level, intent)), None
                )
                return [kept or Reading(level=level, intent=intent, probability=_SURE)]
    has_time = any(one.kind == "time" for one in routing.entities)
    if has_time and re.search(
        r"^\W*what (?:ran|happened|went on|was (?:run|executed|done))\b", words
    ):
        return [Reading(level="live", intent="when", probability=_SURE)]
    is_none = bool(found) and found[0].level == "none"
    if is_none and _ASKS_FOR.search(words) and features_in(question):
        return [_ABOUT]
    said = re.sub(r"[^a-z]+", " ", question.lower())
    if (
        is_none
        and re.search(r"^ ?what (?:is|are) ", said)
        and any(name.replace("-", " ") in said for name in features_in(question))
    ):
        return [_ABOUT]
    return found


def _of_own(found: list[Reading], routing: Routing) -> list[Reading]:
    """A question that names a part of a graph, and is read so first, is not about the platform too."""
    names_own = any(one.kind in ("graph", "node", "key") for one in routing.entities)
    if not names_own or any(one.part for one in found) or found[0].level == "platform":
        return found
    return [one for one in found if one.level != "platform"]


def _same(one: Reading, other: Reading) -> bool:
    return (one.level, one.intent) == (other.level, other.intent)


def _one_prediction(found: list[Reading]) -> list[Reading]:
    """What a change would do is told once: by the record, or by the graph's structure."""
    if any(one.part for one in found) or any(one.intent != "whatif" for one in found):
        return found
    return found[:1]


def _of_record(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """A question in the words of what is recorded (an interrupt, a cache hit) is about that."""
    parts = any(one.part for one in found)
    if parts or any(
        one.level == "network" or one.intent in ("whatif", "howto") for one in found[:1]
    ):
        return found
    named = [one.kind for one in routing.entities]
    intent = recorded.intent_of(blanked(question, routing.entities), named)
    if intent is None:
        return found
    kept = next((one for one in found if one.level == "live" and one.intent == intent), None)
    return [kept or Reading(level="live", intent=intent, probability=_SURE)]
