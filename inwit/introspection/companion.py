"""What introspection does for a compiled graph; `inwit.runtime.companion` finds it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inwit import plans as plan_records
from inwit.answers import Answer
from inwit.events import OPEN_STATUSES
from inwit.introspection import app as facts
from inwit.introspection import help as helping
from inwit.introspection import live, network, plan_rows
from inwit.introspection import platform as platform_level
from inwit.introspection.introspector import Introspector
from inwit.introspection.resolve import Resolved, graph_metrics
from inwit.registry.packages import PackageIndex
from inwit.runtime.companion import HelpLevel
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.runtime.views import RegisteredGraph

if TYPE_CHECKING:
    from inwit.runtime.answering import Answering


class Introspection:
    """Facts of one graph, as plain dicts with the fields of the HTTP routes."""

    def __init__(self, graph: RegisteredGraph) -> None:
        self._graph = graph

    def about(self) -> dict[str, Any]:
        """What it is."""
        return facts.about(self._graph)

    def capabilities(self) -> dict[str, Any]:
        """What it can do."""
        return facts.capabilities(self._graph)

    def architecture(self) -> dict[str, Any]:
        """Its shape."""
        return facts.architecture(self._graph)

    def implementation(self) -> dict[str, Any]:
        """Where and in which versions it is written."""
        return facts.implementation(self._graph)

    def nodes(self) -> dict[str, Any]:
        """Its nodes."""
        return facts.nodes(self._graph)

    def node(self, name: str) -> dict[str, Any]:
        """One node with its edges; UnknownNodeError for another name."""
        return facts.node(self._graph, name)

    def edges(self) -> dict[str, Any]:
        """Its edges."""
        return facts.edges(self._graph)

    def dependencies(self) -> dict[str, Any]:
        """What its code is written in."""
        return facts.dependencies(self._graph)

    def features(self) -> dict[str, Any]:
        """What the runtime does for it."""
        return facts.features(self._graph)

    def tools(self) -> dict[str, Any]:
        """The tools that its nodes name."""
        return facts.tools(self._graph)

    def state_schema(self) -> dict[str, Any]:
        """Its state."""
        return facts.state_schema(self._graph)

    def to_json(self) -> dict[str, Any]:
        """Everything at once."""
        return facts.overview(self._graph)


def ask(
    project: Project, question: str, *, graph: str | None = None, level: str | None = None,
    execution_id: str | None = None, verify: bool = False, conversation_id: str | None = None,
) -> Answer:  # fmt: skip
    """Answer a question; `graph` is the one that is meant where the question names none."""
    introspector = Introspector.of(project, graph=graph)
    return introspector.ask(
        question, level=level, execution_id=execution_id, verify=verify,
        conversation_id=conversation_id,
    )  # fmt: skip


def introspect(app: Answering) -> Introspection:
    """The facts of a compiled graph."""
    return Introspection(_registered(app))


def platform(app: Answering) -> dict[str, Any]:  # noqa: ARG001 - the same for every graph
    """Everything of the platform level but the long pages."""
    topics = ("version", "features", "node-types", "edge-types", "states", "errors", "cli")
    return {topic.replace("-", "_"): platform_level.TOPICS[topic]() for topic in topics}


def unified(app: Answering) -> dict[str, Any]:
    """The four levels of a compiled graph in one dict."""
    return {
        "platform": platform(app),
        "app": facts.overview(_registered(app)),
        "live": live.overview(_store(app), app.name),
        "network": {
            "peers": network.peers(app.project),
            "packages": network.packages(app.project),
        },
    }


def help(  # noqa: A001 - the protocol's name
    app: Answering, level: HelpLevel
) -> str:
    """The help of the user's own program."""
    return helping.generate_help(_registered(app), level)


def handle_help(app: Answering, argv: list[str]) -> bool:
    """Print the help that `argv` asks for; False when it asks for none."""
    return helping.handle_help(_registered(app), argv)


def resolve(project: Project, uri: str) -> Resolved:
    """Give what a uri names, or raise UnknownUriError."""
    return Introspector.of(project).resolve(uri)


def live_executions(app: Answering) -> list[dict[str, Any]]:
    """The executions of a graph that are not over, in any process."""
    store = _store(app)
    found: list[dict[str, Any]] = []
    for status in OPEN_STATUSES:
        found += live.executions(store, graph=app.name, status=status)["executions"]
    return found


def metrics(app: Answering) -> dict[str, Any]:
    """Figures of a graph over its whole record."""
    return graph_metrics(_store(app), app.name)


def performance(app: Answering) -> dict[str, Any]:
    """How a graph does against its own history: the verdicts of ``am I performing well``."""
    introspector = Introspector.of(app.project, graph=app.name)
    return introspector.ask("Am I performing well?", level="live").data


def _store(app: Answering) -> Store:
    Journal.of(app.project).flush()
    return Store.of(app.project)


def _registered(app: Answering) -> RegisteredGraph:
    manifest = app.manifest()
    return RegisteredGraph(
        name=manifest.name, version=manifest.version, registered_at="", last_seen_at="",
        manifest=manifest, is_current=True,
    )  # fmt: skip


def packages(project: Project) -> PackageIndex:
    """The packages that a project can see: ``.search(query)``, ``.list()``, ``.get(id)``."""
    return PackageIndex.of(project)


def plans(project: Project) -> list[dict[str, Any]]:
    """The plans of a project, as plain JSON values."""
    return [plan_records.to_json(plan) for plan in plan_rows.plans(Store.of(project))]
