"""How fast `ask` is over a large record, and whether its memory stays flat."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

from inwit import END, START, CompiledGraph, StateGraph

NODES = 20
QUESTIONS = (
    "Why was the last execution so slow?",
    "Why did the last execution fail?",
    "Why has {graph} become slower?",
    "Why did step_7 run 1 times?",
    "What if step_3 were twice as fast?",
    "What if step_5 were cached?",
    "What if step_4 and step_5 ran in parallel?",
    "How can I make {graph} faster?",
    "How can I make {graph} more reliable?",
    "Am I healthy?",
    "Is {graph} slower than usual?",
    "How many executions failed?",
    "When did {graph} last fail?",
    "How often did step_9 run?",
    "What was the value of total after step_3 in the last execution?",
    "Who writes total?",
    "What is {graph}?",
    "Find executions with the error bad number",
    "Which node takes the most time?",
    "What is running now?",
)


class Total(TypedDict):
    number: int
    total: int


def twenty(name: str) -> CompiledGraph[Total]:
    """Step 1 → step 2 → … → step 20; step 13 fails where the number is bad."""
    graph = StateGraph(Total)
    for index in range(1, NODES + 1):
        graph.add_node(f"step_{index}", _step(index))
    graph.add_edge(START, "step_1")
    for index in range(1, NODES):
        graph.add_edge(f"step_{index}", f"step_{index + 1}")
    graph.add_edge(f"step_{NODES}", END)
    return graph.compile(name=name)


def _step(index: int) -> Any:
    def step(state: Total) -> dict[str, Any]:
        if index == 13 and state["number"] % 97 == 0:
            raise ValueError(f"bad number {state['number']}")
        return {"total": state["total"] + index}

    return step


async def fill(app: CompiledGraph[Total], number: int) -> None:
    """Run the graph so often."""
    for index in range(number):
        try:
            config: Any = {"metadata": {"tenant": f"t{index % 7}"}}
            await app.ainvoke({"number": index, "total": 0}, config=config)
        except ValueError:
            continue
        if index % 20_000 == 19_999:
            print(f"stored {index + 1:,} executions", file=sys.stderr, flush=True)


def measure(executions: int, questions: int) -> dict[str, Any]:
    """Store so many executions, then ask so many questions in random order."""
    os.environ["INWIT_RETENTION_EXECUTIONS"] = str(2 * executions)
    app = twenty("ledger")
    asyncio.run(fill(app, executions))
    asked = [one.format(graph=app.name) for one in QUESTIONS]
    for question in asked:
        app.ask(question)
    begin = rss_mib()
    dice = random.Random(1)
    took: dict[str, list[float]] = {question: [] for question in asked}
    for round_ in range(max(questions // len(asked), 1)):
        for question in dice.sample(asked, len(asked)):
            if round_ % 2:  # others go on while one asks
                asyncio.run(fill(app, 3))
            start = time.perf_counter()
            app.ask(question)
            took[question].append((time.perf_counter() - start) * 1e3)
    every = sorted(ms for one in took.values() for ms in one)
    return {
        "executions": executions, "nodes": NODES, "questions": len(every),
        "p50_ms": median(every), "p99_ms": every[int(0.99 * (len(every) - 1))],
        "rss_begin_mib": begin, "rss_end_mib": rss_mib(),
        "most_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "each": {question: (median(one), max(one)) for question, one in took.items()},
    }  # fmt: skip


def rss_mib() -> float:
    """The memory of this process that is resident now."""
    status = Path("/proc/self/status").read_text().splitlines()
    line = next(one for one in status if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
