"""Verdicts, changes and drift on made figures, at the bounds at which they turn; whole sentences."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from inwit.events import timestamp
from inwit.introspection.analyses import ami, differences, drift, since, suspects
from inwit.introspection.attributes import Called
from inwit.introspection.baseline import FLOOR, Baseline
from inwit.introspection.claims import Draft
from inwit.introspection.scene import Scene, Window
from inwit.introspection.schedule import Schedule, Task
from inwit.runtime.views import Execution, Visit

MINUTE_NS = 60 * 10**9


def ran(
    number: int = 1, ms: float | None = 10.0, status: Any = "completed", **more: Any
) -> Execution:
    told = {"graph_version": "v1", "started_at": timestamp(number * 10**9)} | more
    return Execution(
        execution_id=f"e{number}", graph_name="shop", status=status, duration_ms=ms, **told
    )


def many(*took: float, first: int = 1, **more: Any) -> list[Execution]:
    """Executions of these times, newest first."""
    return [ran(first + place, ms, **more) for place, ms in enumerate(took)]


def judged() -> Draft:
    return Draft(data={"verdicts": []})


def said(draft: Draft) -> list[str]:
    return [one.text for one in draft.claims]


def evidence(draft: Draft) -> list[list[str]]:
    return [[ref.uri for ref in one.refs] for one in draft.claims]


def verdict(metric: str, told: str, current: Any, baseline: Any, n: int, unit: str = "") -> Any:
    shown = {"metric": metric, "verdict": told, "current": current}
    return shown | {"baseline": baseline, "n": n, "unit": unit}


@pytest.mark.parametrize(
    ("now", "was", "told"),
    [
        ([12.0] * 5, [10.0] * 5, "worse"), ([11.9] * 5, [10.0] * 5, "usual"),
        ([10.0] * 5, [12.0] * 5, "better"), ([10.1] * 5, [12.0] * 5, "usual"),
        ([5.0], [0.0], "usual"), ([0.0], [5.0], "better"),
        ([13.0] * 5, [8.0, 9.0, 10.0, 11.0, 12.0], "usual"),
        ([14.5] * 5, [8.0, 9.0, 10.0, 11.0, 12.0], "worse"),
        ([20.0] * 15, [10.0] * 15, "usual"), ([20.0] * 60, [10.0] * 60, "worse"),
        ([10.0] * 60, [20.0] * 60, "better"), ([20.0] * 14, [10.0] * 15, "worse"),
    ],
)  # fmt: skip
def test_figures_are_judged_beside_those_before(
    now: list[float], was: list[float], told: str
) -> None:
    assert ami.compare(now, was) == told


@pytest.mark.parametrize(
    ("hits", "n", "before", "m", "p"),
    [(1, 1, 0, 1, 0.5), (2, 2, 0, 2, 1 / 6), (0, 2, 1, 2, 1.0), (1, 2, 1, 2, 5 / 6), (2, 3, 0, 1, 0.5)],
)  # fmt: skip
def test_the_chance_of_so_many_failures_is_that_of_dealing_them(
    hits: int, n: int, before: int, m: int, p: float
) -> None:
    assert ami.permutation_rate(hits, n, before, m) == pytest.approx(p)


@pytest.mark.parametrize(
    ("newest", "found"),
    [
        ([20.0] * 3 + [10.0] * 5, (3, 5)), ([20.0] * 3 + [10.0] * 4, None),
        ([20.0] * 2 + [10.0] * 8, None), ([20.0] * 5 + [10.0] * 3, (5, 3)),
        ([20.0] * 6 + [10.0] * 2, None), ([10.0] * 4 + [20.0] * 4, (4, 4)),
        ([12.0] * 4 + [10.0] * 4, None), ([12.1] * 4 + [10.0] * 4, (4, 4)),
        ([10.0] * 4 + [12.0] * 4, None), ([10.0] * 4 + [12.1] * 4, (4, 4)),
        ([20.0] * 4 + [10.0] * 50, (4, 40)), ([20.0] * 21 + [10.0] * 30, None),
        ([20.0] * 19 + [10.0] * 30, (19, 30)), ([20.0] * 4 + [10.0] * 3 + [30.0] + [10.0] * 9, None),
        ([20.0] * 5 + [10.0] * 3 + [30.0] + [10.0] * 9, (5, 3)),
        ([], None),
    ],
)  # fmt: skip
def test_how_many_of_the_newest_lie_apart_from_how_many_before(
    newest: list[float], found: tuple[int, int] | None
) -> None:
    assert ami._apart(newest) == found


def test_without_figures_of_late_nothing_is_judged() -> None:
    draft = judged()

    ami._judge_latency(draft, "shop", [ran(1, None), ran(2, 5.0, "failed")], many(8, 10, 12))

    assert said(draft) == ["Latency: none of the last executions is completed."]
    assert evidence(draft) == [["graph://shop/metrics"]]
    assert draft.data["verdicts"] == [verdict("latency", "unknown", None, 10.0, 3, "ms")]


@pytest.mark.parametrize(
    ("was", "text"),
    [
        ([], "Latency: 30.0 ms at the median; 0 earlier executions are too few to compare with, 20 are needed."),
        ([20.0], ("Latency: 30.0 ms at the median against 20.0 ms before; 1 earlier execution is too few to"
                  " compare with, 20 are needed.")),
        ([28.0] * 19, ("Latency: 30.0 ms at the median against 28.0 ms before; 19 earlier executions are too"
                       " few to compare with, 20 are needed.")),
    ],
)  # fmt: skip
def test_few_figures_before_are_told_and_not_judged(was: list[float], text: str) -> None:
    draft = judged()

    ami._judge_latency(draft, "shop", many(20, 30, 40), many(*was, first=9))

    assert said(draft) == [text]
    middle = was[0] if was else None
    assert draft.data["verdicts"] == [verdict("latency", "unknown", 30.0, middle, len(was), "ms")]


@pytest.mark.parametrize(
    ("now", "was", "told", "texts"),
    [
        ([10.0] * 5, [10.0] * 20, "usual",
         ["Latency: usual, 10.0 ms at the median against 10.0 ms over the 20 before."]),
        ([30.0] * 5, [10.0] * 20, "worse",
         ["Latency: worse, 30.0 ms at the median against 10.0 ms over the 20 before."]),
        ([10.0] * 5, [30.0] * 20, "better",
         ["Latency: better, 10.0 ms at the median against 30.0 ms over the 20 before."]),
        ([10.0] * 2, [30.0, 1.0] * 10, "usual",
         ["Latency: no change is confirmed, 10.0 ms at the median against 15.5 ms over the 20 before."]),
        ([30.0] * 4 + [10.0] * 6, [10.0] * 20, "unknown",
         ["Latency: usual, 10.0 ms at the median against 10.0 ms over the 20 before.",
          ("The last 4 are all above the 26 before them, 30.0 ms at the median against 10.0 ms: too few"
           " to call it a change.")]),
        ([5.0] * 4 + [10.0] * 6, [10.0] * 20, "unknown",
         ["Latency: usual, 10.0 ms at the median against 10.0 ms over the 20 before.",
          ("The last 4 are all below the 26 before them, 5.0 ms at the median against 10.0 ms: too few"
           " to call it a change.")]),
        ([30.0] * 4 + [5.0] * 6, [10.0] * 20, "better",
         ["Latency: better, 5.0 ms at the median against 10.0 ms over the 20 before.",
          ("The last 4 are all above the 26 before them, 30.0 ms at the median against 10.0 ms: too few"
           " to call it a change.")]),
    ],
)  # fmt: skip
def test_a_figure_is_judged_and_what_lies_apart_told(
    now: list[float], was: list[float], told: str, texts: list[str]
) -> None:
    draft = judged()

    ami._judge_latency(draft, "shop", many(*now), many(*was, first=100))

    assert said(draft) == texts
    assert draft.data["verdicts"][0]["verdict"] == told
    assert all(uris == ["graph://shop/metrics"] for uris in evidence(draft))


def test_failures_that_are_usual_and_few_are_usual() -> None:
    draft = judged()
    recent = [ran(n, status="failed" if n < 1 else "completed") for n in range(11)]
    past = [ran(50 + n, status="failed" if n < 2 else "completed") for n in range(20)]

    ami._judge_errors(draft, "shop", recent, past)

    assert draft.data["verdicts"] == [verdict("error_rate", "usual", 1 / 11, 0.1, 20)]


@pytest.mark.parametrize(
    ("bad", "before", "m", "told"),
    [
        (0, 0, 20, "ok"), (1, 0, 0, "failing"), (1, 0, 19, "failing"), (1, 0, 20, "failing"),
        (5, 0, 20, "worse"), (3, 0, 20, "failing"), (4, 0, 20, "worse"), (5, 20, 20, "failing"),
    ],
)  # fmt: skip
def test_failures_are_judged_beside_those_before(bad: int, before: int, m: int, told: str) -> None:
    draft = judged()
    recent = [ran(n, status="failed" if n < bad else "completed") for n in range(10)]
    past = [ran(50 + n, status="failed" if n < before else "completed") for n in range(m)]

    ami._judge_errors(draft, "shop", recent, past)

    were = f"; of the {m} before, {before} did" if m else ""
    assert said(draft) == [f"Errors: of the last 10 executions of shop {bad} failed{were}."]
    shown = [f"execution://e{n}/summary" for n in range(min(bad, 3))]
    assert evidence(draft) == [["graph://shop/executions", *shown]]
    usual = before / m if m else None
    assert draft.data["verdicts"] == [verdict("error_rate", told, bad / 10, usual, m)]


@pytest.mark.parametrize(
    ("now", "was", "told"),
    [(0, 3, "ok"), (2, 0, "worse"), (1, 0, "usual"), (5, 3, "worse"), (4, 3, "usual")],
)
def test_retries_are_judged_beside_those_before(now: int, was: int, told: str) -> None:
    draft = judged()
    recent = [ran(n, retries=now if n == 4 else 0) for n in range(10)]
    past = [ran(50 + n, retries=was if n == 4 else 0) for n in range(10)]

    ami._judge_retries(draft, recent, past)

    assert draft.data["verdicts"] == [
        verdict("retries", told, now / 10, was / 10, 10, "per execution")
    ]
    assert said(draft) == [f"Retries: {now} in the last 10 executions."] * bool(now)
    assert evidence(draft) == [["execution://e4/summary"]] * bool(now)


@pytest.mark.parametrize(
    ("costs", "unpriced", "told", "words"),
    [
        ([0.5, 0.25], 0, 0.75, "came to $0.750000. What"),
        ([0.5, None], 1, 0.5, "came to at least $0.500000 (1 call has no price). What"),
        ([None, None], 2, None, "came at a cost that is not known. What"),
    ],
)
def test_what_the_last_executions_cost_is_told_as_far_as_it_is_known(
    costs: list[float | None], unpriced: int, told: float | None, words: str
) -> None:
    draft = judged()
    paid = [ran(n, llm_calls=1, cost_usd=cost) for n, cost in enumerate(costs)]
    paid[-1] = ran(1, llm_calls=1, cost_usd=costs[-1], unpriced_calls=unpriced)

    ami._say_cost(draft, "shop", [*paid, ran(7)])

    (text,) = said(draft)
    assert text.startswith(
        f"Cost: the last 2 executions with model calls {words} would be too much"
    )
    state = "unknown" if unpriced else "told"
    assert draft.data["verdicts"] == [verdict("cost", state, told, None, 2, "USD")]
    ami._say_cost(draft, "shop", [ran(7)])
    assert len(draft.claims) == 1


@pytest.mark.parametrize(
    ("verdicts", "healthy", "text"),
    [
        (["latency ok", "error_rate usual"], True, "Nothing about shop is unusual."),
        (["latency worse", "error_rate failing"], False, "shop is not well: latency and error rate."),
        (["loop stuck", "calls repeating"], False, "shop is not well: loop and calls."),
        (["slo_p95 broken", "inputs drifted", "standing overdue"], False,
         "shop is not well: slo p95, inputs and standing."),
        (["slo_p95 kept"], True, "shop keeps its objectives, as far as they can be judged."),
        (["slo_p95 kept", "latency ok"], True, "Nothing about shop is unusual."),
        (["latency unknown"], True, "Nothing that can be judged about shop is unusual."),
        (["latency unknown", "cost unknown"], None, "Nothing that can be judged about shop is unusual."),
        (["latency unknown", "cost unknown", "loop stuck"], False, "shop is not well: loop."),
    ],
)  # fmt: skip
def test_verdicts_are_summed_up(verdicts: list[str], healthy: bool | None, text: str) -> None:
    draft = Draft(data={"verdicts": [dict(zip(("metric", "verdict"), one.split(), strict=True))
                                     for one in verdicts]})  # fmt: skip
    draft.say("What follows.")

    ami._sum_up(draft, "shop", [ran(3)])

    assert said(draft) == [text, "What follows."]
    assert evidence(draft)[0] == ["graph://shop/metrics", "execution://e3/summary"]
    assert draft.data["healthy"] is healthy


def scene(words: str = "", window: Window | None = None, **more: Any) -> Scene:
    def says(pattern: str) -> bool:
        return re.search(rf"\b(?:{pattern})", words) is not None

    return cast("Scene", SimpleNamespace(words=words, says=says, window=window, **more))


@pytest.mark.parametrize(("n", "recent"), [(1, 1), (2, 1), (3, 1), (9, 4), (40, 20), (90, 20)])
def test_the_last_half_but_no_more_than_twenty_is_judged(n: int, recent: int) -> None:
    found = many(*[1.0] * n)

    assert ami._split(scene("am i slower"), found) == (found[:recent], found[recent:])


def test_a_stretch_of_time_is_judged_beside_what_was_before_or_came_after() -> None:
    found = [ran(n) for n in range(9, 0, -1)]
    window = Window(since_ns=4 * 10**9, until_ns=6 * 10**9, words="then")
    ids = {name: [f"e{n}" for n in numbers] for name, numbers in
           (("in", (6, 5, 4)), ("before", (3, 2, 1)), ("after", (9, 8, 7)))}  # fmt: skip

    def split(words: str, until_ns: int) -> list[list[str]]:
        span = Window(since_ns=window.since_ns, until_ns=until_ns, words="then")
        return [
            [one.execution_id for one in side] for side in ami._split(scene(words, span), found)
        ]

    assert split("am i well", window.until_ns) == [ids["in"], ids["before"]]
    assert split("am i slower than", window.until_ns) == [ids["after"], ids["in"]]
    soon = time.time_ns() + MINUTE_NS
    assert split("am i slower than", soon) == [ids["after"] + ids["in"], ids["before"]]


def test_versions_are_judged_beside_each_other() -> None:
    found = [ran(n, graph_version=f"v{1 + (n > 3) + (n > 6)}") for n in range(9, 0, -1)]

    assert ami._split(scene("is this version slower"), found) == (found[:3], found[3:6])
    assert ami._split(scene("is this version slower"), found[:3]) == (found[:1], found[1:3])


def visit(node: str, number: int = 1, update: Any = None, **more: Any) -> Visit:
    told: dict[str, Any] = {"entry_seq": 2 * number, "started_ns": 0, "status": "completed"} | more
    return Visit(execution_id="e1", graph_name="shop", graph_version="v1", node=node,
                 visit=number, update=update, **told)  # fmt: skip


@pytest.mark.parametrize(
    ("updates", "is_still"),
    [([1, 1, 1], True), ([1, 1], False), ([1, 1, 2], False), ([2, 1, 1, 1], True), ([1, 1, 1, 2], False)],
)  # fmt: skip
def test_a_node_stands_still_whose_last_three_results_are_equal(
    updates: list[int], is_still: bool
) -> None:
    visits = [visit("a", n, {"x": one}) for n, one in enumerate(updates)]

    assert ami._without_progress([*visits, visit("b")], "a") is is_still
    assert ami._without_progress([*visits, visit("a", 9, {"x": 7})], "b") is False


@pytest.mark.parametrize(
    ("values", "is_counter"),
    [
        (range(16, 0, -1), True), (range(15, 0, -1), False), (range(16), True),
        (range(32, 0, -2), False), ([5] * 16, False), ([*range(16, 2, -1), 9, 8], False),
    ],
)  # fmt: skip
def test_a_number_that_goes_on_by_one_counts_executions(values: Any, is_counter: bool) -> None:
    assert drift._counters([{"n": float(one)} for one in values]) == (
        {"n"} if is_counter else set()
    )


@pytest.mark.parametrize(
    ("name", "is_id"),
    [("input.order_id", True), ("orderId", True), ("input.uuid", True), ("paid", False), ("grid", False),
     ("id", True), ("input.seq", True), ("x-ts", True), ("ids", False)],
)  # fmt: skip
def test_what_is_called_an_id_does_not_drift(name: str, is_id: bool) -> None:
    assert drift._counters([{name: 7.0}]) == ({name} if is_id else set())


@pytest.mark.parametrize(
    ("before", "after", "is_far"),
    [(10, 12, False), (10, 12.1, True), (12.1, 10, True), (-10, -12.1, True), (-1, 1, True), (0, 1, True), (0, 0, False)],
)  # fmt: skip
def test_medians_are_far_apart_from_a_fifth_on(before: float, after: float, is_far: bool) -> None:
    assert drift._is_far(before, after) is is_far


def test_numbers_that_moved_are_told_with_both_medians() -> None:
    def side(n: int, low: float) -> list[dict[str, float]]:
        return [{"total": low + place % 3, "same": 5.0 + place % 3} for place in range(n)]

    assert drift._moved(side(15, 20), side(15, 10)) == [("total", 11.0, 21.0)]
    assert drift._moved(side(14, 20), side(15, 10)) == []
    assert drift._moved(side(15, 20), side(14, 10)) == []
    assert drift._moved([*side(14, 20), {"same": 5.0}], side(15, 10)) == []


def called(number: int, **attributes: Any) -> Called:
    return Called(f"execution://e{number}/events/1", attributes)


def test_what_parts_the_bad_from_the_good_is_told_with_its_shares() -> None:
    bad = {f"b{n}": called(n, country="BR", card=n % 2) for n in range(6)}
    good = {
        f"g{n}": called(50 + n, country="BR" if n == 3 else "DE", card=n % 2) for n in range(20)
    }
    draft = Draft()

    differences.say(draft, bad, good, ("slow ones", "others"))

    assert said(draft) == ["6 of 6 slow ones had country = BR, of others 1 of 20."]
    assert evidence(draft) == [[f"execution://e{n}/events/1" for n in range(4)]]
    (told,) = draft.data["differences"]
    assert told | {"p": 0} == {
        "attribute": "country", "value": "BR", "bad": {"n": 6, "of": 6, "share": 1.0},
        "good": {"n": 1, "of": 20, "share": 0.05}, "difference": 0.95, "p": 0,
    }  # fmt: skip
    assert told["p"] <= 0.01


@pytest.mark.parametrize(("bad", "good", "found"), [(3, 20, 1), (2, 20, 0), (20, 3, 1), (20, 2, 0)])
def test_three_on_each_side_are_compared(bad: int, good: int, found: int) -> None:
    sides = [called(n, way="a") for n in range(bad)], [called(n, way="b") for n in range(good)]

    assert len(differences.differences(*sides)) == found


@pytest.mark.parametrize(
    ("inside", "marked", "bad", "whole"), [(3, 3, 3, 10), (0, 3, 3, 10), (1, 4, 4, 16)]
)
def test_a_share_is_scored_by_the_spread_of_dealing(
    inside: int, marked: int, bad: int, whole: int
) -> None:
    expected = marked * bad / whole
    variance = marked * (bad / whole) * (1 - bad / whole) * (whole - marked) / (whole - 1)

    score = differences._score(inside, marked, bad, whole)

    assert score == pytest.approx((inside - expected) / variance**0.5)
    assert differences._score(3, whole, bad, whole) == 0


def task(node: str, number: int, start: float, took: float, gap: float = 0.0, **more: Any) -> Task:
    return Task(
        index=number, visit=visit(node, number, **more), start=start, duration=took, gap=gap
    )


def baseline(**more: Any) -> Baseline:
    told: dict[str, Any] = {"totals": [100.0] * 20, "n": 20, "visits": {}, "gaps": {}, "counts": {}}
    return cast("Baseline", SimpleNamespace(**told | more))


@pytest.mark.parametrize(
    ("retried", "took", "kind"),
    [(0.0, 20.0, "slower"), (5.0, 20.0, "retries"), (4.9, 20.0, "slower"), (5.0, 10.0, "retries")],
)
def test_what_was_mostly_waiting_for_another_try_is_told_as_retries(
    retried: float, took: float, kind: str
) -> None:
    assert suspects._kind([task("a", 1, 0, took, retry_ms=retried)], 10.0) == kind


@pytest.mark.parametrize(
    ("gap", "is_late"), [(40.0, True), (10.0, False), (4.0, False), (2.0, False)]
)
def test_a_wait_counts_that_is_unusual_and_not_small(gap: float, is_late: bool) -> None:
    past = baseline(gaps={"a": [1.0, 1.2, 0.8, 1.1, 0.9] * 4}, totals=[200.0] * 20)

    found = suspects._waits("a", [task("a", 1, 0, 5, gap)], past)

    assert len(found) == is_late
    for one in found:
        assert one.words == "It waited 40.0 ms before a, usually 1.0 ms"
        assert (one.kind, one.usual[0]) == ("waiting", 1.0)
        assert one.restored(one.tasks[0], 1.0) == 5 - 39
        assert one.restored(one.tasks[0], 60.0) == 5


@pytest.mark.parametrize(
    ("number", "usual", "is_more"),
    [(3, [1] * 20, True), (1, [1] * 20, False), (3, [1] * 18 + [3] * 2, False), (3, [1] * 5, True),
     (3, [], False), (4, [1, 2, 3] * 7, False), (9, [1, 2, 3] * 7, True)],
)  # fmt: skip
def test_more_visits_than_usual_are_few_among_the_usual(
    number: int, usual: list[int], is_more: bool
) -> None:
    assert suspects._is_more_often(number, usual) is is_more


def test_the_middle_of_past_values_has_its_interval() -> None:
    assert suspects.middle([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert suspects.middle([float(n) for n in range(20, 0, -1)]) == (10.5, 6.0, 15.0)


def test_putting_it_back_saves_what_the_recorded_schedule_says() -> None:
    shape = Schedule(
        execution=ran(), tail=1.0, total=31.0,
        tasks=(task("a", 0, 0, 10), Task(index=1, visit=visit("b"), start=10, duration=20, follows=[0])),
    )  # fmt: skip
    one = suspects.Suspect(
        node="b", kind="slower", tasks=(shape.tasks[1],), usual=(5.0, 4.0, 8.0),
        restored=lambda task, usual: usual,
    )  # fmt: skip

    assert one.effect(shape) == {"point": 15.0, "low": 12.0, "high": 16.0, "unit": "ms"}
    assert (one.floor, one.is_lasting, one.is_doubtful) == (FLOOR, False, False)


def point(number: int, version: str = "v1", value: float = 1.0) -> since._Point:
    return since._Point(
        execution=ran(number, graph_version=version),
        value=value,
        uri=f"execution://e{number}/summary",
    )


@pytest.mark.parametrize(
    ("first", "at", "found"),
    [(10, 10, "v2"), (12, 10, "v2"), (10, 12, "v2"), (15, 10, None), (14, 10, "v2"), (10, 14, "v2"), (10, 15, "v2"), (10, 16, None)],
)  # fmt: skip
def test_a_version_came_with_a_change_that_is_near_its_first_execution(
    first: int, at: int, found: str | None
) -> None:
    points = [point(n, "v2" if n >= first else "v1") for n in range(30)]

    assert since._version(points, at) == found


def test_a_version_that_ran_before_did_not_come_with_a_change() -> None:
    points = [point(n, "v2" if n == 1 or n >= 20 else "v1") for n in range(30)]

    assert since._version(points, 20) is None


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("latency", 12.0, "12.0 ms at the median"), ("failures", 0.256, "26%"),
     ("cost", 0.0123456, "$0.012346"), ("tokens", 1234.4, "1,234"), ("retries", 2.6, "3")],
)  # fmt: skip
def test_a_figure_that_changed_is_written_in_its_unit(metric: str, value: float, text: str) -> None:
    assert since._value(metric, value) == text


@pytest.mark.parametrize(
    ("second", "node"), [(3, "fetch"), (4, "fetch"), (5, "fetch"), (2, None), (6, None)]
)
def test_a_configuration_came_with_a_change_that_was_made_between(
    second: int, node: str | None
) -> None:
    graph = SimpleNamespace(node_configs={"fetch": {"at": timestamp(second * 10**9)}})

    assert since._configured(scene(graph=graph), ran(3), ran(5)) == node
    assert since._configured(scene(graph=None), ran(3), ran(5)) is None


def test_the_first_failure_is_told_with_how_many_there_were() -> None:
    draft = Draft(data={"times": []})

    since._first_failure(draft, [point(1, value=0), point(2), point(3, value=0), point(4)])
    since._first_failure(draft, [point(5, value=0)])

    at = timestamp(2 * 10**9)
    (text,) = said(draft)
    assert text.startswith(f"The first recorded failure was e2, started {at}: ")
    assert text.endswith("; 2 of 4 failed in all.")
    assert draft.data["times"] == [
        {"what": "first failure", "ts": at, "uri": "execution://e2/summary"}
    ]
