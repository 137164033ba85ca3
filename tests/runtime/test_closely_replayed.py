"""Configs, tapes, ends and who answers: each condition by a case on either side of it."""

from __future__ import annotations

import asyncio
import operator
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest

from inwit import START, Send, StateGraph
from inwit.errors import (
    ReplayedError,
    UnrecordedCallError,
    UnreplayableError,
)
from inwit.events import Failure
from inwit.runtime import companion, open_project, visits
from inwit.runtime.attempts import own_timeout
from inwit.runtime.chance import chance
from inwit.runtime.configs import inherited, merged_config, metadata_of
from inwit.runtime.ending import leave_open
from inwit.runtime.progress import Progress
from inwit.runtime.reconfigured import current_of, is_in_trial, trials_of
from inwit.runtime.record import ENTER, EVENT, VISIT
from inwit.runtime.replay_record import PastVisit, Told, past_of
from inwit.runtime.replay_tape import NOTHING, Tape, are_equal, tape_of
from inwit.runtime.serial import pack
from inwit.runtime.updates import Packet


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


# Configs


def test_two_configs_are_one() -> None:
    one = {"tags": ["a"], "metadata": {"x": 1}, "configurable": {"thread_id": "t"}, "n": 1}
    other = {"tags": ["a", "b"], "metadata": {"y": 2}, "configurable": {"k": 1}, "n": {"z": 1}}

    assert merged_config(one, other) == {
        "tags": ["a", "b"], "metadata": {"x": 1, "y": 2}, "configurable": {"thread_id": "t", "k": 1},
        "n": {"z": 1},
    }  # fmt: skip
    assert merged_config({}, {"tags": None}) == {"tags": []}
    assert merged_config({"tags": None}, {"tags": ["a", "a"]}) == {"tags": ["a", "a"]}
    named = {"thread_id": "t", "checkpoint_id": "c", "checkpoint_ns": "n", "k": 1, "odd": [1], "is": True}  # fmt: skip
    assert inherited({"configurable": named, "n": 1}) == {"configurable": {"k": 1, "odd": [1], "is": True}, "n": 1}  # fmt: skip
    assert inherited({"configurable": {"thread_id": "t"}, "n": 1}) == {"n": 1}
    assert metadata_of({"configurable": named, "metadata": {"k": 2}}, {"": "p"}) == {
        "k": 2, "is": True, "parents": {"": "p"},
    }  # fmt: skip
    assert metadata_of({"configurable": {"thread_id": "t"}}, {}) is None


# Tapes


def told(kind: str, **fields: Any) -> Told:
    return Told(kind, fields)


def ctx_at(node: str = "a", visit: int = 1, **more: Any) -> Any:
    execution = SimpleNamespace(tape=None, parent=None, **more)
    return SimpleNamespace(node=node, visit=visit, execution=execution)


