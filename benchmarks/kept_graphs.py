"""A chain of 10 with checkpoints: in memory and in SQLite, durable at the end or at every step.

Both libraries wait for the disk alike: SQLite in WAL mode with ``synchronous = FULL``, which
LangGraph's saver has to be told. Ours also makes the execution's record durable, in the same file
(the project's, the default); LangGraph has none.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import runtime_graphs as graphs
from timing import Row, Run, in_turns

SHAPE = "chain of 10"
AT_ONCE = 50
_threads = itertools.count()


def once(app: Any, durability: str) -> Run:
    """Run on a new thread."""

    def run() -> Any:
        config = {"configurable": {"thread_id": f"kept-{next(_threads)}"}}
        return app.ainvoke({"n": 0}, config, durability=durability)

    return run


def at_once(app: Any, durability: str) -> Run:
    """Run on many new threads at once."""
    one = once(app, durability)
    return lambda: asyncio.gather(*[one() for _ in range(AT_ONCE)])


async def measure(budget_s: float, folder: Path) -> list[Row]:
    """Measure all of them."""
    import langgraph.graph as theirs
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    import inwit as ours

    def compiled(library: Any, saver: Any) -> Any:
        return graphs.chain(library, 10).compile(checkpointer=saver)

    mine, other = (
        compiled(ours, ours.InMemoryCheckpointer()),
        compiled(theirs, InMemorySaver()),
    )
    runs = {"inwit": once(mine, "async"), "LangGraph": once(other, "async")}
    rows = [Row(f"{SHAPE}, memory", await in_turns(runs, budget_s))]
    async with AsyncSqliteSaver.from_conn_string(str(folder / "theirs.db")) as saver:
        await saver.setup()
        await saver.conn.execute("PRAGMA synchronous = FULL")
        mine, other = compiled(ours, ours.SqliteCheckpointer()), compiled(theirs, saver)
        for durability, when in (("exit", "at the end"), ("sync", "at every step")):
            runs = {"inwit": once(mine, durability), "LangGraph": once(other, durability)}
            name = f"{SHAPE}, SQLite, durable {when}"
            rows.append(Row(name, await in_turns(runs, budget_s)))
        runs = {"inwit": at_once(mine, "sync"), "LangGraph": at_once(other, "sync")}
        name = f"{AT_ONCE} at once, SQLite, durable at every step"
        rows.append(Row(name, await in_turns(runs, budget_s, rounds=3)))
    return rows
