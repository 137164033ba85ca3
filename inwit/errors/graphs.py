"""Errors of what is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inwit.errors.base import InwitError, nearest, shorten


class GraphError(InwitError, ValueError):
    """Something is wrong with a graph as it is written."""

    code = "graph.error"
    status = 422


class InvalidGraphError(GraphError):
    """A graph does not compile; `faults` lists every reason at once."""

    code = "graph.invalid"

    def __init__(self, faults: Sequence[GraphError]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in faults)
        many = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"The graph has {many}:\n{lines}")


class UnknownNodeError(GraphError):
    """An edge or a question names a node that the graph lacks."""

    code = "graph.unknown_node"
    status = 404

    def __init__(self, name: str, known: Iterable[str], *, where: str = "") -> None:
        self.name = name
        super().__init__(f"No node {name!r}{where}.", hint=nearest(name, known))


class UnknownSubgraphError(GraphError, ValueError):
    """A place names a graph within another that has none there."""

    code = "graph.unknown_subgraph"
    status = 404

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Subgraph {path} not found.",
            hint="Only graphs that are nodes can be updated from outside: see get_subgraphs().",
        )


class UnknownGraphError(GraphError):
    """No graph of that name is registered in the project."""

    code = "graph.unknown"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        names = tuple(known)
        if not names:
            message = f"No graph {name!r}: none is on record." if name else "No graph is on record."
            super().__init__(message, hint="A graph registers itself when it is compiled.")
            return
        super().__init__(f"No graph {name!r}.", hint=nearest(name, names))


class DuplicateNodeError(GraphError):
    """Two nodes have one name."""

    code = "graph.duplicate_node"

    def __init__(self, name: str) -> None:
        super().__init__(f"Two nodes are named {name!r}.", hint="Give one another name.")


class UnreachableNodeError(GraphError):
    """No way leads to a node."""

    code = "graph.unreachable_node"

    def __init__(self, name: str, reached: Sequence[str]) -> None:
        hint = (
            f"Add an edge to it from {' or '.join(repr(n) for n in reached[:3])}."
            if reached
            else ""
        )
        super().__init__(f"The node {name!r} cannot be reached.", hint=hint)


class MissingRouteError(GraphError):
    """A router can answer what its path map lacks."""

    code = "graph.missing_route"

    def __init__(self, source: str, answer: str, known: Iterable[str]) -> None:
        super().__init__(
            f"The router after {source!r} can answer {answer!r}, which its path map lacks.",
            hint=nearest(answer, known),
        )


class NoEntryError(GraphError):
    """Nothing leads into a graph."""

    code = "graph.no_entry"

    def __init__(self, nodes: Iterable[str]) -> None:
        first = next(iter(nodes), None)
        hint = f"Call set_entry_point({first!r})." if first else "Add a node first."
        super().__init__("The graph has no entry point.", hint=hint)


class NoPathToEndError(GraphError):
    """Some nodes can never reach an end."""

    code = "graph.no_path_to_end"

    def __init__(self, names: Sequence[str]) -> None:
        shown = ", ".join(repr(name) for name in names[:8])
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        super().__init__(
            f"No path leads to the end from {shown}{more}.",
            hint=f"Call set_finish_point({names[-1]!r}) or add a conditional edge to END.",
        )


class InvalidNameError(GraphError):
    """A name cannot be used."""

    code = "graph.invalid_name"

    def __init__(self, name: object, reason: str, hint: str) -> None:
        super().__init__(f"{shorten(name)} {reason}.", hint=hint)


class MissingFunctionError(InvalidNameError, RuntimeError):
    """A node or a router is added without anything to call."""

    code = "graph.missing_function"


class InvalidEdgeError(GraphError):
    """An edge cannot be: it leads into the start or out of the end, or from nothing."""

    code = "graph.invalid_edge"


class InvalidSchemaError(GraphError):
    """A state class cannot be read as one, or contradicts another of the graph's."""

    code = "graph.invalid_schema"


class InvalidCheckpointerError(GraphError, TypeError):
    """What is given as a checkpointer is none."""

    code = "graph.invalid_checkpointer"

    def __init__(self, given: object) -> None:
        super().__init__(
            f"Invalid checkpointer provided: {shorten(given)} is none.",
            hint="Give an object such as InMemorySaver(), True, False or None.",
        )


class ToolDefinitionError(GraphError, ValueError):
    """A tool, or what is to handle its errors, cannot be used as it is written."""

    code = "graph.invalid_tool"


class ModelDefinitionError(GraphError, TypeError):
    """What an agent is to think with is no model, or has other tools bound to it."""

    code = "graph.invalid_model"


class AgentDefinitionError(GraphError):
    """The parts of a prebuilt graph do not fit together."""

    code = "graph.invalid_agent"


class NotWatchableError(GraphError):
    """What is to be watched is no compiled graph of LangGraph."""

    code = "graph.not_watchable"

    def __init__(self, given: object) -> None:
        is_written = hasattr(given, "compile") and hasattr(given, "add_node")
        super().__init__(
            f"A {type(given).__name__} is no compiled graph of LangGraph.",
            hint="Compile it first." if is_written else "Give what its compile() returns.",
        )


class MissingPackageError(GraphError):
    """A feature needs a distribution that is not installed."""

    code = "graph.missing_package"
    status = 501

    def __init__(self, package: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs {package}, which is not installed.", hint=f"pip install {package}"
        )


class UnshowableSchemaError(GraphError):
    """A class has no JSON schema."""

    code = "graph.unshowable_schema"

    def __init__(self, cls: object) -> None:
        super().__init__(
            f"Invalid context schema type: {cls!r}.",
            hint="Must be a pydantic BaseModel, a TypedDict or a dataclass.",
        )


class NothingToUndoError(GraphError):
    """A node's configuration has no change that could be taken back."""

    code = "graph.nothing_to_undo"
    status = 409

    def __init__(self, node: str) -> None:
        super().__init__(
            f"The configuration of {node!r} has no change to undo.",
            hint="See app.node_configs(node) for its versions.",
        )
