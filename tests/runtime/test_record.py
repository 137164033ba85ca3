"""What running a graph leaves in the record: every event, gapless, however the execution ends."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anyio
import pytest

from inwit import END, START, Context, RetryPolicy, StateGraph
from inwit.errors import MalformedInputError, StoreError
from inwit.events import EdgeTaken, Event, ExecutionFailed, ExecutionStarted, StateChanged
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store


class State(TypedDict, total=False):
    n: int
    secret: str
    log: Annotated[list[str], operator.add]
    parts: list[int]


@pytest.fixture
def store(project: Path) -> Store:
    return Store.of(Project.find())


def flushed(store: Store) -> Store:
    Journal.of(Project.find()).flush()
    return store


def last_id(app: Any) -> str:
    execution_id = app.last_execution_id
    assert isinstance(execution_id, str)
    return execution_id


def events_of(store: Store, app: Any) -> list[Event]:
    events = flushed(store).events(last_id(app))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return events


def types_of(store: Store, app: Any) -> list[str]:
    return [event.type for event in events_of(store, app)]


def count(state: State) -> dict[str, Any]:
    return {"n": state["n"] + 1, "log": [str(state["n"])]}


def enough(state: State) -> str:
    return "done" if state["n"] >= 3 else "again"


def loop(**options: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    graph.add_conditional_edges("count", enough, {"again": "count", "done": END})
    return graph.compile(name="loop", **options)


def test_a_loop_is_recorded_visit_by_visit_with_what_its_router_read(store: Store) -> None:
    app = loop()
    app.invoke({"n": 0})

    events = events_of(store, app)
    edges = [event for event in events if isinstance(event, EdgeTaken)]
    visits = flushed(store).visits(last_id(app))

    assert Counter(event.type for event in events) == {
        "execution_started": 1, "state_changed": 4, "node_entered": 3, "node_exited": 3,
        "edge_taken": 3, "execution_completed": 1,
    }  # fmt: skip
    assert [(edge.label, edge.read) for edge in edges] == [
        ("again", {"n": 1}), ("again", {"n": 2}), ("done", {"n": 3}),
    ]  # fmt: skip
    assert [visit.visit for visit in visits] == [1, 2, 3]


def test_what_a_list_reducer_appends_is_a_patch_that_appends(store: Store) -> None:
    app = loop()
    app.invoke({"n": 2})

    patches = [e.patch for e in events_of(store, app) if isinstance(e, StateChanged) and e.node]

    assert patches == [
        [
            {"op": "add", "path": "/n", "value": 3},
            {"op": "add", "path": "/log/-", "value": "2"},
        ]
    ]
    assert store.state_at(last_id(app)) == {"n": 3, "log": ["2"]}


def test_a_thread_starts_from_its_memory_in_the_record_too(store: Store) -> None:
    app = loop()
    app.invoke({"n": 2}, thread_id="t")
    app.invoke({"n": 2}, thread_id="t")

    assert flushed(store).state_at(last_id(app)) == {"n": 3, "log": ["2", "2"]}
    assert "checkpoint_created" in types_of(store, app)


async def slow_note(state: State) -> dict[str, Any]:
    await asyncio.sleep(0.03)
    return {"log": ["x"]}


def test_parallel_branches_are_gapless_across_commits(store: Store) -> None:
    graph = StateGraph(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, slow_note)
        graph.add_edge(START, name)
    graph.add_node("join", slow_note)
    graph.add_edge(["a", "b", "c"], "join")
    app = graph.compile(name="wide")
    app.invoke({})

    events = events_of(store, app)
    visits = flushed(store).visits(last_id(app))

    assert Counter(event.type for event in events)["node_exited"] == 4
    assert sorted(visit.node for visit in visits) == ["a", "b", "c", "join"]
    assert all(visit.status == "completed" for visit in visits)


def fail_slowly(state: State) -> dict[str, Any]:
    threading.Event().wait(0.06)
    raise ConnectionError("gone")


def test_a_failure_is_recorded_with_each_attempt(store: Store) -> None:
    graph = StateGraph(State)
    graph.add_node(
        "call", fail_slowly, retry_policy=RetryPolicy(initial_interval=0.001, max_attempts=2)
    )
    graph.set_entry_point("call")
    app = graph.compile(name="failing")
    with pytest.raises(ConnectionError) as caught:
        app.invoke({"n": 1})

    [visit] = flushed(store).visits(last_id(app))
    execution = store.execution(last_id(app))

    assert caught.value.execution_id == app.last_execution_id  # type: ignore[attr-defined]
    assert types_of(store, app) == [
        "execution_started", "state_changed", "node_entered", "node_failed", "retry_scheduled",
        "node_entered", "node_failed", "execution_failed",
    ]  # fmt: skip
    assert (visit.status, visit.attempts) == ("failed", 2)
    assert (execution.status, execution.error_node) == ("failed", "call")
    assert execution.error is not None
    assert execution.error.type == "ConnectionError"


async def never(state: State) -> dict[str, Any]:
    await anyio.sleep_forever()
    return {}


@pytest.mark.anyio
async def test_a_cancelled_execution_says_so(store: Store) -> None:
    graph = StateGraph(State)
    graph.add_node("never", never)
    graph.set_entry_point("never")
    app = graph.compile(name="cancelled")

    with anyio.move_on_after(0.05):
        await app.ainvoke({})

    events = events_of(store, app)
    assert events[-1].type == "execution_cancelled"
    assert store.execution(last_id(app)).status == "cancelled"


@pytest.mark.anyio
async def test_a_time_out_is_a_failure_with_its_code(store: Store) -> None:
    graph = StateGraph(State)
    graph.add_node("never", never, timeout_s=0.02, retry_policy=RetryPolicy(max_attempts=1))
    graph.set_entry_point("never")
    app = graph.compile(name="late")

    with pytest.raises(TimeoutError):
        await app.ainvoke({})

    last = events_of(store, app)[-1]
    assert isinstance(last, ExecutionFailed)
    assert last.error.code == "execution.node_timeout"


@pytest.mark.anyio
async def test_a_running_node_is_seen_before_it_ends(store: Store) -> None:
    go = anyio.Event()

    async def waiting(state: State) -> dict[str, Any]:
        await go.wait()
        return {"n": 1}

    graph = StateGraph(State)
    graph.add_node("waiting", waiting)
    graph.set_entry_point("waiting")
    app = graph.compile(name="running")
    task = asyncio.create_task(app.ainvoke({}))
    await asyncio.sleep(0)
    await app.flush()

    execution = store.execution(last_id(app))
    [visit] = store.visits(last_id(app))
    go.set()
    await task

    assert (execution.status, execution.current_node) == ("running", "waiting")
    assert visit.status == "running"
    assert types_of(store, app).count("node_entered") == 1


@pytest.mark.anyio
async def test_events_can_be_followed_while_they_happen(store: Store) -> None:
    app = loop()
    seen: list[str] = []

    async def read() -> None:
        async for event in app.subscribe("e1"):
            seen.append(event.type)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.lowlevel.checkpoint()
            await app.ainvoke({"n": 0}, execution_id="e1")

    assert seen[0] == "execution_started"
    assert seen[-1] == "execution_completed"


def test_a_graph_called_by_a_node_knows_its_parent(store: Store) -> None:
    inner = loop()

    def call(state: State, ctx: Context) -> dict[str, Any]:
        return {"n": inner.invoke({"n": 0})["n"]}

    graph = StateGraph(State)
    graph.add_node("call", call)
    graph.set_entry_point("call")
    outer = graph.compile(name="outer")
    outer.invoke({})

    assert flushed(store).execution(last_id(inner)).parent_execution_id == outer.last_execution_id


def test_secrets_are_redacted_for_readers(store: Store) -> None:
    app = loop()
    app.invoke({"n": 3, "secret": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789AB"})

    started = events_of(store, app)[0]

    assert isinstance(started, ExecutionStarted)
    assert "abcdefgh" not in str(started)
    assert "redacted" in str(started.input)


def test_without_introspection_nothing_is_registered_or_recorded(store: Store) -> None:
    app = loop().without_introspection()
    app.invoke({"n": 0})

    assert flushed(store).graphs() == []
    assert store.executions().total_count == 0


def test_another_structure_under_one_name_is_a_new_version(store: Store) -> None:
    loop().invoke({"n": 0})
    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    graph.compile(name="loop").invoke({"n": 0})

    versions = flushed(store).graphs("loop", all_versions=True)

    assert len({version.version for version in versions}) == 2
    assert sum(version.is_current for version in versions) == 1


def test_a_list_changed_later_is_recorded_as_it_was_returned(store: Store) -> None:
    shared = [1]

    def give(state: State) -> dict[str, Any]:
        return {"parts": shared}

    def change(state: State) -> dict[str, Any]:
        shared.append(2)
        return {"n": 1}

    graph = StateGraph(State)
    graph.add_sequence([("give", give), ("change", change)])
    graph.set_entry_point("give")
    app = graph.compile(name="shared")
    app.invoke({})

    [first, *_] = [e for e in events_of(store, app) if isinstance(e, StateChanged) and e.node]

    assert first.patch == [{"op": "add", "path": "/parts", "value": [1]}]


WRITER = """
import sys
from typing import TypedDict
from inwit import StateGraph, END
from inwit.runtime.project import Project
from inwit.runtime.store import Journal

