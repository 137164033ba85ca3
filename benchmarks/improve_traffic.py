"""Traffic: how executions come, and what the machine's weather does to all nodes alike."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from improve_graphs import Plan, PlantedError, Shape, plan

from inwit import CompiledGraph
from inwit.errors import InwitError

AT_ONCE = 8
KINDS = ("steady", "bursty", "daily", "cold start")


@dataclass(slots=True)
class Weather:
    """By what all nodes' times are multiplied, execution after execution."""

    kind: str
    dice: random.Random
    number: int
    left: int = 0
    burst: float = 1.0

    def factors(self) -> Iterator[float]:
        """One factor for each execution."""
        for at in range(self.number):
            yield self._factor(at)

    def _factor(self, at: int) -> float:
        if self.kind == "daily":
            return 1 + 0.35 * math.sin(2 * math.pi * at / (self.number / 2.5))
        if self.kind == "cold start":
            return 2.5 if at < 12 else 1.0
        if self.kind != "bursty":
            return 1.0
        if self.left:
            self.left -= 1
        elif self.dice.random() < 0.03:
            self.left, self.burst = self.dice.randint(2, 6), self.dice.uniform(1.3, 3.0)
        return self.burst if self.left else 1.0


Change = Callable[[Plan, int], None]
Given = Callable[[int], tuple[dict[str, Any], str | None]]
"""The input of an execution and its thread, by its number."""


def plans(
    shape: Shape, number: int, dice: random.Random, traffic: str, change: Change | None = None
) -> list[Plan]:
    """The plans of executions in a row; `change` plants into them."""
    made = []
    for at, factor in enumerate(Weather(traffic, dice, number).factors()):
        ms = {node: usual * factor for node, usual in shape.usual.items()}
        one = Plan(ms, dice=random.Random(dice.randrange(1 << 40)), rounds=dice.choice((1, 1, 2)))
        if change is not None:
            change(one, at)
        made.append(one)
    return made


def usual_input(number: int) -> tuple[dict[str, Any], str | None]:
    """An input like others, and no thread."""
    return {"text": f"question {number}", "tenant": ("acme", "bolts", "corp")[number * 7 % 3]}, None


def run(
    app: CompiledGraph[Any], planned: Sequence[Plan], given: Given = usual_input, *,
    is_sync: bool = False, first: int = 0,
) -> None:  # fmt: skip
    """Run one execution for each plan."""
    if is_sync:
        for at, one in enumerate(planned, first):
            _alone(app, one, *given(at))
        return
    asyncio.run(_crowd(app, planned, given, first))


def _alone(app: CompiledGraph[Any], one: Plan, state: dict[str, Any], thread: str | None) -> None:
    plan.set(one)
    with contextlib.suppress(PlantedError, InwitError, ConnectionError, KeyError, TypeError):
        app.invoke(state, thread_id=thread)


async def _crowd(
    app: CompiledGraph[Any], planned: Sequence[Plan], given: Given, first: int
) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(at: int, mine: Plan) -> None:
        state, thread = given(at)
        async with gate:
            plan.set(mine)
            with contextlib.suppress(
                PlantedError, InwitError, ConnectionError, KeyError, TypeError
            ):
                await app.ainvoke(state, thread_id=thread)

    await asyncio.gather(
        *(asyncio.create_task(one(at, mine)) for at, mine in enumerate(planned, first))
    )
