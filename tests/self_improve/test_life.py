"""A plan from its proposal to its end: every field, every row, every event, by random walks too."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from inwit.errors import (
    ExpiredPlanError,
    IllegalMoveError,
    InapplicableError,
    MalformedInputError,
    PlanChangedError,
    PrincipalError,
    UnknownPlanError,
)
from inwit.plans import (
    DAEMON,
    MOVES,
    OPEN_PLAN_STATUSES,
    Effect,
    Hypothesis,
    Move,
    Plan,
    Principal,
    Validation,
)
from inwit.runtime.node_config import config_of_row, rows_of
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve import deciding, hypotheses, learning, life, tables, trials
from inwit.self_improve.actions import Changes
from inwit.self_improve.applying import Applied, write_patch
from inwit.self_improve.plans import PlanBook, rank
from inwit.self_improve.sequential import Standing
from tests.self_improve.conftest import ADA, World, run, searcher
from tests.self_improve.test_shadow import plan_of

pytestmark = pytest.mark.usefixtures("project")
BOB, CLIENT = Principal("person", "bob"), Principal("client", "s1")


def book() -> PlanBook:
    return PlanBook.of(Store.of(Project.find()))


def plan(name: str = "plan-one", ms: float = 1.0, **fields: Any) -> Plan:
    gain = Effect(point=ms, low=ms, high=ms, unit="ms per execution")
    fields = {"expected_gain": gain, **fields}
    made = plan_of("flow", {"type": "node_config", "node": "n", "set": {"timeout_s": 1}}, name=name)
    return msgspec.structs.replace(made, **fields)


# Entering


def test_a_proposal_is_entered_with_its_first_move_and_a_hypothesis() -> None:
    entry = book().enter(
        plan(validation=Validation(command="c", expected="less")), expected_evidence="", by=CLIENT
    )

    held, (hypothesis,) = entry.plan, book().hypotheses()
    assert (entry.outcome, entry.reason) == ("new", "")
    assert held == book().get("plan-one") == book().list()[0]
    assert (held.status, held.revision) == ("proposed", 1)
    (move,) = held.history
    assert (move.actor, move.source, move.target, move.reason) == (
        "client:s1", "", "proposed", "It helps."
    )  # fmt: skip
    assert abs(datetime.fromisoformat(move.at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert hypothesis == Hypothesis(
        id=hypothesis.id, source="by_hand", statement="It helps.", created_at=move.at,
        expected_evidence="less", graph_name="flow", plan_id="plan-one", trigger=hypotheses.ON_TRIAL,
    )  # fmt: skip
    assert book().observations("plan-one") == 1
    assert book().observations("none") == 0
    book().enter(plan("plan-two"), expected_evidence="said")
    assert {one.expected_evidence for one in book().hypotheses()} == {"less", "said"}


def test_proposing_says_who_did() -> None:
    told = {
        actor: book().propose(plan(f"plan-{number}"), actor=actor).history[0].actor
        for number, actor in enumerate(("", "daemon", "s1"))
    }

    assert told == {"": "daemon", "daemon": "daemon", "s1": "client:s1"}


def test_a_plan_is_found_by_four_letters_that_only_it_has() -> None:
    book().enter(plan("abcd-one"))
    book().enter(plan("abcd-two"))
    book().enter(plan("xyz"))

    assert book().get("abcd-o").id == "abcd-one"
    assert book().get("xyz").id == "xyz"
    for unclear in ("abcd", "abc", "xy", "", "abcd-one-more"):
        with pytest.raises(UnknownPlanError):
            book().get(unclear)


def test_plans_are_listed_newest_first_and_open_ones_by_what_they_surely_gain() -> None:
    for number, ms in enumerate((3, 9, 1)):
        book().enter(plan(f"plan-{number}", ms))
    life.move(book(), "plan-0", "rejected", ADA)

    assert [one.id for one in book().list()] == ["plan-2", "plan-1", "plan-0"]
    assert [one.id for one in book().list("rejected")] == ["plan-0"]
    assert [one.id for one in book().open()] == ["plan-1", "plan-2"]
    assert rank(plan(ms=2)) == (2.0, 0.5)
    other = Effect(point=9, low=9, high=9, unit="USD per execution")
    assert rank(plan(confidence=0.9, expected_gain=other)) == (0.0, 0.9)
    assert rank(plan(expected_gain=None)) == (0.0, 0.5)


def test_what_is_seen_again_is_merged_as_far_as_nobody_has_decided() -> None:
    first = book().enter(plan(title="old", candidate={"n": 1})).plan
    again = plan("again", candidate={"n": 1}, title="other", fingerprint="plan-one")
    same = book().enter(again)
    assert (same.outcome, same.plan) == ("known", first)
    assert book().observations("plan-one") == 1

    more = {"title": "new", "candidate": {"n": 2}, "risk": "none", "confidence": 0.9}
    fresh = book().enter(plan("again", 7, fingerprint="plan-one", **more))
    held = book().get("plan-one")
    assert (fresh.outcome, fresh.plan, held.revision) == ("known", held, 2)
    assert (held.title, held.candidate, held.risk, held.confidence) == (
        "new",
        {"n": 2},
        "none",
        0.9,
    )
    assert held.expected_gain is not None
    assert (held.expected_gain.low, held.history, held.status) == (7, first.history, "proposed")
    assert book().observations("plan-one") == 2

    life.move(book(), "plan-one", "validated", DAEMON)
    book().enter(
        plan("b", 8, fingerprint="plan-one", candidate={"n": 3}, title="third", risk="some")
    )
    held = book().get("plan-one")
    assert (held.title, held.risk, held.revision, held.candidate) == ("third", "none", 4, {"n": 3})
    assert held.expected_gain is not None
    assert held.expected_gain.low == 7

    life.move(book(), "plan-one", "approved", ADA)
    book().enter(plan("b", 8, fingerprint="plan-one", candidate={"n": 4}, title="fourth"))
    held = book().get("plan-one")
    assert (held.title, held.revision, held.candidate) == ("third", 5, {"n": 3})
    assert book().observations("plan-one") == 4
    assert len(book().list()) == 1


def past(plan_id: str, days: float) -> None:
    """Let a plan's last move be some days ago."""

    def write(connection: Any) -> None:
        held = life.read(connection, plan_id)
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
        last = msgspec.structs.replace(held.history[-1], at=at.replace("+00:00", "Z"))
        tables.save_plan(
            connection, msgspec.structs.replace(held, history=(*held.history[:-1], last))
        )

    book().store.write(write)


