"""When a node's result is kept, under which key, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


def default_cache_key(*args: Any, **kwargs: Any) -> str | bytes:
    """A key of all that is given: equal for equal inputs, in every process.

    Raises:
        UnserialisableError: An input holds what cannot be kept; a policy's own `key_func` can
            leave that out.
    """
    from inwit.runtime.caching.keys import canonical

    return canonical([list(args), kwargs] if kwargs else list(args))


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a node returned for an input is given again for an equal one, without calling it.

    `key_func` makes a key (a string or bytes) of the node's input, `ttl` is the seconds that a
    result lasts, None for ever. It counts where the graph is compiled with a ``cache``. A node whose
    code was changed begins anew.
    """

    key_func: Callable[..., str | bytes] = default_cache_key
    ttl: int | None = None

    def key_of(self, given: Any) -> str:
        """The key of an input.

        Raises:
            TypeError: `key_func` gave neither a string nor bytes.
        """
        from inwit.runtime.caching.keys import digest

        key = self.key_func(given)
        if isinstance(key, str):
            key = key.encode("utf-8", "surrogatepass")
        if not isinstance(key, bytes | bytearray | memoryview):
            raise TypeError(
                "A CachePolicy's key_func gives a string or bytes; it gave"
                f" a {type(key).__name__}: {key!r}."
            )
        return digest(bytes(key))
