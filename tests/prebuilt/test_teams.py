"""Supervisors, map-reduce, and plans that are carried out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inwit import map_reduce, plan_and_execute, supervisor
from inwit.errors import AgentDefinitionError, StructuredAnswerError
from inwit.errors.executions import UnknownWorkerError
from inwit.prebuilt import by_model
from tests.runtime.capture.server import Scripted as Server
from tests.runtime.capture.server import chat, serving, whole


@pytest.fixture
def server(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    with serving() as scripted:
        monkeypatch.setenv("OPENAI_BASE_URL", scripted.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_MODEL", "gpt-4o-mini")
        yield scripted


def weather(question: str, notes: list[Any]) -> str:
    """Knows about rain, sun, wind and temperature."""
    return "It will rain."


async def trains(question: str, notes: list[Any]) -> str:
    """Knows about trains, timetables and delays."""
    return f"At nine; {len(notes)} spoke before."


TEAM: dict[str, Any] = {"weather": weather, "trains": trains}


def test_a_supervisor_asks_who_shares_words_with_the_question(project: Any) -> None:
    app = supervisor(TEAM).compile(name="team")

    result = app.invoke({"question": "Are there delays of trains in the rain?"})

    assert [note["worker"] for note in result["notes"]] == ["trains", "weather"]
    assert result["answer"] == "At nine; 0 spoke before.\nIt will rain."


def test_a_model_chooses_the_workers(server: Server) -> None:
    server.says(whole(chat("trains")), whole(chat("`weather`.")), whole(chat("finish")))
    app = supervisor(TEAM, choose=by_model(), compose=lambda q, notes: str(len(notes)))

    result = app.compile(name="team").invoke({"question": "When?"})

    assert [note["worker"] for note in result["notes"]] == ["trains", "weather"]
    assert result["answer"] == "2"
    assert "timetables" in server.asked[0]["messages"][0]["content"]
    assert "At nine" in server.asked[1]["messages"][0]["content"]


def test_a_worker_may_be_a_graph(project: Any) -> None:
    inner = supervisor({"weather": weather}).compile(name="inner")
    app = supervisor({"desk": inner}, choose=lambda q, n, w: None if n else "desk")

    result = app.compile(name="outer").invoke({"question": "Rain?"})

    assert result["answer"] == "It will rain."


def test_a_worker_that_nobody_knows_is_named_with_those_there_are(project: Any) -> None:
    app = supervisor(TEAM, choose=lambda *_: "whether").compile(name="team")

    with pytest.raises(UnknownWorkerError, match="No worker 'whether'; there are trains, weather"):
        app.invoke({"question": "?"})


@pytest.mark.parametrize("workers", [{}, {"finish": weather}, {"supervise": weather}])
def test_a_team_without_workers_or_with_taken_names_is_refused(workers: Any) -> None:
    with pytest.raises(AgentDefinitionError):
        supervisor(workers)


def test_results_are_merged_in_the_order_of_the_items(project: Any) -> None:
    app = map_reduce(lambda item: 12 // item, list, max_concurrency=2).compile(name="twelve")

    result = app.invoke({"items": [1, 0, 3]})

    assert result["result"] == [12, 4]
    assert [failure["place"] for failure in result["failures"]] == [1]


def test_a_plan_of_functions_is_carried_out_step_by_step(project: Any) -> None:
    async def execute(step: str, state: Any) -> str:
        return f"{step}{len(state.get('past_steps', []))}"

    app = plan_and_execute(lambda task: task.split(), execute).compile(name="planner")

    result = app.invoke({"task": "a b c"})

    assert result["past_steps"] == [
        {"step": "a", "result": "a0"},
        {"step": "b", "result": "b1"},
        {"step": "c", "result": "c2"},
    ]
    assert result["response"] == "c2"
    assert result["plan"] == []


def test_a_plan_may_be_changed_or_ended_after_each_step(project: Any) -> None:
    def replan(state: Any) -> list[str] | str | None:
        done = len(state["past_steps"])
        return {1: ["x", "y"], 2: None, 3: "enough"}[done]

    app = plan_and_execute(lambda task: ["a"], lambda step, _: step, replan=replan)

    result = app.compile(name="planner").invoke({"task": "?"})

    assert [past["step"] for past in result["past_steps"]] == ["a", "x", "y"]
    assert result["response"] == "enough"


def test_a_plan_ends_after_the_most_steps_that_it_may_take(project: Any) -> None:
    app = plan_and_execute(
        lambda task: ["a"], lambda step, _: step, replan=lambda state: ["again"], max_steps=3
    )

    result = app.compile(name="planner").invoke({"task": "?"})

    assert len(result["past_steps"]) == 3
    assert result["response"] == "again"


def test_a_model_plans_works_and_looks_again(server: Server) -> None:
    server.says(
        whole(chat('Here: {"steps": ["find", "sum up"]}')),
        whole(chat("found")),
        whole(chat(json.dumps({"steps": ["sum up"]}))),
        whole(chat("summed up")),
        whole(chat(json.dumps({"response": "It is so."}))),
    )
    app = plan_and_execute().compile(name="planner")

    result = app.invoke({"task": "Is it so?"})

    assert result["response"] == "It is so."
    assert [past["result"] for past in result["past_steps"]] == ["found", "summed up"]
    assert "find: found" in server.asked[3]["messages"][1]["content"]


@pytest.mark.parametrize("text", ["no JSON", '{"steps": "find"}', "{}"])
def test_a_plan_that_is_none_is_an_error(text: str, server: Server) -> None:
    server.says(whole(chat(text)))
    app = plan_and_execute().compile(name="planner")

    with pytest.raises(StructuredAnswerError, match="which is no plan"):
        app.invoke({"task": "?"})
