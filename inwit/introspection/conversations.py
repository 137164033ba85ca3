"""Questions that lean on the one before: "and the time before?", "why?", "how long did it take?".

A conversation is what its id names; its last question is kept in the record, so that every process
can go on with it. A question that leans is completed in words before it is read, and the answer
says how, so that nobody has to guess what was meant.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import apsw
import msgspec

from inwit.answers import Answer
from inwit.ids import check_id
from inwit.introspection.router import Entity, EntityKind, Routing
from inwit.runtime.store import Store

ROOM = "conversations"
MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL, turn BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX conversations_by_age ON conversations (at_ns);
    """,
)
KEPT = 1_000
"""Conversations that are kept; the one that was silent longest goes first."""
LEANING_WORDS = 3
"""Words besides names and times that a question may have which only names something else."""

_OPENING = re.compile(
    r"^\W*(?:(?:and|or|but|then|also|ok|okay|so|now)\b\W*)*"
    r"(?:(?:what|how) about|what of|(?:the )?same (?:for|with|in|of)|and)?\b\s*",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:(?:in|on|at) )?(?:the )?(?:(?:time|run|one|execution|call) before(?: (?:that|it|this))?"
    r"|before(?: (?:that|it|this))?|previous(?: (?:one|run|time|execution))?|earlier)"
    r"|the (?:one|time|run) before (?:that|it|this)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"why(?: (?:is|was|did) (?:that|it|this)(?: (?:happen|so))?)?|when(?: (?:was|did) (?:that|it)"
    r"(?: happen)?)?|how often|since when|how come|how long|how much",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"^\W*(?:how (?:many|often|much|long)(?: times)?|why|when|which|what|who|where|since when)\b\s*",
    re.IGNORECASE,
)
_IT = re.compile(
    r"\b(?P<run>(?:that|this|the same) (?:run|execution|one|time))\b"
    r"|\b(?P<place>(?:that|this|the same) (?:node|step|graph|tool|key))\b|\b(?P<its>its)\b"
    r"|\b(?P<it>it|they|them)\b|\b(?P<then>then|there)(?=\W*$)"
    r"|(?<=did )(?P<that>that)\b|(?<=was )(?P<was>that)\b|(?<=is )(?P<is>that)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?:the |my )?(?:last|latest|most recent|newest|previous)(?= (?:\S+ ){0,2}?"
    r"(?:execution|run|time|one|call)\b)",
    re.IGNORECASE,
)
_ORDERED_RUN = re.compile(
    r"\b(in |of )?(?:the |my )?(?:last|latest|most recent|newest|previous|third to last)"
    r"(?: failed)? (?:execution|run|time)\b",
    re.IGNORECASE,
)
_NAMES: tuple[EntityKind, ...] = ("node", "graph", "key", "tool", "package", "exec", "thread")
_BY: dict[EntityKind, str] = {
    "node": "in", "graph": "of", "exec": "in execution", "thread": "in thread",
    "version": "in version", "key": "of", "tool": "of",
}  # fmt: skip


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it was completed, what it named, and the execution that it was told of."""

    question: str
    entities: tuple[Entity, ...] = ()
    execution_id: str | None = None

    def of(self, *kinds: EntityKind) -> list[Entity]:
        """What it named of some kinds, in its order."""
        return [one for one in self.entities if one.kind in kinds]


class Conversation:
    """One conversation of a project.

    Raises:
        MalformedIdError: The id holds what no id holds.
    """

    def __init__(self, store: Store, conversation_id: str) -> None:
        self._id = check_id("conversation", conversation_id)
        self._store = store
        store.database.declare(ROOM, MIGRATIONS)

    @property
    def last(self) -> Turn | None:
        """The question before, if there was one."""
        rows = self._store.read("SELECT turn FROM conversations WHERE id = ?", (self._id,))
        return msgspec.json.decode(rows[0][0], type=Turn) if rows else None

    def complete(self, question: str, route: Callable[[str], Routing]) -> str:
        """Give the question in words that need no question before it."""
        turn = self.last
        return question if turn is None else completed(question, route(question).entities, turn)

    def keep(self, asked: str, question: str, routing: Routing, answer: Answer) -> Answer:
        """Keep a question for the next one; where it was completed, the answer says how."""
        told = answer.data.get("execution_id") or next(
            (one.uri[12:].partition("/")[0] for one in answer.evidence if _is_of_run(one.uri)), None
        )
        turn = Turn(question=question[:2000], entities=routing.entities, execution_id=told)
        row = (self._id, time.time_ns(), msgspec.json.encode(turn))
        self._store.database.write(lambda connection: _write(connection, row), durable=False)
        if question == asked:
            return answer
        return msgspec.structs.replace(
            answer,
            text=f"[read as: {question}] {answer.text}",
            data=answer.data | {"read_as": question},
        )


def completed(question: str, entities: Sequence[Entity], turn: Turn) -> str:
    """Complete a question by what the one before it spoke of; a whole one stays as it is."""
    opening = _OPENING.match(question)
    core = question[opening.end() if opening else 0 :].strip(" ?!.,")
    if _BEFORE.fullmatch(core):
        return _earlier(turn.question)
    if _BARE.fullmatch(core):
        return _asked_anew(core, turn)
    others = [one for one in entities if one.kind != "metric"]
    if others and _only_names(_after_same(core, turn), question, others):
        return _with(turn, others)
    return _pronounced(question, turn, any(one.kind in _NAMES for one in entities))


def _after_same(core: str, turn: Turn) -> str:
    """A question without the words by which the one before it began: "how many yesterday?"."""
    said = _ASKING.match(core)
    is_same = said is not None and turn.question.lower().startswith(said[0].strip().lower())
    return core[said.end() :] if said is not None and is_same else core


def _earlier(question: str) -> str:
    """The same question, of the execution before."""
    said = _ORDER.search(question)
    if said is None:
        return f"{question.rstrip(' ?!.')} in the previous execution?"
    step = "third to last" if said[0].lower().endswith("previous") else "previous"
    return f"{question[: said.start()]}the {step}{question[said.end() :]}"


def _asked_anew(core: str, turn: Turn) -> str:
    """The same matter under another question word."""
    words = " ".join(core.split()[: 2 if core.lower().startswith(("how", "since")) else 1])
    if words.lower() in ("how long", "how much"):
        verb = "take" if words.lower() == "how long" else "cost"
        return f"{words} did {_referent(turn) or 'it'} {verb}?"
    rest = _ASKING.sub("", turn.question, count=1).rstrip(" ?!.")
    return f"{words} {rest}?"


def _only_names(core: str, question: str, entities: Sequence[Entity]) -> bool:
    """Whether a question holds nothing but names and times: "and rerank?", "in the last hour"."""
    at = question.find(core)
    left = "".join(
        letter
        for place, letter in enumerate(question[at:], start=at)
        if not any(one.start <= place < one.end for one in entities)
    )
    words = re.findall(r"\w+", left)
    is_short = len(words) <= LEANING_WORDS
    verbs = {"did", "does", "do", "is", "was", "are", "were", "why", "what", "how", "when", "who"}
    return is_short and not verbs & {word.lower() for word in words}


def _with(turn: Turn, entities: Sequence[Entity]) -> str:
    """The question before, with other names or times in place of its own."""
    text, tail = turn.question, ""
    spans = list(turn.entities)
    for one in entities:
        alike = sum(other.kind == one.kind for other in entities)
        old = [other for other in spans if other.kind == one.kind and other.value != _DONE]
        run = _ORDERED_RUN.search(text) if one.kind == "exec" else None
        if old:
            found = old[0] if alike == len(old) or alike > 1 else old[-1]
            text = text[: found.start] + one.text + text[found.end :]
            spans = [_moved(other, found, len(one.text)) for other in spans]
        elif run is not None:
            text = f"{text[: run.start()]}{run[1] or ''}execution {one.value}{text[run.end() :]}"
            spans = []
        else:
            tail += f" {_BY[one.kind]} {one.text}" if one.kind in _BY else f" {one.text}"
    return f"{text.rstrip(' ?!.')}{tail}?" if tail else text


_DONE = ""
"""The value of a name that another has replaced."""


def _moved(one: Entity, replaced: Entity, length: int) -> Entity:
    if one is replaced:
        return msgspec.structs.replace(one, value=_DONE)
    shift = length - (replaced.end - replaced.start) if one.start >= replaced.end else 0
    return msgspec.structs.replace(one, start=one.start + shift, end=one.end + shift)


def _pronounced(question: str, turn: Turn, names_some: bool) -> str:
    """A question about "it", with the name of what it is; about "then", with the execution."""
    said = _IT.search(question)
    is_time = said is not None and bool(said["run"] or said["then"])
    if said is None or (names_some and not is_time):
        return question
    run = f"execution {turn.execution_id}" if turn.execution_id else None
    meant = run if is_time and (run or names_some) else _referent(turn)
    if meant is None:
        return question
    meant = f"in {meant}" if said["then"] else meant
    owner = "'s" if said["its"] else ""
    return f"{question[: said.start()]}{meant}{owner}{question[said.end() :]}"


def _referent(turn: Turn) -> str | None:
    """What "it" is after a question: what was named last, or the execution that was told of."""
    for kind in ("node", "tool", "key", "package", "exec", "thread"):
        named = [one for one in turn.entities if one.kind == kind and one.score > 0.7]
        if named:
            prefix = "execution " if kind == "exec" else "thread " if kind == "thread" else ""
            return prefix + named[-1].value
    graphs = turn.of("graph")
    is_of_run = _ORDERED_RUN.search(turn.question) or _ORDER.search(turn.question)
    if turn.execution_id and (is_of_run or not graphs):
        return f"execution {turn.execution_id}"
    return graphs[-1].value if graphs else None


def _is_of_run(uri: str) -> bool:
    return uri.startswith("execution://")


def _write(connection: apsw.Connection, row: tuple[str, int, bytes]) -> None:
    connection.execute("INSERT OR REPLACE INTO conversations VALUES (?, ?, ?)", row)
    connection.execute(
        "DELETE FROM conversations WHERE id IN"
        " (SELECT id FROM conversations ORDER BY at_ns DESC LIMIT -1 OFFSET ?)",
        (KEPT,),
    )
