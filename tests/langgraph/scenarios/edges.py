"""Edges: chains, decisions, joins, deferred nodes, cycles."""

import operator
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

from tests.langgraph.scenarios.telling import araised, raised, unordered


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    kind: str


def _saying(name: str) -> Any:
    return lambda state: {"log": [name]}


def _graph(lib: Any, *names: str) -> Any:
    graph = lib.StateGraph(State)
    for name in names:
        graph.add_node(name, _saying(name))
    return graph.add_edge(lib.START, names[0])


def a_decision_by_a_map(lib):
    graph = _graph(lib, "a", "b", "c")
    graph.add_conditional_edges(
        "a", lambda state: state["kind"], {"x": "b", "y": "c", "z": lib.END}
    )
    app = graph.compile()
    return [app.invoke({"kind": kind}) for kind in "xyz"]


def a_decision_by_names(lib):
    graph = _graph(lib, "a", "b", "c")
    graph.add_conditional_edges("a", lambda state: state["kind"])
    app = graph.compile()
    return [app.invoke({"kind": kind}) for kind in ("b", "c", lib.END)]


def a_decision_by_a_list_of_names(lib):
    graph = _graph(lib, "a", "b", "c")
    graph.add_conditional_edges("a", lambda state: state["kind"], ["b", "c"])
    return [graph.compile().invoke({"kind": kind}) for kind in ("b", "c")]


def a_decision_by_its_return_type(lib):
    def route(state: State) -> Literal["b", "c"]:
        return state["kind"]

    graph = _graph(lib, "a", "b", "c").add_conditional_edges("a", route)
    return graph.compile().invoke({"kind": "c"})


def a_decision_for_several_nodes(lib):
    graph = _graph(lib, "a", "b", "c", "d")
    graph.add_conditional_edges("a", lambda state: ["b", "c"]).add_edge("b", "d").add_edge("c", "d")
    return graph.compile().invoke({"kind": ""})


def a_decision_by_booleans(lib):
    graph = _graph(lib, "a", "b", "c")
    graph.add_conditional_edges("a", lambda state: state["kind"] == "x", {True: "b", False: "c"})
    return [graph.compile().invoke({"kind": kind}) for kind in "xy"]


def a_decision_for_an_unmapped_label_fails(lib):
    graph = _graph(lib, "a", "b").add_conditional_edges("a", lambda state: "nope", {"x": "b"})
    return raised(lambda: graph.compile().invoke({"kind": ""}))


def a_decision_for_nothing_fails(lib):
    graph = _graph(lib, "a", "b").add_conditional_edges("a", lambda state: None)
    return raised(lambda: graph.compile().invoke({"kind": ""}))


def a_decision_for_no_node_ends_there(lib):
    graph = _graph(lib, "a", "b").add_conditional_edges("a", lambda state: [])
    return graph.compile().invoke({"kind": ""})


def a_decision_sees_what_its_node_wrote(lib):
    graph = _graph(lib, "a", "b").add_node("w", lambda state: {"kind": "b", "log": ["w"]})
    graph.add_edge("a", "w")
    seen: list[Any] = []

    def route(state: State) -> str:
        seen.append(dict(state))
        return state["kind"]

    graph.add_conditional_edges("w", route)
    return [graph.compile().invoke({"kind": "a"}), seen]


def a_decision_does_not_see_what_a_sibling_wrote(lib):
    graph = _graph(lib, "a", "b", "c", "d")
    graph.add_edge("a", "b").add_edge("a", "c")
    graph.add_conditional_edges("b", lambda state: "d" if "c" not in state["log"] else lib.END)
    return graph.compile().invoke({"kind": ""})


def a_decision_takes_a_config(lib):
    def route(state: State, config):
        return config["configurable"]["way"]

    graph = _graph(lib, "a", "b", "c").add_conditional_edges("a", route)
    return graph.compile().invoke({"kind": ""}, {"configurable": {"way": "c"}})


async def a_decision_may_be_async(lib):
    async def route(state: State) -> str:
        return state["kind"]

    graph = _graph(lib, "a", "b", "c").add_conditional_edges("a", route)
    return await graph.compile().ainvoke({"kind": "c"})


