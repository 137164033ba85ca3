"""Concurrency, rate, circuits and validation, as a graph runs them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Annotated, Any, Literal, TypedDict

import pytest

from inwit import END, START, CircuitBreaker, RateLimit, RetryPolicy, Send, StateGraph
from inwit.errors import CircuitOpenError, InvalidStateError, InvalidUpdateError
from tests.runtime.policies.recorded import events_of, noted


class State(TypedDict, total=False):
    n: int
    kind: Literal["a", "b"]
    said: Annotated[list[str], lambda old, new: old + new]


def one(node: Any, *, name: str = "one", **policy: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("node", node, **policy)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile(name=name)


class Crowd:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.calls = 0
        self.lock = threading.Lock()

    async def __call__(self, state: Any) -> dict[str, Any]:
        with self.lock:
            self.inside += 1
            self.calls += 1
            self.most = max(self.most, self.inside)
        for _ in range(3):
            await asyncio.sleep(0)
        with self.lock:
            self.inside -= 1
        return {}


@pytest.mark.anyio
async def test_at_most_so_many_calls_of_a_node_run_at_once_in_all_executions(project: Any) -> None:
    crowd = Crowd()
    app = one(crowd, max_concurrency=2)

    await asyncio.gather(*(app.ainvoke({"n": n}) for n in range(9)))

    assert (crowd.most, crowd.calls) == (2, 9)


@pytest.mark.anyio
async def test_the_branches_of_one_step_are_limited_too(project: Any) -> None:
    crowd = Crowd()
    graph = StateGraph(State)
    graph.add_node("node", crowd, max_concurrency=3)
    graph.add_conditional_edges(START, lambda state: [Send("node", {"n": n}) for n in range(8)])

    await graph.compile(name="fan").ainvoke({})

    assert (crowd.most, crowd.calls) == (3, 8)


def test_threads_that_invoke_share_the_limit(project: Any) -> None:
    crowd = Crowd()
    app = one(crowd, max_concurrency=1)
    threads = [threading.Thread(target=app.invoke, args=({},)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert (crowd.most, crowd.calls) == (1, 6)


@pytest.mark.anyio
async def test_a_failed_and_a_cancelled_call_make_room(project: Any) -> None:
    entered = asyncio.Event()

    async def node(state: State) -> dict[str, Any]:
        if state["n"] == 0:
            raise ValueError
        if state["n"] == 1:
            entered.set()
            await asyncio.Event().wait()
        return {"n": 5}

    app = one(node, max_concurrency=1)
    with pytest.raises(ValueError):
        await app.ainvoke({"n": 0})
    stuck = asyncio.create_task(app.ainvoke({"n": 1}))
    await entered.wait()
    behind = asyncio.create_task(app.ainvoke({"n": 2}))
    await asyncio.sleep(0.01)
    assert not behind.done()
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck

    assert (await behind)["n"] == 5


@pytest.mark.anyio
async def test_calls_beyond_the_rate_wait_without_holding_the_loop(project: Any) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)
            beats += 1

    app = one(lambda state: {"n": 1}, rate_limit=RateLimit(20, burst=1), name="rated")
    beating = asyncio.create_task(beat())
    begun = time.monotonic()
    for _ in range(4):
        await app.ainvoke({})
    took = time.monotonic() - begun
    beating.cancel()

    assert 0.13 <= took < 5
    assert beats >= 5
    [waited] = noted(app, "rate_limited")
    assert waited["waited_ms"] > 1


def test_a_number_is_a_rate_per_second(project: Any) -> None:
    app = one(lambda state: {"n": 1}, rate_limit=1000)

    assert app.invoke({})["n"] == 1
    assert app.manifest().node("node").policies["rate_limit"] == 1000


@pytest.mark.parametrize("is_async", [False, True])
def test_an_open_circuit_spares_the_node_until_its_time_is_over(
    is_async: bool, project: Any
) -> None:
    calls: list[int] = []

    def node(state: State) -> dict[str, Any]:
        calls.append(state["n"])
        if state["n"] < 0:
            raise OSError("down")
        return {"n": 1}

    async def anode(state: State) -> dict[str, Any]:
        return node(state)

    breaker = CircuitBreaker(failure_threshold=2, recovery_s=0.5)
    app = one(anode if is_async else node, circuit_breaker=breaker, name="circuit")
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            app.invoke({"n": -1})
    failed = app.last_execution_id
    with pytest.raises(CircuitOpenError) as raised:
        app.invoke({"n": 1})
    assert raised.value.node == "node" and 0 < raised.value.retry_after_s <= 0.5
    assert calls == [-1, -1]
    assert noted(app, "circuit", failed) == [{"state": "open", "failures": 2}]

    deadline = time.monotonic() + 5
    while len(calls) == 2 and time.monotonic() < deadline:
        try:
            assert app.invoke({"n": 1})["n"] == 1
        except CircuitOpenError as exc:
            threading.Event().wait(exc.retry_after_s)
    assert noted(app, "circuit") == [{"state": "closed", "failures": 0}]
    assert calls == [-1, -1, 1]


def test_retries_count_for_the_circuit_and_an_open_one_is_not_tried_again(project: Any) -> None:
    calls: list[int] = []

    def node(state: State) -> dict[str, Any]:
        calls.append(1)
        raise ConnectionError

    retry = RetryPolicy(max_attempts=9, initial_interval=0, jitter=False)
    app = one(node, circuit_breaker=CircuitBreaker(failure_threshold=3), retry_policy=retry)

    with pytest.raises(CircuitOpenError):
        app.invoke({})
    assert len(calls) == 3


def test_a_fallback_stands_in_while_the_circuit_is_open(project: Any) -> None:
    calls: list[int] = []

    def node(state: State) -> dict[str, Any]:
        calls.append(1)
        raise ValueError

    app = one(
        node, circuit_breaker=CircuitBreaker(failure_threshold=1), name="stand-in",
        fallback=lambda state: {"said": ["instead"]},
    )  # fmt: skip

    assert [app.invoke({})["said"] for _ in range(3)] == [["instead"]] * 3
    assert calls == [1]
    failures: Any = events_of(app, "node_failed")
    assert failures[0].error.code == "execution.circuit_open"


@pytest.mark.parametrize(
    ("validation", "given", "returned", "error"),
    [
        ("both", {"n": 1}, {"n": 2}, None), ("both", {"n": "1"}, {"n": 2}, InvalidStateError),
        ("in", {"n": "1"}, {}, InvalidStateError), ("out", {"n": "1"}, {"n": 2}, None),
        ("out", {}, {"n": "2"}, InvalidUpdateError), ("in", {}, {"n": "2"}, None),
        ("none", {"n": "1"}, {"n": "2"}, None), ("out", {}, {"kind": "c"}, InvalidUpdateError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_node_is_given_and_returns_is_checked_where_asked(
    validation: Any, given: Any, returned: Any, error: Any, is_async: bool, project: Any
) -> None:
    async def anode(state: State) -> Any:
        return returned

    app = one(anode if is_async else lambda state: returned, validation=validation)
    if error is None:
        app.invoke(given)
        return
    with pytest.raises(error, match="'node'"):
        app.invoke(given)


class Narrow(TypedDict):
    n: int


def test_the_nodes_own_input_class_is_what_its_input_is_checked_by(project: Any) -> None:
    def node(state: Narrow) -> dict[str, Any]:
        return {"said": ["ran"]}

    app = one(node, validation="in")

    assert app.invoke({"n": 1, "kind": 7})["said"] == ["ran"]


def test_what_stands_in_is_checked_too(project: Any) -> None:
    def node(state: State) -> dict[str, Any]:
        raise ValueError

    app = one(node, validation="out", fallback=lambda state: {"n": "many"})

    with pytest.raises(InvalidUpdateError, match="'n' = 'many'"):
        app.invoke({})


def test_pydantic_is_imported_only_where_validation_is_asked_for(project: Any) -> None:
    import subprocess
    import sys
    from pathlib import Path

    program = (
        "import sys\nfrom typing import TypedDict\nfrom inwit import START, StateGraph\n"
        "class S(TypedDict):\n    n: int\n"
        "def run(**policy):\n"
        "    g = StateGraph(S)\n    g.add_node('a', lambda s: {'n': 2}, **policy)\n"
        "    g.add_edge(START, 'a')\n    g.compile(name='x').invoke({'n': 1})\n"
        "    return 'pydantic' in sys.modules\n"
        "print(run(fallback=len, timeout_s=3, max_concurrency=2, rate_limit=99),"
        " run(validation='both'))\n"
    )
    root = str(Path(__file__).parents[3])
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True,
        env={"PYTHONPATH": root, "HOME": str(project)}, cwd=project,
    ).stdout  # fmt: skip

    assert told == "False True\n"


def test_the_manifest_tells_what_a_node_declares(project: Any) -> None:
    app = one(
        lambda state: {}, circuit_breaker=CircuitBreaker(), max_concurrency=3, validation="both",
        rate_limit=RateLimit(5, per_s=60), fallback="node", timeout=2, pure=True,
        retry_policy=[RetryPolicy(max_attempts=2), RetryPolicy(max_attempts=6)],
    )  # fmt: skip

    assert app.manifest().node("node").policies == {
        "max_attempts": 6, "timeout_s": 2.0, "pure": True, "circuit_breaker": 5,
        "max_concurrency": 3, "rate_limit": {"calls": 5, "per_s": 60}, "fallback": "node",
        "validation": "both",
    }  # fmt: skip


def test_a_plain_node_is_called_without_any_wrapper(project: Any) -> None:
    def node(state: State) -> dict[str, Any]:
        return {}

    [plain] = one(node).program.nodes

    assert plain.is_plain and plain.function is node and not plain.is_async
