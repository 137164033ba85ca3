"""What the journal knows of one execution while it writes it: counts, open visits, the seqs taken.

Rows pass through here once, when they are taken; this is the one place whose cost counts for each
visit of a running graph.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec.msgpack import Ext

from inwit.events import OPEN_STATUSES
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT, Recording
from inwit.runtime.serial import DELTA
from inwit.runtime.store.codec import BLOB_BYTES, Blobs, Row, split
from inwit.runtime.store.rollups import MINUTE_NS, Cells, Rollups

_logger = logging.getLogger("inwit")
_SMALL: Final = frozenset({int, float, bool, type(None)})
_SIZED: Final = frozenset({str, bytes, msgspec.Raw, Ext})
_NO_CELLS: Final = Cells()


class Sums:
    """What calls of models and tools add to an execution's row."""

    __slots__ = (
        "cost_usd", "input_tokens", "llm_calls", "output_tokens", "retries", "tool_calls",
        "unpriced_calls",
    )  # fmt: skip

    def __init__(self) -> None:
        self.llm_calls = self.tool_calls = self.retries = self.unpriced_calls = 0
        self.input_tokens = self.output_tokens = 0
        self.cost_usd: float | None = None


NOTHING: Final = Sums()
"""The sums of the many batches without such calls. Never changed."""


