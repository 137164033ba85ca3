"""What is written in a graph of LangGraph: nodes, routers, ways on, reducers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from inwit.errors import NotWatchableError
from inwit.runtime.program import END, START
from inwit.runtime.source import Reading, read, unwrap

_PREGEL = "langgraph.pregel"


class Branch:
    """A conditional edge of a node."""

    def __init__(self, name: str, spec: Any) -> None:
        self.function = function_of(spec.path)
        self.run_name: str = spec.path.get_name()
        """What a run of the router is called by langchain-core."""
        self.name = getattr(unwrap(self.function), "__name__", name)
        self.ends: Mapping[Any, str] | None = spec.ends
        self.reading: Reading = read(self.function)

    def ways(self, answer: Any) -> Iterator[tuple[str, str]]:
        """The (label, target) pairs of a router's answer."""
        for one in answer if isinstance(answer, list | tuple) else [answer]:
            if hasattr(one, "node") and hasattr(one, "arg"):
                yield str(one.node), str(one.node)
            else:
                yield str(one), self._target(one)

    def _target(self, answer: Any) -> str:
        try:
            return str(self.ends[answer]) if self.ends is not None else str(answer)
        except (KeyError, TypeError):
            return str(answer)


class Shape:
    """A compiled graph of LangGraph, read once.

    Raises:
        NotWatchableError: It is none.
    """

    def __init__(self, app: Any) -> None:
        if not _is_pregel(app):
            raise NotWatchableError(app)
        self.app = app
        self.drawing = app.get_graph()
        builder = getattr(app, "builder", None)
        self.state_type: Any = getattr(builder, "state_schema", None)
        written: Mapping[str, Any] = getattr(builder, "nodes", {})
        self.specs = {
            name: written.get(name) for name in self.drawing.nodes if name not in (START, END)
        }
        self.nodes = {name: self._runnable(name) for name in self.specs}
        self.branches = {
            source: [Branch(name, spec) for name, spec in by_name.items()]
            for source, by_name in getattr(builder, "branches", {}).items()
        }
        self.plain, self.joins = self._plain_edges(builder)
        self.reducers: dict[str, Callable[[Any, Any], Any]] = {
            key: channel.operator
            for key, channel in app.channels.items()
            if hasattr(channel, "operator")
        }
        self.keys = self._keys() - set(getattr(builder, "managed", ()))

    def max_attempts(self, node: str) -> int | None:
        """How often a node may be called, where it has a retry policy."""
        given: Any = getattr(self.specs.get(node), "retry_policy", None)
        policies = [given] if hasattr(given, "max_attempts") else given or ()
        known = [policy.max_attempts for policy in policies if hasattr(policy, "max_attempts")]
        return int(max(known)) if known else None

    def stops(self, left: set[str], ahead: set[str]) -> bool:
        """Whether it is written to stop between the nodes just left and those ahead."""
        waiting = ahead - {END}
        before = getattr(self.app, "interrupt_before_nodes", ())
        after = getattr(self.app, "interrupt_after_nodes", ())
        return bool(
            (waiting if before == "*" else waiting & set(before))
            or (waiting and (left if after == "*" else left & set(after)))
        )

    def _runnable(self, name: str) -> Any:
        spec = self.specs[name]
        return spec.runnable if spec is not None else self.drawing.nodes[name].data

    def _plain_edges(self, builder: Any) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
        """Where each node leads in any case, and which nodes wait for several others."""
        plain: dict[str, list[str]] = {}
        joins: dict[str, tuple[str, ...]] = {}
        for edge in self.drawing.edges:
            if not edge.conditional:
                plain.setdefault(edge.source, []).append(edge.target)
        for sources, target in getattr(builder, "waiting_edges", ()):
            joins[target] = tuple(sorted(sources))
        return plain, joins

    def _keys(self) -> frozenset[str]:
        hidden = ("branch:", "join:", "__")
        return frozenset(key for key in self.app.channels if not key.startswith(hidden))


def function_of(runnable: Any) -> Any:
    """The function that a runnable wraps; the runnable itself where there is none."""
    for name in ("func", "afunc"):
        function = getattr(runnable, name, None)
        if callable(function):
            return function
    return runnable


def fields_of(value: Any) -> dict[str, Any]:
    """The keys of a state or an update, whatever class it has."""
    if isinstance(value, Mapping):
        return dict(value)
    kind = type(value)
    if hasattr(kind, "model_fields"):
        given = value.model_fields_set
        return {name: getattr(value, name) for name in kind.model_fields if name in given}
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    return {}


def _is_pregel(app: Any) -> bool:
    return any(base.__module__.startswith(_PREGEL) for base in type(app).__mro__) and hasattr(
        app, "get_graph"
    )