@pytest.mark.parametrize(
    ("way", "days"),
    [(("rejected",), 30), (("validated", "approved", "in_progress", "rolled_back"), 30),
     (("validated", "approved", "in_progress", "failed"), 7),
     (("validated", "approved", "in_progress", "implemented"), 7), (("expired",), 0),
     (("superseded",), 0)],
)  # fmt: skip
def test_a_closed_finding_rests_as_long_as_its_end_says(way: tuple[Any, ...], days: int) -> None:
    book().enter(plan())
    for target in way:
        life.move(book(), "plan-one", target, ADA, reason="so")
    again = plan("again", fingerprint="plan-one", candidate={"n": 2})

    if days:
        past("plan-one", days - 0.01)
        resting = book().enter(again)
        until = learning.rests_until(book().get("plan-one"))
        assert resting.outcome == "rests"
        assert resting.reason == f"plan plan-one for it was {way[-1]}; it rests until {until}"
        assert resting.plan.id == "plan-one"
        assert book().observations("plan-one") == 2
        past("plan-one", days + 0.01)
    assert book().enter(again).outcome == "new"


def test_of_two_equal_promises_the_one_that_is_there_stays() -> None:
    for number in range(5):
        book().enter(plan(f"plan-{number}", 10))

    assert (
        book().enter(plan("equal", 10)).reason
        == "5 open plans promise more; decide on one of them first"
    )
    entry = book().enter(plan("more", 10, confidence=0.6))

    assert entry.outcome == "new"
    (gone,) = book().list("superseded")
    last = gone.history[-1]
    assert gone.revision == 2
    assert (last.actor, last.source, last.target) == ("daemon", "proposed", "superseded")
    assert last.reason == "Plan more promises more, and at most 5 plans are open."
    assert book().audited_history(gone.id) == gone.history
    events = [one for one in events_of() if one["plan_id"] == gone.id]
    assert events[-1] == {
        "plan_id": gone.id, "status": "superseded", "previous": "proposed", "actor": "daemon"
    }  # fmt: skip


