from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, RetryPolicy, Send, interrupt

import inwit
from tests.runtime.capture.record import recorded
from tests.runtime.watched import (
    State,
    docs,
    execution,
    one_node,
    plan,
    searching,
    state,
    visits,
    web,
)

pytestmark = pytest.mark.usefixtures("project")


# Executions


def test_every_visit_and_every_way_on_is_recorded() -> None:
    app = inwit.watch(searching())

    result = app.invoke({"question": "Who?", "tries": 0})

    assert result["answer"] == "6 found"
    found = execution(app)
    assert (found.status, found.graph_name) == ("completed", "searching")
    found_visits = visits(app)
    counts = {name: sum(v.node == name for v in found_visits) for name in app.graph.builder.nodes}
    assert counts == {"plan": 3, "web": 3, "docs": 3, "judge": 3, "write": 1}
    assert all(visit.status == "completed" and visit.duration_ms for visit in found_visits)
    decided = [v.edges[0] for v in found_visits if v.node == "judge"]
    assert [(edge["label"], edge["target"]) for edge in decided] == [
        ("again", "plan"), ("again", "plan"), ("write", "write"),
    ]  # fmt: skip
    assert [edge["read"] for edge in decided] == [{"tries": 1}, {"tries": 2}, {"tries": 3}]


def test_seqs_have_no_gap_and_the_record_ends_with_the_output() -> None:
    app = inwit.watch(searching())

    app.invoke({"question": "Who?"})

    events = recorded(app)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "execution_started"
    assert events[0]["input"] == {"question": "Who?"}
    assert events[-1]["type"] == "execution_completed"
    assert events[-1]["output"]["answer"] == "6 found"


def test_the_state_can_be_read_back_at_the_end() -> None:
    app = inwit.watch(searching())

    result = app.invoke({"question": "Who?"})

    assert state(app) == result


def test_the_graph_is_recorded_by_its_own_name_too() -> None:
    graph = searching()
    app = inwit.watch(graph)

    graph.invoke({"question": "Who?"})

    assert execution(app).status == "completed"


def test_after_stop_nothing_is_recorded() -> None:
    graph = searching()
    app = inwit.watch(graph)
    app.stop()

    graph.invoke({"question": "Who?"})

    assert app.last_execution_id is None


def test_the_users_own_callbacks_are_called_as_before() -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Own(BaseCallbackHandler):
        ended = 0

        def on_chain_end(self, *_: Any, **__: Any) -> None:
            self.ended += 1

    plain, watched = Own(), Own()
    searching().invoke({"question": "Who?"}, {"callbacks": [plain]})

    inwit.watch(searching()).invoke({"question": "Who?"}, {"callbacks": [watched]})

    assert plain.ended == watched.ended > 0


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_each_way_of_running_is_recorded_alike(way: str) -> None:
    app = inwit.watch(searching())
    given = {"question": "Who?"}

    async def run() -> None:
        if way == "ainvoke":
            await app.ainvoke(given)
        else:
            assert [part async for part in app.astream(given)]

    if way == "invoke":
        app.invoke(given)
    elif way == "stream":
        assert list(app.stream(given, stream_mode="values"))
    else:
        asyncio.run(run())

    assert execution(app).status == "completed"
    assert len(visits(app)) == 13
    assert state(app)["answer"] == "6 found"


def test_a_node_that_raises_fails_the_execution() -> None:
    def fail(state: State) -> State:
        raise ValueError("no luck")

    app = one_node(fail)

    with pytest.raises(ValueError, match="no luck") as raised:
        app.invoke({"question": "Who?"})

    found = execution(app)
    assert (found.status, found.error_node) == ("failed", "speak")
    assert found.error.type == "ValueError"
    assert raised.value.execution_id == app.last_execution_id  # type: ignore[attr-defined]
    (failed,) = recorded(app, "node_failed")
    assert (failed["node"], failed["error"]["message"]) == ("speak", "no luck")


def test_a_retried_node_is_one_visit_of_two_attempts() -> None:
    calls: list[int] = []

    def flaky(state: State) -> State:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("lost")
        return {"answer": "ok"}

    app = one_node(flaky, retry_policy=RetryPolicy(initial_interval=0.0, max_attempts=3))

    app.invoke({"question": "Who?"})

    (visit,) = visits(app)
    assert (visit.attempts, visit.status) == (2, "completed")
    (again,) = recorded(app, "retry_scheduled")
    assert again["max_attempts"] == 3


def test_too_many_steps_fail_without_a_node_to_blame() -> None:
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: "plan", ["plan"])
    app = inwit.watch(graph.compile(name="endless"))

    with pytest.raises(RecursionError):
        app.invoke({"question": "Who?"}, {"recursion_limit": 5})

    found = execution(app)
    assert (found.status, found.error_node) == ("failed", None)
    assert found.error.type == "GraphRecursionError"


def test_a_cancelled_execution_is_recorded_as_cancelled() -> None:
    begun = asyncio.Event()

    async def wait(state: State) -> State:
        begun.set()
        await asyncio.Event().wait()
        return {}

    app = one_node(wait)

    async def run() -> None:
        task = asyncio.create_task(app.ainvoke({"question": "Who?"}))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

    assert execution(app).status == "cancelled"


def test_a_stream_that_is_left_early_is_cancelled() -> None:
    app = inwit.watch(searching())
    stream = app.stream({"question": "Who?"})
    next(stream)

    stream.close()

    found = execution(app)
    assert (found.status, found.reason) == ("cancelled", "GeneratorExit")


