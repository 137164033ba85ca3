"""Comparing two series of one node's calls: how large a shift is, and what else explains it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median, median_low
from typing import Literal, overload

from inwit.events import epoch_ns
from inwit.runtime.views import Execution
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.findings import Thresholds
from inwit.self_improve.window import Window

_SPLITS = ((0.25, 4), (0.5, 4), (0.75, 4))
"""Where a version's own window is divided, and the blocks that the newer side then needs."""
COLD_BLOCKS = 1
"""Blocks after a new version came that do not count: what is cold is slow, and soon is not."""
SUBSTANTIAL_MS = 1.0
"""Nodes that take less tell little of the machine."""
NEARLY_ALL = 0.8
"""The share of nodes that slow together when it is the machine."""
WEATHER_MOST = 20_000
OTHERS_LEAST = 3
"""Other nodes of an execution that tell what slowed it as a whole."""
GROWING = 0.9
"""The rank correlation with time from which on a size is no other cause than time."""
AROUND = 8
"""Executions before and after one whose beginnings tell the traffic that it met."""
TRAFFIC_GROWTH = 1.5
"""How much more traffic there has to be for it to be looked at as a reason."""


class Part(Sequence[NodeCall]):
    """A stretch of a series, without a copy: a million calls are divided at several places."""

    __slots__ = ("_calls", "_first", "_last")

    def __init__(self, calls: Sequence[NodeCall], first: int, last: int) -> None:
        self._calls, self._first, self._last = calls, first, last

    def __len__(self) -> int:
        return self._last - self._first

    def __iter__(self) -> Iterator[NodeCall]:
        return islice(self._calls, self._first, self._last)

    @overload
    def __getitem__(self, at: int) -> NodeCall: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[NodeCall]: ...

    def __getitem__(self, at: int | slice) -> NodeCall | Sequence[NodeCall]:
        places = range(self._first, self._last)[at]
        if isinstance(places, range):
            return [self._calls[place] for place in places]
        return self._calls[places]


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
    latest: float
    """The ratio of the newest third: what is over is no regression any more."""
    older_ms: float
    newer_ms: float

    def is_large(self, limits: Thresholds) -> bool:
        return self._is_high(limits) and self.ratio[1] > limits.slowdown_interval_floor

    def is_open(self, limits: Thresholds) -> bool:
        """Whether the shift would be large if its interval were narrower."""
        return self._is_high(limits) and self.ratio[1] <= limits.slowdown_interval_floor

    def _is_high(self, limits: Thresholds) -> bool:
        # A burst slows some calls, a regression slows the fastest ones as well.
        return (
            min(self.ratio[0], self.fastest, self.latest) >= limits.slowdown_floor
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
    warm = newer[COLD_BLOCKS * size :]
    if min(len(older), len(warm)) < limits.blocks_min * size:
        warm = newer
    if min(len(older), len(warm)) >= limits.blocks_min * size:
        yield Pair(kind="version", node=node, older=older, newer=warm)
    if limits.is_continuous and newer:
        yield from _anchored(node, newer, limits.blocks_min * size)
        return
    blocks = len(newer) // size
    whole = newer[len(newer) - blocks * size :]
    for share, need in _SPLITS:
        at = int(blocks * share)
        if at >= limits.blocks_min and blocks - at >= max(need, limits.blocks_min):
            yield Pair(
                kind="time",
                share=share,
                node=node,
                older=Part(whole, 0, at * size),
                newer=Part(whole, at * size, len(whole)),
            )


def _anchored(node: str, calls: list[NodeCall], least: int) -> Iterator[Pair]:
    """Divide a version's own window at places of the record that stay the same from look to look."""
    first, last = calls[0].execution.position, calls[-1].execution.position
    width = 1 << max(((last - first + 1) // 8).bit_length() - 1, 0)
    for place in range((first // width + 1) * width, last + 1, width):
        at = bisect_left(calls, place, key=lambda call: call.execution.position)
        if min(at, len(calls) - at) >= least:
            yield Pair(
                kind="time", share=float(place), node=node, older=calls[:at], newer=calls[at:]
            )


def shift_of(pair: Pair, limits: Thresholds, weather: Weather | None = None) -> Shift:
    """Compare two series; with a weather, after what slowed the other nodes is taken out."""
    older, newer = _times(pair.older, weather), _times(pair.newer, weather)
    blocks_older, blocks_newer = blocked(older, newer, limits)
    p = stats.mann_whitney(blocks_newer, blocks_older)
    if limits.is_continuous:
        p = max(p, _by_bets(older, newer, limits))
    return Shift(
        pair=pair, p=p if weather is None else min(2 * p, 1.0),
        ratio=stats.ratio_interval(blocks_newer, blocks_older),
        fastest=stats.quantile(newer, 0.1) / stats.quantile(older, 0.1),
        latest=median(newer[-max(len(newer) // 3, limits.block_size) :]) / median(older),
        older_ms=median(call.self_ms for call in pair.older),
        newer_ms=median(call.self_ms for call in pair.newer),
    )  # fmt: skip


def _by_bets(older: Sequence[float], newer: Sequence[float], limits: Thresholds) -> float:
    """The chance that bets allow: blocks are paired from where the two sides meet, outwards.

    So the pairs of one look come again in the next, and the capital goes on from where it was.
    """
    size = limits.block_size
    ahead = [median(newer[at : at + size]) for at in range(0, len(newer) - size + 1, size)]
    behind = stats.block_medians(older, size)[::-1]
    return min(1.0, 1 / max(stats.paired_e(ahead, behind), 1e-300))


def _times(calls: Sequence[NodeCall], weather: Weather | None) -> list[float]:
    if weather is None:
        return [call.self_ms for call in calls]
    return [call.self_ms / weather.factor(call) for call in calls]


class Weather:
    """What slowed all nodes of an execution alike: the median of how far the others are off.

    Of graphs with four nodes or more that take their time, so that one that is slow for a reason
    of its own says nothing of the rest; of few executions, as a look in doubt.
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self._off: dict[str, dict[str, float]] = {}
        for window in windows:
            if len(window.executions) <= WEATHER_MOST:
                self._read(window)

    def _read(self, window: Window) -> None:
        for node, calls in window.by_node().items():
            good = timed(calls)
            if not good or node in window.sent:
                continue
            middle = math.log(median(call.self_ms for call in good))
            if math.exp(middle) < SUBSTANTIAL_MS:
                continue
            for call in good:
                self._off.setdefault(call.execution_id, {})[node] = math.log(call.self_ms) - middle

    def factor(self, call: NodeCall) -> float:
        """By what a call was slowed, as the other nodes of its execution tell."""
        off = self._off.get(call.execution_id, {})
        others = [value for node, value in off.items() if node != call.node]
        return math.exp(median(others)) if len(others) >= OTHERS_LEAST else 1.0


def blocked(
    older: Sequence[float], newer: Sequence[float], limits: Thresholds
) -> tuple[list[float], list[float]]:
    """The block medians of two series, with blocks of one size that leaves each side enough."""
    size = stats.block_size(max(len(older), len(newer)), limits.block_size)
    size = min(size, max(min(len(older), len(newer)) // limits.blocks_min, limits.block_size))
    return stats.block_medians(older, size), stats.block_medians(newer, size)


def general_slowdowns(
    shifts: Sequence[Shift], limits: Thresholds
) -> dict[tuple[str, float], float]:
    """Where nearly every one of two nodes or more slowed, give the ratio that they share.

    Nodes of a fraction of a millisecond count where there are no others.
    """
    grouped: dict[tuple[str, float], list[Shift]] = {}
    for shift in shifts:
        grouped.setdefault((shift.pair.kind, shift.pair.share), []).append(shift)
    found = {}
    for key, group in grouped.items():
        large = [one for one in group if one.older_ms >= SUBSTANTIAL_MS]
        ratios = sorted(one.ratio[0] for one in (large if len(large) >= 2 else group))
        slowed = [ratio for ratio in ratios if ratio >= limits.slowdown_floor]
        if len(ratios) >= 2 and len(slowed) >= max(NEARLY_ALL * len(ratios), 2):
            found[key] = slowed[0]
    return found


Around = tuple[dict[tuple[str, float], float], Mapping[str, float], Sequence[Shift]]
"""General slowdowns, the traffic that each execution met (in executions a second), all shifts."""


def explain(shift: Shift, around: Around, limits: Thresholds) -> tuple[str, tuple[str, ...]]:
    """Give the reason why a large shift is no regression of its node, or what limits the finding."""
    general, rates, shifts = around
    # Load that began elsewhere than where the window is divided shows best in another division.
    alike = [ratio for (kind, _), ratio in general.items() if kind == shift.pair.kind]
    common = max(alike, default=None)
    if common is not None and shift.ratio[1] <= common * limits.slowdown_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but so is nearly every node of the graph (at least "
            f"×{common:.2f}): the machine or its load, not this node"
        )
        return reason, ()
    beside = common_of(shift, shifts)
    if shift.ratio[0] < beside * limits.slowdown_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but the other nodes of the graph are ×{beside:.2f} at the "
            "same time"
        )
        return reason, ()
    notes = []
    traffic = [_traffic(side, rates) for side in (shift.pair.older, shift.pair.newer)]
    sizes = [_sizes(side) for side in (shift.pair.older, shift.pair.newer)]
    for what, values in (("traffic", traffic), ("inputs", sizes)):
        if not all(values):
            if what == "inputs":
                notes.append("Input sizes are not known, so longer inputs are not ruled out.")
            continue
        if what == "traffic" and median(values[1]) - median(values[0]) < math.log(TRAFFIC_GROWTH):
            continue
        reason, note = _explained_by(shift, limits, what, (values[0], values[1]))
        if reason:
            return reason, ()
        notes += [note] if note else []
    return "", tuple(notes)


def common_of(shift: Shift, shifts: Sequence[Shift]) -> float:
    """By what the other nodes slowed in the same comparison: their lower median, 1 where it is less."""
    place = (shift.pair.kind, shift.pair.share)
    others = [
        one.ratio[0] for one in shifts
        if one is not shift and (one.pair.kind, one.pair.share) == place
        and one.older_ms >= SUBSTANTIAL_MS
    ]  # fmt: skip
    return max(median_low(others), 1.0) if len(others) >= 2 else 1.0


def _traffic(calls: Sequence[NodeCall], rates: Mapping[str, float]) -> list[float]:
    found = [rates.get(call.execution_id, 0.0) for call in calls]
    return [math.log(rate) for rate in found] if found and min(found) > 0 else []


def traffic_of(executions: Sequence[Execution]) -> dict[str, float]:
    """How many executions a second began around each; nothing where the clock does not tell."""
    begun = [epoch_ns(one.started_at) / 1e9 for one in executions]
    found = {}
    for at, one in enumerate(executions):
        low, high = max(at - AROUND, 0), min(at + AROUND, len(begun) - 1)
        passed = begun[high] - begun[low]
        if passed > 0:
            found[one.execution_id] = (high - low) / passed
    return found


def _explained_by(
    shift: Shift, limits: Thresholds, what: str, values: tuple[Sequence[float], Sequence[float]]
) -> tuple[str, str]:
    """Whether growth of something explains a slowdown; `values` are its logarithms by call.

    Gives the reason, or the note that it does not suffice; both empty where it did not grow.
    """
    older, newer = (
        [(at, math.log(call.self_ms)) for at, call in zip(side, calls, strict=True)]
        for side, calls in zip(values, (shift.pair.older, shift.pair.newer), strict=True)
    )
    base = median(values[0])
    growth = math.exp(median(values[1]) - base)
    if growth < 1.1:
        return "", ""
    slope = stats.theil_sen(_centred(older) + _centred(newer))
    if (
        _grows_with_time((*values[0], *values[1]))
        and shift.ratio[0] <= growth * limits.slowdown_floor
    ):
        slope = None  # what grows call after call cannot be told from time
    if slope is None:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but {what} grew ×{growth:.2f} at the same time, and "
            "varied too little before and after to tell the two apart"
        )
        return reason, ""
    # The steepest slope that the calls allow: in doubt it was that.
    steep = max(slope[1], 0.0)
    flat = [[math.exp(ms - steep * (at - base)) for at, ms in side] for side in (older, newer)]
    even = blocked(flat[0], flat[1], limits)
    point, low, _ = stats.ratio_interval(even[1], even[0])
    if point < limits.slowdown_floor or low <= limits.slowdown_interval_floor:
        return (
            f"slower ×{shift.ratio[0]:.2f}, but {what} grew ×{growth:.2f}; "
            f"for {what} of equal size the ratio is ×{point:.2f}, from ×{low:.2f}"
        ), ""
    return (
        "",
        f"{what.capitalize()} grew ×{growth:.2f}; for {what} of equal size the ratio is still ×{point:.2f}.",
    )


def _grows_with_time(values: Sequence[float]) -> bool:
    places = [(float(at), value) for at, value in enumerate(values)]
    return stats.spearman(places[:: max(len(places) // 400, 1)]) >= GROWING


def _sizes(calls: Sequence[NodeCall]) -> list[float]:
    """Logarithms of the sizes of inputs where every one is known."""
    sizes = [math.log(call.given_size) for call in calls if call.given_size > 0]
    return sizes if len(sizes) == len(calls) else []


def _centred(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    x, y = median(a for a, _ in points), median(b for _, b in points)
    return [(a - x, b - y) for a, b in points]
