"""Saved states: one small protocol, and the backends that keep it."""

from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Pending, Row, Task
from inwit.runtime.checkpoints.memory import InMemoryCheckpointer
from inwit.runtime.checkpoints.saving import Saving
from inwit.runtime.checkpoints.snapshots import StateSnapshot, join_updates

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "InMemoryCheckpointer",
    "Pending",
    "Row",
    "Saving",
    "StateSnapshot",
    "Task",
    "join_updates",
]
