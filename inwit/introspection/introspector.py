"""The one door of questions: reads them, has them analysed, checks the evidence, answers.

An answer's `confidence` is the router's calibrated probability that the question was read rightly,
times how far the claims follow from the record (1.0 where facts are read or counted; n / (n + 1)
where n executions foretell the next; the share of usual executions below a slow one; the search's
score where something was searched for), times the share of claims whose evidence resolved. It is
0.0 where nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from inwit.answers import LEVELS, Answer, Evidence, Intent, Level
from inwit.errors import (
    InwitError,
    MalformedInputError,
    TooLargeError,
    UnknownExecutionError,
    UnknownGraphError,
    UnknownNodeError,
    UnknownUriError,
)
from inwit.ids import check_id
from inwit.introspection import finding
from inwit.introspection.analyses import (
    ami,
    howcan,
    howto,
    search,
    state,
    whatif,
    whatis,
    whatis_network,
    whatis_platform,
    when,
    why,
)
from inwit.introspection.claims import Claim, Draft, graph_uri, listed, platform_uri, short
from inwit.introspection.feature_names import features_in
from inwit.introspection.finding import SearchHit
from inwit.introspection.follow_ups import follow_ups, starters
from inwit.introspection.network import package_ids
from inwit.introspection.resolve import Resolved, Resolver
from inwit.introspection.router import Catalogue, Reading, Router, Routing
from inwit.introspection.scene import Query, Scene, last_package
from inwit.registry.encoder import default_encoder
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store

QUESTION_LIMIT = 16 * 1024
EVIDENCE_MOST = 24
PARTS_MOST = 2
GRAPHS_TOLD = 3
Analysis = Callable[[Scene], Draft]
_OF_PACKAGE = re.compile(
    r"publish|wrote|written|author|maintain|licen[cs]e|made|make|own|version|newest|latest|install"
    r"|provid|requir|depend|downloads?|popular|package",
    re.IGNORECASE,
)
_PLANS = re.compile(
    r"\b(?:what|which|any|list|show|my|see|how many|are there)\b[^?.]*?\bplans\b", re.IGNORECASE
)
_PLANS_SURE = 0.9
"""How likely a question that lists plans by name is about those on record."""
_EMPTY: dict[str, dict[str, Any]] = {
    "why": {"causes": (), "execution_id": None},
    "howcan": {"interventions": ()},
    "ami": {"verdicts": ()},
    "when": {"times": ()},
    "search": {"results": ()},
    "state": {"values": None},
}
_IT = re.compile(r"\b(?:it|that one|this one|them)\b", re.IGNORECASE)

_BY_INTENT: dict[str, Analysis] = {
    "why": why.answer,
    "whatif": whatif.answer,
    "howcan": howcan.answer,
    "ami": ami.answer,
    "whatis": whatis.answer,
    "when": when.answer,
    "state": state.answer,
    "search": search.answer,
    "howto": howto.answer,
}
_BY_PAIR: dict[tuple[str, str], Analysis] = {
    ("platform", "howcan"): whatis_platform.answer,
    ("platform", "why"): whatis_platform.answer,
    ("platform", "state"): whatis_platform.answer,
    ("platform", "search"): whatis_platform.answer,
    ("platform", "ami"): whatis_platform.answer,
    ("platform", "when"): whatis_platform.answer,
    ("platform", "whatif"): whatis_platform.answer,
    ("network", "why"): whatis_network.answer,
    ("network", "state"): whatis_network.answer,
    ("app", "state"): whatis.answer,
    ("app", "howto"): whatis.answer,
    ("app", "when"): whatis.answer,
}


class Introspector:
    """Answers questions about one project."""

    def __init__(self, store: Store, *, project: Project, graph: str | None = None) -> None:
        self.store = store
        self.project = project
        self.graph = graph
        """The graph that is meant where a question names none."""
        self.resolver = Resolver(store, project)

    @classmethod
    def of(cls, project: Project, graph: str | None = None) -> Introspector:
        """The introspector of a project's record."""
        return cls(Store.of(project), project=project, graph=graph)

    def ask(
        self,
        question: str,
        *,
        level: str | None = None,
        graph: str | None = None,
        execution_id: str | None = None,
    ) -> Answer:
        """Answer a question from the record, the manifests and the installed package.

        `level`, `graph` and `execution_id` narrow it; none is needed. What was recorded before
        the call is seen.

        Raises:
            MalformedInputError: The question is empty, or the level is none.
            TooLargeError: The question is over 16 KiB.
            UnknownGraphError: `graph` names none.
            UnknownExecutionError: `execution_id` names none.
        """
        question = checked(question)
        wanted = _level(level)
        self._flush()
        if graph is not None:
            self.store.graph(graph)
        if execution_id is not None:
            check_id("execution", execution_id)
            execution_id = self.store.execution(execution_id).execution_id
        routing = self._routing(question)
        readings = _readings(routing, wanted)
        if wanted is None:
            readings = [_within_project(one, question, routing) for one in readings]
            readings = [_of_plans(one, question, routing) for one in readings]
        queries = [
            Query(
                text=question, part=one.part, unknown=routing.unknown, level=one.level,
                intent=one.intent, entities=routing.entities, graph=graph or self.graph,
                execution_id=execution_id,
            )
            for one in readings
        ]  # fmt: skip
        answers = [
            self.answer(query, reading.probability)
            for query, reading in zip(queries, readings, strict=True)
        ]
        return _joined(answers, queries, routing)

    def route(self, question: str) -> Routing:
        """Read a question: its level, its intent and what it names."""
        return _router().route(question, self.catalogue())

    def _routing(self, question: str) -> Routing:
        """Read a question; one that is about "it" alone is read with the last package in its place."""
        routing = self.route(question)
        if not routing.abstained or not _IT.search(question) or not _OF_PACKAGE.search(question):
            return routing
        meant = last_package(self.project) or "the package"
        again = self.route(_IT.sub(meant, question))
        is_network = not again.abstained and again.best.level == "network"
        return msgspec.structs.replace(again, entities=routing.entities) if is_network else routing

    def catalogue(self) -> Catalogue:
        """The names that a question of this project may mean."""
        graphs = self.store.graphs()
        return Catalogue(
            graphs=tuple(one.name for one in graphs),
            nodes={one.name: tuple(node.name for node in one.manifest.nodes) for one in graphs},
            state_keys=_unique(field.name for one in graphs for field in one.manifest.fields),
            tools=_unique(
                tool for one in graphs for node in one.manifest.nodes for tool in node.tools
            ),
            packages=tuple(package_ids(self.project)),
            versions=_unique(one.version for one in graphs),
        )

    def answer(self, query: Query, probability: float = 1.0) -> Answer:
        """Answer one reading of a question."""
        scene = Scene(query, self.store, self.project, self.resolver)
        if query.level == "none":
            return _outside(scene)
        try:
            draft = _named_wrongly(scene) or analysis(query.level, query.intent)(scene)
        except (UnknownExecutionError, UnknownGraphError, UnknownNodeError) as exc:
            draft = _unknown(scene, exc)
        return self._compose(scene, draft, probability)

    def resolve(self, uri: str, view: str = "summary") -> Resolved:
        """Give what a uri of evidence names.

        Raises:
            UnknownUriError: It names nothing.
        """
        self._flush()
        return self.resolver.resolve(uri, view)

    def search(self, query: str, kind: str | None = None, limit: int = 10) -> list[SearchHit]:
        """Find graphs, nodes, executions, pages and packages."""
        self._flush()
        return finding.find(self.store, self.project, checked(query), kind, limit)

    def _flush(self) -> None:
        Journal.of(self.project).flush()

    def _compose(self, scene: Scene, draft: Draft, probability: float) -> Answer:
        evidence: dict[str, Evidence] = {}
        texts, dropped = [], 0
        for claim in draft.claims:
            shown = self._shown(claim)
            if not shown and not claim.is_limit:
                dropped += 1
                continue
            texts.append(claim.text)
            for one in shown:
                evidence.setdefault(one.uri, one)
        if not texts:
            texts = ["That is not known: nothing on record shows it."]
        kept = sum(not claim.is_limit for claim in draft.claims) - dropped
        support = kept / (kept + dropped) if kept else 0.0
        confidence = probability * draft.certainty * support if evidence else 0.0
        return Answer(
            text="\n".join(texts),
            level=scene.query.level,
            intent=scene.query.intent,
            evidence=tuple(evidence.values())[:EVIDENCE_MOST],
            confidence=round(max(0.0, min(1.0, confidence)), 4),
            data=empty_data(scene.query.intent) | draft.data,
            follow_ups=follow_ups(scene),
            levels_tried=(scene.query.level,),
        )

    def _shown(self, claim: Claim) -> list[Evidence]:
        shown = []
        for ref in claim.refs:
            try:
                found = self.resolver.resolve(ref.uri)
            except UnknownUriError:
                continue
            shown.append(Evidence(uri=ref.uri, quote=found.quote, why=ref.why))
        return shown


