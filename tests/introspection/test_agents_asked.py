"""What a builder asks of an agent: its tools, what the model was sent, why a tool failed, where time goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inwit import CompiledGraph, create_react_agent
from inwit.answers import Answer
from tests.introspection.planting import evidence_holds, settled
from tests.runtime.capture.server import chat, serving, whole


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return {"oslo": "rain"}[city]


def asks(**args: Any) -> Any:
    said = chat("", model="gpt-4o-mini")
    call = {"name": "get_weather", "arguments": json.dumps(args)}
    said["choices"][0]["message"]["tool_calls"] = [
        {"id": "c1", "type": "function", "function": call}
    ]
    said["choices"][0]["finish_reason"] = "tool_calls"
    return said


@pytest.fixture
def agent(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CompiledGraph[Any]]:
    """Executions: good, one whose tool refuses the arguments, one that the tool's error ends."""
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        app = create_react_agent("gpt-4o-mini", [get_weather], prompt="Be brief.", name="weather")
        for thread, args in (("good", {"city": "oslo"}), ("refused", {"town": "oslo"})):
            server.says(whole(asks(**args)), whole(chat("Rain.", model="gpt-4o-mini")))
            app.invoke({"messages": [("user", f"Weather for {thread}?")]}, thread_id=thread)
        server.says(whole(asks(city="atlantis")))
        with pytest.raises(KeyError):
            app.invoke({"messages": [("user", "Atlantis?")]}, thread_id="failed")
        yield app


def ask(question: str) -> Answer:
    answer = settled().ask(question)
    assert evidence_holds(answer)
    return answer


def test_its_tools_and_its_place_are_told(agent: CompiledGraph[Any]) -> None:
    assert str(ask("Which tools can weather call?")) == "weather calls get_weather (in tools)."
    assert f"compiled in {__file__}, line " in str(ask("Where is weather defined?"))


@pytest.mark.parametrize(
    "question",
    ["What system prompt was sent to the model in thread good?",
     "What did the model see in thread good?"],
)  # fmt: skip
def test_what_the_model_was_sent_is_told(agent: CompiledGraph[Any], question: str) -> None:
    answer = ask(question)

    assert "system: “Be brief.”" in str(answer)
    assert "user: “Weather for good?”" in str(answer)
    assert [one["role"] for one in answer.data["messages"]] == ["system", "user"]


def test_why_a_tool_failed_tells_each_failure_and_what_came_of_it(
    agent: CompiledGraph[Any],
) -> None:
    answer = ask("Why did get_weather fail?")

    assert "get_weather failed in 2 of 3 calls" in str(answer)
    assert "with {'city': 'atlantis'}, failed: KeyError: 'atlantis'" in str(answer)
    assert "its execution failed with it" in str(answer)
    assert "is completed all the same" in str(answer)
    assert [cause["kind"] for cause in answer.data["causes"]] == ["tool_error", "tool_error"]


@pytest.mark.parametrize(
    "question", ["How long do model calls take?", "Is time spent in the model or in tools?"]
)
def test_the_time_of_model_calls_is_theirs_and_not_the_graphs(
    agent: CompiledGraph[Any], question: str
) -> None:
    answer = ask(question)

    assert "gpt-4o-mini was called 5 times in 3 executions and took" in str(answer)
    values = answer.data["values"]
    assert 0 < values["models_ms"] + values["tools_ms"] <= values["executions_ms"]