def test_an_interrupt_waits_and_its_answer_resumes_the_same_execution() -> None:
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"answer": interrupt({"ask": "Really?"})})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = inwit.watch(graph.compile(name="asking", checkpointer=InMemorySaver()))
    thread = {"configurable": {"thread_id": "t1"}}
    app.invoke({"question": "Who?"}, thread)
    waiting = execution(app)
    (raised,) = recorded(app, "interrupt_raised")

    result = app.invoke(Command(resume="yes"), thread)

    assert (waiting.status, waiting.thread_id) == ("waiting_for_input", "t1")
    assert raised["value"] == {"ask": "Really?"}
    assert result["answer"] == "yes"
    found = execution(app)
    assert (found.execution_id, found.status) == (waiting.execution_id, "completed")
    (resumed,) = recorded(app, "interrupt_resumed")
    assert (resumed["interrupt_id"], resumed["value"]) == (raised["interrupt_id"], "yes")
    events = recorded(app)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len(visits(app)) == 1


def test_a_graph_that_is_written_to_stop_waits_and_goes_on() -> None:
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("write", lambda state: {"answer": "done"})
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "write")
    app = inwit.watch(
        graph.compile(name="stopping", checkpointer=InMemorySaver(), interrupt_before=["write"])
    )
    thread = {"configurable": {"thread_id": "t1"}}
    app.invoke({"question": "Who?"}, thread)
    waiting = execution(app)

    app.invoke(None, thread)

    found = execution(app)
    assert waiting.status == "waiting_for_input"
    assert (found.execution_id, found.status) == (waiting.execution_id, "completed")
    assert [visit.node for visit in visits(app)] == ["plan", "write"]


def test_a_thread_s_memory_is_part_of_the_state() -> None:
    graph = StateGraph(State)
    graph.add_node("web", web)
    graph.add_edge(START, "web")
    app = inwit.watch(graph.compile(name="keeping", checkpointer=InMemorySaver()))
    thread = {"configurable": {"thread_id": "t1"}}
    app.invoke({"tries": 1}, thread)

    result = app.invoke({"tries": 2}, thread)

    assert result["found"] == ["web 1", "web 2"]
    assert state(app) == result


def test_parallel_updates_end_in_the_order_in_which_the_graph_merges_them() -> None:
    is_done = threading.Event()

    def early(state: State) -> State:
        assert is_done.wait(30)
        return {"found": ["early"]}

    def late(state: State) -> State:
        is_done.set()
        return {"found": ["late"]}

    graph = StateGraph(State)
    graph.add_node("early", early)
    graph.add_node("late", late)
    graph.add_edge(START, "early")
    graph.add_edge(START, "late")
    app = inwit.watch(graph.compile(name="racing"))

    result = app.invoke({"question": "Who?"})

    assert result["found"] == ["early", "late"]
    assert state(app) == result


def test_a_router_of_the_start_and_sends_are_ways_on() -> None:
    graph = StateGraph(State)
    graph.add_node("web", web)
    graph.add_node("docs", docs)
    graph.add_conditional_edges(
        START, lambda state: [Send("web", {"tries": 1}), Send("web", {"tries": 2})], ["web"]
    )
    graph.add_conditional_edges("web", lambda state: "docs", ["docs"])
    app = inwit.watch(graph.compile(name="sending"))

    result = app.invoke({"tries": 7})

    entered = [event for event in recorded(app, "edge_taken") if event["node"] == "__start__"]
    assert [event["target"] for event in entered] == ["web", "web"]
    found_visits = visits(app)
    assert [visit.node for visit in found_visits] == ["web", "web", "docs"]
    assert state(app) == result


def test_a_command_is_a_way_on_that_the_node_chose() -> None:
    def choose(state: State) -> Command[Any]:
        return Command(update={"tries": 5}, goto="write")

    graph = StateGraph(State)
    graph.add_node("choose", choose, destinations=("write",))
    graph.add_node("write", lambda state: {"answer": str(state["tries"])})
    graph.add_edge(START, "choose")
    app = inwit.watch(graph.compile(name="choosing"))

    result = app.invoke({"question": "Who?"})

    (edge,) = [event for event in recorded(app, "edge_taken") if event["node"] == "choose"]
    assert (edge["target"], edge["conditional"]) == ("write", True)
    assert "Command" in edge["unread"]
    assert state(app) == result


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def test_messages_are_recorded_plainly() -> None:
    app = one_node(lambda state: {"messages": [AIMessage("Hello.")]}, state=Talk)

    app.invoke({"messages": [HumanMessage("Hi.")]})

    assert state(app)["messages"] == [
        {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
    ]  # fmt: skip


def longest(old: str | None, new: str) -> str:
    return new if old is None or len(new) > len(old) else old


class Own(TypedDict, total=False):
    best: Annotated[str, longest]


def test_a_reducer_of_ones_own_is_followed_by_what_the_graph_shows() -> None:
    graph = StateGraph(Own)
    graph.add_node("one", lambda state: {"best": "longer"})
    graph.add_node("two", lambda state: {"best": "no"})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    app = inwit.watch(graph.compile(name="own"))

    result = app.invoke({"best": "a"})

    assert result == {"best": "longer"}
    assert state(app) == result


def test_a_subgraph_is_one_node_and_its_calls_belong_to_it() -> None:
    model = GenericFakeChatModel(messages=iter(["Hello."]))
    inner = StateGraph(State)
    inner.add_node("say", lambda state: {"answer": model.invoke("Hi.").content})
    inner.add_edge(START, "say")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    app = inwit.watch(outer.compile(name="outer"))

    app.invoke({"question": "Who?"})

    assert [visit.node for visit in visits(app)] == ["inner"]
    assert [call["node"] for call in recorded(app, "llm_completed")] == ["inner"]