def empty_data(intent: Intent) -> dict[str, Any]:
    """The fields that an answer's `data` has in any case, by intent, where nothing fills them."""
    if intent == "whatif":
        nothing = {"baseline": None, "predicted": None}
        return {"feasible": False, "reason": "not known", "n": 0, **nothing}
    return {name: [] if value == () else value for name, value in _EMPTY.get(intent, {}).items()}


def checked(question: str) -> str:
    """Refuse what is no question.

    Raises:
        MalformedInputError: It is empty.
        TooLargeError: It is over 16 KiB.
    """
    size = len(question.encode("utf-8", "surrogatepass"))
    if size > QUESTION_LIMIT:
        raise TooLargeError("question", size, QUESTION_LIMIT)
    text = "".join(one if one.isprintable() else " " for one in question).strip()
    if not text:
        raise MalformedInputError("The question is empty.", hint="Ask in your own words.")
    return text


def analysis(level: Level, intent: Intent) -> Analysis:
    """The analysis that answers an intent on a level."""
    return _BY_PAIR.get((level, intent)) or _BY_INTENT.get(intent) or whatis.answer


def _level(level: str | None) -> Level | None:
    if level is None or level in ("", "auto"):
        return None
    for known in LEVELS:
        if known == level:
            return known
    raise MalformedInputError(
        f"No level {short(level, 40)!r}.", hint=f"Levels: {', '.join(LEVELS)}."
    )


