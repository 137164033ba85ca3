"""The one door of questions: reads them, has them analysed, checks the evidence, answers.

An answer's `confidence` is the router's calibrated probability that the question was read rightly,
times how far the claims follow from the record (1.0 where facts are read or counted; n / (n + 1)
where n executions foretell the next; the share of usual executions below a slow one; the search's
score where something was searched for), times the share of claims whose evidence resolved. It is
0.0 where nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from inwit.answers import Answer, Evidence, Intent, Level
from inwit.errors import (
    MalformedInputError,
    TooLargeError,
    UnknownExecutionError,
    UnknownGraphError,
    UnknownNodeError,
    UnknownUriError,
)
from inwit.ids import check_id
from inwit.introspection import asked_questions, finding
from inwit.introspection.analyses import (
    ami,
    history,
    howcan,
    howto,
    left_out,
    recorded,
    search,
    state,
    whatif,
    whatis,
    whatis_network,
    whatis_platform,
    when,
    why,
)
from inwit.introspection.claims import Draft
from inwit.introspection.conversations import Conversation
from inwit.introspection.finding import SearchHit
from inwit.introspection.follow_ups import follow_ups
from inwit.introspection.joining import EVIDENCE_MOST, joined, leaning
from inwit.introspection.network import package_ids
from inwit.introspection.parts import apart
from inwit.introspection.readings import level_of, read, readings_of
from inwit.introspection.refusals import named_wrongly, outside, unknown
from inwit.introspection.resolve import Resolved, Resolver
from inwit.introspection.router import Catalogue, Router, Routing
from inwit.introspection.router.routing import PASTED
from inwit.introspection.router.selecting import thread_words
from inwit.introspection.scene import Query, Scene
from inwit.registry.encoder import default_encoder
from inwit.runtime import at_hand
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store

QUESTION_LIMIT = 16 * 1024
THREADS_TRIED = 16
"""Words of a question that are looked up as the id of a thread."""
Analysis = Callable[[Scene], Draft]
READ_MOST = 2_000
"""Characters of a question that are read."""
READ_LAST = 600
"""Characters of a longer one that are read of its end."""
_EMPTY: dict[str, dict[str, Any]] = {
    "why": {"causes": (), "execution_id": None},
    "howcan": {"interventions": ()},
    "ami": {"verdicts": ()},
    "when": {"times": ()},
    "search": {"results": ()},
    "state": {"values": None},
}
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

    def __init__(
        self, store: Store, *, project: Project, graph: str | None = None,
        code: Callable[[str], Any] | None = None,
    ) -> None:  # fmt: skip
        self.code = code or (lambda name: at_hand.find(project, name))
        """Gives the compiled graph of a name, for trials: one that lives in this process."""
        self.store = store
        self.project = project
        self.graph = graph
        """The graph that is meant where a question names none."""
        self.resolver = Resolver(store, project)

    @classmethod
    def of(
        cls, project: Project, graph: str | None = None, code: Callable[[str], Any] | None = None
    ) -> Introspector:
        """The introspector of a project's record."""
        return cls(Store.of(project), project=project, graph=graph, code=code)

    def ask(
        self,
        question: str,
        *,
        level: str | None = None,
        graph: str | None = None,
        execution_id: str | None = None,
        verify: bool = False,
        conversation_id: str | None = None,
    ) -> Answer:
        """Answer a question from the record, the manifests and the installed package.

        Of a question over 2,000 characters the beginning and the end are read.

        `level`, `graph` and `execution_id` narrow it; none is needed. What was recorded before
        the call is seen. With `verify` a what-if is tried too: nodes that are declared pure run
        again on recorded inputs, with the change and without it; no other node runs. Questions of
        one `conversation_id` may lean on the one before ("and the time before?").

        Raises:
            MalformedInputError: The question is empty, or the level is none.
            TooLargeError: The question is over 16 KiB.
            UnknownGraphError: `graph` names none.
            UnknownExecutionError: `execution_id` names none.
            MalformedIdError: `execution_id` or `conversation_id` is no id.
        """
        asked = question = shortened(checked(question))
        wanted = level_of(level)
        self._flush()
        if graph is not None:
            self.store.graph(graph)
        if execution_id is not None:
            check_id("execution", execution_id)
            execution_id = self.store.execution(execution_id).execution_id
        talk = Conversation(self.store, conversation_id) if conversation_id is not None else None
        if talk is not None:
            question = talk.complete(question, self.route)
        routing = read(question, self.route, self.project)
        queries: list[Query] = []
        answers: list[Answer] = []
        parts = apart(question, routing, wanted)
        for text, read_as in parts or [(question, routing)]:
            scene = self._scene(Query(
                text=text, part=text if parts else "", unknown=read_as.unknown, level="live",
                intent="state", entities=(*read_as.entities, *read_as.nouns), graph=graph or self.graph,
                execution_id=execution_id, code=self.code if verify else None,
            ))  # fmt: skip
            for one in readings_of(scene, read_as, wanted)[: 1 if parts else None]:
                query = replace(scene.query, level=one.level, intent=one.intent)
                queries.append(leaning(query, answers))
                answers.append(self._answer(scene.read_as(queries[-1]), one.probability))
        answer = joined(answers, queries, routing)
        asked_questions.note(self.store, question, answer, graph or self.graph)
        return answer if talk is None else talk.keep(asked, question, routing, answer)

    def route(self, question: str) -> Routing:
        """Read a question: its level, its intent and what it names."""
        return _router().route(question, self.catalogue(), self._threads(question))

    def _threads(self, question: str) -> tuple[str, ...]:
        """The words of a question that are threads on record."""
        words = thread_words(question[:QUESTION_LIMIT])[:THREADS_TRIED]
        is_known = (bool(self.store.executions(thread_id=one, limit=1).items) for one in words)
        return tuple(word for word, known in zip(words, is_known, strict=True) if known)

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
        return self._answer(self._scene(query), probability)

    def _scene(self, query: Query) -> Scene:
        return Scene(query, self.store, self.project, self.resolver)

    def _answer(self, scene: Scene, probability: float) -> Answer:
        if scene.query.level == "none":
            return outside(scene)
        try:
            draft = self._draft(scene)
        except (UnknownExecutionError, UnknownGraphError, UnknownNodeError) as exc:
            draft = unknown(scene, exc)
        return self._compose(scene, draft, probability)

    def _draft(self, scene: Scene) -> Draft:
        draft = named_wrongly(scene)
        if draft is None and scene.query.level in ("app", "live"):
            draft = left_out.answer(scene)
        if draft is None and scene.query.level == "live":
            draft = recorded.answer(scene)
        draft = draft or analysis(scene.query.level, scene.query.intent)(scene)
        history.add(scene, draft)
        return draft

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
        quote = cache(self._quoted)
        for claim in draft.claims:
            shown = [
                Evidence(uri=ref.uri, quote=quoted, why=ref.why)
                for ref in claim.refs
                if (quoted := quote(ref.uri)) is not None
            ]
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

    def _quoted(self, uri: str) -> str | None:
        """What a uri shows; None where it names nothing."""
        try:
            return self.resolver.resolve(uri).quote
        except UnknownUriError:
            return None


