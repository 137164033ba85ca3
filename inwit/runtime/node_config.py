"""Versioned configuration of nodes: changed while the graph stays compiled, and undone.

Each change is a version of its own, with who made it, when and why; undoing one is a new version
too, so that nothing is ever lost. An execution reads the versions that were there when it began.
"""

from __future__ import annotations

import hashlib
import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from inwit.errors import NothingToUndoError, StoreError, UnknownNodeError
from inwit.events import timestamp
from inwit.runtime.serial import pack, plain, unpack

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution
    from inwit.runtime.manifest import GraphManifest
    from inwit.runtime.program import Program
    from inwit.runtime.project import Project
    from inwit.runtime.reconfigured import Programs
    from inwit.runtime.store.journal import Journal

ROOM: Final = "node_config"
_TABLE = (
    "CREATE TABLE node_configs (graph TEXT, node TEXT, version INTEGER, at_ns INTEGER, who TEXT,"
    " why TEXT, hash TEXT, config BLOB, parent INTEGER, PRIMARY KEY (graph, node, version))"
    " WITHOUT ROWID;"
)
_TRIALS = """
    -- A version with a share counts for that share of the threads, while its plan is on trial.
    ALTER TABLE node_configs ADD COLUMN share REAL;
    ALTER TABLE node_configs ADD COLUMN plan TEXT;
    CREATE TABLE node_config_number (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);
    INSERT INTO node_config_number SELECT 1, count(*) FROM node_configs;
    CREATE TRIGGER node_configs_counted AFTER INSERT ON node_configs
        BEGIN UPDATE node_config_number SET number = number + 1; END;
"""
MIGRATIONS: Final = (_TABLE, _TRIALS)
_COLUMNS = "node, version, at_ns, who, why, hash, config, parent, share, plan"


_logger = logging.getLogger("inwit")


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a node's configuration."""

    node: str
    version: int
    """Counts from 1."""
    who: str
    why: str
    at: str
    """RFC 3339."""
    hash: str
    """Of the values: equal values have equal hashes."""
    values: Mapping[str, Any]
    parent: int
    """The version that it changed; 0 for none. Undoing goes back to there."""
    share: float | None = None
    """The share of the threads that it counts for, while it is on trial; None: for all."""
    plan: str | None = None
    """The plan that made it."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        shown: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, values={}))
        return {**shown, "values": plain(pack(dict(self.values), strict=False))}


Row = tuple[Any, ...]


class Book(Protocol):
    """Where versions are kept."""

    def rows(self, graph: str) -> Sequence[Row]:
        """All versions of a graph's nodes, by node and version."""

    def add(self, graph: str, node: str, make: _Make) -> Row:
        """Add the version that `make` makes of those that the node has."""


class _Make(Protocol):
    def __call__(self, known: Sequence[Row]) -> Row:
        """Make a version; `known` are the node's, oldest first."""


class MemoryBook:
    """The versions of graphs that are not recorded: they last as long as it does."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}

    def rows(self, graph: str) -> Sequence[Row]:
        """All versions."""
        return sorted(self._rows.get(graph, ()), key=lambda row: (row[0], row[1]))

    def add(self, graph: str, node: str, make: _Make) -> Row:
        """Add a version."""
        row = make([one for one in self.rows(graph) if one[0] == node])
        self._rows.setdefault(graph, []).append(row)
        return row


class ProjectBook:
    """The versions in the project's record, for all its processes."""

    def __init__(self, project: Project) -> None:
        from inwit.runtime.store.database import Database

        self._database = Database.of(project)

    def rows(self, graph: str) -> Sequence[Row]:
        """All versions."""
        return self._database.read(lambda connection: rows_of(connection, graph))

    def add(self, graph: str, node: str, make: _Make) -> Row:
        """Add a version; two processes never make the same one."""
        self._database.declare(ROOM, MIGRATIONS)

        def write(connection: apsw.Connection) -> Row:
            row = make([one for one in rows_of(connection, graph) if one[0] == node])
            insert_row(connection, graph, row)
            return row

        return self._database.write(write)


def rows_of(connection: apsw.Connection, graph: str) -> list[Row]:
    """All versions of a graph's nodes in a record; none where nobody made any."""
    if number_of(connection) is None:
        return _old_rows(connection, graph)
    return connection.execute(
        f"SELECT {_COLUMNS} FROM node_configs WHERE graph = ? ORDER BY node, version", (graph,)
    ).fetchall()


