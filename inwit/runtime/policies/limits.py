"""The limits that every execution of a graph has, unless it is compiled without them."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one execution may take; None is no limit."""

    recursion_limit: int = 25
    node_timeout_s: float | None = 300.0
    execution_timeout_s: float | None = 3600.0
    max_parallel: int = 64


NO_LIMITS = Limits(
    recursion_limit=10_007, node_timeout_s=None, execution_timeout_s=None, max_parallel=10_000
)
"""Nothing is limited but what no execution reaches."""
