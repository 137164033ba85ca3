"""Every error that inwit raises, under one base.

::

    InwitError
    ├── GraphError                 what is written
    │   ├── InvalidGraphError      all faults of a graph at once
    │   ├── UnknownNodeError
    │   ├── UnknownGraphError
    │   ├── DuplicateNodeError
    │   ├── UnreachableNodeError
    │   ├── MissingRouteError
    │   ├── NoEntryError
    │   ├── NoPathToEndError
    │   ├── NotWatchableError
    │   ├── MissingPackageError
    │   └── InvalidNameError
    ├── ExecutionError             what happens while running
    │   ├── InvalidUpdateError
    │   ├── InvalidStateError
    │   ├── InvalidRouteError
    │   ├── GraphRecursionError
    │   ├── NodeTimeoutError
    │   ├── ExecutionTimeoutError
    │   ├── UnknownExecutionError
    │   ├── UnknownToolError
    │   └── ModelCallError
    │       └── ModelUnreachableError
    ├── StoreError                 the record on disk
    │   ├── StoreFullError
    │   ├── StoreLockedError
    │   ├── StoreCorruptError
    │   ├── StoreReadOnlyError
    │   ├── StoreVersionError
    │   ├── FencedError
    │   └── UnserialisableError
    ├── RequestError               what came from outside
    │   ├── MalformedIdError
    │   ├── MalformedInputError
    │   ├── TooLargeError
    │   ├── UnknownUriError
    │   ├── ForbiddenError
    │   ├── UnauthorizedError
    │   ├── UnknownRouteError
    │   ├── MethodNotAllowedError
    │   ├── NotJsonError
    │   ├── UnknownMcpNameError
    │   └── NotInThisVersionError
    ├── HostError                  starting and running a host
    │   ├── AddressInUseError
    │   ├── NoTokenError
    │   ├── TooManyStreamsError
    │   └── InternalError
    ├── RegistryError
    │   ├── UnknownPackageError
    │   ├── InvalidPackageError
    │   └── EncoderError
    └── PlanError
        └── UnknownPlanError

An error carries a stable ``code`` for machines, a message with the offending value, and a
``hint`` that names the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant, or which names there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not names:
        return "None is known yet."
    shown = ", ".join(names[:10])
    return f"Known: {shown}." if len(names) <= 10 else f"Known: {shown} and {len(names) - 10} more."


def shorten(value: object, limit: int = 80) -> str:
    """Quote a value from outside for a message, cut to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class InwitError(Exception):
    """The base of all errors of inwit."""

    code = "inwit.error"
    status = 500
    """The HTTP status that the error is served with."""

    execution_id: str | None = None
    """The execution that raised it, where one did."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class GraphError(InwitError):
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


class UnknownGraphError(GraphError):
    """No graph of that name is registered in the project."""

    code = "graph.unknown"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"No graph {name!r}.", hint=nearest(name, known))


class DuplicateNodeError(GraphError):
    """Two nodes have one name."""

    code = "graph.duplicate_node"

    def __init__(self, name: str) -> None:
        super().__init__(f"Two nodes are named {name!r}.", hint="Give one another name.")


class UnreachableNodeError(GraphError):
    """No way leads to a node."""

    code = "graph.unreachable_node"

    def __init__(self, name: str, reached: Sequence[str]) -> None:
        hint = f"Add an edge to it from {' or '.join(repr(n) for n in reached[:3])}." if reached else ""
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
        shown = ", ".join(repr(name) for name in names)
        super().__init__(
            f"No path leads to the end from {shown}.",
            hint=f"Call set_finish_point({names[-1]!r}) or add a conditional edge to END.",
        )


class InvalidNameError(GraphError):
    """A name cannot be used."""

    code = "graph.invalid_name"

    def __init__(self, name: object, reason: str, hint: str) -> None:
        super().__init__(f"{shorten(name)} {reason}.", hint=hint)


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


class ExecutionError(InwitError):
    """Something went wrong while a graph ran."""

    code = "execution.error"


class InvalidUpdateError(ExecutionError):
    """A node's update cannot be merged into the state."""

    code = "execution.invalid_update"
    status = 422


class InvalidStateError(ExecutionError):
    """An input or a state class cannot be used."""

    code = "execution.invalid_state"
    status = 422


class InvalidRouteError(ExecutionError):
    """A router gave an answer that leads nowhere."""

    code = "execution.invalid_route"

    def __init__(self, node: str, answer: object, known: Iterable[str]) -> None:
        super().__init__(
            f"The router after {node!r} answered {shorten(answer)}, which leads nowhere.",
            hint=nearest(str(answer), known),
        )


class GraphRecursionError(ExecutionError, RecursionError):
    """An execution took more steps than its recursion limit."""

    code = "execution.recursion_limit"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"The execution took {limit} steps without reaching an end.",
            hint='Look for a loop without a way out, or raise config={"recursion_limit": …}.',
        )


