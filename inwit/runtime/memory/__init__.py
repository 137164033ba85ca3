"""Long-term memory: what all threads share, by namespace and key, found again by meaning too."""

from __future__ import annotations

from inwit.runtime.memory.base import BaseStore
from inwit.runtime.memory.in_memory import InMemoryStore
from inwit.runtime.memory.items import Item, SearchItem

__all__ = ["BaseStore", "InMemoryStore", "Item", "SearchItem"]
