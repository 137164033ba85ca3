"""What a look tells and where the daemon stands: whole values, and both sides of each border."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from inwit.errors import InwitError, UnknownGraphError, UnknownPlanError
from inwit.plans import Effect
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve import (
    budget,
    critique,
    examining,
    life,
    stats,
    tables,
    trials,
    validating,
)
from inwit.self_improve.analysis import analyze_at
from inwit.self_improve.critique import Said
from inwit.self_improve.daemon import Cursor, Daemon, Settings, Tick, run_once
from inwit.self_improve.deciding import decide
from inwit.self_improve.entering import enter, look_of
from inwit.self_improve.explaining import explain
from inwit.self_improve.findings import Symptom, Thresholds
from inwit.self_improve.hypotheses import judge
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.sequential import Standing
from tests.self_improve.conftest import ADA, World, book, run, searcher
from tests.self_improve.test_shadow import configure, plan_of

pytestmark = pytest.mark.usefixtures("project")


def test_an_effect_that_may_be_chance_says_how_many_more_executions_it_takes() -> None:
    limits = Thresholds()
    need = stats.smallest_blocks(50, limits.false_discovery_rate) * limits.block_size

    def more(visits: int, rate: float = 1.0) -> int:
        look: Any = SimpleNamespace(
            detector="d", graph_name="g", node="n", visits=visits, visits_per_execution=rate
        )
        finding: Any = SimpleNamespace(statement="It is slow.")
        lack = examining._lack(look, finding, 50, limits)
        assert (lack.detector, lack.graph_name, lack.node) == ("d", "g", "n")
        assert lack.reason == "It is slow. Among 50 tests that may be chance"
        return lack.executions_needed or 0

    assert need > 40
    assert more(10) == need - 10
    assert more(10, 4.0) == -(-(need - 10) // 4)
    assert more(need * 4) == need * 2
    assert more(need - 1) == (need - 1) // 2


def test_what_is_absent_is_left_out_of_what_is_shown() -> None:
    shown = msgspec.to_builtins(
        Symptom(detector="d", graph_name="g", node="n", statement="s", reason="r")
    )

    assert shown == {
        "detector": "d", "graph_name": "g", "node": "n", "statement": "s", "reason": "r"
    }  # fmt: skip


def test_figures_alone_enter_nothing_and_know_a_graph_by_its_name(world: World) -> None:
    run(searcher(world), 30, world)
    project = Project.find()

    for graph in (None, "searcher"):
        report = analyze_at(project, depth="metrics", graph=graph)
        assert "repeated_calls" in {one.detector for one in report.findings}
        assert (report.plans, report.looked_at.window) == ((), 400)
    with pytest.raises(UnknownGraphError):
        analyze_at(project, depth="metrics", graph="sercher")
    assert book().list() == []
    local = analyze_at(project, graph="searcher")
    assert "repeated_calls" in {one.category for one in local.plans}
    assert local.looked_at.window == 400
    assert analyze_at(project, depth="deep").looked_at.window == 2000


def test_a_model_is_shown_figures_and_no_source() -> None:
    made = msgspec.structs.replace(
        plan_of("flow", {"type": "diff", "diff": "secret", "node": "n"}),
        replay={"n": 5, "passed": 4, "method": "m", "reason": "r", "executions": 5},
        expected_gain=Effect(point=1, low=0, high=2, unit="ms"),
    )

    shown = critique.figures(made)

    assert shown["actions"] == [{"type": "diff", "node": "n"}]
    assert shown["replay"] == {"n": 5, "passed": 4, "method": "m", "reason": "r"}
    assert shown["expected_gain"] == {"point": 1, "low": 0, "high": 2, "unit": "ms", "method": ""}
    assert sorted(shown) == [
        "actions", "baseline", "candidate", "category", "effect", "evidence", "expected_gain",
        "hypothesis", "replay", "risk",
    ]  # fmt: skip
    assert critique.figures(msgspec.structs.replace(made, replay=None))["replay"]["n"] is None


@pytest.mark.parametrize(
    ("verdicts", "verdict", "agree", "usable"),
    [("", None, 0, 0), ("s", "support", 1, 1), ("sd", None, 0, 2), ("ssd", "support", 2, 3), ("ddu", "doubt", 2, 2),
     ("srdu", None, 0, 3), ("rrsd", None, 0, 4), ("rrrsd", "reject", 3, 5)],
)  # fmt: skip
def test_a_consensus_is_of_more_than_half_of_the_usable_verdicts(
    verdicts: str, verdict: str | None, agree: int, usable: int
) -> None:
    names = {"s": "support", "d": "doubt", "r": "reject", "u": "unusable"}

    told = critique.consensus([Said(model="m", verdict=names[one]) for one in verdicts])

    assert told == {"verdict": verdict, "agree": agree, "usable": usable, "asked": len(verdicts)}


# The daemon


def daemon(**changed: Any) -> Daemon:
    return Daemon(Project.find(), Settings(**changed))


def test_a_look_that_fails_is_told_and_only_our_own_fault_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = daemon()
    faults: list[Exception] = [UnknownPlanError("p1"), RuntimeError("odd")]

    def fails() -> Tick:
        raise faults.pop(0)

    monkeypatch.setattr(made, "tick", fails)
    with caplog.at_level(logging.ERROR, logger="inwit"):
        known = made._safely()
        assert caplog.messages == []
        unknown = made._safely()

    assert (known.is_leader, known.skipped) == (False, str(UnknownPlanError("p1")))
    assert (unknown.is_leader, unknown.skipped) == (False, "RuntimeError('odd')")
    assert caplog.messages == ["inwit: a look at the record failed."]
    assert isinstance(UnknownPlanError("p1"), InwitError)


def test_only_looks_that_led_to_something_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = daemon(), list[Tick]()
    plan = plan_of("flow", configure("flow", "n", timeout_s=1))
    facts: Any = (
        {},
        {"skipped": "s"},
        {"trigger": "t"},
        {"settled": (plan,)},
        {"expired": (plan,)},
    )
    ticks = [Tick(at=str(at), is_leader=True, **one) for at, one in enumerate(facts)]
    left = list(ticks)

    def tick() -> Tick:
        if len(left) == 1:
            made.stop()
        return left.pop(0)

    monkeypatch.setattr(made, "tick", tick)
    monkeypatch.setattr("inwit.self_improve.daemon.POLL_S", 0.0)
    made.lease.take()
    made.run(told.append)

    assert told == ticks[2:]
    assert made.lease.leader() is None


def test_files_of_graphs_are_those_of_python_that_are_there(tmp_path: Path) -> None:
    root = Project.find().root
    for place in (tmp_path / "own.py", root / "near.py", tmp_path / "page.html"):
        place.write_text("")
    names = [str(tmp_path / "own.py"), "near.py", str(tmp_path / "page.html"), "gone.py", None]
    sources = [None if name is None else SimpleNamespace(file=name) for name in names]
    record: Any = SimpleNamespace(
        graphs=lambda: [SimpleNamespace(manifest=SimpleNamespace(source=one)) for one in sources]
    )
    made = daemon()
    made.store = record

    assert made._files() == {
        str(place): place.stat().st_mtime for place in (tmp_path / "own.py", root / "near.py")
    }


def test_a_tick_says_why_it_looked_and_where_it_then_stands(world: World) -> None:
    run(searcher(world), 12, world)
    made = daemon(budget=budget.Budget(seconds=None))
    newest = book().store.newest(1)[0].position

    forced, idle = made.tick(forced="asked by a test"), made.tick()

    assert (forced.trigger, forced.skipped, forced.is_leader, idle.is_leader) == (
        "asked by a test", "", True, True
    )  # fmt: skip
    assert forced.report is not None
    assert (forced.spent.plans, forced.budget) == (len(forced.report.plans), made.settings.budget)
    assert (idle.trigger, idle.report, idle.skipped) == ("", None, "")
    stands = tables.kept(made.store, "cursor", Cursor)
    assert stands is not None
    assert stands.positions == {"searcher": newest}
    over = daemon(budget=budget.Budget(plans=0))
    over.lease.holder = made.lease.holder
    assert over.tick().skipped == ""
    assert over.tick(forced="x").skipped.startswith("the day's budget of plans is used up (")
    led = daemon().tick(forced="x")
    assert (led.is_leader, led.trigger, led.skipped) == (False, "", "another daemon leads")


def test_looking_once_looks_whoever_leads_and_whatever_was_spent(world: World) -> None:
    run(searcher(world), 30, world)
    leads = daemon()
    assert leads.lease.take()
    made = daemon(budget=budget.Budget(plans=0, seconds=0))

    tick = made.once()

    assert (tick.is_leader, tick.trigger, tick.skipped) == (False, "asked to", "")
    assert tick.report is not None
    assert tick.spent.plans == len(tick.report.plans) > 0
    assert leads.lease.leader() == leads.lease.holder
    assert run_once(Project.find()).plans == ()


def test_accuracy_tells_right_from_wrong_by_source() -> None:
    held = PlanBook.of(Store.of(Project.find()))
    verdicts: Any = (("a", True), ("a", True), ("a", False), ("b", None))
    for number, (source, correct) in enumerate(verdicts):
        made = msgspec.structs.replace(plan_of("flow", name=f"plan-{number}"), category=source)
        held.enter(made)
        if correct is not None:
            held.store.write(partial(judge, plan_id=made.id, correct=correct, verdict="seen"))

    told = held.accuracy()

    share = {"accuracy": 2 / 3, "total_evaluated": 3, "correct": 2, "incorrect": 1}
    assert told == {
        "overall": 2 / 3, "total_evaluated": 3, "correct": 2, "incorrect": 1, "active_count": 1,
        "by_source": [
            {"source": "a", **share, "active_count": 0},
            {"source": "b", "accuracy": None, "total_evaluated": 0, "correct": 0, "incorrect": 0,
             "active_count": 1},
        ],
    }  # fmt: skip


# Plans that meet others


def test_a_plan_that_somebody_else_decided_on_meanwhile_is_given_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(searcher(world), 12, world)
    book().enter(plan_of("searcher", configure("searcher", "search", timeout_s=5)))
    real = validating.look

    def slow(*asked: Any) -> Any:
        found = real(*asked)
        life.move(book(), "by-hand", "rejected", ADA, reason="no")
        return found

    monkeypatch.setattr(validating, "look", slow)

    told = validating.validate(book(), "by-hand")

    assert told == book().get("by-hand")
    assert (told.status, told.replay) == ("rejected", None)
    explained = explain(book(), told)
    assert [one.what for one in explained.numbers] == ["history"]
    assert explained.is_reproduced


def test_only_what_surely_costs_time_and_promises_to_save_it_is_refused() -> None:
    def costs(high: float, unit: str = "ms per execution", point: float = -1.0) -> bool:
        promised = Effect(point=1, low=0, high=2, unit=unit)
        plan = msgspec.structs.replace(plan_of("flow"), expected_gain=promised)
        return validating._costs(Effect(point=point, low=-2, high=high, unit="ms"), plan)

    assert costs(-0.1)
    assert not costs(0.0)
    assert not costs(0.1)
    assert not costs(-0.1, point=0.0)
    assert not costs(-0.1, unit="USD")
    gain = Effect(point=-1, low=-2, high=-1, unit="ms")
    assert not validating._costs(gain, msgspec.structs.replace(plan_of("flow"), expected_gain=None))


def test_what_rests_keeps_the_look_that_it_was_decided_by(world: World) -> None:
    run(searcher(world), 30, world)
    [plan] = run_once(Project.find()).plans
    first = look_of(book(), plan)
    life.move(book(), plan.id, "rejected", ADA, reason="no")
    report = analyze_at(Project.find(), depth="metrics")

    again = enter(book(), report, position=10**6)

    assert [one.id for one in again.known] == [plan.id]
    assert look_of(book(), plan) == first
    assert first is not None
    assert 0 < first.position < 10**6
    assert (first.window, first.graphs) == (400, ("searcher",))


def test_keeping_and_taking_back_are_told_as_events(world: World) -> None:
    run(searcher(world), 12, world)
    book().enter(plan_of("searcher", configure("searcher", "search", timeout_s=5)))
    validating.validate(book(), "by-hand")
    project = Project.find()

    def told() -> int:
        Journal.of(project).flush()
        events = Store.of(project).project_events()
        return sum(event.type == "node_config_changed" for event in events)

    decide(project, "by-hand", "approve", ADA)
    assert told() == 0
    decide(project, "by-hand", "apply", ADA)
    assert told() == 1
    back = decide(project, "by-hand", "rollback", ADA)

    assert told() == 2
    assert back.outcome is not None
    assert back.outcome["verdict"] == "open"
    assert book().precision() == []
    assert book().hypotheses()[0].correct is None


def test_a_trial_that_went_on_beyond_its_horizon_ends_too() -> None:
    found = Standing(
        n_control=300, n_candidate=300, e_harm=0.0, e_gain=0.0, effect=None, harm_by=""
    )

    assert trials._verdict(plan_of("flow"), found) == ("even", "no harm in 600 executions")