def events_of() -> list[dict[str, Any]]:
    store = Store.of(Project.find())
    Journal.of(store.project).flush()
    names = ("plan_id", "status", "previous", "actor")
    return [
        {name: getattr(event, name) for name in names}
        for event in store.project_events()
        if event.type == "plan_changed"
    ]


# Moving


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_walks_only_where_the_table_leads_and_all_that_it_leaves_is_written(
    seed: int,
) -> None:
    draw = random.Random(seed)
    held = book().enter(plan(), by=draw.choice([DAEMON, ADA, CLIENT])).plan
    for number in range(25):
        target, by = draw.choice(sorted(MOVES)[1:]), draw.choice([DAEMON, ADA, BOB, CLIENT])
        revision = draw.choice([None, held.revision, held.revision - 1])
        is_refused = (
            target not in MOVES[held.status]
            or revision == held.revision - 1
            or (target == "approved" and (by.kind != "person" or str(by) == held.history[0].actor))
        )
        before = len(events_of())
        try:
            moved = life.move(
                book(), held.id, target, by, reason=f"r{number}", expected_revision=revision,  # type: ignore[arg-type]
                assignee=f"a{number}",
            )  # fmt: skip
        except (IllegalMoveError, PlanChangedError, PrincipalError):
            assert is_refused
            assert book().get(held.id) == held
            assert len(events_of()) == before
            continue
        assert not is_refused
        step = moved.history[-1]
        assert step == Move(
            at=step.at, actor=str(by), source=held.status, target=target, reason=f"r{number}"
        )
        assert moved == msgspec.structs.replace(
            held, status=target, history=(*held.history, step), revision=held.revision + 1,
            assignee=f"a{number}",
        )  # fmt: skip
        assert book().get(held.id) == moved
        assert events_of()[before:] == [
            {"plan_id": held.id, "status": target, "previous": held.status, "actor": str(by)}
        ]
        held = moved
    assert book().audited_history(held.id) == held.history
    rows = tables.rows(book().store, "plan_moves", "SELECT * FROM plan_moves ORDER BY number")
    assert [row[1:] for row in rows] == [
        (number, one.at, one.actor, one.source, one.target, one.reason)
        for number, one in enumerate(held.history, 1)
    ]
    (judged,) = book().hypotheses()
    taught = [one for one in held.history if one.target in ("implemented", "failed")]
    last = next((one for one in taught if not one.actor.startswith("client")), None)
    assert judged.correct == (None if last is None else last.target == "implemented")
    assert judged.verdict == ("" if last is None else last.reason)


def test_refusals_say_who_moved_it_and_where_it_may_go() -> None:
    held = book().enter(plan(), by=ADA).plan
    with pytest.raises(PlanChangedError, match="person:ada made it proposed"):
        life.move(book(), held.id, "validated", DAEMON, expected_revision=9)
    with pytest.raises(PrincipalError) as client:
        life.move(book(), held.id, "approved", CLIENT)
    assert client.value.message == "client:s1 may not approve a plan: only a person may."
    assert client.value.hint == "A person runs: inwit self-improve approve plan-one"
    with pytest.raises(PrincipalError) as own:
        life.move(book(), held.id, "approved", ADA)
    assert own.value.message == "person:ada proposed plan plan-one and cannot approve it."
    assert own.value.hint == "Ask another person."
    with pytest.raises(IllegalMoveError):
        life.move(book(), held.id, "approved", BOB)
    stays = msgspec.structs.replace(held, replay={"reason": "nothing proves it"})
    with pytest.raises(IllegalMoveError) as hypothesis:
        life.check(stays, "in_progress", ADA, None)
    assert hypothesis.value.hint is not None
    assert hypothesis.value.hint.startswith("It stays a hypothesis: nothing proves it. ")
    with pytest.raises(IllegalMoveError) as other:
        life.check(msgspec.structs.replace(stays, status="validated"), "in_progress", ADA, None)
    assert "It stays" not in (other.value.hint or "")


