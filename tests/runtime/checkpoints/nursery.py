"""Makes processes that put rows until they are killed, faster than Python starts.

Run as ``python -m tests.runtime.checkpoints.nursery BACKEND PLACE``. Each line on its standard input
makes one, which tells its id first; when it has ended that is told as well. For ``rows`` it puts rows
and tells of each that was acknowledged; for ``steps THREAD`` it runs a graph and tells of each step.
"""

from __future__ import annotations

import os
import random
import sys
from concurrent.futures import Future
from functools import partial
from typing import Any, TypedDict

from inwit import END, InMemoryCheckpointer, StateGraph
from inwit.runtime.checkpoints.base import Checkpointer, Row
from inwit.testing.rows import checkpoint, pending

THREADS = 4
WRITER = "nursery"


def tell(text: str) -> None:
    """Write one line at one go: it arrives whole or not at all."""
    os.write(1, f"{text}\n".encode())


def open_saver(backend: str, place: str) -> Checkpointer:
    if backend == "postgres":
        from inwit import PostgresCheckpointer

        return PostgresCheckpointer(place)
    from inwit import SqliteCheckpointer

    return SqliteCheckpointer(place)


def rows_after(seq: int, thread_id: str, pid: int) -> list[Row]:
    """One, two or three rows, which say who wrote them."""
    kind = random.random()
    name = f"{pid}-{seq + 1}"
    first = checkpoint(seq + 1, thread_id=thread_id, whole=seq % 8 == 0, name=name)
    if kind < 0.5:
        return [first]
    return [
        first,
        *(pending(seq + 2 + n, thread_id=thread_id) for n in range(1 if kind < 0.8 else 2)),
    ]


def acknowledged(thread_id: str, seq: int, pid: int, done: Future[None]) -> None:
    if done.exception() is None:
        tell(f"kept {thread_id} {seq} {pid}")


def put_for_ever(saver: Checkpointer) -> None:
    """Put rows of several threads; each waits for its row before the last only, as ``async`` does."""
    pid = os.getpid()
    names = [f"t{n}" for n in range(THREADS)]
    seqs = {name: saver.last_seq(name) for name in names}
    waiting: dict[str, Future[None] | None] = dict.fromkeys(names)
    while True:
        for name in names:
            rows = rows_after(seqs[name], name, pid)
            done = saver.put(rows)
            before, waiting[name] = waiting[name], done
            if done is not None:
                done.add_done_callback(partial(acknowledged, name, rows[0].seq, pid))
            seqs[name] = rows[-1].seq
            if before is not None:
                before.result()


class State(TypedDict):
    n: int


def step(state: State) -> State:
    """Tell that it runs: what it did cannot be undone."""
    if state["n"] >= 0:
        tell(f"ran {state['n']}")
    return {"n": state["n"] + 1}


def stepping(saver: Checkpointer) -> Any:
    graph = StateGraph(State).add_node("step", step).set_entry_point("step")
    graph.add_conditional_edges("step", lambda state: state["n"] < 0, {False: "step", True: END})
    return graph.compile(name="stepping", checkpointer=saver)


def step_for_ever(saver: Checkpointer, thread_id: str) -> None:
    """Begin a thread, or go on where its last process was killed."""
    given = None if saver.last_seq(thread_id) else {"n": 0}
    config = {"configurable": {"thread_id": thread_id}, "recursion_limit": 10**9}
    stepping(saver).invoke(given, config, durability="sync")


def warm(backend: str, place: str) -> None:
    """Import, before a fork, what each would import."""
    with open_saver(backend, place) as saver:  # type: ignore[attr-defined] # as both of them
        saver.setup()
    stepping(InMemoryCheckpointer()).invoke({"n": -2}, thread_id="warm")


def main() -> None:
    backend, place = sys.argv[1:]
    warm(backend, place)
    named = f"{place}&application_name={WRITER}" if backend == "postgres" else place
    for line in sys.stdin:
        kind, *arguments = line.split()
        child = os.fork()
        if child == 0:
            tell(f"born {os.getpid()}")
            live = put_for_ever if kind == "rows" else step_for_ever
            live(open_saver(backend, named), *arguments)
        os.waitpid(child, 0)
        tell("ended")


if __name__ == "__main__":
    main()