class State(TypedDict):
    n: int

def count(state):
    return {"n": state["n"] + 1}

graph = StateGraph(State)
graph.add_node("count", count)
graph.set_entry_point("count")
graph.add_conditional_edges("count", lambda state: "again" if state["n"] % 7 else "done",
                            {"again": "count", "done": END})
app = graph.compile(name="writer")
for number in range(int(sys.argv[1])):
    app.invoke({"n": 0})
    Journal.of(Project.find()).flush()
    print(app.last_execution_id, flush=True)
"""


def start_writer(project: Path, times: int) -> subprocess.Popen[str]:
    path = project / "writer.py"
    path.write_text(WRITER)
    command = [sys.executable, str(path), str(times)]
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)


def check_acknowledged(store: Store, execution_id: str) -> None:
    events = store.events(execution_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert Counter(event.type for event in events)["node_exited"] == 7
    assert events[-1].type == "execution_completed"


def test_a_writer_killed_twenty_times_loses_nothing_acknowledged(
    project: Path, store: Store
) -> None:
    acknowledged: list[str] = []
    for kill in range(20):
        with start_writer(project, 10_000) as process:
            assert process.stdout is not None
            for _ in range(1 + kill % 5):
                acknowledged.append(process.stdout.readline().strip())
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += process.stdout.read().split()

    for execution_id in acknowledged:
        check_acknowledged(store, execution_id)
    assert len(acknowledged) >= 20
    assert store.executions(status="running").total_count == 0


def test_two_processes_write_one_project_and_both_are_read(project: Path, store: Store) -> None:
    writers = [start_writer(project, 30) for _ in range(2)]
    written = [writer.communicate(timeout=60)[0].split() for writer in writers]

    for execution_id in [*written[0], *written[1]]:
        check_acknowledged(store, execution_id)
    assert store.executions(graph="writer").total_count == 60


HANGER = """
from typing import TypedDict
import time
from inwit import StateGraph

