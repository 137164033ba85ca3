"""Since when: changes dated by the record, with the version that came with them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import CompiledGraph, StateGraph
from inwit.introspection.changepoint import pelt, shifts
from tests.introspection.planting import Forged, Step, chaining, evidence_holds, uris


def noisy(seed: int, number: int, changes: dict[int, float]) -> list[float]:
    dice, level, found = random.Random(seed), 50.0, []
    for place in range(number):
        level = changes.get(place, level)
        found.append(level * dice.lognormvariate(0, 0.15))
    return found


@pytest.mark.parametrize("at", [40, 77, 120, 160])
def test_a_step_is_dated_to_a_few_executions(at: int) -> None:
    found = shifts(noisy(at, 200, {at: 75.0}))

    assert len(found) == 1 and abs(found[0].at - at) <= 5
    assert found[0].after / found[0].before == pytest.approx(1.5, rel=0.15)


def test_noise_is_no_change() -> None:
    false = sum(bool(shifts(noisy(seed, 200, {}))) for seed in range(60))

    assert false <= 2


def test_a_burst_of_a_few_is_no_change() -> None:
    dice, false = random.Random(5), 0
    for _ in range(60):
        values = [50 * dice.lognormvariate(0, 0.15) for _ in range(200)]
        for _ in range(6):
            start = dice.randrange(195)
            for place in range(start, min(start + dice.randint(1, 5), 200)):
                values[place] *= 3
        false += bool(shifts(values))

    assert false <= 3


def test_shares_of_failures_are_dated() -> None:
    dice = random.Random(2)
    values = [float(dice.random() < (0.02 if place < 90 else 0.6)) for place in range(180)]

    found = shifts(values, are_shares=True)

    assert len(found) == 1 and abs(found[0].at - 90) <= 6


def test_pelt_finds_the_borders_of_segments_exactly() -> None:
    assert pelt([1.0] * 10 + [2.0] * 7 + [0.5] * 9, 3, 0.01) == [10, 17]


def letters(version: int) -> CompiledGraph[Any]:
    class State(TypedDict, total=False):
        text: str

    def read(state: State) -> dict[str, Any]:
        return {"text": "x"}

    graph = StateGraph(State)
    graph.add_node("read", read)
    graph.set_entry_point("read")
    if version > 1:
        graph.add_node("check", read)
        graph.add_edge("read", "check").set_finish_point("check")
    else:
        graph.set_finish_point("read")
    return graph.compile(name="letters")


def test_a_slowdown_is_dated_with_the_version_that_came_with_it(project: Path) -> None:
    dice = random.Random(1)
    first = Forged(letters(1))
    for _ in range(40):
        first.run(Step("read", 20 * dice.lognormvariate(0, 0.1), None, ("__end__",)))
    second = Forged(letters(2))
    ids = [second.run(Step("read", 34 * dice.lognormvariate(0, 0.1), None, ("check",)))
           for _ in range(30)]  # fmt: skip

    answer = second.app.ask("Since when is letters slower?")

    change = answer.data["times"][0]
    assert change["version"] == second.app.version()
    assert change["execution_id"] in ids[:4]
    assert f"execution://{change['execution_id']}/summary" in uris(answer)
    assert second.app.version() in answer.text and evidence_holds(answer)


def test_a_slowdown_without_a_new_version_says_so(project: Path) -> None:
    dice, forged = random.Random(1), Forged(chaining())
    for place in range(80):
        took = (20 if place < 50 else 40) * dice.lognormvariate(0, 0.1)
        forged.run(Step("clean", 1, None, ("web",)), Step("web", took, None, ("__end__",)))

    answer = forged.app.ask("When did web become slow?")

    assert answer.data["times"][0]["version"] is None
    assert "No new version" in answer.text
    assert answer.data["times"][0]["after"] == pytest.approx(40, rel=0.1)


def test_a_steady_record_has_no_date(project: Path) -> None:
    dice, forged = random.Random(1), Forged(chaining())
    for _ in range(60):
        forged.run(Step("clean", 10 * dice.lognormvariate(0, 0.2), None, ("__end__",)))

    answer = forged.app.ask("Since when is it slower?")

    assert answer.data["times"] == [] and "No change" in answer.text


def test_few_executions_say_that_they_are_few(project: Path) -> None:
    forged = Forged(chaining())
    forged.run(Step("clean", 10, None, ("__end__",)))

    answer = forged.app.ask("Since when is it slower?")

    assert answer.data["times"] == [] and "30 or more" in answer.text
