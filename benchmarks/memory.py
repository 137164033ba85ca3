"""The memory that a fixed load takes in each library: each in a process of its own.

python benchmarks/memory.py LIBRARY LOAD
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import operator
import os
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

LOADS = {
    "200 chains of 10, one after another": ("chain of 10", 200, False),
    "loop of 1,000": ("loop of 1,000", 1, False),
    "loop of 1,000, memory checkpoints": ("loop of 1,000", 1, True),
    "100 chains of 10, memory checkpoints kept": ("chain of 10", 100, True),
    "1,000 executions that wait, memory checkpoints": ("waiting", 1000, True),
    "conversation of 100 turns of 2 KB, memory checkpoints": ("conversation", 100, True),
}
LIBRARIES = {"inwit": "inwit", "LangGraph": "langgraph.graph"}


class Memory(NamedTuple):
    """What each library took, in KiB."""

    load: str
    program: dict[str, float]
    """The peak of what Python allocated, the import of the library included."""
    alone: dict[str, float]
    """The peak over what there was before the load."""
    process: dict[str, float]
    """The largest that the process was, bare Python included."""


def measure() -> list[Memory]:
    """Measure every load in every library."""
    found = []
    for load in LOADS:
        both = {name: _in_a_process(name, load) for name in LIBRARIES}
        found.append(
            Memory(load, *({name: one[i] for name, one in both.items()} for i in range(3)))
        )
    return found


def _in_a_process(library: str, load: str) -> list[float]:
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, __file__, library, load],
            check=True, capture_output=True, text=True, env={**os.environ, "INWIT_HOME": home},
        )  # fmt: skip
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


async def _load(library: str, load: str) -> list[float]:
    tracemalloc.start()
    import runtime_graphs as graphs

    shape, times, has_checkpoints = LOADS[load]
    saver = _saver(library) if has_checkpoints else None
    if shape in OWN_SHAPES:
        run = OWN_SHAPES[shape](library, saver)
    else:
        run = getattr(graphs, library.lower())(shape, saver)
    await run()  # the first call imports and prepares what all share
    before, program = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    for _ in range(times):
        await run()
    _, peak = tracemalloc.get_traced_memory()
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [max(peak, program) / 1024, (peak - before) / 1024, process]


class State(TypedDict, total=False):
    """What the shapes of this page have in mind."""

    n: int
    answer: str
    said: Annotated[list[str], operator.add]


def _of_one_node(library: str, saver: Any, node: Callable[[State], State]) -> Any:
    graph = importlib.import_module(LIBRARIES[library]).StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge("__start__", "node")
    return graph.compile(checkpointer=saver)


def waiting(library: str, saver: Any) -> Callable[[], Awaitable[Any]]:
    """Each execution asks, and nobody answers."""
    types = importlib.import_module("inwit" if library == "inwit" else "langgraph.types")
    app = _of_one_node(library, saver, lambda _: {"answer": types.interrupt("go on?")})
    number = itertools.count()

    def run() -> Awaitable[Any]:
        place = {"configurable": {"thread_id": f"thread-{next(number)}"}}
        return app.ainvoke({"n": 1}, place)  # type: ignore[no-any-return]

    return run


def conversation(library: str, saver: Any) -> Callable[[], Awaitable[Any]]:
    """Each execution adds a question and an answer to the same thread."""
    app = _of_one_node(library, saver, lambda _: {"said": ["a" * 1000]})
    place = {"configurable": {"thread_id": "thread"}}
    return lambda: app.ainvoke({"said": ["q" * 1000]}, place)


OWN_SHAPES: dict[str, Callable[[str, Any], Callable[[], Awaitable[Any]]]] = {
    "waiting": waiting,
    "conversation": conversation,
}


def _saver(library: str) -> Any:
    if library == "inwit":
        return importlib.import_module("inwit").InMemoryCheckpointer()
    return importlib.import_module("langgraph.checkpoint.memory").InMemorySaver()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    print(json.dumps(asyncio.run(_load(sys.argv[1], sys.argv[2]))))
