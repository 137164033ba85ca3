"""More whole graphs: agents, teams, functions and long conversations."""

import asyncio
import operator
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool

from tests.langgraph.scenarios.telling import (
    araised,
    history,
    listed,
    raised,
    thread,
    told,
    unordered,
    waiting,
)


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def _call(name: str, id: str = "1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


def an_agent_of_ones_own(lib):
    @tool
    def look(what: str) -> str:
        """Look something up."""
        return f"found {what}"

    answers = iter(
        [AIMessage("", tool_calls=[_call("look", what="x")], id="a1"), AIMessage("done", id="a2")]
    )
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("model", lambda s: {"messages": [next(answers)]})
    graph.add_node("tools", lib.ToolNode([look])).add_edge(lib.START, "model")
    graph.add_conditional_edges("model", lib.tools_condition).add_edge("tools", "model")
    app = graph.compile(checkpointer=lib.InMemorySaver(), interrupt_before=["tools"])
    app.invoke({"messages": [HumanMessage("hi", id="h")]}, thread())
    waits = app.get_state(thread()).next
    found = app.invoke(None, thread())
    return [waits, [(one.type, one.content) for one in found["messages"]]]


def tools_are_sent_one_by_one_and_ask(lib):
    @tool
    def book(what: str) -> str:
        """Book."""
        return f"{what} {lib.interrupt('sure about ' + what)}"

    calls = [_call("book", what="a"), _call("book", id="2", what="b")]
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("model", lambda s: {"messages": [AIMessage("", tool_calls=calls, id="a1")]})
    graph.add_node("tools", lib.ToolNode([book])).add_edge(lib.START, "model")
    graph.add_conditional_edges(
        "model",
        lambda s: [lib.Send("tools", [call]) for call in s["messages"][-1].tool_calls],
        ["tools"],
    )
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({"messages": [HumanMessage("hi", id="h")]}, thread())
    answers = {one.id: "yes" for one in first["__interrupt__"]}
    found = app.invoke(lib.Command(resume=answers), thread())
    return [
        sorted(waiting(first)),
        sorted(m.content for m in found["messages"] if m.type == "tool"),
    ]


def a_tool_hands_over_to_another_agent(lib):
    @tool
    def hand_over() -> Any:
        """Hand over."""
        said = ToolMessage("handed over", tool_call_id="1", id="t")
        return lib.Command(goto="bob", graph=lib.Command.PARENT, update={"messages": [said]})

    alice = lib.StateGraph(lib.MessagesState)
    alice.add_node(
        "model", lambda s: {"messages": [AIMessage("", tool_calls=[_call("hand_over")], id="a")]}
    )
    alice.add_node("tools", lib.ToolNode([hand_over]))
    alice = alice.add_edge(lib.START, "model").add_edge("model", "tools").compile()
    team = lib.StateGraph(lib.MessagesState).add_node("alice", alice, destinations=("bob",))
    team.add_node("bob", lambda s: {"messages": [AIMessage("bob here", id="b")]})
    found = (
        team.add_edge(lib.START, "alice")
        .compile()
        .invoke({"messages": [HumanMessage("hi", id="h")]})
    )
    return [(one.type, one.content) for one in found["messages"]]


def a_conversation_goes_on_in_its_thread(lib):
    def answer(state: Any) -> Any:
        return {
            "messages": [AIMessage(f"{len(state['messages'])}", id=f"a{len(state['messages'])}")]
        }

    graph = (
        lib.StateGraph(lib.MessagesState).add_node("answer", answer).add_edge(lib.START, "answer")
    )
    app = graph.compile(checkpointer=lib.InMemorySaver())
    for number in range(3):
        app.invoke({"messages": [HumanMessage("hi", id=f"h{number}")]}, thread())
    steps = [
        (one["step"], one["source"], len(one["values"].get("messages", [])))
        for one in history(app, thread())
    ]
    return [[one.content for one in app.get_state(thread()).values["messages"]], steps]


def a_reflection_loop(lib):
    class State(TypedDict, total=False):
        draft: str
        notes: Annotated[list[str], operator.add]

    def write(state: State) -> Any:
        return {"draft": f"draft {len(state['notes'])}"}

    def review(state: State) -> lib.Command[Literal["write", "__end__"]]:
        is_done = len(state["notes"]) >= 2
        return lib.Command(goto=lib.END if is_done else "write", update={"notes": [state["draft"]]})

    graph = lib.StateGraph(State).add_node(write).add_node(review)
    app = graph.add_edge(lib.START, "write").add_edge("write", "review").compile()
    return [app.invoke({}), list(app.stream({}))]


def approval_before_an_action(lib):
    class State(TypedDict, total=False):
        action: str
        result: str

    def approve(state: State) -> lib.Command[Literal["act", "refuse"]]:
        answer = lib.interrupt({"action": state["action"]})
        return lib.Command(
            goto="act" if answer["ok"] else "refuse", update={"action": answer["action"]}
        )

    def act(state: State) -> Any:
        return {"result": f"did {state['action']}"}

    def refuse(state: State) -> Any:
        return {"result": "refused"}

    graph = lib.StateGraph(State).add_node(approve).add_node(act).add_node(refuse)
    app = graph.add_edge(lib.START, "approve").compile(checkpointer=lib.InMemorySaver())
    found = []
    for name, ok in (("1", True), ("2", False)):
        found.append(app.invoke({"action": "pay"}, thread(name)))
        found.append(app.invoke(lib.Command(resume={"ok": ok, "action": "pay less"}), thread(name)))
    return found


def tasks_and_questions_of_an_essay(lib):
    calls: list[str] = []

    @lib.task
    def write(topic: str) -> str:
        calls.append("write")
        return f"essay on {topic}"

    @lib.task
    def grade(essay: str, score: int) -> str:
        calls.append("grade")
        return f"{essay}: {score}"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(topic: str) -> Any:
        essay = write(topic).result()
        score = lib.interrupt({"essay": essay})
        return {"grade": grade(essay, score).result()}

    return [
        list(flow.stream("cats", thread())),
        list(flow.stream(lib.Command(resume=5), thread())),
        calls,
        told(flow.get_state(thread())),
    ]


async def an_async_map_of_tasks(lib):
    order: list[int] = []

    @lib.task
    async def slow(n: int) -> int:
        await asyncio.sleep(0.01 * (3 - n))
        order.append(n)
        return n * n

    @lib.entrypoint()
    async def flow(numbers: list[int]) -> Any:
        return await asyncio.gather(*[slow(n) for n in numbers])

    return [await flow.ainvoke([1, 2, 3]), order]


async def a_slow_branch_among_fast_ones(lib):
    async def slow(state: Log) -> Any:
        await asyncio.sleep(0.03)
        return {"log": ["slow"]}

    async def fast(state: Log) -> Any:
        return {"log": ["fast"]}

    graph = lib.StateGraph(Log).add_node("a_slow", slow).add_node("b_fast", fast)
    graph.add_node("after", lambda s: {"log": ["after"]}).add_edge("b_fast", "after")
    app = graph.add_edge(lib.START, "a_slow").add_edge(lib.START, "b_fast").compile()
    return [await app.ainvoke({}), await listed(app.astream({}))]


async def an_error_cancels_its_siblings(lib):
    seen: list[str] = []

    async def waits(state: Log) -> Any:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def fails(state: Log) -> Any:
        await asyncio.sleep(0.01)
        raise ValueError("now")

    graph = lib.StateGraph(Log).add_node(waits).add_node(fails)
    app = graph.add_edge(lib.START, "waits").add_edge(lib.START, "fails").compile()
    return [await araised(app.ainvoke({}), "now"), seen]


async def a_concurrency_limit_of_the_call(lib):
    running, most = [0], [0]

    async def work(state: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.005)
        running[0] -= 1
        return {"log": [str(state)]}

    graph = lib.StateGraph(Log).add_node("work", work)
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", n) for n in range(9)])
    found = await graph.compile().ainvoke({}, {"max_concurrency": 3})
    return [found, most[0] <= 3]


def config_of_the_graph_and_of_the_call_meet(lib):
    def node(state: Log, config: RunnableConfig) -> Any:
        named = config["configurable"]
        return {
            "log": [named["a"], named["b"], *sorted(config["tags"]), str(config["metadata"]["m"])]
        }

    graph = lib.StateGraph(Log).add_node(node).add_edge(lib.START, "node").compile()
    bound = graph.with_config(
        configurable={"a": "bound", "b": "bound"}, tags=["t1"], metadata={"m": 1}
    )
    return bound.invoke({}, {"configurable": {"b": "call"}, "tags": ["t2"], "metadata": {"x": 2}})


def a_graph_in_a_pipe_of_runnables(lib):
    graph = lib.StateGraph(Log).add_node("node", lambda s: {"log": ["node"]})
    app = graph.add_edge(lib.START, "node").compile()
    from langchain_core.runnables import RunnableLambda

    chain = RunnableLambda(lambda text: {"log": [text]}) | RunnableLambda(app.invoke)
    return chain.invoke("in")


def updates_of_several_parents_reach_their_own_children(lib):
    def child(name: str) -> Any:
        graph = lib.StateGraph(Log).add_node(name, lambda s: {"log": [f"{name} {len(s['log'])}"]})
        return graph.add_edge(lib.START, name).compile()

    graph = lib.StateGraph(Log).add_node("one", child("x")).add_node("two", child("y"))
    app = (
        graph.add_edge(lib.START, "one")
        .add_edge("one", "two")
        .compile(checkpointer=lib.InMemorySaver())
    )
    chunks = unordered(app.stream({"log": ["in"]}, thread(), subgraphs=True))
    return [len(chunks), app.get_state(thread()).values, app.invoke({"log": ["again"]}, thread())]


def errors_inside_of_reducers_come_out(lib):
    def odd(old: Any, new: Any) -> Any:
        raise ZeroDivisionError("reducer")

    class State(TypedDict, total=False):
        key: Annotated[str, odd]

    graph = (
        lib.StateGraph(State).add_node("node", lambda s: {"key": "x"}).add_edge(lib.START, "node")
    )
    return raised(lambda: graph.compile().invoke({"key": "y"})) is not None