class Track:
    """One execution under way. `take_in` is given its rows in the order in which they came."""

    # What is the same at every beginning is the class's: most executions need little of it.
    taken = -1
    """The last seq that is in a batch; -1 until the first row shows where this one begins."""
    top = 0
    """The highest seq seen."""
    count = 0
    """How many seqs above `taken` were seen. No seq is missing when `taken + count == top`."""
    lost_from: int | None = None
    is_fenced = False
    started_t: int | None = None
    last_t = 0
    status = "running"
    end: Row | None = None
    current_node: str | None = None
    keys: set[str] | None = None
    sums = NOTHING
    iteration = 0
    """Visits that ended since the last batch, also by failing; less those that were tried again."""
    cells = _NO_CELLS
    until_t = 0
    """When the minute of `cells` is over."""

    def __init__(self, recording: Recording, graph: str, version: str, rollups: Rollups) -> None:
        self.recording = recording
        self.graph = graph
        self.version = version
        self.rollups = rollups
        self.held: list[Row] = []
        """Rows that wait for one with a lower seq."""
        self.opened: dict[tuple[str, int], int] = {}
        """When each unfinished visit began, where an ENTER row tells."""
        self.failing: dict[tuple[str, int], int] = {}
        self.blobs: Blobs = {}

    def take_in(self, rows: list[Row]) -> None:
        """Count rows, and replace in the list those that hold something big."""
        if self.taken < 0 and rows:
            self.taken = self.top = _first_seq(rows) - 1
        index = 0
        while index < len(rows):
            row = rows[index]
            try:
                if row[0] == VISIT:
                    index = self._take_visits(rows, index)
                    continue
                changed = _HANDLERS[row[0]](self, row)
            except Exception:  # the border to who records: a row that is odd is kept as it is
                _logger.warning("inwit: warning: an odd row was recorded: %r", row, exc_info=True)
            else:
                if changed is not None:
                    rows[index] = changed
            index += 1

    # One function, since each call would cost as much as the rest of a visit.
    def _take_visits(self, rows: list[Row], begin: int) -> int:  # noqa: PLR0912
        """Count whole visits from an index on; the index of the first row that is none."""
        pieces, keys, opened, cells = 0, self.keys, self.opened, self.cells
        until_t, index = self.until_t, begin
        end = len(rows) - (rows[-1][0] != VISIT)
        try:
            for _, _, _, node, visit, _, t0, t1, update, edges, checkpoint in islice(
                rows, begin, end
            ):
                is_odd = is_big = False
                if update:
                    pieces += 1
                    for key, value in update.items():
                        if type(value) not in _SMALL:
                            is_odd = True
                        elif keys is not None and key not in keys:
                            keys.add(key)
                pieces += len(edges)
                for edge in edges:
                    if type(edge) is not str and not _is_small(edge):
                        is_big = True
                if checkpoint is not None:
                    pieces += 1
                if opened:
                    t0 = opened.pop((node, visit), t0)  # noqa: PLW2901
                    if self.failing and self.failing.pop((node, visit), None) is not None:
                        self.iteration -= 1
                if t1 >= until_t:
                    self._next_minute(t1)
                    cells, until_t = self.cells, self.until_t
                cells[node].append(t1 - t0)
                smaller = self._shrink(update) if is_odd else None
                if is_big or smaller is not None:
                    parts = split(edges, self.blobs)
                    rows[index] = (*rows[index][:8], smaller or update, parts, checkpoint)
                index += 1
        except Exception:  # a row of another kind, or an odd one
            if index == begin:
                raise
            pieces = sum(_pieces(row) for row in rows[begin:index])
        if index > begin:
            self.count += 2 * (index - begin) + pieces - (rows[begin][1] <= self.taken)
            last = rows[index - 1]
            self.top = max(self.top, last[2] + _pieces(last))
            self.current_node, self.last_t = last[3], last[7]
            self.iteration += index - begin
        return index

    def _count(self, node: str, visit: int, t0: int, t1: int) -> None:
        """Count a visit that ended well, and how long it took."""
        if self.opened:
            t0 = self.opened.pop((node, visit), t0)
            if self.failing.pop((node, visit), None) is not None:
                self.iteration -= 1
        if t1 >= self.until_t:
            self._next_minute(t1)
        self.cells[node].append(t1 - t0)
        self.iteration += 1
        self.last_t = t1

    def on_enter(self, row: Row) -> None:
        _, seq, node, visit, _, t0 = row
        self._seen(seq)
        self.current_node = node
        self.opened.setdefault((node, visit), t0)
        self.last_t = t0

    def on_exit(self, row: Row) -> None:
        _, seq, node, visit, _, t0, t1 = row
        self._seen(seq)
        self._count(node, visit, t0, t1)

    def on_apply(self, row: Row) -> Row | None:
        _, seq, _, _, _, t, update, edges, checkpoint = row
        pieces = len(edges) + (1 if update else 0) + (checkpoint is not None)
        if pieces and seq > self.taken:
            self.count += pieces
            if seq + pieces > self.top:
                self.top = seq + pieces - 1
        self.last_t = t
        smaller = self._shrink(update) if update else None
        for edge in edges:
            if type(edge) is not str and not _is_small(edge):
                return (*row[:6], smaller or update, split(edges, self.blobs), checkpoint)
        return None if smaller is None else (*row[:6], smaller, edges, checkpoint)

    def on_event(self, row: Row) -> Row | None:
        _, seq, t, type_name, node, visit, _, fields = row
        self._seen(seq)
        self.last_t = t
        handler = _EVENTS.get(type_name)
        if handler is not None:
            handler(self, t, node, visit, fields)
        return (*row[:7], split(fields, self.blobs)) if fields else None

    def on_start(self, row: Row) -> Row | None:
        _, seq, t, given, *called = row
        self._seen(seq)
        self.started_t = self.last_t = t
        self.keys = set(given) if given.__class__ is dict else set()
        return (*row[:3], split(given, self.blobs), *called) if _may_be_big(given) else None

    def on_end(self, row: Row) -> Row | None:
        _, seq, t, status, output, _, _, node = row
        self._seen(seq)
        self.last_t = t
        self.status, self.end = status, row
        self.current_node = node if status in OPEN_STATUSES else None
        if self.started_t is not None and status not in OPEN_STATUSES:
            if t >= self.until_t:
                self._next_minute(t)
            self.cells[""].append(t - self.started_t)
            if status == "failed":
                self.cells.cell("").failed += 1
        return (*row[:4], split(output, self.blobs), *row[5:]) if _may_be_big(output) else None

    def _seen(self, seq: int) -> None:
        if seq > self.taken:
            self.count += 1
            if seq > self.top:  # noqa: PLR1730 - a call costs three times as much
                self.top = seq

    def on_node_failed(self, t: int, node: str, visit: int, _: dict[str, Any]) -> None:
        """Count a failed visit; a retry that follows takes it back."""
        key = (node, visit)
        t0 = self.opened.get(key, t)
        if t >= self.until_t:
            self._next_minute(t)
        cell = self.cells.cell(node)
        cell.add(t - t0)
        cell.failed += 1
        if key not in self.failing:
            self.iteration += 1
        self.failing[key] = t

    def on_retry_scheduled(self, t: int, node: str, visit: int, _: dict[str, Any]) -> None:
        self._add().retries += 1
        if t >= self.until_t:
            self._next_minute(t)
        cell = self.cells.cell(node)
        cell.retries += 1
        failed_t = self.failing.pop((node, visit), None)
        if failed_t is not None:
            self.iteration -= 1
            cell.take_back(failed_t - self.opened.get((node, visit), failed_t))

    def on_llm_completed(self, _t: int, _node: Any, _visit: Any, fields: dict[str, Any]) -> None:
        sums = self._add()
        sums.llm_calls += 1
        sums.input_tokens += fields.get("input_tokens") or 0
        sums.output_tokens += fields.get("output_tokens") or 0
        cost = fields.get("cost_usd")
        if cost is not None:
            sums.cost_usd = (sums.cost_usd or 0.0) + cost
        elif fields.get("error") is None:
            sums.unpriced_calls += 1

    def on_tool_started(self, _t: int, _node: Any, _visit: Any, _fields: Any) -> None:
        self._add().tool_calls += 1

    def on_status_changed(self, _t: int, _node: Any, _visit: Any, fields: dict[str, Any]) -> None:
        self.status = str(fields.get("status", self.status))

    def on_state_changed(self, _t: int, _node: Any, _visit: Any, fields: dict[str, Any]) -> None:
        if self.keys is not None:
            self.keys.update(str(op["path"])[1:].split("/")[0] for op in fields.get("patch", ()))

    def _add(self) -> Sums:
        if self.sums is NOTHING:
            self.sums = Sums()
        return self.sums

    def _next_minute(self, t: int) -> None:
        anchor = self.recording.anchor_ns
        minute = (t + anchor) // MINUTE_NS
        self.until_t = (minute + 1) * MINUTE_NS - anchor
        is_counted = self.recording.has_metrics
        self.cells = self.rollups.at(self.graph, self.version, minute) if is_counted else Cells()

    def _shrink(self, update: dict[str, Any]) -> dict[str, Any] | None:
        """The update without what is big; None where nothing has to change.

        The first items of a list that the state did not hold are the whole list.
        """
        keys, is_changed = self.keys, False
        if keys is not None and not keys.issuperset(update):
            for key, value in update.items():
                if key not in keys and type(value) is Ext and value.code == DELTA:
                    update, is_changed = {**update, key: msgspec.Raw(value.data)}, True
            keys.update(update)
        if _may_be_big(update):
            return {key: split(value, self.blobs) for key, value in update.items()}
        return update if is_changed else None


