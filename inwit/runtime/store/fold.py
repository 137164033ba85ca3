"""Rows to visits and to the state, without the way through events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inwit.events import Failure
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.serial import Delta
from inwit.runtime.store.expand import About, edge_of, failure_of
from inwit.runtime.views import Visit

Batch = tuple[list[Any], int, int, int]
"""Rows, first and last seq, anchor."""


class _Open:
    """A visit while its rows come in."""

    __slots__ = (
        "attempt_t", "attempts", "edge_seq", "edges", "end_t", "entry_seq", "error", "exit_seq",
        "llm_calls", "node", "started_ns", "status", "t0", "tool_calls", "update", "visit",
    )  # fmt: skip

    def __init__(self, node: str, visit: int, entry_seq: int, t0: int, anchor_ns: int) -> None:
        self.node = node
        self.visit = visit
        self.entry_seq = entry_seq
        self.t0 = self.attempt_t = t0 + anchor_ns
        self.end_t: int | None = None
        self.exit_seq: int | None = None
        self.edge_seq: int | None = None
        self.status = "running"
        self.attempts = 1
        self.error: Failure | None = None
        self.update: Any = None
        self.edges: tuple[dict[str, Any], ...] = ()
        self.llm_calls = self.tool_calls = 0

    def end(self, seq: int, t: int, status: str) -> None:
        self.exit_seq, self.end_t, self.status = seq, t, status

    def apply(self, seq: int, update: Any, edges: Any) -> None:
        if update:
            self.update = update
            seq += 1
        if edges:
            self.edge_seq = seq
            self.edges = tuple(edge_of(edge) for edge in edges)

    def view(self, about: About) -> Visit:
        return Visit(
            execution_id=about.execution_id, graph_name=about.graph_name,
            graph_version=about.graph_version, node=self.node, visit=self.visit,
            entry_seq=self.entry_seq, exit_seq=self.exit_seq, edge_seq=self.edge_seq,
            started_ns=self.t0,
            duration_ms=None if self.end_t is None else (self.end_t - self.t0) / 1e6,
            status=self.status,  # type: ignore[arg-type]
            attempts=self.attempts, retry_ms=(self.attempt_t - self.t0) / 1e6, error=self.error,
            update=self.update, edges=self.edges, llm_calls=self.llm_calls,
            tool_calls=self.tool_calls,
        )  # fmt: skip


class Folder:
    """Folds the batches of one execution into its visits, in the order of their beginnings."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._visits: dict[tuple[str, int], _Open] = {}
        self._anchor_ns = 0

    def visits(self, batches: Iterable[Batch]) -> list[Visit]:
        """Fold them all."""
        for rows, _, _, anchor_ns in batches:
            self._anchor_ns = anchor_ns
            for row in rows:
                self._take(row)
        found = sorted(self._visits.values(), key=lambda one: one.entry_seq)
        return [one.view(self._about) for one in found]

    def _take(self, row: Any) -> None:
        kind = row[0]
        if kind == VISIT:
            _, entry, seq, node, visit, attempt, t0, t1, update, edges, _ = row
            one = self._enter(node, visit, entry, attempt, t0)
            one.end(seq, t1 + self._anchor_ns, "completed")
            one.apply(seq + 1, update, edges)
        elif kind == ENTER:
            _, seq, node, visit, attempt, t0 = row
            self._enter(node, visit, seq, attempt, t0)
        elif kind == EXIT:
            _, seq, node, visit, attempt, t0, t1 = row
            one = self._enter(node, visit, seq, attempt, t0)
            one.end(seq, t1 + self._anchor_ns, "completed")
        elif kind == APPLY:
            _, seq, node, visit, _, _, update, edges, _ = row
            known = self._visits.get((node, visit))
            if known is not None:
                known.apply(seq, update, edges)
        elif kind == EVENT:
            self._event(row)
        elif kind == END:
            self._end(row)

    def _enter(self, node: str, visit: int, seq: int, attempt: int, t0: int) -> _Open:
        one = self._visits.get((node, visit))
        if one is None:
            one = self._visits[node, visit] = _Open(node, visit, seq, t0, self._anchor_ns)
        elif attempt > one.attempts:
            one.attempt_t = t0 + self._anchor_ns
        elif t0 + self._anchor_ns < one.t0:
            # What a node wrote stands before its own row, which tells when it began.
            one.t0 = one.attempt_t = t0 + self._anchor_ns
        if one.status in ("failed", "cancelled"):
            one.status, one.end_t, one.exit_seq = "running", None, None
        one.entry_seq = min(one.entry_seq, seq)
        one.attempts = max(one.attempts, attempt)
        return one

    def _event(self, row: Any) -> None:
        _, seq, t, type_name, node, visit, attempt, fields = row
        one = self._visits.get((node, visit))
        if one is None:
            if type_name not in _FOLDED or node is None:
                return
            one = self._enter(node, visit, seq, 1, t)
        if type_name == "node_failed":
            one.error = failure_of((fields or {}).get("error"))
            one.attempts = max(one.attempts, attempt or 1)
            is_cut_off = one.error.type == CUT_OFF
            one.end(seq, t + self._anchor_ns, "cancelled" if is_cut_off else "failed")
        elif type_name == "interrupt_raised":
            one.end(seq, t + self._anchor_ns, "interrupted")
        elif type_name == "llm_completed":
            one.llm_calls += 1
        elif type_name == "tool_started":
            one.tool_calls += 1

    def _end(self, row: Any) -> None:
        """What still runs when the execution ends has ended with it."""
        _, _, t, status, _, failure, reason, _ = row
        if status not in ("failed", "cancelled"):
            return
        for one in self._visits.values():
            if one.status == "running":
                one.status, one.end_t = "failed", max(t + self._anchor_ns, one.t0)
                one.error = (
                    failure_of(failure)
                    if failure is not None
                    else Failure(type="Cancelled", message=reason or "The execution was cancelled.")
                )


