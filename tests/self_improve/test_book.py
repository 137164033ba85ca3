"""The plan book: moves, room for five, rest after a decision, detectors that are muted."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import msgspec
import pytest

from inwit.errors import IllegalMoveError, PlanError, UnknownPlanError
from inwit.plans import DAEMON, MOVES, OPEN_PLAN_STATUSES, Effect, Plan, PlanStatus, Principal
from inwit.runtime.project import Project
from inwit.runtime.store import Store, audit
from inwit.self_improve import learning, life, tables
from inwit.self_improve.findings import Finding
from inwit.self_improve.hypotheses import judge
from inwit.self_improve.plans import OPEN_LIMIT, PlanBook
from tests.self_improve.conftest import ADA, Look, World, run, searcher
from tests.self_improve.test_shadow import plan_of

pytestmark = pytest.mark.usefixtures("project")
STATUSES = get_args(PlanStatus)


def book() -> PlanBook:
    return PlanBook.of(Store.of(Project.find()))


def saves(name: str, ms: float, **fields: Any) -> Plan:
    gain = Effect(point=ms, low=ms, high=ms, unit="ms per execution")
    made = plan_of("flow", {"type": "node_config", "node": "n", "set": {"timeout_s": 1}}, name=name)
    return msgspec.structs.replace(made, expected_gain=gain, **fields)


def put(status: str, name: str) -> Plan:
    """A plan of any status, as if it had come there."""
    kept = book().enter(saves(name, 1)).plan

    def write(connection: Any) -> Plan:
        moved = msgspec.structs.replace(life.read(connection, kept.id), status=status)
        tables.save_plan(connection, moved)
        return moved

    return book().store.write(write)


@pytest.mark.parametrize("status", STATUSES)
def test_a_plan_goes_where_the_table_lets_it_and_nowhere_else(status: PlanStatus) -> None:
    for target in STATUSES:
        plan = put(status, f"to-{target}")

        if target in MOVES[status]:
            assert life.move(book(), plan.id, target, ADA).status == target
        else:
            with pytest.raises(IllegalMoveError):
                life.move(book(), plan.id, target, ADA)
            assert book().get(plan.id).status == status
        if book().get(plan.id).status in OPEN_PLAN_STATUSES:
            life.move(book(), plan.id, "rejected", ADA)


def test_every_move_is_a_row_of_the_audit_chain() -> None:
    kept = book().enter(saves("one", 1)).plan
    life.move(book(), kept.id, "validated", DAEMON)
    life.move(book(), kept.id, "approved", ADA, reason="seen")

    with pytest.raises(PlanError):
        life.move(book(), kept.id, "approved", ADA)

    rows = [row for row in audit.rows(book().store) if row.action == "plan.move"]
    assert [(row.actor, row.outcome) for row in rows] == [
        ("daemon", "proposed"), ("daemon", "validated"), ("person:ada", "approved"),
    ]  # fmt: skip
    assert book().audited_history(kept.id) == book().get(kept.id).history
    assert audit.verify(Project.find()).is_intact


def test_a_person_does_not_approve_their_own_proposal() -> None:
    kept = book().enter(saves("one", 1), by=ADA).plan
    life.move(book(), kept.id, "validated", DAEMON)

    with pytest.raises(PlanError, match="cannot approve it"):
        life.move(book(), kept.id, "approved", ADA)

    assert life.move(book(), kept.id, "approved", Principal("person", "bob")).status == "approved"


def test_of_more_than_five_those_that_promise_least_give_way() -> None:
    for number in range(OPEN_LIMIT):
        book().enter(saves(f"plan-{number}", 10 + number))

    small = book().enter(saves("small", 1))
    large = book().enter(saves("large", 100))

    assert (small.outcome, large.outcome) == ("crowded", "new")
    assert "promise more" in small.reason
    assert [plan.id for plan in book().open()] == ["large", "plan-4", "plan-3", "plan-2", "plan-1"]
    assert book().get("plan-0").status == "superseded"
    with pytest.raises(UnknownPlanError):
        book().get("small")


def test_what_was_agreed_on_does_not_give_way() -> None:
    for number in range(OPEN_LIMIT):
        kept = book().enter(saves(f"plan-{number}", 1)).plan
        life.move(book(), kept.id, "validated", DAEMON)
        life.move(book(), kept.id, "approved", ADA)

    assert book().enter(saves("large", 100)).outcome == "crowded"


def test_a_rejected_finding_rests_and_comes_back_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = book().enter(saves("one", 1)).plan
    life.move(book(), kept.id, "rejected", ADA, reason="planned")
    again = saves("two", 1, fingerprint=kept.fingerprint)

    resting = book().enter(again)
    later = learning.after(tables.now(), 31)
    monkeypatch.setattr(tables, "now", lambda: later)
    rested = book().enter(again)

    assert resting.outcome == "rests"
    assert "rests until" in resting.reason
    assert (rested.outcome, rested.plan.id) == ("new", "two")


def test_a_detector_whose_plans_mostly_prove_wrong_is_muted_and_says_so(
    world: World, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(learning.VERDICTS):
        kept = book().enter(saves(f"plan-{number}", 1, category="repeated_calls")).plan
        if number < 4:
            for status in ("validated", "approved", "in_progress", "implemented"):
                life.move(book(), kept.id, status, ADA)
        else:
            life.move(book(), kept.id, "rejected", ADA, reason="no")
    run(searcher(world), 30, world)

    report = look()

    assert report.plans == ()
    [finding] = [one for one in report.findings if one.detector == "repeated_calls"]
    assert isinstance(finding, Finding)
    assert any("repeated_calls is muted until" in one.reason for one in report.held)
    [learnt] = book().precision()
    assert (learnt.correct, learnt.verdicts, learnt.is_muted) == (4, 10, True)
    assert learnt.precision == 0.4
    later = learning.after(tables.now(), learning.MUTED_DAYS + 1)
    monkeypatch.setattr(tables, "now", lambda: later)
    assert not book().precision()[0].is_muted


def test_a_client_s_rejection_teaches_nothing() -> None:
    kept = book().enter(saves("one", 1)).plan

    life.move(book(), kept.id, "rejected", Principal("client", "claude"), reason="I was told to")

    assert book().get(kept.id).status == "rejected"
    assert book().precision() == []
    assert [one.correct for one in book().hypotheses()] == [None]


def test_open_statuses_are_those_from_which_a_plan_may_still_be_rejected() -> None:
    assert set(OPEN_PLAN_STATUSES) == {one for one in STATUSES if "rejected" in MOVES[one]}


def test_the_accuracy_counts_what_was_judged_alone() -> None:
    for name, correct in (("one", True), ("two", False), ("four", None)):
        kept = book().enter(saves(name, 1)).plan
        if correct is not None:
            book().store.write(partial(judge, plan_id=kept.id, correct=correct, verdict="seen"))

    accuracy = book().accuracy()

    assert accuracy["overall"] == 0.5
    assert (accuracy["correct"], accuracy["incorrect"]) == (1, 1)
    assert (accuracy["total_evaluated"], accuracy["active_count"]) == (2, 1)
    assert {one.correct for one in book().hypotheses()} == {True, False, None}
