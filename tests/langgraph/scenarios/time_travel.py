"""Time travel: going on from earlier checkpoints, with and without changes."""

import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import history, thread, told, waiting


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def _graph(lib: Any, calls: list[str], names: str = "abc", ask: str = "") -> Any:
    def node(name: str) -> Any:
        def run(state: State) -> Any:
            calls.append(name)
            return {"log": [f"{name}:{lib.interrupt(name + '?')}" if name in ask else name]}

        return run

    graph = lib.StateGraph(State).add_sequence([(name, node(name)) for name in names])
    return graph.add_edge(lib.START, names[0]).compile(checkpointer=lib.InMemorySaver())


def _before(graph: Any, name: str) -> Any:
    return next(s for s in graph.get_state_history(thread()) if s.next == (name,)).config


def a_replay_runs_what_comes_after(lib):
    calls: list[str] = []
    graph = _graph(lib, calls)
    graph.invoke({}, thread())
    found = graph.invoke(None, _before(graph, "b"))
    return [found, calls, history(graph, thread())]


def a_replay_of_the_end_runs_nothing(lib):
    calls: list[str] = []
    graph = _graph(lib, calls)
    graph.invoke({}, thread())
    return [graph.invoke(None, graph.get_state(thread()).config), calls]


def a_replay_streams_from_there(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread())
    return list(graph.stream(None, _before(graph, "c"), stream_mode=["values", "updates"]))


def a_fork_goes_on_with_a_changed_state(lib):
    calls: list[str] = []
    graph = _graph(lib, calls)
    graph.invoke({}, thread())
    fork = graph.update_state(_before(graph, "b"), {"log": ["fork"]})
    found = graph.invoke(None, fork)
    return [found, calls, history(graph, thread())]


def forks_of_one_checkpoint_do_not_meet(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread())
    before = _before(graph, "b")
    one = graph.invoke(None, graph.update_state(before, {"log": ["one"]}))
    two = graph.invoke(None, graph.update_state(before, {"log": ["two"]}))
    return [one, two, graph.get_state(thread()).values]


def a_fork_as_another_node(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread())
    fork = graph.update_state(_before(graph, "b"), {"log": ["fork"]}, as_node="b")
    return [told(graph.get_state(fork)), graph.invoke(None, fork)]


def a_copy_of_a_checkpoint(lib):
    calls: list[str] = []
    graph = _graph(lib, calls)
    graph.invoke({}, thread())
    copy = graph.update_state(_before(graph, "b"), None, as_node="__copy__")
    return [told(graph.get_state(copy)), graph.invoke(None, copy), calls]


def new_input_at_an_old_checkpoint(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread())
    return [graph.invoke({"log": ["new"]}, _before(graph, "b")), len(history(graph, thread()))]


def a_replay_of_a_question_asks_again(lib):
    calls: list[str] = []
    graph = _graph(lib, calls, ask="b")
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="first"), thread())
    again = graph.invoke(None, _before(graph, "b"))
    return [again, calls, graph.invoke(lib.Command(resume="second"), thread()), calls]


def a_replay_from_before_a_question(lib):
    calls: list[str] = []
    graph = _graph(lib, calls, ask="b")
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="first"), thread())
    found = graph.invoke(None, _before(graph, "a"))
    return [found, calls]


def a_fork_of_a_question_asks_again(lib):
    graph = _graph(lib, [], ask="b")
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="first"), thread())
    fork = graph.update_state(_before(graph, "b"), {"log": ["fork"]})
    asked = graph.invoke(None, fork)
    return [waiting(asked), graph.invoke(lib.Command(resume="second"), thread())]


def an_answer_at_an_old_checkpoint(lib):
    graph = _graph(lib, [], ask="b")
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="first"), thread())
    return graph.invoke(lib.Command(resume="second"), _before(graph, "b"))


def two_questions_one_after_the_other(lib):
    graph = _graph(lib, [], ask="bc")
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="1"), thread())
    graph.invoke(lib.Command(resume="2"), thread())
    again = graph.invoke(None, _before(graph, "c"))
    return [waiting(again), graph.invoke(lib.Command(resume="3"), thread())]


def the_history_after_a_fork_holds_both_branches(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread())
    graph.invoke(None, graph.update_state(_before(graph, "c"), {"log": ["fork"]}))
    return [(one["source"], one["step"], one["next"]) for one in history(graph, thread())]


async def a_replay_async(lib):
    calls: list[str] = []
    graph = _graph(lib, calls)
    await graph.ainvoke({}, thread())
    return [await graph.ainvoke(None, _before(graph, "b")), calls]
