"""What a tenant sees of the record: its own graphs, executions and plans, and nothing else.

Every reader of a host asks the store, and a tenant's store reads through views that shadow the
tables: whatever is asked, in whatever words, rows of others are not there. A table that no rule
names is empty. So are writes, unless `Tenants.require` allowed one in the same request.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import apsw

from inwit.errors import ForbiddenError, StoreError, UnknownGraphError
from inwit.events import Event
from inwit.runtime.project import Project
from inwit.runtime.store import Database, Store
from inwit.runtime.store.connection import query
from inwit.server import auth
from inwit.server.auth import Caller
from inwit.server.tenants_policy import Policies

if TYPE_CHECKING:
    from inwit.introspection import Introspector
    from inwit.self_improve.plans import PlanBook

KEPT: Final = 64
"""Of how many tenants the stores stay open; the one that was used longest ago goes."""
ANEW_S: Final = 1.0
"""How often rights to what is streamed are asked anew."""
MayRun = Callable[[str], bool]
ROOM: Final = "tenants"
MIGRATIONS: Final = (
    """
    -- An execution that was begun for somebody is seen by that organisation alone.
    CREATE TABLE execution_owners (
        execution TEXT PRIMARY KEY, organisation TEXT NOT NULL, caller TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    -- What retention has let go of these, as sums: whoever sees all of a graph's takes them off.
    CREATE TABLE forgotten_owned (
        graph TEXT NOT NULL, status TEXT NOT NULL, organisation TEXT NOT NULL,
        executions INTEGER NOT NULL, llm_calls INTEGER NOT NULL, tool_calls INTEGER NOT NULL,
        retries INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cost_usd REAL NOT NULL, PRIMARY KEY (graph, status, organisation)
    ) WITHOUT ROWID;
    -- Whose those were that went before, nobody knows: no organisation has this name.
    INSERT INTO forgotten_owned SELECT graph, status, char(0), executions, llm_calls, tool_calls,
        retries, input_tokens, output_tokens, cost_usd FROM forgotten_executions
        WHERE EXISTS (SELECT 1 FROM execution_owners AS owned WHERE NOT EXISTS
            (SELECT 1 FROM executions WHERE id = owned.execution));
    CREATE TRIGGER sum_what_was_owned BEFORE DELETE ON executions
    WHEN EXISTS (SELECT 1 FROM execution_owners WHERE execution = OLD.id) BEGIN
        INSERT INTO forgotten_owned SELECT OLD.graph, OLD.status, organisation, 1,
            coalesce(OLD.llm_calls, 0), coalesce(OLD.tool_calls, 0), coalesce(OLD.retries, 0),
            coalesce(OLD.input_tokens, 0), coalesce(OLD.output_tokens, 0),
            coalesce(OLD.cost_usd, 0) FROM execution_owners WHERE execution = OLD.id
        ON CONFLICT (graph, status, organisation) DO UPDATE SET
            executions = executions + 1, llm_calls = llm_calls + excluded.llm_calls,
            tool_calls = tool_calls + excluded.tool_calls, retries = retries + excluded.retries,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cost_usd = cost_usd + excluded.cost_usd;
        DELETE FROM execution_owners WHERE execution = OLD.id;
    END;
    """,
)
_SEEN = "SELECT name FROM temp.sight"
_EXECUTIONS = "SELECT 1 FROM temp.executions AS seen WHERE seen.id = one"
_PLANS = f"SELECT id FROM main.plans WHERE graph IN ({_SEEN})"
RULES: Final = {
    "rooms": "1",
    "processes": "1",
    "conversations": "1",
    "graphs": f"name IN ({_SEEN})",
    "executions": f"graph IN ({_SEEN})",
    "forgotten_executions": f"graph IN ({_SEEN})",
    "latencies": f"graph IN ({_SEEN})",
    "forgotten_latencies": f"graph IN ({_SEEN})",
    "node_configs": f"graph IN ({_SEEN})",
    "node_codes": f"graph IN ({_SEEN})",
    "plans": f"graph IN ({_SEEN})",
    "plan_moves": f"plan IN ({_PLANS})",
    "hypotheses": f"plan IN ({_PLANS})",
    "verdicts": f"plan IN ({_PLANS})",
    # The project's own events have no execution; readers of them look at their graph's name.
    "batches": f"execution = '' OR EXISTS ({_EXECUTIONS.replace('one', 'batches.execution')})",
    "blob_uses": f"EXISTS ({_EXECUTIONS.replace('one', 'blob_uses.execution')})",
    "blobs": "EXISTS (SELECT 1 FROM main.blob_uses AS used WHERE used.digest = blobs.digest"
    " AND EXISTS (SELECT 1 FROM temp.executions AS seen WHERE seen.id = used.execution))",
}
"""Which rows of each table a tenant sees; of a table that is not named here, none."""
_OWNED = (
    " AND NOT EXISTS (SELECT 1 FROM main.execution_owners AS owned WHERE owned.execution ="
    " executions.id AND owned.organisation <> (SELECT name FROM temp.sight_of))"
)
_OTHERS: Final = (
    " UNION ALL SELECT graph, status, -executions, -llm_calls, -tool_calls, -retries, -input_tokens,"
    f" -output_tokens, -cost_usd FROM main.forgotten_owned WHERE graph IN ({_SEEN})"
    " AND organisation <> (SELECT name FROM temp.sight_of)"
)
"""What takes other organisations' own executions off the sums of what was let go."""

ASKING: Final = ("conversations",)
"""Tables that a question writes to; their rows have names that are their caller's own."""
_HARMLESS: Final = (
    apsw.SQLITE_SELECT, apsw.SQLITE_FUNCTION, apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT,
)  # fmt: skip
_TOUCHES: Final = (
    apsw.SQLITE_READ, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE,
)  # fmt: skip


class SeenDatabase(Database):
    """A project's file as a tenant sees it."""

    def __init__(self, base: Database, graphs: frozenset[str], organisation: str) -> None:
        super().__init__(base.project)
        self._base = base
        self._graphs = graphs
        self._organisation = organisation

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[apsw.Connection]:
        """Write, where that was allowed in this request; else to the tables of asking alone."""
        try:
            with self._base.transaction(durable=durable) as connection:
                connection.authorizer = None if auth.is_permitted() else _asking
                try:
                    yield connection
                finally:
                    connection.authorizer = None
        except apsw.AuthError as exc:
            raise _refused() from exc
        except StoreError as exc:
            if isinstance(exc.__cause__, apsw.AuthError):
                raise _refused() from exc
            raise

    def declare(self, room: str, migrations: Sequence[str]) -> None:
        self._base.declare(room, migrations)

    def recover(self) -> None:
        self._base.recover()

    def _take_reader(self, inode: tuple[int, int, bool]) -> apsw.Connection:
        if not self._readers:
            self._base.read(lambda _connection: None)  # brings an older file to this version
        connection = super()._take_reader(inode)
        try:
            self._shadow(connection)
        except BaseException:
            connection.close(True)
            raise
        return connection

    def _shadow(self, connection: apsw.Connection) -> None:
        """Put views in the tables' places, again where tables have come since."""
        mark = f"shadowed_{query(connection, 'PRAGMA main.schema_version')[0][0]}"
        made = query(
            connection, "SELECT type, name FROM temp.sqlite_schema WHERE type IN ('view', 'table')"
        )
        if ("table", mark) in made:
            return
        for kind, name in made:
            connection.execute(f'DROP {kind} temp."{name}"')
        connection.execute("CREATE TEMP TABLE sight (name TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("CREATE TEMP TABLE sight_of (name TEXT)")
        names = [(name,) for name in sorted(self._graphs)]
        if names:
            connection.executemany("INSERT INTO temp.sight VALUES (?)", names)
        connection.execute("INSERT INTO temp.sight_of VALUES (?)", (self._organisation,))
        for sql in _views(connection):
            connection.execute(sql)
        connection.execute(f"CREATE TEMP TABLE {mark} (one)")


def _asking(
    operation: int, table: str | None, _column: str | None, _file: str | None, _by: str | None
) -> int:
    """Let a statement touch nothing but what asking itself writes down."""
    is_fine = operation in _HARMLESS or (operation in _TOUCHES and table in ASKING)
    return apsw.SQLITE_OK if is_fine else apsw.SQLITE_DENY


def _refused() -> ForbiddenError:
    return ForbiddenError("This may not be changed.", hint="Ask who has the role of editor.")


def _views(connection: apsw.Connection) -> list[str]:
    tables = [
        str(row[0])
        for row in query(connection, "SELECT name FROM main.sqlite_schema WHERE type = 'table'")
    ]
    shown = [name for name in tables if not name.startswith("sqlite_")]
    rules = {name: RULES.get(name, "0") for name in shown}
    if "execution_owners" in rules and "executions" in rules:
        rules["executions"] += _OWNED
        if "forgotten_owned" not in rules:  # whose the sums are is not known
            rules["forgotten_executions"] = "0"
    for name in ("plan_moves", "hypotheses", "verdicts"):
        if "plans" not in rules:
            rules.pop(name, None)
    # Views of executions are what other views read, so they come first.
    ordered = sorted(rules, key=lambda name: name != "executions")
    views = {
        name: f'CREATE TEMP VIEW "{name}" AS SELECT * FROM main."{name}" AS "{name}" WHERE {rules[name]}'
        for name in ordered
    }
    if "forgotten_owned" in rules:
        views["forgotten_executions"] += _OTHERS
    return list(views.values())


class SeenStore(Store):
    """The record as a tenant sees it."""

    def __init__(self, base: Store, graphs: frozenset[str], organisation: str) -> None:
        super().__init__(base.project, base.redactor)
        self.graphs_seen = graphs
        self.organisation = organisation
        self.database = SeenDatabase(base.database, graphs, organisation)

    def project_events(self, after: int = 0) -> list[Event]:
        return [one for one in super().project_events(after) if one.graph_name in self.graphs_seen]

    def tail(self, after_position: int, limit: int = 1000) -> list[tuple[int, Event]]:
        found = super().tail(after_position, limit)
        return [
            one for one in found if one[1].execution_id or one[1].graph_name in self.graphs_seen
        ]

    def _sweep(self) -> None:
        """Leave it to the host's own store to end what dead processes left."""


class View:
    """What one kind of caller works with."""

    def __init__(
        self, project: Project, store: Store, graph: str | None, may_run: MayRun | None = None
    ) -> None:
        self._project = project
        self.store = store
        self._graph = graph
        self._may_run = may_run

    @cached_property
    def introspector(self) -> Introspector:
        """Answers questions; it is loaded with the first one."""
        from inwit.introspection import Introspector

        found = Introspector(self.store, project=self._project, graph=self._graph)
        code, may_run = found.code, self._may_run
        if may_run is not None:  # a change is tried on nodes of graphs that the caller may run
            found.code = lambda name: code(name) if may_run(name) else None
            found.resolver.close("prometheus")  # any expression, so everybody's figures
        return found

    @cached_property
    def plans(self) -> PlanBook:
        """The plans."""
        from inwit.self_improve.plans import PlanBook

        return PlanBook.of(self.store)


class Tenants:
    """Knows what each caller sees of a project, and what it may change. Thread-safe."""

    def __init__(self, store: Store, graph: str | None = None) -> None:
        self._store = store
        self._graph = graph
        self._policies = Policies(store.project.folder)
        self._lock = threading.Lock()
        self._views: OrderedDict[tuple[frozenset[str], str], View] = OrderedDict()
        self._allowed: OrderedDict[object, frozenset[str]] = OrderedDict()

    def view(self, caller: Caller) -> View:
        """What a caller works with."""
        graphs = self.allowed(caller, "read")
        key = (graphs, caller.organisation)
        with self._lock:
            found = self._views.get(key)
            if found is None:
                store = SeenStore(self._store, graphs, caller.organisation)
                graph = self._graph if self._graph in graphs else None
                found = View(self._store.project, store, graph, self._may_run)
                self._views[key] = found
            self._views.move_to_end(key)
            gone = self._views.popitem(last=False)[1] if len(self._views) > KEPT else None
        if gone is not None:
            gone.store.database.close()
        return found

    def _may_run(self, graph: str) -> bool:
        caller = auth.current(auth.NOBODY)
        return auth.RUN in caller.scopes and graph in self.allowed(caller, auth.RUN)

    def allowed(self, caller: Caller, action: str) -> frozenset[str]:
        """The graphs to which a caller may do something."""
        names = self._names()
        who = (caller.id, caller.organisation, caller.groups)
        key = (who, action, names, self._policies.stamp)
        with self._lock:
            found = self._allowed.get(key)
        if found is None:
            found = self._policies.allowed(caller, action, names)
            with self._lock:
                self._allowed[key] = found
                if len(self._allowed) > KEPT * 8:
                    self._allowed.popitem(last=False)
        return found

    def _names(self) -> tuple[str, ...]:
        rows = self._store.read("SELECT DISTINCT name FROM graphs ORDER BY name")
        return tuple(str(row[0]) for row in rows)

    def require(self, caller: Caller, action: str, graph: str) -> None:
        """Go on, and let this request write, only where a caller may do something to a graph.

        Raises:
            UnauthorizedError, ScopeError: Its token does not reach that far.
            UnknownGraphError: It sees no such graph.
            ForbiddenError: It may not.
        """
        caller.require(action)
        if caller.is_tenant:
            seen = self.allowed(caller, "read")
            if graph not in seen:
                raise UnknownGraphError(graph, sorted(seen))
            if graph not in self.allowed(caller, action):
                raise ForbiddenError(
                    f"Your role at {graph!r} does not allow that.", hint="Ask one of its admins."
                )
        auth.permit()

    def claim(self, execution_id: str, caller: Caller) -> None:
        """Say for whom an execution was begun: it is that organisation's alone."""
        if not caller.is_tenant or not caller.organisation:
            return
        database = self._store.database
        database.declare(ROOM, MIGRATIONS)
        row = (execution_id, caller.organisation, caller.id)
        sql = "INSERT OR IGNORE INTO execution_owners VALUES (?, ?, ?)"
        database.write(lambda connection: connection.execute(sql, row).fetchall())

    def sees(self, caller: Caller) -> Callable[[Event], bool]:
        """Tells of events that are streamed whether a caller sees them; rights are asked anew."""
        return _Watch(self, caller)

    def sees_uri(self, caller: Caller, uri: str) -> bool:
        """Whether a caller sees what a uri names."""
        scheme, _, rest = uri.partition("://")
        name = unquote(rest.partition("/")[0])
        if scheme == "graph":
            return name in self.allowed(caller, "read")
        if scheme == "execution":
            return self._has(caller, "SELECT 1 FROM executions WHERE id = ?", name)
        if scheme == "plan":
            return name in {plan.id for plan in self.view(caller).plans.list()}
        return scheme in ("platform", "package")

    def _has(self, caller: Caller, sql: str, value: str) -> bool:
        return bool(self.view(caller).store.read(sql, (value,)))


class _Watch:
    """What a caller sees of a stream, as of a moment ago."""

    def __init__(self, tenants: Tenants, caller: Caller) -> None:
        self._tenants = tenants
        self._caller = caller
        self._at = float("-inf")
        self._graphs: frozenset[str] = frozenset()
        self._executions: dict[str, bool] = {}

    def __call__(self, event: Event) -> bool:
        now = time.monotonic()
        if now - self._at > ANEW_S or len(self._executions) > KEPT * 64:
            self._at, self._executions = now, {}
            self._graphs = self._tenants.allowed(self._caller, auth.READ)
        if event.graph_name not in self._graphs:
            return False
        if not event.execution_id:
            return True
        seen = self._executions.get(event.execution_id)
        if seen is None:
            seen = self._executions[event.execution_id] = self._tenants.sees_uri(
                self._caller, f"execution://{event.execution_id}"
            )
        return seen
