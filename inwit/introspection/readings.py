"""Which readings of a question are answered: the router's, mended where its words are certain."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from inwit.answers import LEVELS, Intent, Level
from inwit.errors import MalformedInputError
from inwit.introspection import platform
from inwit.introspection.analyses import (
    beyond,
    by_value,
    figures,
    grouped,
    groups_apart,
    left_undone,
    model_calls,
    node_facts,
    of_kind,
    raised,
    recorded,
    relieved,
    spread,
    unused,
    whatis_app,
)
from inwit.introspection.claims import short
from inwit.introspection.feature_names import features_in
from inwit.introspection.router import Entity, Reading, Routing
from inwit.introspection.scene import Scene, blanked, last_package
from inwit.introspection.terms import terms_in
from inwit.introspection.which import CODE, is_of_one, with_value
from inwit.runtime.project import Project

PARTS_MOST = 2
_FATES = (
    r"(?:approv|appl(?:y|ied)|reject|propos|implement|evaluat|happen|measur|decid|rolled|help)\w*"
)
_PLANS = re.compile(
    r"\b(?:what|which|any|list|show|my|see|how many|are there)\b[^?.]*?\bplans\b"
    rf"|\b{_FATES}\b[^?.]*?\bplans?\b|\bplans?\b[^?.]*?\b{_FATES}\b|\bplan [0-9a-f]{{8,32}}\b"
    r"|\b(?:proposed|suggested|open|pending) improvements?\b"
    r"|\bimprovements? (?:were |are |is |was |been )*(?:proposed|suggested|open|pending)\b",
    re.IGNORECASE,
)
_MENDS = re.compile(
    r"\b(?:fix|solve|resolve|repair|debug|mend|caused?)\b.*\b\w+(?:Error|Exception)\b"
)
"""An error by its class, and that it should go away: where and why it was raised comes first."""
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


_GENERAL = re.compile(
    r"\binwit\b|\b(?:support|possible|implement|feature|built in|how (?:do|does|can|to)|can (?:i|we|you|one))",
    re.IGNORECASE,
)
"""Words of a question about inwit, whatever else it names."""
_CHOSEN = re.compile(
    r"\b(?:last|latest|newest|previous|first|slowest|fastest|longest|failed|cancelled)\s+$",
    re.IGNORECASE,
)
_NOT_SO = re.compile(
    r"^\W*(?:how (?:do|can|to|should)|what is an error budget|define\b|why|what if|when(?!.*\b(?:added|removed|introduced)\b)|how often|what would)\b",
    re.IGNORECASE,
)
_WHAT_HAPPENED = re.compile(r"^\W*what (?:ran|happened|went on|was (?:run|executed|done))\b")
_RUNS = re.compile(r"\b(?:executions|runs|invocations|traces)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"\b(?:in|on|at|to|with|during|around) (?:the |my |our |this )?"
    r"(?!record|executions?|runs?|graphs?|project|system|host|nodes?|threads?|morning|afternoon|evening|night"
    r"|week|month|day|last|past|hour|noon|monday|tuesday|wednesday|thursday|friday|saturday|sunday)[a-z]{2,}"
)
"""A place that is no part of the record: "what happened in the news today"."""
_A_MODEL = r"\b(?:gpt|claude|gemini|llama|mistral|haiku|sonnet|opus)\b"
_OTHER_MODEL = re.compile(
    r"^\W*what (?:if|(?:would|could|might|will)) (?:we|i|you|it|they)\b.*\b(?:used?|using|switch\w*|mov\w*|chang\w*|took|ran)\b"
    rf".*{_A_MODEL}|^\W*what if\b.*{_A_MODEL}.*\b(?:replac\w*|swap\w*|instead|were|was|became)\b"
)
"""Another model by its name, which may be one that nobody has heard of yet."""
_SEARCHES = r"(?:find|search|look(?:ing)? for)\b.*\b(?:executions?|runs?|traces?|invocations?)\b"
_WHERE = r"^\W*where\b"
_COUNTS: frozenset[Intent] = frozenset({"state", "when", "whatis", "search", "ami", "none"})
"""Intents of questions that may be for what took over from nodes."""
_SUMMARY = re.compile(
    r"\bsummar\w+|\bsum (?:it |things |everything |this |that )?up\b|\brecap\w*|\bround ?up\b|\boverview\b|\breport\b"
    r"|^\W*how (?:did|was|has|is|were) (?:\w+ ){0,3}(?:today|yesterday|morning|afternoon|evening|night|day|week|month|hours?)(?: go| gone| going| been)?\W*$"
    r"|^\W*how did (?:it|things|everything) go\b|\bdid (?:i|we) miss\b|^\W*digest of\b"
)
"""That a stretch of time is to be told in short."""
_TIME_GOES = r"^\W*where (?:does|did|do|is|has) (?:\w+ )*time (?:go|gone|spent)\b"
_CERTAIN: tuple[tuple[str, Level, Intent], ...] = (
    (unused.ASKED + r"(?!.*\bexecutions?\b)", "app", "whatis"),
    (r"^\W*where (?:can|does|do|may|will|could|might) .*\b(?:end|start|begin|finish)s?\b", "app", "whatis"),
    ((r"^\W*(?:what|which)\b(?:(?!\bnow\b).)*\b(?:runs?|can run|may run|execute)\b(?:(?!\bnow\b).)*\b"
     r"(?:parallel|at the same time|concurrently|simultaneously|side by side)"), "app", "whatis"),
    (r"^\W*what(?:'s| is| are|s)? (?:the |my |our )?(?:\w+ )?bottle ?necks?", "live", "when"),
    (r"^\W*(?:is|are|was|were)\b.*\b(?:bottle ?necks?|critical path)\b", "live", "when"),
    (r"^\W*(?:what|who|which \w+) waits? (?:for|on)\b", "app", "whatis"),
    (r"^\W*what(?:'s| is| was|s) new (?:in|with|about)\b(?! this version)", "app", "whatis"),
    (r"^\W*what(?:'s| is| are|s)? the (?:time-?out|timeouts?|retry polic\w+|cache|ttl|rate limit|fallback)\b", "app", "whatis"),
    (r"\bwhich graphs?\b.*\b(?:nodes|edges|keys|versions|tools?|loops?|cycles?|parallel|decisions?|subgraphs?)\b", "app", "whatis"),
    (r"\bfail\w* more (?:often|frequently|than)\b|\bmore likely to fail\b", "live", "state"),
    (r"^\W*(?:when|since when)\b.*\b(?:added|removed|introduced|exists?)\b", "live", "when"),
    (r"^\W*(?:which|what) (?:branch|way|route|path)\b.*\b(?:most|least|often)\b", "live", "when"),
    (r"^\W*what happens (?:if|when)\b.*\b(?:fails?|crash\w*|raises?|throws?|times? out)\b(?!.*\bnode\b)", "app", "whatis"),
    (r"^\W*how reliable\b", "live", "state"),
    (r"^\W*(?:which|what) (?:of (?:my|our|the|these) )?(?:graph|workflow|pipeline)s?\b.*\b(?:most|least|flakiest|cheapest|costliest|priciest|busiest|slowest|fastest|longest|often|worst)\b(?!.*\b(?:nodes|edges|keys|versions|tools?)\b)", "live", "state"),
    (rf"^\W*(?:{model_calls.MONEY_GOES})", "live", "state"),
    (model_calls.IN_USE, "live", "state"),
    (r"^\W*what(?: is|'s| was) (?:the |our |my )?(?:most|least|slowest|fastest|cheapest|costliest|priciest|flakiest|busiest|worst)(?: \w+)? (?:graph|workflow|pipeline)\b", "live", "state"),
    (r"^\W*(?:which|what|how many) (?:executions?|runs?)\b.*\bretr(?:y|ies|ied)\b", "live", "state"),
    ((r"^\W*(?:what|which|how many) (?:share|percent\w*|fraction|proportion|ratio)\b.*\b(?:fail\w*|succe\w*|complet\w*"
     r"|error\w*|crash\w*|reach\w*|visit\w*|pass\w*|end\w*|go|goes|come|comes|went|came|get|gets|got)\b"), "live", "state"),
    (r"^\W*how many tokens?\b(?!.*\b(?:may|can|limit|allowed|would|save))", "live", "state"),
    (r"^\W*(?:which|what) (?:executions?|runs?|threads?)\b.*\bran\b.*\b(?:more|less|fewer) than\b", "live", "state"),
    (r"\b(?:same|equal|identical) (?:\w+ )?(?:tool|call|model|input|argument)\w*\b.*\b(?:twice|again|times|repeat\w*)\b", "live", "ami"),
    (r"^\W*who (?:decides|chooses|routes)\b", "app", "whatis"),
    (r"\berror budgets?\b|\bslos?\b|\bservice levels?\b|\b(?:my|our|its|the|declared) objectives?\b", "live", "ami"),
    (r"\bdrift(?:ed|ing|s)?\b", "live", "ami"),
    (_TIME_GOES, "live", "when"),
    ((r"^\W*what (?:has |have |is |was )?(?:changed|different|new)(?: (?:lately|recently|today|since \w+"
     r"|since then|here|now))?\W*$"), "live", "when"),
)  # fmt: skip
_COSTS = r".*\b(?:costs?|spen[dt]|tokens?|expensive)\b"
_ASKS_FOR = re.compile(r"^\W*(?:can|could|does|do|is|are|may|will)\b", re.IGNORECASE)


def read(question: str, route: Callable[[str], Routing], project: Project) -> Routing:
    """Read a question; one that is about "it" alone is read with the last package in its place."""
    routing = route(question)
    if routing.abstained and (noun := _meant(question, routing)) is not None:
        run = f"{question[: noun.start]}execution{question[noun.end :]}"
        again = route(run)
        if not again.abstained and again.best.level == "live":
            return msgspec.structs.replace(again, entities=routing.entities, nouns=routing.nouns)
    if not routing.abstained or not _IT.search(question) or not _OF_PACKAGE.search(question):
        return routing
    again = route(_IT.sub(last_package(project) or "the package", question))
    is_network = not again.abstained and again.best.level == "network"
    return msgspec.structs.replace(again, entities=routing.entities) if is_network else routing


def _meant(question: str, routing: Routing) -> Entity | None:
    """What stands for a single execution by a word of its graph's name: "tell me about the last loan"."""
    return next((one for one in routing.nouns if _CHOSEN.search(question[: one.start])), None)


