"""What is refused while a graph is written and compiled, and how it is said."""

import operator
import warnings
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel

from tests.langgraph.scenarios.telling import raised


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


def _node(state: State) -> Any:
    return None


def _graph(lib: Any) -> Any:
    return lib.StateGraph(State).add_node("a", _node)


def _entered(lib: Any) -> Any:
    return _graph(lib).add_edge(lib.START, "a")


def no_entry(lib):
    return raised(_graph(lib).compile, "entry")


def an_empty_graph(lib):
    return raised(lib.StateGraph(State).compile)


def an_edge_to_an_unknown_node(lib):
    graph = _graph(lib).add_edge(lib.START, "a").add_edge("a", "nope")
    return raised(graph.compile, "nope")


def an_edge_from_an_unknown_node(lib):
    graph = _graph(lib).add_edge(lib.START, "a").add_edge("nope", "a")
    return raised(graph.compile, "nope")


def an_entry_that_is_unknown(lib):
    return raised(_graph(lib).set_entry_point("nope").compile, "nope")


def a_decision_for_an_unknown_node(lib):
    graph = _graph(lib).add_edge(lib.START, "a").add_conditional_edges("a", _node, {"x": "nope"})
    return raised(graph.compile, "nope")


def a_decision_from_an_unknown_node(lib):
    graph = _graph(lib).add_edge(lib.START, "a").add_conditional_edges("nope", _node, ["a"])
    return raised(graph.compile, "nope")


def edges_that_cannot_be(lib):
    return [
        raised(lambda: _graph(lib).add_edge(lib.END, "a"), "END"),
        raised(lambda: _graph(lib).add_edge("a", lib.START), "START"),
        raised(lambda: _entered(lib).add_edge(["a", "nope"], "a").compile(), "nope"),
        raised(lambda: _entered(lib).add_edge(["a"], "nope").compile(), "nope"),
        raised(lambda: _graph(lib).add_edge([lib.END], "a"), "END"),
    ]


def names_that_cannot_be(lib):
    names = [lib.START, lib.END, "a", "b:c", "b|c"]
    return [raised(lambda n=n: _entered(lib).add_node(n, _node).compile()) for n in names]


def names_that_can_be(lib):
    names = ["with space", "ünïcode", "dots.and-dashes", "1", "x" * 90]
    graph = lib.StateGraph(State)
    graph.add_sequence([(name, _node) for name in names]).add_edge(lib.START, names[0])
    return graph.compile().invoke({"a": "x"})


def a_name_without_a_function(lib):
    return raised(lambda: lib.StateGraph(State).add_node("a"))


def names_with_slashes_and_long_ones(lib):
    graph = lib.StateGraph(State).add_node("slash/slash", _node).add_node("x" * 120, _node)
    return (
        graph.add_edge(lib.START, "slash/slash")
        .add_edge("slash/slash", "x" * 120)
        .compile()
        .invoke({"a": "x"})
    )


def dead_ends_and_orphans_are_fine(lib):
    graph = _graph(lib).add_node("orphan", _node).add_edge(lib.START, "a")
    return graph.compile().invoke({"a": "x"})


def one_edge_twice_is_one(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: {"log": ["a"]})
    graph.add_edge(lib.START, "a").add_edge(lib.START, "a")
    return graph.compile().invoke({})


def interrupts_at_unknown_nodes(lib):
    graph = _graph(lib).add_edge(lib.START, "a")
    return [
        raised(lambda: graph.compile(interrupt_before=["nope"]), "nope"),
        raised(lambda: graph.compile(interrupt_after=["nope"]), "nope"),
        raised(lambda: graph.compile(interrupt_before=["a"]).invoke({"a": "x"})),
    ]


def a_checkpointer_that_is_none(lib):
    graph = _graph(lib).add_edge(lib.START, "a")
    return raised(lambda: graph.compile(checkpointer="nope"))


def a_command_names_nodes_in_its_type(lib):
    def go(state: State):
        return lib.Command(goto="a")

    graph = _graph(lib).add_node("go", go, destinations=("a", "nope")).add_edge(lib.START, "go")
    return raised(graph.compile, "nope")


def a_graph_compiled_may_be_checked(lib):
    return _graph(lib).add_edge(lib.START, "a").validate() is not None


def edges_and_nodes_can_be_read(lib):
    graph = _graph(lib).add_node("b", _node).add_edge(lib.START, "a").add_edge("a", "b")
    app = graph.compile()
    return [sorted(graph.nodes), sorted(app.nodes), len(graph.edges)]


def schemas_are_told(lib):
    class Model(BaseModel):
        a: str
        n: int

    graph = lib.StateGraph(Model).add_node("a", _node).add_edge(lib.START, "a").compile()
    wanted = graph.get_input_jsonschema()
    given = graph.get_output_jsonschema()
    return [sorted(wanted["properties"]), wanted["properties"]["n"], sorted(given["properties"])]


def names_of_nodes_come_from_functions(lib):
    return [*lib.StateGraph(State).add_node(_node).nodes]


def a_recursion_error_is_pythons_own_too(lib):
    return [
        issubclass(lib.GraphRecursionError, RecursionError),
        issubclass(lib.InvalidUpdateError, Exception),
        issubclass(lib.EmptyInputError, Exception),
    ]


def a_reserved_key_of_the_state(lib):
    class Odd(TypedDict):
        __pregel_tasks: list[str]

    return (
        raised(lambda: lib.StateGraph(Odd).add_node("a", _node).add_edge(lib.START, "a").compile())
        is not None
    )


def names_of_before_are_taken(lib):
    class Small(TypedDict, total=False):
        a: str

    calls: list[int] = []

    def flaky(state: State, config):
        calls.append(1)
        if len(calls) < 2:
            raise ConnectionError("again")
        return {"a": state["a"] + config["configurable"]["who"], "log": [str(sorted(state))]}

    policy = lib.RetryPolicy(initial_interval=0.001, jitter=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        graph = lib.StateGraph(State, config_schema=Small, input=Small, output=Small)
        graph.add_node("flaky", flaky, retry=policy, input=Small).add_edge(lib.START, "flaky")
    found = graph.compile().invoke({"a": "x", "log": ["no"]}, {"configurable": {"who": "ada"}})
    return [found, [issubclass(one.category, DeprecationWarning) for one in told]]


def an_unknown_option_of_a_node(lib):
    return raised(lambda: lib.StateGraph(State).add_node("a", _node, nope=1)) is not None
