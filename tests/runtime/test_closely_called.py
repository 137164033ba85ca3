"""Holding, stopping, watching and calling: each condition by a case on either side of it."""

from __future__ import annotations

import asyncio
import operator
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.errors import (
    ExecutionCancelledError,
    InvalidLimitError,
    MalformedInputError,
)
from inwit.runtime import cancelling, holding, watchdog
from inwit.runtime.context import NEVER_NS
from inwit.runtime.runtime import RunControl


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


# Holding, stopping


def execution(**more: Any) -> Any:
    found = SimpleNamespace(
        is_done=False, hold=None, stopping=None, deadline_ns=50, parent=None, task=None,
        is_blocking=True, timed_out=None, told=[],
    )  # fmt: skip
    found.__dict__.update(more)
    found.emit_at = lambda kind, **fields: found.told.append((kind, *fields.values()))
    found.out_of_time = lambda: TimeoutError("late")
    return found


def test_an_execution_is_held_and_let_go_with_its_own_deadline() -> None:
    one = execution()
    holding.hold(one, "because")
    held = one.hold
    holding.hold(one, "again")

    assert (one.hold is held, one.deadline_ns, held.deadline_ns, held.reason) == (True, 0, 50, "because")  # fmt: skip
    assert held.due_ns == 50
    assert held.reach() is True
    assert held.due_ns == NEVER_NS
    holding.let_go(one)
    assert (one.hold is held, one.deadline_ns, held.released.done()) == (True, 0, True)
    holding.let_go(one)
    assert (held.reach(), held.is_reached) == (False, False)


@pytest.mark.parametrize("is_stopping", [False, True])
def test_who_is_let_go_before_the_next_step_never_waits(is_stopping: bool) -> None:
    one = execution()
    holding.hold(one, "because")
    if is_stopping:
        one.stopping = "stop"

    holding.let_go(one)

    assert (one.hold, one.deadline_ns) == (None, 0 if is_stopping else 50)
    for more in ({"is_done": True}, {"stopping": "stop"}):
        other = execution(**more)
        holding.hold(other, "because")
        assert (other.hold, other.deadline_ns) == (None, 50)
    holding.let_go(execution())


@pytest.mark.anyio
@pytest.mark.parametrize("deadline_ns", [50, 0, NEVER_NS])
async def test_time_that_is_spent_held_does_not_count(deadline_ns: int) -> None:
    around = execution(is_blocking=False, deadline_ns=deadline_ns)
    one = execution(is_blocking=False, deadline_ns=deadline_ns, parent=SimpleNamespace(execution=around))  # fmt: skip
    for each in (one, around):
        holding.hold(each, "because")
    waits = asyncio.ensure_future(holding.be_late(one))
    await asyncio.sleep(0)
    assert not waits.done()

    holding.let_go(one)
    await waits

    assert (one.hold, around.hold is not None) == (None, True)
    assert one.told == around.told == [
        ("status_changed", "paused", "because"), ("status_changed", "running", "resumed"),
    ]  # fmt: skip
    assert (one.deadline_ns > 50) if deadline_ns == 50 else one.deadline_ns == deadline_ns


@pytest.mark.anyio
async def test_who_is_not_held_is_late_and_who_is_stopped_while_held_too() -> None:
    with pytest.raises(TimeoutError, match="late"):
        await holding.be_late(execution())
    one = execution()
    holding.hold(one, "because")
    one.hold.released.set_result(None)
    await holding.be_late(one)
    assert one.told == []
    other = execution(is_blocking=False)
    holding.hold(other, "because")
    waits = asyncio.ensure_future(holding.be_late(other))
    await asyncio.sleep(0)
    other.stopping = "stop"
    other.hold.released.set_result(None)
    with pytest.raises(TimeoutError, match="late"):
        await waits
    assert other.told == [("status_changed", "paused", "because")]


def test_those_within_one_are_found_at_any_depth() -> None:
    outer = execution()
    inner = execution(parent=SimpleNamespace(execution=outer))
    deeper = execution(parent=SimpleNamespace(execution=inner))
    other = execution()

    assert holding.with_inner(outer, [deeper, other, inner, outer]) == [deeper, inner, outer]
    assert holding.with_inner(inner, [deeper, other, inner, outer]) == [deeper, inner]
    elsewhere = execution(parent=SimpleNamespace(execution=outer), is_blocking=False)
    found = list(cancelling._elsewhere_within(outer, [outer, inner, deeper, other, elsewhere]))
    assert found == [inner, deeper]


