"""Saved states: one small protocol, and the backends that keep it."""

from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Pending, Row, Task, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.logs import check_next, rows_for, rows_kept
from inwit.runtime.checkpoints.memory import InMemoryCheckpointer
from inwit.runtime.checkpoints.snapshots import fold, join_updates, split

InMemorySaver = MemorySaver = InMemoryCheckpointer
"""LangGraph's names."""

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "InMemoryCheckpointer",
    "InMemorySaver",
    "MemorySaver",
    "Pending",
    "Row",
    "Task",
    "check_next",
    "decode",
    "encode",
    "fold",
    "is_whole",
    "join_updates",
    "rows_for",
    "rows_kept",
    "split",
]