def test_a_tape_gives_what_was_told_to_this_visit() -> None:
    visit = PastVisit(node="a", visit=1, seq=1, told=[
        told("custom", name="now", data=1), told("custom", name="chance", data=2),
        told("custom", name="step", data={"step": "s", "result": 3}), told("custom", name="step", data=None),
        told("tool_started", tool="t", input={"x": 1}, call_id="c1"),
        told("tool_started", tool="u", input={"x": 1}, call_id="c2"),
        told("tool_failed", call_id="c2", error={"type": "E", "message": "m"}),
        told("tool_completed", call_id="c1", output=4),
        told("tool_started", tool="t", input={"x": 2}, call_id="c3"),
    ])  # fmt: skip
    tape, here = Tape({("a", 1): visit}, 0, is_live=False), ctx_at()

    assert (tape.take(here, "chance"), tape.take(here, "now"), tape.take(here, "now")) == (
        2,
        1,
        None,
    )
    assert (tape.take(ctx_at("b"), "now"), tape.take(ctx_at(visit=2), "now")) == (None, None)
    assert tape.step(here, "s") == 3
    assert (tape.calls("tool"), tape.calls("llm")) == (0, 0)
    assert tape.tool(here, "t", {"x": 1}) == 4
    with pytest.raises(ReplayedError):
        tape.tool(here, "u", {"x": 1})
    assert tape.calls("tool") == 2
    for asks, what in (
        (lambda: tape.step(here, "s"), "the step 's'"), (lambda: tape.tool(here, "t", {"x": 1}), "the tool 't'"),
        (lambda: tape.tool(here, "t", {"x": 2}), "what had not answered when it was recorded"),
        (lambda: tape.call(here, None, []), "a model"), (lambda: tape.call(here, "m", []), "the model 'm'"),
    ):  # fmt: skip
        with pytest.raises(UnrecordedCallError, match=what) as raised:
            asks()
        assert tape.refused is raised.value
    live = Tape({}, 0, is_live=True)
    assert live.step(here, "s") is NOTHING and live.within().step(here, "s") is NOTHING
    with pytest.raises(UnrecordedCallError):
        tape.within().step(here, "x")


def test_the_tape_of_what_is_within_is_that_of_what_is_around() -> None:
    tape = Tape({}, 7, is_live=False)
    around = ctx_at()
    inner = ctx_at()
    inner.execution.parent = around

    assert tape_of(inner) is None
    around.execution.tape = tape
    assert tape_of(around) is tape
    found = tape_of(inner)
    assert found is not None and found is not tape
    assert (found.begun_ns, found.is_live) == (7, False)
    inner.execution.tape = tape
    assert tape_of(inner) is tape
    assert [are_equal(*pair) for pair in ((1, 1), (1, True), ([1], (1,)), ({"a": 1}, {"a": 2}))] == [True, False, True, False]  # fmt: skip
    here = ctx_at(recording=None)
    here.execution.tape = None
    assert 0.0 <= chance(SimpleNamespace(emit=lambda *a, **k: None, **vars(here))) < 1.0  # type: ignore[arg-type]


def test_a_past_is_folded_of_its_rows() -> None:
    rows: list[Any] = [
        (0, 1, 5, {"n": 0}, {"config": {"tags": ["x"]}}),
        (EVENT, 2, 6, "state_changed", None, None, None, {"patch": [{"op": "add", "path": "/m", "value": 1}]}),
        (ENTER, 3, "a", 1, 1, 7), (ENTER, 4, "a", 1, 2, 8),
        (VISIT, 5, 6, "a", 1, 2, 8, 9, {"n": 1}, ["b", ("c", "goto", {}, None), ("d", "goto", {"input": 3}, None)], None),
        (6, 9, 10, "completed", {"n": 1}, None, "", None),
    ]  # fmt: skip

    past = past_of(rows)

    [visit] = past.visits.values()
    assert (past.given, past.called, past.initial, past.state) == ({"n": 0}, {"config": {"tags": ["x"]}}, {"n": 0, "m": 1}, {"n": 1, "m": 1})  # fmt: skip
    assert (visit.key, visit.seq, visit.attempt, visit.status, visit.update) == (("a", 1), 3, 2, "completed", {"n": 1})  # fmt: skip
    assert (dict(visit.before), visit.goto(), visit.reaches_out) == ({"n": 0, "m": 1}, ["c", Send("d", 3)], False)  # fmt: skip
    assert (past.status, past.failure) == ("completed", None)
    reaching = PastVisit(node="a", visit=1, seq=1, told=[told("custom"), told("tool_started")])
    assert reaching.reaches_out
    assert past_of([(0, 1, 5, None)]).called == {}


