"""What was asked for one node when it was added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from inwit.runtime.policies.retry import RetryPolicy

Validation = Literal["both", "in", "out", "none"]


class NodePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for one node when it was added."""

    retry: RetryPolicy | Sequence[RetryPolicy] | None = None
    """None is the graph's own; of several the first that takes the error counts."""
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    """The longest that it may go without a sign of progress; see `TimeoutPolicy`."""
    idle_on: Literal["auto", "heartbeat"] = "auto"
    in_thread: bool = False
    has_side_effects: bool = False
    is_pure: bool = False
    metadata: dict[str, Any] = {}
    cache: Any = None
    """A `CachePolicy`."""
    breaker: Any = None
    """A `CircuitBreaker`."""
    max_concurrency: int | None = None
    rate: Any = None
    """A `RateLimit`."""
    fallback: str | Callable[..., Any] | None = None
    """What is called with the same state when all attempts have failed."""
    error_handler: Callable[..., Any] | None = None
    """What is called then instead, and also says where to go on."""
    validation: Validation = "none"
    input_schema: Any = None
