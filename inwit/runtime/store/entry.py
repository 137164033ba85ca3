"""One execution's share of a commit: a batch of rows, and what it changes in its row of figures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from inwit.events import OPEN_STATUSES
from inwit.runtime.record import APPLY, END, EVENT, VISIT
from inwit.runtime.store.codec import Blobs, Encoder, Row
from inwit.runtime.store.tracking import NOTHING, Track

COLUMNS: Final = (
    "id", "graph", "version", "thread", "parent", "status", "started_ns", "last_ns", "ended_ns",
    "duration_ns", "current_node", "iteration", "last_seq", "error", "error_node", "reason",
    "llm_calls", "tool_calls", "retries", "input_tokens", "output_tokens", "cost_usd",
    "unpriced_calls",
)  # fmt: skip
_NO_BLOBS: Final[Blobs] = {}


class Entry:
    """A batch, ready to be written."""

    __slots__ = (
        "anchor_ns", "blobs", "data", "execution_id", "first_seq", "last_seq", "row", "size", "track",
    )  # fmt: skip

    def __init__(
        self, track: Track, first_seq: int, last_seq: int, rows: list[Row], encoder: Encoder
    ) -> None:
        self.track = track
        self.execution_id = track.recording.execution_id
        self.first_seq = first_seq
        self.last_seq = last_seq
        self.anchor_ns = track.recording.anchor_ns
        self.data = encoder.encode(rows)
        self.size = len(self.data) * 2 + 500
        """About how many bytes it holds in memory."""
        self.blobs: Blobs = _NO_BLOBS
        if track.blobs:
            compress = encoder.compress
            self.blobs = {digest: compress(data) for digest, data in track.blobs.items()}
            track.blobs = {}
            self.size += sum(map(len, self.blobs.values()))
        self.row = _row(track, last_seq)
        track.sums, track.iteration = NOTHING, 0

    @property
    def batch(self) -> tuple[Any, ...]:
        """The row of the table of batches."""
        return (self.execution_id, self.first_seq, self.last_seq, self.anchor_ns, self.data)


def gap_row(lost_from: int, lost_to: int, t: int, reason: str) -> Row:
    """The row that stands for events that were given up."""
    fields = {"lost_from": lost_from, "lost_to": lost_to, "reason": reason}
    return (EVENT, lost_from, t, "gap", None, None, None, fields)


def fill(rows: list[Row], first: int, last: int, t: int) -> list[Row]:
    """The gaps for seqs that were given out and never recorded."""
    missing = sorted(set(range(first, last + 1)).difference(*map(_seqs, rows)))
    gaps: list[Row] = []
    for seq in missing:
        if gaps and gaps[-1][7]["lost_to"] == seq - 1:
            gaps[-1][7]["lost_to"] = seq
        else:
            gaps.append(gap_row(seq, seq, t, "it was never recorded"))
    return gaps


def _seqs(row: Row) -> Iterable[int]:
    if row[0] == VISIT:
        return (row[1], *range(row[2], row[2] + 1 + _after(row[8:])))
    return range(row[1], row[1] + _after(row[6:])) if row[0] == APPLY else (row[1],)


def _after(given: Row) -> int:
    update, edges, checkpoint = given
    return bool(update) + len(edges) + (checkpoint is not None)


def end_row(seq: int, t: int, status: str, failure: Any, reason: str) -> Row:
    """The row that ends an execution for a process that cannot."""
    return (END, seq, t, status, None, failure, reason, None)


def _json(failure: Any) -> str:
    shown = msgspec.to_builtins(failure)
    return json.dumps(shown, ensure_ascii=False)


def _row(track: Track, last_seq: int) -> tuple[Any, ...]:
    recording, sums, end = track.recording, track.sums, track.end
    anchor = recording.anchor_ns
    last_ns = (track.last_t or time.monotonic_ns()) + anchor
    started_ns = last_ns if track.started_t is None else track.started_t + anchor
    ended_ns = duration_ns = error = error_node = None
    reason = ""
    if end is not None:
        _, _, t, status, _, failure, reason, node = end
        if status not in OPEN_STATUSES:
            ended_ns = t + anchor
            duration_ns = None if track.started_t is None else t - track.started_t
        if failure is not None:
            error, error_node = _json(failure), node
    return (
        recording.execution_id, track.graph, track.version, recording.thread_id,
        recording.parent_id, track.status, started_ns, last_ns, ended_ns, duration_ns,
        track.current_node, track.iteration, last_seq, error, error_node, reason or "",
        sums.llm_calls, sums.tool_calls, sums.retries, sums.input_tokens, sums.output_tokens,
        sums.cost_usd, sums.unpriced_calls,
    )  # fmt: skip