def two_decisions_of_one_node(lib):
    def one(state: State) -> str:
        return "b"

    def two(state: State) -> str:
        return "c"

    graph = _graph(lib, "a", "b", "c")
    graph.add_conditional_edges("a", one).add_conditional_edges("a", two)
    return graph.compile().invoke({"kind": ""})


def two_decisions_of_one_name_are_refused(lib):
    def one(state: State) -> str:
        return "b"

    graph = _graph(lib, "a", "b").add_conditional_edges("a", one)
    return raised(lambda: graph.add_conditional_edges("a", one), "already exists")


def a_decision_beside_an_edge(lib):
    graph = _graph(lib, "a", "b", "c").add_edge("a", "b").add_conditional_edges("a", lambda s: "c")
    return graph.compile().invoke({"kind": ""})


def the_beginning_may_be_decided(lib):
    graph = lib.StateGraph(State).add_node("a", _saying("a")).add_node("b", _saying("b"))
    graph.set_conditional_entry_point(lambda state: state["kind"], {"x": "a", "y": "b"})
    return [graph.compile().invoke({"kind": kind}) for kind in "xy"]


def the_beginning_may_be_several_nodes(lib):
    graph = _graph(lib, "a", "b").add_edge(lib.START, "b")
    return graph.compile().invoke({"kind": ""})


def a_diamond_joins_once(lib):
    graph = _graph(lib, "a", "b", "c", "d")
    for start, end in ("ab", "ac", "bd", "cd"):
        graph.add_edge(start, end)
    return graph.compile().invoke({"kind": ""})


def updates_of_one_step_apply_in_the_order_of_names(lib):
    graph = _graph(lib, "start", "zeta", "alpha", "mid")
    for end in ("zeta", "alpha", "mid"):
        graph.add_edge("start", end)
    return graph.compile().invoke({"kind": ""})


def an_edge_each_lets_a_node_run_once_per_step(lib):
    graph = _graph(lib, "a", "b", "c", "d", "e")
    for start, end in ("ab", "ac", "cd", "be", "de"):
        graph.add_edge(start, end)
    return graph.compile().invoke({"kind": ""})


def a_join_waits_for_all(lib):
    graph = _graph(lib, "a", "b", "c", "d", "e").add_edge("a", "b").add_edge("a", "c")
    graph.add_edge("c", "d").add_edge(["b", "d"], "e")
    app = graph.compile()
    return [app.invoke({"kind": ""}), unordered(app.stream({"kind": ""}))]


def a_join_that_is_never_complete_never_runs(lib):
    graph = _graph(lib, "a", "b", "c", "d")
    graph.add_conditional_edges("a", lambda state: "b", ["b", "c"]).add_edge(["b", "c"], "d")
    return graph.compile().invoke({"kind": ""})


def a_join_in_a_cycle_waits_again(lib):
    graph = _graph(lib, "a", "b", "c", "d")
    graph.add_edge("a", "b").add_edge("a", "c").add_edge(["b", "c"], "d")
    graph.add_conditional_edges("d", lambda s: "a" if s["log"].count("d") < 2 else lib.END)
    return graph.compile().invoke({"kind": ""})


def a_deferred_node_waits_for_all_others(lib):
    graph = _graph(lib, "a", "b", "c", "d").add_node("last", _saying("last"), defer=True)
    for start, end in ("ab", "ac", "cd"):
        graph.add_edge(start, end)
    graph.add_edge("b", "last").add_edge("d", "last")
    return graph.compile().invoke({"kind": ""})


def a_deferred_node_of_a_join(lib):
    graph = _graph(lib, "a", "b", "c", "d", "e").add_node("last", _saying("last"), defer=True)
    for start, end in ("ab", "ac", "cd", "de"):
        graph.add_edge(start, end)
    graph.add_edge(["b", "c"], "last")
    return graph.compile().invoke({"kind": ""})


def what_follows_a_deferred_node_runs(lib):
    graph = _graph(lib, "a", "b", "c").add_node("last", _saying("last"), defer=True)
    graph.add_edge("a", "b").add_edge("a", "last").add_edge("last", "c")
    return graph.compile().invoke({"kind": ""})


