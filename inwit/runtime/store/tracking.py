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

    __slots__ = ("cost_usd", "input_tokens", "llm_calls", "output_tokens", "retries", "tool_calls")

    def __init__(self) -> None:
        self.llm_calls = self.tool_calls = self.retries = 0
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
    """Visits that ended since the last batch."""
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
    def _take_visits(self, rows: list[Row], begin: int) -> int:  # noqa: C901, PLR0912
        """Count whole visits from an index on; the index of the first row that is not plain."""
        count, top, taken, keys = self.count, self.top, self.taken, self.keys
        cells, until_t, opened, index = self.cells, self.until_t, self.opened, begin
        try:
            for row in islice(rows, begin, None):
                if row[0] != VISIT:
                    break
                _, entry, seq, node, visit, _, t0, t1, update, edges, checkpoint = row
                last, is_big = seq + len(edges), checkpoint is not None
                last += is_big
                if update:
                    last += 1
                    for key, value in update.items():
                        if type(value) not in _SMALL:
                            is_big = True
                        elif keys is not None and key not in keys:
                            keys.add(key)
                for edge in edges:
                    if type(edge) is not str:
                        is_big = True
                if opened:
                    t0 = opened.pop((node, visit), t0)
                    self.failing.pop((node, visit), None)
                if t1 >= until_t:
                    self._next_minute(t1)
                    cells, until_t = self.cells, self.until_t
                cells[node].append(t1 - t0)
                count += last - seq + (2 if entry > taken else 1)
                if last > top:
                    top = last
                if is_big:
                    smaller = self._shrink(update) if update else None
                    rows[index] = (
                        *row[:8],
                        smaller or update,
                        split(edges, self.blobs),
                        checkpoint,
                    )
                index += 1
        except Exception:
            if index == begin:
                raise
        if index > begin:
            self.iteration += index - begin
            self.current_node, self.last_t = rows[index - 1][3], rows[index - 1][7]
            self.count, self.top = count, top
        return index

    def _count(self, node: str, visit: int, t0: int, t1: int) -> None:
        """Count a visit that ended well, and how long it took."""
        if self.opened:
            t0 = self.opened.pop((node, visit), t0)
            self.failing.pop((node, visit), None)
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
            self.top = max(self.top, seq + pieces - 1)
        self.last_t = t
        smaller = self._shrink(update) if update else None
        return (*row[:6], smaller or update, split(edges, self.blobs), checkpoint)

    def on_event(self, row: Row) -> Row | None:
        _, seq, t, type_name, node, visit, _, fields = row
        self._seen(seq)
        self.last_t = t
        handler = _EVENTS.get(type_name)
        if handler is not None:
            handler(self, t, node, visit, fields)
        return (*row[:7], split(fields, self.blobs)) if fields else None

    def on_start(self, row: Row) -> Row | None:
        _, seq, t, given = row
        self._seen(seq)
        self.started_t = self.last_t = t
        self.keys = set(given) if given.__class__ is dict else set()
        return (*row[:3], split(given, self.blobs)) if _may_be_big(given) else None

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
        self.failing[key] = t

    def on_retry_scheduled(self, t: int, node: str, visit: int, _: dict[str, Any]) -> None:
        self._add().retries += 1
        if t >= self.until_t:
            self._next_minute(t)
        cell = self.cells.cell(node)
        cell.retries += 1
        failed_t = self.failing.pop((node, visit), None)
        if failed_t is not None:
            cell.take_back(failed_t - self.opened.get((node, visit), failed_t))

    def on_llm_completed(self, _t: int, _node: Any, _visit: Any, fields: dict[str, Any]) -> None:
        sums = self._add()
        sums.llm_calls += 1
        sums.input_tokens += fields.get("input_tokens") or 0
        sums.output_tokens += fields.get("output_tokens") or 0
        cost = fields.get("cost_usd")
        if cost is not None:
            sums.cost_usd = (sums.cost_usd or 0.0) + cost

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