def test_an_execution_is_told_once_to_stop() -> None:
    cancelled: list[int] = []
    running = execution(is_blocking=False, task=SimpleNamespace(cancel=lambda: cancelled.append(1)))
    first, second = cancelling.Stop("one"), cancelling.Stop("two")

    assert cancelling.stop(running, first) is True
    assert (running.stopping, running.timed_out, running.deadline_ns) == (first, first.error, 0)
    assert cancelling.stop(running, second) is True
    assert (cancelled, second.ended.done()) == ([1], False)
    first.end()
    assert second.ended.done()
    assert cancelling.stop(execution(is_done=True), third := cancelling.Stop("x")) is True
    assert third.ended.done()
    assert cancelling.stop(execution(is_blocking=True), "x") is True
    assert cancelling.stop(late := execution(is_blocking=False), "why") is False
    assert late.stopping.error.reason == "why"


def test_the_reason_is_what_it_or_one_around_it_was_told() -> None:
    outer = execution()
    inner = execution(parent=SimpleNamespace(execution=outer))

    assert cancelling.reason_of(inner, ExecutionCancelledError("own")) == "own"
    assert cancelling.reason_of(inner, KeyboardInterrupt()) == "KeyboardInterrupt"
    outer.stopping = cancelling.Stop("outer")
    assert cancelling.reason_of(inner, KeyboardInterrupt()) == "outer"
    inner.stopping = cancelling.Stop("inner")
    assert cancelling.reason_of(inner, KeyboardInterrupt()) == "inner"


def test_nobody_is_cancelled_without_a_name() -> None:
    app = one_node()

    with pytest.raises(MalformedInputError, match="was not told what to stop") as raised:
        app.cancel()
    assert raised.value.hint == "Give execution_id=… or thread_id=…."
    assert app.cancel(thread_id="none") == ()
    assert asyncio.run(app.acancel(thread_id="none")) == ()


# The watchdog


def watched(
    limit_ns: int = NEVER_NS, due_ns: int = NEVER_NS, started_ns: int = 100, **more: Any
) -> Any:
    cancelled: list[int] = []
    found = SimpleNamespace(
        task=SimpleNamespace(cancel=lambda: cancelled.append(1)), timed_out=None, node="a",
        at=SimpleNamespace(limit_ns=limit_ns), started_ns=started_ns, due_ns=due_ns,
        worked_ns=lambda begun, now: now - begun, cancelled=cancelled,
        execution=SimpleNamespace(time_error=lambda: TimeoutError("whole")),
    )  # fmt: skip
    found.__dict__.update(more)
    return found


@pytest.mark.parametrize(
    ("ctx", "left_s", "told"),
    [
        (watched(), 1.0, ""),
        (watched(limit_ns=10**9), 0.9, ""),
        (watched(limit_ns=10**8), 1.0, "NodeTimeoutError"),
        (watched(limit_ns=10**8 + 10**6), 0.001, ""),
        (watched(limit_ns=1, started_ns=0), 1.0, ""),
        (watched(due_ns=10**8 + 100), 1.0, "TimeoutError"),
        (watched(due_ns=10**8 + 100 + 5 * 10**8), 0.5, ""),
        (watched(limit_ns=10**9, due_ns=10**8 + 100 + 5 * 10**8), 0.5, ""),
        (watched(limit_ns=1, due_ns=1), 1.0, "NodeTimeoutError"),
        (watched(limit_ns=1, task=None), 1.0, ""),
        (watched(limit_ns=1, timed_out="before"), 1.0, "str"),
    ],
)
def test_who_is_over_a_limit_is_cancelled_and_told_which(
    ctx: Any, left_s: float, told: str
) -> None:
    dog = watchdog.Watchdog(Loop())  # type: ignore[arg-type]

    assert dog._check(ctx, 10**8 + 100) == pytest.approx(left_s)
    assert ("" if ctx.timed_out is None else type(ctx.timed_out).__name__) == told
    assert ctx.cancelled == ([1] if told.endswith("Error") else [])


def test_a_budget_is_said_or_follows_from_the_end() -> None:
    begun: Any = SimpleNamespace(budget_s=None, due_ns=3 * 10**9, execution=SimpleNamespace(begun_ns=10**9))  # fmt: skip
    said: Any = SimpleNamespace(budget_s=0.5)

    assert (watchdog.budget_of(begun), watchdog.budget_of(said)) == (2.0, 0.5)


class Loop:
    """Time that stands still, and timers that are only noted."""

    def __init__(self) -> None:
        self.timers: list[Any] = []

    def time(self) -> float:
        return 100.0

    def call_at(self, due: float, _look: Any, *, context: Any) -> Any:
        timer = Timer(due)
        self.timers.append(timer)
        return timer


class Timer:
    def __init__(self, due: float) -> None:
        self.due, self.is_cancelled = due, False

    def cancel(self) -> None:
        self.is_cancelled = True


