"""Nodes whose policies and edges are changed while the graph stays compiled."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.errors import NodeTimeoutError
from inwit.events import Custom
from inwit.runtime.node_config import row_of
from inwit.runtime.project import Project
from inwit.runtime.reconfigured import is_in_trial
from inwit.runtime.store import Journal, Store

pytestmark = pytest.mark.usefixtures("project")


class State(TypedDict, total=False):
    query: str
    hits: list[str]
    turns: int
    left: str
    right: str


def looping(search: Any, **policy: Any) -> Any:
    """Searches three times for the same query."""
    graph = StateGraph(State)
    graph.add_node("search", search, **policy)
    graph.add_node("judge", lambda state: {"turns": state.get("turns", 0) + 1})
    graph.add_edge(START, "search")
    graph.add_edge("search", "judge")
    route = lambda state: "again" if state["turns"] < 3 else "done"  # noqa: E731
    graph.add_conditional_edges("judge", route, {"again": "search", "done": END})
    return graph.compile(name="looping")


def test_a_kept_result_is_given_again_within_its_execution_alone() -> None:
    calls: list[str] = []

    def search(state: State) -> dict[str, Any]:
        calls.append(state["query"])
        return {"hits": [state["query"]]}

    app = looping(search)
    app.configure_node("search", who="ada", cache={"scope": "execution", "key": ["query"]})

    first = app.invoke({"query": "owls"})
    app.invoke({"query": "owls"})

    assert calls == ["owls", "owls"]
    assert first["hits"] == ["owls"]
    Journal.of(Project.find()).flush()
    events = Store.of(Project.find()).events(app.last_execution_id)
    assert sum(one.type == "cache_hit" for one in events) == 2


async def _asearch(state: State) -> dict[str, Any]:
    _asearch.calls += 1  # type: ignore[attr-defined]
    return {"hits": [state["query"]]}


def test_a_thread_s_kept_results_outlast_the_execution_also_of_async_nodes() -> None:
    _asearch.calls = 0  # type: ignore[attr-defined]
    app = looping(_asearch)
    app.configure_node("search", who="ada", cache={"scope": "thread", "key": ["query"]})

    for _ in range(2):
        app.invoke({"query": "owls"}, thread_id="one")
    app.invoke({"query": "owls"}, thread_id="two")

    assert _asearch.calls == 2  # type: ignore[attr-defined]


def test_a_node_with_side_effects_is_called_each_time_whatever_is_configured() -> None:
    calls: list[str] = []
    app = looping(lambda state: calls.append("x"), side_effects=True)
    app.configure_node("search", who="ada", cache={"scope": "execution", "key": ["query"]})

    app.invoke({"query": "owls"})

    assert len(calls) == 3


def test_a_time_out_counts_from_the_next_execution_on_and_is_undone() -> None:
    def slow(state: State) -> dict[str, Any]:
        time.sleep(0.05)
        return {"hits": [state["query"]]}

    graph = StateGraph(State)
    graph.add_node("slow", slow)
    graph.set_entry_point("slow").set_finish_point("slow")
    app = graph.compile(name="slow")
    app.invoke({"query": "owls"})

    app.configure_node("slow", who="ada", timeout_s=0.005, retry_policy={"max_attempts": 1})
    with pytest.raises(NodeTimeoutError):
        app.invoke({"query": "owls"})
    app.undo_node_config("slow", who="ada")

    assert app.invoke({"query": "owls"})["hits"] == ["owls"]


def test_attempts_are_as_configured() -> None:
    calls: list[int] = []

    def flaky(_state: State) -> dict[str, Any]:
        calls.append(1)
        raise ConnectionError("down")

    graph = StateGraph(State)
    graph.add_node("flaky", flaky)
    graph.set_entry_point("flaky").set_finish_point("flaky")
    app = graph.compile(name="flaky")
    app.configure_node(
        "flaky", who="ada", retry_policy={"max_attempts": 2, "initial_interval": 0.001, "jitter": False}
    )  # fmt: skip

    with pytest.raises(ConnectionError):
        app.invoke({"query": "owls"})

    assert len(calls) == 2


def test_a_value_that_fits_nothing_leaves_the_graph_as_it_was_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = looping(lambda state: {"hits": [state["query"]]})
    app.configure_node("search", who="ada", timeout_s="soon")

    assert app.invoke({"query": "owls"})["hits"] == ["owls"]
    assert "cannot be used" in caplog.text


def three() -> Any:
    """Two nodes in a row, which end only when both have begun."""
    both = threading.Barrier(2, timeout=30)

    def left(state: State) -> dict[str, Any]:
        both.wait()
        return {"left": state["query"]}

    def right(state: State) -> dict[str, Any]:
        both.wait()
        return {"right": state["query"]}

    graph = StateGraph(State)
    graph.add_node("left", left)
    graph.add_node("right", right)
    graph.add_node("join", lambda state: {"hits": [state["left"], state["right"]]})
    graph.add_edge(START, "left")
    graph.add_edge("left", "right")
    graph.add_edge("right", "join")
    graph.add_edge("join", END)
    return graph.compile(name="three")


def test_two_nodes_in_a_row_run_at_the_same_time_when_configured_so() -> None:
    app = three()
    book = app.config_book
    Journal.of(app.project).flush()
    book.add(
        "three",
        "*",
        lambda known: row_of("*", known, ("ada", ""), {"parallel": [["left", "right"]]}, 0),
    )
    app.follow_configs(book.rows("three"))

    found = app.invoke({"query": "owls"})

    assert found["hits"] == ["owls", "owls"]


def test_a_change_on_trial_counts_for_its_threads_alone_and_each_execution_says_so() -> None:
    calls: list[str] = []

    def search(state: State, ctx: Any) -> dict[str, Any]:
        calls.append(ctx.thread_id)
        return {"hits": [ctx.node_config.get("model", "large")]}

    app = looping(search)
    app.invoke({"query": "owls"}, thread_id="warm")
    book = app.config_book
    values = {"cache": {"scope": "execution", "key": ["query"]}, "model": "small"}
    book.add(
        "looping",
        "search",
        lambda known: row_of("search", known, ("ada", ""), values, 0, (0.5, "p1")),
    )
    app.follow_configs(book.rows("looping"))
    calls.clear()
    threads = [f"t{number}" for number in range(20)]

    found = {thread: app.invoke({"query": "owls"}, thread_id=thread)["hits"] for thread in threads}

    inside = [thread for thread in threads if is_in_trial("p1", thread, 0.5)]
    assert 0 < len(inside) < 20
    assert {thread: calls.count(thread) for thread in threads} == {
        thread: 1 if thread in inside else 3 for thread in threads
    }
    assert found == {t: ["small" if t in inside else "large"] for t in threads}
    Journal.of(app.project).flush()
    store = Store.of(app.project)
    told = {
        execution.thread_id: event.data
        for execution in store.executions(graph="looping").items
        for event in store.events(execution.execution_id, types=("custom",))
        if isinstance(event, Custom) and event.name == "trial"
    }
    assert told == {t: {"p1": "candidate" if t in inside else "control"} for t in threads}


def test_another_process_changes_what_executions_that_begin_afterwards_use(project: Path) -> None:
    (project / "made.py").write_text(
        "from typing import TypedDict\nfrom inwit import StateGraph\n"
        "class S(TypedDict, total=False):\n    n: int\n"
        "def flaky(state):\n    raise ConnectionError('down')\n"
        "graph = StateGraph(S)\ngraph.add_node('flaky', flaky)\n"
        "graph.set_entry_point('flaky').set_finish_point('flaky')\n"
        "app = graph.compile(name='made')\n"
    )
    sys.path.insert(0, str(project))
    try:
        import made  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(project))
        sys.modules.pop("made", None)
    quick = {"max_attempts": 2, "initial_interval": 0.001, "jitter": False}
    with pytest.raises(ConnectionError):
        made.app.without_retries().invoke({"n": 1})
    made.app.configure_node("flaky", who="ada", retry_policy={**quick, "max_attempts": 1})
    with pytest.raises(ConnectionError):
        made.app.invoke({"n": 1})
    change = f"import made; made.app.configure_node('flaky', who='bob', retry_policy={quick!r})"
    done = subprocess.run(
        [sys.executable, "-c", change], cwd=project, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{project}", "HOME": str(project.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    Journal.of(made.app.project).emit("status_changed", status="running")
    made.app.journal.flush()
    with pytest.raises(ConnectionError):
        made.app.invoke({"n": 1})

    made.app.journal.flush()
    store = Store.of(made.app.project)
    [visit] = store.visits(made.app.last_execution_id)
    assert visit.attempts == 2


def test_a_graph_that_nobody_configured_runs_its_own_program() -> None:
    app = looping(lambda state: {"hits": [state["query"]]})
    written = app.program

    app.invoke({"query": "owls"})

    assert app.program is written
    assert app.programs is None


def test_an_execution_that_runs_keeps_what_it_began_with() -> None:
    is_in, may_go = threading.Event(), threading.Event()

    def first(state: State) -> dict[str, Any]:
        is_in.set()
        assert may_go.wait(30)
        return {"left": state["query"]}

    def second(state: State) -> dict[str, Any]:
        time.sleep(0.05)
        return {"right": state["query"]}

    graph = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    app = graph.compile(name="keeps")
    found: list[Any] = []
    running = threading.Thread(target=lambda: found.append(app.invoke({"query": "owls"})))
    running.start()
    assert is_in.wait(30)

    app.configure_node("second", who="ada", timeout_s=0.005, retry_policy={"max_attempts": 1})
    may_go.set()
    running.join(10)

    assert found == [{"query": "owls", "left": "owls", "right": "owls"}]
    with pytest.raises(NodeTimeoutError):
        app.invoke({"query": "owls"})


def asking(calls: list[str], *, is_async: bool = False) -> Any:
    """Asks one tool three times for the same page, and another one once."""

    def fetch(url: str) -> str:
        calls.append(url)
        return f"page of {url}"

    async def afetch(url: str) -> str:
        return fetch(url)

    def other(url: str) -> str:
        calls.append("other")
        return url

    def read(state: State, ctx: Any) -> dict[str, Any]:
        pages = [ctx.tool(fetch, url=state["query"]) for _ in range(3)]
        ctx.tool(other, url=state["query"])
        ctx.tool(other, url=state["query"])
        return {"hits": pages}

    async def aread(state: State, ctx: Any) -> dict[str, Any]:
        return {"hits": [await ctx.tool(afetch, url=state["query"]) for _ in range(3)]}

    graph = StateGraph(State)
    graph.add_node("read", aread if is_async else read)
    graph.set_entry_point("read").set_finish_point("read")
    return graph.compile(name="asking")


def test_a_tool_s_reply_is_kept_for_equal_calls_and_another_tool_s_is_not() -> None:
    calls: list[str] = []
    app = asking(calls)
    app.configure_node("read", who="ada", tool_cache={"scope": "execution", "name": "fetch"})

    found = app.invoke({"query": "owls"})
    app.invoke({"query": "owls"})

    assert found["hits"] == ["page of owls"] * 3
    assert calls == ["owls", "other", "other"] * 2


def test_an_async_tool_s_reply_is_kept_too() -> None:
    calls: list[str] = []
    app = asking(calls, is_async=True)
    app.configure_node("read", who="ada", tool_cache={"scope": "thread", "name": "afetch"})

    for _ in range(2):
        assert app.invoke({"query": "owls"}, thread_id="one")["hits"] == ["page of owls"] * 3

    assert calls == ["owls"]
