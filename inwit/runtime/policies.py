"""What is tried again, for how long a node may run, and the defaults that a graph has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

RetryOn = type[BaseException] | Sequence[type[BaseException]] | Callable[[BaseException], bool]

# A program that seeds `random` gets the draws that it seeded.
_jitter = Random()  # noqa: S311 - it spreads calls, it keeps no secret


def is_transient(error: BaseException) -> bool:
    """Say whether an error is of the kind that passes: connection lost, time-out, 429 or 5xx."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status == 429 or 500 <= status <= 599
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "APIConnectionError", "ConnectTimeout", "ReadTimeout"})


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When and how often a failed node is called again. `max_attempts` counts the first call.

    The wait before attempt n + 1 is ``initial_interval × backoff_factor^(n − 1)`` seconds, at most
    `max_interval`, times a random factor of 0.5 to 1.5 where `jitter`.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: Any = is_transient

    def accepts(self, error: Exception, attempt: int) -> bool:
        """Say whether there is another attempt after this one failed with `error`."""
        if attempt >= self.max_attempts:
            return False
        if isinstance(self.retry_on, type):
            return isinstance(error, self.retry_on)
        if isinstance(self.retry_on, Sequence):
            return isinstance(error, tuple(self.retry_on))
        return bool(self.retry_on(error))

    def delay_s(self, attempt: int) -> float:
        """The wait after the failure of `attempt`, from 1."""
        delay = min(self.initial_interval * self.backoff_factor ** (attempt - 1), self.max_interval)
        if not self.jitter:
            return delay
        return delay * _jitter.uniform(0.5, 1.5)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one execution may take; None is no limit."""

    recursion_limit: int = 25
    node_timeout_s: float | None = 300.0
    execution_timeout_s: float | None = 3600.0
    max_parallel: int = 64


NO_LIMITS = Limits(
    recursion_limit=10_007, node_timeout_s=None, execution_timeout_s=None, max_parallel=10_000
)
DEFAULT_RETRY = RetryPolicy(max_interval=30.0)
NO_RETRY = RetryPolicy(max_attempts=1)


class NodePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for one node when it was added."""

    retry: RetryPolicy | None = None
    timeout_s: float | None = None
    in_thread: bool = False
    has_side_effects: bool = False
    is_pure: bool = False
    metadata: dict[str, Any] = {}
