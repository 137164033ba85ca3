"""An execution as its record has it, whole: what was given, what each visit returned, was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import UnreplayableError
from inwit.events import Failure
from inwit.runtime.commands import Send
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.serial import unpack
from inwit.runtime.store.codec import BLOB, decompress
from inwit.runtime.store.connection import query
from inwit.runtime.store.expand import failure_of
from inwit.runtime.store.fold import apply_update, changes_of

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.project import Project
    from inwit.runtime.views import Execution

Row = tuple[Any, ...]
Key = tuple[str, int]
"""A node and the number of its visit."""


class Told(msgspec.Struct, frozen=True):
    """One thing that a visit was told from outside."""

    type: str
    fields: Mapping[str, Any]


class PastVisit(msgspec.Struct, kw_only=True):
    """One visit of a node as it was."""

    node: str
    visit: int
    seq: int
    """Of the event that it began with."""
    update: Mapping[str, Any] | None = None
    edges: tuple[Any, ...] = ()
    status: str = "running"
    failure: Failure | None = None
    attempt: int = 1
    told: list[Told] = []
    answers: list[Any] = []
    """What persons answered."""
    before: Mapping[str, Any] = {}
    """The state that it began with."""

    @property
    def key(self) -> Key:
        return self.node, self.visit

    @property
    def reaches_out(self) -> bool:
        """Whether it called models or tools."""
        return any(one.type in ("llm_started", "tool_started") for one in self.told)

    def goto(self) -> list[Send | str]:
        """Where its commands led to."""
        ways = [edge for edge in self.edges if not isinstance(edge, str) and edge[1] == "goto"]
        return [Send(way[0], way[2]["input"]) if way[2] else way[0] for way in ways]


class Past(msgspec.Struct, kw_only=True):
    """One execution as it was."""

    execution_id: str = ""
    graph_name: str = ""
    thread_id: str = ""
    begun_ns: int = 0
    """Since 1970."""
    given: Mapping[str, Any] | None = None
    called: Mapping[str, Any] = {}
    """Its config and its context; see `inwit.runtime.called`."""
    initial: dict[str, Any] = {}
    """The state before the first visit."""
    state: dict[str, Any] = {}
    """The state after the last event."""
    visits: dict[Key, PastVisit] = {}
    """In the order of their beginnings."""
    status: str = "running"
    failure: Failure | None = None


def read_past(project: Project, execution_id: str) -> Past:
    """Read an execution's record, nothing hidden: for replaying, and for no reader.

    Raises:
        UnknownExecutionError: There is none.
        UnreplayableError: Its record is not whole.
    """
    found, anchor_ns, rows = read_rows(project, execution_id)
    past = past_of(rows)
    past.begun_ns = anchor_ns + rows[0][2]
    past.execution_id, past.graph_name = found.execution_id, found.graph_name
    past.thread_id = found.thread_id or found.execution_id
    return past


def read_rows(project: Project, execution_id: str) -> tuple[Execution, int, list[Row]]:
    """An execution's rows, whole, and what turns the first one's time into one since 1970.

    Raises:
        UnknownExecutionError: There is none.
        UnreplayableError: Its record is not whole.
    """
    from inwit.runtime.store import Journal, Store

    Journal.of(project).flush()
    store = Store.unredacted(project)
    found = store.execution(execution_id)
    anchor_ns, rows = store.database.read(lambda connection: _rows(connection, found.execution_id))
    _check(found, rows)
    return found, anchor_ns, rows


def _rows(connection: apsw.Connection, execution_id: str) -> tuple[int, list[Row]]:
    """The rows, and what turns the first one's time into one since 1970."""

    def blob(name: bytes) -> Any:
        sql = "SELECT content FROM blobs WHERE digest = ?"
        found = query(connection, sql, (bytes(name).decode(),))
        if not found:
            raise UnreplayableError(execution_id, f"The value {name.decode()} is gone.")
        return unpack(decompress(found[0][0]), {BLOB: blob})

    batches = query(
        connection,
        "SELECT rows, anchor_ns FROM batches WHERE execution = ? ORDER BY first_seq",
        (execution_id,),
    )
    rows = [row for packed, _ in batches for row in unpack(decompress(packed), {BLOB: blob})]
    return (batches[0][1] if batches else 0), rows


