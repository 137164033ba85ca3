"""A million visits of nodes in the record, and one look at all of them in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from improve_graphs import Plan, node_of, plan
from improve_shapes import State

from inwit import END, START, StateGraph
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store

NODES = 10
LEAST = 5
"""Executions that are analysed before anything is timed, so that all is imported."""


def fill(executions: int) -> None:
    """Write so many executions of a chain of ten nodes into the project of the process."""
    os.environ["INWIT_RETENTION_EXECUTIONS"] = str(10 * executions)
    graph = StateGraph(State)
    names = [f"step_{number}" for number in range(NODES)]
    for at, name in enumerate(names):
        graph.add_node(
            name, node_of(name, ["text" if at == 0 else f"k{(at - 1) % 6}"], [f"k{at % 6}"])
        )
    for one, two in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, two)
    app = graph.compile(name="many").without_checkpointing()

    async def run() -> None:
        plan.set(Plan({}))
        for number in range(executions):
            await app.ainvoke({"text": f"question {number}"})

    asyncio.run(run())
    Journal.of(Project.find()).close()


def measure(visits: int) -> dict[str, Any]:
    """Fill the record and look at all of it; the look is a fresh process's."""
    fill(visits // NODES)
    done = subprocess.run(
        [sys.executable, __file__, str(visits // NODES)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def look(executions: int) -> dict[str, Any]:
    """Read and examine; seconds of the clock and of the processor, and the most memory."""
    from inwit.self_improve.analysis import windows
    from inwit.self_improve.examining import examine
    from inwit.self_improve.findings import Thresholds

    store = Store.of(Project.find())
    examine(windows(store, "many", LEAST), Thresholds())
    begun, worked = time.perf_counter(), time.process_time()
    report = examine(windows(store, "many", executions), Thresholds(), window=executions)
    return {
        "visits": report.looked_at.visits, "seconds": time.perf_counter() - begun,
        "processor_s": time.process_time() - worked, "findings": len(report.findings),
        "tests": report.looked_at.tests,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    print(json.dumps(look(int(sys.argv[1]))))
