"""How changes are foretold and measured: the figures, by hand and against slow obvious ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product
from statistics import median
from typing import Any

import msgspec
import pytest
from scipy import integrate
from scipy.stats import t

from inwit.events import Custom
from inwit.plans import Effect, Move
from inwit.runtime.views import Execution, Visit
from inwit.self_improve import foretelling, sequential, shadow, trials
from inwit.self_improve.actions import Changes
from inwit.self_improve.foretelling import Foretold
from inwit.self_improve.sequential import Run, Standing
from tests.self_improve.test_shadow import plan_of


def run(at: int, ms: float | None = 10.0, score: float | None = None) -> Run:
    return Run(
        execution_id=f"e{at}", duration_ms=ms, failed=ms is None, score=score, ended_at=f"t{at}"
    )


def arm(times: Sequence[float | None]) -> list[Run]:
    return [run(at, ms) for at, ms in enumerate(times)]


@pytest.mark.parametrize(
    ("hits", "misses"), [(0, 0), (1, 0), (0, 1), (5, 0), (0, 9), (7, 3), (3, 7), (40, 12)]
)
def test_what_a_bet_has_won_is_the_mean_over_all_stakes(hits: int, misses: int) -> None:
    expected, _ = integrate.quad(lambda x: (1 + x) ** hits * (1 - x) ** misses, 0, 1)

    won = sequential.e_value([True] * hits + [False] * misses)

    assert won == pytest.approx(expected, rel=1e-6)


def test_a_thousand_hits_win_much_and_break_nothing() -> None:
    assert sequential.e_value([True] * 20_000) > 1e100
    assert sequential.e_value([]) == pytest.approx(1.0)


def test_a_pair_is_worse_by_a_twentieth_and_better_as_much() -> None:
    def worse(a: float | None, b: float | None, *, gain: bool = False) -> list[bool]:
        return sequential._duration_signs([(run(0, a), run(0, b))], is_gain=gain)

    assert worse(10.0, 10.56) == [True]
    assert worse(10.0, 10.55) == [False]
    assert worse(10.56, 10.0, gain=True) == [False]
    assert worse(10.55, 10.0, gain=True) == [True]
    assert worse(None, 10.0) == worse(10.0, None) == []
    assert worse(0.0, 0.06) == [True]
    assert worse(0.0, 0.05) == [False]
    signs = sequential._duration_signs([(run(0, None), run(0)), (run(1), run(1, 20.0))])
    assert signs == [True]


def test_two_arms_stand_as_their_pairs_do() -> None:
    control = [
        run(0),
        run(1),
        run(2, None),
        run(3, 12.0, 0.5),
        run(4, 10.0, 0.5),
        run(5, 10.0, 1.0),
    ]
    candidate = [run(0, 20.0), run(1, None), run(2, 9.0), run(3, 8.0, 0.4), run(4, 10.0, 0.5)]

    found = sequential.standing(control, candidate)

    e = sequential.e_value
    harm = 0.6 * e([True, False, False]) + 0.3 * e([True, False]) + 0.1 * e([True])
    gain = 0.6 * e([False, True, False]) + 0.3 * e([False, True]) + 0.1 * e([False])
    assert (found.e_harm, found.e_gain) == pytest.approx((harm, gain))
    assert (found.n_control, found.n_candidate) == (6, 5)
    assert (found.failed_control, found.failed_candidate) == (1, 1)
    assert found.effect is None


@pytest.mark.parametrize(
    ("make", "by"),
    [
        (lambda at: (run(at), run(at, 20.0)), "duration"),
        (lambda at: (run(at, 1.0), run(at, None)), "errors"),
        (lambda at: (run(at, 10.0, 1.0), run(at, 10.0, 0.5)), "scores"),
        (lambda at: (run(at), run(at)), ""),
    ],
)
def test_harm_is_told_with_what_it_is_of(make: Callable[[int], tuple[Run, Run]], by: str) -> None:
    found = sequential.standing(*zip(*map(make, range(30)), strict=True))

    assert found.harm_by == by
    assert found.is_harm == bool(by)
    assert not found.is_gain
    turned = sequential.standing(*zip(*[make(at)[::-1] for at in range(30)], strict=True))
    assert turned.is_gain == bool(by)


def stood(**more: Any) -> Standing:
    facts: dict[str, Any] = {
        "n_control": 20,
        "n_candidate": 20,
        "e_harm": 0.5,
        "e_gain": 0.5,
        "effect": None,
    }
    return Standing(**(facts | more))


def test_a_bet_is_won_at_twenty() -> None:
    assert stood(e_harm=20.0).is_harm
    assert not stood(e_harm=19.99).is_harm
    assert stood(e_gain=20.0).is_gain
    assert not stood(e_gain=19.99).is_gain


def test_the_shift_between_arms_is_the_median_of_all_differences() -> None:
    draw = random.Random(2)
    before, after = [[round(draw.uniform(low, low + 5), 3) for _ in range(9)] for low in (10, 4)]

    found = sequential.shift(before, after)

    assert found is not None
    assert found.point == round(median(a - b for a, b in product(before, after)), 4)
    again = random.Random(9 * 100_003 + 9)
    means = sorted(
        sequential.hodges_lehmann(again.choices(before, k=9), again.choices(after, k=9))
        for _ in range(200)
    )
    assert (found.low, found.high) == (round(means[4], 4), round(means[195], 4))
    assert found.unit == "ms per execution"
    assert found.method == "Hodges-Lehmann shift between the arms, bootstrap interval"
    assert sequential.shift(before[:4], after) is None
    assert sequential.shift(before, after[:4]) is None
    assert sequential.shift(before[:5], after[:5]) is not None


def test_many_values_are_thinned_evenly_by_rank() -> None:
    values = [float(at) for at in range(120)]
    random.Random(1).shuffle(values)

    assert sequential._thinned(values) == [2.0 * at + 1 for at in range(60)]
    assert sequential._thinned(values[:60]) == values[:60]
    assert len(sequential._thinned(values[:61])) == 60


# What a trial shows


GAIN = Effect(point=5, low=2, high=8, unit="ms per execution")


def verdict(promised: Effect | None = None, **more: Any) -> tuple[str, str]:
    plan = msgspec.structs.replace(plan_of("flow"), expected_gain=promised)
    return trials._verdict(plan, stood(**more))


def test_a_trial_ends_at_harm_at_once_and_at_a_gain_when_there_are_enough() -> None:
    assert verdict(e_harm=20.0, n_control=3, n_candidate=2, harm_by="errors") == (
        "harm", "it harms (errors): e-value 20.0 after 5 executions"
    )  # fmt: skip
    assert verdict(e_gain=25.0) == ("gain", "it helps: e-value 25.0 after 40 executions")
    assert verdict(e_gain=25.0, n_control=19)[0] == "open"
    assert verdict(e_gain=25.0, n_candidate=19)[0] == "open"
    assert verdict(e_gain=25.0, n_control=390, n_candidate=10)[0] == "gain"
    assert verdict() == ("open", "40 of at most 400 executions are measured")
    assert verdict(n_control=200, n_candidate=199)[0] == "open"


def test_after_the_horizon_a_trial_is_even_or_does_not_hold_what_was_promised() -> None:
    def told(promised: Effect | None, high: float | None) -> tuple[str, str]:
        measured = (
            None if high is None else Effect(point=0, low=-1, high=high, unit="ms per execution")
        )
        return verdict(promised, n_control=200, n_candidate=200, effect=measured)

    even = ("even", "no harm in 400 executions")
    assert told(GAIN, 1.9) == ("harm", "what it promised is not there after 400 executions")
    assert told(GAIN, 2.0) == told(GAIN, None) == told(None, 1.0) == even
    assert told(msgspec.structs.replace(GAIN, low=0), -1.0) == even
    assert told(msgspec.structs.replace(GAIN, unit="USD"), 1.0) == even


@pytest.mark.parametrize(
    ("point", "unit", "told"),
    [(5, "ms per execution", True), (2, "ms per execution", True), (8, "ms per execution", True),
     (1.9, "ms per execution", False), (8.1, "ms per execution", False), (5, "ms", None)],
)  # fmt: skip
def test_a_prediction_holds_where_the_measured_point_is_in_its_interval(
    point: float, unit: str, told: bool | None
) -> None:
    assert trials.held(GAIN, Effect(point=point, low=0, high=9, unit=unit)) is told
    assert trials.held(None, GAIN) is trials.held(GAIN, None) is None


def test_an_outcome_has_what_was_measured_against_what_was_predicted() -> None:
    measured = Effect(point=5, low=4, high=6, unit="ms per execution", method="m")
    plan = msgspec.structs.replace(plan_of("flow"), expected_gain=GAIN)
    standing = stood(
        effect=measured, failed_control=1, failed_candidate=2, e_harm=1 / 3, e_gain=2 / 3
    )
    trial = trials.Trial(plan_id="p", verdict="gain", reason="why", standing=standing, as_of="now")

    assert trials.outcome(plan, trial) == {
        "verdict": "gain", "reason": "why", "held": True, "as_of": "now", "e_harm": 0.3333,
        "e_gain": 0.6667, "executions": {"control": 20, "candidate": 20},
        "failed": {"control": 1, "candidate": 2},
        "measured": {"point": 5, "low": 4, "high": 6, "unit": "ms per execution", "method": "m"},
        "predicted": {"point": 5, "low": 2, "high": 8, "unit": "ms per execution", "method": ""},
    }  # fmt: skip
    bare = trials.outcome(plan_of("flow"), msgspec.structs.replace(trial, standing=stood()))
    assert (bare["measured"], bare["predicted"], bare["held"]) == (None, None, None)


class Record:
    """A record that is a list of executions, with what each says of itself."""

    def __init__(self, count: int, **more: Any) -> None:
        self.asked: list[int] = []
        self.executions = [
            msgspec.structs.replace(self._at(at), **{name: told(at) for name, told in more.items()})
            for at in range(1, count + 1)
        ]
        self.said: dict[str, list[Custom]] = {}

    @staticmethod
    def _at(at: int) -> Execution:
        return Execution(
            execution_id=f"e{at}", graph_name="flow", graph_version="v1", status="completed",
            started_at="", ended_at=f"t{at:04d}", duration_ms=float(at), iteration=at, position=at,
        )  # fmt: skip

    def newest(self, most: int, *, graph: str, status: str | None = None) -> list[Execution]:
        assert graph == "flow"
        self.asked.append(most)
        found = [one for one in self.executions if status in (None, one.status)]
        return found[::-1][:most]

    def events(self, execution_id: str, *, types: tuple[str, ...]) -> list[Custom]:
        assert types == ("custom",)
        return self.said.get(execution_id, [])

    def say(self, at: int, name: str, data: Any, node: str | None = None) -> None:
        event = Custom(execution_id=f"e{at}", seq=1, ts="", name=name, data=data, node=node)
        self.said.setdefault(f"e{at}", []).append(event)


def trial_of(**outcome: Any) -> Any:
    return msgspec.structs.replace(plan_of("flow"), outcome={"position": 10} | outcome)


def arms(record: Any, until: str = "", since: str = "t", **outcome: Any) -> list[list[str]]:
    sides = trials.arms(record, trial_of(**outcome), since, until)
    return [[one.execution_id for one in side] for side in sides]


def test_executions_of_a_trial_are_in_the_arms_that_they_say() -> None:
    record = Record(
        20, status=lambda at: "running" if at == 13 else "failed" if at == 14 else "completed"
    )
    for at, side in ((9, "control"), (11, "control"), (12, "candidate"), (13, "control"), (14, "candidate"),
                     (15, "control"), (16, "other")):  # fmt: skip
        record.say(at, "trial", {"by-hand": side})
    record.say(17, "trial", {"by-hand": "control"}, node="search")
    record.say(18, "trial", {"another": "control"})
    record.say(19, "trial", "control")
    for data in ({"value": 1}, {"value": 0.5}, {"value": "x"}, 3):
        record.say(11, "score", data, node="search")
    record.say(12, "score", {"value": 0.25})

    assert arms(record, share=0.5) == [["e11", "e15"], ["e12", "e14"]]
    assert arms(record, share=0.5, since="") == [[], []]
    assert arms(record, "t0012", share=0.5) == [["e11"], ["e12"]]
    control, candidate = trials.arms(record, trial_of(share=0.5), "t")  # type: ignore[arg-type]
    assert control[0] == Run(
        execution_id="e11", duration_ms=11.0, failed=False, score=0.75, ended_at="t0011"
    )
    assert candidate[0].score == 0.25
    assert candidate[1] == Run(execution_id="e14", duration_ms=None, failed=True, ended_at="t0014")


@pytest.mark.parametrize("outcome", [{}, {"share": None}, {"share": 1.0}])
def test_what_changed_for_everyone_is_measured_against_as_many_before(
    outcome: dict[str, Any],
) -> None:
    record = Record(14)
    record.say(9, "score", {"value": 0.5})

    assert arms(record, **outcome) == [["e7", "e8", "e9", "e10"], ["e11", "e12", "e13", "e14"]]
    assert arms(Record(10), **outcome) == [[], []]
    assert arms(record, "t0011", **outcome) == [["e10"], ["e11"]]
    control, _ = trials.arms(record, trial_of(**outcome), "t")  # type: ignore[arg-type]
    assert [one.score for one in control] == [None, None, 0.5, None]


def test_a_patch_counts_from_the_first_execution_of_another_version() -> None:
    record = Record(20, graph_version=lambda at: "v1" if at < 15 else "v2")

    found = arms(record, version="v1", share=0.5)

    assert found == [[f"e{at}" for at in range(9, 15)], [f"e{at}" for at in range(15, 21)]]


def test_of_a_long_record_the_first_executions_after_a_change_count_and_the_last_before() -> None:
    record: Any = Record(5000)

    before, after = trials._around(record, "flow", 2000)

    assert [one.position for one in before] == list(range(1801, 2001))
    assert [one.position for one in after] == list(range(2001, 2801))
    assert record.asked == [1600, 3200]
    record = Record(1600)
    trials._around(record, "flow", 1)
    assert record.asked == [1600]
    trials._around(record, "flow", 0)
    assert record.asked == [1600, 1600, 3200]
    assert trials._around(Record(0), "flow", 0) == ([], [])  # type: ignore[arg-type]


def test_a_plan_is_applied_when_it_came_to_be_in_progress() -> None:
    moves = [Move(at=f"t{at}", actor="x", source="", target=one) for at, one in
             enumerate(("approved", "in_progress", "rolled_back", "in_progress"))]  # fmt: skip
    plan = msgspec.structs.replace(plan_of("flow"), history=tuple(moves))

    assert trials.applied_at(plan) == "t1"
    assert trials.applied_at(plan_of("flow")) == ""


# What a change would gain


@pytest.mark.parametrize(
    ("count", "wider"), [(10, 12.71), (20, 12.71), (30, 4.30), (110, 2.23), (121, 2.0 + 2.4 / 11)]
)
def test_an_effect_is_a_shift_with_an_interval_that_is_wider_for_few_blocks(
    count: int, wider: float
) -> None:
    draw = random.Random(count)
    before = [draw.gauss(100, 9) for _ in range(count)]
    after = [one - draw.gauss(40, 5) for one in before]

    found = Foretold(before=before, after=after).effect

    again = random.Random(count)

    def block(values: list[float]) -> list[float]:
        taken: list[float] = []
        size = min(10, count // 4)
        while len(taken) < 25:
            at = again.randrange(count)
            taken += [values[(at + step) % count] for step in range(size)]
        return taken[:25]

    shifts = []
    for _ in range(200):
        one = block(before)
        shifts.append(sequential.hodges_lehmann(one, block(after)))
    shifts.sort()
    point = sequential.hodges_lehmann(before, after)
    low = min(point - wider / 1.96 * (point - shifts[4]), point * 0.9)
    high = max(point + wider / 1.96 * (shifts[-5] - point), point * 1.1)
    assert found is not None
    assert (found.point, found.low, found.high) == pytest.approx((point, low, high), abs=1e-4)
    assert (found.unit, found.method) == ("ms per execution", foretelling.METHOD)


def test_an_interval_of_few_blocks_is_as_much_wider_as_students_t() -> None:
    for blocks in range(14):
        freedom = max(blocks - 1, 1)
        wider = round(float(t.ppf(0.975, freedom)), 2) if freedom <= 10 else 2.0 + 2.4 / freedom

        assert foretelling._few(blocks) == wider / 1.96


def test_nothing_is_foretold_of_few_executions_or_against_a_reason() -> None:
    ten = [float(at) for at in range(10)]

    assert Foretold(before=ten, after=ten).effect is not None
    assert Foretold(before=ten[:9], after=ten[:9]).effect is None
    assert Foretold(before=ten, after=ten, reason="so").effect is None
    worse = Foretold(before=[10.0] * 20, after=[20.0] * 20).effect
    assert worse is not None
    assert (worse.low, worse.point, worse.high) == (-11.0, -10.0, -9.0)


def test_the_newest_executions_of_the_newest_version_are_foretold_until_they_are_large() -> None:
    def chosen(record: Any, most: int = 200) -> list[int]:
        return [one.position for one in foretelling.sample(record, "flow", most)]

    versions = Record(30, graph_version=lambda at: "v2" if at > 20 else "v1")
    assert chosen(versions) == list(range(21, 31))
    assert chosen(versions, 5) == list(range(26, 31))
    assert chosen(Record(0)) == []
    assert chosen(Record(30, status=lambda at: "failed" if at % 2 else "completed")) == list(
        range(2, 31, 2)
    )
    assert chosen(Record(20, duration_ms=lambda at: None if at == 15 else 1.0))[-6:] == [
        14,
        16,
        17,
        18,
        19,
        20,
    ]
    large = Record(30, iteration=lambda _: 1000)
    assert chosen(large) == list(range(11, 31))
    larger = Record(30, iteration=lambda _: 5000)
    assert chosen(larger) == list(range(21, 31))


def test_what_is_not_in_the_record_is_not_foretold() -> None:
    def why(**said: Any) -> str:
        return foretelling._unknowable(Changes(graph="flow", **said))

    assert why() == why(configs={"a": {"timeout_s": 1}}) == ""
    assert why(patches=({},)) == "what other source would take is not in the record"
    assert why(packages=("x",)) == "what a package would do is not in the record"
    assert why(configs={"a": {"model": "m", "prompt": "p"}}) == (
        "what a.model, a.prompt would give is not in the record"
    )
    order = "several changes of the graph's order are not foretold together"
    one, two = {"*": {"parallel": [["a", "b"]]}}, {"*": {"parallel": [["a", "b"], ["b", "c"]]}}
    assert why(configs=one) == ""
    assert why(configs=two) == order
    assert why(configs=one | {"a": {"timeout_s": 1}}) == order


def test_the_same_is_not_replayed_either() -> None:
    def why(**said: Any) -> str:
        return shadow._unreplayable(Changes(graph="flow", **said))

    assert why() == ""
    assert why(patches=({},)) == (
        "changed source cannot be replayed on what the old source gave: review the patch"
    )
    assert why(packages=("x",)) == "a package that no execution has used cannot be replayed"
    assert why(configs={"a": {"model": "m"}, "b": {"prompt": "p"}}) == (
        "what a.model, b.prompt would give is not in the record: no replay can tell"
    )


def test_equal_inputs_are_one_within_an_execution_a_thread_or_all() -> None:
    one = Execution(execution_id="e", graph_name="flow", graph_version="v", status="completed",
                    started_at="", thread_id="t")  # fmt: skip

    assert foretelling.scope_of(one, {}) == foretelling.scope_of(one, {"scope": "execution"}) == "e"
    assert foretelling.scope_of(one, {"scope": "thread"}) == "t"
    assert (
        foretelling.scope_of(msgspec.structs.replace(one, thread_id=None), {"scope": "thread"})
        == "e"
    )
    assert foretelling.scope_of(one, {"scope": "global"}) == ""


def lasts(duration: float = 1000.0, spared: float = 0.0, **values: Any) -> float:
    visit = Visit(
        execution_id="e", graph_name="flow", graph_version="v1", node="n", visit=1, entry_seq=1,
        exit_seq=2, started_ns=0, duration_ms=duration, status="completed", attempts=4, retry_ms=300.0,
    )  # fmt: skip

    class Task:
        pass

    task: Any = Task()
    task.visit, task.duration = visit, duration
    record: Any = Record(0)
    found = foretelling._Lasts(
        record, Changes(graph="flow", configs={"n": values} if values else {}), []
    )
    found._spared = {("e", "n", 1): spared}
    return found(task)


def test_a_visit_lasts_as_its_settings_let_it() -> None:
    assert lasts() == 1000.0
    assert lasts(spared=50.0) == 1000.0
    assert lasts(model="m", spared=50.0) == 950.0
    assert lasts(model="m", spared=1001.0) == 0.0
    assert lasts(timeout_s=0.25) == 250.0
    assert lasts(timeout_s=2) == 1000.0
    assert lasts(retry_policy={"max_attempts": 4}) == 1000.0
    assert lasts(retry_policy={"max_attempts": 3}) == 900.0
    assert lasts(retry_policy={"max_attempts": 1}) == 700.0
    assert lasts(retry_policy={"max_attempts": 1}, spared=900.0) == 0.0


# What actions come to
