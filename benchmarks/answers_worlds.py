"""Graphs on the real runtime whose nodes take the times, and raise the errors, that a plan gives them.

The plan of an execution travels in a context variable: no state, config or name of the record
shows it, so the product is never told what was planted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypedDict

from inwit import END, START, CompiledGraph, RetryPolicy, StateGraph
from inwit.errors import GraphRecursionError

AT_ONCE = 12
"""Executions that run at the same time, where it does not matter."""
SCALE = 2.5
"""Times are so many times those below: a machine's hiccups of some milliseconds stay small."""
WORDS = (
    "fetch", "clean", "embed", "retrieve", "rank", "draft", "translate", "score", "enrich",
    "classify", "verify", "publish", "summarise", "extract", "resolve_names", "load_user",
)  # fmt: skip
GRAPHS = ("checkout", "librarian", "invoices", "triage", "newsroom", "onboarding", "claims_desk")


@dataclass(slots=True)
class Plan:
    """What one execution's nodes do: their milliseconds by visit, and how often they fail."""

    ms: dict[str, float]
    failures: dict[str, int] = field(default_factory=dict)
    """Failing calls of a node before it succeeds; -1 for ever."""
    rounds: int = 1
    sigma: float = 0.06
    seed: int = 0

    def lasts(self, node: str) -> float:
        """The milliseconds of the next visit of a node, with its own jitter."""
        self.seed += 1
        jitter = random.Random(f"{node} {self.seed}").lognormvariate(0, self.sigma)
        return self.ms[node] * SCALE * jitter

    def fails(self, node: str) -> bool:
        """Whether the next call of a node fails."""
        left = self.failures.get(node, 0)
        if left > 0:
            self.failures[node] = left - 1
        return left != 0


_plan: ContextVar[Plan] = ContextVar("plan")


class PlantedError(ValueError):
    """An error that nothing retries by default."""


async def act(node: str) -> None:
    """Take the time that is planned for a node, and fail where that is planned."""
    plan = _plan.get()
    await asyncio.sleep(plan.lasts(node) / 1e3)
    if plan.fails(node):
        raise PlantedError(f"{node} was given what it cannot read")


async def reach(node: str) -> None:
    """The same with an error that is tried again."""
    plan = _plan.get()
    await asyncio.sleep(plan.lasts(node) / 1e3)
    if plan.fails(node):
        raise ConnectionError(f"{node}: connection reset")


class State(TypedDict, total=False):
    text: str
    tenant: str
    rounds: int
    coverage: float
    done: bool
    aside: bool
    model: str


Node = Callable[[State], Coroutine[Any, Any, dict[str, Any]]]


def node_of(
    name: str, does: Callable[[str], Coroutine[Any, Any, None]] = act, key: str = "done"
) -> Node:
    """A node that takes its planned time and writes a key."""

    async def run(state: State) -> dict[str, Any]:
        await does(name)
        return {key: True}

    return run


@dataclass(slots=True)
class World:
    """A compiled graph, its nodes' usual times and its noise."""

    app: CompiledGraph[Any]
    usual: dict[str, float]
    dice: random.Random
    on_path: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    """Nodes beside the critical path."""
    sigma: float = 0.06
    burst_left: int = 0
    burst: float = 1.0

    @property
    def name(self) -> str:
        return self.app.name

    @property
    def whole(self) -> float:
        """The usual milliseconds of the nodes on the critical path."""
        return sum(self.usual[node] for node in self.on_path)

    def plan(self, *, calm: bool = False, **factors: float) -> Plan:
        """The plan of one execution: usual times, within a burst longer ones, and what is planted."""
        factor = 1.0 if calm else self.weather()
        ms = {node: usual * factor * factors.get(node, 1.0) for node, usual in self.usual.items()}
        return Plan(ms, sigma=self.sigma, seed=self.dice.randrange(1 << 40))

    def weather(self) -> float:
        """Bursts: now and then some executions in a row are slower as a whole."""
        if self.burst_left:
            self.burst_left -= 1
        elif self.dice.random() < 0.03:
            self.burst_left = self.dice.randint(1, 5)
            self.burst = self.dice.uniform(1.15, 1.7)
        return self.burst if self.burst_left else 1.0

    async def run(
        self,
        plans: Sequence[Plan],
        given: Given | None = None,
        at_once: int = AT_ONCE,
        took: list[float] | None = None,
    ) -> None:
        """Run one execution for each plan, begun in their order; `took` gets their milliseconds."""
        gate = asyncio.Semaphore(at_once)

        async def one(number: int, plan: Plan) -> None:
            async with gate:
                begun = perf_counter()
                await self._one(plan, *(given(number) if given else ({"text": "hello"}, {})))
                if took is not None:
                    took.append((perf_counter() - begun) * 1e3)

        await asyncio.gather(*(asyncio.create_task(one(*item)) for item in enumerate(plans)))

    async def crowd(self, plans: Sequence[Plan]) -> None:
        """Run one execution for each plan, all at the same time."""
        runs = (self._one(plan, {"text": "hello"}, {}) for plan in plans)
        await asyncio.gather(*map(asyncio.create_task, runs))

    async def _one(self, plan: Plan, state: dict[str, Any], metadata: dict[str, Any]) -> None:
        _plan.set(plan)
        with contextlib.suppress(PlantedError, ConnectionError, GraphRecursionError):
            await self.app.ainvoke(state, config={"metadata": metadata} if metadata else None)


