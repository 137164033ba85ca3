"""What every route and tool of one host stands on: the record, its tail, and who reads them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import RegisteredGraph
from inwit.server.hub import Hub
from inwit.server.offers import Offers

if TYPE_CHECKING:
    from inwit.introspection import Introspector
    from inwit.registry.contributions import ContributionBook
    from inwit.registry.serve import Registry
    from inwit.registry.serve_search import ReleaseSearch
    from inwit.self_improve.plans import PlanBook


class Host:
    """One project as its readers see it through the host."""

    def __init__(self, project: Project, offers: Offers | None = None) -> None:
        self.project = project
        self.offers = offers or Offers()
        self.default_graph = self.offers.graph
        """The graph that is meant where a request names none; None: the last compiled."""
        self.store = Store.of(project)
        self.hub = Hub(self.store)

    @cached_property
    def introspector(self) -> Introspector:
        """Answers questions; it is loaded with the first one."""
        from inwit.introspection import Introspector

        return Introspector.of(self.project, graph=self.default_graph)

    @cached_property
    def plans(self) -> PlanBook:
        """The plans of the project."""
        from inwit.self_improve.plans import PlanBook

        return PlanBook.of(self.store)

    @cached_property
    def registry(self) -> Registry:
        """The registry that this host serves: in the project's folder, unless it was given another."""
        from inwit.registry.serve import Registry

        return Registry(self.project.folder / "registry")

    @cached_property
    def registry_search(self) -> ReleaseSearch:
        """Finds packages of the registry."""
        from inwit.registry.serve_search import ReleaseSearch

        return ReleaseSearch(self.registry.releases)

    @cached_property
    def contributions(self) -> ContributionBook:
        """What was contributed to packages, here."""
        from inwit.registry.contributions import ContributionBook

        return ContributionBook.of(self.project)

    def graph(self, name: str | None = None, version: str | None = None) -> RegisteredGraph:
        """Find the graph that a request means.

        Raises:
            UnknownGraphError: The project has no such graph, or none at all.
        """
        return self.store.graph(name or self.default_graph, version)
