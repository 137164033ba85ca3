"""The near side of control: a process looks for what is asked of its executions, and obeys."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

import msgspec

from inwit.errors import InwitError, NotControllableError, StoreError
from inwit.runtime.commands import Command
from inwit.runtime.store.codec import Encoder
from inwit.runtime.store.connection import query
from inwit.runtime.store.entry import end_row
from inwit.runtime.store.watch import Watcher

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.engine import Execution as Running
    from inwit.runtime.store.journal import Journal
    from inwit.runtime.views import Execution

LOOK_S: Final = 0.05
"""How often a process looks while it runs anything, or has executions that wait."""
WAITING: Final = 10_000
"""How many of its executions that wait a process remembers; of older ones it has no graph."""
SETTLE_S: Final = 2.0
"""How long after it began to wait an execution is in the record as one that waits."""
TOGETHER_S: Final = 0.1
"""Executions of a graph that begin to wait within this time share what is remembered of them."""


class _Since(NamedTuple):
    """When executions began to wait, and whose they are."""

    s: float
    graph: ref[Any]


_waiting: dict[str, _Since] = {}
_newest: list[_Since] = []
_logger = logging.getLogger("inwit")


def note_waiting(execution: Running) -> None:
    """Remember whose an execution is that ends by waiting, so that it can go on here."""
    now, last = time.monotonic(), _newest[-1] if _newest else None
    if last is None or now - last.s > TOGETHER_S or last.graph() is not execution.graph:
        last = _Since(now, ref(execution.graph))
        _newest[:] = [last]
    _waiting[execution.execution_id] = last
    if len(_waiting) > WAITING:
        _waiting.pop(next(iter(_waiting)), None)


class Controls:
    """What is asked of one process, in one project. It belongs to the journal's thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._watcher = Watcher(journal.database.path)
        self._seen = -1
        self._due = 0.0
        self._has_table = False
        self._under_way: set[int] = set()

    @property
    def patience_s(self) -> float | None:
        """How long the process may look away while it runs nothing; None for as long as it likes."""
        return LOOK_S if _waiting else None

    def look(self) -> None:
        """Do what is asked; most often, nothing has changed since the last look."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + LOOK_S
        version = self._watcher.version()
        if version == self._seen:
            return
        self._seen = version
        if _waiting:
            self._journal.database.read(_forget_over)
        for number, *asked in self._journal.database.read(self._open):
            if number not in self._under_way:
                self._obey(number, *asked)

    def _say(self, number: int, refusal: str) -> None:
        said = "UPDATE controls SET refusal = ? WHERE number = ?"
        with self._journal.database.transaction(durable=False) as connection:
            connection.execute(said, (refusal, number))

    def close(self) -> None:
        """Let go of the file."""
        self._watcher.close()

    def _open(self, connection: apsw.Connection) -> list[tuple[Any, ...]]:
        from inwit.runtime.store.control import open_for

        if not self._has_table:
            named = "SELECT 1 FROM sqlite_master WHERE name = 'controls'"
            self._has_table = bool(query(connection, named))
        return open_for(connection, self._journal.process) if self._has_table else []

    def _obey(self, number: int, execution_id: str, action: str, value: bytes, reason: str) -> None:
        """Steer what runs. What waits needs its checkpoints, for which this thread may not wait."""
        from inwit.runtime.engine import Execution as Running

        running = self._journal.running(execution_id)
        if running is None:
            self._under_way.add(number)
            asked = (number, execution_id, action, value, reason)
            threading.Thread(target=self._on_waiting, args=asked, daemon=True).start()
        elif isinstance(running, Running):
            _steer(running, action, reason)
            self._say(number, "")
        else:
            self._say(number, "it is run by another library")

    def _on_waiting(
        self, number: int, execution_id: str, action: str, value: bytes, reason: str
    ) -> None:
        """Do what is asked of an execution that waits, and say why not where it cannot be done."""
        refusal = ""
        try:
            graph = _graph_of(execution_id)
            if graph is None:
                refusal = "it has not the graph any more"
            else:
                _answer(graph, execution_id, action, msgspec.msgpack.decode(value), reason)
        except Exception as exc:
            _logger.warning("inwit: warning: %s could not be done: %s", reason, exc, exc_info=True)
            refusal = str(exc) or type(exc).__name__
        try:
            self._say(number, refusal)
        except StoreError as exc:
            _logger.warning("inwit: warning: %s", exc)
        self._under_way.discard(number)


def _graph_of(execution_id: str) -> CompiledGraph[Any] | None:
    known = _waiting.get(execution_id)
    return None if known is None else known.graph()


def _forget_over(connection: apsw.Connection) -> None:
    """Forget executions that do not wait any more."""
    settled = time.monotonic() - SETTLE_S
    old = [key for key, since in list(_waiting.items()) if since.s < settled]
    for key in old[:100]:
        named = (
            "SELECT 1 FROM executions WHERE id = ? AND status IN ('paused', 'waiting_for_input')"
        )
        if query(connection, named, (key,)):
            _waiting[key] = _waiting.pop(key)
        else:
            _waiting.pop(key, None)


def _steer(running: Running, action: str, reason: str) -> None:
    """Pause, resume or cancel what runs, in whichever thread; and what runs within it."""
    from inwit.runtime import cancelling, holding

    every = holding.with_inner(running, [one for one, _ in cancelling.running()])
    every = every if running in every else [running, *every]
    if action == "cancel":
        cancelling.tell(running, every, reason)
    for one in every:
        if action == "pause":
            holding.hold(one, reason)
        else:
            holding.let_go(one)


def _answer(
    graph: CompiledGraph[Any], execution_id: str, action: str, answer: Any, reason: str
) -> None:
    from inwit.runtime.store.reader import Store

    found = Store.of(graph.project).execution(execution_id)
    thread_id = found.thread_id or execution_id
    if action == "cancel":
        graph.cancel(execution_id=execution_id, thread_id=thread_id, reason=reason)
    elif action == "resume":
        go_on(graph, execution_id, thread_id, answer)


def go_on(graph: CompiledGraph[Any], execution_id: str, thread_id: str, answer: Any) -> None:
    """Let an execution that waits go on, in a thread of its own.

    Raises:
        NotControllableError: The graph's checkpointer does not hold its thread.
    """
    check_held(graph, execution_id, thread_id)
    given: Command[Any] | None = None if answer is None else Command(resume=answer)

    def run() -> None:
        try:
            graph.invoke(given, thread_id=thread_id)
        except Exception as exc:  # noqa: BLE001 - a border: how it went is in its record
            _logger.info("inwit: %s ended with %r.", execution_id, exc)

    threading.Thread(target=run, name=f"inwit-resume-{execution_id[:8]}", daemon=True).start()


def check_held(graph: CompiledGraph[Any], execution_id: str, thread_id: str) -> None:
    """Refuse to let an execution go on whose thread the graph's checkpointer does not hold.

    Raises:
        NotControllableError: It does not.
    """
    from inwit.runtime.checkpoints import split

    rows = () if graph.saver is None else graph.saver.load(thread_id)
    if not rows or execution_id not in {row.execution_id for row in split(rows)[1]}:
        raise NotControllableError(
            execution_id, "its checkpoints are not here; only the process that ran it has them"
        )


def close(graph: CompiledGraph[Any] | None, found: Execution, actor: str, journal: Journal) -> None:
    """End an execution that waits and that no process holds."""
    reason = f"cancel asked by {actor}"
    if graph is not None:
        thread_id = found.thread_id or found.execution_id
        try:
            if graph.cancel(execution_id=found.execution_id, thread_id=thread_id, reason=reason):
                return
        except InwitError as exc:
            _logger.info("inwit: %s is closed in the record alone: %s", found.execution_id, exc)
    journal.database.write(lambda it: _write_end(it, found, reason))


def _write_end(connection: apsw.Connection, found: Execution, reason: str) -> None:
    """End it in the record; a process that comes back with it is fenced off by the seq."""
    seq, now_ns = found.last_seq + 1, time.time_ns()
    row = end_row(seq, 0, "cancelled", None, reason)
    connection.execute(
        "INSERT INTO batches (execution, first_seq, last_seq, anchor_ns, rows)"
        " VALUES (?1, ?2, ?2, ?3, ?4)",
        (found.execution_id, seq, now_ns, Encoder().encode([row])),
    )
    connection.execute(
        "UPDATE executions SET status = 'cancelled', reason = ?2, last_seq = ?3, last_ns = ?4,"
        " ended_ns = ?4, duration_ns = ?4 - started_ns, current_node = NULL WHERE id = ?1",
        (found.execution_id, reason, seq, now_ns),
    )
