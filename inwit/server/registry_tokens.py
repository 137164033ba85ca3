"""The tokens of a registry, as the guard asks for them."""

from __future__ import annotations

from inwit.errors import InvalidTokenError, UnauthorizedError
from inwit.registry.serve import Registry
from inwit.registry.serve_tokens import PREFIX, caller_of
from inwit.server.auth import READ, Caller


class RegistryTokens:
    """The tokens of one registry, as the guard asks for them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def caller(self, token: str) -> Caller | None:
        """Find a token's caller; None where it is of another kind.

        Raises:
            InvalidTokenError: It is none that the registry made, or its time is over.
        """
        if not token.startswith(PREFIX):
            return None
        try:
            found = caller_of(self._registry.rows, f"Bearer {token}")
        except UnauthorizedError as exc:
            raise InvalidTokenError(
                "it is none of this registry, or its time is over",
                hint="`inwit registry token add` makes another.",
            ) from exc
        return Caller(id=found.name, scopes=frozenset({READ, *found.scopes}))
