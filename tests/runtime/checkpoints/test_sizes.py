"""What is kept takes room by what has changed, and what waits takes next to none."""

from __future__ import annotations

import gc
import operator
import os
import tracemalloc
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import (
    END,
    Command,
    InMemoryCheckpointer,
    MessagesState,
    SqliteCheckpointer,
    StateGraph,
    interrupt,
)
from inwit.runtime.checkpoints.base import Checkpointer
from inwit.runtime.checkpoints.codec import encode
from inwit.runtime.checkpoints.spacing import FAR_ROWS, SMALL_BYTES
from inwit.runtime.project import Project
from inwit.runtime.store.journal import Journal

CONFIG = {"configurable": {"thread_id": "t"}, "recursion_limit": 10_000}
MEGABYTE = 1 << 20


class State(TypedDict, total=False):
    n: int
    to: int
    constant: str
    log: Annotated[list[str], operator.add]


def looping(saver: Checkpointer | None, size_bytes: int = 0) -> Any:
    def add(state: State) -> dict[str, Any]:
        return {"n": state["n"] + 1, "log": ["x" * size_bytes] if size_bytes else []}

    graph = StateGraph(State).add_node("add", add).set_entry_point("add")
    graph.add_conditional_edges(
        "add", lambda state: state["n"] < state["to"], {True: "add", False: END}
    )
    return graph.compile(name="looping", checkpointer=saver)


def stored(saver: Any) -> int:
    """How many bytes all rows of the thread take."""
    rows = {row.seq: len(encode(row)) for row in saver.history("t")}
    return sum(rows.values())