def empty_data(intent: Intent) -> dict[str, Any]:
    """The fields that an answer's `data` has in any case, by intent, where nothing fills them."""
    if intent == "whatif":
        nothing = {"baseline": None, "predicted": None}
        return {"feasible": False, "reason": "not known", "n": 0, **nothing}
    return {name: [] if value == () else value for name, value in _EMPTY.get(intent, {}).items()}


def checked(question: str) -> str:
    """Refuse what is no question.

    Raises:
        MalformedInputError: It is empty, or no text.
        TooLargeError: It is over 16 KiB.
    """
    given: object = question
    if not isinstance(given, str):
        kind = type(given).__name__
        raise MalformedInputError(f"The question is {kind}, no text.", hint="Ask with a str.")
    size = len(question.encode("utf-8", "surrogatepass"))
    if size > QUESTION_LIMIT:
        raise TooLargeError("question", size, QUESTION_LIMIT)
    # Lines of what is pasted stay apart, since the question is one of them.
    lines = question.splitlines() if len(question) > PASTED else [question]
    plain = ("".join(one if one.isprintable() else " " for one in line).strip() for line in lines)
    text = " … ".join(line for line in plain if line)
    if not text:
        raise MalformedInputError("The question is empty.", hint="Ask in your own words.")
    return text


def shortened(question: str) -> str:
    """Leave the middle of a long question out: what is asked stands before or after what is pasted."""
    if len(question) <= READ_MOST:
        return question
    return f"{question[: READ_MOST - READ_LAST - 3]} … {question[-READ_LAST:]}"


def analysis(level: Level, intent: Intent) -> Analysis:
    """The analysis that answers an intent on a level."""
    return _BY_PAIR.get((level, intent)) or _BY_INTENT.get(intent) or whatis.answer


@lru_cache(maxsize=1)
def _router() -> Router:
    return Router.load(default_encoder())


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