def test_the_watchdog_looks_again_sooner_and_never_later() -> None:
    loop = Loop()
    dog = watchdog.Watchdog(loop)  # type: ignore[arg-type]

    for seconds in (1.0, 2.0, 0.9995, 0.5):
        dog.look_within(seconds)

    assert [(one.due, one.is_cancelled) for one in loop.timers] == [(101.0, True), (100.5, False)]
    due = [dog.due_s]
    ctx = watched(limit_ns=NEVER_NS, due_ns=NEVER_NS, branches=())
    dog.contexts.add(Hashed(ctx))  # type: ignore[arg-type]
    dog._look()
    due.append(dog.due_s)
    dog.contexts.clear()
    dog._look()
    due.append(dog.due_s)
    del loop
    dog.look_within(1.0)
    assert [*due, dog.due_s] == [100.5, 101.0, None, None]


class Hashed:
    """A context as a member of a set."""

    def __init__(self, ctx: Any) -> None:
        self.__dict__.update(ctx.__dict__)


# Calls


def one_node(node: Any = lambda state: {"n": 1}, **options: Any) -> Any:
    graph = StateGraph(State).add_node("a", node).add_node("b", lambda state: {"log": ["b"]})
    graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
    return graph.compile(name="closely", **options)


def drained() -> RunControl:
    control = RunControl()
    control.request_drain("over")
    return control


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize(
    ("options", "next_"),
    [
        ({}, ()), ({"interrupt_before": ["b"]}, ("b",)), ({"interrupt_after": ["a"]}, ("b",)),
        ({"interrupt_before": "*"}, ("a",)), ({"interrupt_after": ["b"]}, ()),
    ],
)  # fmt: skip
def test_a_call_stops_where_it_is_told(way: str, options: Any, next_: tuple[str, ...]) -> None:
    app = one_node()

    async def read_all() -> None:
        async for _ in app.astream({"n": 0}, thread_id="t", **options):
            pass

    if way == "invoke":
        app.invoke({"n": 0}, thread_id="t", **options)
    elif way == "stream":
        list(app.stream({"n": 0}, thread_id="t", **options))
    elif way == "ainvoke":
        asyncio.run(app.ainvoke({"n": 0}, thread_id="t", **options))
    else:
        asyncio.run(read_all())

    assert app.get_state({"configurable": {"thread_id": "t"}}).next == next_


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
def test_a_call_that_is_to_end_ends_before_its_next_step(way: str) -> None:
    app = one_node()
    calls = {
        "invoke": lambda: app.invoke({"n": 0}, thread_id="t", control=drained()),
        "ainvoke": lambda: asyncio.run(app.ainvoke({"n": 0}, thread_id="t", control=drained())),
        "stream": lambda: list(app.stream({"n": 0}, thread_id="t", control=drained())),
    }

    with pytest.raises(Exception, match="over"):
        calls[way]()


@pytest.mark.parametrize("debug", [None, True, False])
@pytest.mark.parametrize("is_debug", [True, False])
def test_a_call_prints_where_it_or_the_graph_says_so(
    debug: bool | None, is_debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    app = one_node(debug=is_debug)

    app.invoke({"n": 0}, debug=debug)

    told = capsys.readouterr().out
    assert ("'n': 1" in told) is (is_debug if debug is None else debug)


def test_a_result_has_the_keys_that_are_asked_for() -> None:
    app = one_node()

    assert app.invoke({"n": 0}, output_keys="n") == 1
    assert asyncio.run(app.ainvoke({"n": 0}, output_keys=["log"])) == {"log": ["b"]}
    assert asyncio.run(app.ainvoke({"n": 0}, version="v2")).value == {"n": 1, "log": ["b"]}
    assert app.invoke({"n": 0}, stream_mode="updates") == [{"a": {"n": 1}}, {"b": {"log": ["b"]}}]
    assert list(app.stream({"n": 0}, output_keys="n", stream_mode="values")) == [0, 1]
    with pytest.raises(Exception, match="none"):
        app.invoke({"n": 0}, output_keys="none")
    bound = app.with_config({"tags": ["x"]}, recursion_limit=1)
    assert (bound.config["tags"], bound.config["recursion_limit"], app.config) == (["x"], 1, {})
    with pytest.raises(Exception, match="1"):
        bound.invoke({"n": 0})
    assert app.invoke({"n": 0}, {"recursion_limit": 2})["n"] == 1
    assert app.invoke({"n": 0}, {"recursion_limit": "2"})["n"] == 1
    refused: list[Any] = [0, -1, 0.5, "many", None, [], float("inf")]
    for limit in refused:
        with pytest.raises(InvalidLimitError, match="recursion_limit is"):
            app.invoke({"n": 0}, {"recursion_limit": limit})
