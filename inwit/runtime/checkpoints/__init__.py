"""Saved states: one small protocol, and the backends that keep it."""

from inwit.runtime.checkpoints.base import (
    Checkpoint,
    Checkpointer,
    Saving,
    StateSnapshot,
    join_updates,
)
from inwit.runtime.checkpoints.memory import InMemoryCheckpointer

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "InMemoryCheckpointer",
    "Saving",
    "StateSnapshot",
    "join_updates",
]
