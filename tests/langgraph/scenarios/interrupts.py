"""Interrupts: executions that wait for a person, and what wakes them."""

import operator
from typing import Annotated, Any, TypedDict

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


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


def _asking(lib: Any, name: str, *questions: Any) -> Any:
    def ask(state: State) -> Any:
        return {"log": [f"{name}: {lib.interrupt(question)}" for question in questions]}

    return ask


def _graph(lib: Any, **nodes: Any) -> Any:
    """A chain of the nodes, with a checkpointer."""
    graph = lib.StateGraph(State).add_sequence([*nodes.items()])
    return graph.add_edge(lib.START, next(iter(nodes))).compile(checkpointer=lib.InMemorySaver())


def _wide(lib: Any, **nodes: Any) -> Any:
    """All nodes at once, then one that joins them."""
    graph = lib.StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node).add_edge(lib.START, name)
    graph.add_node("join", lambda state: {"log": ["join"]}).add_edge([*nodes], "join")
    return graph.compile(checkpointer=lib.InMemorySaver())


def one_question(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", "why?"), after=lambda s: {"log": ["after"]})
    first = graph.invoke({"a": "x"}, thread())
    state = told(graph.get_state(thread()))
    return [
        first,
        state,
        graph.invoke(lib.Command(resume="so"), thread()),
        history(graph, thread()),
    ]


async def one_question_async(lib):
    async def ask(state: State) -> Any:
        return {"log": [lib.interrupt("why?")]}

    graph = _graph(lib, ask=ask)
    first = await graph.ainvoke({"a": "x"}, thread())
    state = told(await graph.aget_state(thread()))
    return [first, state, await graph.ainvoke(lib.Command(resume="so"), thread())]


def a_node_begins_again_when_answered(lib):
    calls: list[str] = []

    def ask(state: State) -> Any:
        calls.append("begun")
        answer = lib.interrupt("why?")
        calls.append(answer)

    graph = _graph(lib, ask=ask)
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="so"), thread())
    return calls