def _old_rows(connection: apsw.Connection, graph: str) -> list[Row]:
    """The rows of a record that was written before there were trials."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'node_configs'").fetchall()
    if not known:
        return []
    columns = _COLUMNS.replace("share, plan", "NULL, NULL")
    return connection.execute(
        f"SELECT {columns} FROM node_configs WHERE graph = ? ORDER BY node, version", (graph,)
    ).fetchall()


def number_of(connection: apsw.Connection) -> int | None:
    """How many versions there are of all graphs; None where nobody ever made one."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'node_config_number'"
    ).fetchall()
    if not found:
        return None
    rows = connection.execute("SELECT number FROM node_config_number").fetchall()
    return int(str(rows[0][0])) if rows else None


def insert_row(connection: apsw.Connection, graph: str, row: Row) -> None:
    """Add a version within an open transaction."""
    marks = ",".join("?" * (len(row) + 1))
    connection.execute(
        f"INSERT INTO node_configs (graph, {_COLUMNS}) VALUES ({marks})", (graph, *row)
    )


def config_of_row(row: Row) -> NodeConfig:
    """Read a version, with the values as the program gave them."""
    node, version, at_ns, who, why, hash_, packed, parent, share, plan = row
    return NodeConfig(
        node=node, version=version, who=who, why=why, at=timestamp(at_ns), hash=hash_,
        values=unpack(packed), parent=parent, share=share, plan=plan,
    )  # fmt: skip


