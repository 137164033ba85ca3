from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from inwit import END, START, SqliteCheckpointer, StateGraph, interrupt
from inwit.errors import (
    AnswerNeededError,
    ExecutionCancelledError,
    ExecutionOverError,
    InvalidAnswerError,
    MalformedInputError,
    NotControllableError,
    StaleExecutionError,
    UnknownExecutionError,
)
from inwit.runtime.project import Project
from inwit.runtime.store import Store, audit
from inwit.runtime.store.control import request
from tests.asking import State, asking

PERSON = "person ada"


class Counter:
    """A graph that counts until it is told to stop; each step waits until it is let on."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_over = threading.Event()
        self.seen = threading.Semaphore(0)
        self.steps = 0
        graph = StateGraph(State)
        graph.add_node("count", self._acount if is_async else self._count)
        graph.add_edge(START, "count")
        graph.add_conditional_edges(
            "count", lambda _: "done" if self.is_over.is_set() else "more",
            {"more": "count", "done": END},
        )  # fmt: skip
        self.app = graph.compile(name="counter")

    def _count(self, state: State) -> State:
        self.steps += 1
        self.seen.release()
        self.is_over.wait(0.002)
        return {"n": state.get("n", 0) + 1}

    async def _acount(self, state: State) -> State:
        self.steps += 1
        self.seen.release()
        await asyncio.sleep(0.002)
        return {"n": state.get("n", 0) + 1}

    @contextmanager
    def running(self, **config: Any) -> Iterator[str]:
        """Run in a thread, and end it however the test went."""
        self.result: Any = None
        given = {"recursion_limit": 10**6, **config}

        def run() -> None:
            try:
                self.result = self.app.invoke({}, given, execution_id="counting")
            except ExecutionCancelledError as exc:
                self.result = exc.reason

        thread = threading.Thread(target=run)
        thread.start()
        assert self.seen.acquire(timeout=30)
        try:
            yield "counting"
        finally:
            self.is_over.set()
            self.join(thread)

    @staticmethod
    def join(thread: threading.Thread) -> None:
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(params=["sync", "async"])
def counter(request: pytest.FixtureRequest, project: Path) -> Counter:
    return Counter(is_async=request.param == "async")


def ask(execution_id: str, action: str, **more: Any) -> Any:
    return request(Project.find(), execution_id, action, actor=PERSON, **more)


def statuses(execution_id: str) -> list[str]:
    events = Store.of(Project.find()).events(execution_id, types=("status_changed",))
    return [event.status for event in events]  # type: ignore[attr-defined]


def test_a_paused_execution_stands_still_until_it_is_resumed(counter: Counter) -> None:
    with counter.running() as running:
        paused = ask(running, "pause")
        stood_at = counter.steps
        again = ask(running, "pause", expected_seq=paused.seq)
        resumed = ask(running, "resume")
        assert counter.seen.acquire(timeout=30)

    assert (paused.outcome, paused.status) == ("done", "paused")
    assert (again.outcome, again.seq) == ("unchanged", paused.seq)
    assert (resumed.outcome, resumed.status) == ("done", "running")
    assert counter.result["n"] == counter.steps >= stood_at
    assert statuses(running) == ["paused", "running"]


def test_a_running_execution_is_cancelled_and_so_is_one_that_is_paused(counter: Counter) -> None:
    with counter.running() as running:
        ask(running, "pause")
        cancelled = ask(running, "cancel")

    assert cancelled.status == "cancelled"
    assert counter.result == f"cancel asked by {PERSON}"
    assert ask(running, "cancel").outcome == "unchanged"


def test_time_spent_paused_does_not_count(counter: Counter) -> None:
    with counter.running(timeout_s=0.8) as running:
        ask(running, "pause")
        waited = threading.Event()
        waited.wait(1.5)
        resumed = ask(running, "resume")

    assert resumed.status == "running"
    assert counter.result["n"] == counter.steps


def test_an_async_node_is_cancelled_where_it_waits(project: Path) -> None:
    begun = threading.Event()

    async def forever(state: State) -> State:
        begun.set()
        await asyncio.Event().wait()
        return {}

    graph = StateGraph(State)
    graph.add_node("forever", forever)
    graph.add_edge(START, "forever")
    app = graph.compile(name="forever")
    raised: list[str] = []

    def run() -> None:
        try:
            app.invoke({}, execution_id="waiting")
        except ExecutionCancelledError as exc:
            raised.append(exc.reason)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(30)

    result = ask("waiting", "cancel")

    Counter.join(thread)
    assert (result.outcome, result.status) == ("done", "cancelled")
    assert raised == [f"cancel asked by {PERSON}"]


def test_a_graph_within_is_paused_with_the_one_around_it(project: Path) -> None:
    inner = Counter(is_async=True)
    graph = StateGraph(State)
    graph.add_node("inner", inner.app)
    graph.add_edge(START, "inner")
    app = graph.compile(name="outer")
    config = {"recursion_limit": 10**6}
    thread = threading.Thread(target=lambda: app.invoke({}, config, execution_id="outer"))
    thread.start()
    assert inner.seen.acquire(timeout=30)

    paused = ask("outer", "pause")
    stood_at = inner.steps
    resumed = ask("outer", "resume")
    assert inner.seen.acquire(timeout=30)
    inner.is_over.set()
    Counter.join(thread)

    assert (paused.status, resumed.status) == ("paused", "running")
    assert inner.steps >= stood_at
    assert wait_for("outer", "completed").iteration == 1


def wait_for(execution_id: str, status: str) -> Any:
    store = Store.of(Project.find())
    for _ in range(250):
        version = store.data_version()
        found = store.execution(execution_id)
        if found.status == status:
            return found
        store.wait_change(0.02, version)
    raise AssertionError(f"{found.status} is not {status}")


def test_an_answer_from_outside_is_checked_and_lets_an_execution_go_on(project: Path) -> None:
    app = asking()
    app.invoke({}, execution_id="asked")

    with pytest.raises(AnswerNeededError):
        ask("asked", "resume")
    with pytest.raises(InvalidAnswerError):
        ask("asked", "resume", value="perhaps")
    ask("asked", "resume", value=True)

    found = wait_for("asked", "completed")
    assert app.get_state({"configurable": {"thread_id": found.thread_id}}).values == {
        "approved": True
    }


def test_what_waits_goes_on_where_the_record_holds_its_checkpoints(project: Path) -> None:
    checkpointer = SqliteCheckpointer()
    app = asking(checkpointer)
    app.invoke({}, execution_id="asked", thread_id="t1")
    app.invoke({}, execution_id="other", thread_id="t2")

    ask("other", "cancel")
    ask("asked", "resume", value=True)

    wait_for("asked", "completed")
    assert app.get_state({"configurable": {"thread_id": "t1"}}).values == {"approved": True}
    checkpointer.close()


def test_what_waits_goes_on_here_where_its_process_has_not_the_graph_any_more(
    project: Path,
) -> None:
    checkpointer = SqliteCheckpointer()
    app = asking(checkpointer)
    app.invoke({}, execution_id="asked", thread_id="t1")
    del app
    gc.collect()
    again = asking(checkpointer)

    ask("asked", "resume", value=True, find=lambda _: again)

    wait_for("asked", "completed")
    assert again.get_state({"configurable": {"thread_id": "t1"}}).values == {"approved": True}
    checkpointer.close()


def test_an_execution_at_a_break_point_is_let_on_from_outside(project: Path) -> None:
    app = asking()
    app.invoke({}, execution_id="broken", thread_id="t1", interrupt_before=["approve"])
    wait_for_any("paused")

    with pytest.raises(AnswerNeededError):
        ask("broken", "resume", value=True)
    resumed = ask("broken", "resume")

    assert resumed.outcome == "done"
    assert wait_for("broken", "waiting_for_input").thread_id == "t1"
    assert app.name == "asking"


@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
def test_a_step_of_several_nodes_is_over_before_an_execution_is_paused(
    project: Path, scheduling: Literal["steps", "dataflow"]
) -> None:
    begun, is_let_on, calls = threading.Event(), threading.Event(), list[str]()

    async def one(state: State) -> State:
        calls.append("one")
        begun.set()
        await asyncio.to_thread(is_let_on.wait, 10)
        return {"n": 1}

    async def other(state: State) -> State:
        calls.append("other")
        return {"approved": True}

    async def last(state: State) -> State:
        calls.append("last")
        return {}

    graph = StateGraph(State)
    for node in (one, other, last):
        graph.add_node(node.__name__, node)
    graph.add_parallel_edges(START, ["one", "other"])
    graph.add_edge(["one", "other"], "last")
    graph.add_edge("last", END)
    app = graph.compile(name="wide", scheduling=scheduling)
    thread = threading.Thread(target=lambda: app.invoke({}, execution_id="wide"))
    thread.start()
    assert begun.wait(30)

    early = ask("wide", "pause", wait_s=0.3)
    before = list(calls)
    is_let_on.set()
    paused = wait_for("wide", "paused")
    resumed = ask("wide", "resume")
    Counter.join(thread)

    assert (early.outcome, early.status) == ("requested", "running")
    assert sorted(before) == ["one", "other"]
    assert paused.status == "paused"
    assert resumed.outcome == "done"
    assert sorted(calls) == ["last", "one", "other"]


def test_what_waits_is_cancelled(project: Path) -> None:
    app = asking()
    app.invoke({}, execution_id="asked", thread_id="t1")

    result = ask("asked", "cancel")

    assert result.status == "cancelled"
    with pytest.raises(ExecutionOverError):
        ask("asked", "resume", value=True)


def test_refusals_are_typed(project: Path) -> None:
    app = asking()
    app.invoke({}, execution_id="asked")
    ask("asked", "cancel")

    with pytest.raises(UnknownExecutionError):
        ask("nobody", "pause")
    with pytest.raises(ExecutionOverError):
        ask("asked", "pause")
    with pytest.raises(StaleExecutionError):
        ask("asked", "cancel", expected_seq=1)
    with pytest.raises(MalformedInputError):
        ask("asked", "explode")


def test_every_request_is_in_the_audit_log(project: Path) -> None:
    app = asking()
    app.invoke({}, execution_id="asked")
    with pytest.raises(InvalidAnswerError):
        ask("asked", "resume", value=3)
    ask("asked", "cancel")

    rows = audit.rows(Project.find())

    assert [(row.actor, row.action, row.target, row.outcome) for row in rows] == [
        (PERSON, "execution.resume", "execution://asked", "refused"),
        (PERSON, "execution.cancel", "execution://asked", "done"),
    ]
    assert rows[0].details["error"] == "execution.invalid_answer"


ELSEWHERE = """
import sys, threading
from typing import TypedDict
from inwit import END, START, StateGraph, SqliteCheckpointer, interrupt