def several_questions_of_one_node_one_by_one(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", 1, 2, 3))
    found = [graph.invoke({}, thread())]
    for answer in ("a", "b", "c"):
        found.append(graph.invoke(lib.Command(resume=answer), thread()))
    return found


def questions_of_one_node_in_a_loop(lib):
    def ask(state: State) -> Any:
        age = lib.interrupt("age?")
        while not isinstance(age, int):
            age = lib.interrupt(f"{age!r} is no number")
        return {"log": [str(age)]}

    graph = _graph(lib, ask=ask)
    return [
        graph.invoke({}, thread()),
        graph.invoke(lib.Command(resume="ten"), thread()),
        told(graph.get_state(thread())),
        graph.invoke(lib.Command(resume=10), thread()),
    ]


def falsy_answers_are_answers(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", 1))
    found = []
    for number, answer in enumerate(("", 0, False, [], {})):
        graph.invoke({}, thread(str(number)))
        found.append(
            raised(lambda a=answer, n=str(number): graph.invoke(lib.Command(resume=a), thread(n)))
        )
    return found


def chunks_of_a_question(lib):
    graph = _graph(lib, pre=lambda s: {"log": ["pre"]}, ask=_asking(lib, "ask", "why?"))
    modes = ["values", "updates", "tasks"]
    return [
        list(graph.stream({"a": "x"}, thread(), stream_mode=modes)),
        list(graph.stream(lib.Command(resume="so"), thread(), stream_mode=modes)),
    ]


def checkpoints_of_a_question(lib):
    graph = _graph(lib, pre=lambda s: {"log": ["pre"]}, ask=_asking(lib, "ask", "why?"))
    return [
        list(graph.stream({"a": "x"}, thread(), stream_mode="checkpoints")),
        list(graph.stream(lib.Command(resume="so"), thread(), stream_mode="checkpoints")),
    ]


async def chunks_of_a_question_async(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", "why?"))
    return [
        await listed(graph.astream({"a": "x"}, thread(), stream_mode=["values", "updates"])),
        await listed(graph.astream(lib.Command(resume="so"), thread())),
    ]


def questions_at_the_same_time_are_all_shown(lib):
    graph = _wide(lib, one=_asking(lib, "one", "1?"), two=_asking(lib, "two", "2?"))
    found = graph.invoke({}, thread())
    state = graph.get_state(thread())
    return [
        sorted(waiting(found)),
        told(state),
        raised(lambda: graph.invoke(lib.Command(resume="x"), thread()), "interrupt id"),
    ]


def questions_at_the_same_time_are_answered_by_id(lib):
    graph = _wide(lib, one=_asking(lib, "one", "1?"), two=_asking(lib, "two", "2?"))
    graph.invoke({}, thread())
    ids = {one.value: one.id for one in graph.get_state(thread()).interrupts}
    answers = {ids["1?"]: "first", ids["2?"]: "second"}
    return graph.invoke(lib.Command(resume=answers), thread())


def one_of_two_questions_answered_by_id_leaves_the_other(lib):
    calls: list[str] = []

    def one(state: State) -> Any:
        calls.append("one")
        return {"log": [lib.interrupt("1?")]}

    graph = _wide(lib, one=one, two=_asking(lib, "two", "2?"))
    first = graph.invoke({}, thread())
    ids = {i.value: i.id for i in first["__interrupt__"]}
    second = graph.invoke(lib.Command(resume={ids["1?"]: "yes"}), thread())
    state = told(graph.get_state(thread()))
    third = graph.invoke(lib.Command(resume="also"), thread())
    return [second, state, third, calls]


def a_finished_sibling_does_not_run_again(lib):
    calls: list[str] = []

    def quick(state: State) -> Any:
        calls.append("quick")
        return {"log": ["q"]}

    graph = _wide(lib, quick=quick, ask=_asking(lib, "ask", "?"))
    first = unordered(graph.stream({}, thread()))
    state = told(graph.get_state(thread()))
    return [first, state, list(graph.stream(lib.Command(resume="so"), thread())), calls]


def questions_in_sent_branches(lib):
    graph = lib.StateGraph(State)
    graph.add_node("work", lambda s: {"log": [f"{s['n']} {lib.interrupt('q' + s['n'])}"]})
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", {"n": n}) for n in "123"])
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({}, thread())
    state = told(app.get_state(thread()))
    answers = {i.id: f"to {i.value}" for i in first["__interrupt__"]}
    return [sorted(waiting(first)), state, app.invoke(lib.Command(resume=answers), thread())]


def some_sent_branches_ask(lib):
    calls: list[str] = []

    def work(state: Any) -> Any:
        calls.append(state["n"])
        return {"log": [lib.interrupt(state["n"]) if state["n"] == "2" else state["n"]]}

    graph = lib.StateGraph(State).add_node("work", work)
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", {"n": n}) for n in "123"])
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({}, thread())
    return [first, app.invoke(lib.Command(resume="two"), thread()), sorted(calls)]


def ids_of_interrupts_are_the_same_when_asked_again(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", "1", "2"))
    first = graph.invoke({}, thread())["__interrupt__"][0].id
    again = graph.get_state(thread()).interrupts[0].id
    second = graph.invoke(lib.Command(resume="a"), thread())["__interrupt__"][0].id
    return [first == again, first == second, len(first)]


def an_answer_with_an_update(lib):
    graph = _graph(lib, ask=lambda s: {"log": [f"{lib.interrupt('?')} {s.get('a')}"]})
    graph.invoke({"a": "old"}, thread())
    return graph.invoke(lib.Command(resume="so", update={"a": "new", "log": ["up"]}), thread())


def an_answer_with_a_goto(lib):
    graph = lib.StateGraph(State).add_node("ask", _asking(lib, "ask", "?"))
    graph.add_node("other", lambda s: {"log": ["other"]}).add_edge(lib.START, "ask")
    graph.add_conditional_edges("ask", lambda s: s.get("a", lib.END), ["other", lib.END])
    app = graph.compile(checkpointer=lib.InMemorySaver())
    app.invoke({}, thread())
    return app.invoke(lib.Command(resume="so", goto="other"), thread())


def no_input_asks_again(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", "?"))
    graph.invoke({"a": "x"}, thread())
    return [waiting(graph.invoke(None, thread())), graph.invoke(lib.Command(resume="y"), thread())]


def new_input_begins_anew(lib):
    graph = _graph(lib, pre=lambda s: {"log": [f"pre {s['a']}"]}, ask=_asking(lib, "ask", "?"))
    graph.invoke({"a": "x"}, thread())
    second = graph.invoke({"a": "y"}, thread())
    return [
        second,
        told(graph.get_state(thread())),
        graph.invoke(lib.Command(resume="z"), thread()),
    ]


def an_answer_needs_a_checkpointer(lib):
    graph = (
        lib.StateGraph(State).add_node("ask", _asking(lib, "ask", "?")).add_edge(lib.START, "ask")
    )
    app = graph.compile()
    return [app.invoke({}), raised(lambda: app.invoke(lib.Command(resume=1)), "checkpointer")]


def a_question_may_be_any_value(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", {"form": ["a", 1, None]}))
    return graph.invoke({}, thread())


def an_interrupt_is_not_an_exception_to_a_careful_node(lib):
    def ask(state: State) -> Any:
        try:
            return {"log": [lib.interrupt("?")]}
        except ValueError:
            return {"log": ["caught"]}

    graph = _graph(lib, ask=ask)
    graph.invoke({}, thread())
    return graph.invoke(lib.Command(resume="so"), thread())


def an_interrupt_is_an_exception_of_its_own(lib):
    seen: list[Any] = []

    def ask(state: State) -> Any:
        try:
            lib.interrupt("?")
        except lib.GraphInterrupt as error:
            seen.append([one.value for one in error.args[0]])
            raise
        return {"log": ["went on"]}

    graph = _graph(lib, ask=ask)
    return [graph.invoke({}, thread()), seen, issubclass(lib.GraphInterrupt, lib.GraphBubbleUp)]


def a_router_may_ask(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("b", lambda s: {"log": ["b"]}).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda s: lib.interrupt("where?"))
    app = graph.compile(checkpointer=lib.InMemorySaver())
    return [app.invoke({}, thread()), app.invoke(lib.Command(resume="b"), thread())]


def an_answer_may_have_to_fit_a_schema(lib):
    from pydantic import BaseModel

    class Answer(BaseModel):
        n: int

    def ask(state: State) -> Any:
        return {"log": [repr(lib.interrupt("?", response_schema=Answer).n)]}

    graph = _graph(lib, ask=ask)
    first = graph.invoke({}, thread())
    return [
        waiting(first),
        raised(lambda: graph.invoke(lib.Command(resume={"n": "many"}), thread())),
        told(graph.get_state(thread()))["next"],
        graph.invoke(lib.Command(resume={"n": "5"}), thread()),
    ]


def the_second_version_shows_interrupts_apart(lib):
    graph = _graph(lib, ask=_asking(lib, "ask", "?"))
    found = graph.invoke({"a": "x"}, thread(), version="v2")
    chunks = list(graph.stream({"a": "x"}, thread("2"), stream_mode="values", version="v2"))
    return [found.value, [one.value for one in found.interrupts], chunks]


async def parallel_questions_async(lib):
    async def one(state: State) -> Any:
        return {"log": [lib.interrupt("1?")]}

    async def two(state: State) -> Any:
        return {"log": [lib.interrupt("2?")]}

    graph = _wide(lib, one=one, two=two)
    found = await graph.ainvoke({}, thread())
    ids = {i.value: i.id for i in found["__interrupt__"]}
    answers = {ids["1?"]: "a", ids["2?"]: "b"}
    return [sorted(ids), await graph.ainvoke(lib.Command(resume=answers), thread())]


async def an_async_answer_to_nothing(lib):
    graph = _graph(lib, one=lambda s: {"log": ["one"]})
    await graph.ainvoke({}, thread())
    return await araised(graph.ainvoke(lib.Command(resume="x"), thread()))


def an_empty_command_after_the_end_is_refused(lib):
    graph = _graph(lib, one=lambda s: {"log": ["one"]})
    graph.invoke({}, thread())
    return raised(lambda: graph.invoke(None, thread()))