def a_cycle_ends_by_decision(lib):
    graph = _graph(lib, "a", "b").add_edge("a", "b")
    graph.add_conditional_edges("b", lambda s: lib.END if len(s["log"]) > 5 else "a")
    return graph.compile().invoke({"kind": ""})


def a_cycle_without_an_end_meets_the_limit(lib):
    graph = _graph(lib, "a", "b").add_edge("a", "b").add_edge("b", "a").compile()
    limited = [{"recursion_limit": n} for n in (1, 2, 5)]
    return [
        raised(lambda c=c: graph.invoke({"kind": ""}, c), f"{c['recursion_limit']}")
        for c in limited
    ]


async def the_limit_holds_for_async_too(lib):
    graph = _graph(lib, "a", "b").add_edge("a", "b").add_edge("b", "a").compile()
    return await araised(graph.ainvoke({"kind": ""}, {"recursion_limit": 4}), "limit")


def the_limit_counts_steps_exactly(lib):
    graph = _graph(lib, "a", "b", "c").add_edge("a", "b").add_edge("b", "c").compile()
    return [raised(lambda n=n: graph.invoke({"kind": ""}, {"recursion_limit": n})) for n in (3, 4)]


def a_limit_below_one_is_refused(lib):
    graph = _graph(lib, "a").compile()
    return raised(lambda: graph.invoke({"kind": ""}, {"recursion_limit": 0}))


def nodes_may_be_many_things(lib):
    class Talker:
        def __call__(self, state: State) -> Any:
            return {"log": ["object"]}

    class Holder:
        def method(self, state: State) -> Any:
            return {"log": ["method"]}

    def partly(word: str, state: State) -> Any:
        return {"log": [word]}

    graph = lib.StateGraph(State)
    graph.add_node("object", Talker()).add_node(Holder().method)
    graph.add_node("partial", partial(partly, "partial")).add_node("lambda", lambda state: None)
    names = [*graph.nodes]
    for start, end in zip([lib.START, *names], names, strict=False):
        graph.add_edge(start, end)
    return [names, graph.compile().invoke({"kind": ""})]


def a_class_instance_names_its_node(lib):
    class Speaker:
        def __call__(self, state: State) -> Any:
            return {"log": ["speaker"]}

    graph = lib.StateGraph(State).add_node(Speaker())
    return [[*graph.nodes], graph.set_entry_point("Speaker").compile().invoke({"kind": ""})]


def a_runnable_is_a_node(lib):
    from langchain_core.runnables import RunnableLambda

    double = RunnableLambda(lambda state: {"log": ["run"]}, name="runner")
    chained = RunnableLambda(lambda state: state["kind"]) | (lambda kind: {"log": [kind + "!"]})
    graph = lib.StateGraph(State).add_node(double).add_node("chain", chained)
    graph.set_entry_point("runner").add_edge("runner", "chain")
    return graph.compile().invoke({"kind": "k"})


def a_sequence_takes_names_and_functions(lib):
    def first(state: State) -> Any:
        return {"log": ["first"]}

    graph = lib.StateGraph(State).add_sequence([first, ("second", _saying("second"))])
    return graph.add_edge(lib.START, "first").compile().invoke({"kind": ""})


def a_sequence_refuses_doubles_and_emptiness(lib):
    def first(state: State) -> Any:
        return None

    return [
        raised(lambda: lib.StateGraph(State).add_sequence([])),
        raised(lambda: lib.StateGraph(State).add_sequence([first, first]), "first"),
    ]


def methods_that_write_a_graph_give_the_graph(lib):
    graph = lib.StateGraph(State)
    return [
        graph.add_node("a", _saying("a")) is graph,
        graph.add_node("b", _saying("b")) is graph,
        graph.add_edge(lib.START, "a") is graph,
        graph.add_edge(["a"], "b") is graph,
        graph.add_conditional_edges("b", lambda state: lib.END) is graph,
        graph.set_entry_point("a") is graph,
        graph.set_finish_point("b") is graph,
        graph.add_sequence([("c", _saying("c"))]) is graph,
    ]
