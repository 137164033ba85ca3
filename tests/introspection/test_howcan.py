"""How can I: ranked by what is sure, and each thing a plan by one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from inwit.errors import MalformedInputError
from inwit.introspection.proposing import plan_of, propose
from inwit.runtime.store import Store
from inwit.self_improve.plans import PlanBook
from tests.introspection.planting import Forged, Step, chaining, fetching


def planted() -> Forged:
    """Web repeats its inputs and takes most of the time; docs could run beside it."""
    forged = Forged(chaining())
    for number in range(32):
        text = f"letter {number % 8}"
        forged.run(
            Step("clean", 1, {"text": text}, ("web",)),
            Step("web", 60, {"web": "w" + text}, ("docs",)),
            Step("docs", 25, {"docs": "d" + text}, ("join",)), Step("join", 1, None, ("__end__",)),
            given={"text": text},
        )  # fmt: skip
    return forged


def test_interventions_are_ranked_by_the_least_that_they_gain(project: Path) -> None:
    answer = planted().app.ask("How can I make it faster?")

    found = answer.data["interventions"]
    lows = [one["gain"]["low"] for one in found]
    assert len(found) >= 4 and lows == sorted(lows, reverse=True)
    assert found[0]["action"] == "cache web" and found[0]["gain"]["low"] == pytest.approx(60, abs=1)
    assert any(one["kind"] == "parallel" for one in found)


def test_each_intervention_becomes_a_plan_by_one_call(project: Path) -> None:
    app = planted().app
    answer = app.ask("How can I make it faster?")
    book = PlanBook.of(Store.of(app.project))

    for number, one in enumerate(answer.data["interventions"], start=1):
        plan = plan_of(answer, number)

        assert plan.graph_name == "chain" and plan.actions[0]["graph"] == "chain"
        assert plan.expected_gain is not None
        assert plan.expected_gain.low == one["gain"]["low"]
        assert plan.evidence and all(app.resolve(each.uri) for each in plan.evidence)
    entered = propose(answer, 1, book, actor="introspection")
    again = propose(app.ask("How can I make it faster?"), 1, book, actor="introspection")
    assert [plan.id for plan in book.list()] == [entered.id] == [again.id]
    assert entered.status == "proposed"


def test_what_fails_in_most_executions_comes_first(project: Path) -> None:
    app = fetching(7, attempts=1)
    for _ in range(9):
        with pytest.raises(ConnectionError):
            app.invoke({"pages": 0})
        if app.ask("How often did fetch run?").data["count"] == 7:
            break
    app.invoke({"pages": 0})

    answer = app.ask("How can I make it more reliable?")

    assert answer.data["interventions"][0]["gain"]["point"] == 7
    assert plan_of(answer, 1).actions[0]["node"] == "fetch"


def test_a_number_that_is_none_is_refused(project: Path) -> None:
    answer = planted().app.ask("How can I make it faster?")

    with pytest.raises(MalformedInputError):
        plan_of(answer, 99)
