"""What was worked out of executions, kept for the next question."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from inwit.runtime.views import Execution

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """Keeps one thing of each of the last `most` executions; several threads may ask at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[Hashable, Made] = {}

    def of(self, execution: Execution, make: Callable[[], Made], *given: Hashable) -> Made:
        """What `make` made of an execution as it is now, and of what else it was `given`."""
        key = execution.execution_id, execution.started_at, execution.last_seq, given
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = make()
            while len(self._made) > self._most:
                with contextlib.suppress(KeyError, RuntimeError):  # another thread was quicker
                    self._made.pop(next(iter(self._made)))
        return known
