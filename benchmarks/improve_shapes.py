"""The shapes of graphs in which faults are planted: chains, fan-outs, sent work, loops, subgraphs."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from improve_graphs import Shape, graph_name, names, node_of

from inwit import END, START, CachePolicy, RetryPolicy, Send, StateGraph

RETRIES = RetryPolicy(max_attempts=4, initial_interval=0.002, backoff_factor=1.2, jitter=False)


class State(TypedDict, total=False):
    text: str
    tenant: str
    k0: Any
    k1: Any
    k2: Any
    k3: Any
    k4: Any
    k5: Any
    items: Annotated[list[Any], operator.add]
    rounds: int
    coverage: float


def _usual(dice: random.Random, nodes: list[str]) -> dict[str, float]:
    return {node: dice.uniform(6, 13) for node in nodes}


def chain(
    dice: random.Random, *, is_sync: bool = False, policies: dict[int, dict[str, Any]] | None = None,
    number: int = 0, bodies: dict[int, str] | None = None, params: dict[int, str] | None = None,
) -> Shape:  # fmt: skip
    """Three to five nodes in a row, each made of what the one before gave."""
    nodes = names(dice, number or dice.randint(3, 5))
    graph = StateGraph(State)
    for at, node in enumerate(nodes):
        reads = ["text"] if at == 0 else [f"k{at - 1}"]
        made = node_of(node, reads, [f"k{at}"], is_sync=is_sync, body=(bodies or {}).get(at, ""),
                       more=(params or {}).get(at, ""))  # fmt: skip
        graph.add_node(node, made, **(policies or {}).get(at, {}))
    for one, two in zip([START, *nodes], [*nodes, END], strict=True):
        graph.add_edge(one, two)
    usual = _usual(dice, nodes)
    if is_sync:  # one execution after another
        usual = {node: ms / 2 for node, ms in usual.items()}
    return Shape(graph=graph, name=graph_name(dice), usual=usual, nodes=nodes, is_sync=is_sync)


def sync_chain(dice: random.Random) -> Shape:
    """The same of plain functions."""
    return chain(dice, is_sync=True)


def fork(dice: random.Random) -> Shape:
    """First → (three at once) → join → last."""
    first, *branches, join, last = names(dice, 6)
    graph = StateGraph(State)
    graph.add_node(first, node_of(first, ["text"], ["k0"]))
    for at, node in enumerate(branches, 1):
        graph.add_node(node, node_of(node, ["k0"], [f"k{at}"]))
    graph.add_node(join, node_of(join, ["k1", "k2", "k3"], ["k4"]))
    graph.add_node(last, node_of(last, ["k4"], ["k5"]))
    graph.add_edge(START, first)
    graph.add_parallel_edges(first, branches)
    graph.add_edge(branches, join)
    graph.add_edge(join, last)
    graph.add_edge(last, END)
    nodes = [first, *branches, join, last]
    return Shape(graph=graph, name=graph_name(dice), usual=_usual(dice, nodes), nodes=nodes)


def sending(dice: random.Random) -> Shape:
    """Plan → as many workers as there is work → collect."""
    begin, worker, collect = names(dice, 3)
    graph = StateGraph(State)
    graph.add_node(begin, node_of(begin, ["text"], ["k0"]))
    graph.add_node(
        worker, node_of(worker, ["k1"], [], update='"items": [given("w", state.get("k1"))]')
    )
    graph.add_node(collect, node_of(collect, ["items"], ["k2"]))
    graph.add_edge(START, begin)
    graph.add_conditional_edges(
        begin,
        lambda state: [Send(worker, {"k1": f"{state['text']} {n}"}) for n in range(3)],
        [worker],
    )
    graph.add_edge(worker, collect)
    graph.add_edge(collect, END)
    nodes = [begin, worker, collect]
    return Shape(graph=graph, name=graph_name(dice), usual=_usual(dice, nodes), nodes=nodes)


def loop(dice: random.Random, *, search_reads: tuple[str, ...] = ("k0", "rounds")) -> Shape:
    """Begin → search → judge → (again: search | done: reply)."""
    begin, search, judge, reply = names(dice, 4)
    graph = StateGraph(State)
    graph.add_node(begin, node_of(begin, ["text"], ["k0"]))
    graph.add_node(search, node_of(search, search_reads, ["k1"]))
    count = 'rounds = state.get("rounds", 0)\nif plan.get().idle_rounds:\n    plan.get().idle_rounds -= 1\nelse:\n    rounds += 1'
    graph.add_node(judge, node_of(judge, ["k1"], [], body=count,
                                  update='"k3": given("judge", state.get("k1")), "rounds": rounds, "coverage": min(rounds / plan.get().rounds, 1.0)'))  # fmt: skip
    graph.add_node(reply, node_of(reply, ["k1"], ["k2"]))
    graph.add_edge(START, begin)
    graph.add_edge(begin, search)
    graph.add_edge(search, judge)
    graph.add_conditional_edges(
        judge,
        lambda state: "done" if state["coverage"] >= 1 else "again",
        {"again": search, "done": reply},
    )
    graph.add_edge(reply, END)
    nodes = [begin, search, judge, reply]
    return Shape(
        graph=graph, name=graph_name(dice), usual=_usual(dice, nodes), nodes=nodes, decision=judge
    )


def nested(dice: random.Random) -> Shape:
    """A chain one of whose nodes is a graph of two nodes."""
    one, two, before, after = names(dice, 4)
    within = StateGraph(State)
    within.add_node(one, node_of(one, ["k0"], ["k1"]))
    within.add_node(two, node_of(two, ["k1"], ["k2"]))
    within.add_edge(START, one)
    within.add_edge(one, two)
    within.add_edge(two, END)
    inner = within.compile(name=graph_name(dice))
    graph = StateGraph(State)
    graph.add_node(before, node_of(before, ["text"], ["k0"]))
    graph.add_node("within", inner)
    graph.add_node(after, node_of(after, ["k2"], ["k3"]))
    for first, second in ((START, before), (before, "within"), ("within", after), (after, END)):
        graph.add_edge(first, second)
    usual = _usual(dice, [one, two, before, after])
    return Shape(
        graph=graph,
        name=graph_name(dice),
        usual=usual,
        nodes=[before, after, one, two],
        inner=inner,
    )


def choosing(dice: random.Random) -> Shape:
    """First → (left | right) → last."""
    first, left, right, last = names(dice, 4)
    graph = StateGraph(State)
    graph.add_node(first, node_of(first, ["text"], ["k0"]))
    graph.add_node(left, node_of(left, ["k0"], ["k1"]))
    graph.add_node(right, node_of(right, ["k0"], ["k1"]))
    graph.add_node(last, node_of(last, ["k1"], ["k2"]))
    graph.add_edge(START, first)
    graph.add_conditional_edges(
        first,
        lambda state: "left" if len(state["tenant"]) % 2 else "right",
        {"left": left, "right": right},
    )
    graph.add_edge(left, last)
    graph.add_edge(right, last)
    graph.add_edge(last, END)
    nodes = [first, left, right, last]
    return Shape(graph=graph, name=graph_name(dice), usual=_usual(dice, nodes), nodes=[first, last], decision=first,
                 way=right)  # fmt: skip


def retrying(dice: random.Random) -> Shape:
    """A chain whose nodes are tried again."""
    return chain(dice, policies={at: {"retry_policy": RETRIES} for at in range(5)})


def keeping(dice: random.Random) -> Shape:
    """A chain one of whose nodes keeps its results."""
    return chain(dice, policies={1: {"cache_policy": CachePolicy()}})


def serial(dice: random.Random, *, shares_key: bool = False, unread: str = "") -> Shape:
    """A chain of four, the third of which needs nothing of the second."""
    nodes = names(dice, 4)
    first, one, two, last = nodes
    graph = StateGraph(State)
    graph.add_node(first, node_of(first, ["text"], ["k0"]))
    more = ", ctx" if unread else ""
    graph.add_node(one, node_of(one, ["k0"], ["k1"], body=unread, more=more))
    graph.add_node(two, node_of(two, ["k0"], ["k1" if shares_key else "k2"]))
    graph.add_node(last, node_of(last, ["k2"] if unread else ["k1", "k2"], ["k3"]))
    for a, b in zip([START, *nodes], [*nodes, END], strict=True):
        graph.add_edge(a, b)
    return Shape(
        graph=graph, name=graph_name(dice), usual=_usual(dice, nodes), nodes=nodes, twins=(one, two)
    )


HEALTHY: tuple[Callable[[random.Random], Shape], ...] = (
    chain, sync_chain, fork, sending, loop, nested, choosing, retrying, keeping,
)  # fmt: skip