@lru_cache(maxsize=1)
def _router() -> Router:
    return Router.load(default_encoder())


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


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


def _of_plans(reading: Reading, question: str, routing: Routing) -> Reading:
    """A question for the plans on record is a search, unless a node or a key is called so."""
    names = {one.value for one in routing.entities if one.kind in ("graph", "node", "key")}
    if reading.level not in ("live", "app", "none") or not _PLANS.search(question):
        return reading
    if any(name in ("plan", "plans") for name in names):
        return reading
    probability = reading.probability if reading.level == "live" else _PLANS_SURE
    return Reading(level="live", intent="search", probability=probability, part=reading.part)


def _joined(answers: Sequence[Answer], queries: Sequence[Query], routing: Routing) -> Answer:
    tried = tuple(
        dict.fromkeys([*(one.level for one in queries), *(one.level for one in routing.readings)])
    )
    first = answers[0]
    if len({one.text for one in answers}) == 1:
        return _replaced(first, levels_tried=tried)
    marks = [query.part or f"read as {query.level}, {query.intent}" for query in queries]
    parts = [
        {"part": query.part, "level": one.level, "intent": one.intent}
        | {"answer": one.text, "data": one.data}
        for one, query in zip(answers, queries, strict=True)
    ]
    evidence = {one.uri: one for answer in answers for one in answer.evidence}
    offered = tuple(dict.fromkeys(text for answer in answers for text in answer.follow_ups))
    return _replaced(
        first,
        text="\n\n".join(f"[{mark}] {one.text}" for mark, one in zip(marks, answers, strict=True)),
        evidence=tuple(evidence.values())[:EVIDENCE_MOST],
        confidence=max(one.confidence for one in answers),
        data=first.data | {"parts": parts},
        follow_ups=offered[:3],
        levels_tried=tried,
    )


def _replaced(answer: Answer, **changes: object) -> Answer:
    return msgspec.structs.replace(answer, **changes)


def _outside(scene: Scene) -> Answer:
    offered = starters(scene)
    text = (
        "That is outside of what inwit knows, which is its own platform, this project's graphs and "
        "their executions, and packages. It can answer: " + " ".join(offered)
    )
    return Answer(
        text=text, level="none", intent="none", follow_ups=offered, levels_tried=("none",)
    )


def _named_wrongly(scene: Scene) -> Draft | None:
    """Say which name is unknown, where the question hangs on it."""
    query = scene.query
    names_any = any(
        scene.named(kind) for kind in ("node", "graph", "key", "tool", "exec", "package")
    )
    if not query.unknown or names_any or query.level not in ("app", "live"):
        return None
    graph = scene.graph_or_none
    draft = Draft()
    if _decided_by(scene, draft):
        return draft
    names = listed(repr(short(name, 60)) for name in query.unknown)
    if graph is None:
        draft.say(
            f"Nothing here is called {names}; no graph is known yet.", platform_uri("project")
        )
        return draft
    # Whoever names no graph may mean any, so the first few are told, the last compiled one first.
    told = [graph, *(one for one in scene.graphs if one.name != graph.name)][:GRAPHS_TOLD]
    known = "; ".join(
        f"{one.name} has the nodes {listed(node.name for node in one.manifest.nodes)}"
        for one in (told[:1] if scene.scope else told)
    )
    text = f"Nothing in this project is called {names}"
    if query.intent == "why":
        text += f", so no node {names} ever ran"
        draft.data |= {"causes": [], "visits": {}}
    draft.say(f"{text}. {known}.", graph_uri(graph.name, "nodes"))
    return draft


def _decided_by(scene: Scene, draft: Draft) -> bool:
    """Say what is known of a decision whose function the question names."""
    for graph in scene.graphs:
        edges = [one for one in graph.manifest.edges if one.condition in scene.query.unknown]
        if edges:
            break
    else:
        return False
    reads = dict.fromkeys(key for edge in edges for key in edge.reads)
    ways = listed((f"{e.target} (by {e.label!r})" for e in edges), last="or")
    draft.say(
        f"{edges[0].condition} decides after {listed(dict.fromkeys(e.source for e in edges))} in "
        f"{graph.name}; it reads {listed(reads) or 'nothing that can be seen'} and leads to {ways}.",
        graph_uri(graph.name, "edges"),
    )
    if scene.query.intent == "whatif":
        draft.admit("What another rule would have decided is in no record.")
    return True


def _unknown(scene: Scene, error: InwitError) -> Draft:
    draft = Draft(data={"error": error.code})
    draft.say(str(error), platform_uri("errors", error.code))
    if scene.graph_or_none is not None:
        draft.say(
            f"This project has {listed(one.name for one in scene.graphs)}.", platform_uri("project")
        )
    draft.certainty = 1.0
    return draft
