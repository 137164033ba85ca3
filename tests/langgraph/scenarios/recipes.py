"""Whole graphs as people write them, in which several things meet."""

import enum
import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import BaseModel

from tests.langgraph.scenarios.telling import (
    history,
    listed,
    raised,
    thread,
    told,
    unordered,
    waiting,
)


class Docs(TypedDict, total=False):
    query: str
    answer: str
    docs: Annotated[list[str], lambda old, new: sorted([*old, *new])]


def _retrieval(lib: Any, **options: Any) -> Any:
    graph = lib.StateGraph(Docs)
    graph.add_node("rewrite", lambda s: {"query": f"query: {s['query']}"})
    graph.add_node("analyze", lambda s: {"query": f"analyzed: {s['query']}"})
    graph.add_node("one", lambda s: {"docs": ["doc1", "doc2"]})
    graph.add_node("two", lambda s: {"docs": ["doc3", "doc4"]})
    graph.add_node("answer", lambda s: {"answer": ",".join(s["docs"])})
    graph.set_entry_point("rewrite").add_edge("rewrite", "analyze")
    graph.add_edge("analyze", "one").add_edge("rewrite", "two")
    return graph.add_edge(["one", "two"], "answer").set_finish_point("answer").compile(**options)


def a_join_of_branches_of_different_length(lib):
    app = _retrieval(lib)
    return [app.invoke({"query": "weather"}), unordered(app.stream({"query": "weather"}))]


def a_join_that_is_half_done_at_a_breakpoint(lib):
    app = _retrieval(lib, checkpointer=lib.InMemorySaver(), interrupt_after=["one"])
    first = unordered(app.stream({"query": "weather"}, thread()))
    state = told(app.get_state(thread()))
    return [first, state, list(app.stream(None, thread()))]


def a_join_that_is_half_done_and_changed_by_a_person(lib):
    app = _retrieval(lib, checkpointer=lib.InMemorySaver(), interrupt_before=["answer"])
    app.invoke({"query": "weather"}, thread())
    app.update_state(thread(), {"docs": ["doc5"]})
    state = told(app.get_state(thread()))
    return [state, app.invoke(None, thread())]


def a_join_is_kept_across_a_question(lib):
    graph = lib.StateGraph(Docs).add_node("one", lambda s: {"docs": ["1"]})
    graph.add_node("two", lambda s: {"docs": ["2"]})
    graph.add_node("ask", lambda s: {"docs": [lib.interrupt("?")]})
    graph.add_node("join", lambda s: {"answer": ",".join(s["docs"])})
    graph.add_edge(lib.START, "one").add_edge(lib.START, "two").add_edge("two", "ask")
    app = graph.add_edge(["one", "ask"], "join").compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({"query": "q"}, thread())
    return [first, app.invoke(lib.Command(resume="3"), thread())]


class Name(enum.Enum):
    ONE = "one"


class TextName(enum.StrEnum):
    ONE = "one"
    TWO = "two"


def names_of_nodes_may_be_an_enum_of_texts(lib):
    graph = lib.StateGraph(Docs).add_node(TextName.ONE, lambda s: {"docs": ["1"]})
    graph.add_node(TextName.TWO, lambda s: {"docs": ["2"]})
    graph.add_edge(lib.START, TextName.ONE).add_edge(TextName.ONE, TextName.TWO)
    return graph.compile().invoke({"query": "q"})


def routers_may_answer_with_an_enum(lib):
    graph = lib.StateGraph(Docs).add_node("one", lambda s: {"docs": ["1"]})
    graph.add_conditional_edges(lib.START, lambda s: Name.ONE, {Name.ONE: "one"})
    return graph.compile().invoke({"query": "q"})


def a_passthrough_gives_the_whole_state_back(lib):
    graph = lib.StateGraph(Docs).add_node("pass", RunnablePassthrough())
    graph.add_node("more", RunnableLambda(lambda s: {**s, "answer": "a"}))
    app = graph.add_edge(lib.START, "pass").add_edge("pass", "more").compile()
    return app.invoke({"query": "q"})


