"""The one door through which the record is read. What comes out of it is redacted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec

from inwit.errors import StoreError, UnknownGraphError, UnknownUriError, shorten
from inwit.events import Event, timestamp
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.node_config import rows_of, shown_of
from inwit.runtime.project import Project
from inwit.runtime.store import metrics, queries
from inwit.runtime.store.batches import OFFSET_BITS, Batches
from inwit.runtime.store.commit import Group
from inwit.runtime.store.connection import query
from inwit.runtime.store.database import Database
from inwit.runtime.store.edits import Edit, edits
from inwit.runtime.store.expand import About, Expander
from inwit.runtime.store.fold import Folder, state_after
from inwit.runtime.store.heartbeat import close_lost, lost_processes
from inwit.runtime.store.redact import Profile, Redactor, Unredacted
from inwit.runtime.store.rollups import add_counts, counts_of
from inwit.runtime.store.watch import Watcher
from inwit.runtime.views import Execution, Latency, Page, RegisteredGraph, Visit

T = TypeVar("T")
_SWEEP_S: Final = 1.0
_CACHED: Final = 512
_stores: dict[tuple[Path, str | None], Store] = {}
_stores_lock = threading.Lock()


class Store:
    """The record of one project, for readers. Thread-safe; `of` gives every room the same one."""

    def __init__(self, project: Project, redactor: Redactor) -> None:
        self.project = project
        self.redactor = redactor
        self.database = Database.of(project)
        self._watcher = Watcher(project.database)
        self._next_sweep = 0.0
        self._folded: OrderedDict[tuple[str, int, int], list[Visit]] = OrderedDict()

    @classmethod
    def of(cls, project: Project) -> Store:
        """The store of a project, with the redaction that its settings name.

        Raises:
            StoreError: They name none that there is: nobody is shown more than is meant.
        """
        named = project.settings().get("redaction", "secrets")
        if named not in ("secrets", "pii"):
            file = project.folder / "config.toml"
            hint = f'It is "secrets" or "pii". Mend it in {file}.'
            raise StoreError(f"redaction = {shorten(named)} is none that there is.", hint=hint)
        profile: Profile = "pii" if named == "pii" else "secrets"
        return cls._one(project, profile)

    @classmethod
    def unredacted(cls, project: Project) -> Store:
        """The record as it is: for resuming and replaying inside the runtime, for no reader."""
        return cls._one(project, None)

    @classmethod
    def _one(cls, project: Project, profile: Profile | None) -> Store:
        with _stores_lock:
            key = (project.folder, profile)
            found = _stores.get(key)
            if found is None or found.database is not Database.of(project):
                redactor: Redactor = Unredacted()
                if profile:
                    redactor = Redactor(partial(project.secret, "redaction.key"), profile)
                found = _stores[key] = cls(project, redactor)
            return found

    # Graphs

    def graphs(self, name: str | None = None, all_versions: bool = False) -> list[RegisteredGraph]:
        """The registered graphs in the order of their names; of each its current version."""
        self.database.coming.settle()
        rows = self.database.read(
            lambda connection: query(connection, "SELECT name, version, registered_ns, seen_ns, manifest,"
                " seen = max(seen) OVER (PARTITION BY name) FROM graphs"
                " WHERE ?1 IS NULL OR name = ?1 ORDER BY name, seen DESC", (name,))
        )  # fmt: skip
        return [self._graph(row) for row in rows if all_versions or row[5]]

    def edits(self, graph: str) -> list[Edit]:
        """When the source of a graph's nodes changed, oldest first."""
        return self.database.read(lambda connection: edits(connection, graph))

    def graph(self, name: str | None = None, version: str | None = None) -> RegisteredGraph:
        """One graph; without a name the only one or the last compiled.

        Raises:
            UnknownGraphError: There is none of that name or version.
        """
        if name is None:
            self.database.coming.settle()
            last = self.database.read(
                lambda connection: query(
                    connection, "SELECT name FROM graphs ORDER BY seen DESC LIMIT 1"
                )
            )
            if not last:
                raise UnknownGraphError("", ())
            name = str(last[0][0])
        found = self.graphs(name, all_versions=True)
        if not found:
            known = {one.name for one in self.graphs()}
            if name not in known:  # else another process has just registered it
                raise UnknownGraphError(name, known)
            found = self.graphs(name, all_versions=True)
        if version is None:
            return next(one for one in found if one.is_current)
        matching = [one for one in found if one.version.startswith(version)] if version else []
        if not matching:
            raise UnknownGraphError(f"{name}@{version}", {f"{name}@{one.version}" for one in found})
        return matching[0]

    def _graph(self, row: tuple[Any, ...]) -> RegisteredGraph:
        name, version, registered_ns, seen_ns, packed, is_current = row
        facts = msgspec.msgpack.decode(packed)
        if self.redactor.may_hold(packed):
            facts = self.redactor.value(facts)
        return RegisteredGraph(
            name=name, version=version, registered_at=timestamp(registered_ns),
            last_seen_at=timestamp(seen_ns), is_current=bool(is_current),
            manifest=msgspec.convert(facts, GraphManifest), node_configs=self._node_configs(name),
        )  # fmt: skip

    def _node_configs(self, graph: str) -> dict[str, dict[str, Any]]:
        rows = self.database.read(lambda connection: rows_of(connection, graph))
        shown: dict[str, dict[str, Any]] = self.redactor.value(shown_of(rows)) if rows else {}
        return shown

    # Executions

    def executions(  # noqa: PLR0913 - each filter by its name
        self, *, graph: str | None = None, version: str | None = None,
        status: str | Iterable[str] | None = None, thread_id: str | None = None,
        parent_id: str | None = None, since_ns: int | None = None, until_ns: int | None = None,
        limit: int = 50, cursor: str | None = None,
    ) -> Page[Execution]:  # fmt: skip
        """List executions, newest first. The times bound when they started.

        Raises:
            MalformedInputError: The cursor is none of ours.
        """
        self._close_lost()
        wanted = queries.Filter()
        wanted.add_graph(graph, status)
        wanted.add("version = ?", version)
        wanted.add("(thread = ? AND thread <> id OR id = ? AND thread = id)", thread_id)
        wanted.add("parent = ?", parent_id)
        wanted.add("started_ns >= ?", since_ns)
        wanted.add("started_ns < ?", until_ns)
        return self.database.read(
            lambda connection: wanted.page(connection, limit, cursor, self.redactor)
        )

    def execution(self, id_or_prefix: str) -> Execution:
        """One execution, by its id or by at least four digits that begin no other.

        Raises:
            UnknownExecutionError: None has it, or several do.
            MalformedIdError: It cannot be an id.
        """
        self._close_lost()
        return self.database.read(
            lambda connection: queries.find_execution(connection, id_or_prefix, self.redactor)
        )

    def last_execution(
        self, graph: str | None = None, status: str | None = None
    ) -> Execution | None:
        """The newest execution, if there is any."""
        found = self.newest(1, graph=graph, status=status)
        return found[0] if found else None

    def newest(
        self, limit: int, *, graph: str | None = None, version: str | None = None,
        status: str | None = None,
    ) -> list[Execution]:  # fmt: skip
        """The newest executions, newest first, without counting all the others."""
        self._close_lost()
        wanted = queries.Filter()
        wanted.add_graph(graph, status)
        wanted.add("version = ?", version)
        return self.database.read(
            lambda connection: wanted.newest(connection, limit, self.redactor)
        )

    # Events

    def events(
        self, execution_id: str, *, after: int = 0, types: Iterable[str] | None = None,
        node: str | None = None, limit: int | None = None,
    ) -> list[Event]:  # fmt: skip
        """The events of an execution after a seq, in their order."""
        about, wanted = self._about(execution_id), None if types is None else set(types)
        left = limit if limit is not None else -1

        def read(connection: apsw.Connection) -> list[Event]:
            found: list[Event] = []
            for event in Batches(connection, self.redactor).events(about, after):
                if len(found) == left:
                    break
                if (wanted is None or event.type in wanted) and node in (None, event.node):
                    found.append(event)
            return found

        return self.database.read(read)

    def event(self, execution_id: str, seq: int) -> Event:
        """One event.

        Raises:
            UnknownExecutionError, UnknownUriError: There is none.
        """
        about = self._about(execution_id)
        return self.database.read(
            lambda connection: Batches(connection, self.redactor).event(about, seq)
        )

    def project_events(self, after: int = 0) -> list[Event]:
        """The events of the project itself: graphs registered, plans moved."""
        return self.database.read(
            lambda connection: list(Batches(connection, self.redactor).events(About(), after))
        )

    def blob(self, digest: str) -> Any:
        """The value of a digest.

        Raises:
            UnknownUriError: There is none.
        """

        def read(connection: apsw.Connection) -> Any:
            found = query(connection, "SELECT content FROM blobs WHERE digest = ?", (digest,))
            if not found:
                raise UnknownUriError(f"blob:{digest}")
            return Batches(connection, self.redactor).value(found[0][0])

        return self.database.read(read)

    # What is folded from events

    def visits(self, execution_id: str, node: str | None = None) -> list[Visit]:
        """The visits of an execution's nodes, in the order of their beginnings."""
        execution = self.execution(execution_id)
        found = self._fold(execution)
        return [one for one in found if node in (None, one.node)]

    def visits_of(self, execution: Execution) -> list[Visit]:
        """The visits of an execution that was just read, in the order of their beginnings."""
        return list(self._fold(execution))

    def recent_visits(
        self, graph: str, *, version: str | None = None, node: str | None = None,
        executions: int = 200,
    ) -> list[Visit]:  # fmt: skip
        """The visits of a graph's newest executions, oldest first."""
        newest = self.newest(max(executions, 0), graph=graph, version=version)
        return [
            visit for execution in reversed(newest) for visit in self._fold(execution)
            if node in (None, visit.node)
        ]  # fmt: skip

    def state_at(self, execution_id: str, seq: int | None = None) -> dict[str, Any]:
        """The state after an event, by default the last one."""
        about = self._about(execution_id)
        return self.database.read(
            lambda connection: state_after(
                Batches(connection, self.redactor).of(about.execution_id), seq
            )
        )

    def _fold(self, execution: Execution) -> list[Visit]:
        key = (execution.execution_id, execution.last_seq, self.database.generation)
        known = self._folded.get(key)
        if known is not None:
            return known
        about = About(
            execution_id=execution.execution_id, graph_name=execution.graph_name,
            graph_version=execution.graph_version, thread_id=execution.thread_id,
            parent_execution_id=execution.parent_execution_id,
        )  # fmt: skip
        found = self.database.read(
            lambda connection: Folder(about).visits(
                Batches(connection, self.redactor).of(about.execution_id)
            )
        )
        self._folded[key] = found
        if len(self._folded) > _CACHED:
            self._folded.popitem(last=False)
        return found

    def _about(self, execution_id: str) -> About:
        execution = self.execution(execution_id)
        return About(
            execution_id=execution.execution_id, graph_name=execution.graph_name,
            graph_version=execution.graph_version, thread_id=execution.thread_id,
            parent_execution_id=execution.parent_execution_id,
        )  # fmt: skip

    # Figures

    def latencies(
        self, graph: str | None = None, version: str | None = None, node: str | None = None,
        since_minute: int | None = None,
    ) -> list[Latency]:  # fmt: skip
        """Histograms by (graph, version, node, minute), in that order, over all processes."""
        wanted = (graph, version, node, since_minute)
        rows = self.database.read(
            lambda connection: query(connection, "SELECT graph, version, node, minute, counts, total_ns, failed, retries FROM latencies"
                " WHERE (?1 IS NULL OR graph = ?1) AND (?2 IS NULL OR version = ?2)"
                " AND (?3 IS NULL OR node = ?3) AND (?4 IS NULL OR minute >= ?4)"
                " ORDER BY graph, version, node, minute", wanted)
        )  # fmt: skip
        merged: dict[tuple[Any, ...], list[Any]] = {}
        for row in rows:
            sums = merged.setdefault(row[:4], [{}, 0, 0, 0])
            add_counts(sums[0], counts_of(row[4]))
            for index in (1, 2, 3):
                sums[index] += row[4 + index]
        return [
            Latency(
                graph_name=key[0], graph_version=key[1], node=key[2], minute=key[3],
                counts={k: v for k, v in counts.items() if v}, total_ms=total_ns / 1e6,
                failed=failed, retries=retries,
            )
            for key, (counts, total_ns, failed, retries) in merged.items()
        ]  # fmt: skip

    def record_metric(
        self, name: str, value: float, kind: metrics.Kind = "gauge",
        labels: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Write one measurement of a user's own with the journal's next commit."""
        from inwit.runtime.store.journal import Journal

        given = dict(labels or {})
        Journal.of(self.project).submit(
            lambda connection: metrics.record(connection, name, value, kind, given), is_urgent=False
        )

    def metrics(self, name: str | None = None) -> list[dict[str, Any]]:
        """The user's own figures."""
        found = self.database.read(lambda connection: metrics.read(connection, name))
        return [{**one, "labels": self.redactor.value(one["labels"])} for one in found]

    # Following

    def tail(self, after_position: int, limit: int = 1000) -> list[tuple[int, Event]]:
        """Events of all executions after a position, in the order in which they were committed.

        Each comes with its position, which is the point to go on from.
        """
        self._sweep()
        return self.database.read(
            lambda connection: Batches(connection, self.redactor).tail(after_position, limit)
        )

    def position(self) -> int:
        """A position after which nothing is written yet; `tail` from there gives what comes next.

        The last event's own is a smaller one, see `last`.
        """
        return self.database.read(lambda connection: Batches(connection, self.redactor).position())

    def last(self) -> tuple[int, Event] | None:
        """The last event with its position; None where the last commit's events were let go."""
        batch = self.position() >> OFFSET_BITS << OFFSET_BITS
        found = self.tail(batch, 1 << OFFSET_BITS)
        return found[-1] if found else None

    def data_version(self) -> int:
        """A number that is another one after every commit of any process."""
        return self._watcher.version()

    def wait_change(self, timeout_s: float, since: int | None = None) -> int:
        """Wait until `data_version` is another one than `since` (now, by default), and give it."""
        since = self.data_version() if since is None else since
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            found = self._watcher.wait(since, min(max(left, 0.0), _SWEEP_S))
            if found != since or left <= _SWEEP_S:
                return found
            self._sweep()

    def expand_group(self, group: Group) -> list[Event]:
        """The events of a commit that the journal has just made."""

        def read(connection: apsw.Connection) -> list[Event]:
            batches, found = Batches(connection, self.redactor), list[Event]()
            for entry in group.entries:
                if entry.execution_id not in group.fenced:
                    rows = batches.rows(entry.data)
                    about = About(
                        execution_id=entry.execution_id, graph_name=entry.track.graph,
                        graph_version=entry.track.version,
                        thread_id=entry.track.recording.thread_id,
                        parent_execution_id=entry.track.recording.parent_id,
                    )  # fmt: skip
                    found += Expander(about).expand(rows, entry.first_seq, entry.anchor_ns)
            for event in group.events:
                if event.batch is not None:
                    rows = batches.rows(event.batch[4])
                    found += Expander(About()).expand(rows, event.batch[1], 0)
            return found

        return self.database.read(read)

    # Other rooms' tables

    def declare(self, room: str, migrations: Sequence[str]) -> None:
        """Contribute tables to the record; each migration runs once."""
        self.database.declare(room, migrations)

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` in one transaction, durable when it returns."""
        return self.database.write(work)

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query of a room on its own tables; nothing is redacted here."""
        return self.database.read(lambda connection: query(connection, sql, tuple(params)))

    # Who is lost

    def _sweep(self) -> None:
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            self._close_lost()

    def _close_lost(self) -> None:
        """End the executions of dead processes; where that cannot be written, the next one does."""
        if self.database.read(lost_processes):
            try:
                self.database.write(close_lost)
            except StoreError:
                return