Given = Callable[[int], tuple[dict[str, Any], dict[str, Any]]]
"""The input and the metadata of an execution, by its number."""


def _names(dice: random.Random, number: int) -> list[str]:
    return dice.sample(WORDS, number)


def _name(dice: random.Random) -> str:
    return f"{dice.choice(GRAPHS)}_{dice.choice('abcdefgh')}{dice.randint(1, 99)}"


def forking(dice: random.Random) -> World:
    """First → (heavy | light beside it) → middle → last."""
    first, heavy, light, middle, last = _names(dice, 5)
    graph = StateGraph(State)
    usual = {first: dice.uniform(5, 9), heavy: dice.uniform(12, 18), light: dice.uniform(4, 6),
             middle: dice.uniform(6, 12), last: dice.uniform(4, 8)}  # fmt: skip
    for node in usual:
        graph.add_node(node, node_of(node, key="aside" if node == light else "done"))
    graph.add_edge(START, first)
    graph.add_parallel_edges(first, [heavy, light])
    graph.add_edge([heavy, light], middle)
    graph.add_edge(middle, last)
    graph.add_edge(last, END)
    return World(
        graph.compile(name=_name(dice)), usual, dice, (first, heavy, middle, last), (light,)
    )


def chain(
    dice: random.Random,
    *,
    retrying: str | None = None,
    attempts: int = 6,
    policies: dict[int, dict[str, Any]] | None = None,
) -> World:
    """Three to six nodes in a row; `policies` are of the nodes by their places."""
    names = _names(dice, dice.randint(3, 6))
    graph = StateGraph(State)
    policy = RetryPolicy(
        max_attempts=attempts, initial_interval=0.004, jitter=False, backoff_factor=1.3
    )
    for place, node in enumerate(names):
        more = dict((policies or {}).get(place, {}))
        if retrying:
            more["retry_policy"] = policy
        graph.add_node(node, node_of(node, reach if retrying else act), **more)
    for one, two in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, two)
    usual = {name: dice.uniform(4, 14) for name in names}
    return World(graph.compile(name=_name(dice)), usual, dice, tuple(names))


def looping(dice: random.Random) -> World:
    """Plan → search → judge → (again: search | done: reply), as many rounds as planned."""
    begin, search, judge, reply = ("plan", *_names(dice, 1), "judge", "reply")

    async def seek(state: State) -> dict[str, Any]:
        await act(search)
        return {"rounds": state.get("rounds", 0) + 1}

    async def weigh(state: State) -> dict[str, Any]:
        await act(judge)
        return {"coverage": min(state["rounds"] / _plan.get().rounds, 1.0)}

    graph = StateGraph(State)
    graph.add_node(begin, node_of(begin))
    graph.add_node(search, seek)
    graph.add_node(judge, weigh)
    graph.add_node(reply, node_of(reply))
    graph.add_edge(START, begin)
    graph.add_edge(begin, search)
    graph.add_edge(search, judge)
    graph.add_conditional_edges(
        judge,
        lambda state: "done" if state["coverage"] >= 1 else "again",
        {"again": search, "done": reply},
    )
    graph.add_edge(reply, END)
    usual = {begin: 4.0, search: dice.uniform(4, 8), judge: dice.uniform(3, 5), reply: 5.0}
    app = graph.compile(name=_name(dice))
    return World(app, usual, dice, (begin, search, judge, reply))


def reading(dice: random.Random) -> tuple[World, str]:
    """A chain one of whose nodes takes its time for each letter of the input."""
    names = _names(dice, 4)
    reader = names[dice.randint(1, 2)]
    graph = StateGraph(State)

    async def read(state: State) -> dict[str, Any]:
        plan = _plan.get()
        await asyncio.sleep(plan.lasts(reader) * len(state["text"]) / 1000 / 1e3)
        return {"done": True}

    for node in names:
        graph.add_node(node, read if node == reader else node_of(node))
    for one, two in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, two)
    usual = {name: dice.uniform(4, 8) for name in names} | {reader: dice.uniform(10, 16)}
    return World(graph.compile(name=_name(dice)), usual, dice, tuple(names)), reader


def all_calm(world: World, number: int) -> list[Plan]:
    """Plans without bursts."""
    return [world.plan(calm=True) for _ in range(number)]


def usual(world: World, number: int) -> list[Plan]:
    """Plans of healthy executions."""
    return [world.plan() for _ in range(number)]
