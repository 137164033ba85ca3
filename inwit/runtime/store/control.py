"""Pausing, resuming and cancelling executions in any process of a project.

A request is a row of the record, addressed to the process that runs the execution; that process
looks for such rows while it runs anything (`inwit.runtime.store.controlled`) and obeys at the next
step; a running async node is cancelled at once. What became of it is in the execution's own events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import apsw
import msgspec

from inwit.errors import (
    AnswerNeededError,
    ExecutionOverError,
    InvalidAnswerError,
    MalformedInputError,
    NotControllableError,
    StaleExecutionError,
    nearest,
)
from inwit.events import InterruptRaised, Status
from inwit.runtime.interrupts import Waiting, match_answers
from inwit.runtime.project import Project
from inwit.runtime.store import audit
from inwit.runtime.store.connection import query
from inwit.runtime.store.heartbeat import is_lost
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.schema import migrate_room
from inwit.runtime.views import Execution

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.store.reader import Store

Action = Literal["pause", "resume", "cancel"]
Outcome = Literal["done", "unchanged", "requested"]
ACTIONS: Final = ("pause", "resume", "cancel")
ROOM: Final = "control"
MIGRATIONS: Final = (
    """
    CREATE TABLE controls (
        number INTEGER PRIMARY KEY AUTOINCREMENT, process INTEGER NOT NULL, execution TEXT NOT NULL,
        action TEXT NOT NULL, value BLOB NOT NULL, reason TEXT NOT NULL, asked_ns INTEGER NOT NULL,
        refusal TEXT
    );
    CREATE INDEX controls_open ON controls (process) WHERE refusal IS NULL;
    """,
)
NO_VALUE: Final = msgspec.UNSET
WAIT_S: Final = 2.0
"""How long a request waits to see its effect before it says that it is only requested."""
_LOOK_S = 0.05
_WANTED: Mapping[str, tuple[str, ...]] = {
    "pause": ("paused",), "resume": ("running",), "cancel": ("cancelled",),
}  # fmt: skip
Find = Callable[[Execution], "CompiledGraph[Any] | None"]


class ControlResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a request came to; `requested` means that the next step will show it."""

    execution_id: str
    action: Action
    outcome: Outcome
    status: Status
    seq: int
    """The last event's; the `expected_seq` of what is asked next."""
    message: str


def request(
    project: Project,
    execution_id: str,
    action: str,
    *,
    value: Any = NO_VALUE,
    expected_seq: int | None = None,
    actor: str,
    find: Find | None = None,
    wait_s: float = WAIT_S,
) -> ControlResult:
    """Ask that an execution pauses, goes on or ends, and wait a while for it.

    `value` answers what an execution waits for. `expected_seq` refuses the request where the
    execution has moved on. `find` gives the graph of an execution that waits and whose process is
    gone, so that it can go on in this one. Asking again for what is so changes nothing. Each
    request is in the audit log.

    Raises:
        UnknownExecutionError: No execution has that id.
        ExecutionOverError: It has ended.
        StaleExecutionError: It is at another event than expected.
        AnswerNeededError: It waits for an answer, and none is given, or the other way round.
        InvalidAnswerError: The answer does not fit the question's schema.
        NotControllableError: No process can do it.
    """
    if action not in ACTIONS:
        raise MalformedInputError(f"No action {action!r}.", hint=nearest(str(action), ACTIONS))
    asked = _Request(project, action, value, actor, find)  # type: ignore[arg-type]
    found = asked.look(execution_id)
    outcome, error = "refused", ""
    try:
        asked.check(found, expected_seq)
        result = asked.carry_out(found, wait_s)
        outcome = result.outcome
    except Exception as exc:
        error = getattr(exc, "code", type(exc).__name__)
        raise
    finally:
        details: dict[str, Any] = {"status": found.status, "seq": found.last_seq}
        details |= {"error": error} if error else {}
        audit.append(
            asked.journal, actor=actor, action=f"execution.{action}",
            target=f"execution://{found.execution_id}", outcome=outcome, details=details,
        )  # fmt: skip
    return result


def check_request(
    project: Project, found: Execution, action: str, value: Any, expected_seq: int | None, *,
    find: Find | None = None,
) -> None:  # fmt: skip
    """Refuse now what `request` would refuse, before a person is asked about it; see there."""
    asked = _Request(project, action, value, "", find)  # type: ignore[arg-type]
    asked.check(found, expected_seq)
    asked.answer(found)
    asked.check_way_on(found)


def open_questions(store: Store, execution_id: str) -> list[Waiting]:
    """What an execution asks and nobody has answered, in the order in which it was asked."""
    waiting: dict[str, Waiting] = {}
    for event in store.events(execution_id, types=("interrupt_raised", "interrupt_resumed")):
        if isinstance(event, InterruptRaised):
            waiting[event.interrupt_id] = Waiting(
                id=event.interrupt_id, value=event.value, schema=event.schema, ns="", task=""
            )
        else:
            waiting.pop(event.interrupt_id, None)  # type: ignore[attr-defined]
    return list(waiting.values())