class NodeTimeoutError(ExecutionError, TimeoutError):
    """A node ran longer than it may."""

    code = "execution.node_timeout"

    def __init__(self, node: str, limit_s: float) -> None:
        self.node = node
        super().__init__(
            f"The node {node!r} ran longer than {limit_s:g} s.",
            hint="Make it faster or give it a larger timeout_s.",
        )


class ExecutionTimeoutError(ExecutionError, TimeoutError):
    """An execution ran longer than it may."""

    code = "execution.timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The execution ran longer than {limit_s:g} s.",
            hint='Raise config={"timeout_s": …} or compile with another limit.',
        )


class ModelCallError(ExecutionError):
    """A model's server refused a call or answered what cannot be used."""

    code = "execution.model_call"
    status = 502

    def __init__(self, message: str, *, status_code: int | None = None, hint: str = "") -> None:
        self.status_code = status_code
        """The HTTP status that the server gave; 429 and 5xx are tried again."""
        super().__init__(message, hint=hint)


class ModelUnreachableError(ModelCallError, ConnectionError):
    """A model's server could not be reached or did not answer in time; this is tried again."""

    code = "execution.model_unreachable"


class UnknownToolError(ExecutionError):
    """A node calls a tool by a name that nothing has."""

    code = "execution.unknown_tool"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No tool {shorten(name)}.", hint=nearest(name, known))


class CheckpointingOffError(ExecutionError):
    """A saved state is asked for where none is kept."""

    code = "execution.checkpointing_off"
    status = 409

    def __init__(self, thread_id: object) -> None:
        if thread_id is None:
            message, hint = "No thread is named.", 'Give {"configurable": {"thread_id": …}}.'
        else:
            message, hint = "This graph keeps no checkpoints.", "Compile it with a checkpointer."
        super().__init__(message, hint=hint)


class UnknownCheckpointError(ExecutionError):
    """A thread has no such checkpoint."""

    code = "execution.unknown_checkpoint"
    status = 404

    def __init__(self, thread_id: str, checkpoint_id: str) -> None:
        super().__init__(
            f"The thread {shorten(thread_id)} has no checkpoint {shorten(checkpoint_id)}.",
            hint="get_state_history lists them.",
        )


class UnknownExecutionError(ExecutionError):
    """No execution has that id."""

    code = "execution.unknown"
    status = 404

    def __init__(self, execution_id: str, *, matches: Sequence[str] = ()) -> None:
        if matches:
            message = f"{len(matches)} executions start with {shorten(execution_id)}."
            hint = f"Give more digits: {', '.join(matches[:5])}."
        else:
            message = f"No execution {shorten(execution_id)}."
            hint = "`inwit executions list` shows what there is."
        super().__init__(message, hint=hint)


class StoreError(InwitError):
    """The record on disk cannot be read or written."""

    code = "store.error"
    status = 503


class StoreFullError(StoreError):
    """There is no room for the record."""

    code = "store.full"
    status = 507

    def __init__(self, path: object, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"There is no room to write {path}{because}.",
            hint="Free some space; recording goes on by itself.",
        )


class StoreLockedError(StoreError):
    """Another process holds the record and doesn't let go."""

    code = "store.locked"

    def __init__(self, path: object, waited_s: float | None = None) -> None:
        waited = "" if waited_s is None else f" after {waited_s:g} s"
        super().__init__(
            f"{path} is still locked by another process{waited}.",
            hint="Find who holds it (`fuser` names the process), or try again.",
        )


class StoreCorruptError(StoreError):
    """The record's file is damaged."""

    code = "store.corrupt"

    def __init__(self, path: object, reason: str = "") -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"{path} is damaged{because}.",
            hint="It is moved aside, never deleted, and a new one is begun.",
        )


class StoreReadOnlyError(StoreError):
    """The record's place cannot be written."""

    code = "store.read_only"

    def __init__(self, path: object, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"{path} cannot be written{because}.",
            hint="Set INWIT_HOME to a folder that can be, or INWIT_OFF=1 to record nothing.",
        )


class StoreVersionError(StoreError):
    """The record was written by a newer inwit."""

    code = "store.version"

    def __init__(self, path: object, found: int, known: int, *, room: str = "") -> None:
        part = f" (room {room!r})" if room else ""
        super().__init__(
            f"{path} has schema version {found}{part}; this inwit knows {known}.",
            hint="Update inwit, or set INWIT_HOME to another folder.",
        )


class FencedError(StoreError):
    """Another writer, or a reader that found it lost, has gone on with the execution."""

    code = "store.fenced"
    status = 409

    def __init__(self, execution_id: str, seq: int) -> None:
        super().__init__(
            f"Event {seq} of execution {shorten(execution_id)} was written by someone else.",
            hint="Nothing more of this process is recorded for it; run it under a new id.",
        )
        self.execution_id = execution_id


