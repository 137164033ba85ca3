"""Errors of what comes from outside, and of the host that answers."""

from __future__ import annotations

from collections.abc import Iterable

from inwit.errors.base import InwitError, nearest, shorten


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


class UnknownKeyError(RequestError, ValueError):
    """A key is asked for that there is not."""

    code = "request.unknown_key"
    status = 422

    def __init__(self, key: object, known: Iterable[str]) -> None:
        super().__init__(f"There is no key {shorten(key)}.", hint=nearest(str(key), known))


class InvalidLimitError(RequestError, ValueError):
    """A limit cannot be that."""

    code = "request.invalid_limit"
    status = 422

    def __init__(self, name: str, given: object) -> None:
        super().__init__(f"{name} is {shorten(given)}.", hint="Give 1 or more.")


class GraphNotHereError(RequestError):
    """A graph is known to the project, and this process cannot run it."""

    code = "request.graph_not_here"
    status = 409

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The graph {shorten(name)} cannot run here: {reason}.",
            hint="Serve it from the file that makes it: inwit serve FILE:GRAPH.",
        )


class NotConfirmedError(RequestError):
    """Whoever was asked whether it should be done did not say yes."""

    code = "request.not_confirmed"
    status = 409


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

    def __init__(self, feature: str, *, hint: str = "") -> None:
        self.feature = feature
        super().__init__(f"{feature} is not in this version of inwit.", hint=hint)


class UndiffableError(RequestError):
    """What was given is nothing that can be compared."""

    code = "request.undiffable"

    def __init__(self, given: object) -> None:
        super().__init__(
            f"A {type(given).__name__} cannot be compared.",
            hint="Give ids of two executions, two snapshots of get_state, or two mappings.",
        )


class UnauthorizedError(RequestError):
    """The host asks for a token, and the request has none or another."""

    code = "request.unauthorized"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "This host asks for a token.",
            hint="Send `Authorization: Bearer TOKEN`; `.inwit/host.json` holds the token.",
        )


class InvalidTokenError(UnauthorizedError):
    """A bearer token is not one that this host takes."""

    code = "request.invalid_token"

    def __init__(self, why: str, hint: str = "Get another from the issuer.") -> None:
        RequestError.__init__(self, f"The token is refused: {why}.", hint=hint)


class ScopeError(ForbiddenError):
    """The caller's token does not reach that far."""

    code = "request.scope"

    def __init__(self, needed: str) -> None:
        self.needed = needed
        super().__init__(f"This needs the scope {needed!r}.", hint="Ask with a token that has it.")


class RateLimitedError(RequestError):
    """The caller asks more often than is answered."""

    code = "request.rate_limited"
    status = 429

    def __init__(self, what: str, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__(f"Too many {what}.", hint=f"Try again in {retry_s:.1f} s.")


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
        super().__init__(
            f"{shorten(path)} takes no {shorten(method)}.", hint=f"It takes {allowed}."
        )


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
