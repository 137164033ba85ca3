"""Where the microseconds of an invocation go.

What a call costs for itself, and what each node, branch or checkpoint adds, comes from runs of two
sizes; beside it stand the parts that every implementation needs, timed alone.

    python benchmarks/where.py [--quick] [--markdown FILE] [--functions SHAPE]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kept_graphs
import report
import runtime_graphs as graphs
from timing import Run, settle

Line = tuple[str, float]


async def least_us(run: Run, calls: int) -> float:
    """The least time of one call; our record is written in between."""
    best = float("inf")
    for number in range(calls):
        start = time.perf_counter()
        await run()
        best = min(best, time.perf_counter() - start)
        if number % 10 == 0:
            await settle()
    return best * 1e6


async def by_size(
    make: Callable[[str], Run], kind: str, sizes: tuple[int, int], calls: int
) -> Line:
    """What each further node costs; from two sizes."""
    small, big = sizes
    low, high = [await least_us(make(f"{kind} {size}"), calls) for size in sizes]
    return (f"{kind} {small} to {big}: each", (high - low) / (big - small))


async def engine(calls: int) -> list[Line]:
    """The cost of a call and of what it holds."""
    from inwit import InMemoryCheckpointer

    bare, mine = graphs.bare, graphs.inwit
    one, own = await least_us(mine("chain of 1"), calls), graphs.inwit
    kept = await least_us(own("chain of 1", InMemoryCheckpointer()), calls)
    lines: list[Line] = [("a call of a chain of 1", one)]
    for name, make in (("by hand", bare), ("inwit", mine)):
        for kind in ("chain of", "fan-out"):
            what, cost = await by_size(make, kind, (10, 60), calls)
            lines.append((f"{name}: {what} {'node' if kind == 'chain of' else 'branch'}", cost))
    lines.append(("a call of a chain of 1 with memory checkpoints", kept))
    saver = InMemoryCheckpointer()
    what, cost = await by_size(lambda shape: own(shape, saver), "chain of", (10, 60), calls)
    return [*lines, (f"inwit, memory checkpoints: {what} node", cost)]


async def disk(calls: int) -> list[Line]:
    """The cost of SQLite's part, and of the disk's alone."""
    import inwit

    app = graphs.chain(inwit, 10).compile(checkpointer=inwit.SqliteCheckpointer())
    found: list[Line] = [("one FULL commit of one row (the disk alone)", _commit_us())]
    for durability in ("async", "exit", "sync"):
        cost = await least_us(kept_graphs.once(app, durability), max(20, calls // 10))
        found.append((f"chain of 10, SQLite, {durability}", cost))
    return found


def _commit_us() -> float:
    import apsw

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        connection = apsw.Connection(f"{folder}/floor.db")
        connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE one (data)")
        insert = "INSERT INTO one VALUES (zeroblob(300))"
        for _ in range(1200):  # until the log is as long as it gets, and written over
            connection.execute(insert)
        found = min(timeit.repeat(lambda: connection.execute(insert), number=1, repeat=300)) * 1e6
        connection.close()
    return found


async def writing(calls: int) -> list[Line]:
    """The cost of writing a graph, and of what happens in the background."""
    import inwit
    from inwit.runtime.assembly import assemble
    from inwit.runtime.describe import describe
    from inwit.runtime.policies import Limits
    from inwit.runtime.validate import faults

    graph = graphs.chain(inwit, 10)
    app = graph.compile()
    parts: dict[str, Callable[[], Any]] = {
        "write 10 nodes and 11 edges": lambda: graphs.chain(inwit, 10),
        "look for faults": lambda: faults(graph, is_strict=True),
        "make the program": lambda: assemble(graph, graph.schema, Limits()),
        "describe it for the registry (in the background)": lambda: describe(app),
    }
    await settle()
    return [
        (name, min(timeit.repeat(part, number=1, repeat=calls)) * 1e6)
        for name, part in parts.items()
    ]


def functions(shape: str) -> None:
    """Print the functions that a shape's calls spend their own time in."""

    async def run() -> None:
        once = graphs.inwit(shape)
        await once()
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(500):
            await once()
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)

    asyncio.run(run())


async def measure(calls: int) -> str:
    """All parts as a table."""
    lines = [*await engine(calls), *await disk(calls), *await writing(calls)]
    shown = [f"| {name} | {cost:,.2f} |" for name, cost in lines]
    return "\n".join(["| part | µs, the least |", "|---|---|", *shown])


def main() -> None:
    """Measure, print, and where asked write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    parser.add_argument("--functions", help="profile one shape by functions instead")
    options = parser.parse_args()
    if options.functions:
        return functions(options.functions)
    text = asyncio.run(measure(60 if options.quick else 300))
    if options.markdown:
        report.write_between(options.markdown, "parts", text)
    print(text)
    return None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as home:
        os.environ["INWIT_HOME"] = home
        main()