def a_message_is_removed_by_a_person(lib):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("chat", lambda s: {"messages": [AIMessage("hi", id="2")]})
    app = graph.add_edge(lib.START, "chat").compile(checkpointer=lib.InMemorySaver())
    app.invoke({"messages": [HumanMessage("hello", id="1")]}, thread())
    app.update_state(thread(), {"messages": [RemoveMessage(id="1")]})
    return app.get_state(thread()).values


def _nested(lib: Any, **options: Any) -> Any:
    """Three floors, with a breakpoint in the lowest."""

    class State(TypedDict, total=False):
        key: str
        log: Annotated[list[str], operator.add]

    low = lib.StateGraph(State).add_node("first", lambda s: {"key": s["key"] + "1"})
    low.add_node("second", lambda s: {"key": s["key"] + "2"})
    low = low.add_edge(lib.START, "first").add_edge("first", "second")
    mid = lib.StateGraph(State).add_node("low", low.compile(interrupt_before=["second"]))
    mid.add_node("after", lambda s: {"key": s["key"] + "m"})
    mid = mid.add_edge(lib.START, "low").add_edge("low", "after").compile()
    top = lib.StateGraph(State).add_node("pre", lambda s: {"key": s["key"] + "p"})
    top.add_node("mid", mid).add_node("post", lambda s: {"key": s["key"] + "t"})
    top.add_edge(lib.START, "pre").add_edge("pre", "mid").add_edge("mid", "post")
    return top.compile(checkpointer=lib.InMemorySaver(), **options)


def a_breakpoint_three_floors_down(lib):
    app = _nested(lib)
    first = list(app.stream({"key": ""}, thread(), subgraphs=True))
    states = [told(app.get_state(thread(), subgraphs=deep)) for deep in (False, True)]
    rest = list(app.stream(None, thread(), subgraphs=True))
    return [first, states, rest, told(app.get_state(thread()))]


def a_person_changes_the_lowest_floor(lib):
    app = _nested(lib)
    app.invoke({"key": ""}, thread())
    state = app.get_state(thread(), subgraphs=True)
    low = state.tasks[0].state.tasks[0].state
    app.update_state(low.config, {"key": "person"}, as_node="first")
    return [told(app.get_state(low.config)), app.invoke(None, thread())]


def a_person_stands_in_for_a_whole_subgraph(lib):
    app = _nested(lib)
    app.invoke({"key": ""}, thread())
    app.update_state(thread(), {"key": "person"}, as_node="mid")
    return [told(app.get_state(thread())), app.invoke(None, thread())]


def histories_of_each_floor(lib):
    app = _nested(lib)
    app.invoke({"key": ""}, thread())
    state = app.get_state(thread(), subgraphs=True)
    mid = state.tasks[0].state
    low = mid.tasks[0].state
    return [
        [one["next"] for one in history(app, place)] for place in (thread(), mid.config, low.config)
    ]


def nested_interrupts_beside_each_other(lib):
    class State(TypedDict, total=False):
        key: Annotated[str, operator.add]

    inner = lib.StateGraph(State).add_node("ask", lambda s: {"key": lib.interrupt("in?")})
    graph = lib.StateGraph(State).add_node("inner", inner.add_edge(lib.START, "ask").compile())
    graph.add_node("outer", lambda s: {"key": "outer "}).add_node("end", lambda s: {"key": "end"})
    graph.add_edge(lib.START, "inner").add_edge(lib.START, "outer")
    app = graph.add_edge(["inner", "outer"], "end").compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({"key": ""}, thread())
    return [first, app.invoke(lib.Command(resume="answer "), thread())]


