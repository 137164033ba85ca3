"""What-ifs: asked of the record, then the graph is changed so and really run again."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Annotated, Any, TypedDict

import answers_worlds as worlds
from answers_worlds import Plan, World, act, reach

from inwit import END, START, CachePolicy, InMemoryCache, RetryPolicy, StateGraph

NUMBER = (40, 60)
"""Executions before the question; as many are run again with the change."""


class Letter(TypedDict, total=False):
    text: str
    words: str
    web: str
    docs: str
    vector: str
    log: str
    reply: str
    marks: Annotated[list[str], operator.add]


async def clean(state: Letter) -> dict[str, Any]:
    await act("clean")
    return {"words": state["text"].strip()}


async def web(state: Letter) -> dict[str, Any]:
    await act("web")
    return {"web": "web " + state["words"]}


async def docs(state: Letter) -> dict[str, Any]:
    await act("docs")
    return {"docs": "docs " + state["words"]}


async def embed(state: Letter) -> dict[str, Any]:
    await act("embed")
    return {"vector": state["words"][::-1]}


async def fetch(state: Letter) -> dict[str, Any]:
    await reach("fetch")
    return {"marks": [state["words"]]}


async def audit(state: Letter) -> dict[str, Any]:
    await act("audit")
    return {"log": "seen " + state["vector"]}


async def reply(state: Letter) -> dict[str, Any]:
    await act("reply")
    return {"reply": state["web"] + state["docs"]}


NODES: dict[str, Any] = {
    "clean": clean, "web": web, "docs": docs, "embed": embed, "fetch": fetch, "audit": audit,
    "reply": reply,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The graph with one change."""

    without: str = ""
    beside: tuple[str, str] | None = None
    cached: str = ""
    attempts: int = 4
    factors: tuple[tuple[str, float], ...] = ()


def build(name: str, variant: Variant) -> Any:
    """Clean → web → docs → embed → fetch → audit → reply, changed as said."""
    graph = StateGraph(Letter)
    order = [node for node in NODES if node != variant.without]
    policy = RetryPolicy(
        max_attempts=variant.attempts, initial_interval=0.003, jitter=False, backoff_factor=1.2
    )
    for node in order:
        more: dict[str, Any] = {"retry_policy": policy} if node == "fetch" else {}
        if node == variant.cached:
            more["cache_policy"] = CachePolicy()
        graph.add_node(node, NODES[node], **more)
    steps: list[tuple[str, ...]] = []
    for node in order:
        if variant.beside and node == variant.beside[1]:
            steps[-1] = (*steps[-1], node)
        else:
            steps.append((node,))
    _join(graph, steps)
    return graph.compile(name=name, cache=InMemoryCache() if variant.cached else None)


def _join(graph: StateGraph[Any], steps: list[tuple[str, ...]]) -> None:
    graph.add_edge(START, steps[0][0])
    for one, two in pairwise(steps):
        for target in two:
            graph.add_edge(list(one) if len(one) > 1 else one[0], target)
    graph.add_edge(steps[-1][0], END)


def _changes(dice: random.Random) -> list[tuple[str, Variant]]:
    """A question for each kind of change, and the graph with it."""
    part = dice.choice((2, 3, 4))
    word = {2: "twice", 3: "three times", 4: "four times"}[part]
    less = dice.choice((20, 30, 60))
    one, two, more = dice.sample([*NODES], 3)
    return [
        (f"What if {one} were {word} as fast?", Variant(factors=((one, 1 / part),))),
        (f"what would happen if {two} took {less}% less time", Variant(factors=((two, 1 - less / 100),))),
        (f"What if {more} were twice as slow?", Variant(factors=((more, 2.0),))),
        ("What if web and docs ran in parallel?", Variant(beside=("web", "docs"))),
        ("How long would it take without audit?", Variant(without="audit")),
        ("What if embed were cached?", Variant(cached="embed")),
        ("What if fetch were tried only once, without retries?", Variant(attempts=1)),
    ]  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Foretold:
    """One what-if and what came of it."""

    question: str
    answer: Any
    before: float
    real: float


async def world_of(dice: random.Random, ask: Callable[[Any, str], Any]) -> list[Foretold]:
    """Run the graph, ask each what-if, then run each changed graph on the same inputs."""
    usual = {node: dice.uniform(4, 14) for node in NODES}
    number = dice.randint(*NUMBER)
    pool = [f"letter {index}" for index in range(dice.randint(5, 25))]
    texts = [dice.choice(pool) for _ in range(number)]
    sigma = dice.uniform(0.08, 0.25)
    name = f"letters_{dice.randrange(1000)}"
    rough = dice.random() < 0.3

    async def measured(app: Any, variant: Variant) -> float:
        took: list[float] = []
        world = World(app, usual, dice, sigma=sigma)
        plans = [_plan_of(world, variant, is_rough=rough) for _ in range(number)]
        at_once = 4 if variant.cached else worlds.AT_ONCE
        await world.run(plans, lambda n: ({"text": texts[n]}, {}), at_once, took)
        return median(took)

    app = build(name, Variant())
    before = await measured(app, Variant())
    changes = _changes(dice)
    answers = [ask(app, question) for question, _ in changes]
    found = []
    for index, ((question, variant), answer) in enumerate(zip(changes, answers, strict=True)):
        real = await measured(build(f"{name}_changed_{index}", variant), variant)
        found.append(Foretold(question=question, answer=answer, before=before, real=real))
    return found


def _plan_of(world: World, variant: Variant, *, is_rough: bool) -> Plan:
    plan = world.plan(calm=not is_rough, **dict(variant.factors))
    plan.failures["fetch"] = world.dice.choice((0, 0, 0, 0, 0, 0, 1, 2))
    return plan
