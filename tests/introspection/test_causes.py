"""Causes beside noise: shifts, bursts, queues, inputs, and what bad executions have in common."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import pytest

from inwit import END, START, CompiledGraph, StateGraph
from inwit.introspection.analyses.differences import differences
from inwit.introspection.analyses.slow_inputs import explained
from inwit.introspection.attributes import Called
from inwit.introspection.standing import shifted
from inwit.introspection.stats import foretold
from tests.introspection.planting import Forged, Step, chaining, evidence_holds

NODES = ("clean", "web", "docs", "join")
USUAL_MS = {"clean": 20.0, "web": 40.0, "docs": 30.0, "join": 20.0}


def forged(name: str) -> Forged:
    return Forged(chaining(name))


def run(
    made: Forged, dice: random.Random, *, burst: float = 1.0, text: str = "a", **times: float
) -> str:
    """One execution with some jitter; `times` are how many times longer nodes take."""
    steps = [
        Step(node, USUAL_MS[node] * burst * times.get(node, 1) * dice.uniform(0.95, 1.05),
             {"text": "a"}, (after,))
        for node, after in zip(NODES, (*NODES[1:], "__end__"), strict=True)
    ]  # fmt: skip
    return made.run(*steps, given={"text": text})


def causes(
    made: Forged, question: str = "Why was the last execution so slow?"
) -> list[tuple[str, str]]:
    answer = made.app.ask(question)
    assert evidence_holds(answer)
    return [(one["node"], one["kind"]) for one in answer.data["causes"]]


def test_a_node_that_takes_longer_for_a_while_now_is_a_cause_however_many_are_like_it(
    project: Path,
) -> None:
    made, dice = forged("lately"), random.Random(1)
    for _ in range(40):
        run(made, dice)
    for _ in range(20):
        run(made, dice, docs=1.3)

    assert causes(made, "Why has lately become slower?") == [("docs", "slower")]


def test_a_burst_that_slows_all_nodes_alike_is_no_nodes_fault(project: Path) -> None:
    made, dice = forged("busy"), random.Random(2)
    for _ in range(40):
        run(made, dice)
    run(made, dice, burst=1.6)

    answer = made.app.ask("Why was the last execution so slow?")

    assert answer.data["causes"] == []
    assert answer.data["common_slowdown"] == pytest.approx(1.6, rel=0.1)


def test_a_slow_node_is_found_though_a_tenth_of_all_executions_lay_in_bursts(project: Path) -> None:
    made, dice = forged("bursts"), random.Random(3)
    for number in range(50):
        run(made, dice, burst=1.6 if number % 10 == 0 else 1.0)
    run(made, dice, docs=2)

    assert causes(made) == [("docs", "slower")]


def test_two_causes_are_told_with_the_costlier_first(project: Path) -> None:
    made, dice = forged("both"), random.Random(4)
    for _ in range(40):
        run(made, dice)
    run(made, dice, docs=1.5, web=2)

    assert causes(made) == [("web", "slower"), ("docs", "slower")]


def test_what_came_later_is_no_baseline_of_an_earlier_execution(project: Path) -> None:
    made, dice = forged("early"), random.Random(5)
    for _ in range(30):
        run(made, dice)
    slow = run(made, dice, web=2)
    for _ in range(60):
        run(made, dice, web=2)

    assert causes(made, f"Why was execution {slow} so slow?") == [("web", "slower")]


def test_a_longer_input_is_told_as_that_and_as_no_slower_node(project: Path) -> None:
    made, dice = forged("letters"), random.Random(6)
    for number in range(30):
        size = 100 + 10 * (number % 7)
        run(made, dice, text="x" * size, docs=size / 130)
    run(made, dice, text="x" * 400, docs=400 / 130)

    answer = made.app.ask("Why was the last execution so slow?")

    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["kind"], cause["attribute"]) == ("docs", "input", "input.text")
    assert cause["confirmed"] is True
    assert evidence_holds(answer)


class Job(TypedDict):
    number: int


def serving(name: str, **policies: Any) -> CompiledGraph[Job]:
    """Take → answer: answer takes two milliseconds, and fails for numbers over 900."""

    async def take(state: Job) -> dict[str, Any]:
        return {"number": state["number"]}

    async def answer(state: Job) -> dict[str, Any]:
        await asyncio.sleep(0.002)
        if state["number"] > 900:
            raise ValueError("too large")
        return {}

    graph = StateGraph(Job)
    graph.add_node(take)
    graph.add_node("answer", answer, **policies)
    graph.add_edge(START, "take")
    graph.add_edge("take", "answer")
    graph.add_edge("answer", END)
    return graph.compile(name=name)


def test_a_queue_before_a_limit_is_told_as_waiting_and_not_as_slowness(project: Path) -> None:
    app = serving("desk", max_concurrency=1)

    async def crowd(number: int) -> None:
        await asyncio.gather(*(app.ainvoke({"number": 1}) for _ in range(number)))

    for _ in range(25):
        asyncio.run(crowd(1))
    asyncio.run(crowd(30))

    answer = app.ask("Why was the last execution so slow?")

    cause = answer.data["causes"][0]
    assert (cause["node"], cause["kind"]) == ("answer", "waiting")
    assert cause["limit"] == "concurrency_limited" and cause["waited_ms"] > 20
    assert evidence_holds(answer)


def failing(app: CompiledGraph[Job], number: int, **metadata: str) -> None:
    try:
        app.invoke({"number": number}, config={"metadata": metadata})
    except ValueError:
        return


def test_what_failures_have_in_common_is_told_beside_what_went_well(project: Path) -> None:
    app = serving("shop")
    for index in range(40):
        tenant = f"t{index % 5}"
        failing(app, 999 if tenant == "t3" else 1, tenant=tenant, colour="ab"[index % 2])
    failing(app, 999, tenant="t3", colour="a")

    answer = app.ask("Why did the last execution fail?")

    told = [(one["attribute"], one["value"]) for one in answer.data["differences"]]
    assert ("metadata.tenant", "t3") in told
    assert not any(name == "metadata.colour" for name, _ in told)
    assert "metadata.tenant = t3" in answer.text
    assert evidence_holds(answer)


def called(**attributes: Any) -> Called:
    return Called("execution://e/events/1", attributes, {})


def test_chance_parts_no_executions() -> None:
    dice = random.Random(7)
    alarms = 0
    for _ in range(30):
        every = [called(**{f"a{n}": dice.choice("pqrs") for n in range(6)}) for _ in range(60)]
        alarms += bool(differences(every[:12], every[12:]))

    assert alarms <= 2


def test_a_shared_value_parts_the_bad_from_the_good() -> None:
    bad = [called(model="new", hour="09") for _ in range(8)]
    good = [called(model="old", hour="09") for _ in range(30)]

    (found,) = differences(bad, good)

    assert (found.attribute, found.value, found.difference) == ("model", "new", 1.0)


def test_time_that_does_not_follow_a_size_is_not_explained_by_it() -> None:
    dice = random.Random(8)
    past = [({"input.text": dice.uniform(80, 120)}, dice.uniform(19, 21)) for _ in range(30)]

    assert explained(60.0, {"input.text": 300.0}, past) is None


def test_time_beyond_what_a_size_explains_is_not_put_down_to_it() -> None:
    sizes = [80 + 7 * number % 40 for number in range(40)]
    past = [({"input.text": float(size)}, size / 10) for size in sizes]

    assert explained(30.0, {"input.text": 300.0}, past) is not None
    assert explained(60.0, {"input.text": 300.0}, past) is None


def test_a_counter_is_no_size() -> None:
    past = [({"input.number": float(number)}, 10 + number / 10) for number in range(1, 31)]

    assert explained(20.0, {"input.number": 100.0}, past) is None


def test_a_hiccup_in_the_past_hides_no_later_fault(project: Path) -> None:
    made, dice = forged("hiccup"), random.Random(10)
    for number in range(22):
        run(made, dice, docs=2.5 if number == 9 else 1)
    run(made, dice, docs=2)

    assert causes(made) == [("docs", "slower")]


def test_a_shift_is_dated_to_where_it_began_and_noise_has_none() -> None:
    dice = random.Random(9)
    calm = [dice.gauss(0, 0.1) for _ in range(50)]
    higher = [dice.gauss(0.4, 0.1) for _ in range(12)]

    assert shifted([*calm, *higher]) == pytest.approx(12, abs=2)
    assert not any(shifted([dice.gauss(0, 0.1) for _ in range(60)]) for _ in range(100))


@pytest.mark.parametrize("number", [10, 30, 50, 120])
def test_a_foretold_interval_holds_the_next_median_nine_times_in_ten(number: int) -> None:
    dice = random.Random(number)

    def sample() -> list[float]:
        return [dice.lognormvariate(0, 0.5) for _ in range(number)]

    told = [(foretold(sample()), median(sample())) for _ in range(600)]

    held = sum(one.low <= found <= one.high for one, found in told) / len(told)
    assert 0.86 <= held <= 0.97