class State(TypedDict):
    n: int

def hang(state):
    time.sleep(60)

graph = StateGraph(State)
graph.add_node("hang", hang)
graph.set_entry_point("hang")
graph.compile(name="hanger").invoke({"n": 0}, execution_id="hung")
"""


def test_an_execution_whose_process_was_killed_is_closed_as_host_lost(
    project: Path, store: Store
) -> None:
    (project / "hanger.py").write_text(HANGER)
    process = subprocess.Popen([sys.executable, "hanger.py"], cwd=project)
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(_until_running, store)
    process.kill()
    process.wait()

    execution = store.execution("hung")

    assert (execution.status, execution.reason) == ("failed", "host lost")
    events = store.events("hung")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events][-2:] == ["node_entered", "execution_failed"]


async def _until_running(store: Store) -> None:
    with anyio.fail_after(30):
        while store.executions(status="running").total_count == 0:
            await anyio.to_thread.run_sync(store.wait_change, 1.0)


def test_a_graph_runs_on_where_nothing_can_be_written(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / ".inwit" / "inwit.db").mkdir()

    app = loop()

    assert app.invoke({"n": 0})["n"] == 3
    with pytest.raises(StoreError, match=r"inwit\.db"):
        Journal.of(Project.find()).flush()
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1


def test_a_router_that_fails_leaves_a_whole_record(store: Store) -> None:
    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    graph.add_conditional_edges("count", lambda state: 1 / 0, {"again": "count", "done": END})
    app = graph.compile(name="undecided")

    with pytest.raises(ZeroDivisionError):
        app.invoke({"n": 0})

    [visit] = flushed(store).visits(last_id(app))
    assert visit.status == "completed"
    assert types_of(store, app)[-1] == "execution_failed"
    assert store.execution(last_id(app)).error_node == "count"


@pytest.mark.parametrize("wide", [False, True])
def test_an_interrupted_program_leaves_a_whole_record(wide: bool, store: Store) -> None:
    def interrupted(state: State) -> dict[str, Any]:
        raise KeyboardInterrupt

    graph = StateGraph(State)
    graph.add_node("interrupted", interrupted)
    graph.set_entry_point("interrupted")
    if wide:
        graph.add_node("other", slow_note)
        graph.set_entry_point("other")
    app = graph.compile(name="stopped")

    with pytest.raises(KeyboardInterrupt):
        app.invoke({"n": 0})

    assert types_of(store, app)[-1] == "execution_cancelled"


def test_without_metrics_no_histograms_are_kept(store: Store) -> None:
    loop().invoke({"n": 0})
    kept = flushed(store).latencies(graph="loop")
    loop().without_metrics().invoke({"n": 0})

    assert flushed(store).latencies(graph="loop") == kept
    assert store.executions(graph="loop").total_count == 2


LEAVER = """
import asyncio, sys
from typing import TypedDict
from inwit import StateGraph