def sends_are_not_sent_again_when_resumed(lib):
    calls: list[str] = []

    def work(state: Any) -> Any:
        calls.append(str(state))
        return {"docs": [f"work {state}"]}

    def flaky(state: Any) -> Any:
        calls.append("flaky")
        if calls.count("flaky") < 2:
            raise ValueError("first")
        return {"docs": ["flaky"]}

    graph = lib.StateGraph(Docs).add_node("work", work).add_node("flaky", flaky)
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", n) for n in (1, 2)])
    app = graph.add_edge("work", "flaky").compile(checkpointer=lib.InMemorySaver())
    return [raised(lambda: app.invoke({"query": "q"}, thread())), app.invoke(None, thread()), calls]


def a_subgraph_is_retried_as_a_whole(lib):
    calls: list[int] = []

    def flaky(state: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("again")
        return {"docs": ["done"]}

    inner = lib.StateGraph(Docs).add_node("flaky", flaky).add_edge(lib.START, "flaky").compile()
    policy = lib.RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=4)
    graph = lib.StateGraph(Docs).add_node("inner", inner, retry_policy=policy)
    return [graph.add_edge(lib.START, "inner").compile().invoke({"query": "q"}), len(calls)]


def breakpoints_without_any_update(lib):
    graph = lib.StateGraph(Docs)
    graph.add_sequence([(name, lambda s: None) for name in ("one", "two", "three")])
    app = graph.add_edge(lib.START, "one").compile(
        checkpointer=lib.InMemorySaver(), interrupt_after="*"
    )
    app.invoke({"query": "q"}, thread())
    seen = []
    while nexts := app.get_state(thread()).next:
        seen.append(nexts)
        app.invoke(None, thread())
    return seen


def a_plan_is_carried_out_by_commands(lib):
    class State(TypedDict, total=False):
        plan: list[Any]
        log: Annotated[list[str], operator.add]

    def planner(state: State) -> Any:
        if state.get("plan") is None:
            return lib.Command(
                goto="step", update={"plan": ["a", ["b", "c"], "d"], "log": ["plan"]}
            )
        rest = state["plan"][1:]
        goto = ("step" if isinstance(rest[0], str) else ["step", "other"]) if rest else lib.END
        return lib.Command(goto=goto, update={"plan": rest, "log": [f"left {len(rest)}"]})

    graph = lib.StateGraph(State).add_node(planner)
    graph.add_node("step", lambda s: {"log": [f"step {s['plan'][0]}"]})
    graph.add_node("other", lambda s: {"log": ["other"]})
    app = graph.add_edge(lib.START, "planner").add_edge("step", "planner").compile()
    return app.invoke({"log": []})


def a_command_meets_a_breakpoint(lib):
    def a(state: Docs) -> lib.Command[Literal["b"]]:
        return lib.Command(goto="b", update={"docs": ["a"]})

    graph = lib.StateGraph(Docs).add_node(a).add_node("b", lambda s: {"docs": ["b"]})
    app = graph.add_edge(lib.START, "a").compile(
        checkpointer=lib.InMemorySaver(), interrupt_before=["b"]
    )
    return [
        app.invoke({"query": "q"}, thread()),
        told(app.get_state(thread())),
        app.invoke(None, thread()),
    ]


def an_update_of_a_command_may_be_an_object(lib):
    @dataclass
    class Change:
        answer: str

    class Model(BaseModel):
        query: str

    graph = lib.StateGraph(Docs).add_node("a", lambda s: lib.Command(update=Change("changed")))
    graph.add_node("b", lambda s: lib.Command(update=Model(query="asked")))
    app = graph.add_edge(lib.START, "a").add_edge("a", "b").compile()
    return raised(lambda: app.invoke({"query": "q"}))


def none_is_a_value(lib):
    class State(TypedDict, total=False):
        maybe: str | None
        log: Annotated[list[str] | None, lambda old, new: new]

    graph = lib.StateGraph(State).add_node("a", lambda s: {"maybe": None, "log": None})
    app = graph.add_edge(lib.START, "a").compile()
    return [app.invoke({"maybe": "x", "log": ["y"]}), list(app.stream({"maybe": "x"}))]