class UnserialisableError(StoreError):
    """A value's type cannot be written into a checkpoint, or not be read here."""

    code = "store.unserialisable"
    status = 422

    def __init__(self, kind: type | str, reason: str = "") -> None:
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        because = f": {reason}" if reason else ""
        super().__init__(
            f"A value of type {name} cannot be kept{because}.",
            hint="Keep plain values, dataclasses or pydantic models in the state.",
        )


class RequestError(InwitError):
    """What came from outside cannot be used."""

    code = "request.error"
    status = 400


class MalformedIdError(RequestError):
    """An identifier holds characters that no identifier has."""

    code = "request.malformed_id"

    def __init__(self, kind: str, value: str) -> None:
        super().__init__(
            f"{shorten(value)} is no {kind} id.",
            hint="Ids are letters, digits and _ . : ~ @ / -, at most 200 characters.",
        )


class MalformedInputError(RequestError):
    """A body or a parameter is not of the form that is asked for."""

    code = "request.malformed"


class TooLargeError(RequestError):
    """A question or a body is over its limit."""

    code = "request.too_large"
    status = 413

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"The {what} is {size:,} bytes.", hint=f"At most {limit:,} are taken.")


class UnknownUriError(RequestError):
    """A uri names nothing."""

    code = "request.unknown_uri"
    status = 404

    def __init__(self, uri: str, hint: str = "") -> None:
        super().__init__(f"{shorten(uri)} names nothing.", hint=hint)


class ForbiddenError(RequestError):
    """The caller may not do this."""

    code = "request.forbidden"
    status = 403


class NotInThisVersionError(RequestError):
    """A feature is named by the interface but not built yet."""

    code = "request.not_in_this_version"
    status = 501

    def __init__(self, feature: str) -> None:
        self.feature = feature
        super().__init__(f"{feature} is not in this version of inwit.")


class UnauthorizedError(RequestError):
    """The host asks for a token, and the request has none or another."""

    code = "request.unauthorized"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "This host asks for a token.",
            hint="Send `Authorization: Bearer TOKEN`; `.inwit/host.json` holds the token.",
        )


class UnknownRouteError(RequestError):
    """No route has that path."""

    code = "request.unknown_route"
    status = 404

    def __init__(self, path: str) -> None:
        super().__init__(f"No route {shorten(path)}.", hint="/openapi.json lists the routes.")


class MethodNotAllowedError(RequestError):
    """The route is there, but not for that method."""

    code = "request.method_not_allowed"
    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{shorten(path)} takes no {shorten(method)}.", hint=f"It takes {allowed}.")


class NotJsonError(RequestError):
    """A body is declared as something else than JSON."""

    code = "request.not_json"
    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"The body is {shorten(content_type) if content_type else 'of no declared type'}.",
            hint="Send `Content-Type: application/json`.",
        )


class UnknownMcpNameError(RequestError):
    """The host offers no tool or prompt of that name."""

    code = "request.unknown_mcp_name"
    status = 404

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No {kind} {shorten(name)}.", hint=nearest(name, known))


class HostError(InwitError):
    """A host cannot start or go on."""

    code = "host.error"


class AddressInUseError(HostError):
    """Another program listens on that address."""

    code = "host.address_in_use"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"{host}:{port} is in use.", hint="Give another port, or 0 for any free one."
        )


class NoTokenError(HostError):
    """An address that others can reach is served only with a token."""

    code = "host.no_token"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host!r} can be reached by other machines.",
            hint="Give a token, or serve on 127.0.0.1.",
        )


class TooManyStreamsError(HostError):
    """A host holds only so many streams open."""

    code = "host.too_many_streams"
    status = 503

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} streams are open.", hint="Close one and try again.")


class InternalError(HostError):
    """Something failed that should not have; the host's log holds the details under `id`."""

    code = "host.internal"

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__("The host failed on this request.", hint=f"Its log tells more under {id}.")


class RegistryError(InwitError):
    """Something is wrong with packages or their index."""

    code = "registry.error"


class UnknownPackageError(RegistryError):
    """No package has that id."""

    code = "registry.unknown_package"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No package {shorten(name)}.", hint=nearest(name, known))


class InvalidPackageError(RegistryError):
    """A package's manifest or code does not hold what it must."""

    code = "registry.invalid_package"
    status = 422

    def __init__(self, file: str, field: str, value: object, hint: str) -> None:
        self.file = file
        self.field = field
        self.value = value
        super().__init__(f"{file}: {field} is {shorten(value)}.", hint=hint)


class EncoderError(RegistryError):
    """The encoder's library or files are missing or are not the pinned ones."""

    code = "registry.encoder"
    status = 503


class PlanError(InwitError):
    """Something is wrong with a plan."""

    code = "plan.error"


class UnknownPlanError(PlanError):
    """No plan has that id."""

    code = "plan.unknown"
    status = 404

    def __init__(self, plan_id: str) -> None:
        super().__init__(
            f"No plan {shorten(plan_id)}.", hint="`inwit self-improve plans` lists them."
        )