class State(TypedDict, total=False):
    n: int
    approved: bool

def count(state):
    threading.Event().wait(0.005)
    return {"n": state.get("n", 0) + 1}

def approve(state):
    return {"approved": interrupt("Send it?", schema={"type": "boolean"})}

kind = sys.argv[1]
graph = StateGraph(State)
graph.add_node("it", count if kind == "count" else approve)
graph.add_edge(START, "it")
graph.add_conditional_edges(
    "it", lambda _: "more" if kind == "count" else "done", {"more": "it", "done": END}
)
saver = SqliteCheckpointer("threads.db") if kind == "kept" else None
app = graph.compile(name="asking" if kind != "count" else "count", checkpointer=saver)
print("begun", flush=True)
try:
    print(app.invoke({}, {"recursion_limit": 10**9}, execution_id="there"), flush=True)
except Exception as exc:
    print(type(exc).__name__, flush=True)
if kind == "held":
    sys.stdin.readline()
"""


@contextmanager
def elsewhere(kind: Literal["count", "held", "kept", "lost"]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, kind], stdout=subprocess.PIPE, stdin=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_execution_of_another_process_is_paused_resumed_and_cancelled(project: Path) -> None:
    with elsewhere("count") as process:
        wait_for_any()
        paused = ask("there", "pause")
        resumed = ask("there", "resume")
        cancelled = ask("there", "cancel")
        assert process.stdout is not None
        told = process.stdout.readline()

    assert [paused.status, resumed.status, cancelled.status] == ["paused", "running", "cancelled"]
    assert told == "ExecutionCancelledError\n"
    assert statuses("there") == ["paused", "running"]


def wait_for_any(status: str = "running") -> None:
    store = Store.of(Project.find())
    for _ in range(250):
        version = store.data_version()
        if store.executions(status=status).items:
            return
        store.wait_change(0.02, version)
    raise AssertionError("nothing ran")


def test_an_execution_that_waits_in_another_process_goes_on_there(project: Path) -> None:
    with elsewhere("held") as process:
        assert process.stdout is not None
        assert "__interrupt__" in process.stdout.readline()
        wait_for_any("waiting_for_input")
        ask("there", "resume", value=True)

        found = wait_for("there", "completed")

    assert found.last_seq > 0


def test_an_execution_of_a_dead_process_goes_on_here_where_its_checkpoints_are(
    project: Path,
) -> None:
    with elsewhere("kept") as process:
        process.wait(30)
    checkpointer = SqliteCheckpointer("threads.db")
    app = StateGraph(State)
    app.add_node("it", lambda state: {"approved": interrupt("Send it?")})
    app.add_edge(START, "it")
    app.add_edge("it", END)
    graph = app.compile(name="asking", checkpointer=checkpointer)

    with pytest.raises(NotControllableError):
        ask("there", "resume", value=True)
    ask("there", "resume", value=True, find=lambda _: graph)

    wait_for("there", "completed")
    checkpointer.close()


def test_an_execution_whose_checkpoints_are_gone_can_only_be_cancelled(project: Path) -> None:
    with elsewhere("lost") as process:
        process.wait(30)
    graph = asking()

    with pytest.raises(NotControllableError):
        ask("there", "resume", value=True, find=lambda _: graph)
    cancelled = ask("there", "cancel", find=lambda _: graph)

    assert cancelled.status == "cancelled"


def test_a_paused_execution_dies_with_its_process(project: Path) -> None:
    with elsewhere("count") as process:
        wait_for_any()
        ask("there", "pause")
        process.kill()
        process.wait(30)

        with pytest.raises(ExecutionOverError):
            ask("there", "resume")

    assert Store.of(Project.find()).execution("there").reason == "host lost"
