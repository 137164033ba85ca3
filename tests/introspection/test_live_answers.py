"""State, when, am I: what runs, how it is, when it was."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic_ns
from typing import Any, TypedDict

import pytest

from inwit import StateGraph
from inwit.ids import new_id
from inwit.runtime import record
from inwit.runtime.record import Recording, anchor
from inwit.runtime.store import Journal
from tests.introspection.planting import (
    Forged,
    Step,
    asked,
    chaining,
    evidence_holds,
    fetching,
    introspector,
    looping,
    uris,
)


class Slow(TypedDict):
    text: str


def healthy(forged: Forged, ms: float = 40) -> str:
    return forged.run(
        Step("clean", 5, None, ("web",)), Step("web", ms, {"web": "w"}, ("docs",)),
        Step("docs", 20, None, ("join",)), Step("join", 5, None, ("__end__",)),
    )  # fmt: skip


def verdicts(data: dict[str, Any]) -> dict[str, str]:
    return {one["metric"]: one["verdict"] for one in data["verdicts"]}


def test_a_running_execution_is_seen_with_the_node_it_is_at(project: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    def work(state: Slow) -> dict[str, Any]:
        entered.set()
        assert release.wait(20)
        return {"text": "done"}

    graph = StateGraph(Slow)
    graph.add_node("work", work)
    graph.set_entry_point("work")
    graph.set_finish_point("work")
    app = graph.compile(name="worker")
    thread = threading.Thread(target=app.invoke, args=({"text": ""},))
    thread.start()
    try:
        assert entered.wait(30)
        answer = introspector().ask("What is running now?")
        eta = introspector().ask("When will the current run finish?")
    finally:
        release.set()
        thread.join()

    running = answer.data["values"]["executions"]
    assert answer.data["values"]["active_count"] == 1
    assert [(one["graph_name"], one["current_node"]) for one in running] == [("worker", "work")]
    assert f"execution://{running[0]['execution_id']}/summary" in uris(answer)
    assert eta.data["times"][0]["what"] == "started"
    after = introspector().ask("What is running now?")
    assert after.data["values"]["active_count"] == 0


def test_the_time_of_an_error_is_the_event_s(project: Path) -> None:
    app = fetching(failures=9)
    with pytest.raises(ConnectionError):
        app.invoke({"pages": 0})

    answer = app.ask("When did the error occur?")

    told = {one["what"]: one for one in answer.data["times"]}
    for what, kind in (("failed", "execution_failed"), ("first error", "node_failed")):
        event = introspector().resolve(told[what]["uri"], "full").data
        assert (event["type"], event["ts"]) == (kind, told[what]["ts"])
    assert told["first error"]["ts"] < told["failed"]["ts"]


def test_the_usual_duration_comes_from_all_visits(project: Path) -> None:
    forged = Forged(chaining())
    for ms in (10, 20, 30, 40, 50):
        healthy(forged, ms)

    answer = forged.app.ask("How long does web usually take?")

    assert answer.data["n"] == 5
    assert answer.data["usual"]["point"] == pytest.approx(30, abs=0.1)


def test_the_last_visit_of_a_node_is_dated(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = app.ask("When was search last executed?")

    told = answer.data["times"][0]
    assert introspector().resolve(told["uri"], "full").data["visit"] == 3
    assert told["what"] == "last visit"


def test_the_value_of_a_key_is_told_with_its_writer(project: Path) -> None:
    app = looping()
    app.invoke(asked("rain"))

    answer = app.ask("What is the value of coverage in the last execution?")

    assert answer.data["values"]["coverage"] == 1.0
    assert "written by judge (visit 3)" in answer.text
    assert evidence_holds(answer)


def test_what_a_node_was_given_and_returned_is_told(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = app.ask("What did search receive and return?")

    assert answer.data["values"]["input"] == {"rounds": 2}
    assert answer.data["values"]["output"] == {"rounds": 3}


def test_the_success_rate_counts_every_execution(project: Path) -> None:
    app = looping()
    for _ in range(3):
        app.invoke(asked())
    with pytest.raises(ValueError, match="boom"):
        app.invoke(asked("boom"))

    answer = app.ask("What is the success rate of finder?")

    assert answer.data["values"]["success_rate"] == 0.75
    assert answer.data["values"]["failed"] == 1


def test_a_healthy_graph_is_judged_usual(project: Path) -> None:
    forged = Forged(chaining())
    for number in range(60):
        healthy(forged, 40 + number % 7)

    answer = forged.app.ask("Am I performing well?")

    found = verdicts(answer.data)
    assert (found["latency"], found["error_rate"], found["retries"]) == ("usual", "ok", "ok")
    assert answer.data["healthy"] is True


def test_a_regression_is_judged_worse(project: Path) -> None:
    forged = Forged(chaining())
    for number in range(60):
        healthy(forged, (40 if number < 40 else 120) + number % 7)

    answer = forged.app.ask("Am I performing well?")

    assert verdicts(answer.data)["latency"] == "worse"
    assert answer.data["healthy"] is False


def test_too_little_history_gives_no_verdict(project: Path) -> None:
    forged = Forged(chaining())
    for ms in (40, 400):
        healthy(forged, ms)

    answer = forged.app.ask("Am I performing well?")

    assert verdicts(answer.data)["latency"] == "unknown"


def test_failures_are_not_well(project: Path) -> None:
    app = looping()
    with pytest.raises(ValueError, match="boom"):
        app.invoke(asked("boom"))

    answer = app.ask("Am I performing well?")

    assert verdicts(answer.data)["error_rate"] == "failing"
    assert answer.data["healthy"] is False


def test_a_loop_with_the_same_result_is_stuck(project: Path) -> None:
    class Round(TypedDict):
        found: int

    graph = StateGraph(Round)
    graph.add_node("look", lambda state: {"found": 0})
    graph.set_entry_point("look")
    graph.add_conditional_edges(
        "look",
        lambda state: "again" if state["found"] < 1 else "done",
        {"again": "look", "done": "__end__"},
    )
    app = graph.compile(name="circler")
    with pytest.raises(Exception, match="recursion"):
        app.invoke({"found": 0}, config={"recursion_limit": 6})

    answer = app.ask("Am I stuck in a loop?")

    assert verdicts(answer.data)["loop"] == "stuck"


def test_equal_calls_of_a_tool_are_found(project: Path) -> None:
    def weather(city: str) -> str:
        return f"{city}: rain"

    def work(state: Slow, ctx: Any) -> dict[str, Any]:
        return {"text": ctx.tool(weather, "Rome") + ctx.tool(weather, "Rome")}

    graph = StateGraph(Slow)
    graph.add_node("work", work)
    graph.set_entry_point("work")
    graph.set_finish_point("work")
    app = graph.compile(name="caller")
    app.invoke({"text": ""})

    answer = app.ask("Am I repeating the same tool call?")

    assert verdicts(answer.data)["repeated_calls"] == "repeating"
    assert evidence_holds(answer)


def test_two_questions_in_one_are_answered_one_by_one(project: Path) -> None:
    app = looping()
    with pytest.raises(ValueError, match="boom"):
        app.invoke(asked("boom"))

    answer = app.ask("Why did it fail and how do I stop that?")

    parts = {one["intent"]: one for one in answer.data["parts"]}
    assert parts["why"]["data"]["causes"][0]["node"] == "reply"
    assert parts["howcan"]["part"] == "how do I stop that?"


def test_how_far_a_running_execution_is_and_what_follows_is_told(project: Path) -> None:
    app = looping()
    app.invoke(asked())
    recording = Recording(new_id(), app.name, app.version, "t9", None, anchor())
    now = monotonic_ns()
    recording.add(record.START, now, {"query": "rain", "rounds": 0})
    row = (record.VISIT, 2, 3, "plan", 1, 1, now, now + 10**6, {"query": "rain"}, ("search",), None)
    recording.rows.append(row)
    recording.seq += 4
    recording.add(record.ENTER, "search", 1, 1, now + 10**6)
    Journal.of(app.project).begin(recording)

    answer = app.ask("How far along is it?")

    assert answer.data["execution_id"] == recording.execution_id
    assert answer.data["values"]["at"] == ["search"]
    assert answer.data["values"]["next"] == {"search": ["judge"]}
    assert "After search comes judge" in answer.text
    assert "by now" in app.ask("How long has it been running?").text
    assert evidence_holds(answer)
