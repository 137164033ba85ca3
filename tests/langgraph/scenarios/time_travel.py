"""Time travel: going on from earlier checkpoints, with and without changes."""

import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import history, raised, thread, told, waiting


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


def _nested(lib: Any, calls: list[str], depth: int = 1) -> Any:
    """A graph that keeps its own memory and asks twice, within others of one node."""

    def node(name: str) -> Any:
        def run(state: State) -> Any:
            calls.append(name)
            return {"log": [f"{name}:{lib.interrupt(name + '?')}" if name in "bc" else name]}

        return run

    within = lib.StateGraph(State).add_sequence([(name, node(name)) for name in "abc"])
    within = within.add_edge(lib.START, "a").compile(checkpointer=True)
    for level in range(depth):
        saver = lib.InMemorySaver() if level == depth - 1 else True
        around = lib.StateGraph(State).add_node("within", within).add_edge(lib.START, "within")
        within = around.compile(checkpointer=saver)
    return within


def _config_within(graph: Any) -> Any:
    found = graph.get_state(thread(), subgraphs=True)
    while found.tasks and not isinstance(found.tasks[0].state, dict | type(None)):
        found = found.tasks[0].state
    return found.config


def _sources(graph: Any) -> list[Any]:
    return [(s.metadata["source"], s.next) for s in graph.get_state_history(thread())]


def a_replay_from_a_checkpoint_within(lib):
    calls: list[str] = []
    graph = _nested(lib, calls)
    graph.invoke({}, thread())
    first = _config_within(graph)
    graph.invoke(lib.Command(resume="1"), thread())
    graph.invoke(lib.Command(resume="2"), thread())
    found = [waiting(graph.invoke(None, first)), _sources(graph)]
    found += [waiting(graph.invoke(lib.Command(resume="3"), thread()))]
    return [
        *found,
        graph.invoke(lib.Command(resume="4"), thread()),
        calls,
        _sources(graph),
    ]


def a_fork_at_a_checkpoint_within(lib):
    calls: list[str] = []
    graph = _nested(lib, calls)
    graph.invoke({}, thread())
    fork = graph.update_state(_config_within(graph), {"log": ["fork"]})
    found = [waiting(graph.invoke(None, fork))]
    found += [waiting(graph.invoke(lib.Command(resume="1"), fork))]
    return [*found, graph.invoke(lib.Command(resume="2"), thread()), calls]


def a_replay_from_two_floors_down(lib):
    calls: list[str] = []
    graph = _nested(lib, calls, depth=2)
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="1"), thread())
    second = _config_within(graph)
    graph.invoke(lib.Command(resume="2"), thread())
    return [waiting(graph.invoke(None, second)), calls]


def _remembering(lib: Any, seen: list[Any]) -> Any:
    def look(state: State) -> Any:
        seen.append(list(state["log"]))
        return {"log": ["x"]}

    class Outer(TypedDict, total=False):
        count: Annotated[int, operator.add]

    within = lib.StateGraph(State).add_node("look", look).add_edge(lib.START, "look")
    graph = lib.StateGraph(Outer).add_node("before", lambda _: {"count": 1})
    graph.add_node("within", within.compile(checkpointer=True))
    graph.add_edge(lib.START, "before").add_edge("before", "within")
    return graph.compile(checkpointer=lib.InMemorySaver())


def a_replay_forgets_what_a_lasting_subgraph_did_later(lib):
    seen: list[Any] = []
    graph = _remembering(lib, seen)
    for _ in range(3):
        graph.invoke({"count": 1}, thread())
    second = [s for s in graph.get_state_history(thread()) if s.next == ("before",)][1]
    graph.invoke(None, second.config)
    graph.invoke({"count": 1}, thread())
    return seen


def a_fork_forgets_what_a_lasting_subgraph_did_later(lib):
    seen: list[Any] = []
    graph = _remembering(lib, seen)
    for _ in range(2):
        graph.invoke({"count": 1}, thread())
    graph.invoke(None, graph.update_state(_before(graph, "within"), {"count": 5}))
    return seen


def updates_before_anything_ran_are_inputs(lib):
    graph = _graph(lib, [])
    graph.update_state(thread(), {"log": ["1"]})
    graph.update_state(thread(), {"log": ["2"]})
    return history(graph, thread())


def an_update_after_the_input_is_an_input(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread(), interrupt_before=["a"])
    graph.update_state(thread(), {"log": ["more"]})
    return history(graph, thread())


def inputs_among_many_updates(lib):
    graph = _graph(lib, [], names="ab")
    steps = [("in", "__input__"), ("in", "__start__"), ("a", "a"), ("b", "b")]
    given = [[lib.StateUpdate({"log": [value]}, name)] for value, name in steps]
    graph.bulk_update_state(thread(), [*given, *given])
    return history(graph, thread())


def an_update_after_a_run_that_is_kept_at_its_end(lib):
    graph = _graph(lib, [])
    graph.invoke({}, thread(), interrupt_before=["c"], durability="exit")
    graph.update_state(thread(), {"log": ["more"]})
    return graph.get_state(thread()).next


def updates_of_one_step_without_a_node_are_refused(lib):
    graph = _graph(lib, [])
    updates = [lib.StateUpdate({"log": ["1"]}, None), lib.StateUpdate({"log": ["2"]}, None)]
    return raised(lambda: graph.bulk_update_state(thread(), [updates]))


def an_update_of_a_subgraph_that_is_not_there(lib):
    graph = _graph(lib, [])
    config = {"configurable": {"thread_id": "1", "checkpoint_ns": "a:1"}}
    return raised(lambda: graph.update_state(config, {"log": ["1"]}))
