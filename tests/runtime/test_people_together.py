"""Questions where much comes together: branches, graphs within, retries, limits, other processes."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import (
    START,
    AIMessage,
    Command,
    InMemoryCheckpointer,
    RetryPolicy,
    Send,
    SqliteCheckpointer,
    StateGraph,
    create_react_agent,
    interrupt,
    tool,
)
from inwit.errors import InvalidAnswerError

CONFIG: Any = {"configurable": {"thread_id": "t"}}
AT_ONCE = RetryPolicy(initial_interval=0, jitter=False, max_attempts=2)


class State(TypedDict, total=False):
    out: Annotated[list[Any], operator.add]


class One(TypedDict, total=False):
    k: int
    out: Annotated[list[Any], operator.add]


def asking(calls: list[Any], **policy: Any) -> Any:
    """A graph within, that does something once and then asks."""
    failed: set[int] = set()

    def before(state: One) -> dict[str, Any]:
        calls.append(state["k"])
        return {}

    async def ask(state: One) -> dict[str, Any]:
        if state["k"] not in failed:
            failed.add(state["k"])
            raise ConnectionError("lost")
        return {"out": [(state["k"], interrupt(f"q{state['k']}", schema=str))]}

    graph = StateGraph(One, output_schema=State).add_node("before", before)
    graph.add_node("ask", ask, retry_policy=AT_ONCE, timeout_s=5, **policy)
    return graph.add_edge(START, "before").add_edge("before", "ask").compile(name="asking")


def fanning(calls: list[Any], **compiled: Any) -> Any:
    graph = StateGraph(State).add_node("fan", lambda state: {})
    graph.add_node("beside", lambda state: {"out": ["beside"]})
    graph.add_node("within", asking(calls))
    graph.add_node("last", lambda state: {"out": ["last"]}, defer=True)
    graph.add_edge(START, "fan").add_edge(START, "beside")
    graph.add_conditional_edges(
        "fan", lambda state: [Send("within", {"k": k}) for k in range(3)], ["within"]
    )
    graph.add_edge("within", "last").add_edge("beside", "last")
    return graph.compile(name="fanning", **compiled)


@pytest.mark.anyio
@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
async def test_graphs_that_were_sent_to_ask_at_once_and_are_answered_one_by_one_in_any_order(
    scheduling: Any, project: Any
) -> None:
    calls: list[Any] = []
    app = fanning(calls, scheduling=scheduling, checkpointer=InMemoryCheckpointer())

    result = await app.ainvoke({}, CONFIG)
    ids = {one.value: one.id for one in result["__interrupt__"]}
    for k in (1, 2, 0):
        with pytest.raises(InvalidAnswerError):
            await app.ainvoke(Command(resume={ids[f"q{k}"]: k}), CONFIG)
        result = await app.ainvoke(Command(resume={ids[f"q{k}"]: f"a{k}"}), CONFIG)

    assert result["out"] == ["beside", (0, "a0"), (1, "a1"), (2, "a2"), "last"]
    assert sorted(calls) == [0, 1, 2]


def test_tools_that_ask_in_an_agent_are_answered_in_any_order_and_run_once(
    tmp_path: Path, project: Any
) -> None:
    booked: list[str] = []

    @tool
    def book(hotel: str) -> str:
        """Book a hotel."""
        answer = interrupt({"hotel": hotel}, schema=str)
        booked.append(hotel)
        return f"{hotel}: {answer}"

    class Model:
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def invoke(self, messages: Any, config: Any = None) -> Any:
            if messages[-1].type == "tool":
                return AIMessage("Done.")
            calls = [{"name": "book", "args": {"hotel": name}, "id": name} for name in "ABC"]
            return AIMessage("", tool_calls=calls)

    def agent() -> Any:
        """The agent as each process makes it."""
        saver = SqliteCheckpointer(tmp_path / "threads.db")
        return create_react_agent(Model(), [book], checkpointer=saver, name="booking")

    agent().invoke({"messages": [("user", "Book three.")]}, CONFIG)
    for hotel in "BCA":
        waiting = {one.value["hotel"]: one.id for one in agent().get_state(CONFIG).interrupts}
        with pytest.raises(InvalidAnswerError):
            agent().invoke(Command(resume={waiting[hotel]: 7}), CONFIG)
        result = agent().invoke(Command(resume={waiting[hotel]: "yes"}), CONFIG)

    assert booked == ["B", "C", "A"]
    said = [one.content for one in result["messages"]]
    assert said == ["Book three.", "", "A: yes", "B: yes", "C: yes", "Done."]
