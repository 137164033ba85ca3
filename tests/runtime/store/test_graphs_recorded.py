"""Real graphs, however they end, leave a gapless record."""

from __future__ import annotations

import asyncio
import operator
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.project import Project
from inwit.runtime.store import heartbeat
from inwit.runtime.store.coming import WAIT_S
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import recording, start


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


def graph(node: Any, router: Any = None) -> CompiledGraph[Any]:
    builder = StateGraph(State)
    builder.add_node("first", lambda state: {"log": ["first"]})
    builder.add_node("work", node)
    builder.add_edge(START, "first")
    builder.add_edge("first", "work")
    if router is None:
        builder.add_edge("work", END)
    else:
        builder.add_conditional_edges("work", router, {"again": "work", "done": END})
    return builder.compile(name="planted")


def shown(app: CompiledGraph[Any]) -> tuple[list[str], list[int]]:
    assert app.last_execution_id is not None
    Journal.of(app.project).flush()
    events = Store.of(app.project).events(app.last_execution_id)
    return [event.type for event in events], [event.seq for event in events]


def test_a_graph_is_found_by_its_name_as_soon_as_it_is_compiled(project: Path) -> None:
    app = graph(broken)
    store = Store.of(app.project)

    assert [store.graph("planted").name, store.graph().name] == ["planted", "planted"]


def test_a_graph_that_was_taken_back_is_not_waited_for(project: Path) -> None:
    taken_back = graph(broken).without_introspection()

    began = time.monotonic()

    assert Store.of(taken_back.project).graphs() == []
    assert time.monotonic() - began < WAIT_S


def test_a_graph_whose_manifest_looks_at_graphs_does_not_wait_for_itself(
    journal: Journal, store: Store
) -> None:
    began = time.monotonic()

    done = journal.register(lambda: manifest(store))

    assert done.result(WAIT_S) == "planted"
    assert time.monotonic() - began < WAIT_S


def manifest(store: Store) -> GraphManifest:
    """A manifest that is made while the record is looked at."""
    assert store.graphs() == []
    return (
        StateGraph(State)
        .add_sequence([broken])
        .set_entry_point("broken")
        .compile(name="planted")
        .without_introspection()
        .manifest()
    )


def broken(_: State) -> Any:
    raise ValueError("broken")


def interrupted(_: State) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("node", "router", "error", "last"),
    [
        (broken, None, ValueError, "execution_failed"),
        (lambda _: {"n": 1}, broken, ValueError, "execution_failed"),
        (lambda _: 7, None, Exception, "execution_failed"),
        (interrupted, None, KeyboardInterrupt, "execution_cancelled"),
        (lambda _: {"n": 1}, lambda _: "again", Exception, "execution_failed"),
        (lambda _: {"n": 1}, lambda _: "done", None, "execution_completed"),
    ],
    ids=["node", "router", "update", "interrupt", "limit", "fine"],
)
def test_an_execution_leaves_no_gap_however_it_ends(
    project: Any, node: Any, router: Any, error: Any, last: str
) -> None:
    app = graph(node, router)

    if error is None:
        app.invoke({"n": 0})
    else:
        with pytest.raises(error):
            app.invoke({"n": 0})

    types, seqs = shown(app)
    assert seqs == list(range(1, len(seqs) + 1))
    assert types[-1] == last
    assert "gap" not in types
    assert types.count("node_entered") >= 2


@pytest.mark.anyio
async def test_a_cancelled_execution_leaves_no_gap(project: Any) -> None:
    entered = asyncio.Event()

    async def hang(_: State) -> None:
        entered.set()
        await asyncio.Event().wait()

    app = graph(hang)
    task = asyncio.create_task(app.ainvoke({"n": 0}))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    types, seqs = shown(app)
    assert seqs == list(range(1, len(seqs) + 1))
    assert types[-1] == "execution_cancelled"


def test_a_loop_longer_than_the_buffer_is_counted_exactly(project: Any) -> None:
    app = graph(lambda state: {"n": state["n"] + 1}, lambda s: "again" if s["n"] < 9000 else "done")

    app.invoke({"n": 0}, {"recursion_limit": 20_000})

    types, seqs = shown(app)
    assert seqs == list(range(1, len(seqs) + 1))
    assert types.count("node_entered") == 9001
    assert app.last_execution_id is not None
    visits = Store.of(app.project).visits(app.last_execution_id, "work")
    assert [one.visit for one in visits] == list(range(1, 9001))


def test_switching_the_record_off_leaves_no_folder(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")

    graph(lambda _: None).invoke({"n": 0})

    assert not Project.find().folder.exists()


def test_an_execution_that_writes_nothing_is_kept_alive_by_its_process(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.05)
    journal.begin(rec := recording("quiet1"))
    start(rec)
    journal.flush()
    beat = "SELECT beat_monotonic_ns FROM processes"
    (first,) = store.read(beat)

    version = store.data_version()
    for _ in range(100):
        version = store.wait_change(5, since=version)
        if store.read(beat) > [first]:
            break

    assert store.read(beat) > [first]
    assert store.execution("quiet1").status == "running"
