"""The same graphs for pydantic-graph, Burr and PenguiFlow.

Each maker gives an async function that runs the graph once, or None where the library has no such
shape.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runtime_graphs import parts

Run = Callable[[], Awaitable[Any]]


# Burr: the graph is made once, an application for each execution, as its manual does


def burr(shape: str) -> Run:
    from burr.core import ApplicationBuilder, State, action, default, expr
    from burr.core.graph import GraphBuilder

    @action(reads=["n"], writes=["n"])
    async def increment(state: State[Any]) -> State[Any]:
        return state.update(n=state["n"] + 1)

    kind, count = parts(shape)
    steps: dict[str, Any] = {"first": increment}
    ways: list[tuple[Any, ...]] = []
    halt: dict[str, list[str]] = {"halt_after": ["last"]}
    if kind == "chain of":
        names = [f"n{i:03}" for i in range(count)]
        steps, ways = dict.fromkeys(names, increment), list(itertools.pairwise(names))
        halt = {"halt_after": [names[-1]]}
    elif kind == "fan-out":
        steps |= {"branches": _burr_branches(count), "last": increment}
        ways = [("first", "branches"), ("branches", "last")]
    elif kind == "loop of":
        steps["last"] = increment
        ways = [("first", "first", expr(f"n < {count}")), ("first", "last", default)]
        halt = {"halt_before": ["last"]}
    else:
        steps |= {"odd": increment, "even": increment}
        ways = [("first", "odd", expr("n % 2 == 1")), ("first", "even", default)]
        halt = {"halt_after": ["odd", "even"]}
    graph = GraphBuilder().with_actions(**steps).with_transitions(*ways).build()

    async def once() -> Any:
        builder: Any = ApplicationBuilder().with_graph(graph).with_state(n=0)
        app = await builder.with_entrypoint(next(iter(steps))).abuild()
        return await app.arun(**halt)

    return once


def _burr_branches(count: int) -> Any:
    from burr.core import State, action
    from burr.core.parallelism import MapActions

    @action(reads=["n"], writes=["done"])
    async def note(state: State[Any]) -> State[Any]:
        return state.update(done=[1])

    class Branches(MapActions):
        def is_async(self) -> bool:
            return True

        def actions(self, *_: Any) -> Iterator[Any]:
            return (note for _ in range(count))

        async def reduce(self, state: Any, states: AsyncGenerator[Any, None]) -> Any:
            done: list[int] = []
            async for one in states:
                done += one["done"]
            return state.update(done=done)

        @property
        def reads(self) -> list[str]:
            return ["n"]

        @property
        def writes(self) -> list[str]:
            return ["done"]

    return Branches()


# pydantic-graph


@dataclass
class Counter:
    n: int = 0


def pydantic_graph(shape: str) -> Run | None:
    from pydantic_graph import GraphBuilder, reduce_list_extend

    builder = GraphBuilder(state_type=Counter, input_type=int, output_type=Any)

    def step(name: str, note_only: bool = False) -> Any:
        async def call(ctx: Any) -> Any:
            if note_only:
                return [1]
            ctx.state.n += 1
            return ctx.state.n

        return builder.step(call, node_id=name)

    kind, count = parts(shape)
    edge, start, end = builder.edge_from, builder.start_node, builder.end_node
    if kind == "chain of":
        steps = [step(f"n{i}") for i in range(count)]
        pairs = zip([start, *steps], [*steps, end], strict=True)
        builder.add(*[edge(a).to(b) for a, b in pairs])
    elif kind == "fan-out":
        plan, join_step = step("plan"), step("join_step")
        branches = [step(f"b{i}", note_only=True) for i in range(count)]
        join = builder.join(reduce_list_extend, initial_factory=list[int])
        builder.add(edge(start).to(plan), edge(plan).to(*branches))
        builder.add(edge(*branches).to(join), edge(join).to(join_step), edge(join_step).to(end))
    else:
        first = step("first")
        if kind == "loop of":
            ways = [
                builder.match(int, matches=lambda n: n < count).to(first),
                builder.match(int, matches=lambda n: n >= count).to(end),
            ]
        else:
            odd, even = step("odd"), step("even")
            ways = [
                builder.match(int, matches=lambda n: n % 2 == 1).to(odd),
                builder.match(int, matches=lambda n: n % 2 == 0).to(even),
            ]
            builder.add(edge(odd).to(end), edge(even).to(end))
        decision = builder.decision()
        for way in ways:
            decision = decision.branch(way)
        builder.add(edge(start).to(first), edge(first).to(decision))
    graph = builder.build()
    return lambda: graph.run(state=Counter(), inputs=0)


# PenguiFlow: a flow of workers and queues; one message is sent and its answer fetched. The second
# function stops its workers.


async def penguiflow(shape: str) -> tuple[Run, Run] | None:
    from penguiflow import Headers, Message, Node, NodePolicy, create, join_k, predicate_router

    kind, count = parts(shape)
    policy = NodePolicy(validate="none")

    async def add(message: Any, _: Any) -> Any:
        n = message.payload["n"] if isinstance(message.payload, dict) else len(message.payload)
        return message.model_copy(update={"payload": {"n": n + 1}})

    def node(name: str) -> Any:
        return Node(add, name=name, policy=policy)

    if kind == "chain of":
        nodes = [node(f"n{i}") for i in range(count)]
        pairs = zip(nodes, [*[[n] for n in nodes[1:]], []], strict=True)
        flow = create(*[(a, b) for a, b in pairs])
    elif kind == "fan-out":
        plan, last, join = node("plan"), node("last"), join_k("join", count)
        branches = [node(f"b{i}") for i in range(count)]
        flow = create(
            (plan, branches),
            *[(b, [join]) for b in branches],
            (join, [last]),
            (last, []),
            queue_maxsize=max(64, count),
        )
    elif not kind:
        first, odd, even = node("first"), node("odd"), node("even")
        router = predicate_router("route", lambda m: ["odd" if m.payload["n"] % 2 else "even"])
        flow = create((first, [router]), (router, [odd, even]), (odd, []), (even, []))
    else:
        return None  # its loops end by a budget of hops, which this shape has none of
    flow.run()
    headers = Headers(tenant="bench")

    async def once() -> Any:
        await flow.emit(Message(payload={"n": 0}, headers=headers))
        return await flow.fetch()

    return once, flow.stop
