"""Small parts that read the record by themselves: its subscribers, and what replays are told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import inwit
from inwit import END, START, StateGraph
from inwit.errors import (
    UnknownCheckpointError,
)
from inwit.events import Custom, Failure, Gap
from inwit.runtime import subscribe
from inwit.runtime.diff import checkpoint_side, execution_side
from inwit.runtime.project import Project
from inwit.runtime.replay import _divergences
from inwit.runtime.replay_record import PastVisit, Told
from inwit.runtime.replay_tape import NOTHING, Tape, _reply
from inwit.runtime.store import Journal, Store
from tests.runtime.test_parts import State, one_node

# The record's readers


def test_events_that_a_slow_reader_lost_are_told_of(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribe, "_QUEUE_LIMIT", 2)
    callbacks: list[Any] = []
    ended: list[int] = []

    def subscribed(take: Any) -> Any:
        callbacks.append(take)
        return lambda: ended.append(1)

    journal: Any = SimpleNamespace(subscribe=subscribed)

    def event(seq: int, execution_id: str = "e", graph: str = "g") -> Any:
        return Custom(
            execution_id=execution_id, graph_name=graph, graph_version="v", seq=seq, ts="", name="x",
            data=None,
        )  # fmt: skip

    async def read() -> list[Any]:
        events = subscribe.follow(journal, "g")
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        callbacks[0]([event(9, graph="other")])
        callbacks[0]([event(number) for number in range(1, 6)])
        found = [await first, await anext(events), await anext(events)]
        await events.aclose()
        return found

    gap, *rest = asyncio.run(read())

    assert isinstance(gap, Gap)
    assert (gap.lost_from, gap.lost_to, gap.seq, gap.reason) == (1, 3, 4, "the reader was too slow")
    assert [one.seq for one in rest] == [4, 5]
    assert ended == [1]
    assert [
        subscribe._is_wanted(event(1), graph, execution)
        for graph, execution in ((None, None), ("g", None), ("h", None), ("h", "e"), ("g", "f"))
    ] == [True, True, False, True, False]


def test_a_checkpoint_is_found_in_whichever_execution_made_it(project: Any) -> None:
    graph = (
        StateGraph(State).add_node("a", lambda state: {"n": state["n"] + 1}).add_edge(START, "a")
    )
    app = graph.add_edge("a", END).compile(name="one")
    for number in range(3):
        app.invoke({"n": number}, thread_id="t")
    Journal.of(Project.find()).flush()
    store = Store.of(Project.find())
    oldest = store.executions(thread_id="t").items[-1]

    side = checkpoint_side(store, f"{oldest.execution_id}:1", "t")

    assert (side.id, side.state["n"]) == (f"{oldest.execution_id}:1", 1)
    assert execution_side(store, oldest.execution_id).path == ("a",)
    with pytest.raises(UnknownCheckpointError):
        checkpoint_side(store, "nothing", "t")


# Replays


def visit(node: str, number: int = 1, **more: Any) -> PastVisit:
    return PastVisit(**{"node": node, "visit": number, "seq": 2, "status": "completed", **more})


def past(*visits: PastVisit, status: str = "completed", **more: Any) -> Any:
    named = {one.key: one for one in visits}
    return SimpleNamespace(execution_id="e", visits=named, status=status, failure=None, **more)


def test_the_ways_in_which_a_replay_differs_are_named() -> None:
    a, b, c = visit("a"), visit("b", seq=5), visit("c", seq=5)

    assert [
        (one.kind, one.node, one.expected, one.found, one.uri)
        for given in ((past(a, b), past(a, c)), (past(a, b), past(a)), (past(a), past(a, b)))
        for one in _divergences(*given, None)
    ] == [
        ("path", "b", "b", "c", "execution://e/events/5"),
        ("path", "b", "b", None, "execution://e/events/5"),
        ("path", "b", None, "b", "execution://e/events/1"),
    ]
    assert [
        (one.kind, one.node, one.expected, one.found, one.uri)
        for one in _divergences(past(a), past(a, status="cancelled"), None)
    ] == [("end", "", "completed", "cancelled", "execution://e/summary")]
    assert list(_divergences(past(a), past(a), None)) == []


def tape(*told: Told, is_live: bool = False) -> tuple[Tape, Any]:
    found = Tape({("a", 1): visit("a", told=list(told))}, 0, is_live=is_live)
    return found, SimpleNamespace(node="a", visit=1)


def test_a_tape_gives_each_thing_once_and_in_order() -> None:
    from inwit.errors import ReplayedError, UnrecordedCallError

    error = {"type": "E", "code": "", "message": "m", "hint": ""}
    found, here = tape(
        Told("custom", {"name": "clock", "data": 1}), Told("custom", {"name": "clock", "data": 2}),
        Told("custom", {"name": "step", "data": {"step": "k", "result": 3}}),
        Told("tool_started", {"tool": "t", "input": {"a": 1}, "call_id": "c"}),
        Told("tool_failed", {"call_id": "c", "error": error}),
        Told("tool_started", {"tool": "t", "input": {"a": 1}, "call_id": "d"}),
        Told("tool_completed", {"call_id": "d", "output": 4}),
        Told("tool_started", {"tool": "t", "input": {"a": 2}, "call_id": "f"}),
    )  # fmt: skip

    assert [found.take(here, "clock") for _ in range(3)] == [1, 2, None]
    assert (found.take(here, "other"), found.step(here, "k")) == (None, 3)
    with pytest.raises(ReplayedError):
        found.tool(here, "t", {"a": 1})
    assert found.tool(here, "t", {"a": 1}) == 4
    for ask, said in [
        (lambda: found.step(here, "k"), "the step 'k'"),
        (lambda: found.tool(here, "t", {"a": 1}), "the tool 't'"),
        (lambda: found.tool(here, "t", {"a": 2}), "what had not answered when it was recorded"),
        (lambda: found.call(here, None, []), "a model"),
        (lambda: found.call(here, "m", []), "the model 'm'"),
    ]:
        with pytest.raises(UnrecordedCallError, match=said):
            ask()
    assert (found.calls("tool"), found.calls("llm")) == (3, 0)


def test_a_live_tape_lets_what_is_not_in_it_be_called() -> None:
    found, here = tape(is_live=True)

    assert found.step(here, "k") is NOTHING
    assert found.within().tool(here, "t", {}) is NOTHING
    assert _reply(NOTHING) is NOTHING
    assert found.refused is None


def test_a_reply_is_made_of_what_was_told() -> None:
    output = {"content": "Hi.", "tool_calls": [{"id": "c"}], "finish_reason": "stop"}
    told = {
        "output": output, "model": "m", "input_tokens": 1, "output_tokens": 2, "cached_tokens": 3,
        "cost_usd": 0.5,
    }  # fmt: skip

    found, empty = _reply(told), _reply({})

    assert (found.text, found.model, found.tool_calls, found.finish_reason) == (
        "Hi.", "m", ({"id": "c"},), "stop",
    )  # fmt: skip
    assert (found.input_tokens, found.output_tokens, found.cached_tokens, found.cost_usd) == (
        1,
        2,
        3,
        0.5,
    )
    assert (empty.text, empty.model, empty.tool_calls, empty.finish_reason) == ("", "", (), None)


# The project


def test_the_open_project_lists_what_it_knows_and_answers(project: Any) -> None:
    app = one_node(lambda state: {"n": 2}, name="known")
    app.invoke({"n": 1})
    Journal.of(Project.find()).flush()
    found = inwit.project()

    assert [one.name for one in found.graphs] == ["known"]
    assert [one.execution_id for one in found.executions.items] == [app.last_execution_id]
    assert found.plans == []
    assert found.resolve(f"execution://{app.last_execution_id}/events/1") is not None
    assert inwit.ask("What is this?").level in ("platform", "app", "live", "network", "none")
    assert app.platform()


def test_failures_are_told_by_their_words() -> None:
    from inwit.runtime.failures import failure_of

    class Unreadable(Exception):  # noqa: N818 - it is one of a user's
        def __str__(self) -> str:
            raise LookupError

    found = failure_of(Unreadable())

    assert isinstance(found, Failure)
    assert (found.type, found.message) == ("Unreadable", "<unreadable: LookupError>")