def test_what_cannot_be_replayed_says_what_is_missing() -> None:
    from inwit.runtime.replay_record import _check

    one: Any = SimpleNamespace(execution_id="e")
    for rows, said in (
        ([], "Its beginning is not in the record"), ([(ENTER, 1)], "Its beginning is not in the record"),
        ([(0, 1), (EVENT, 2, 0, "gap")], "Its record has a gap"),
    ):  # fmt: skip
        with pytest.raises(UnreplayableError, match=said):
            _check(one, rows)
    _check(one, [(0, 1), (EVENT, 2, 0, "custom"), (VISIT, 3, 4, "gap")])


# Configured nodes


def row(node: str, version: int, values: Any, share: float | None = None, plan: str | None = None) -> Any:  # fmt: skip
    return (node, version, 0, "ada", "", "", pack(values), 0, share, plan)


def test_a_trial_counts_for_its_share_until_a_later_version_counts_for_all() -> None:
    rows = [row("a", 1, {"x": 1}), row("a", 2, {"x": 2}, 0.5, "p"), row("b", 1, {"y": 1}, 0.1, "q"), row("b", 2, {"y": 2})]  # fmt: skip

    assert trials_of(rows) == {"p": 0.5}
    assert current_of(rows, frozenset()) == {"a": {"x": 1}, "b": {"y": 2}}
    assert current_of(rows, frozenset({"p"})) == {"a": {"x": 2}, "b": {"y": 2}}
    threads = [f"t{number}" for number in range(1_000)]
    assert [sum(is_in_trial("p", one, share) for one in threads) for share in (0.0, 1.0)] == [
        0,
        1_000,
    ]
    some = [one for one in threads if is_in_trial("p", one, 0.3)]
    assert 200 < len(some) < 400
    assert some[:3] == [one for one in threads if is_in_trial("p", one, 0.3)][:3]
    assert set(some) <= {one for one in threads if is_in_trial("p", one, 0.5)}


# Ends


def test_a_visit_that_was_cut_off_is_left_open_once() -> None:
    def left(current: Any, *rows: Any) -> list[Any]:
        execution: Any = SimpleNamespace(current=current, rows=list(rows))
        leave_open(execution)
        assert execution.current is None
        return list(execution.rows[len(rows) :])

    cut = (5, "a", 1, 1, 0)
    assert left(None) == []
    assert left(cut) == [(ENTER, *cut)]
    assert left(cut, (VISIT, 5, 6)) == []
    assert left(cut, (ENTER, 4, "b"), (EVENT, 9)) == [(ENTER, *cut)]
    assert left(cut, (ENTER, 5, "a"), (EVENT, 9)) == []


@pytest.mark.anyio
async def test_a_cancellation_that_was_a_time_out_is_told_as_one() -> None:
    uncancelled: list[int] = []
    task = SimpleNamespace(uncancel=lambda: uncancelled.append(1))
    late = TimeoutError("late")
    cancelled = asyncio.CancelledError()

    assert own_timeout(SimpleNamespace(timed_out=late, task=task), late) is late  # type: ignore[arg-type]
    assert own_timeout(SimpleNamespace(timed_out=None, task=task), cancelled) is cancelled  # type: ignore[arg-type]
    ctx: Any = SimpleNamespace(timed_out=late, task=task)
    assert (own_timeout(ctx, cancelled), ctx.timed_out, uncancelled) == (late, None, [1])
    assert own_timeout(SimpleNamespace(timed_out=late, task=None), cancelled) is late  # type: ignore[arg-type]


# Who answers