def a_model_sets_a_value_to_none(lib):
    class Model(BaseModel):
        query: str = ""
        maybe: str | None = "given"

    graph = lib.StateGraph(Model).add_node("a", lambda s: {"maybe": None})
    graph.add_node("b", lambda s: {"query": f"{s.maybe!r}"}).add_edge("a", "b")
    return graph.add_edge(lib.START, "a").compile().invoke({"query": "q", "maybe": "x"})


async def async_branches_of_a_graph_with_everything(lib):
    class State(TypedDict, total=False):
        items: list[int]
        log: Annotated[list[str], operator.add]

    async def work(state: Any) -> Any:
        return {"log": [f"work {state}"]}

    async def sub(state: State) -> Any:
        return {"log": ["sub"]}

    child = lib.StateGraph(State).add_node("sub", sub).add_edge(lib.START, "sub").compile()
    graph = lib.StateGraph(State).add_node("plan", lambda s: {"log": ["plan"]})
    graph.add_node("work", work).add_node("child", child)
    graph.add_node("join", lambda s: {"log": [f"join {len(s['log'])}"]}, defer=True)
    graph.add_conditional_edges(
        "plan", lambda s: [*[lib.Send("work", i) for i in s["items"]], "child"], ["work", "child"]
    )
    graph.add_edge(lib.START, "plan").add_edge("work", "join").add_edge("child", "join")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    chunks = await listed(
        app.astream({"items": [2, 1]}, thread(), stream_mode=["values", "updates"])
    )
    return [
        [chunk for mode, chunk in chunks if mode == "values"],
        unordered(chunk for mode, chunk in chunks if mode == "updates"),
        [told(one) async for one in app.aget_state_history(thread())],
    ]


def several_questions_in_a_loop_of_a_subgraph(lib):
    class State(TypedDict, total=False):
        names: Annotated[list[str], operator.add]

    def ask(state: State) -> Any:
        return {"names": [lib.interrupt(f"name {len(state['names'])}?")]}

    inner = lib.StateGraph(State).add_node(ask).add_edge(lib.START, "ask")
    inner.add_conditional_edges("ask", lambda s: lib.END if len(s["names"]) > 2 else "ask")
    graph = lib.StateGraph(State).add_node("inner", inner.compile()).add_edge(lib.START, "inner")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    found = [waiting(app.invoke({"names": []}, thread()))]
    for name in ("ada", "bob"):
        found.append(waiting(app.invoke(lib.Command(resume=name), thread())))
    return [found, app.invoke(lib.Command(resume="eve"), thread())]


def a_node_invokes_one_graph_several_times(lib):
    inner = lib.StateGraph(Docs).add_node("one", lambda s: {"docs": [s["query"]]})
    child = inner.add_edge(lib.START, "one").compile()

    def call(state: Docs) -> Any:
        return {"docs": [child.invoke({"query": q})["docs"][0] for q in ("a", "b", "c")]}

    graph = lib.StateGraph(Docs).add_node(call).add_edge(lib.START, "call")
    return graph.compile(checkpointer=lib.InMemorySaver()).invoke({"query": "q"}, thread())


def snapshots_are_equal_by_their_parts(lib):
    app = _retrieval(lib, checkpointer=lib.InMemorySaver(), interrupt_before=["answer"])
    app.invoke({"query": "weather"}, thread())
    state = app.get_state(thread())
    same = lib.StateSnapshot(
        values={"query": "analyzed: query: weather", "docs": ["doc1", "doc2", "doc3", "doc4"]},
        next=("answer",),
        config=state.config,
        metadata={"source": "loop", "step": 3, "parents": {}},
        created_at=state.created_at,
        parent_config=state.parent_config,
        tasks=(lib.PregelTask(state.tasks[0].id, "answer", ("__pregel_pull", "answer")),),
        interrupts=(),
    )
    return state == same
