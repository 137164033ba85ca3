"""Threads, metrics, memos, versions and values by themselves: each condition by a case on either side."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph, metrics
from inwit.errors import (
    MalformedInputError,
    NothingToUndoError,
    UnknownKeyError,
    UnknownNodeError,
    UnserialisableError,
)
from inwit.runtime import kept_calls, lenses, relay, serial
from inwit.runtime import metrics as figures
from inwit.runtime.called import Unkept, context_in, told_of
from inwit.runtime.delivery import ENDED, Delivery, StreamGap, check_policy
from inwit.runtime.facade import check_keys
from inwit.runtime.files import write_whole
from inwit.runtime.memos import once
from inwit.runtime.node_config import MemoryBook, Watch, config_of_row, row_of, shown_of
from inwit.runtime.progress import Progress
from inwit.runtime.project import Project
from inwit.runtime.serial import pack
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.tool_stream import tell_delta


class State(TypedDict, total=False):
    n: int


def app(**options: Any) -> Any:
    graph = StateGraph(State).add_node("a", lambda state: {"n": 1}).add_edge(START, "a")
    return graph.add_edge("a", END).compile(name="small", **options)


# Relay


@pytest.mark.anyio
async def test_a_call_that_is_alone_has_a_thread_and_others_wait_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submitted: list[Any] = []
    monkeypatch.setattr(relay, "node_threads", lambda: SimpleNamespace(submit=submitted.append))
    monkeypatch.setattr(relay, "PATIENCE_S", 3600)
    made = relay.Relay()
    calls = [asyncio.ensure_future(made.call(lambda n: n + 1, number)) for number in range(3)]
    await asyncio.sleep(0)

    assert (len(submitted), len(made._waiting), made._timer is not None) == (1, 3, True)
    assert made._timer is not None
    made._timer.cancel()
    made._look()
    assert (len(submitted), made._threads) == (2, 2)
    submitted[0]()
    submitted[1]()
    assert [await call for call in calls] == [1, 2, 3]
    assert (made._threads, len(made._waiting)) == (0, 0)
    assert made._timer is not None
    made._timer.cancel()
    made._look()
    assert [len(submitted), made._timer] == [2, None]
    again = asyncio.ensure_future(made.call(lambda: 7))
    await asyncio.sleep(0)
    submitted[2]()
    assert await again == 7


@pytest.mark.anyio
async def test_a_call_that_was_given_up_before_it_began_is_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submitted: list[Any] = []
    monkeypatch.setattr(relay, "node_threads", lambda: SimpleNamespace(submit=submitted.append))
    made, done = relay.Relay(), list[int]()
    first = asyncio.ensure_future(made.call(done.append, 1))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    submitted[0]()

    assert (done, made._threads) == ([], 0)
    fails = asyncio.ensure_future(made.call(lambda: 1 // 0))
    await asyncio.sleep(0)
    submitted[1]()
    with pytest.raises(ZeroDivisionError):
        await fails


# Delivery


@pytest.mark.anyio
async def test_a_reader_who_is_behind_loses_the_oldest_and_is_told_how_many() -> None:
    loop = asyncio.get_running_loop()
    drops, waits = Delivery(loop, "drop", 2), Delivery(loop, "wait", 2)
    for number in range(5):
        drops.put(number)
        waits.put(number)

    assert [await drops.get() for _ in range(3)] == [StreamGap(3), 3, 4]
    assert [await waits.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert StreamGap(3).reason == "the reader was too slow"
    assert (drops._hard_limit, waits._hard_limit) == (2, 16_384)
    assert Delivery(loop, "wait", 20_000)._hard_limit == 20_000
    drops.end()
    assert await drops.get() is ENDED
    drops.close()
    drops.put(9)
    assert len(drops._items) == 0
    for name in ("wait", "drop"):
        check_policy(name)
    with pytest.raises(MalformedInputError, match="No policy 'drip'"):
        check_policy("drip")


@pytest.mark.anyio
async def test_a_step_is_over_when_its_reader_asks_for_more() -> None:
    delivery = Delivery(asyncio.get_running_loop(), "wait")
    delivery.put(1)
    step = asyncio.ensure_future(delivery.taken())
    await asyncio.sleep(0)
    assert not step.done()
    assert await delivery.get() == 1
    await asyncio.sleep(0)
    assert not step.done()
    more = asyncio.ensure_future(delivery.get())
    await step
    delivery.put(2)
    assert await more == 2
    waits = asyncio.ensure_future(delivery.taken())
    await asyncio.sleep(0)
    delivery.close()
    await waits
    await Delivery(asyncio.get_running_loop(), "drop").taken()
    await asyncio.to_thread(asyncio.run, Delivery(asyncio.get_running_loop(), "wait").taken())


# Figures


def test_figures_are_summed_until_the_next_commit(project: Path) -> None:
    metrics.counter("docs", kind=1).add()
    metrics.counter("docs", kind=1).add(2.5)
    metrics.gauge("level").set(3)
    metrics.gauge("level").set(1)
    for value in (1, 2):
        metrics.histogram("took").observe(value)
    with pytest.raises(ValueError, match=r"cannot be added -0\.5; use a gauge"):
        metrics.counter("docs").add(-0.5)
    metrics.counter("none").add(0)
    Journal.of(Project.find()).flush()

    told = {one["name"]: (one["value"], one["count"], one["labels"]) for one in Store.of(Project.find()).metrics()}  # fmt: skip
    assert told == {
        "docs": (3.5, told["docs"][1], {"kind": "1"}), "level": (1.0, told["level"][1], {}),
        "took": (3.0, 2, {}), "none": (0.0, 1, {}),
    }  # fmt: skip


def test_nothing_is_measured_where_the_record_is_off(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")
    before = dict(figures._pending)

    metrics.counter("docs").add()

    assert figures._pending == before
    key: Any = ("n", "gauge", ())
    values: dict[Any, list[float]] = {key: []}
    figures._merge(values, key, 4.0)
    figures._merge(values, key, 5.0)
    assert values == {key: [5.0]}


# Memos


@pytest.mark.anyio
async def test_a_step_is_done_once_and_must_be_kept() -> None:
    told: list[Any] = []
    execution = SimpleNamespace(tape=None, parent=None, tasks=None, saving=None, noted_step=0, steps=1, notes=())  # fmt: skip
    ctx: Any = SimpleNamespace(
        progress=Progress("a"), execution=execution, node="a", visit=1,
        emit=lambda kind, **fields: told.append((kind, fields)),
    )  # fmt: skip

    async def later(value: int) -> int:
        return value

    assert await once(ctx, "s", lambda x, y=1: [x + y], (1,), {"y": 2}) == [3]
    assert await once(ctx, "s", later, (4,), {}) == 4
    assert list(ctx.progress.memos) == ["s", "s#1"]
    assert [one["data"]["step"] for _, one in told] == ["s", "s#1"]
    assert [note[2] for note in execution.notes] == ["s", "s#1"]
    ctx.progress.rewind()
    assert await once(ctx, "s", later, (9,), {}) == [3]
    with pytest.raises(UnserialisableError):
        await once(ctx, "odd", object, (), {})


# How it was called


def test_how_an_execution_was_called_is_kept_as_far_as_it_can_be() -> None:
    def told(config: Any, context: Any = None) -> Any:
        found = told_of(SimpleNamespace(config=config, given_context=context))  # type: ignore[arg-type]
        return serial.thaw(found) if found is not None and type(found) is not dict else found

    assert told({}) is None
    assert told({"configurable": {"thread_id": "t"}, "callbacks": [1], "run_id": 2}) is None
    assert told({"recursion_limit": 3, "run_name": "x"}) == {"config": {"recursion_limit": 3}}
    assert told({"tags": ["x"], "odd": threading.Lock()}) == {"config": {"tags": ["x"]}}
    named = {"thread_id": "t", "k": 1, "__own": 2, "odd": object()}
    assert told({"configurable": named}) == {"config": {"configurable": {"k": 1}}}
    assert told({}, {"who": "ada"}) == {"context": {"who": "ada"}}
    lock = threading.Lock()
    assert told({"n": 1}, lock) == {"config": {"n": 1}, "context_type": "lock"}
    assert context_in({"context": 3}, "e") == 3
    assert context_in({}, "e") is None
    assert isinstance(context_in({"context_type": "lock"}, "e"), Unkept)


# Versions of nodes' values


def test_versions_count_on_and_know_what_they_changed(project: Path) -> None:
    made = app()

    first = made.configure_node("a", who="ada", x=1)
    second = made.configure_node("a", who="ada", why="more", y=2)
    assert [(one.version, one.parent, one.values) for one in (first, second)] == [
        (1, 0, {"x": 1}), (2, 1, {"x": 1, "y": 2}),
    ]  # fmt: skip
    undone = [made.undo_node_config("a") for _ in range(2)]
    assert [(one.version, one.parent, one.values) for one in undone] == [(3, 0, {"x": 1}), (4, 0, {})]  # fmt: skip
    with pytest.raises(NothingToUndoError):
        made.undo_node_config("a")
    assert [one.version for one in made.node_configs("a")] == [1, 2, 3, 4]
    assert first.hash == undone[0].hash != second.hash
    assert (first.who, first.why, second.why) == ("ada", "", "more")
    for asks in (made.node_configs, made.undo_node_config):
        with pytest.raises(UnknownNodeError, match="in 'small'"):
            asks("none")


def test_a_version_on_trial_is_shown_with_its_share() -> None:
    first = row_of("a", [], ("ada", "why"), {"x": 1}, 0)
    trial = row_of("a", [first], ("plan", ""), {"x": 2}, 1, (0.25, "p1"))

    assert [(row[1], row[7], row[8], row[9]) for row in (first, trial)] == [(1, 0, None, None), (2, 1, 0.25, "p1")]  # fmt: skip
    assert trial[2] >= first[2]
    late = row_of("a", [(*first[:2], first[2] + 10**18, *first[3:])], ("ada", ""), {}, 0)
    assert late[2] == first[2] + 10**18
    shown = shown_of([first, trial])
    assert (shown["a"]["values"], shown["a"]["trial"]) == ({"x": 2}, {"plan": "p1", "share": 0.25})
    assert "trial" not in shown_of([first])["a"]
    read = config_of_row(trial)
    assert (read.share, read.plan, read.to_json()["values"]) == (0.25, "p1", {"x": 2})
    book = MemoryBook()
    for name in ("b", "a", "b"):
        book.add("g", name, lambda known, name=name: row_of(name, known, ("", ""), {}, 0))
    assert [row[:2] for row in book.rows("g")] == [("a", 1), ("b", 1), ("b", 2)]
    assert book.rows("none") == []


def test_graphs_follow_when_a_number_has_changed() -> None:
    watch, followed = Watch(), list[Any]()

    class Graph:
        name = "g"

        def follow_configs(self, rows: Any) -> None:
            followed.append(rows)

    graph, number = Graph(), [None]
    watch.add(graph)
    assert (watch.may_know(otherwise=True), watch.may_know(otherwise=False)) == (True, False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("inwit.runtime.node_config.number_of", lambda _: number[0])
        patched.setattr("inwit.runtime.node_config.rows_of", lambda _, name: [name, number[0]])
        watch.look(None)  # type: ignore[arg-type]
        assert (watch.may_know(otherwise=True), followed) == (False, [])
        for given in (1, 1, 2):
            number[0] = given  # type: ignore[call-overload]
            watch.look(None)  # type: ignore[arg-type]
    assert followed == [["g", 1], ["g", 2]]
    assert watch.may_know(otherwise=False)


# Kept results


def test_calls_that_are_kept_are_those_that_are_named() -> None:
    made: list[Any] = []

    class Ctx:
        def __init__(self) -> None:
            self.thread_id, self.execution, self.hits = "t", SimpleNamespace(), list[Any]()

        def tool(self, name: str, *args: Any) -> Any:
            made.append((name, args))
            return [name, *args]

        def llm(self, said: Any, *, model: str | None = None) -> Any:
            made.append((said, model))
            return [said, model]

        def emit(self, name: str, **_fields: Any) -> None:
            self.hits.append(name)

    def kept(kind: str, setting: Any, call: Any) -> Any:
        node: Any = SimpleNamespace(call=call, is_async=False, is_plain=True)
        kept_calls.keep_calls(node, kind, setting)
        assert node.is_plain is False
        return node.call

    ctx: Any = Ctx()
    tools = kept("tool", {"name": "t"}, lambda state, ctx: [ctx.tool("t", 1), ctx.tool("u", 1)])
    assert [tools(None, ctx) for _ in range(2)] == [[["t", 1], ["u", 1]]] * 2
    assert made == [("t", (1,)), ("u", (1,)), ("u", (1,))]
    assert ctx.hits == ["cache_hit"]
    assert "tool" not in vars(ctx)
    made.clear()
    models = kept("llm", {"name": "m"}, lambda state, ctx: [ctx.llm("q"), ctx.llm("q", model="m"), ctx.llm("q", model="x")])  # fmt: skip
    assert models(None, ctx) == models(None, ctx)
    assert made == [("q", None), ("q", "m"), ("q", "x"), ("q", "x")]


def test_a_node_s_result_is_kept_for_equal_input() -> None:
    calls: list[Any] = []

    def call(state: Any, ctx: Any) -> Any:
        calls.append(state)
        return {"n": state["n"]}

    node: Any = SimpleNamespace(call=call, is_async=False, is_plain=True)
    kept_calls.keep_results(node, {"scope": "process", "key": ["n"]})
    hits: list[Any] = []
    ctx: Any = SimpleNamespace(thread_id="t", execution=SimpleNamespace(), is_cached=False, emit=lambda *a, **k: hits.append(a))  # fmt: skip

    found = [node.call(given, ctx) for given in ({"n": 1}, {"n": 1, "m": 2}, {"n": 2})]

    assert (found, len(calls), len(hits), ctx.is_cached, node.is_plain) == ([{"n": 1}, {"n": 1}, {"n": 2}], 2, 1, True, False)  # fmt: skip
    one = kept_calls.Kept({"scope": "process", "ttl": 10})
    one._found = OrderedDict(a=(time.monotonic() - 100, 1), b=(time.monotonic(), 2))
    assert (one.get(ctx, "a") is kept_calls._MISS, one.get(ctx, "b"), list(one._found)) == (True, 2, ["b"])  # fmt: skip
    assert one.get(ctx, None) is kept_calls._MISS


# Values


def test_a_quick_look_at_keys_says_what_a_slow_one_says() -> None:
    plain: list[Any] = [
        1,
        "x",
        [],
        {},
        [1, "x"],
        {"a": 1},
        {1: [{"b": 2}]},
        [[{"a": [1]}]],
        (1, {(2,): 3}),
    ]
    odd: list[Any] = [{(1,): 2}, [{(1,): 2}], {"a": {(1,): 2}}, [[1], {"a": [{frozenset(): 1}]}]]

    assert [serial._has_plain_keys(one) for one in plain] == [True] * len(plain)
    assert [serial._has_plain_keys(one) for one in odd] == [False] * len(odd)
    texts = ("a", "é", "\ud800", "\udfff", "\ue000", "a\udc80")
    assert [serial._is_sayable(text) for text in texts] == [True, True, False, False, True, False]
    keys: list[Any] = [1, "a", (1, "b"), (1, [2]), frozenset(), None]
    assert [serial._is_key(one) for one in keys] == [
        True, True, True, False, False, True,
    ]  # fmt: skip


def test_a_reader_sees_values_as_json_has_them() -> None:
    import datetime as dt
    import enum
    import uuid

    class Colour(enum.Enum):
        RED = 3

    day = dt.date(2026, 1, 2)
    given: list[Any] = [
        (1, 2), {3}, day, uuid.UUID(int=1), Colour.RED, 10**30, {(1, 2): 3, None: 4, "k": 5},
        "a\udc80", Path("/x"), 16**14000,
    ]  # fmt: skip

    shown = serial.plain(pack(given, strict=False))

    assert shown[:6] == [[1, 2], [3], "2026-01-02", str(uuid.UUID(int=1)), 3, 10**30]
    assert shown[6] == {(1, 2): 3, None: 4, "k": 5}
    assert (shown[7], shown[8], shown[9][:4], len(shown[9])) == ("a?", "/x", "0x10", 14_003)
    back = serial.unpack(pack(given[:4], strict=True))
    assert back == given[:4]
    with pytest.raises(UnserialisableError, match="object"):
        pack([{"deep": [object()]}])
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnserialisableError, match="it holds itself, or is nested too deeply"):
        pack(loop)
    assert serial.plain(pack(object(), strict=False)) == "<builtins.object>"
    assert [serial.thaw(serial.freeze(one)) for one in (1, [1], {"a": (1,)})] == [1, [1], {"a": (1,)}]  # fmt: skip
    assert serial.thaw(serial.freeze_delta([1])) == serial.Delta([1])
    with pytest.raises(UnserialisableError, match="'k'"):
        serial.freeze_kept({"a": 1, "k": object()})
    rows = serial.encode_rows([(1, {2: "\ud800"}, 2**70)])
    assert serial.plain(rows)[0][2] == 2**70


# Small ones


def test_no_is_said_as_no() -> None:
    from inwit.runtime.store import audit, forms
    from inwit.runtime.store.redact import _is_card

    assert forms.is_clean("key sk-" + "a" * 20) is False
    assert forms.is_clean("bearer a1B2c3D4e5 " + "x" * 200) is False
    assert forms.is_clean("x" * 200) is True
    assert audit._is_signed(None, 1, "d", b"no signature") is False
    assert _is_card("4") is False
    assert tell_delta("x") is False
    assert app().takes_nothing is False
    assert app().manifest().has_cycles is False
    with pytest.raises(UnknownKeyError):
        check_keys(["n", "none"], ("n",))
    check_keys(None, ())
    check_keys("n", ("n",))


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"one", mode=0o640)
    write_whole(tmp_path / "a", b"two", mode=0o600)

    assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["a"]


class Own(TypedDict):
    n: int


def takes(state: Own) -> None: ...


def gives() -> Own:
    return {"n": 1}


def plain(state: dict[str, Any]) -> None: ...


def test_a_node_of_another_class_sees_its_own_keys() -> None:
    assert lenses.input_schema_of(takes, State) is Own
    found = [lenses.input_schema_of(one, State) for one in (gives, plain, len, lambda state: 1)]
    assert found == [None] * 4


def test_a_graph_within_is_pointed_to_its_checkpoint_where_one_travels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from inwit.runtime.travel import Travel

    pointed: list[tuple[str, bool]] = []

    def point(_self: Travel, place: Any, saver: Any) -> None:
        pointed.append((place.ns.partition(":")[0], saver is not None))

    monkeypatch.setattr(Travel, "point", point)
    inner = app(checkpointer=True)
    graph = StateGraph(State).add_node("b", inner).add_edge(START, "b").add_edge("b", END)
    outer: Any = graph.compile(name="outer")
    outer.invoke({"n": 0}, thread_id="t")
    assert pointed == []
    first = list(outer.get_state_history({"configurable": {"thread_id": "t"}}))[-1]

    outer.invoke(None, first.config)

    assert pointed == [("b", True)]
