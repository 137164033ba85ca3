"""What analyses tell of made records, word by word: a server's history, a trial, a plan, a budget, a limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from inwit import events
from inwit.introspection.analyses import (
    budgets,
    groups_apart,
    history,
    model_prompts,
    planned,
    slow_reasons,
    suspects,
    whatif_load,
    whatif_tried,
    whatis_network,
    why_cost,
    why_failed,
)
from inwit.introspection.changes import Change
from inwit.introspection.claims import Draft
from inwit.introspection.predict import Prediction
from inwit.introspection.prometheus import History, Sample
from inwit.introspection.scene import Scene, Window
from inwit.introspection.schedule import Schedule, Task
from inwit.introspection.trial import Trial
from inwit.plans import Effect, Move, Plan, Validation
from inwit.registry.peers import PeerBook
from inwit.runtime.project import Project
from inwit.runtime.views import Execution, Visit

AT = "2026-05-15T10:00:00Z"


def ran(number: int = 1, **more: Any) -> Execution:
    told: dict[str, Any] = {"status": "completed", "started_at": AT} | more
    return Execution(execution_id=f"e{number}", graph_name="shop", graph_version="v1", **told)


def visited(node: str, number: int = 1, **more: Any) -> Visit:
    told: dict[str, Any] = {"entry_seq": 2 * number, "started_ns": 0, "status": "completed"} | more
    return Visit(
        execution_id="e1", graph_name="shop", graph_version="v1", node=node, visit=number, **told
    )


def scene(words: str = "", **more: Any) -> Scene:
    def says(pattern: str) -> bool:
        return re.search(rf"\b(?:{pattern})", words) is not None

    told: dict[str, Any] = {"words": words, "says": says, "window": None, "node": None} | more
    return cast("Scene", SimpleNamespace(**told))


def said(draft: Draft) -> list[str]:
    return [one.text for one in draft.claims]


class Kept:
    """A server's history that gives one value to each kind of query, and keeps what it was asked."""

    shown = "http://prometheus"

    def __init__(self, **values: float) -> None:
        self.values = values
        self.asked: list[str] = []

    def query(self, expression: str, at_s: int) -> Sequence[Sample]:
        self.asked.append(expression)
        if "executions_total" in expression:
            return [Sample((("status", name),), value) for name, value in self.values.items()
                    if name in ("completed", "failed")]  # fmt: skip
        found = [value for name, value in self.values.items() if name in expression]
        return [Sample((), value) for value in found]

    def uri(self, expression: str, at_s: int) -> str:
        return f"prometheus://{self.asked.index(expression)}"


def told_of(kept: Kept, asked: Scene) -> Draft:
    draft = Draft()
    history._tell(asked, draft, cast("History", kept), 'a "shop"')
    return draft


HOUR = Window(since_ns=10_000 * 10**9, until_ns=13_600 * 10**9, words="then")


def test_a_servers_history_counts_executions_by_status() -> None:
    kept = Kept(completed=41.4, failed=2.0)

    draft = told_of(kept, scene("how many executions failed", window=HOUR))

    assert kept.asked == [
        r'sum by (status) (increase(inwit_executions_total{graph="a \"shop\""}[3600s]))'
    ]
    assert draft.data["prometheus"]["executions"] == {"completed": 41, "failed": 2}
    assert said(draft) == [
        'By Prometheus\' history of then: 43 executions of a "shop", 41 completed and 2 failed.'
    ]


def test_a_servers_history_without_executions_says_so() -> None:
    (text,) = said(told_of(Kept(completed=float("nan")), scene("how many executions", window=HOUR)))

    assert "then" in text
    assert "no" in text.lower()


@pytest.mark.parametrize("far", ["a", 'a"b', "a\\b", "a\nb"])
def test_names_are_escaped_in_queries(far: str) -> None:
    escaped = history._escaped(far)

    assert "\n" not in escaped
    assert escaped.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\") == far


