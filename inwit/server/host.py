"""What every route and tool of one host stands on: the record, its tail, and who reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from inwit.ids import check_id
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import RegisteredGraph
from inwit.server import auth
from inwit.server.auth import Caller
from inwit.server.hub import Hub
from inwit.server.offers import Offers
from inwit.server.subscription import Subscription, Wish
from inwit.server.tenants import Tenants, View

if TYPE_CHECKING:
    from inwit.introspection import Introspector
    from inwit.registry.contributions import ContributionBook
    from inwit.registry.serve import Registry
    from inwit.registry.serve_search import ReleaseSearch
    from inwit.self_improve.plans import PlanBook


class Host:
    """One project as its readers see it through the host.

    With `has_tenants` each caller sees what is its own: `store`, `introspector` and `plans` are
    those of whoever asks in this context, and of nobody where that is not known.
    """

    def __init__(
        self, project: Project, offers: Offers | None = None, *, has_tenants: bool = False
    ) -> None:
        self.project = project
        self.offers = offers or Offers()
        self.default_graph = self.offers.graph
        """The graph that is meant where a request names none; None: the last compiled."""
        self._whole = View(project, Store.of(project), self.default_graph)
        self._has_tenants = has_tenants
        self.hub = Hub(self._whole.store)
        self.known_facts: set[str] = set()
        """The routes of facts that have answered once, so that these are in memory."""

    @cached_property
    def _tenants(self) -> Tenants:
        return Tenants(self._whole.store, self.default_graph)

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return auth.current(auth.NOBODY if self._has_tenants else auth.LOCAL)

    @property
    def _view(self) -> View:
        caller = self.caller
        return self._tenants.view(caller) if caller.is_tenant else self._whole

    @property
    def store(self) -> Store:
        """The record, as far as the caller sees it."""
        return self._view.store

    @property
    def introspector(self) -> Introspector:
        """Answers questions of the caller."""
        return self._view.introspector

    @property
    def plans(self) -> PlanBook:
        """The plans that the caller sees."""
        return self._view.plans

    @cached_property
    def registry(self) -> Registry:
        """The registry that this host serves: in the project's folder, unless it was given another."""
        from inwit.registry.serve import Registry

        return Registry(self.project.folder / "registry")

    @cached_property
    def registry_search(self) -> ReleaseSearch:
        """Finds packages of the registry."""
        from inwit.registry.serve_search import ReleaseSearch

        return ReleaseSearch(self.registry.releases, self.registry.folder)

    @cached_property
    def contributions(self) -> ContributionBook:
        """What was contributed to packages, here."""
        from inwit.registry.contributions import ContributionBook

        return ContributionBook.of(self.project)

    def require(self, action: str, graph: str) -> None:
        """Go on only where the caller may do something (run, plan, admin) to a graph.

        Raises:
            UnauthorizedError, ScopeError, UnknownGraphError, ForbiddenError: It may not.
        """
        caller = self.caller
        if caller.is_tenant:
            self._tenants.require(caller, action, graph)
        else:
            caller.require(action)

    def may(self, action: str, graph: str) -> bool:
        """Whether the caller may do something to a graph."""
        caller = self.caller
        if action not in caller.scopes:
            return False
        return not caller.is_tenant or graph in self._tenants.allowed(caller, action)

    def own(self, name: str | None) -> str | None:
        """A handle that clients choose, such as a conversation's, as this caller's own."""
        caller = self.caller
        if name is None or not caller.is_tenant:
            return name
        who = f"{caller.issuer}\0{caller.id}\0{caller.organisation}".encode("utf-8", "replace")
        return f"{blake2b(who, digest_size=10).hexdigest()}.{name}"

    def own_thread(self, name: str | None) -> str | None:
        """A thread that a client names, as its organisation's own: others' memory is not in it."""
        caller = self.caller
        if name is None or not caller.is_tenant:
            return name
        whose = caller.organisation or caller.id
        who = f"{caller.issuer}\0{whose}".encode("utf-8", "replace")
        return f"{blake2b(who, digest_size=10).hexdigest()}.{name}"

    def claim(self, execution_id: str) -> None:
        """Say that an execution was begun for the caller: others' tenants do not see it."""
        caller = self.caller
        if caller.is_tenant:
            self._tenants.claim(execution_id, caller)

    def seeing(self, wants: Wish) -> Wish:
        """The same wish, of what the caller sees alone."""
        caller = self.caller
        if not caller.is_tenant:
            return wants
        sees = self._tenants.sees(caller)
        return lambda event: wants(event) and sees(event)

    def sees_uri(self) -> Callable[[str], bool]:
        """Tells of uris whether the caller sees what they name; it may be asked later on."""
        caller = self.caller
        if not caller.is_tenant:
            return lambda _uri: True
        return lambda uri: self._tenants.sees_uri(caller, uri)

    async def join(self, wants: Wish) -> Subscription:
        """Subscribe to what the caller wants and sees, from now on.

        Raises:
            TooManyStreamsError: The host holds as many as it can.
        """
        return await self.hub.join(self.seeing(wants))

    def execution_id(self, name: str) -> str:
        """The id of the execution that a request means by an id, by its beginning or by `last`.

        Raises:
            MalformedIdError: It cannot be one.
        """
        last = self.store.last_execution(self.default_graph) if name == "last" else None
        return last.execution_id if last else check_id("execution", name)

    def graph(self, name: str | None = None, version: str | None = None) -> RegisteredGraph:
        """Find the graph that a request means.

        Raises:
            UnknownGraphError: The project has no such graph, or none at all.
        """
        return self.store.graph(name or self.default_graph, version)