def readings_of(scene: Scene, routing: Routing, wanted: Level | None) -> list[Reading]:
    """The readings to answer, of the level that is insisted on, if one is.

    Values on record, which no router knows, decide some of them.
    """
    found = _readings(routing, wanted)
    return found if wanted is not None else _of_values(_mended(found, scene, routing), scene)


def _mended(found: list[Reading], scene: Scene, routing: Routing) -> list[Reading]:
    """The router's readings, or another where the words of a question leave no doubt."""
    question = scene.query.text
    found = _of_nodes(found, question, routing)
    found = [_within_project(one, question, routing) for one in found]
    found = [_of_plans(one, question, routing) for one in found]
    found = _of_running(_certain(found, question, routing), question, routing)
    about = _of_terms(question) or _of_errors(question) or _of_features(found, question, routing)
    if about:
        return [next((one for one in found if _same(one, about)), about)]
    return _of_own(_one_prediction(_of_record(found, question, routing)), routing)


def _of_values(found: list[Reading], scene: Scene) -> list[Reading]:
    """A question that compares or ranks values on record is about the executions that hold them."""
    first = found[0].level, found[0].intent
    if scene.graph_or_none is None:
        return found
    is_undone = first[0] not in ("platform", "network") and left_undone.is_asked(scene)
    if is_undone or (first[1] in _COUNTS and relieved.is_asked(scene)):
        return [Reading(level="live", intent="state", probability=_SURE)]
    is_told = is_of_one(scene) or figures.ranks_things(scene)
    if first[1] in ("whatif", "howto") or (
        first[1] == "howcan" and not (is_told or scene.says(_WHERE))
    ):
        return found
    if is_told:
        return [Reading(level="live", intent="state", probability=_SURE)]
    if first == ("live", "search"):
        if of_kind.asked(scene) is None:
            return found
        is_sought = scene.says(_SEARCHES)
        return (
            found[:1] if is_sought else [Reading(level="live", intent="state", probability=_SURE)]
        )
    if first[0] in ("none", "platform") and model_calls.named(scene) is not None:
        return [Reading(level="live", intent="state", probability=_SURE)]
    is_ranked = grouped.is_asked(scene) if found[0].level == "none" else grouped.is_related(scene)
    is_beyond = first[1] != "why" and beyond.is_asked(scene)
    if is_ranked or is_beyond or by_value.is_asked(scene) or spread.is_asked(scene):
        return [Reading(level="live", intent="state", probability=_SURE)]
    is_why = re.match(r"\W*(?:so |and )?(?:why|how come)\b", scene.words) is not None
    holds_code = first[0] == "none" and CODE.search(scene.query.text) is not None
    if not (holds_code and with_value(scene) is not None) and of_kind.asked(scene) is None:
        return _of_own_figures(found, scene)
    return [Reading(level="live", intent="why" if is_why else "state", probability=_SURE)]


