"""Comparing two series of one node's calls: how large a shift is, and what else explains it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.findings import Thresholds

_SPLITS = ((0.5, 4), (0.75, 6))
"""Where a version's own window is divided, and the blocks that the newer side then needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two series of calls of one node to compare."""

    kind: Literal["version", "time"]
    share: float = 0.0
    """Where a version's own window was divided."""
    node: str
    older: Sequence[NodeCall]
    newer: Sequence[NodeCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How one series lies above another."""

    pair: Pair
    p: float
    ratio: tuple[float, float, float]
    fastest: float
    older_ms: float
    newer_ms: float

    def is_large(self, limits: Thresholds) -> bool:
        return (
            self.ratio[0] >= limits.slowdown_floor
            and self.ratio[1] > limits.slowdown_interval_floor
            # A burst slows some calls, a regression slows the fastest ones as well.
            and self.fastest >= limits.slowdown_floor
            and self.newer_ms - self.older_ms >= limits.slowdown_floor_ms
        )

    def is_open(self, limits: Thresholds) -> bool:
        """Whether the shift would be large if its interval were narrower."""
        return (
            min(self.ratio[0], self.fastest) >= limits.slowdown_floor
            and self.ratio[1] <= limits.slowdown_interval_floor
            and self.newer_ms - self.older_ms >= limits.slowdown_floor_ms
        )


def timed(calls: Sequence[NodeCall]) -> list[NodeCall]:
    return [
        call for call in calls
        if call.status == "completed" and call.self_ms > 0 and not call.is_cached
    ]  # fmt: skip


def pairs(
    node: str, older: list[NodeCall], newer: list[NodeCall], limits: Thresholds
) -> Iterator[Pair]:
    size = limits.block_size
    if min(len(older), len(newer)) >= limits.blocks_min * size:
        yield Pair(kind="version", node=node, older=older, newer=newer)
    blocks = len(newer) // size
    whole = newer[len(newer) - blocks * size :]
    for share, need in _SPLITS:
        at = int(blocks * share)
        if at >= limits.blocks_min and blocks - at >= max(need, limits.blocks_min):
            yield Pair(
                kind="time",
                share=share,
                node=node,
                older=whole[: at * size],
                newer=whole[at * size :],
            )


def shift_of(pair: Pair, limits: Thresholds) -> Shift:
    older = [call.self_ms for call in pair.older]
    newer = [call.self_ms for call in pair.newer]
    size = stats.block_size(max(len(older), len(newer)), limits.block_size)
    size = min(size, max(min(len(older), len(newer)) // limits.blocks_min, limits.block_size))
    blocks_older, blocks_newer = (stats.block_medians(side, size) for side in (older, newer))
    return Shift(
        pair=pair,
        p=stats.mann_whitney(blocks_newer, blocks_older),
        ratio=stats.ratio_interval(blocks_newer, blocks_older),
        fastest=stats.quantile(newer, 0.1) / stats.quantile(older, 0.1),
        older_ms=median(older),
        newer_ms=median(newer),
    )


def general_slowdowns(
    shifts: Sequence[Shift], limits: Thresholds
) -> dict[tuple[str, float], float]:
    """Where every one of three nodes or more slowed, give the least ratio of the comparison."""
    grouped: dict[tuple[str, float], list[float]] = {}
    for shift in shifts:
        grouped.setdefault((shift.pair.kind, shift.pair.share), []).append(shift.ratio[0])
    return {
        key: min(ratios)
        for key, ratios in grouped.items()
        if len(ratios) >= 3 and min(ratios) >= limits.slowdown_floor
    }


def explain(
    shift: Shift, general: dict[tuple[str, float], float], limits: Thresholds
) -> tuple[str, tuple[str, ...]]:
    """Give the reason why a large shift is no regression of its node, or what limits the finding."""
    common = general.get((shift.pair.kind, shift.pair.share))
    if common is not None and shift.ratio[1] <= common * limits.slowdown_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but so is every node of the graph (at least "
            f"×{common:.2f}): the machine or its load, not this node"
        )
        return reason, ()
    return _explained_by_input(shift, limits)


def _explained_by_input(shift: Shift, limits: Thresholds) -> tuple[str, tuple[str, ...]]:
    older, newer = _sized(shift.pair.older), _sized(shift.pair.newer)
    if not older or not newer:
        return "", ("Input sizes are not known, so longer inputs are not ruled out.",)
    base = median(size for size, _ in older)
    growth = math.exp(median(size for size, _ in newer) - base)
    if growth < 1.1:
        return "", ()
    slope = stats.theil_sen(_centred(older) + _centred(newer))
    if slope is None:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but inputs grew ×{growth:.2f} at the same time, and "
            "vary too little before and after to tell the two apart"
        )
        return reason, ()
    # The steepest slope that the calls allow: in doubt it was the inputs.
    steep = max(slope[1], 0.0)
    even = [
        stats.block_medians(
            [math.exp(ms - steep * (size - base)) for size, ms in side], limits.block_size
        )
        for side in (newer, older)
    ]
    point, low, _ = stats.ratio_interval(even[0], even[1])
    if point < limits.slowdown_floor or low <= limits.slowdown_interval_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but inputs grew ×{growth:.2f}; for inputs of equal "
            f"size the ratio is ×{point:.2f}, from ×{low:.2f}"
        )
        return reason, ()
    note = f"Inputs grew ×{growth:.2f}; for inputs of equal size the ratio is still ×{point:.2f}."
    return "", (note,)


def _sized(calls: Sequence[NodeCall]) -> list[tuple[float, float]]:
    """Logarithms of (size, time) where every size is known."""
    pairs = [(c.given_size, c.self_ms) for c in calls if c.given_size > 0]
    return [(math.log(a), math.log(b)) for a, b in pairs] if len(pairs) == len(calls) else []


def _centred(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    x, y = median(a for a, _ in points), median(b for _, b in points)
    return [(a - x, b - y) for a, b in points]