class State(TypedDict):
    n: int

async def count(state):
    await asyncio.sleep(0)
    return {"n": state["n"] + 1}

graph = StateGraph(State)
graph.add_node("count", count)
graph.set_entry_point("count")
graph.add_conditional_edges("count", lambda state: "count", ["count"])
app = graph.compile(name="left", validate=False)
stream = app.stream({"n": 0})
next(stream)
print(app.last_execution_id)
"""


def test_a_stream_left_open_at_exit_ends_without_noise(project: Path, store: Store) -> None:
    (project / "leaver.py").write_text(LEAVER)

    done = subprocess.run(
        [sys.executable, "leaver.py"], cwd=project, capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    assert store.execution(done.stdout.strip()).status == "cancelled"


DYING = """
import os, signal, sys
from typing import TypedDict
from inwit import StateGraph

durability, thread_id, kind = sys.argv[1:]

class State(TypedDict):
    n: int

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def first(state):
    return {"n": 1}

def last(state):
    if durability == "sync":
        die()
    if state["n"] > 1:
        raise ValueError("too many")
    return {"n": 2}

async def async_last(state):
    return last(state)

graph = StateGraph(State)
graph.add_node("first", first)
graph.add_node("last", last if kind == "sync" else async_last)
graph.add_edge("first", "last")
graph.set_entry_point("first")
graph.set_finish_point("last")
app = graph.compile(name="dying", durability=durability)
try:
    app.invoke({"n": 0}, thread_id=thread_id or None, execution_id="dying")
finally:
    die()
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("thread_id", ["", "t1"])
@pytest.mark.parametrize(
    ("durability", "acknowledged"), [("sync", "edge_taken"), ("exit", "execution_completed")]
)
def test_what_a_durability_acknowledges_survives_a_kill(
    project: Path, store: Store, durability: str, acknowledged: str, thread_id: str, kind: str
) -> None:
    (project / "dying.py").write_text(DYING)
    command = [sys.executable, "dying.py", durability, thread_id, kind]

    subprocess.run(command, cwd=project, check=False)

    events = store.events("dying")
    assert acknowledged in [event.type for event in events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_failure_is_acknowledged_with_durability_exit(project: Path, store: Store) -> None:
    (project / "dying.py").write_text(DYING.replace('"n": 1', '"n": 9'))

    subprocess.run([sys.executable, "dying.py", "exit", "", "sync"], cwd=project, check=False)

    types = [event.type for event in store.events("dying")]
    assert types[-2:] == ["node_failed", "execution_failed"]


@pytest.mark.parametrize("durability", ["bogus", "Sync"])
def test_an_unknown_durability_is_refused(project: Path, durability: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("step", lambda _state: {})
    graph.set_entry_point("step")
    graph.set_finish_point("step")

    with pytest.raises(MalformedInputError):
        graph.compile(name="bogus", durability=durability)
    with pytest.raises(MalformedInputError):
        graph.compile(name="bogus").invoke({"n": 0}, durability=durability)
