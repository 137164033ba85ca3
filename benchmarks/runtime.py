"""Time graphs side by side, in one process: inwit, LangGraph, pydantic-graph, Burr, PenguiFlow, by hand.

Everything that is on by default is on: the record is written to disk by the journal. Calls are
interleaved; figures are medians and, in brackets, the least, in microseconds. "Sustained" also
counts what the journal does after the calls: time of all calls and a flush, by their number.

    python benchmarks/runtime.py [--quick] [--only SHAPE] [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kept_graphs
import memory
import report
import runtime_graphs as graphs
import runtime_others as others
from timing import Figure, Row, Run, in_turns, settle, sustained_us

IMPORTS = ("from inwit import StateGraph", "from langgraph.graph import StateGraph")


async def measure_shape(shape: str, budget_s: float) -> Row:
    """Measure one shape in every library that has it."""
    runs: dict[str, Run] = {"inwit": graphs.inwit(shape), "LangGraph": graphs.langgraph(shape)}
    if (made := others.pydantic_graph(shape)) is not None:
        runs["pydantic-graph"] = made
    runs["Burr"] = others.burr(shape)
    flow = await others.penguiflow(shape)
    if flow is not None:
        runs["PenguiFlow"] = flow[0]
    runs["bare"] = graphs.bare(shape)
    figures = await in_turns(runs, budget_s)
    calls = max(20, min(2000, int(budget_s * 1e6 / figures["inwit"].median / 4)))
    sustained = {
        "inwit": await sustained_us(runs["inwit"], calls, is_ours=True),
        "LangGraph": await sustained_us(runs["LangGraph"], max(5, calls // 100)),
    }
    if flow is not None:
        await flow[1]()
    return Row(shape, figures, sustained)


async def measure_compile(rounds: int) -> Row:
    """Write and compile a chain of 10, as each library's users do."""
    import langgraph.graph as theirs

    import inwit as ours

    times: dict[str, list[float]] = {"inwit": [], "LangGraph": []}
    for _ in range(rounds):
        for name, library in (("inwit", ours), ("LangGraph", theirs)):
            start = time.perf_counter()
            graphs.chain(library, 10).compile()
            times[name].append(time.perf_counter() - start)
            await settle()
    start = time.perf_counter()
    for _ in range(rounds):
        graphs.chain(ours, 10).compile()
    await settle()
    kept = (time.perf_counter() - start) / rounds * 1e6
    figures = {name: Figure.of(values) for name, values in times.items()}
    sustained = {"inwit": kept, "LangGraph": figures["LangGraph"].median}
    return Row("compile of 10 nodes", figures, sustained)


def import_ms(statement: str, rounds: int) -> float:
    """The median time of a fresh interpreter that runs `statement`, less an empty one's."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - start) * 1e3

    pairs = [(once(statement), once("pass")) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs) - statistics.median(b for _, b in pairs)


async def measure(budget_s: float, only: str, *, is_quick: bool) -> list[Row]:
    """Measure all shapes whose name begins with `only`."""
    rows = []
    for shape in graphs.SHAPES:
        if shape.startswith(only):
            print(f"{shape} …", file=sys.stderr)
            rows.append(await measure_shape(shape, budget_s))
            gc.collect()
    if "compile of 10 nodes".startswith(only):
        rows.append(await measure_compile(20 if is_quick else 200))
    if "kept".startswith(only):
        print("with checkpoints …", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            rows += await kept_graphs.measure(budget_s, Path(folder))
    return rows


def main() -> None:
    """Measure, print, and where asked write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--only", default="", help="shapes that begin so; `kept` for checkpoints")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    options = parser.parse_args()
    budget_s = 1.0 if options.quick else 5.0
    memories, imports = [], {}
    if not options.only:
        memories = memory.measure()
        imports = {code: import_ms(code, 3 if options.quick else 9) for code in IMPORTS}
    rows = asyncio.run(measure(budget_s, options.only, is_quick=options.quick))
    text = report.page(rows, memories, imports)
    if options.markdown:
        report.write_between(options.markdown, "figures", text)
    if options.json:
        shown = [row._asdict() for row in rows]
        memory_shown = [one._asdict() for one in memories]
        print(json.dumps({"rows": shown, "memory_kib": memory_shown, "import_ms": imports}))
    else:
        print(text)


if __name__ == "__main__":
    # The project's file stands where other files do: in memory nothing would reach a disk.
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as home:
        os.environ["INWIT_HOME"] = home
        main()