def _is_small(edge: Any) -> bool:
    """Whether a conditional edge holds nothing big; cheap, and never wrongly yes."""
    _, label, read, unread = edge
    return len(label or "") + len(unread or "") < BLOB_BYTES // 4 and not _may_be_big(read)


def _pieces(row: Row) -> int:
    """How many events follow a visit's exit."""
    return bool(row[8]) + len(row[9]) + (row[10] is not None)


def _may_be_big(values: Any) -> bool:
    """Whether one of a dict's values may be too big to stay; cheap, and never wrongly no."""
    if type(values) is not dict:
        return values is not None
    for value in values.values():
        kind = type(value)
        if kind in _SMALL:
            continue
        if kind not in _SIZED or len(value.data if kind is Ext else value) > BLOB_BYTES // 4:
            return True
    return False


def _first_seq(rows: list[Row]) -> int:
    """The lowest seq of the rows: where an execution, or its resumption here, begins."""
    return 1 if rows[0][0] == START else min(row[1] for row in rows)


_EVENTS: Final = {
    "node_failed": Track.on_node_failed,
    "retry_scheduled": Track.on_retry_scheduled,
    "llm_completed": Track.on_llm_completed,
    "tool_started": Track.on_tool_started,
    "status_changed": Track.on_status_changed,
    "state_changed": Track.on_state_changed,
}
_HANDLERS: Final = {
    START: Track.on_start, ENTER: Track.on_enter, EXIT: Track.on_exit,
    APPLY: Track.on_apply, EVENT: Track.on_event, END: Track.on_end,
}  # fmt: skip