CUT_OFF = "CancelledError"
"""The error of a visit that was ended from outside: with its execution, or since another failed."""
_FOLDED = ("node_failed", "llm_completed", "tool_started")


def state_after(batches: Iterable[Batch], seq: int | None) -> dict[str, Any]:
    """The state after an event, folded from the input and every change up to it."""
    state: dict[str, Any] = {}
    for rows, _, _, _ in batches:
        for row in rows:
            for at, update in changes_of(row):
                if seq is None or at <= seq:
                    apply_update(state, update)
    return state


def changes_of(row: Any) -> list[tuple[int, Any]]:
    """A row's changes to the state, each with the seq of its event."""
    kind = row[0]
    if kind == VISIT and row[8]:
        return [(row[2] + 1, row[8])]
    if kind == APPLY and row[6]:
        return [(row[1], row[6])]
    if kind == START and isinstance(row[3], dict):
        return [(row[1], row[3])]
    if kind == EVENT and row[3] == "state_changed":
        return [(row[1], _Patch((row[7] or {}).get("patch") or []))]
    return []


class _Patch(list[Any]):
    """A patch where an update is expected."""


def apply_update(state: dict[str, Any], update: Any) -> None:
    if isinstance(update, _Patch):
        for op in update:
            _apply_op(state, op)
        return
    for key, value in update.items():
        if isinstance(value, Delta):
            before = state.get(key)
            state[key] = [*(before if isinstance(before, list) else []), *value.items]
        else:
            state[key] = value


def _apply_op(state: dict[str, Any], op: dict[str, Any]) -> None:
    """Apply what our own patches hold: ``add`` of a key or to a list's end, and ``remove``."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in str(op["path"])[1:].split("/")]
    key = parts[0]
    if op.get("op") == "remove":
        state.pop(key, None)
    elif len(parts) == 2 and parts[1] == "-":
        apply_update(state, {key: Delta([op.get("value")])})
    elif len(parts) == 1:
        state[key] = op.get("value")
