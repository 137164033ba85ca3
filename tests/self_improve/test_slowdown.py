"""How two series of one node's calls are compared, figure by figure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import pytest

from inwit.runtime.views import Execution
from inwit.self_improve import slowdown, stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.findings import Thresholds
from inwit.self_improve.slowdown import Pair, Part, Shift, Weather, explain
from inwit.self_improve.window import Window

LIMITS = Thresholds()
OFTEN = Thresholds(is_continuous=True)


def call(
    at: int, ms: float = 10.0, node: str = "a", *, begun: float = 0.0, **more: Any
) -> NodeCall:
    second, micro = divmod(round(begun * 1e6), 10**6)
    execution = Execution(
        execution_id=f"e{at}", graph_name="flow", graph_version="v1", status="completed",
        started_at=f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.{micro:06d}Z", position=at,
    )  # fmt: skip
    return NodeCall(
        execution=execution, node=node, number=1, self_ms=ms, started_ns=0, entry_seq=2, **more
    )


def calls(times: Sequence[float], first: int = 0, **more: Any) -> list[NodeCall]:
    return [call(first + at, ms, **more) for at, ms in enumerate(times)]


def even(count: int, first: int = 0) -> list[NodeCall]:
    return calls([10.0] * count, first)


def sides(limits: Thresholds, older: int, newer: int) -> list[tuple[str, float, int, int]]:
    made = slowdown.pairs("a", even(older), even(newer, 5000), limits)
    return [(one.kind, one.share, len(one.older), len(one.newer)) for one in made]


def test_only_calls_that_ended_took_time_and_were_not_kept_results_are_timed() -> None:
    good = call(1)
    others = (
        call(2, status="failed"), call(3, 0.0), call(4, is_cached=True), call(5, status="interrupted")
    )  # fmt: skip

    assert slowdown.timed([good, *others]) == [good]


def test_a_part_is_a_stretch_of_a_series() -> None:
    whole = even(10)
    part = Part(whole, 2, 7)

    assert len(part) == 5
    assert list(part) == whole[2:7]
    assert (part[0], part[4], part[-1]) == (whole[2], whole[6], whole[6])
    assert part[1:3] == whole[3:5]
    assert part[::-2] == whole[2:7][::-2]
    with pytest.raises(IndexError):
        part[5]


@pytest.mark.parametrize(
    ("older", "newer", "found"),
    [
        (39, 60, []),
        (40, 39, []),
        (40, 40, [("version", 0.0, 40, 40)]),
        (40, 49, [("version", 0.0, 40, 49)]),
        (40, 50, [("version", 0.0, 40, 40)]),
        (0, 79, []),
        (0, 80, [("time", 0.5, 40, 40)]),
        (0, 89, [("time", 0.5, 40, 40)]),
        (0, 160, [("time", 0.25, 40, 120), ("time", 0.5, 80, 80), ("time", 0.75, 120, 40)]),
    ],
)
def test_versions_are_compared_and_one_versions_window_is_divided(
    older: int, newer: int, found: list[tuple[str, float, int, int]]
) -> None:
    assert sides(LIMITS, older, newer) == found


def test_the_cold_first_block_of_a_version_does_not_count_and_the_newest_calls_always_do() -> None:
    newer = even(105, 500)

    version, half = list(slowdown.pairs("a", even(40), newer, LIMITS))

    assert list(version.newer) == newer[10:]
    assert list(half.older) == newer[5:55]
    assert list(half.newer) == newer[55:]
    assert {version.node, half.node} == {"a"}


def test_a_daemons_window_is_divided_where_the_record_was_divided_before() -> None:
    def places(first: int, count: int) -> list[int]:
        made = slowdown.pairs("a", [], even(count, first), OFTEN)
        return [int(one.share) for one in made]

    assert places(0, 160) == [48, 64, 80, 96, 112]
    assert places(16, 144) == [64, 80, 96, 112]
    assert places(0, 80) == [40]
    assert places(0, 79) == []
    assert places(1000, 300) == [1056, 1088, 1120, 1152, 1184, 1216, 1248]
    assert sides(OFTEN, 40, 50)[0] == ("version", 0.0, 40, 40)
    assert list(slowdown.pairs("a", [], [], OFTEN)) == []


def test_a_daemons_division_lies_before_the_first_call_of_its_place() -> None:
    seen = calls([10.0] * 60) + calls([10.0] * 60, 64)

    found = {int(one.share): (len(one.older), len(one.newer)) for one in
             slowdown.pairs("a", [], seen, OFTEN)}  # fmt: skip

    assert found == {
        40: (40, 80), 48: (48, 72), 56: (56, 64), 64: (60, 60), 72: (68, 52), 80: (76, 44)
    }  # fmt: skip


def noisy(seed: int, count: int, factor: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [factor * 10 * math.exp(draw.gauss(0, 0.3)) for _ in range(count)]


def test_a_shift_is_the_ratio_of_block_medians_of_the_fastest_and_of_the_newest() -> None:
    older, newer = noisy(1, 80), noisy(2, 70, 1.5)
    pair = Pair(kind="version", node="a", older=calls(older), newer=calls(newer))

    shift = slowdown.shift_of(pair, LIMITS)

    blocks = [[median(side[len(side) % 10 :][at : at + 10]) for at in range(0, len(side) // 10 * 10, 10)]
              for side in (newer, older)]  # fmt: skip
    assert shift.pair is pair
    assert shift.ratio == stats.ratio_interval(blocks[0], blocks[1])
    assert shift.p == stats.mann_whitney(blocks[0], blocks[1])
    assert shift.fastest == stats.quantile(newer, 0.1) / stats.quantile(older, 0.1)
    assert shift.latest == median(newer[-23:]) / median(older)
    assert (shift.older_ms, shift.newer_ms) == (median(older), median(newer))


def test_the_newest_third_is_one_block_at_least() -> None:
    newer = [10.0] * 20 + [30.0] * 4 + [40.0] * 6
    pair = Pair(kind="time", node="a", older=even(40), newer=calls([5.0] * 5 + newer[5:]))

    assert slowdown.shift_of(pair, LIMITS).latest == 4.0
    few = Pair(kind="time", node="a", older=even(40), newer=calls([10.0] * 25 + [30.0] * 4))
    assert slowdown.shift_of(few, LIMITS).latest == 1.0


def test_a_second_look_counts_twice_and_a_daemon_believes_what_bets_have_won() -> None:
    older, newer = noisy(1, 80), noisy(2, 80, 1.2)
    pair = Pair(kind="version", node="a", older=calls(older), newer=calls(newer))
    once = slowdown.shift_of(pair, LIMITS).p

    twice = slowdown.shift_of(pair, LIMITS, Weather([]))
    often = slowdown.shift_of(pair, OFTEN)

    pairs = [(median(newer[at : at + 10]), median(older[80 - at - 10 : 80 - at]))
             for at in range(0, 80, 10)]  # fmt: skip
    won = 1 / stats.paired_e(*zip(*pairs, strict=True))
    assert 0.0001 < once < 0.5
    assert twice.p == min(2 * once, 1.0)
    assert often.p == max(once, min(won, 1.0))
    assert slowdown.shift_of(
        Pair(kind="time", node="a", older=calls(newer), newer=calls(older)), OFTEN, Weather([])
    ).p == 1.0  # fmt: skip


def test_bets_pair_whole_blocks_from_where_the_two_sides_meet() -> None:
    older = [9.0] * 3 + [1.0] * 10 + [5.0] * 10
    newer = [6.0] * 10 + [3.0] * 10 + [0.1] * 9

    assert slowdown._by_bets(older, newer, LIMITS) == 1 / stats.paired_e([6.0, 3.0], [5.0, 1.0])
    up = slowdown._by_bets([1.0] * 200, [2.0] * 200, LIMITS)
    assert up == pytest.approx(1 / stats.paired_e([2.0] * 20, [1.0] * 20))
    assert slowdown._by_bets([2.0] * 200, [1.0] * 200, LIMITS) == 1.0


def shift(
    ratio: tuple[float, float, float] = (2.0, 1.5, 2.5), *, fastest: float = 2.0,
    latest: float = 2.0, was: float = 10.0, now: float = 20.0, pair: Pair | None = None, **more: Any,
) -> Shift:  # fmt: skip
    made = pair or Pair(**({"kind": "version", "node": "a", "older": (), "newer": ()} | more))
    return Shift(
        pair=made, p=0.01, ratio=ratio, fastest=fastest, latest=latest, older_ms=was, newer_ms=now
    )


@pytest.mark.parametrize(
    ("made", "large", "is_open"),
    [
        (shift(), True, False),
        (shift((1.2, 1.051, 2.0), fastest=1.2, latest=1.2, now=10.25), True, False),
        (shift((1.19, 1.1, 2.0)), False, False),
        (shift(fastest=1.19), False, False),
        (shift(latest=1.19), False, False),
        (shift(was=1.0, now=1.19), False, False),
        (shift(was=1.0, now=1.25), True, False),
        (shift((2.0, 1.05, 2.5)), False, True),
        (shift((1.19, 1.05, 2.5)), False, False),
    ],
)
def test_a_shift_is_large_where_all_its_floors_are_reached(
    made: Shift, large: bool, is_open: bool
) -> None:
    assert made.is_large(LIMITS) == large
    assert made.is_open(LIMITS) == is_open


def test_weather_is_the_median_of_how_far_the_other_nodes_are_off() -> None:
    times = {"tiny": 0.5, "sent": 5.0, "a": 10.0, "b": 20.0, "c": 40.0, "d": 80.0}
    seen = [
        call(at, ms * (factor if node != "b" else 1.0), node)
        for at, factor in enumerate((1.0, 1.0, 3.0))
        for node, ms in times.items()
    ]
    window = Window(graph_name="flow", graph_version="v1", manifest=None, calls=seen,
                    executions=tuple(one.execution for one in seen[::6]), sent=frozenset({"sent"}))  # fmt: skip
    weather = Weather([window])

    assert weather.factor(call(2, node="a")) == pytest.approx(3.0)
    assert weather.factor(call(2, node="b")) == pytest.approx(3.0)
    assert weather.factor(call(0, node="a")) == pytest.approx(1.0)
    assert weather.factor(call(9, node="a")) == 1.0
    assert set(weather._off["e2"]) == {"a", "b", "c", "d"}
    pair = Pair(kind="version", node="a", older=seen[2:3], newer=seen[14:15])
    assert slowdown._times(pair.newer, weather) == pytest.approx([10.0])
    assert slowdown._times(pair.newer, None) == [30.0]


def test_two_other_nodes_tell_no_weather_and_a_millisecond_is_enough() -> None:
    def factor(times: dict[str, float]) -> float:
        seen = [call(at, ms * (1 + 2 * (at == 2)), node) for at in range(3)
                for node, ms in times.items()]  # fmt: skip
        window = Window(graph_name="flow", graph_version="v1", manifest=None, calls=seen)
        return Weather([window]).factor(call(2, node="a"))

    assert factor({"a": 9, "b": 9, "c": 9}) == 1.0
    assert factor({"a": 9, "b": 9, "c": 9, "d": 9}) == pytest.approx(3.0)
    assert factor({"a": 9, "b": 9, "c": 9, "d": 0.999}) == 1.0
    assert factor({"a": 9, "b": 9, "c": 9, "d": 1.001}) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("older", "newer", "size", "blocks"),
    [(40, 40, 10, (4, 4)), (100, 45, 10, (10, 4)), (30, 90, 10, (3, 9)), (1200, 400, 20, (60, 20)),
     (1200, 40, 10, (120, 4)), (1200, 60, 15, (80, 4))],
)  # fmt: skip
def test_blocks_leave_each_side_enough_of_them(
    older: int, newer: int, size: int, blocks: tuple[int, int]
) -> None:
    rising = [float(at) for at in range(2000)]

    found = slowdown.blocked(rising[:older], rising[:newer], LIMITS)

    assert tuple(map(len, found)) == blocks
    assert found == (
        stats.block_medians(rising[:older], size), stats.block_medians(rising[:newer], size)
    )  # fmt: skip


def test_a_slowdown_is_general_where_four_fifths_of_two_nodes_or_more_slowed() -> None:
    def general(*ratios: float, was: float = 10.0, **more: Any) -> dict[tuple[str, float], float]:
        shifts = [shift((ratio, 1.0, 9.0), was=was, **more) for ratio in ratios]
        return slowdown.general_slowdowns(shifts, LIMITS)

    assert general(1.5, 1.3) == {("version", 0.0): 1.3}
    assert general(1.5, 1.2) == {("version", 0.0): 1.2}
    assert general(1.5, 1.19) == {}
    assert general(1.5) == {}
    assert general(1.5, 1.4, 1.3, 1.6, 1.0) == {("version", 0.0): 1.3}
    assert general(1.5, 1.4, 1.3, 1.0) == {}
    assert general(1.5, 1.3, kind="time", share=0.5) == {("time", 0.5): 1.3}
    assert general(1.5, 1.3, was=0.5) == {("version", 0.0): 1.3}


def test_nodes_under_a_millisecond_count_only_where_two_others_do_not() -> None:
    large = [shift((1.5, 1, 2), was=1.0), shift((1.4, 1, 2))]
    tiny = [shift((1.0, 1, 2), was=0.99), shift((9.0, 1, 2), was=0.5)]

    assert slowdown.general_slowdowns([*large, *tiny], LIMITS) == {("version", 0.0): 1.4}
    assert slowdown.general_slowdowns([*large[:1], *tiny], LIMITS) == {}
    apart = [*large, shift((1.0, 1, 2), kind="time", share=0.5)]
    assert slowdown.general_slowdowns(apart, LIMITS) == {("version", 0.0): 1.4}


def test_the_other_nodes_of_a_comparison_slowed_by_their_lower_median() -> None:
    mine = shift()

    def common(*ratios: float, **more: Any) -> float:
        return slowdown.common_of(mine, [mine, *(shift((one, 1, 9), **more) for one in ratios)])

    assert common(1.5, 1.3) == 1.3
    assert common(1.5, 1.3, 1.4) == 1.4
    assert common(0.5, 0.6) == 1.0
    assert common(1.5) == 1.0
    assert common(1.5, 1.3, was=1.0) == 1.3
    assert common(1.5, 1.3, was=0.9) == 1.0
    assert common(1.5, 1.3, kind="time") == 1.0
    assert common(1.5, 1.3, share=0.5) == 1.0


def test_traffic_is_how_many_executions_a_second_began_around_each() -> None:
    seen = [call(at, begun=at * 0.5).execution for at in range(30)]

    found = slowdown.traffic_of(seen)

    assert found == pytest.approx({f"e{at}": 2.0 for at in range(30)})
    assert slowdown.traffic_of([call(at).execution for at in range(5)]) == {}
    assert slowdown.traffic_of([]) == {}
    jump = [call(at, begun=0 if at < 9 else 100).execution for at in range(18)]
    told = slowdown.traffic_of(jump)
    assert told["e8"] == pytest.approx(0.16)
    assert told["e1"] == pytest.approx(0.09)
    assert told["e9"] == pytest.approx(0.16)
    assert {"e0", "e17"} & set(told) == set()


def explained(
    made: Shift, *, general: dict[tuple[str, float], float] | None = None,
    rates: dict[str, float] | None = None, others: Sequence[Shift] = (),
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    return explain(made, (general or {}, rates or {}, [made, *others]), LIMITS)


UNKNOWN = "Input sizes are not known, so longer inputs are not ruled out."


def test_what_nearly_every_node_slowed_by_is_no_nodes_own() -> None:
    def told(low: float, kind: str = "version", by: float = 1.5) -> str:
        return explained(shift((2.0, low, 3.0)), general={(kind, 0.25): 1.3, (kind, 0.5): by})[0]

    said = (
        "slower ×2.00, but so is nearly every node of the graph (at least ×1.50): the machine or its"
        " load, not this node"
    )
    assert told(1.79) == said
    assert told(1.81) == ""
    assert told(1.79, "time") == ""
    assert explained(shift((2.0, 1.81, 3.0)), general={("version", 0.0): 1.5}) == ("", (UNKNOWN,))


def test_what_the_other_nodes_slowed_by_too_is_no_nodes_own() -> None:
    others = [shift((1.5, 1, 2)), shift((1.5, 1, 2))]

    assert explained(shift((1.79, 1.5, 2.0)), others=others)[0] == (
        "slower ×1.79, but the other nodes of the graph are ×1.50 at the same time"
    )
    assert explained(shift((1.8, 1.5, 2.0)), others=others)[0] == ""
    assert explained(shift((1.19, 1.5, 2.0)))[0].endswith("are ×1.00 at the same time")


def sized(size: Callable[[int], float], ms: Callable[[float, int], float], n: int = 60) -> Pair:
    made = [
        call(at, ms(size(at), at), given_key=at + 1, given_size=round(size(at)))
        for at in range(2 * n)
    ]
    return Pair(kind="time", node="a", older=made[:n], newer=made[n:])


def test_inputs_that_grew_explain_a_slowdown_and_are_told_where_they_do_not() -> None:
    draw = random.Random(5)
    spread = [math.exp(draw.gauss(0, 0.6)) for _ in range(120)]
    noise = [math.exp(draw.gauss(0, 0.05)) for _ in range(120)]

    def size(at: int) -> float:
        return 1000 * spread[at] * (2.0 if at >= 60 else 1.0)

    theirs = sized(size, lambda one, at: one / 100 * noise[at])
    reason, notes = explained(slowdown.shift_of(theirs, LIMITS))
    assert reason.startswith("slower ×") and ", but inputs grew ×" in reason
    assert "; for inputs of equal size the ratio is ×" in reason
    assert notes == ()
    own = sized(size, lambda one, at: one / 100 * noise[at] * (3.0 if at >= 60 else 1.0))
    reason, notes = explained(slowdown.shift_of(own, LIMITS))
    assert reason == ""
    assert len(notes) == 1 and notes[0].startswith("Inputs grew ×")
    assert "; for inputs of equal size the ratio is still ×" in notes[0]
    same = sized(lambda at: 1000 * spread[at % 60], lambda _, at: 10 * noise[at] * (1 + (at >= 60)))
    assert explained(slowdown.shift_of(same, LIMITS)) == ("", ())


def test_inputs_that_never_varied_cannot_be_told_from_the_slowdown() -> None:
    pair = sized(lambda at: 1000 * (1 + (at >= 60)), lambda one, at: one / 100 + at % 7)

    reason, _ = explained(slowdown.shift_of(pair, LIMITS))

    assert (
        ", but inputs grew ×2.00 at the same time, and varied too little before and after" in reason
    )
    assert reason.endswith("to tell the two apart")


def test_traffic_counts_where_it_grew_by_half() -> None:
    pair = Pair(kind="time", node="a", older=even(60), newer=calls([20.0] * 60, 60))
    made = slowdown.shift_of(pair, LIMITS)

    def told(factor: float) -> str:
        rates = {f"e{at}": 2.0 * (factor if at >= 60 else 1.0) for at in range(120)}
        return explained(made, rates=rates)[0]

    assert told(1.51).startswith("slower ×2.00, but traffic grew ×1.51 at the same time")
    assert told(1.49) == ""
    assert explained(made, rates={"e0": 1.0}) == ("", (UNKNOWN,))


def test_the_figures_of_what_explains_a_slowdown() -> None:
    draw = random.Random(9)
    base = [draw.gauss(0, 0.5) for _ in range(120)]
    sizes = [value + (math.log(1.5) if at >= 60 else 0.0) for at, value in enumerate(base)]
    times = [
        10 * math.exp(0.5 * size) * (1.4 if at >= 60 else 1.0) for at, size in enumerate(sizes)
    ]
    pair = Pair(kind="time", node="a", older=calls(times[:60]), newer=calls(times[60:], 60))
    made = slowdown.shift_of(pair, LIMITS)

    reason, note = slowdown._explained_by(made, LIMITS, "inputs", (sizes[:60], sizes[60:]))

    growth = math.exp(median(sizes[60:]) - median(sizes[:60]))
    assert reason == ""
    assert note == (
        f"Inputs grew ×{growth:.2f}; for inputs of equal size the ratio is still ×1.40."
    )
    low = [value + (0.09 if at >= 60 else 0.0) for at, value in enumerate([0.0] * 120)]
    assert slowdown._explained_by(made, LIMITS, "inputs", (low[:60], low[60:])) == ("", "")


def test_what_grows_call_after_call_grows_with_time() -> None:
    rising = [float(at) for at in range(100)]
    draw = random.Random(2)

    assert slowdown._grows_with_time(rising)
    assert not slowdown._grows_with_time(rising[::-1])
    assert not slowdown._grows_with_time(draw.sample(rising, 100))