@pytest.mark.parametrize("is_file", [True, False])
def test_a_large_state_that_stays_is_not_kept_again_and_again(
    is_file: bool, project: Path, tmp_path: Path
) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db") if is_file else InMemoryCheckpointer()

    looping(saver).invoke({"n": 0, "to": 1000, "constant": os.urandom(MEGABYTE // 2).hex()}, CONFIG)

    # The input has it twice: as what was given, and within the first whole state.
    assert stored(saver) < 2 * MEGABYTE + 1000 * 1000
    saver.close()


def test_a_state_that_grows_takes_room_by_its_growth(project: Path) -> None:
    sizes = []
    for steps in (300, 1200):
        saver = InMemoryCheckpointer()
        looping(saver, 1000).invoke({"n": 0, "to": steps}, CONFIG)
        sizes.append(stored(saver))

    assert sizes[1] < 5 * sizes[0]
    assert sizes[1] < 4 * 1200 * 1000


@pytest.mark.parametrize("is_file", [True, False])
def test_a_long_conversation_takes_room_by_what_was_said(
    is_file: bool, project: Path, tmp_path: Path
) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db") if is_file else InMemoryCheckpointer()
    graph = StateGraph(MessagesState).add_node(
        "answer", lambda state: {"messages": [{"role": "assistant", "content": "y" * 1000}]}
    )
    app = graph.set_entry_point("answer").compile(name="talk", checkpointer=saver)

    for number in range(80):
        app.invoke({"messages": [{"role": "user", "content": f"{number:1000}"}]}, CONFIG)

    assert stored(saver) < 5 * 160 * 1000
    said = [one.content for one in app.get_state(CONFIG).values["messages"]]
    assert said[::2] == [f"{number:1000}" for number in range(80)]
    saver.close()


def test_each_state_of_a_thread_with_few_whole_ones_is_right(project: Path, tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    constant = "c" * 3 * SMALL_BYTES
    app = looping(saver, 10)
    app.invoke({"n": 0, "to": 80, "constant": constant, "log": ["in"]}, CONFIG)
    app.invoke({"n": 100, "to": 180, "log": ["again"]}, CONFIG)
    app.invoke({"n": 200, "to": 210, "constant": "d" * 3 * SMALL_BYTES}, CONFIG)

    states = [shot.values for shot in app.get_state_history(CONFIG) if shot.metadata["step"] >= 0]

    wholes = [row.seq for row in saver.history("t") if row.state is not None]
    assert len(wholes) < 6
    by_n = {state["n"]: state for state in states if state.get("constant")}
    assert [len(by_n[n]["log"]) for n in (0, 80, 100, 180, 200, 210)] == [1, 81, 82, 162, 162, 172]
    assert by_n[180]["log"][81] == "again"
    assert [by_n[n]["constant"][0] for n in (80, 180, 200)] == ["c", "c", "d"]
    saver.prune("t", keep=5)
    assert [row.step for row in saver.history("t")][:5] == sorted(
        (row.step for row in saver.history("t")), reverse=True
    )[:5]
    assert app.get_state(CONFIG).values == states[0]
    saver.close()


def test_reading_a_checkpoint_never_reads_more_than_a_bound(project: Path) -> None:
    saver = InMemoryCheckpointer()
    app = looping(saver)

    app.invoke({"n": 0, "to": 3 * FAR_ROWS, "constant": "c" * 10 * MEGABYTE}, CONFIG)

    rows = saver.history("t")
    longest = max(len(saver.load("t", row.checkpoint_id)) for row in rows[:: FAR_ROWS // 8])
    assert longest <= FAR_ROWS + 64


def test_what_has_changed_in_a_thread_replays_from_before_its_input(project: Path) -> None:
    app = looping(InMemoryCheckpointer())
    app.invoke({"n": 0, "to": 3, "constant": "c" * 3 * SMALL_BYTES, "log": ["a"]}, CONFIG)
    app.invoke({"n": 10, "to": 12, "log": ["b"]}, CONFIG)
    before = next(shot for shot in app.get_state_history(CONFIG) if shot.next == ("__start__",))

    again = app.invoke(None, before.config)

    assert before.values["log"] == ["a"]
    assert (again["n"], again["log"]) == (12, ["a", "b"])


# What waits


class Asking(TypedDict, total=False):
    n: int
    answer: str


def asking(saver: Checkpointer) -> Any:
    def ask(state: Asking) -> dict[str, Any]:
        return {"answer": interrupt({"question": "go on?", "n": state["n"]})}

    graph = StateGraph(Asking).add_node("ask", ask).set_entry_point("ask")
    return graph.compile(name="asking", checkpointer=saver)


@pytest.mark.parametrize("backend", ["memory", "own file", "record"])
def test_an_execution_that_waits_takes_less_than_a_kilobyte(
    backend: str, project: Path, tmp_path: Path
) -> None:
    savers: dict[str, Any] = {
        "memory": InMemoryCheckpointer,
        "own file": lambda: SqliteCheckpointer(tmp_path / "own.db"),
        "record": SqliteCheckpointer,
    }
    saver, count = savers[backend](), 1000 if backend == "memory" else 200
    app = asking(saver)
    wait_in_many(app, saver, 20, "before")  # what is imported is not measured
    Journal.of(Project.find()).flush()

    used = memory_of(lambda: wait_in_many(app, saver, count, "thread"))

    assert used < count * 1000
    assert len(saver.threads()) == count + 20
    found = app.invoke(Command(resume="yes"), thread_id="thread-7")
    assert found == {"n": 7, "answer": "yes"}
    saver.close()


def wait_in_many(app: Any, saver: Any, count: int, prefix: str) -> None:
    """Let many executions ask, and look at each, as a page that lists them would."""
    for number in range(count):
        app.invoke({"n": number}, {"configurable": {"thread_id": f"{prefix}-{number}"}})
    for number in range(count):
        config = {"configurable": {"thread_id": f"{prefix}-{number}"}}
        [waiting] = app.get_state(config).interrupts
        assert waiting.value["n"] == number
    saver.history(f"{prefix}-0")


def memory_of(work: Any) -> int:
    """What Python still holds of what some work allocated."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        Journal.of(Project.find()).flush()  # The record keeps what the disk has not taken yet.
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_what_waits_in_memory_comes_back_as_it_was_packed(project: Path) -> None:
    saver = InMemoryCheckpointer()
    app = asking(saver)
    marked = object()
    app.invoke({"n": 2**70}, {"configurable": {"thread_id": "t"}, "metadata": {"user": ("ada", 1)}})
    app.invoke({"n": 1}, {"configurable": {"thread_id": "odd"}, "metadata": {"mark": marked}})

    rows = [saver.load(name) for name in ("t", "odd")]

    assert rows[0][0].metadata["user"] == ("ada", 1)  # type: ignore[union-attr,index]
    assert rows[1][0].metadata["mark"] is marked  # type: ignore[union-attr,index]
    assert app.get_state(CONFIG).values == {"n": 2**70}
    saver.prune("t", keep=1)
    assert saver.last_seq("t") == 3
    assert app.invoke(Command(resume="yes"), CONFIG) == {"n": 2**70, "answer": "yes"}


@pytest.mark.parametrize("saver", [None, "file"])
def test_a_long_execution_holds_no_more_than_its_ring_and_its_state(
    saver: Any, project: Path, tmp_path: Path
) -> None:
    app = looping(saver and SqliteCheckpointer(tmp_path / "own.db"))
    config = CONFIG if saver else {"recursion_limit": 100_000}
    app.invoke({"n": 0, "to": 10}, config)

    peaks = [peak_of(app, steps, config) for steps in (1000, 8000)]

    assert peaks[0] < 5 * MEGABYTE
    assert peaks[1] < peaks[0] + 5 * MEGABYTE


def peak_of(app: Any, steps: int, config: Any) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        app.invoke({"n": 0, "to": steps}, config)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