@pytest.mark.parametrize(
    ("target", "by", "outcome", "verdict", "judged"),
    [("rejected", ADA, None, 0, None), ("rejected", CLIENT, None, None, None), ("expired", ADA, None, None, None),
     ("failed", ADA, None, 0, False), ("implemented", ADA, None, 1, True),
     ("rolled_back", CLIENT, {"verdict": "harm"}, 0, False), ("rolled_back", CLIENT, {"verdict": "even"}, None, None),
     ("rolled_back", ADA, {"verdict": "gain"}, 1, True), ("rolled_back", ADA, {"verdict": "even"}, 0, False),
     ("rolled_back", ADA, {"verdict": "open"}, None, None), ("rolled_back", ADA, None, None, None)],
)  # fmt: skip
def test_what_became_of_a_plan_teaches_its_detector(
    target: Any, by: Principal, outcome: Any, verdict: int | None, judged: bool | None
) -> None:
    book().enter(plan())
    if target in ("failed", "implemented", "rolled_back"):
        for way in ("validated", "approved", "in_progress"):
            life.move(book(), "plan-one", way, ADA)
    life.move(book(), "plan-one", target, by, reason="why", outcome=outcome)

    rows = tables.rows(
        book().store, "verdicts", "SELECT detector, plan, correct, reason FROM verdicts"
    )
    assert rows == ([] if verdict is None else [("by_hand", "plan-one", verdict, "why")])
    assert book().hypotheses()[0].correct is judged
    assert (book().hypotheses()[0].evaluated_at is not None) == (judged is not None)


def test_a_detector_is_muted_after_ten_verdicts_of_which_fewer_than_half_were_right() -> None:
    def learnt(right: int, wrong: int, name: str) -> learning.Precision:
        tables.declare(book().store)

        def write(connection: Any) -> learning.Precision:
            for number in range(right + wrong):
                one = plan(f"{name}-{number}", category=name)
                learning.add_verdict(connection, one, "why", correct=number >= wrong)
            return learning.precision_of(connection, name)

        return book().store.write(write)

    few, half, muted = learnt(0, 9, "few"), learnt(5, 5, "half"), learnt(4, 6, "muted")
    assert (few.is_muted, few.verdicts, few.correct, few.precision) == (False, 9, 0, 0.0)
    assert (half.is_muted, half.precision, half.until, half.note) == (False, 0.5, None, "")
    assert (muted.is_muted, muted.precision, muted.verdicts) == (True, 0.4, 10)
    assert muted.note == f"muted is muted until {muted.until}: 4 of its last 10 plans proved right"
    assert muted.until is not None
    wait = datetime.fromisoformat(muted.until) - datetime.now(UTC)
    assert timedelta(days=29.9) < wait <= timedelta(days=30)
    assert learnt(3, 8, "long").verdicts == 10
    assert [one.detector for one in book().precision()] == ["few", "half", "long", "muted"]
    assert book().precision()[3] == muted

    def set_right(connection: Any) -> learning.Precision:
        one = plan("muted-0", category="muted")
        learning.add_verdict(connection, one, "now", correct=True)
        return learning.precision_of(connection, "muted")

    again = book().store.write(set_right)
    assert (again.correct, again.verdicts, again.is_muted) == (5, 10, False)
    entry = book().enter(plan("more", category="long"))
    assert (entry.outcome, entry.plan.id) == ("muted", "more")
    assert entry.reason.startswith("long is muted until ")


def test_what_is_gone_expires_and_says_why(world: World) -> None:
    run(searcher(world), 1, world)
    Journal.of(Project.find()).flush()
    store = book().store

    def why(**more: Any) -> str | None:
        return life.why_gone(store, msgspec.structs.replace(plan(), graph_name="searcher", **more))

    assert life.why_gone(store, plan()) == "The project has no graph 'flow'."
    assert why(actions=()) == why(actions=({"node": "search"}, {"node": 3}, {})) is None
    assert why(actions=({"node": "search"}, {"node": "gone"})) == (
        "Graph 'searcher' has no node 'gone' any more."
    )
    book().enter(plan())
    with pytest.raises(ExpiredPlanError) as told:
        life.ensure_alive(book(), book().get("plan-one"))
    assert told.value.message == (
        "Plan plan-one is about something that is gone: The project has no graph 'flow'."
    )
    assert told.value.hint == "`inwit self-improve analyze` looks at what there is now."
    assert book().get("plan-one").status == "expired"
    with pytest.raises(ExpiredPlanError):
        life.ensure_alive(book(), book().get("plan-one"))
    book().enter(plan("plan-two"))
    (expired,) = life.expire(book())
    assert (expired.id, expired.status, expired.history[-1].actor) == (
        "plan-two",
        "expired",
        "daemon",
    )
    assert life.expire(book()) == []