@pytest.mark.parametrize(
    ("values", "first"), [([], None), ([2.5, 7.0], 2.5), ([float("nan"), 7.0], 7.0), ([float("inf")], None)]
)  # fmt: skip
def test_the_first_finite_value_is_taken(values: list[float], first: float | None) -> None:
    assert history._only([Sample((), one) for one in values]) == first


def test_the_last_thirty_days_end_now_and_a_span_lasts_a_while_at_least() -> None:
    span_s, at_s = history._span(scene())
    assert span_s == history.DAYS * 86_400
    assert at_s % history.ROUND_S == 0

    assert history._span(scene(window=HOUR)) == (3600, 13_600 // history.ROUND_S * history.ROUND_S)
    short = Window(since_ns=10 * 10**9, until_ns=11 * 10**9, words="then")
    assert history._span(scene(window=short))[0] == history.ROUND_S


def shape(*took: float, execution: Execution | None = None) -> Schedule:
    tasks = tuple(Task(index=n, visit=visited("ask", n + 1), start=sum(took[:n]), duration=one)
                  for n, one in enumerate(took))  # fmt: skip
    return Schedule(execution=execution or ran(), tasks=tasks, tail=0.0, total=sum(took))


def trial(**more: Any) -> Trial:
    told: dict[str, Any] = {
        "ids": ["e1", "e2"],
        "unchanged": [20.0, 22.0],
        "changed": [10.0, 12.0],
        "same": 2,
    }
    return Trial(change=Change(kind="cached", nodes=("ask",)), **(told | more))


@pytest.mark.parametrize(
    ("found", "after", "texts"),
    [
        ({}, [11.0],
         [("Really tried on 2 recorded executions: 11.0 ms at the median with the change, where 11.0 ms was"
          " foretold (0.0% off); without it they take 21.0 ms now. All 2 ended with the same state.")]),
        ({"same": 1, "not_run": ["fetch"]}, [22.0],
         [("Really tried on 2 recorded executions: 11.0 ms at the median with the change, where 22.0 ms was"
          " foretold (100.0% off); without it they take 21.0 ms now. 1 of 2 ended with the same state."),
          "fetch was not run, not being declared pure: the record's results and times stood in."]),
        ({"failed": 1, "same": 0, "not_run": ["fetch", "send"], "left_out": 1}, [],
         [("Really tried on 2 recorded executions: 11.0 ms at the median with the change; without it they"
          " take 21.0 ms now. 1 of 2 failed with it, 0 ended with the same state."),
          "fetch and send were not run, not being declared pure: the record's results and times stood in.",
          "1 execution could not be run so and count for nothing."]),
    ],
)  # fmt: skip
def test_a_trial_is_told_beside_what_was_foretold(
    found: dict[str, Any], after: list[float], texts: list[str]
) -> None:
    draft = Draft()
    done = [shape(20.0, execution=ran(n)) for n in (1, 2)]

    whatif_tried._tell(draft, trial(**found), done, Prediction(feasible=True, after=after))

    assert said(draft) == texts
    assert [one.uri for one in draft.claims[0].refs] == [
        "execution://e1/summary",
        "execution://e2/summary",
    ]
    shown = draft.data["verification"]
    assert (shown["tried"], shown["n"]) == (True, 2)
    assert shown["error"] == (None if not after else round(abs(after[0] - 11) / 11, 4))


def test_what_could_not_be_tried_says_for_which_nodes() -> None:
    assert whatif_tried._left_out(trial(left_out=3, not_run=["fetch", "send"])) == (
        "all 3 executions went where the record gives no answer, for fetch and send would be given"
        " something else and may not run"
    )


def plan(**more: Any) -> Plan:
    gain = Effect(point=12.0, low=8.5, high=15.25, unit="ms")
    told: dict[str, Any] = {
        "id": "ab12", "fingerprint": "f", "title": "Cache ask", "hypothesis": "Its inputs repeat.",
        "category": "latency", "graph_name": "shop", "evidence": (), "baseline": {}, "candidate": {},
        "effect": gain, "expected_gain": gain, "confidence": 0.9, "actions": (), "risk": "low",
        "validation": Validation(command="x", expected="y"), "rollback": "none",
    }  # fmt: skip
    return Plan(**(told | more))


def test_a_plan_is_told_with_its_gain_its_moves_and_what_was_measured() -> None:
    moves = (
        Move(at=AT, actor="mira", source="proposed", target="approved", reason="it is sound"),
        Move(at=AT, actor="host", source="approved", target="applied"),
    )
    draft, bare = Draft(), Draft()

    planned._tell(draft, plan(history=moves, outcome={"verdict": "better"}))
    planned._tell(bare, plan(expected_gain=None, outcome={}))

    assert said(draft) == [
        "Why: Its inputs repeat.", "It should gain 12 ms (8.5 to 15.2).",
        f"{AT}: mira made it approved: “it is sound”.", f"{AT}: host made it applied.",
        "What was measured: better.",
    ]  # fmt: skip
    assert {ref.uri for one in draft.claims for ref in one.refs} == {"plan://ab12"}
    assert said(bare) == ["Why: Its inputs repeat."]


@pytest.mark.parametrize(
    ("words", "status", "fits"),
    [
        ("which plans are there", None, True), ("which plans were proposed", "proposed", True),
        ("which plans are applied", "applied", True), ("which plans are approved", "approved", False),
        ("when was the plan approved", "approved", True), ("was a plan rejected", "rejected", False),
    ],
)  # fmt: skip
def test_a_plan_is_meant_by_its_status_or_by_what_became_of_it(
    words: str, status: Any, fits: bool
) -> None:
    moves = (Move(at=AT, actor="mira", source="proposed", target="approved"),)
    told = planned._fits(scene(words), plan(status="applied", history=moves), status)

    assert told is fits


def llm(
    node: str | None, tokens: int, cost: float | None, seq: int = 1, **more: Any
) -> events.LlmCompleted:
    return events.LlmCompleted(
        execution_id="e1", seq=seq, ts=AT, node=node, call_id=str(seq), model="m",
        input_tokens=tokens, output_tokens=1, cost_usd=cost, **more,
    )  # fmt: skip


def test_what_ran_out_is_told_by_who_spent_it() -> None:
    calls = [
        llm("ask", 10, 0.5, 3),
        llm("ask", 20, None, 4),
        llm(None, 99, 0.25, 5),
        llm("idle", 0, 0.0, 6),
    ]
    asked = scene(events=lambda name: [*calls, events.CacheHit(seq=9, ts=AT, key="k")])
    out = events.Failure(type="BudgetError", message="", code="execution.budget_tokens")
    draft = Draft()

    budgets.say_spent(asked, draft, ran(error=out))

    assert said(draft) == [
        "outside of nodes spent 100 tokens in 1 model call, $0.250000.",
        "ask spent 32 tokens in 2 model calls, at least $0.500000 (1 call has no price).",
        "idle spent 1 tokens in 1 model call, $0.000000.",
    ]
    assert draft.data == {
        "budget": "tokens",
        "spent": {"ask": 32, "outside of nodes": 100, "idle": 1},
    }
    assert draft.claims[1].refs[0].uri == calls[0].uri


@pytest.mark.parametrize(
    ("kind", "text", "spent"),
    [
        (
            "deadline",
            "It was spent on send (30.0 ms) and ask (25.0 ms).",
            {"send": 30.0, "ask": 25.0},
        ),
        ("steps", "It was spent on ask twice and send once.", {"ask": 2, "send": 1}),
    ],
)
def test_a_deadline_is_spent_in_time_and_steps_in_visits(
    kind: str, text: str, spent: dict[str, float]
) -> None:
    visits = [visited("ask", duration_ms=10.0), visited("send", duration_ms=30.0),
              visited("ask", 2, duration_ms=15.0), visited("wait", duration_ms=None)][:3]  # fmt: skip
    out = events.Failure(type="BudgetError", message="", code=f"execution.budget_{kind}")
    draft, none = Draft(), Draft()

    budgets.say_spent(scene(visits=lambda name: visits), draft, ran(error=out))
    budgets.say_spent(scene(visits=lambda name: []), none, ran(error=out))

    assert said(draft) == [text]
    assert draft.data == {"budget": kind, "spent": spent}
    assert none.claims == []


@pytest.mark.parametrize(
    ("code", "kind"), [("execution.budget_cost", "cost"), ("execution.cancelled", ""), ("", "")]
)
def test_which_budget_ran_out_is_said_by_the_errors_code(code: str, kind: str) -> None:
    assert budgets.ran_out(ran(error=events.Failure(type="E", message="", code=code))) == kind
    assert budgets.ran_out(ran()) == ""


def test_a_failed_call_has_no_price_to_miss() -> None:
    spent = why_cost.Spent()
    spent.add(llm("ask", 5, None, error=events.Failure(type="E", message="")))

    assert (spent.calls, spent.tokens, spent.cost, spent.unpriced) == (1, 6, None, 0)


def waited(
    ms: float, visit: int = 1, node: str = "ask", name: str = "rate_limited"
) -> events.Custom:
    return events.Custom(execution_id="e1", seq=visit, ts=AT, node=node, visit=visit, name=name,
                         data={"waited_ms": ms})  # fmt: skip


def test_waits_for_limits_are_added_up_by_visit() -> None:
    found = [
        waited(3.0),
        waited(4.0),
        waited(5.0, 2),
        waited(9.0, 7),
        waited(9.0, node="send"),
        waited(9.0, name="mark"),
    ]
    store = SimpleNamespace(events=lambda name, types: found)

    assert whatif_load.waits(scene(store=store), shape(10.0, 20.0)) == {0: 7.0, 1: 5.0}


@pytest.mark.parametrize(("ms", "is_limit"), [(20.0, True), (15.0, True), (14.9, False)])
def test_a_queue_that_took_half_of_the_excess_is_the_reason(ms: float, is_limit: bool) -> None:
    one = shape(40.0)
    suspect = suspects.Suspect(node="ask", kind="slower", tasks=one.tasks, usual=(10.0, 9.0, 11.0),
                               restored=lambda task, usual: usual)  # fmt: skip
    store = SimpleNamespace(
        events=lambda name, types: [waited(ms), waited(99.0, 2), waited(99.0, node="x")]
    )

    found = slow_reasons._limited(scene(store=store), suspect, one)

    assert (found is not None) is is_limit
    if found is not None:
        assert found.kind == "waiting"
        assert found.told == {"waited_ms": ms, "limit": "rate_limited"}
        assert found.words == (
            f"ask waited {ms:.1f} ms for {slow_reasons.LIMITS['rate_limited']}, of the 40.0 ms that it took"
        )


@pytest.mark.parametrize(
    ("execution", "text"),
    [
        (ran(status="cancelled", reason="by mira"), "It was cancelled: by mira."),
        (ran(status="cancelled"), "It was cancelled; no reason was given."),
        (ran(status="failed", reason="host lost", current_node="ask"),
         "It failed: its process died while it was at ask (host lost)."),
        (ran(status="failed", reason="host lost"), "It failed: its process died (host lost)."),
    ],
)  # fmt: skip
def test_how_an_execution_ended_is_told_with_its_reason(execution: Execution, text: str) -> None:
    draft = Draft()
    choice = cast("Any", SimpleNamespace(execution=execution, words="it"))
    store = SimpleNamespace(events=lambda name, types: [])

    why_failed._say_end(scene(events=lambda name: [], store=store), draft, choice)

    assert said(draft) == [text]
    assert draft.claims[0].refs[0].uri == execution.uri


@pytest.mark.parametrize(
    ("words", "text", "name"),
    [
        ("what did it cost", "Its history shows $0.250000.", "cost_usd"),
        ("how many tokens", "Its history shows 1,234 tokens.", "tokens"),
    ],
)
def test_a_servers_history_tells_what_was_spent(words: str, text: str, name: str) -> None:
    kept = Kept(completed=3.0, cost=0.25, tokens=1234.4)

    draft = told_of(kept, scene(words, window=HOUR))

    assert said(draft)[1:] == [text]
    assert draft.claims[1].refs[0].uri == f"prometheus://{len(kept.asked) - 1}"
    assert draft.data["prometheus"][name] == pytest.approx(0.25 if name == "cost_usd" else 1234.4)


@pytest.mark.parametrize(("words", "q"), [("how slow is it", 50), ("what is its p95", 95)])
def test_a_servers_history_tells_how_long_a_node_takes(words: str, q: int) -> None:
    kept = Kept(completed=3.0, histogram_quantile=0.0125)

    draft = told_of(kept, scene(words, window=HOUR, node="ask"))

    assert draft.data["prometheus"][f"p{q}_ms"] == 12.5
    assert f"{q / 100:g}" in kept.asked[-1]
    assert 'graph="a \\"shop\\"",node="ask"' in kept.asked[-1]
    (told,) = said(draft)[1:]
    assert "ask" in told and "12.5 ms" in told and str(q) in told


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("plain", "“plain”."), ({"role": "user", "content": "hi"}, "user: “hi”."),
        ({"type": "human", "content": "hi"}, "human: “hi”."), ({"content": "hi"}, "message: “hi”."),
        ({"role": "tool", "tool_calls": ["x"]}, "tool: “['x']”."),
        ({"role": "r" * 41, "content": "hi"}, f"{'r' * 39}…: “hi”."),
        ({"role": "r" * 40, "content": "hi"}, f"{'r' * 40}: “hi”."),
    ],
)  # fmt: skip
def test_a_message_to_a_model_is_told_with_who_says_it(message: Any, text: str) -> None:
    assert model_prompts._told(message) == text