class Room:
    """An upper room that gives back what it was asked."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: (name, args, kwargs)


def test_a_graph_asks_the_rooms_above_it(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "introspection", Room)
    monkeypatch.setattr(companion, "server", Room)
    app: Any = StateGraph(State).add_node("a", lambda state: None).add_edge(START, "a").compile(name="g")  # fmt: skip
    more = {"level": "app", "execution_id": "e", "verify": True, "conversation_id": "c"}

    assert app.ask("why?", **more) == ("ask", (app.project, "why?"), {"graph": "g", **more})
    assert asyncio.run(app.aask("why?", **more)) == app.ask("why?", **more)
    none = {"level": None, "execution_id": None, "verify": False, "conversation_id": None}
    assert app.ask("why?")[2] == asyncio.run(app.aask("why?"))[2] == {"graph": "g", **none}
    for name, asked in (
        ("introspect", "introspect"), ("platform", "platform"), ("unified_introspection", "unified"),
        ("metrics", "metrics"), ("performance", "performance"), ("live_executions", "live_executions"),
    ):  # fmt: skip
        assert getattr(app, name)() == (asked, (app,), {})
    assert app.generate_help() == ("help", (app, companion.HelpLevel.BRIEF), {})
    assert app.resolve("x://1") == ("resolve", (app.project, "x://1"), {})
    served = {"host": "127.0.0.1", "port": 8765, "token": None, "background": False, "allow_write": False, "tools": None, "confirm": True}  # fmt: skip
    assert app.serve() == ("serve", (app.project,), served)
    opened: Any = open_project.project()
    assert opened.ask("why?", graph="g", **more) == app.ask("why?", **more)
    assert open_project.ask("why?")[2] == {"graph": None, **none}  # type: ignore[index]
    assert opened.packages == ("packages", (app.project,), {})
    assert opened.plans == ("plans", (app.project,), {})
    assert opened.resolve("x://1") == app.resolve("x://1")
    handle_help: Any = open_project.handle_help
    assert handle_help(app, ["--help"]) == ("handle_help", (app, ["--help"]), {})
    monkeypatch.setattr("sys.argv", ["prog", "--more"])
    assert handle_help(app) == ("handle_help", (app, ["--more"]), {})


@pytest.mark.anyio
async def test_a_graph_without_a_record_has_nothing_to_flush_and_nobody_to_follow(
    project: Any,
) -> None:
    app: Any = StateGraph(State).add_node("a", lambda state: None).add_edge(START, "a").compile()
    off = app.without_introspection()

    await off.flush()
    assert [event async for event in off.subscribe()] == []
    flushed: list[int] = []

    async def aflush() -> None:
        flushed.append(1)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app.journal, "aflush", aflush)
        await app.flush()
    assert flushed == [1]


def test_failures_are_read_however_they_are_kept() -> None:
    from inwit.runtime.replay_tape import failure_in

    assert failure_in({"type": "E", "message": "m"}) == Failure(type="E", message="m")


def test_a_visit_is_known_once_something_of_it_was_done() -> None:
    execution: Any = SimpleNamespace(execution_id="e", thread_id="t", config={})
    node: Any = SimpleNamespace(name="a", index=3, read_packet=lambda arg: ("packet", arg))
    made = visits.Visit(execution, node, 0)
    made.plain_key = made.key = "a"

    assert (made.is_known, made.order, made.path) == (False, (0, 3), ("__pregel_pull", "a"))
    made.remember([])
    known = [made.is_known]
    first, second = Progress("a", answers=[1], memos={"m": 2}), Progress("a", answers=[3], done="d")
    first.questions, second.questions = ["q"], ["r"]
    made.remember([first, second])
    assert [*known, made.is_known] == [False, True]
    kept = made.progress
    assert (kept.questions, kept.answers, kept.memos, kept.done) == (
        ["q", "r"],
        [1, 3],
        {"m": 2},
        "d",
    )
    assert kept.is_resumed
    begun = visits.Visit(execution, node, 0)
    begun.has_begun = True
    assert begun.is_known is True
    sent = visits.Visit(execution, node, 0)
    sent.packet, sent.sender, sent.number = Packet(3, "x"), made, 2
    assert (sent.order, sent.given_state()) == ((1, 0, 3, 2), ("packet", "x"))
    sent.place(5)
    assert (sent.order, sent.plain_key, sent.path) == ((1, 5), "a#5", ("__pregel_push", 5, False))
    made.place(5)
    assert made.plain_key == "a"