def shown_of(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The current version of each node, as readers see it."""
    found: dict[str, dict[str, Any]] = {}
    for node, version, at_ns, who, why, hash_, packed, _, share, plan in rows:
        found[node] = {
            "version": version, "who": who, "why": why, "at": timestamp(at_ns), "hash": hash_,
            "values": plain(packed),
        }  # fmt: skip
        if share is not None:
            found[node]["trial"] = {"plan": plan, "share": share}
    return found


class NodeConfigs:
    """The configuration of a compiled graph's nodes."""

    name: str
    project: Project
    journal: Any
    program: Program
    _book: Book | None = None
    programs: Programs | None = None
    """What its nodes' configuration makes of its program; None while nothing is configured."""
    is_looked_up = False
    """Whether it is known what is configured, and followed."""
    _had_record = True
    """Whether there was a record when it was compiled: without one nothing is configured."""
    _is_simple: bool
    _is_simple_written: bool = False

    def look_up_configs(self) -> None:
        """Before the first execution: see what is configured, and follow it from now on."""
        self.is_looked_up = True
        rows: Sequence[Row] = ()
        if self.journal is not None:
            if watch_of(self.journal).may_know(otherwise=self._had_record):
                with suppress(StoreError):  # a graph runs on where nothing can be read
                    rows = self.config_book.rows(self.name)
        elif isinstance(self._book, MemoryBook):
            rows = self._book.rows(self.name)
        self.follow_configs(rows)

    def follow_configs(self, rows: Sequence[Row]) -> None:
        """Give executions that begin from now on what these versions say."""
        self._is_simple = self._is_simple_written
        if self.programs is None:
            if not rows:
                return
            from inwit.runtime.reconfigured import Programs

            self.programs = Programs(self, self.program)  # type: ignore[arg-type]
        self.program = self.programs.read(rows)
        self._is_simple = self._is_simple_written and not self.programs.trials

    def manifest(self) -> GraphManifest:
        """What is known of the graph without running it."""
        raise NotImplementedError

    def configure_node(self, node: str, *, who: str, why: str = "", **values: Any) -> NodeConfig:
        """Change some of a node's values, from the next execution on, in every process.

        The node reads them as ``ctx.node_config``. Keys that are not given keep their values.

        Raises:
            UnknownNodeError: The graph has no such node.
            UnserialisableError: A value cannot be kept.
        """

        def make(known: Sequence[Row]) -> Row:
            # What is on trial is no one's choice yet, so that nothing is built on it.
            last = next((row for row in reversed(known) if row[8] is None), None)
            before: dict[str, Any] = unpack(last[6]) if last else {}
            parent = last[1] if last else 0
            return _row(node, known, (who, why), {**before, **values}, parent)

        return self._add(node, make, undoes=None)

    def undo_node_config(self, node: str, *, who: str = "", why: str = "") -> NodeConfig:
        """Take back the last change of a node that is not taken back yet, by a new version.

        Raises:
            NothingToUndoError: Its configuration is as it was at first.
        """
        undone: list[int] = []

        def make(known: Sequence[Row]) -> Row:
            by_version = {row[1]: row for row in known}
            current = known[-1] if known else None
            if current is None or (current[7] == 0 and not unpack(current[6])):
                raise NothingToUndoError(node)
            before = by_version.get(current[7])
            undone.append(current[1])
            values = {} if before is None else unpack(before[6])
            parent = 0 if before is None else before[7]
            return _row(node, known, (who, why), values, parent)

        return self._add(node, make, undoes=undone)

    def node_configs(self, node: str) -> list[NodeConfig]:
        """The versions of a node's configuration, oldest first; the last one counts.

        Raises:
            UnknownNodeError: The graph has no such node.
        """
        self._check(node)
        return [config_of_row(row) for row in self.config_book.rows(self.name) if row[0] == node]

    @property
    def config_book(self) -> Book:
        """Where the versions are kept."""
        if self._book is None:
            self._book = MemoryBook() if self.journal is None else ProjectBook(self.project)
        return self._book

    def share_configs(self, other: NodeConfigs) -> None:
        """Read the configuration of another graph, of the same name."""
        self.name, self._book = other.name, other.config_book

    def _check(self, node: str) -> None:
        known = [one.name for one in self.manifest().nodes]
        if node not in known:
            raise UnknownNodeError(node, known, where=f" in {self.name!r}")

    def _add(self, node: str, make: _Make, undoes: list[int] | None) -> NodeConfig:
        self._check(node)
        if self.journal is not None:
            self.journal.flush()  # the graph has its name in the project then
        made = config_of_row(self.config_book.add(self.name, node, make))
        if self.journal is not None:
            change = made.to_json()
            if undoes:
                change["undoes"] = undoes[0]
            self.journal.emit("node_config_changed", graph_name=self.name, node=node, change=change)
        self.is_looked_up = True
        self.follow_configs(self.config_book.rows(self.name))
        return made


def _row(
    node: str, known: Sequence[Row], said: tuple[str, str], values: dict[str, Any], parent: int
) -> Row:
    packed = pack(values)
    canonical = msgspec.json.encode(plain(packed), order="deterministic", enc_hook=repr)
    digest = hashlib.sha256(canonical).hexdigest()[:12]
    at_ns = max(time.time_ns(), known[-1][2] if known else 0)
    version = known[-1][1] + 1 if known else 1
    return (node, version, at_ns, *said, digest, packed, parent, None, None)


def row_of(  # noqa: PLR0917 - the columns in their order
    node: str, known: Sequence[Row], said: tuple[str, str], values: Mapping[str, Any], parent: int,
    trial: tuple[float | None, str | None] = (None, None),
) -> Row:  # fmt: skip
    """Make a node's next version; `trial` is the share of the threads and the plan, if it is on one."""
    return (*_row(node, known, said, dict(values), parent)[:-2], *trial)


class Watch:
    """The graphs of a process that are open in one project; they follow its rows."""

    def __init__(self) -> None:
        self._graphs: weakref.WeakSet[Any] = weakref.WeakSet()
        self._seen: int | None = None
        self._has_looked = False

    def may_know(self, *, otherwise: bool) -> bool:
        """Whether anything was configured at the last commit; `otherwise` while there was none."""
        return self._seen is not None if self._has_looked else otherwise

    def add(self, graph: Any) -> None:
        """Let a graph follow."""
        self._graphs.add(graph)

    def look(self, connection: apsw.Connection) -> None:
        """At a commit: see whether any process has changed a configuration, and follow."""
        try:
            self._look(connection)
        except Exception:  # a border: what cannot be read must not stop the record
            _logger.exception("inwit: the configuration of nodes could not be read.")

    def _look(self, connection: apsw.Connection) -> None:
        number = number_of(connection)
        self._has_looked = True
        if number == self._seen:
            return
        for graph in list(self._graphs):
            graph.follow_configs(rows_of(connection, graph.name))
        self._seen = number


def watch_of(journal: Journal) -> Watch:
    """The watch of a journal, which looks at each of its commits."""
    found: Watch | None = getattr(journal, "config_watch", None)
    if found is None:
        found = journal.config_watch = Watch()
    return found


def config_for(ctx: Context) -> Mapping[str, Any]:
    """What `Context.node_config` gives; the visit's record says which version it read."""
    execution = ctx.execution
    if execution.configs is None:
        tape = execution.tape
        begun = execution.anchor_ns + execution.begun_ns if tape is None else tape.begun_ns
        rows = execution.graph.config_book.rows(execution.graph.name)
        execution.configs = {
            row[0]: config_of_row(row)
            for row in rows
            if row[2] <= begun and (row[8] is None or _is_tried(execution, row))
        }
    found = execution.configs.get(ctx.node)
    if found is None:
        return {}
    said = {"node_config": found.version, "hash": found.hash}
    ctx.emit("custom", name="node_config", data=said)
    return dict(found.values)


def _is_tried(execution: Execution, row: Row) -> bool:
    """Whether a version on trial counts for an execution."""
    if execution.tape is None:
        return row[9] in execution.trials
    from inwit.runtime.reconfigured import is_in_trial

    return is_in_trial(row[9], execution.thread_id, row[8])


__all__ = ["NodeConfig", "NodeConfigs", "config_for", "rows_of", "shown_of"]
