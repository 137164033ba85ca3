"""The producer's side of the record: one bounded buffer of small rows per execution.

The engine appends rows; the journal (`inwit.runtime.store.journal`) takes them from the front in
its own thread, gives them to disk, and readers expand them into events. Rows are tuples whose first
element is their kind; all times in them are ``time.monotonic_ns()``, and `anchor_ns` (wall clock
minus monotonic at the start) turns them into wall time, so that a clock that jumps moves nothing.

========  =====================================================================================
START     ``(0, seq, t, input)``, and where it was called with more than an input, ``called``
VISIT     ``(1, entry_seq, exit_seq, node, visit, attempt, t0, t1, update, edges, checkpoint)``
ENTER     ``(2, seq, node, visit, attempt, t0)``
EXIT      ``(3, seq, node, visit, attempt, t0, t1)``
APPLY     ``(4, seq, node, visit, attempt, t, update, edges, checkpoint)``
EVENT     ``(5, seq, t, type, node, visit, attempt, fields)``
END       ``(6, seq, t, status, output, failure, reason, node)``
========  =====================================================================================

VISIT is a whole sequential visit and expands to ``node_entered`` (entry_seq), then from exit_seq on
``node_exited``, ``state_changed`` where update is not empty, one ``edge_taken`` per edge, and
``checkpoint_created`` where checkpoint is given. A visit of a parallel branch is ENTER, EXIT and
APPLY, whose events come in that order from their seq on. EVENT is any other event, `fields` being
its own fields by name. An edge is ``target`` (a string: a plain edge) or a tuple
``(target, label, read, unread)``. `checkpoint` is None or ``(checkpoint_id, step)``.

`update` is a dict of state keys. A value is immutable or a frozen copy (`inwit.runtime.serial`);
``Delta(value)`` stands for what a list reducer appended instead of the merged list.

While a node of the sequential path runs, `current` is ``(entry_seq, node, visit, attempt, t0)``:
the journal writes it as an ENTER row when it commits meanwhile, and the reader then leaves
``node_entered`` out of the VISIT row that follows. Only `current` and the front of `rows` are
touched by the journal's thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

START, VISIT, ENTER, EXIT, APPLY, EVENT, END = range(7)

ROWS_LIMIT = 4096
"""Rows an execution may hold before its producer waits for the journal."""


_lock = threading.Lock()
"""Orders the rows that threads of one execution add; one for all, since it is seldom wanted."""


def anchor() -> int:
    """Wall clock minus monotonic clock, in nanoseconds."""
    return time.time_ns() - time.monotonic_ns()


class Recording:
    """The rows of one execution that the journal has not taken yet."""

    # What is the same at every start is the class's: an execution begins in a microsecond.
    seq = 0
    """The last seq that was given out."""
    current: tuple[int, str, int, int, int] | None = None
    has_metrics = True
    """False where the graph keeps no latency histograms."""
    is_done = False
    """True once the END row is in `rows`."""
    masks: Mapping[str, Callable[[Any], Any]] | None = None
    """By nodes' names, what makes of their updates what the record is to show."""
    parent_id: str | None = None

    def __init__(  # noqa: PLR0917 - made once, in `CompiledGraph`
        self,
        execution_id: str,
        graph_name: str,
        version: Callable[[], str],
        thread_id: str | None,
        parent_id: str | None,
        anchor_ns: int,
    ) -> None:
        self.execution_id = execution_id
        self.graph_name = graph_name
        self.version = version
        """Gives the graph's structural hash; called in the journal's thread."""
        self.thread_id = thread_id
        self.parent_id = parent_id
        self.anchor_ns = anchor_ns
        self.rows: list[tuple[Any, ...]] = []

    @property
    def recorded_id(self) -> str | None:
        """The execution's id, where readers can find it."""
        return self.execution_id

    def add(self, kind: int, *rest: Any, seqs: int = 1) -> None:
        """Append one row that takes `seqs` seqs. Safe from any thread."""
        with _lock:
            first = self.seq + 1
            self.seq += seqs
            self.rows.append((kind, first, *rest))

    def add_event(
        self,
        type_name: str,
        node: str | None,
        visit: int | None,
        attempt: int | None,
        fields: dict[str, Any],
    ) -> int:
        """Append one EVENT row and return its seq. Safe from any thread."""
        with _lock:
            now = time.monotonic_ns()
            self.seq = seq = self.seq + 1
            self.rows.append((EVENT, seq, now, type_name, node, visit, attempt, fields))
        return seq


class Unrecorded(Recording):
    """The recording of an execution whose record is off: it keeps nothing."""

    def __init__(self, execution_id: str, graph_name: str) -> None:
        super().__init__(execution_id, graph_name, str, None, None, 0)
        self.rows = deque(maxlen=0)  # type: ignore[assignment]

    @property
    def recorded_id(self) -> str | None:
        return None

    @staticmethod
    def no_rows() -> Any:
        """What takes rows and keeps none."""
        return deque(maxlen=0)
