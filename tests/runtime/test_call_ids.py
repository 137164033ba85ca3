"""Calls of models and tools that a node tells of by hand are calls, also without an id."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from inwit import Context, StateGraph
from inwit.events import LlmCompleted, LlmStarted, ToolFailed, ToolStarted
from inwit.runtime.store import Journal, Store


class State(TypedDict, total=False):
    text: str


def told(node: Any) -> list[Any]:
    graph = StateGraph(State)
    graph.add_node("speak", node)
    graph.set_entry_point("speak")
    app = graph.compile(name="told")
    app.invoke({})
    Journal.of(app.project).flush()
    events = Store.of(app.project).events(str(app.last_execution_id))
    return [event for event in events if hasattr(event, "call_id")]


def test_what_ends_is_what_began_last(project: Any) -> None:
    def speak(_state: State, ctx: Context) -> None:
        ctx.emit("llm_started", model="m")
        ctx.emit("tool_started", tool="look", input={"q": 1})
        ctx.emit("tool_failed", tool="look", error={"type": "OSError", "message": "away"})
        ctx.emit("llm_completed", model="m", input_tokens=3, output_tokens=2, cost_usd=0.1)

    begun, tool, failed, ended = told(speak)

    assert [type(one) for one in (begun, tool, failed, ended)] == [
        LlmStarted, ToolStarted, ToolFailed, LlmCompleted
    ]  # fmt: skip
    assert begun.call_id == ended.call_id != tool.call_id == failed.call_id


def test_calls_that_are_told_one_after_another_are_several(project: Any) -> None:
    def speak(_state: State, ctx: Context) -> None:
        for _ in range(2):
            ctx.emit("llm_started", model="m")
            ctx.emit("llm_completed", model="m")

    found = [one.call_id for one in told(speak)]

    assert found[0] == found[1] != found[2] == found[3]


def test_an_end_without_a_beginning_is_a_call_of_its_own(project: Any) -> None:
    def speak(_state: State, ctx: Context) -> None:
        ctx.emit("llm_completed", model="m", input_tokens=1)
        ctx.emit("llm_completed", model="m", input_tokens=2)

    first, second = told(speak)

    assert first.call_id != second.call_id


@pytest.mark.parametrize("given", ["mine", ""])
def test_an_id_that_is_given_stays(project: Any, given: str) -> None:
    def speak(_state: State, ctx: Context) -> None:
        ctx.emit("llm_started", model="m", call_id=given)

    (begun,) = told(speak)

    assert begun.call_id == given
