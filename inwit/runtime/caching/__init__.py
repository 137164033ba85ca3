"""What nodes returned, kept for the next time that they are given the same."""

from __future__ import annotations

from inwit.runtime.caching.base import BaseCache
from inwit.runtime.caching.memory import InMemoryCache
from inwit.runtime.caching.policy import CachePolicy

__all__ = ["BaseCache", "CachePolicy", "InMemoryCache"]
