"""The writer of the record: one thread for each project and process.

Producers append rows to their recordings and never wait for the disk; the thread takes the rows
every few milliseconds and commits them for all executions at once. A commit survives the death of
the process (SQLite's NORMAL: the system has it); one that somebody waits for, by `flush` or a
submitted write, also survives the loss of power (FULL: the disk has it).
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import apsw

from inwit.errors import StoreError, StoreLockedError
from inwit.events import Event
from inwit.runtime.capture import record_langchain
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.project import Project
from inwit.runtime.record import Recording
from inwit.runtime.stalls import Stall, Stalls
from inwit.runtime.store import metrics
from inwit.runtime.store.commit import Group, ProjectEvent, Write, now_ns
from inwit.runtime.store.controlled import Controls
from inwit.runtime.store.database import Database
from inwit.runtime.store.heartbeat import Heart
from inwit.runtime.store.intake import Intake
from inwit.runtime.store.registrar import Registrar, Registration
from inwit.runtime.store.retention import Keeper

if TYPE_CHECKING:
    from inwit.runtime.node_config import Watch

T = TypeVar("T")
POLL_S: Final = 0.02
RETRY_S: Final = 0.25
"""How often a disk that took nothing is tried again."""
WAIT_S: Final = 10.0
"""How long a producer with a full buffer waits for a disk that neither takes nor fails."""
PILE: Final = 256
"""How many executions may begin before their producer itself takes rows from its and others'."""
CROWD: Final = 512
"""How many batches may wait for the disk before those who begin executions wait as well."""
CROWD_S: Final = 0.05
EXIT_S: Final = 5.0
HELD: Final = "inwit_loop_held_seconds"
"""The figure that says of a node how long it held its event loop, at least."""
_logger = logging.getLogger("inwit")
_journals: dict[Path, Journal] = {}
_journals_lock = threading.Lock()
_left_behind: list[object] = []
Callback = Callable[[Sequence[Event]], None]