# Applying


def versions() -> list[tuple[Any, ...]]:
    store = book().store
    found = [config_of_row(row) for row in store.write(lambda c: rows_of(c, "flow"))]
    return [(one.node, one.version, one.values, one.parent, one.share, one.plan, one.who, one.why)
            for one in found]  # fmt: skip


def change(
    plan_id: str, act: str, *, share: float = 0.5, why: str = "w", **configs: Any
) -> list[Any]:
    applied = Applied(book().store, plan_id, ADA)
    applied.declare()
    changes = Changes(graph="flow", configs=configs)

    def write(connection: Any) -> None:
        if act == "begin":
            applied.begin(connection, changes, share, why)
        else:
            getattr(applied, act)(connection, changes, why)

    book().store.write(write)
    applied.tell()
    return [(graph, row[0], row[1]) for graph, row in applied._rows]


def test_a_change_is_tried_kept_and_taken_back_in_rows() -> None:
    told = change("p1", "begin", a={"timeout_s": 1}, b={"cache": {}})
    assert told == [("flow", "a", 1), ("flow", "b", 1)]
    one: Any = ("a", 1, {"timeout_s": 1}, 0, 0.5, "p1", "person:ada", "w")
    two: Any = ("b", 1, {"cache": {}}, 0, 0.5, "p1", "person:ada", "w")
    assert versions() == [one, two]

    change("p1", "keep", why="good", a={"timeout_s": 1})
    kept = ("a", 2, {"timeout_s": 1}, 0, None, "p1", "person:ada", "good")
    assert versions() == [one, kept, two]
    assert change("p1", "keep", a={"timeout_s": 1}) == []

    change("p2", "begin", share=1, a={"retry_policy": {"max_attempts": 2}})
    change("p3", "begin", share=0.1, a={"timeout_s": 5})
    tried = (
        "a",
        4,
        {"timeout_s": 5, "retry_policy": {"max_attempts": 2}},
        3,
        0.1,
        "p3",
        "person:ada",
        "w",
    )
    assert versions()[3] == tried
    change("p3", "take_back", why="bad", a={"timeout_s": 5})
    both = {"timeout_s": 1, "retry_policy": {"max_attempts": 2}}
    assert versions()[4] == ("a", 5, both, 3, None, None, "person:ada", "bad")

    change("p1", "take_back", a={"timeout_s": 1})
    assert versions()[5] == (
        "a",
        6,
        {"retry_policy": {"max_attempts": 2}},
        5,
        None,
        None,
        "person:ada",
        "w",
    )
    change("p2", "take_back", a={"retry_policy": {"max_attempts": 2}})
    assert versions()[6][2:4] == ({}, 6)
    assert change("p9", "take_back", a={"timeout_s": 1}, none={"timeout_s": 1}) == []


def test_values_that_were_kept_go_back_to_what_they_were() -> None:
    change("p1", "begin", share=1, a={"timeout_s": 1})
    change("p2", "begin", a={"timeout_s": 2})
    change("p2", "keep", a={"timeout_s": 2})
    change("p3", "begin", share=1, a={"cache": {}})
    change("p2", "take_back", a={"timeout_s": 2})

    assert versions()[-1][1:4] == (5, {"timeout_s": 1, "cache": {}}, 4)


def test_where_a_trial_has_ended_at_one_node_the_others_are_kept_all_the_same() -> None:
    change("p1", "begin", a={"timeout_s": 1}, b={"cache": {}})
    change("p1", "take_back", a={"timeout_s": 1})

    assert change("p1", "keep", a={"timeout_s": 1}, b={"cache": {}}) == [("flow", "b", 2)]


