"""What a node, and a whole execution, may take and what follows when it fails.

Each policy costs only the nodes that declare it: `compose` wraps their calls when the graph is
compiled. Nothing heavy is imported before a node asks for it.
"""

from __future__ import annotations

from inwit.runtime.policies.limits import NO_LIMITS, Limits
from inwit.runtime.policies.node import PLAIN, NodePolicy
from inwit.runtime.policies.retry import (
    DEFAULT_RETRY,
    NO_RETRY,
    RetryPolicy,
    default_retry_on,
    is_transient,
)

__all__ = [
    "DEFAULT_RETRY", "NO_LIMITS", "NO_RETRY", "PLAIN", "Limits", "NodePolicy", "RetryPolicy",
    "default_retry_on", "is_transient",
]  # fmt: skip