class Crowd:
    """Those on one event loop who wait for the next commit: they are told by one call."""

    __slots__ = ("_loop", "futures")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.futures: list[asyncio.Future[None]] = []

    def resolve(self, error: BaseException | None) -> None:
        """Tell them, from any thread; nobody waits on a loop that is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve, error)

    def _resolve(self, error: BaseException | None) -> None:
        for one in self.futures:
            if one.done():
                continue
            if error is None:
                one.set_result(None)
            else:
                one.set_exception(error)


class Journal:
    """Writes one project's record for this process. `of` gives every room the same one."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.database = Database.of(project)
        self._intake = Intake()
        self._new = self._intake.new
        self._heart = Heart()
        self._keeper = Keeper(project)
        self._controls = Controls(self)
        self._stalls = Stalls(self._stalled)
        self._writes: list[Write] = []
        self._events: list[ProjectEvent] = []
        self._registrar = Registrar(self.database, self._intake, self._warn, self.emit)
        self._waiters: list[Future[None] | Crowd] = []
        self._crowds: dict[asyncio.AbstractEventLoop, Crowd] = {}
        """Of the waiters those who wait on event loops."""
        self._callbacks: list[Callback] = []
        self.config_watch: Watch | None = None
        """The graphs that follow how their nodes are configured, once one was executed."""
        self._suspects: set[str] = set()
        self._generation = 0
        self._is_unsynced = False
        self._failure: StoreError | None = None
        """Why the last commit failed; None when it didn't."""
        self._last_failure: StoreError | None = None
        self._retry_at = 0.0
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._moved = threading.Event()
        self._is_urgent = False
        self._is_idle = False
        self._is_closing = False
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, project: Project) -> Journal:
        """The one journal of a project in this process."""
        with _journals_lock:
            found = _journals.get(project.folder)
            if found is None:
                record_langchain()
                found = _journals[project.folder] = cls(project)
            return found

    # What producers call

    def begin(self, recording: Recording) -> None:
        """Follow an execution from now on, until its END row is written."""
        new = self._new
        new.append(recording)
        if self._is_idle or self._thread is None:
            self._rouse()
        elif len(new) > PILE:
            self._help()

    def full_wait(self, recording: Recording) -> None:
        """Make room in a recording whose buffer is full.

        Waits while the disk is only slow; when it takes nothing, or for too long, rows are given up
        and the record says so by a ``gap``.
        """
        deadline = time.monotonic() + WAIT_S
        while not self._can_take():
            left = deadline - time.monotonic()
            if left <= 0:
                self._warn("slow", f"The disk of {self.project.folder} is stuck; events are lost.")
                break
            self._moved.wait(min(left, 0.1))
        self._intake.collect(recording)

    async def afull_wait(self, recording: Recording) -> None:
        """Like `full_wait`, without holding the event loop."""
        if self._can_take():
            self._intake.collect(recording)
        else:
            await asyncio.to_thread(self.full_wait, recording)

    def _help(self) -> None:
        """Do a part of the thread's work, which a busy program lets run too seldom."""
        self._collect()
        if len(self._intake.entries) > CROWD and self._failure is None:
            self._wake.set()
            self._moved.wait(CROWD_S)

    def _can_take(self) -> bool:
        return self._intake.has_room or self._failure is not None

    def emit(self, event_type: str, **fields: Any) -> None:
        """Write an event of the project itself."""
        with self._lock:
            self._events.append(ProjectEvent(event_type, now_ns(), fields))
        self._rouse()

    def register(
        self, build: Callable[[], GraphManifest], on_name: Callable[[str], None] | None = None
    ) -> Future[str]:
        """Register a graph soon; `on_name` is told the name that it has in the project.

        The future gives that name; while it is pending it can be cancelled.
        """
        registration = Registration(build, on_name)
        self._registrar.add(registration)
        self._rouse()
        return registration.done

    def submit(self, work: Callable[[apsw.Connection], T], *, is_urgent: bool = True) -> Future[T]:
        """Let `work` join the next commit; the future is done when that has reached the disk."""
        done: Future[T] = Future()
        with self._lock:
            self._writes.append(Write(work, done))
            self._is_urgent |= is_urgent
        self._rouse()
        return done

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when everything emitted so far is durable.

        Raises:
            StoreError: It cannot be made durable.
        """
        waiter = self._flush()
        if waiter is None:
            return
        try:
            waiter.result(timeout_s)
        except TimeoutError:
            raise StoreLockedError(self.database.path, timeout_s) from None

    async def aflush(self) -> None:
        """Like `flush`, without holding the event loop."""
        if not self._has_work() and not self._is_unsynced and self._failure is None:
            return
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        with self._lock:
            waiting = self._crowds.get(loop)
            if waiting is None:
                waiting = self._crowds[loop] = Crowd(loop)
                self._waiters.append(waiting)
            waiting.futures.append(done)
            self._is_urgent = True
        self._rouse()
        await done

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Be called, in the journal's thread, with the events of each commit as readers see them.

        Returns what ends it.
        """
        self._callbacks = [*self._callbacks, callback]

        def end() -> None:
            self._callbacks = [other for other in self._callbacks if other is not callback]

        return end

    def close(self, timeout_s: float = EXIT_S) -> None:
        """Write what is left and end the thread."""
        with _journals_lock:
            if _journals.get(self.project.folder) is self:
                del _journals[self.project.folder]
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._is_closing = True
        self._rouse()
        thread.join(timeout_s)
        self._controls.close()
        if not thread.is_alive():
            self._thread, self._is_closing = None, False

    @property
    def process(self) -> int:
        """The number by which this process is known in the record."""
        return self._heart.id

    def running(self, execution_id: str) -> Any:
        """The execution of that id which is under way in this process, if one is."""
        return self._intake.recording(execution_id)

    def rouse(self) -> None:
        """Let the thread look at once for what is asked of this process."""
        if self._thread is not None:
            self._wake.set()

    # The thread

    def _flush(self) -> Future[None] | None:
        if not self._has_work() and not self._is_unsynced and self._failure is None:
            return None
        waiter: Future[None] = Future()
        with self._lock:
            self._waiters.append(waiter)
            self._is_urgent = True
        self._rouse()
        return waiter

    def _rouse(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    name = f"inwit-journal-{self.project.root.name}"
                    self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                    self._thread.start()
                    atexit.register(self.close)
        if self._is_idle or self._is_urgent or self._is_closing:
            self._wake.set()

    def _has_work(self) -> bool:
        intake = self._intake
        return bool(
            intake.is_open or intake.entries or self._writes or self._events
            or self._registrar.waiting or self._waiters
        )  # fmt: skip

    def _run(self) -> None:
        self.database.coming.worker = threading.get_ident()
        while True:
            is_last = self._is_closing
            self._wake.clear()
            self._tick(is_last)
            if is_last:
                return
            if not self._has_work():
                self._is_idle = True
                if not (self._has_work() or self._is_closing):
                    self._wake.wait(self._controls.patience_s or self._keeper.due_s)
                self._is_idle = False
                self._wake.clear()
            if not (self._is_urgent or self._is_closing):
                self._wake.wait(POLL_S)

    def _tick(self, is_last: bool) -> None:
        with self._lock:
            is_urgent, self._is_urgent = self._is_urgent, False
            waiters, self._waiters = self._waiters, []
            self._crowds.clear()
        self._collect(lambda: self._registrar.run(is_all=bool(waiters) or is_last))
        is_hopeless = self._failure is not None and time.monotonic() < self._retry_at
        if is_hopeless and not (is_urgent or is_last):
            return
        is_durable = bool(waiters or self._writes or is_last)
        error = self._commit(is_durable)
        if error is None:
            self._retain(is_durable)
            if waiters and self._intake.gave_up:
                self._intake.gave_up, error = False, self._last_failure
        for waiter in waiters:
            if isinstance(waiter, Crowd):
                waiter.resolve(error)
            else:
                _resolve(waiter, None, error)
        self._moved.set()
        self._moved.clear()
        self._look_for_control()
        if self._intake.is_open:
            self._stalls.look()

    def _stalled(self, stall: Stall) -> None:
        """Say that a node held its event loop, and keep it for the doctor."""
        self._warn(f"stalled {stall.graph} {stall.node}", str(stall))
        labels = {"graph": stall.graph, "node": stall.node, "at": stall.at}
        self.submit(
            lambda connection: metrics.record(connection, HELD, stall.seconds, "gauge", labels),
            is_urgent=False,
        )

    def _look_for_control(self) -> None:
        try:
            self._controls.look()
        except StoreError as exc:
            self._warn(exc.code, str(exc))

    def _collect(self, before: Callable[[], None] = lambda: None) -> None:
        try:
            before()
            self._intake.collect_all()
        except Exception:  # a border: the program goes on, whatever a row holds
            _logger.exception("inwit: some rows could not be taken into the record.")

    def _commit(self, is_durable: bool) -> BaseException | None:
        """Write everything that waits; the error if that failed."""
        with self._lock:
            writes, self._writes = self._writes, []
            self._is_unsynced |= bool(writes)  # a flush in this moment waits for them
            events = self._events.copy()
        entries, keys, latencies = self._intake.take()
        group = Group(self._heart, entries, writes, events, latencies, self._suspects)
        is_beat = self._heart.is_due and self._intake.is_open
        if not (entries or writes or events or latencies or is_beat):
            if self._failure is None and not (is_durable and self._is_unsynced):
                return None
            self._heart.forget()  # something has to be written for the disk to be waited for
        try:
            with self.database.transaction(durable=is_durable) as connection:
                self._check_generation()
                group.write(connection)
                if self.config_watch is not None:
                    self.config_watch.look(connection)
        except Exception as exc:  # noqa: BLE001 - the border of the thread: see `_failed`
            self._intake.rollups.give_back(keys)
            return self._failed(exc, writes)
        self._succeeded(group, is_durable)
        return None

    def _check_generation(self) -> None:
        """Notice that the file is another one than before, after a damaged one was moved aside."""
        generation = self.database.generation
        if self._generation and generation != self._generation:
            self._suspects |= self._intake.open_ids()
            self._suspects |= {entry.execution_id for entry in self._intake.entries}
            self._heart.forget()
            self._registrar.repeat()
        self._generation = generation

    def _succeeded(self, group: Group, is_durable: bool) -> None:
        self._is_unsynced = not is_durable
        self._failure = None
        if group.has_beaten:
            self._heart.has_beaten()
        with self._lock:
            del self._events[: len(group.events)]
        self._intake.written(group.entries)
        self._keeper.count(group.entries)
        if group.fenced:
            self._intake.fence(group.fenced)
            for error in group.fenced.values():
                self._warn(f"fenced {error.execution_id}", str(error))
        for write in group.writes:
            _resolve(write.done, write.result, write.error)
        if self._callbacks:
            self._tell(group)

    def _failed(self, exc: Exception, writes: list[Write]) -> BaseException:
        """Keep what can be kept for the next try, and tell those who wait."""
        for write in writes:
            _resolve(write.done, None, exc)
        if not isinstance(exc, StoreError):
            _logger.error("inwit: the record could not be written.", exc_info=exc)
            exc = StoreError(f"The record could not be written: {exc!r}.")
        self._failure = self._last_failure = exc
        self._retry_at = time.monotonic() + RETRY_S
        self._warn(exc.code, str(exc))
        return exc

    def _warn(self, key: str, text: str) -> None:
        """Say something once."""
        if key not in self._warned:
            self._warned.add(key)
            _logger.warning("inwit: warning: %s", text)

    def _retain(self, is_durable: bool) -> None:
        try:
            self._keeper.enforce(self.database, is_awaited=is_durable)
        except StoreError as exc:
            self._warn(exc.code, str(exc))

    def _tell(self, group: Group) -> None:
        from inwit.runtime.store.reader import Store

        try:
            events = Store.of(self.project).expand_group(group)
        except StoreError as exc:
            self._warn(exc.code, str(exc))
            return
        for callback in self._callbacks:
            try:
                callback(events)
            except Exception:  # a subscriber's fault is its own
                _logger.exception("inwit: a subscriber of the record raised.")


def _resolve(future: Future[Any], result: Any, error: BaseException | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _after_fork() -> None:
    """A child has none of its parent's threads; it begins with journals of its own."""
    global _journals_lock  # noqa: PLW0603 - another thread may have held it when the fork came
    _journals_lock = threading.Lock()
    for journal in _journals.values():
        _left_behind.append(journal.__dict__.copy())
        journal.__init__(journal.project)  # type: ignore[misc]


os.register_at_fork(after_in_child=_after_fork)
