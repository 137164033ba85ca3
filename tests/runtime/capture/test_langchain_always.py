"""What langchain-core's models and tools do in nodes is recorded without being asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from inwit import RetryPolicy, capture
from inwit.errors import TokenBudgetError
from tests.runtime.capture.record import calls, one_node, recorded

ONCE = RetryPolicy(max_attempts=1)


def model(*said: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(said))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_chat_model_and_a_tool_are_recorded_though_nobody_captures(project: Any) -> None:
    app = one_node(
        lambda state: {
            "text": f"{model('Hello.').invoke('Hi.').content}{add.invoke({'a': 1, 'b': 2})}"
        }
    )

    assert app.invoke({})["text"] == "Hello.3"
    assert [call["output"]["content"] for call in calls(app)] == ["Hello."]
    assert [one["tool"] for one in recorded(app, "tool_started", "tool_completed")] == [
        "add",
        "add",
    ]


def test_a_stream_that_is_read_to_its_end_is_recorded_whole(project: Any) -> None:
    app = one_node(
        lambda state: {"text": "".join(str(c.content) for c in model("Hello there.").stream("Hi."))}
    )

    app.invoke({})

    assert [call["output"]["content"] for call in calls(app)] == ["Hello there."]


def test_a_call_is_recorded_once_while_something_captures_and_after_it(project: Any) -> None:
    app = one_node(lambda state: {"text": model("Hello.").invoke("Hi.").content})

    with capture():
        app.invoke({})
    during = len(calls(app))
    app.invoke({})

    assert (during, len(calls(app))) == (1, 1)


def test_without_a_record_nothing_is_and_without_a_node_neither(project: Any) -> None:
    app = one_node(lambda state: {"text": model("Hello.").invoke("Hi.").content})

    app.without_introspection().invoke({})
    model("Hello.").invoke("Hi.")
    app.invoke({})

    assert len(calls(app)) == 1


@pytest.mark.parametrize("is_recorded", [True, False])
def test_what_is_spent_is_counted_for_a_budget(is_recorded: bool, project: Any) -> None:
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    answer = AIMessage("Hello.", usage_metadata=usage)
    app = one_node(lambda state: {"text": model(answer).invoke("Hi.").content}, retry_policy=ONCE)
    app = app if is_recorded else app.without_introspection()

    with pytest.raises(TokenBudgetError) as raised:
        app.invoke({}, {"budget": {"tokens": 50}})

    assert raised.value.spent == 120


LATER = """
from typing import TypedDict
import sys
from inwit import START, StateGraph, capture
{first}

class State(TypedDict, total=False):
    text: str

def speak(state):
    from langchain_core.language_models import GenericFakeChatModel
    return {{"text": GenericFakeChatModel(messages=iter(["Hello there."])).invoke("Hi.").content}}

app = StateGraph(State).add_node("speak", speak).add_edge(START, "speak").compile(name="later")
app.invoke({{}}) if {plain} else None
assert "langchain_core" in sys.modules or not {plain}
told = [one for one, _ in app.stream({{}}, stream_mode="messages")]
types = [event.type for event in app.stream({{}}, stream_mode="events")]
assert len(told) >= 2, told
assert types.count("llm_completed") == 1, types
"""


@pytest.mark.parametrize("first", ["", "capture()"])
@pytest.mark.parametrize("plain", [True, False])
def test_who_waits_for_the_library_to_be_imported_does_not_push_out_another(
    first: str, plain: bool, project: Any
) -> None:
    program = LATER.format(first=first, plain=plain)

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
