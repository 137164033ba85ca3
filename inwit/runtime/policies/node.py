"""What was asked for one node when it was added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from inwit.runtime.policies.retry import RetryPolicy

Validation = Literal["both", "in", "out", "none"]
_FIELDS = {
    "retry_policy": "retry", "cache_policy": "cache", "timeout_s": "timeout_s",
    "thread": "in_thread", "side_effects": "has_side_effects", "pure": "is_pure",
    "circuit_breaker": "breaker", "max_concurrency": "max_concurrency", "rate_limit": "rate",
    "fallback": "fallback", "error_handler": "error_handler", "validation": "validation",
    "trace_policy": "trace",
}  # fmt: skip
"""The parameters of `StateGraph.add_node`, and what they are here."""


class NodePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for one node when it was added."""

    retry: RetryPolicy | Sequence[RetryPolicy] | None = None
    """None is the graph's own; of several the first that takes the error counts."""
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    """The longest that it may go without a sign of progress; see `TimeoutPolicy`."""
    idle_on: Literal["auto", "heartbeat"] = "auto"
    in_thread: bool | None = None
    """Whether it blocks, if it is sync: None is only beside others, False is never in a thread."""
    has_side_effects: bool = False
    is_pure: bool = False
    metadata: dict[str, Any] = {}
    cache: Any = None
    """A `CachePolicy`."""
    breaker: Any = None
    """A `CircuitBreaker`."""
    max_concurrency: int | None = None
    rate: Any = None
    """A `RateLimit`, or the calls per second."""
    fallback: str | Callable[..., Any] | None = None
    """What is called with the same state when all attempts have failed."""
    error_handler: Callable[..., Any] | None = None
    """What is called then instead, and also says where to go on."""
    validation: Validation = "none"
    trace: Any = None
    """A `TracePolicy`."""

    @classmethod
    def written(
        cls, given: Mapping[str, Any], metadata: dict[str, Any] | None = None
    ) -> NodePolicy:
        """The policy of a node, of what `StateGraph.add_node` was given by name.

        Raises:
            TypeError: There is no such parameter.
            ValueError: A value cannot be one of its parameter.
        """
        if not given:
            return cls(metadata=metadata) if metadata else PLAIN
        fields: dict[str, Any] = {"metadata": metadata or {}}
        for name, value in given.items():
            if name == "timeout":
                fields.update(_timeouts(value))
            elif name in _FIELDS:
                if value is not None:
                    fields[_FIELDS[name]] = value
            else:
                raise TypeError(
                    f"add_node() got an unexpected keyword argument {name!r};"
                    f" it knows {', '.join(sorted({*_FIELDS, 'timeout'}))}."
                )
        made = cls(**fields)
        if made.validation not in get_args(Validation):
            raise ValueError(f"validation is both, in, out or none, not {made.validation!r}.")
        if made.max_concurrency is not None and made.max_concurrency < 1:
            raise ValueError(f"max_concurrency is at least 1; it is {made.max_concurrency!r}.")
        return made

    @property
    def has_relief(self) -> bool:
        """Whether something takes over when all attempts have failed."""
        return self.fallback is not None or self.error_handler is not None

    @property
    def relief_name(self) -> str:
        """The name of what takes over."""
        found: Any = self.fallback if self.error_handler is None else self.error_handler
        if isinstance(found, str):
            return found
        return str(getattr(found, "__name__", type(found).__name__))

    def told(self) -> dict[str, Any]:
        """What a manifest says of it, each by the name of its parameter; nothing of what is unsaid."""
        from inwit.runtime.policies.retry import as_policies

        breaker, rate = self.breaker, self.rate
        found = {
            "max_attempts": max(
                (one.max_attempts for one in as_policies(self.retry)), default=None
            ),
            "timeout_s": self.timeout_s,
            "idle_timeout_s": self.idle_timeout_s,
            "thread": self.in_thread,
            "side_effects": self.has_side_effects or None,
            "pure": self.is_pure or None,
            "cache": None if self.cache is None else {"ttl": self.cache.ttl},
            "circuit_breaker": None if breaker is None else breaker.failure_threshold,
            "max_concurrency": self.max_concurrency,
            "rate_limit": None if rate is None else getattr(rate, "told", rate),
            "fallback": self.relief_name if self.fallback is not None else None,
            "error_handler": self.relief_name if self.error_handler is not None else None,
            "validation": None if self.validation == "none" else self.validation,
        }
        return {name: value for name, value in found.items() if value is not None}

    def over(self, defaults: NodePolicy) -> NodePolicy:
        """This policy, and where it says nothing what the graph's nodes have by default."""
        if defaults is PLAIN:
            return self
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        said = {name: value for name, value in own.items() if value != getattr(PLAIN, name)}
        if self.fallback is not None:
            said["error_handler"] = self.error_handler
        if self.idle_timeout_s is not None or self.timeout_s is not None:
            said |= {"idle_timeout_s": self.idle_timeout_s, "timeout_s": self.timeout_s}
        return msgspec.structs.replace(defaults, **said)


PLAIN = NodePolicy()
"""The policy of a node that says nothing."""


def _timeouts(value: Any) -> dict[str, Any]:
    from inwit.runtime.policies.timeouts import TimeoutPolicy

    policy = TimeoutPolicy.coerce(value)
    if policy is None:
        return {}
    return {
        "timeout_s": policy.run_timeout,
        "idle_timeout_s": policy.idle_timeout,
        "idle_on": policy.refresh_on,
    }
