"""How often and how much at once each caller may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from inwit.errors import MalformedInputError, RateLimitedError
from inwit.server.auth import Caller

KEPT: Final = 10_000
"""Of how many callers the last requests are remembered; the one that was idle longest goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one caller may ask. Whoever is on this machine has the wider ones."""

    requests_per_s: float = 100.0
    """How many requests in a second, over time …"""
    burst: int = 300
    """… and how many in a row before that counts."""
    open_requests: int = 64
    """How many requests may be unanswered at once, streams among them."""
    failures_per_s: float = 5.0
    """How often one address is told that its token is refused …"""
    failure_burst: int = 500
    """… and how many times in a row; a token that is good is always taken."""


LOCAL_LIMITS: Final = Limits(requests_per_s=10_000.0, burst=20_000, open_requests=4_000)


class _Bucket:
    """Tokens that come back with time; a request takes one."""

    __slots__ = ("_at", "_left")

    def __init__(self, burst: int, now: float) -> None:
        self._left = float(burst)
        self._at = now

    def wait_s(self, rate: float, burst: int, now: float) -> float:
        """Take one, or say how long there is none."""
        self._left = min(self._left + (now - self._at) * rate, float(burst))
        self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / rate


class Meter:
    """Counts what callers ask. It belongs to the event loop."""

    def __init__(
        self,
        tenants: Limits | None = None,
        local: Limits = LOCAL_LIMITS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenants = tenants or Limits()
        self._local = local
        self._now = now
        self._asked: OrderedDict[str, _Bucket] = OrderedDict()
        self._failed: OrderedDict[str, _Bucket] = OrderedDict()
        self._open: dict[str, int] = {}

    @contextmanager
    def counted(self, caller: Caller) -> Iterator[None]:
        """Count a request for as long as it is open.

        Raises:
            RateLimitedError: The caller asks too often, or too much at once.
        """
        limits = self._tenants if caller.is_tenant else self._local
        self._take(self._asked, caller.id, limits.requests_per_s, limits.burst, "requests")
        if self._open.get(caller.id, 0) >= limits.open_requests:
            raise RateLimitedError("requests at once", 1.0)
        self._open[caller.id] = self._open.get(caller.id, 0) + 1
        try:
            yield
        finally:
            self._open[caller.id] -= 1
            if not self._open[caller.id]:
                del self._open[caller.id]

    def failed(self, address: str) -> None:
        """Count a token that was refused.

        Raises:
            RateLimitedError: That address came with too many of them.
        """
        limits = self._tenants
        self._take(
            self._failed, address, limits.failures_per_s, limits.failure_burst, "refused tokens"
        )

    def _take(
        self, buckets: OrderedDict[str, _Bucket], key: str, rate: float, burst: int, what: str
    ) -> None:
        wait_s = self._bucket(buckets, key, burst).wait_s(rate, burst, self._now())
        if wait_s:
            raise RateLimitedError(what, wait_s)

    def _bucket(self, buckets: OrderedDict[str, _Bucket], key: str, burst: int) -> _Bucket:
        bucket = buckets.get(key)
        if bucket is None:
            bucket = buckets[key] = _Bucket(burst, self._now())
            if len(buckets) > KEPT:
                buckets.popitem(last=False)
        else:
            buckets.move_to_end(key)
        return bucket


def read_limits(settings: Mapping[str, Any]) -> Limits:
    """The limits of tenants as config.toml's `[limits]` gives them; what is not given is as usual.

    Raises:
        MalformedInputError: A limit is no number.
    """
    try:
        given = msgspec.convert(settings.get("limits", {}), Limits, strict=False)
    except msgspec.ValidationError as exc:
        hint = "Each is a number; burst, open_requests and failure_burst are whole ones."
        raise MalformedInputError(f"[limits] of config.toml: {exc}.", hint=hint) from exc
    return Limits(
        requests_per_s=max(given.requests_per_s, 0.001),
        burst=max(given.burst, 1),
        open_requests=max(given.open_requests, 1),
        failures_per_s=max(given.failures_per_s, 0.001),
        failure_burst=max(given.failure_burst, 1),
    )