@pytest.mark.parametrize(
    ("peers", "listed"),
    [
        (0, "No peer is listed; `inwit network add NAME URL` names one."),
        (1, "1 peer is listed: p0."), (2, "2 peers are listed: p0 and p1."),
    ],
)  # fmt: skip
def test_peers_and_hosts_are_told_or_how_they_begin(project: Path, peers: int, listed: str) -> None:
    here = Project.find()
    for n in range(peers):
        PeerBook(here).add(f"p{n}", f"http://127.0.0.1:{9000 + n}", key="")
    if peers > 1:
        (here.folder / "host.json").write_text('{"address": "http://127.0.0.1:9"}', "utf-8")

    draft = whatis_network.answer(scene("who is near", project=here, named=lambda kind: []))

    host = ("This project's host answers at http://127.0.0.1:9, on this machine." if peers > 1 else
            "No host of this project is running; `inwit serve` or app.serve() starts one.")  # fmt: skip
    assert said(draft) == [host, listed]
    assert {ref.uri for one in draft.claims for ref in one.refs} == {"platform://network"}
    assert [one["name"] for one in draft.data["peers"]] == [f"p{n}" for n in range(peers)]


def test_failures_of_one_kind_are_counted_together_wherever_they_came() -> None:
    def failed(number: int, node: str, kind: str, message: str) -> Execution:
        error = events.Failure(type=kind, message=message)
        return ran(number, status="failed", error=error, error_node=node)

    bad = [failed(5, "pay", "CardError", "refused"), failed(4, "ask", "KeyError", "x"),
           failed(3, "pay", "CardError", "expired"), failed(2, "ask", "KeyError", "x"),
           failed(1, "pay", "CardError", "refused")]  # fmt: skip
    draft = Draft(data={"causes": []})

    store = SimpleNamespace(events=lambda name, types: [])
    groups_apart._say_where(scene(store=store), draft, bad)

    assert said(draft) == [
        "3 of 5 ended in pay, the last with CardError: “refused”.",
        "2 of 5 ended in ask with KeyError: “x”.",
    ]
    assert [ref.uri for ref in draft.claims[0].refs] == [bad[n].uri for n in (0, 2, 4)]
    assert [(one["node"], one["n"]) for one in draft.data["causes"]] == [("pay", 3), ("ask", 2)]
    assert draft.data["execution_id"] == "e5"
