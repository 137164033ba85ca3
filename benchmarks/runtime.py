"""Time graphs side by side, in one process: inwit, LangGraph, pydantic-graph, PenguiFlow, by hand.

Everything that is on by default is on: the record is written to disk by the journal. Calls are
interleaved, figures are medians in microseconds; "sustained" also counts what the journal does after
the calls (time of all calls and a flush, divided by their number).

    python benchmarks/runtime.py [--quick] [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import runtime_graphs as graphs

Run = Callable[[], Awaitable[Any]]
GOALS = {"chain": 100.0, "conditional": 100.0, "loop": 100.0, "fan-out": 15.0}


async def median_us(runs: dict[str, Run], budget_s: float) -> dict[str, float]:
    """Interleave calls of all libraries for `budget_s` and give each one's median."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(3):
            await run()
    end = time.perf_counter() + budget_s
    while time.perf_counter() < end or min(map(len, times.values())) < 7:
        for name, run in runs.items():
            for _ in range(1 if name in ("LangGraph", "pydantic-graph", "PenguiFlow") else 5):
                start = time.perf_counter()
                await run()
                times[name].append((time.perf_counter() - start) * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


async def sustained_us(run: Run, flush: Callable[[], Awaitable[None]], calls: int) -> float:
    """The time of many calls in a row and of making them durable, for each."""
    await flush()
    start = time.perf_counter()
    for _ in range(calls):
        await run()
    await flush()
    return (time.perf_counter() - start) / calls * 1e6


async def no_flush() -> None:
    """A library without a record has nothing to make durable."""


async def measure_shape(shape: str, budget_s: float) -> dict[str, Any]:
    from inwit.runtime.project import Project
    from inwit.runtime.store.journal import Journal

    runs: dict[str, Run] = {"inwit": graphs.inwit(shape), "LangGraph": graphs.langgraph(shape)}
    for name, made in (
        ("pydantic-graph", graphs.pydantic_graph(shape)),
        ("PenguiFlow", await graphs.penguiflow(shape)),
    ):
        if made is not None:
            runs[name] = made
    runs["bare"] = graphs.bare(shape)
    medians = await median_us(runs, budget_s)
    calls = max(20, min(2000, int(budget_s * 1e6 / medians["inwit"] / 4)))
    sustained = {
        "inwit": await sustained_us(runs["inwit"], Journal.of(Project.find()).aflush, calls),
        "LangGraph": await sustained_us(runs["LangGraph"], no_flush, max(5, calls // 100)),
    }
    return {"shape": shape, "median_us": medians, "sustained_us": sustained}


async def measure_checkpoints(budget_s: float, folder: Path) -> list[dict[str, Any]]:
    from langgraph.checkpoint.memory import InMemorySaver

    import inwit

    shape = "chain of 10"
    memory = await median_us(
        {
            "inwit": graphs.inwit(shape, inwit.InMemoryCheckpointer()),
            "LangGraph": graphs.langgraph(shape, InMemorySaver()),
        },
        budget_s,
    )
    runs = {"inwit": graphs.inwit(shape, inwit.SqliteCheckpointer(folder / "own.db"))}
    try:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    except ImportError:
        file = await median_us(runs, budget_s)
    else:
        async with AsyncSqliteSaver.from_conn_string(str(folder / "theirs.db")) as saver:
            file = await median_us(runs | {"LangGraph": graphs.langgraph(shape, saver)}, budget_s)
    return [
        {"shape": "chain of 10, memory checkpoints", "median_us": memory, "sustained_us": {}},
        {"shape": "chain of 10, SQLite checkpoints", "median_us": file, "sustained_us": {}},
    ]


def measure_compile(rounds: int) -> dict[str, Any]:
    import langgraph.graph as theirs

    import inwit as ours

    times: dict[str, list[float]] = {"inwit": [], "LangGraph": []}
    for _ in range(rounds):
        for name, library in (("inwit", ours), ("LangGraph", theirs)):
            for _ in range(5 if name == "inwit" else 1):
                extra = {"name": "compiled"} if name == "inwit" else {}
                start = time.perf_counter()
                graphs.chain(library, 10).compile(**extra)
                times[name].append((time.perf_counter() - start) * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {"shape": "compile of 10 nodes", "median_us": medians, "sustained_us": {}}


def import_ms(statement: str, rounds: int = 7) -> float:
    """The median time of a fresh interpreter that runs `statement`, less an empty one's."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - start) * 1e3

    pairs = [(once(statement), once("pass")) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs) - statistics.median(b for _, b in pairs)


def table(rows: list[dict[str, Any]], imports: dict[str, float]) -> str:
    """Write the figures as a Markdown table."""
    names = ["inwit", "LangGraph", "pydantic-graph", "PenguiFlow", "bare"]
    lines = [
        "| shape | "
        + " | ".join(f"{name}, µs" for name in names)
        + " | × LangGraph | × LangGraph, sustained | × bare | goal, × LangGraph |",
        "|---" * (len(names) + 5) + "|",
    ]
    for row in rows:
        medians, ours = row["median_us"], row["median_us"]["inwit"]
        cells = [f"{medians[n]:,.1f}" if n in medians else "–" for n in names]
        faster = f"{medians['LangGraph'] / ours:,.0f}" if "LangGraph" in medians else "–"
        kept = row["sustained_us"]
        sustained = f"{kept['LangGraph'] / kept['inwit']:,.0f}" if kept else "–"
        over = f"{ours / medians['bare']:.1f}" if "bare" in medians else "–"
        goal = next((f"{g:g}" for k, g in GOALS.items() if row["shape"].startswith(k)), "–")
        if "checkpoints" in row["shape"]:
            goal = "–"
        lines.append(
            f"| {row['shape']} | {' | '.join(cells)} | {faster} | {sustained} | {over} | {goal} |"
        )
    lines += ["", *(f"`{code}`: {ms:.0f} ms over bare Python." for code, ms in imports.items())]
    return "\n".join(lines)


def machine() -> str:
    """Name the machine and the versions that were measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if "model name" in line
        ]
        cpu = f"{len(models)} × {models[0]}" if models else cpu
    packages = ("inwit", "langgraph", "pydantic-graph", "penguiflow")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{cpu}; Python {platform.python_version()}; {versions}."


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="also write the table into this file")
    options = parser.parse_args()
    budget_s = 1.0 if options.quick else 5.0
    imports = {"from inwit import StateGraph": import_ms("from inwit import StateGraph")}
    rows = []
    for shape in graphs.SHAPES:
        print(f"{shape} …", file=sys.stderr)
        rows.append(await measure_shape(shape, budget_s))
    with tempfile.TemporaryDirectory() as folder:
        rows += await measure_checkpoints(budget_s, Path(folder))
    rows.append(measure_compile(20 if options.quick else 100))
    text = f"{machine()}\n\n{table(rows, imports)}\n"
    if options.markdown:
        options.markdown.write_text(text)
    print(json.dumps({"rows": rows, "import_ms": imports}) if options.json else text)


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as home:
        os.environ["INWIT_HOME"] = home
        asyncio.run(main())