class _Request:
    def __init__(
        self, project: Project, action: Action, value: Any, actor: str, find: Find | None
    ) -> None:
        from inwit.runtime.store.reader import Store

        self.journal = Journal.of(project)
        self.store = Store.of(project)
        self.action = action
        self.value = value
        self.actor = actor
        self.find = find

    def look(self, execution_id: str) -> Execution:
        self.journal.flush()  # it may run in this process
        return self.store.execution(execution_id)

    def check(self, found: Execution, expected_seq: int | None) -> None:
        if expected_seq is not None and found.last_seq != expected_seq:
            raise StaleExecutionError(found.execution_id, expected_seq, found.last_seq)
        is_open = found.status in ("running", "paused", "waiting_for_input")
        if not is_open and not (self.action == "cancel" and found.status == "cancelled"):
            raise ExecutionOverError(found.execution_id, found.status, self.action)

    def check_way_on(self, found: Execution) -> None:
        """Refuse what would go on here and cannot, its own process being gone."""
        is_meant = self.action == "resume" and found.status in ("waiting_for_input", "paused")
        if is_meant and self._process(found) is None:
            from inwit.runtime.store.controlled import check_held

            check_held(self._graph_here(found), found.execution_id, _thread_of(found))

    def carry_out(self, found: Execution, wait_s: float) -> ControlResult:
        if found.status in _WANTED[self.action]:
            return self._result(found, "unchanged", f"It is {found.status} already.")
        if self.action == "pause" and found.status == "waiting_for_input":
            return self._result(found, "unchanged", "It waits for an answer, and runs nothing.")
        answer = self.answer(found)
        self._give_to_its_process(found, answer)
        return self._await(found, wait_s)

    def answer(self, found: Execution) -> Any:
        """The checked answers by their questions' ids, where it waits for some."""
        is_given = self.value is not NO_VALUE
        if self.action != "resume" or found.status != "waiting_for_input":
            if is_given:
                raise AnswerNeededError(found.execution_id, "It asks for no answer: give no value.")
            return None
        if not is_given:
            raise AnswerNeededError(found.execution_id, "Give the answer as value.")
        try:
            return match_answers(open_questions(self.store, found.execution_id), self.value)
        except TypeError as exc:
            raise InvalidAnswerError(self.value, str(exc), None) from exc

    def _give_to_its_process(self, found: Execution, answer: Any) -> None:
        """Write the request where its process sees it; let it go on here where that is gone."""
        process = self._process(found)
        if process is None:
            self._carry_out_here(found, answer)
            return
        number = self.journal.database.write(lambda it: self._insert(it, process, found, answer))
        self.journal.rouse()
        deadline = time.monotonic() + WAIT_S
        while (refusal := self._refusal(number)) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S / 5)
        if refusal:
            self._carry_out_here(found, answer)

    def _insert(
        self, connection: apsw.Connection, process: int, found: Execution, answer: Any
    ) -> int:
        migrate_room(connection, connection.filename, ROOM, MIGRATIONS)
        reason = f"{self.action} asked by {self.actor}"
        connection.execute(
            "INSERT INTO controls (process, execution, action, value, reason, asked_ns)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (process, found.execution_id, self.action, msgspec.msgpack.encode(answer), reason,
             time.time_ns()),
        )  # fmt: skip
        return connection.last_insert_rowid()

    def _refusal(self, number: int) -> str | None:
        """What its process said: nothing yet, empty for yes, or why not."""
        rows = self.store.read("SELECT refusal FROM controls WHERE number = ?", (number,))
        return rows[0][0] if rows else ""

    def _process(self, found: Execution) -> int | None:
        """The process that ran it last, if that is alive."""
        rows = self.store.read(
            "SELECT p.id, p.pid, p.started, p.boot, p.beat_ns, p.beat_monotonic_ns"
            " FROM executions e JOIN processes p ON p.id = e.process WHERE e.id = ?",
            (found.execution_id,),
        )
        return rows[0][0] if rows and not is_lost(*rows[0][1:]) else None

    def _carry_out_here(self, found: Execution, answer: Any) -> None:
        from inwit.runtime.store.controlled import close, go_on

        if found.status == "running":
            raise NotControllableError(found.execution_id, "no process runs it any more")
        if self.action == "cancel":
            graph = None if self.find is None else self.find(found)
            close(graph, found, self.actor, self.journal)
        else:
            go_on(self._graph_here(found), found.execution_id, _thread_of(found), answer)

    def _graph_here(self, found: Execution) -> CompiledGraph[Any]:
        graph = None if self.find is None else self.find(found)
        if graph is None:
            raise NotControllableError(
                found.execution_id, f"no process at hand has its graph {found.graph_name!r}"
            )
        return graph

    def _await(self, found: Execution, wait_s: float) -> ControlResult:
        deadline = time.monotonic() + wait_s
        while True:
            version = self.store.data_version()
            now = self.look(found.execution_id)
            if now.status != found.status or now.status in _WANTED[self.action]:
                return self._result(now, "done", f"It is {now.status} now.")
            if (left := deadline - time.monotonic()) <= 0:
                break
            self.store.wait_change(min(left, _LOOK_S), version)
        message = f"It is asked to {self.action}; it will at its next step."
        return self._result(now, "requested", message)

    def _result(self, found: Execution, outcome: Outcome, message: str) -> ControlResult:
        return ControlResult(
            execution_id=found.execution_id, action=self.action, outcome=outcome,
            status=found.status, seq=found.last_seq, message=message,
        )  # fmt: skip


def _thread_of(found: Execution) -> str:
    return found.thread_id or found.execution_id


def open_for(connection: apsw.Connection, process: int) -> list[tuple[Any, ...]]:
    """The requests that a process has not looked at: number, execution, action, value, reason."""
    return query(
        connection,
        "SELECT number, execution, action, value, reason FROM controls"
        " WHERE process = ? AND refusal IS NULL ORDER BY number",
        (process,),
    )
