"""Which failures are tried again, how often, and after what wait."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from inwit.errors import InwitError, ModelCallError, NodeCancelledError, NodeTimeoutError

_drawing = threading.Lock()
_FAULTS = (
    ValueError, TypeError, ArithmeticError, ImportError, LookupError, NameError, SyntaxError,
    RuntimeError, ReferenceError, StopIteration, StopAsyncIteration, OSError,
    InwitError,
)  # fmt: skip
"""What a second call would meet again."""


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


def default_retry_on(error: BaseException) -> bool:
    """Say what a `RetryPolicy` that names no errors tries again.

    Lost connections, a node's own time-out, HTTP answers of 5xx, and whatever is none of Python's
    usual signs of a fault in the program. These are LangGraph's rules; a graph that is not compiled
    with ``defaults="langgraph"`` also tries again what `is_transient`.
    """
    if isinstance(error, ConnectionError | NodeTimeoutError | NodeCancelledError):
        return True
    if isinstance(error, ModelCallError):
        return is_transient(error)
    if _is_of(error, "httpx", "HTTPStatusError"):
        return bool(500 <= error.response.status_code < 600)  # type: ignore[attr-defined]
    if _is_of(error, "requests", "HTTPError"):
        response: Any = error.response  # type: ignore[attr-defined]
        return bool(500 <= response.status_code < 600) if response else True
    return not isinstance(error, _FAULTS)


def _is_of(error: BaseException, module: str, name: str) -> bool:
    """Whether an error is of a library's class; one that is not imported has raised nothing."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


class RetryPolicy(NamedTuple):
    """When and how often a failed node is called again. `max_attempts` counts the first call.

    The wait before attempt n + 1 is ``initial_interval × backoff_factor^(n − 1)`` seconds, at most
    `max_interval`, and up to one second more where `jitter`. `retry_on` is an error's class, several
    of them, or a function of the error. A node may have several policies: the first that takes the
    error counts.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: Any = default_retry_on

    def takes(self, error: BaseException) -> bool:
        """Say whether this policy is for such an error.

        Raises:
            TypeError: `retry_on` is none of what it may be.
        """
        wanted = self.retry_on
        if isinstance(wanted, type) and issubclass(wanted, BaseException):
            return isinstance(error, wanted)
        if isinstance(wanted, Sequence):
            return isinstance(error, tuple(wanted))
        if callable(wanted):
            return bool(wanted(error))
        raise TypeError(
            "retry_on must be an Exception class, several of them, or a function of the error;"
            f" it is {wanted!r}."
        )

    def delay_s(self, attempt: int) -> float:
        """The wait after the failure of `attempt`, from 1."""
        growth = self.backoff_factor ** (attempt - 1)
        delay = min(self.initial_interval * growth, self.max_interval)
        return delay + _chance() if self.jitter else delay


def _chance() -> float:
    """Draw from 0 to 1, and leave a program that seeds `random` the draws that it seeded.

    It draws by `random.uniform` all the same, so that a program which replaces it sets the wait.
    """
    with _drawing:
        kept = random.getstate()
        random.seed()
        try:
            return random.uniform(0, 1)  # noqa: S311 - it spreads calls, it keeps no secret
        finally:
            random.setstate(kept)


def _transient_too(error: BaseException) -> bool:
    return is_transient(error) or default_retry_on(error)


DEFAULT_RETRY = RetryPolicy(max_interval=30.0, retry_on=is_transient)
"""What a node has that says nothing: three attempts, after errors that may pass."""
NO_RETRY = RetryPolicy(max_attempts=1)
"""One attempt."""


def as_policies(given: RetryPolicy | Sequence[RetryPolicy] | None) -> tuple[RetryPolicy, ...]:
    """One policy, several or none, as a tuple."""
    if given is None:
        return ()
    return (given,) if isinstance(given, RetryPolicy) else tuple(given)


def with_transient(policies: Sequence[RetryPolicy]) -> tuple[RetryPolicy, ...]:
    """Let policies that name no errors also take what passes by itself, such as time-outs and 429."""
    return tuple(
        one._replace(retry_on=_transient_too) if one.retry_on is default_retry_on else one
        for one in policies
    )


def next_attempt(
    policies: Sequence[RetryPolicy], error: BaseException, attempt: int
) -> RetryPolicy | None:
    """The policy by which a failed attempt is followed by another, or None where it is the last."""
    matching = next((one for one in policies if one.takes(error)), None)
    return matching if matching is not None and attempt < matching.max_attempts else None
