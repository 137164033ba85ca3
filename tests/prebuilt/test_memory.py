from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from quicktok import Tokenizer

from inwit import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    add_messages,
    create_react_agent,
    summary_hook,
    truncation_hook,
)
from inwit.errors import AgentDefinitionError
from inwit.prebuilt import approximate_tokens, truncate
from tests.prebuilt.model import Scripted
from tests.runtime.capture.server import chat, serving, whole

CALL = {"name": "look", "args": {}, "id": "c1"}


def one_each(messages: Sequence[Any]) -> int:
    """A message is a token."""
    return len(messages)


def conversation() -> list[Any]:
    return [
        SystemMessage("Be kind.", id="s"),
        HumanMessage("one", id="1"),
        AIMessage("", tool_calls=[CALL], id="2"),
        ToolMessage("looked", tool_call_id="c1", id="3"),
        AIMessage("first", id="4"),
        HumanMessage("two", id="5"),
        AIMessage("second", id="6"),
    ]


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (100, ["s", "1", "2", "3", "4", "5", "6"]),
        (7, ["s", "1", "2", "3", "4", "5", "6"]),
        (6, ["s", "5", "6"]),
        (3, ["s", "5", "6"]),
        (2, ["s", "6"]),
        (1, ["s", "6"]),
    ],
)
def test_the_newest_messages_within_the_budget_are_kept(budget: int, kept: list[str]) -> None:
    result = truncate(conversation(), budget, counter=one_each)

    assert [one.id for one in result] == kept


def test_a_call_and_its_results_stay_together() -> None:
    messages = conversation()[:4]

    assert [one.id for one in truncate(messages, 3, counter=one_each)] == ["s", "2", "3"]
    assert [one.id for one in truncate(messages, 2, counter=one_each)] == ["s", "2", "3"]


def test_plain_dicts_are_truncated_as_well() -> None:
    messages = [{"role": "user", "content": "x" * 400}, {"role": "user", "content": "y"}]

    assert truncate(messages, 20) == messages[1:]


def test_nothing_stays_nothing() -> None:
    assert truncate([], 10) == []


PROSE = (
    "The runtime keeps every step of an execution, so that a question about it can be answered "
    "later from what was recorded. A person who asks why a node ran three times is shown the "
    "decisions that led to it, and the values that each decision read. "
) * 4


def test_the_estimate_is_near_what_a_tokenizer_counts_in_prose() -> None:
    counted = len(Tokenizer("o200k_base").encode(PROSE))

    estimated = approximate_tokens([HumanMessage(PROSE)])

    assert 0.8 < estimated / counted < 1.35


def test_calls_and_blocks_are_counted_too() -> None:
    plain = approximate_tokens([AIMessage("")])

    assert approximate_tokens([AIMessage("", tool_calls=[CALL])]) > plain
    assert approximate_tokens([AIMessage([{"type": "text", "text": "x" * 40}])]) > plain + 10


def test_a_hook_sends_the_model_what_fits_and_the_state_keeps_all(project: Any) -> None:
    hook = truncation_hook(2, counter=one_each)
    app = create_react_agent(Scripted(), [], pre_model_hook=hook, prompt="Be kind.")

    result = app.invoke({"messages": [("user", word) for word in "abc"]})

    assert result["messages"][-1].content == "system:Be kind.-human:b-human:c"
    assert len(result["messages"]) == 4


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]
    remaining_steps: NotRequired[int]
    summary: dict[str, Any]


def remembering(*, remove: bool = False, **how: Any) -> Any:
    hook = summary_hook(4, keep_tokens=2, counter=one_each, remove=remove, **how)
    return create_react_agent(
        Scripted(), [], pre_model_hook=hook, state_schema=State, name="remembers"
    )


def words(old: list[Any], so_far: str) -> str:
    return f"{so_far}[{' '.join(one.content[:9] for one in old)}]"


THREAD = {"configurable": {"thread_id": "t1"}}


@pytest.mark.parametrize("remove", [False, True])
def test_what_is_too_old_is_summed_up_once(remove: bool, project: Any) -> None:
    seen: list[list[str]] = []

    async def summarise(old: list[Any], so_far: str) -> str:
        seen.append([one.content for one in old])
        return f"S{len(seen)}"

    app = remembering(summarise=summarise, remove=remove)
    said = []
    for word in "abcd":
        said.append(app.invoke({"messages": [("user", word)]}, THREAD)["messages"])

    sent = [one[-1].content for one in said]
    assert sent[0] == "human:a"
    assert sent[1] == "human:a-ai:human:a-human:b"
    assert sent[2].startswith("system:Summary of the conversation so far: S1-human:c")
    assert seen[0] == ["a", "human:a", "b", "human:a-ai:human:a-human:b"]
    everything = [text for part in seen for text in part]
    assert len(everything) == len(set(everything))
    assert (len(said[3]) == 8) is not remove


def test_the_model_is_asked_for_a_summary_where_no_function_makes_one(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_MODEL", "gpt-4o-mini")
        server.says(whole(chat("They met.")))
        app = remembering()

        result = app.invoke({"messages": [("user", word) for word in "abcde"]})

    assert result["summary"]["text"] == "They met."
    assert "user: a\nuser: b\nuser: c" in server.asked[0]["messages"][1]["content"]
    assert result["messages"][-1].content.endswith("They met.-human:d-human:e")


def test_budgets_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(AgentDefinitionError):
        truncation_hook(0)
    with pytest.raises(AgentDefinitionError):
        summary_hook(10, keep_tokens=11)