def _of_own_figures(found: list[Reading], scene: Scene) -> list[Reading]:
    """How far a node can be trusted, and what a part of the project costs, is in the record."""
    graph = scene.graph_or_none
    names = {field.name for field in graph.manifest.fields} if graph else set()
    names |= {one.text for one in scene.query.entities if one.kind in ("node", "graph", "thread")}
    names_own = not names.isdisjoint(re.findall(r"\w+", scene.query.text.lower()))
    is_price = found[0].intent == "when" and scene.says(r"(?:what|how much) (?:do|does|did)\b")
    costs = (is_price or found[0].level == "none") and names_own and scene.says(_COSTS)
    if costs or (figures.is_of_trust(scene) and found[0].intent not in ("why", "howto")):
        return [Reading(level="live", intent="state", probability=_SURE)]
    return found


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
    named = {one.kind for one in (*routing.entities, *routing.nouns)} & {"graph", "node", "key"}
    if reading.level != "platform" or reading.intent not in ("whatis", "ami") or not named:
        return reading
    if features_in(question) and (named == {"key"} or _GENERAL.search(question)):
        return reading
    return msgspec.structs.replace(reading, level="app", intent="whatis")


def _of_nodes(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """A question for the nodes of a kind ("which nodes have a time-out?") is about the graph."""
    if any(one.level == "live" for one in found[:1]):
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
    return Reading(level="live", intent="search", probability=probability)


def _of_running(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """How a graph of the project is run is asked of that graph, not of inwit at large."""
    graphs = [one for one in routing.entities if one.kind == "graph"]
    if not graphs or not whatis_app.RUN.search(question):
        return found
    return [Reading(level="app", intent="whatis", probability=_SURE)]


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
    is_known = found[:1] != [] and found[0].level != "none"
    are_compared = groups_apart.is_asked(question) and (is_known or _RUNS.search(question))
    if raised.is_asked(question) or _MENDS.search(question) or are_compared:
        return [Reading(level="live", intent="why", probability=_SURE)]
    words = blanked(question, routing.entities).lower()
    if _NOT_SO.search(words) is None:
        for said, level, intent in _CERTAIN:
            if re.search(said, words):
                kept = next(
                    (one for one in found if (one.level, one.intent) == (level, intent)), None
                )
                return [kept or Reading(level=level, intent=intent, probability=_SURE)]
    has_time = any(one.kind == "time" for one in routing.entities)
    is_told = _WHAT_HAPPENED.search(words) or _is_summary(words, routing)
    if has_time and is_told and not _ELSEWHERE.search(words):
        return [Reading(level="live", intent="when", probability=_SURE)]
    is_none = bool(found) and found[0].level == "none"
    if any(re.search(rf"\b(?:{said})", words) for said, _ in figures.RANKED_NODES) and is_known:
        kept = next((one for one in found if one.intent in ("state", "when")), None)
        return [kept or Reading(level="live", intent="state", probability=_SURE)]
    if is_none and _OTHER_MODEL.search(words):
        return [Reading(level="live", intent="whatif", probability=_SURE)]
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


def _is_summary(words: str, routing: Routing) -> bool:
    """Whether a stretch of time is to be told in short, of all or of a graph, and of no single execution."""
    named = {one.kind for one in routing.entities}
    return _SUMMARY.search(words) is not None and named <= {"time", "graph"}


def _of_own(found: list[Reading], routing: Routing) -> list[Reading]:
    """A question that names a part of a graph, and is read so first, is not about the platform too."""
    names_own = any(one.kind in ("graph", "node", "key") for one in routing.entities)
    if not names_own or found[0].level == "platform":
        return found
    return [one for one in found if one.level != "platform"]


def _same(one: Reading, other: Reading) -> bool:
    return (one.level, one.intent) == (other.level, other.intent)


def _one_prediction(found: list[Reading]) -> list[Reading]:
    """What a change would do is told once: by the record, or by the graph's structure."""
    if any(one.intent != "whatif" for one in found):
        return found
    return found[:1]


def _of_record(found: list[Reading], question: str, routing: Routing) -> list[Reading]:
    """A question in the words of what is recorded (an interrupt, a cache hit) is about that."""
    if any(one.level == "network" or one.intent in ("whatif", "howto") for one in found[:1]):
        return found
    named = [one.kind for one in routing.entities]
    intent = recorded.intent_of(blanked(question, routing.entities), named)
    if intent is None:
        return found
    kept = next((one for one in found if one.level == "live" and one.intent == intent), None)
    return [kept or Reading(level="live", intent=intent, probability=_SURE)]
