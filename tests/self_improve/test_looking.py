"""Why the daemon looks, what it may spend, whom it tells, and how reports and explanations read."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from inwit import END, START, StateGraph
from inwit.answers import Evidence
from inwit.errors import MalformedInputError
from inwit.plans import Effect, Hypothesis, Move, Plan
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.runtime.views import Visit
from inwit.self_improve import alerts, budget, explaining, filling, hypotheses, tables
from inwit.self_improve import report as reports
from inwit.self_improve.alerts import Alert, Alerts, alert_of, to_file
from inwit.self_improve.as_of import AsOf, position_of
from inwit.self_improve.budget import Budget, Spent
from inwit.self_improve.daemon import Cursor, Daemon, Settings, _age_s, sinks_of
from inwit.self_improve.entering import make_plan
from inwit.self_improve.explaining import Explanation, Reproduced
from inwit.self_improve.findings import Held, Lack, Symptom, check_command, quote, shown
from inwit.self_improve.leases import Lease
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.report import LookedAt, Report
from tests.self_improve.test_joining import look
from tests.self_improve.test_measuring import Record
from tests.self_improve.test_shadow import plan_of

pytestmark = pytest.mark.usefixtures("project")


def daemon(record: Any, **changed: Any) -> Daemon:
    made = Daemon(Project.find(), Settings(**changed))
    made.store = record
    return made


def about(record: Record, since: int = 40, *, looked_at: str = "t", **changed: Any) -> str:
    before = Cursor(positions={"flow": since} if since else {}, looked_at=looked_at)
    return daemon(record, **changed)._about("flow", before)


def steady(_at: int) -> float:
    return 10.0


def test_it_looks_after_so_many_new_executions() -> None:
    assert about(Record(139, duration_ms=steady)) == ""
    assert about(Record(140, duration_ms=steady)) == "100 new executions of flow"
    assert about(Record(45, duration_ms=steady), executions=5) == "5 new executions of flow"
    assert about(Record(45, duration_ms=steady), executions=5, looked_at="") == ""


def test_it_looks_where_a_fifth_of_ten_new_executions_failed() -> None:
    def told(count: int, failed: int, **more: Any) -> str:
        record = Record(
            40 + count, duration_ms=steady,
            status=lambda at: "failed" if 40 < at <= 40 + failed else "completed",
        )  # fmt: skip
        return about(record, **more)

    assert told(10, 2) == "2 of 10 new executions of flow failed"
    assert told(9, 9) == told(10, 1) == ""
    assert told(10, 4, error_rate=0.5) == ""
    assert told(10, 5, error_rate=0.5) == "5 of 10 new executions of flow failed"


def test_it_looks_where_new_executions_take_half_as_long_again() -> None:
    def told(old: int, new: int, ms: float, **more: Any) -> str:
        record = Record(old + new, duration_ms=lambda at: ms if at > old else 10.0)
        return about(record, old, **more)

    assert told(40, 20, 15.0) == "executions of flow take 15.0 ms instead of 10.0 ms"
    assert told(20, 20, 15.0) == "executions of flow take 15.0 ms instead of 10.0 ms"
    assert told(40, 20, 14.9) == told(40, 19, 99.0) == told(19, 20, 99.0) == ""
    assert told(40, 20, 15.0, drift=1.6) == ""
    assert about(Record(60, duration_ms=lambda at: at * 10.0), 0, looked_at="") == ""
    rising = Record(61, duration_ms=lambda at: float(at) if at > 40 else 10.0 + at % 3)
    assert about(rising) == "executions of flow take 51.0 ms instead of 11.0 ms"
    gone = Record(61, duration_ms=lambda at: None if at in (5, 45) else 10.0 if at <= 40 else 20.0)
    assert about(gone) == "executions of flow take 20.0 ms instead of 10.0 ms"


def test_reasons_are_looked_for_in_their_order() -> None:
    made = daemon(Record(50, duration_ms=steady), interval_s=60)
    ago = (datetime.now(UTC) - timedelta(seconds=61)).isoformat()
    now = Cursor(positions={"flow": 50}, files={"/x/app.py": 2.0})

    def told(at: str, files: dict[str, float], new: dict[str, int]) -> str:
        before = Cursor(positions={"flow": 45}, looked_at=at, files=files)
        return made._reason(before, now, new)

    recent = datetime.now(UTC).isoformat()
    assert told(ago, {}, {}) == ""
    assert told(ago, {}, {"flow": 5}) == "60 s passed"
    assert told("", {}, {"flow": 5}) == "first look"
    assert told(recent, {}, {"flow": 5}) == ""
    assert told(recent, {"/x/app.py": 1.0}, {"flow": 5}) == "app.py was changed and executed since"
    assert told(recent, {"/x/app.py": 2.0}, {"flow": 5}) == ""
    made.settings = Settings(watches_files=False, interval_s=60)
    assert told(recent, {"/x/app.py": 1.0}, {"flow": 5}) == ""
    assert _age_s("") == float("inf")
    assert 61 <= _age_s(ago) < 120


def test_settings_are_those_of_the_project_and_what_is_given() -> None:
    project = Project.find()
    project.ensure()
    (project.folder / "config.toml").write_text(
        "[self_improve]\ninterval_s = 5\nwebhook = 'https://a'\nunknown = 1\n[self_improve.budget]\nplans = 3\n"
    )

    made = Settings.of(project, interval_s=None, executions=7)

    assert (made.interval_s, made.executions, made.webhook, made.budget) == (
        5.0, 7, "https://a", Budget(plans=3)
    )  # fmt: skip
    assert (made.error_rate, made.drift, made.watches_files) == (0.2, 1.5, True)
    assert Settings() == Settings(
        interval_s=300, executions=100, error_rate=0.2, drift=1.5, watches_files=True, budget=Budget(
            seconds=600, tokens=100_000, usd=1, plans=20
        ), webhook=None, alerts_file=None,
    )  # fmt: skip


# Spending, leading, telling


def test_what_is_spent_adds_up_until_the_day_ends() -> None:
    store = Store.of(Project.find())
    assert budget.spent(store) == Spent(day=budget.today())
    budget.spend(store, seconds=1.5, plans=2)
    assert budget.spend(store, seconds=1, usd=0.5, tokens=3) == Spent(
        day=budget.today(), seconds=2.5, tokens=3, usd=0.5, plans=2
    )
    assert budget.spent(store).seconds == 2.5
    tables.keep(store, "spent", Spent(day="2020-01-01", seconds=9.0))
    assert budget.spent(store) == Spent(day=budget.today())
    assert budget.to_json(Budget(usd=None), Spent(day="d")) == {
        "limits": {"seconds": 600.0, "tokens": 100_000, "usd": None, "plans": 20},
        "spent": {"day": "d", "seconds": 0.0, "tokens": 0, "usd": 0.0, "plans": 0},
    }


def test_a_limit_that_is_reached_is_named() -> None:
    limits = Budget(seconds=2, tokens=None, plans=3)

    assert (
        budget.used_up(
            limits, Spent(seconds=1.9, tokens=10**9, plans=2), "seconds", "tokens", "plans"
        )
        == ""
    )
    assert budget.used_up(limits, Spent(seconds=2.0), "plans", "seconds") == (
        "the day's budget of seconds is used up (2 of 2)"
    )
    assert budget.used_up(limits, Spent(seconds=2.5, plans=3), "plans", "seconds") == (
        "the day's budget of plans is used up (3 of 3)"
    )


def test_a_lease_is_one_holders_until_it_runs_out_or_is_left() -> None:
    store = Store.of(Project.find())
    one, other, named = Lease(store), Lease(store), Lease(store, "else")
    assert one.leader() is None
    assert one.take()
    assert one.take()
    assert not other.take()
    assert named.take()
    assert one.leader() == other.leader() == one.holder != other.holder
    other.leave()
    assert one.leader() == one.holder
    one.leave()
    assert other.take()
    over = Lease(store, "over", lasts_s=-1)
    assert over.take()
    assert over.leader() is None
    assert Lease(store, "over").take()


def test_a_lease_of_before_the_clock_was_set_back_is_no_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, ahead_ns = Store.of(Project.find()), time.time_ns() + 3_600 * 10**9
    with monkeypatch.context() as clock:
        clock.setattr("inwit.self_improve.leases.time", SimpleNamespace(time_ns=lambda: ahead_ns))
        gone = Lease(store)
        assert gone.take()

    after = Lease(store)

    assert after.leader() is None
    assert after.take()
    assert not gone.take()


def test_a_record_is_as_it_was_at_a_position() -> None:
    record: Any = Record(100, status=lambda at: "failed" if at % 2 else "completed")
    then = AsOf(record, 40)

    assert [one.position for one in then.newest(3, graph="flow")] == [40, 39, 38]
    assert [one.position for one in then.newest(3, graph="flow", status="completed")] == [
        40,
        38,
        36,
    ]
    assert len(then.newest(99, graph="flow")) == 40
    assert AsOf(record, 0).newest(3, graph="flow") == []
    assert then.executions is record.executions
    assert position_of(Store.of(Project.find())) == 0


def plan(**more: Any) -> Plan:
    move = Move(
        at="2026-01-01T00:00:00Z", actor="daemon", source="", target="proposed", reason="why"
    )
    return msgspec.structs.replace(plan_of("flow"), history=(move,), **more)


def test_an_alert_says_what_a_plan_has_become() -> None:
    assert alert_of(plan(status="approved", revision=3)) == Alert(
        at="2026-01-01T00:00:00Z", plan_id="by-hand", status="approved", title="A change",
        graph_name="flow", text="approved: A change. why", revision=3,
    )  # fmt: skip


def test_receivers_that_fail_are_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Alert] = []

    def broken(_: Alert) -> None:
        raise OSError("gone")

    def refused(_: Alert) -> None:
        raise MalformedInputError("odd", hint="")

    made = Alerts([broken, told.append, refused, to_file(tmp_path / "alerts")])
    with caplog.at_level(logging.WARNING, logger="inwit"):
        assert made.tell([plan(), plan(status="approved")]) == 4

    assert [one.status for one in told] == ["proposed", "approved"]
    assert [
        msgspec.json.decode(line, type=Alert)
        for line in (tmp_path / "alerts").read_bytes().splitlines()
    ] == told
    assert made.failures == [
        "an alert could not be delivered: gone", "an alert could not be delivered: odd"
    ]  # fmt: skip
    assert [one.getMessage() for one in caplog.records] == [
        f"inwit: warning: {one}" for one in made.failures
    ]
    expected = hmac.new(b"s", b"12.body", hashlib.sha256).hexdigest()
    assert alerts.sign(b"s", "12", b"body") == expected
    sinks = sinks_of(Project.find(), Settings(alerts_file="a", webhook="https://a"), told.append)
    assert len(sinks._sinks) == 3
    assert sinks_of(Project.find(), Settings())._sinks == ()


# Hypotheses


def versioned(**more: Any) -> Plan:
    return msgspec.structs.replace(
        plan(),
        baseline={"median_ms": 10.0},
        candidate={"graph_version": "v1"},
        actions=({"node": "n"},),
        **more,
    )


class Visits(Record):
    """A record whose newest version has visits of some milliseconds."""

    def __init__(self, took: list[float], version: str = "v2", count: int = 1) -> None:
        super().__init__(count, graph_version=lambda _: version)
        self.took = took

    def recent_visits(self, graph: str, *, version: str, executions: int) -> list[Visit]:
        assert (graph, version, executions) == ("flow", "v2", 200)
        made = [("n", "completed", ms) for ms in self.took] + [
            ("m", "completed", 99.0),
            ("n", "failed", 99.0),
        ]
        return [
            Visit(execution_id="e", graph_name="flow", graph_version=version, node=node, visit=1, entry_seq=1,
                  exit_seq=2, started_ns=0, duration_ms=ms + 3.0, retry_ms=3.0, status=status)  # type: ignore[arg-type]
            for node, status, ms in made
        ]  # fmt: skip


def test_a_node_is_as_fast_again_after_forty_visits_of_a_later_version() -> None:
    def told(record: Any) -> tuple[bool, str] | None:
        return hypotheses._by_version(record, versioned())

    assert told(Visits([10.9] * 40)) == (
        True,
        "40 visits of version v2: median 10.90 ms, 10.00 ms before",
    )
    assert told(Visits([11.1] * 41)) == (
        False,
        "41 visits of version v2: median 11.10 ms, 10.00 ms before",
    )
    assert told(Visits([9.0] * 39)) is None
    assert told(Visits([9.0] * 40, "v1")) is None
    assert told(Visits([9.0] * 40, count=0)) is None


@pytest.mark.parametrize(
    ("actions", "node"),
    [(({"node": "a"}, {"node": "b"}), "a"), (({"node": 3}, {"node": "b"}), "b"), ((), None),
     (({"patch": [{"op": "add", "value": "x"}, {"op": "test", "value": "c"}]},), "c"), (({"patch": ["odd"]},), None)],
)  # fmt: skip
def test_the_node_of_a_plan_is_what_its_actions_name(actions: Any, node: str | None) -> None:
    made = versioned()

    assert hypotheses._node(msgspec.structs.replace(made, actions=actions)) == node


def test_a_hypothesis_about_a_version_is_evaluated_by_the_next() -> None:
    ends = "the plan's trial ends"
    assert (
        hypotheses.trigger_of(versioned())
        == f"40 visits of a later version are on record, or {ends}"
    )
    others: Any = ({"baseline": {}}, {"candidate": {}}, {"actions": ()})
    for other in others:
        assert hypotheses.trigger_of(msgspec.structs.replace(versioned(), **other)) == ends
    book = PlanBook.of(Store.of(Project.find()))
    book.enter(plan())
    assert hypotheses.evaluate_due(book) == []
    (one,) = book.hypotheses()
    assert isinstance(one, Hypothesis)
    assert one.correct is None


@pytest.mark.parametrize(
    ("before_ms", "visits", "correct"), [(1e9, 40, True), (1e-9, 40, False), (1e9, 39, None)]
)
def test_a_hypothesis_is_judged_by_what_forty_visits_of_the_next_version_took(
    before_ms: float, visits: int, correct: bool | None
) -> None:
    graph = StateGraph(dict)
    graph.add_node("n", lambda state: {}).add_edge(START, "n").add_edge("n", END)
    app = graph.compile(name="flow")
    for _ in range(visits):
        app.invoke({})
    Journal.of(app.project).flush()
    book = PlanBook.of(Store.of(app.project))
    book.enter(msgspec.structs.replace(versioned(), baseline={"median_ms": before_ms}))
    book.enter(msgspec.structs.replace(plan(), id="other", fingerprint="other"))

    judged = hypotheses.evaluate_due(book)

    assert [(one.plan_id, one.correct) for one in judged] == [("by-hand", correct)][: visits // 40]
    assert {one.plan_id: one.correct for one in book.hypotheses()} == {
        "by-hand": correct,
        "other": None,
    }
    assert all(one.verdict.startswith("40 visits of version ") for one in judged)
    assert hypotheses.evaluate_due(book) == []


# Reading


def test_texts_of_traces_are_quoted_in_one_short_line() -> None:
    assert quote("a\n  b\tc") == "a b c"
    assert quote("x" * 160) == "x" * 160
    assert quote("x" * 161) == "x" * 159 + "…"
    assert quote("a\u202eb") == "a\N{REPLACEMENT CHARACTER}b"
    assert shown("n" * 70) == repr("n" * 60)
    assert check_command("--x; rm") == "inwit self-improve analyze '--graph=--x; rm' --json"
    assert check_command("flow") == "inwit self-improve analyze --graph=flow --json"


def finding(**more: Any) -> Any:
    found = look("error_burst", "n", subject="tool:x", evidence="execution://e/1").finding
    assert found is not None
    return msgspec.structs.replace(found, **more)


def test_a_finding_is_the_same_whatever_its_version_but_for_a_slowdown() -> None:
    one = finding()
    prints = {one.fingerprint, *(finding(**more).fingerprint for more in (
        {"node": "m"}, {"subject": ""}, {"graph_name": "g"}, {"detector": "d"},
        {"detector": "latency_regression"}, {"detector": "latency_regression", "graph_version": "v2"}))}  # fmt: skip

    assert len(prints) == 7
    assert finding(graph_version="v2", p_value=0.5, statement="x").fingerprint == one.fingerprint
    assert len(one.fingerprint) == 32


def test_a_plan_is_made_of_a_finding_and_its_draft() -> None:
    one = finding(q_value=0.25)
    made = make_plan(one)

    assert (made.fingerprint, made.category, made.graph_name) == (
        one.fingerprint,
        "error_burst",
        "flow",
    )
    assert (made.title, made.actions, made.evidence) == (
        one.draft.title,
        one.draft.actions,
        one.evidence,
    )
    assert (made.baseline, made.candidate, made.effect) == (one.baseline, one.candidate, one.effect)
    assert made.validation.command == check_command("flow")
    assert made.confidence == 0.75
    assert make_plan(finding(q_value=0.0)).confidence == 0.999
    assert make_plan(finding(confidence=0.12346)).confidence == 0.1235


def test_a_report_reads_line_by_line() -> None:
    gain = Effect(point=5, low=2, high=8, unit="ms per execution")
    symptom = Symptom(detector="d", graph_name="flow", node="m", statement="s*", reason="r")
    bare = look("drift", "z", acts=False).finding
    assert bare is not None
    made = Report(
        at="now", findings=(finding(symptoms=(symptom,), limits=("few",)), bare),
        looked_at=LookedAt(executions=1200, visits=3400, nodes=5, outer_calls=1000, tests=7,
                           unfinished_visits=2, versions=("flow@v1",)),
        plans=(plan(expected_gain=gain, risk="none"), plan()), known=(plan(status="approved"),),
        held=(Held(detector="d", graph_name="flow", node="h", reason="why"),),
        lacks=(Lack(detector="d", graph_name="flow", node="l", reason="few", executions_needed=1500),
               Lack(detector="d", graph_name="flow", node="k", reason="none")),
    )  # fmt: skip

    lines = reports.to_markdown(made).splitlines()

    assert lines[:6] == [
        "# What the traces say, now", "",
        (
            "Looked at 1,200 executions with 3,400 visits of 5 nodes and 1,000 tool and model calls; "
            "7 tests, adjusted for each other."
        ),
        "2 unfinished visits were left out.", "", "- flow@v1",
    ]  # fmt: skip
    assert lines[6].startswith("- thresholds: block_size 10, blocks_min 4, ")
    assert lines[7:18] == [
        "", "## Findings", "", "- **error_burst** n is said", "  effect 1 (1 to 1) ms, p 0.001, adjusted 1",
        "  - execution://e/1: ", "  - follows from it: s\\* (r)", "  - few", "- **drift** z is said",
        "  effect 1 (1 to 1) ms, p 0.001, adjusted 1", "  - a hypothesis, nothing is proposed: ",
    ]  # fmt: skip
    assert lines[18:] == [
        "", "## New plans", "", "- **A change** (`by-hand`, confidence 0.50)", "  It helps.",
        "  Gain 5 (2 to 8) ms per execution.", "  Risk: none", "- **A change** (`by-hand`, confidence 0.50)",
        "  It helps.", "  The gain cannot be predicted from the record.", "  Risk: ",
        "- known already: A change (`by-hand`, approved)", "", "## Held back", "", "- flow/h, d: why", "",
        "## Not judged yet", "", "- flow/l, d: few; needs 1,500 more executions", "- flow/k, d: none",
    ]  # fmt: skip
    empty = reports.to_markdown(Report(at="now", looked_at=LookedAt()))
    assert empty.count("None.") == 2
    assert "Held back" not in empty
    assert "unfinished" not in empty
    assert (
        reports.escape("a_b _c_ `x` <b> [l] #1\n|!")
        == "a_b \\_c\\_ \\`x\\` \\<b\\> \\[l\\] \\#1 \\|\\!"
    )


def test_an_explanation_tells_what_differs() -> None:
    effect = {"point": 1, "low": 0, "high": 2, "unit": "ms", "method": "m"}
    numbers = (
        Reproduced(what="effect", stated=effect, found=effect, is_same=True, how="again"),
        Reproduced(what="n", stated=3, found="a\nb", is_same=False, how="counted"),
    )
    history: Any = ({"at": "t", "actor": "a", "from": "", "to": "proposed", "reason": ""},
                    {"at": "u", "actor": "b", "from": "proposed", "to": "approved", "reason": "fine"})  # fmt: skip
    made = Explanation(
        plan_id="p", title="T", status="approved", hypothesis="H", numbers=numbers, history=history
    )

    assert explaining.to_markdown(made) == (
        "# T\n\nH\n\nStatus: approved\n\n- t a: nothing to proposed\n- u b: proposed to approved: fine\n\n"
        "## Every number, from the record\n\n- effect: 1 (0 to 2) ms (same; again)\n"
        "- n: 3 (DIFFERS; counted)\n  now: a b\n"
    )
    assert not made.is_reproduced
    assert msgspec.structs.replace(made, numbers=numbers[:1]).is_reproduced


def test_an_explanation_says_what_is_gone_and_what_was_made_up() -> None:
    book = PlanBook.of(Store.of(Project.find()))
    wrong = tuple(
        Evidence(uri=uri, quote="q")
        for uri in ("execution://none/events/1", "odd", "execution://e/events/x")
    )
    held = book.enter(plan(evidence=wrong)).plan

    found = explaining.explain(book, held)

    assert [one.what for one in found.numbers] == [
        *(f"evidence {one.uri}" for one in wrong),
        "history",
    ]
    assert [one.is_same for one in found.numbers] == [False, False, False, True]
    assert all(
        one.stated == "q" and str(one.found).startswith("gone: ") for one in found.numbers[:3]
    )
    assert found.numbers[3].stated == found.numbers[3].found == ["proposed"]
    assert (found.plan_id, found.title, found.status, found.hypothesis) == (
        "by-hand", "A change", "proposed", "It helps."
    )  # fmt: skip
    assert found.history[0]["to"] == "proposed"


def test_what_is_missing_is_searched_for_in_words() -> None:
    missing = filling.KINDS[0]

    assert (
        filling._wanted(finding(detector=missing, subject="tool:send_mail-fast"))
        == "send mail fast"
    )
    said = Evidence(uri="u", quote="What rains (asked 3 times)")
    assert filling._wanted(finding(detector=filling.KINDS[1], evidence=(said,))) == "What rains"
    assert filling._wanted(finding(detector=filling.KINDS[1], evidence=())) == ""


def test_a_gap_that_a_package_fills_proposes_it_and_nothing_else_does() -> None:
    bare = look(filling.KINDS[0], "n", subject="tool:deep research agent graph", acts=False).finding
    assert bare is not None
    with_subject = msgspec.structs.replace(bare, subject="tool:react_agent")
    others = (finding(), msgspec.structs.replace(with_subject, subject="tool:web_search"),
              msgspec.structs.replace(with_subject, graph_name=""),
              msgspec.structs.replace(with_subject, draft=finding().draft))  # fmt: skip
    made = Report(at="now", looked_at=LookedAt(), findings=(with_subject, *others))

    filled = filling.with_packages(Project.find(), made).findings

    assert filled[1:] == others
    (action,) = filled[0].draft.actions
    assert (action["type"], action["graph"]) == ("package", "flow")
    package = action["package"]
    assert package == "inwit/react-agent"
    assert filled[0].draft.title == f"Install {package!r} for what is missing"
    assert filled[0].draft.rollback == f"Uninstall {package!r}."
    assert filled[0].draft.hypothesis == f"Package {package!r} does what was asked for in vain."