def test_one_plan_is_tried_at_a_node_at_a_time() -> None:
    change("p1", "begin", a={"timeout_s": 1})

    with pytest.raises(InapplicableError) as busy:
        change("p2", "begin", b={"timeout_s": 1}, a={"timeout_s": 2})
    assert busy.value.message == "Plan p1 is on trial at 'a' of 'flow'."
    assert busy.value.hint == "Wait until it is measured, or roll it back."
    assert len(versions()) == 1
    change("p1", "begin", a={"timeout_s": 3})
    change("p2", "begin", b={"timeout_s": 1})
    change("p1", "keep", a={"timeout_s": 3})
    change("p2", "begin", a={"timeout_s": 2})
    assert [row[5] for row in versions()] == ["p1", "p1", "p1", "p2", "p2"]


def test_patches_are_written_for_review_and_not_run() -> None:
    def written(*patches: dict[str, Any]) -> tuple[str, str]:
        path = write_patch(book().store, plan(), Changes(graph="flow", patches=patches))
        return path.name, path.read_text("utf-8")

    assert written({"diff": "--- a\n\n"}, {"diff": "--- b"}, {"op": 1}) == (
        "plan-one.patch", "--- a\n--- b\n"
    )  # fmt: skip
    assert written({"type": "manifest_patch", "patch": [1]}) == (
        "plan-one.json",
        '[\n  {\n    "type": "manifest_patch",\n    "patch": [\n      1\n    ]\n  }\n]\n',
    )


# Deciding and settling


def test_decisions_have_a_name_a_share_and_a_short_reason() -> None:
    project = Project.find()
    book().enter(plan())

    with pytest.raises(MalformedInputError, match="action is 'aprove'"):
        deciding.decide(project, "plan-one", "aprove", ADA)
    for share in (0, -1, 1.01):
        with pytest.raises(MalformedInputError) as told:
            deciding.decide(project, "plan-one", "apply", ADA, share=share)
        assert told.value.message == f"share is {share}."
        assert told.value.hint == "It is above 0 and at most 1."
    rejected = deciding.decide(project, "plan-one", "reject", ADA, reason="a \n b" + "x" * 2000)
    assert rejected.history[-1].reason == "a b" + "x" * 997
    assert deciding.decide(project, "plan-one", "evaluate", ADA) == rejected


def test_who_settles_after_another_has_is_given_what_the_other_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book().enter(plan())
    for way in ("validated", "approved", "in_progress"):
        life.move(book(), "plan-one", way, ADA)
    stale, harm = book().get("plan-one"), Standing(
        n_control=30, n_candidate=30, e_harm=99.0, e_gain=0.0, effect=None, harm_by="duration"
    )  # fmt: skip
    monkeypatch.setattr(trials, "standing", lambda *_: harm)
    first, told = trials.settle(book(), "plan-one")
    assert (first.status, told.verdict) == ("rolled_back", "harm")
    assert first.outcome is not None
    assert first.outcome["verdict"] == "harm"
    assert first.history[-1].reason == "it harms (duration): e-value 99.0 after 60 executions"

    late = book()
    answers = [stale]
    monkeypatch.setattr(
        PlanBook,
        "get",
        lambda self, name, real=PlanBook.get: answers.pop() if answers else real(self, name),
    )
    again, _ = trials.settle(late, "plan-one")
    assert again == first


def test_the_table_of_predictions_has_what_was_measured_alone() -> None:
    for number, held in enumerate((True, False, None, True)):
        book().enter(plan(f"plan-{number}"))
        life.move(
            book(), f"plan-{number}", "rejected", ADA, outcome={"held": held, "e_gain": number}
        )
    book().enter(plan("open"))

    found = trials.calibration(book())

    assert (found.plans, found.held, found.share) == (3, 2, 2 / 3)
    assert found.rows[0] == {
        "plan": "plan-3", "title": "A change", "status": "rejected", "held": True, "e_gain": 3
    }  # fmt: skip
    assert [row["plan"] for row in found.rows] == ["plan-3", "plan-1", "plan-0"]


def test_open_plans_are_those_of_the_table() -> None:
    assert OPEN_PLAN_STATUSES == ("proposed", "validated", "approved", "in_progress")
