"""Processes of their own that run a graph on one thread, and tell what they do.

They are forked from a server that has imported all of it, so that each starts in milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import operator
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, TypedDict

from inwit import (
    END,
    DynamoDBCheckpointer,
    PostgresCheckpointer,
    RedisCheckpointer,
    S3Checkpointer,
    SqliteCheckpointer,
    StateGraph,
    interrupt,
)
from inwit.errors import InwitError
from inwit.runtime.checkpoints import saving
from inwit.runtime.checkpoints.base import Checkpointer

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guide" / "persistence.md"
CONFIG = {"configurable": {"thread_id": "t"}}
PATIENCE_S = 30
_context = multiprocessing.get_context("forkserver")


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    answer: str


def backend_of_the_guide() -> Callable[[Path], Checkpointer]:
    """The checkpointer that the guide shows as one of a third party's."""
    [program] = re.findall(
        r"^```python\n(import base64.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(program, names)  # our own page
    made: Callable[[Path], Checkpointer] = names["LogCheckpointer"]
    return made


def open_saver(backend: str, place: str) -> Checkpointer:
    """Open a backend where another process has it open."""
    aws = {
        "endpoint_url": place, "region_name": "eu-central-1",
        "aws_access_key_id": "test", "aws_secret_access_key": "test",
    }  # fmt: skip
    opening: dict[str, Callable[[], Checkpointer]] = {
        "record": SqliteCheckpointer,
        "own file": lambda: SqliteCheckpointer(place),
        "postgres": lambda: PostgresCheckpointer(place),
        "redis": lambda: RedisCheckpointer(place, prefix="rivals"),
        "s3": lambda: S3Checkpointer("rivals", **aws),
        "dynamodb": lambda: DynamoDBCheckpointer("rivals", **aws),
        "of the guide": lambda: backend_of_the_guide()(Path(place)),
    }
    return opening[backend]()


def graph(saver: Checkpointer, ran: Callable[[str], Any]) -> Any:
    """Three branches at once, a question, an end; `ran` is told of each node, and may hold it up."""

    def node(name: str) -> Any:
        async def run(state: State) -> dict[str, Any]:
            if asyncio.iscoroutine(held := ran(name)):
                await held
            return {"log": [name]}

        return run

    def ask(state: State) -> dict[str, Any]:
        answer = interrupt("go on?")
        ran("ask")
        return {"answer": answer}

    built = StateGraph(State)
    for name in ("begin", "quick", "quicker", "slow", "join", "last"):
        built.add_node(name, node(name))
    built.add_node("ask", ask).set_entry_point("begin")
    built.add_parallel_edges("begin", ["quick", "quicker", "slow"])
    built.add_edge(["quick", "quicker", "slow"], "join")
    built.add_edge("join", "ask").add_edge("ask", "last").set_finish_point("last")
    return built.compile(name="rivals", checkpointer=saver)


def live(
    pipe: Connection, folder: str, backend: str, place: str, given: Any, options: dict[str, Any]
) -> None:
    """Run the graph, tell of each node, and wait where it is told to."""
    os.chdir(folder)
    saving.LEASE_S = options.get("lease_s", saving.LEASE_S)

    def ran(name: str) -> Any:
        pipe.send(name)
        return asyncio.to_thread(pipe.recv) if name == options.get("holds") else None

    try:
        found = graph(open_saver(backend, place), ran).invoke(
            given, CONFIG, durability=options.get("durability", "sync")
        )
        pipe.send("waits" if "__interrupt__" in found else "ended")
    except InwitError as exc:
        pipe.send(exc.code)
    pipe.recv()


class Count(TypedDict):
    n: int


def count(saver: Checkpointer, tell: Callable[[int], Any] = lambda n: None) -> Any:
    """A loop that ends at 0 only, and tells of each step as it begins."""

    def step(state: Count) -> Count:
        tell(state["n"])
        return {"n": state["n"] + 1}

    built = StateGraph(Count).add_node("step", step).set_entry_point("step")
    built.add_conditional_edges("step", lambda state: state["n"] == 0, {False: "step", True: END})
    return built.compile(name="counting", checkpointer=saver)


def count_for_ever(
    pipe: Connection, folder: str, backend: str, place: str, given: Any, options: dict[str, Any]
) -> None:
    """Run a loop that never ends."""
    os.chdir(folder)
    app = count(open_saver(backend, place), pipe.send)
    app.invoke(given, {**CONFIG, "recursion_limit": 10**9}, durability=options["durability"])


@cache
def start_server() -> None:
    """Start the process that others are forked from; it has to find this module."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT) if path is None else f"{ROOT}{os.pathsep}{path}"
    try:
        _context.set_forkserver_preload([__name__])
        forkserver.ensure_running()
    finally:
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path


class Rival:
    """Another process on the thread."""

    def __init__(
        self, folder: Path, backend: str, place: str, given: Any = None, *, target: Any = live,
        **options: Any,
    ) -> None:  # fmt: skip
        start_server()
        self._pipe, theirs = _context.Pipe()
        arguments = (theirs, str(folder), backend, place, given, options)
        self._process = _context.Process(target=target, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def hear(self, count: int) -> list[str]:
        """The next things that it tells."""
        told: list[str] = []
        for _ in range(count):
            told.append(self.hear_one())
        return told

    def hear_for(self, duration_s: float, at_least: int) -> list[Any]:
        """All that it tells in a while, and at least so much, after which it is killed."""
        told = [self.hear_one()]
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline or len(told) < at_least:
            told.append(self.hear_one())
        self._process.kill()
        with suppress(EOFError, OSError):
            while True:
                told.append(self.hear_one())
        return told

    def hear_one(self) -> Any:
        assert self._pipe.poll(PATIENCE_S), "Nothing more was told."
        return self._pipe.recv()

    def go_on(self) -> None:
        self._pipe.send(None)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._process.kill()
        self._process.join(PATIENCE_S)
        self._process.close()
        self._pipe.close()


@contextmanager
def rival(*arguments: Any, **options: Any) -> Iterator[Rival]:
    found = Rival(*arguments, **options)
    try:
        yield found
    finally:
        found.kill()
