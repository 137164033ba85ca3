"""Every error that inwit raises, under one base.

::

    InwitError
    ├── GraphError                 what is written
    │   ├── InvalidGraphError      all faults of a graph at once
    │   ├── UnknownNodeError
    │   └── UnknownGraphError
    ├── ExecutionError             what happens while running
    │   ├── InvalidUpdateError
    │   ├── InvalidStateError
    │   ├── InvalidRouteError
    │   ├── GraphRecursionError
    │   ├── NodeTimeoutError
    │   ├── ExecutionTimeoutError
    │   ├── UnknownExecutionError
    │   └── ModelCallError
    ├── StoreError                 the record on disk
    │   ├── StoreFullError
    │   ├── StoreLockedError
    │   ├── StoreCorruptError
    │   ├── StoreReadOnlyError
    │   ├── StoreVersionError
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
    │   ├── UnknownToolError
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


class UnknownToolError(RequestError):
    """No tool or prompt has that name."""

    code = "request.unknown_tool"
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