def _check(found: Execution, rows: list[Row]) -> None:
    if not rows or rows[0][0] != START:
        raise UnreplayableError(found.execution_id, "Its beginning is not in the record.")
    if any(row[0] == EVENT and row[3] == "gap" for row in rows):
        raise UnreplayableError(found.execution_id, "Its record has a gap.")


def past_of(rows: list[Row]) -> Past:
    """Fold the rows of one execution, in their order."""
    past, state = Past(), dict[str, Any]()
    asked: dict[str, PastVisit] = {}
    for row in rows:
        if row[0] == START:
            past.given = row[3]
            past.called = row[4] if len(row) > 4 else {}
        _take(past, row, state, asked)
        for _, update in changes_of(row):
            apply_update(state, update)
        if not past.visits:
            past.initial = dict(state)
    past.state = state
    past.visits = _answered(sorted(past.visits.values(), key=lambda visit: visit.seq))
    return past


def _answered(visits: list[PastVisit]) -> dict[Key, PastVisit]:
    """Leave out the visits that only asked a person, and number the others as if they had known."""
    found: dict[Key, PastVisit] = {}
    asked: dict[str, list[PastVisit]] = {}
    waiting: dict[str, list[Any]] = {}
    for visit in visits:
        if visit.status == "running" and visit.answers:
            asked.setdefault(visit.node, []).append(visit)
            waiting.setdefault(visit.node, []).extend(visit.answers)
            continue
        visit.visit -= len(asked.get(visit.node, ()))
        visit.answers = waiting.pop(visit.node, [])
        found[visit.key] = visit
    return found


def _take(past: Past, row: Row, state: Mapping[str, Any], asked: dict[str, PastVisit]) -> None:
    kind = row[0]
    if kind == VISIT:
        _, entry, _, node, number, attempt, _, _, update, edges, _ = row
        visit = _visit(past, (node, number), entry, state)
        visit.attempt, visit.status = attempt, "completed"
        visit.update, visit.edges, visit.failure = update, tuple(edges), None
    elif kind == ENTER:
        visit = _visit(past, (row[2], row[3]), row[1], state)
        visit.attempt = max(visit.attempt, row[4])
    elif kind == EXIT:
        visit = _visit(past, (row[2], row[3]), row[1], state)
        visit.status, visit.failure = "completed", None
    elif kind == APPLY:
        visit = _visit(past, (row[2], row[3]), row[1], state)
        visit.update, visit.edges = row[6], tuple(row[7])
    elif kind == EVENT:
        _take_event(past, row, state, asked)
    elif kind == END:
        past.status = row[3]
        past.failure = None if row[5] is None else failure_of(row[5])


def _take_event(
    past: Past, row: Row, state: Mapping[str, Any], asked: dict[str, PastVisit]
) -> None:
    _, seq, _, type_name, node, number, attempt, fields = row
    fields = fields or {}
    if type_name == "interrupt_resumed" and fields.get("interrupt_id") in asked:
        asked[fields["interrupt_id"]].answers.append(fields.get("value"))
    if node is None or number is None or node == "__start__":
        return
    visit = _visit(past, (node, number), seq, state)
    if type_name == "node_failed":
        visit.status, visit.failure = "failed", failure_of(fields.get("error"))
        visit.attempt = max(visit.attempt, attempt or 1)
        visit.told.clear()
    elif type_name == "interrupt_raised":
        asked[str(fields.get("interrupt_id"))] = visit
        visit.told.clear()
    else:
        visit.told.append(Told(type_name, fields))


def _visit(past: Past, key: Key, seq: int, state: Mapping[str, Any]) -> PastVisit:
    found = past.visits.get(key)
    if found is None:
        found = past.visits[key] = PastVisit(
            node=key[0], visit=key[1], seq=seq, before=dict(state), told=[], answers=[]
        )
    found.seq = min(found.seq, seq)
    return found
