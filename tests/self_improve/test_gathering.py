"""What is taken of one execution's trace, step by step, and what a window makes of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonpatch
import msgspec
import pytest

from inwit.events import (
    CacheHit,
    Custom,
    Event,
    ExecutionStarted,
    Failure,
    NodeEntered,
    StateChanged,
)
from inwit.runtime.record import APPLY, ENTER, EVENT, START, VISIT
from inwit.runtime.serial import Delta
from inwit.runtime.views import Execution
from inwit.self_improve import gathering
from inwit.self_improve.calls import NodeCall, OuterCall
from inwit.self_improve.contents import (
    SHAPE_KEYS,
    Content,
    StateTrail,
    content_of,
    json_type,
    shape_of,
)
from inwit.self_improve.gathering import Gathered, Gatherer, Shared, attributes
from inwit.self_improve.tracing import read_events, read_rows
from inwit.self_improve.window import WindowBuilder, build_window, has_side_effects
from tests.self_improve.traffic import execution, manifest, visit

HERE = ("search", 2)


class Trace:
    """One execution's trace, being taken."""

    def __init__(self, status: str = "completed", *, loops: bool = True) -> None:
        self.execution: Execution = msgspec.structs.replace(execution(3), status=status)
        self.found = Gathered()
        self.shared = Shared(None if loops else manifest())
        self.taken = Gatherer(self.execution, self.shared, self.found)

    def event(self, kind: str, seq: int, **fields: Any) -> None:
        self.taken.event(kind, seq, HERE, fields)

    def call(self, **said: Any) -> OuterCall:
        self.event("tool_started", 5, call_id="c", tool="find", input={"x": 1}, at_ns=1_000_000)
        self.event("tool_completed", 6, **({"call_id": "c", "at_ns": 3_500_000} | said))
        return self.found.outer_calls[-1]


def facts(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_a_tool_call_is_all_that_its_two_events_say() -> None:
    trace = Trace()

    assert facts(trace.call(output={"hits": [1]})) == {
        "execution": trace.execution, "seq": 6, "kind": "tool", "name": "find", "node": "search",
        "number": 2, "given": content_of({"x": 1}), "gave": content_of({"hits": [1]}),
        "duration_ms": 2.5, "shape": (("hits", "array"), ("hits[]", "number")), "tokens": 0,
        "input_tokens": 0, "cached_tokens": None, "cost_usd": None, "messages": (),
        "start_seq": 5, "asked": (),
    }  # fmt: skip
    assert trace.call().gave is None
    assert trace.call().shape is None
    assert trace.call(output="text").shape == shape_of({"": "text"})
    assert trace.call(duration_ms=7).duration_ms == 7.0
    assert trace.call(duration_ms=None, at_ns=0).duration_ms == 0.0
    assert trace.call(output={}).uri == "execution://v1-000003/events/6"
    assert trace.found.failed_calls == []


def test_a_model_call_has_its_messages_once_its_tokens_and_what_it_asked_for() -> None:
    trace = Trace()
    new = {
        "h1": {"role": "system", "content": "Be short."}, "h2": {"role": "u" * 30, "content": [1, 2]}
    }  # fmt: skip
    output = {"tool_calls": [{"function": {"name": "find"}}, {"name": "post"}, {"id": 1}, "x",
                             {"name": ""}, {"name": 3}, {"name": "l" * 60}]}  # fmt: skip
    said: dict[str, Any] = {"call_id": "m", "model": "big", "at_ns": 0}
    trace.event(
        "llm_started", 7, messages=["h1", "h2"], new_messages=new, parameters={"t": 0}, **said
    )
    trace.event(
        "llm_completed", 8, call_id="m", output=output, input_tokens=30, output_tokens=4,
        cached_tokens=10, cost_usd=0.5, at_ns=2_000_000,
    )  # fmt: skip
    trace.event("llm_started", 9, messages=["h2", "h3"], **said)
    trace.event("llm_completed", 10, call_id="m", at_ns=1)

    first, second = trace.found.outer_calls
    assert facts(first) == {
        "execution": trace.execution, "seq": 8, "kind": "model", "name": "big", "node": "search",
        "number": 2, "given": content_of([["h1", "h2"], {"t": 0}]), "gave": content_of(output),
        "duration_ms": 2.0, "shape": None, "tokens": 34, "input_tokens": 30, "cached_tokens": 10,
        "cost_usd": 0.5, "messages": (0, 1), "start_seq": 7, "asked": ("find", "post", "l" * 48),
    }  # fmt: skip
    assert (second.messages, second.tokens, second.gave) == ((1, 2), 0, None)
    assert trace.shared.message_sizes == [(9, "system"), (5, "u" * 20), (0, "")]
    assert trace.shared.message("h3", "late") == 2
    assert trace.shared.message("h3", "later still") == 2
    assert trace.shared.message("h4", "") == 3
    assert trace.shared.message_sizes[2:] == [(4, ""), (1, "")]


def test_what_a_model_asked_for_and_was_never_called_is_missing() -> None:
    def missing(status: str, called: str = "") -> list[tuple[str, ...]]:
        trace = Trace(status)
        trace.event("llm_started", 1, call_id="m", model="big")
        asked = {"tool_calls": [{"name": "find"}, {"name": "post"}]}
        trace.event("llm_completed", 2, call_id="m", output=asked)
        if called:
            trace.event("tool_started", 3, call_id="c", tool="find", input=None)
            trace.event(called, 4, call_id="c", error={"type": "OSError", "message": "no"})
        trace.taken.close()
        return [
            (one.name, one.error.type, one.error.message, one.node, str(one.seq), one.kind)
            for one in trace.found.failed_calls if one.is_missing
        ]  # fmt: skip

    lost = [
        (name, "ToolNotCalled", f"{name} was asked for", "search", "2", "tool")
        for name in ("find", "post")
    ]
    assert missing("completed") == missing("failed") == lost
    assert missing("completed", "tool_failed") == lost[1:]
    assert missing("running") == missing("interrupted") == []


def test_calls_that_fail_are_kept_with_their_errors() -> None:
    trace = Trace()
    for number, (start, end) in enumerate(
        (("tool_started", "tool_failed"), ("llm_started", "llm_completed"), ("tool_started", "tool_completed"))
    ):  # fmt: skip
        name = {"model": "big"} if start == "llm_started" else {"tool": "find"}
        trace.event(start, number, call_id=number, **name)
        trace.event(end, 10 + number, call_id=number, error={"type": "OSError", "message": "gone"})

    assert [(one.kind, one.name, one.seq, one.is_missing, one.node) for one in trace.found.failed_calls] == [
        ("tool", "find", 10, False, "search"), ("model", "big", 11, False, "search"),
        ("tool", "find", 12, False, "search"),
    ]  # fmt: skip
    assert {(one.error.type, one.error.message) for one in trace.found.failed_calls} == {
        ("OSError", "gone")
    }
    assert trace.found.outer_calls == []
    trace.event("tool_completed", 20, call_id="never begun", output=1)
    trace.event("tool_completed", 21, call_id=0, output=1)
    assert trace.found.outer_calls == []


def test_failed_attempts_and_tools_that_do_not_exist() -> None:
    trace = Trace()
    trace.event("node_failed", 4, error={"type": "OSError", "message": "it's gone"})
    trace.event(
        "node_failed", 5, error={"type": "UnknownToolError", "message": f"No tool '{'x' * 60}'."}
    )
    trace.event("node_failed", 6, error={"type": "UnknownToolError", "message": "No tool"})

    assert [(one.node, one.visit, one.seq, one.error.type) for one in trace.found.failures] == [
        ("search", 2, 4, "OSError"), ("search", 2, 5, "UnknownToolError"),
        ("search", 2, 6, "UnknownToolError"),
    ]  # fmt: skip
    assert [(one.name, one.seq, one.is_missing) for one in trace.found.failed_calls] == [
        ("x" * 48, 5, True), ("", 6, True),
    ]  # fmt: skip
    assert gathering._quoted_name("'a") == ""
    assert gathering._quoted_name("'a'") == "a"


def test_scores_are_finite_figures() -> None:
    trace = Trace()
    for seq, data in enumerate(
        ({"score": "good" * 20, "value": 0.5}, {"score": "x", "value": 2}, {"score": "x", "value": "2"},
         {"score": "x", "value": float("inf")}, [1], {"score": "x"})
    ):  # fmt: skip
        trace.event("custom", seq, name="score", data=data)
    trace.event("custom", 9, name="other", data={"score": "x", "value": 1})
    trace.event("cache_hit", 10)

    assert [(one.name, one.value, one.node, one.seq) for one in trace.found.scores] == [
        ("good" * 12, 0.5, "search", 0), ("x", 2.0, "search", 1),
    ]  # fmt: skip
    assert trace.taken.cached == {HERE}


def test_a_node_is_given_what_it_reads_of_the_state_as_it_is_when_it_is_entered() -> None:
    trace = Trace(loops=False)
    trace.taken.begin(1, {"query": "owls", "turn": 1}, {})
    trace.taken.enter("search", 1)
    trace.taken.update({"query": "bats"})
    trace.taken.enter("search", 2)
    trace.taken.enter("search", 1)
    trace.taken.enter("nobody", 1)

    def of(**state: Any) -> Content:
        return StateTrail(state).content(None)

    assert trace.taken.given == {
        ("search", 1): of(query="owls"), ("search", 2): of(query="bats"),
        ("nobody", 1): of(query="bats", turn=1),
    }  # fmt: skip
    assert trace.taken.states == {}


def test_in_a_graph_with_loops_the_whole_state_is_known_at_each_visit() -> None:
    trace = Trace()
    trace.taken.start_with({"query": "owls", "turn": 1})
    trace.taken.patch([{"op": "replace", "path": "/turn", "value": 7}])
    trace.taken.begin(1, {"query": "other"}, {})
    trace.taken.enter("search", 1)
    trace.taken.patch([{"op": "replace", "path": "/turn", "value": 2}])
    trace.taken.enter("search", 2)

    rest, numbers = trace.taken.states["search", 1]
    assert trace.taken.states["search", 2][0] == rest
    assert trace.taken.states["search", 2][1] != numbers
    assert (rest, numbers) == StateTrail({"query": "owls", "turn": 1}).canonical()


def test_a_state_that_is_not_known_gives_nothing_until_a_patch_after_the_beginning() -> None:
    trace = Trace()
    trace.taken.update({"a": 1})
    trace.taken.patch([{"op": "add", "path": "/a", "value": 1}])
    trace.taken.enter("search", 1)
    assert trace.taken.given == {}
    trace.taken.begin(2, None, {})
    trace.taken.patch([{"op": "add", "path": "/a", "value": 1}])
    trace.taken.enter("search", 2)
    assert trace.taken.given == {("search", 2): StateTrail({"a": 1}).content(None)}
    trace.taken.patch([{"op": "remove", "path": "/none"}])
    trace.taken.enter("search", 3)
    assert ("search", 3) not in trace.taken.given


def test_attributes_are_short_values_and_sizes_by_where_they_came_from() -> None:
    given = {
        "query": "owls", "long": "x" * 49, "edge": "x" * 48, "n": 3, "broken": float("nan"),
        "flag": True, "many": [1, 2], "pair": (1,), "map": {"a": 1}, "none": None, "thread": "t",
    }  # fmt: skip
    config = {"metadata": {"user": "ada"}, "configurable": {"thread_id": "t", "k": 2}, "tags": [1]}

    values, sizes = attributes(given, config, {"tier": "gold"})

    assert values == {
        "input.query": "owls", "input.edge": "x" * 48, "input.flag": True, "metadata.user": "ada",
        "context.tier": "gold",
    }  # fmt: skip
    assert sizes == {
        "input.query": 4.0, "input.long": 49.0, "input.edge": 48.0, "input.n": 3.0,
        "input.many": 2.0, "input.pair": 1.0, "input.map": 1.0, "input.thread": 1.0,
        "metadata.user": 3.0, "configurable.thread_id": 1.0, "configurable.k": 2.0,
        "context.tier": 4.0,
    }  # fmt: skip
    assert attributes("owls", None, None) == ({"input": "owls"}, {"input": 4.0})
    assert attributes(None, [1], 3) == ({}, {})


def test_no_further_source_is_read_after_two_dozen_attributes() -> None:
    def has_context(count: int) -> bool:
        return "context.a" in attributes({f"k{at}": at for at in range(count)}, {}, {"a": 1})[1]

    assert has_context(24)
    assert not has_context(25)


def test_what_an_execution_was_called_with_is_kept() -> None:
    trace = Trace()
    trace.taken.begin(1, {"q": "owls"}, {"config": {"metadata": {"n": 2}}, "context": {"f": False}})

    (called,) = trace.found.called
    assert facts(called) == {
        "execution": trace.execution, "seq": 1, "names": ("input.q", "context.f"),
        "values": ("owls", False), "size_names": ("input.q", "metadata.n"), "sizes": (4.0, 2.0),
    }  # fmt: skip


def test_equal_things_are_one() -> None:
    shared = Shared(None)
    one, same = (bytes([97, 98]).decode() for _ in range(2))

    assert one is not same
    assert shared.text(one) is shared.text(same)
    assert shared.content([1]) is shared.content([1])
    assert shared.shape({"a": 1}) is shared.shape({"a": 2})
    assert shared.names(["a"]) is shared.names(["a"])
    assert shared.ways([]) == ()
    assert shared.ways([{"target": "a"}, {}]) == ("a", "None")
    assert (shared.number(99_999), shared.number(10**6)) == (99_999, 10**6)
    assert Shared(None).has_loops
    assert not Shared(manifest()).has_loops
    assert Shared(manifest()).reads["search"] == ("query",)


def test_rows_of_a_record_are_taken_as_its_events_and_what_is_of_no_form_is_passed_over() -> None:
    seen: list[Any] = []

    class Told:
        def begin(self, seq: int, given: Any, called: Mapping[str, Any]) -> None:
            seen.append(("begin", seq, given, called))

        def enter(self, node: str, visit: int) -> None:
            seen.append(("enter", node, visit))

        def update(self, changes: Mapping[str, Any]) -> None:
            seen.append(("update", changes))

        def patch(self, patch: list[dict[str, Any]]) -> None:
            seen.append(("patch", patch))

        def event(
            self, kind: str, seq: int, place: tuple[str, int], fields: Mapping[str, Any]
        ) -> None:
            seen.append((kind, seq, place, fields))

    rows: list[Any] = [
        [START, 1, 0, {"q": 1}, {"config": {}}], [START, 1, 0, {"q": 1}],
        [ENTER, 2, "a", 1], [VISIT, 0, 0, "b", 2, 0, 0, 0, {"x": 1}], [VISIT, 0, 0, "b", 3, 0, 0, 0, None],
        [APPLY, 0, 0, 0, 0, 0, {"y": 1}], [APPLY, 0, 0, 0, 0, 0, {}], [], [ENTER], None,
        [EVENT, 5, 7, "state_changed", None, None, None, {"patch": [1]}],
        [EVENT, 5, 7, "state_changed", None, None, None, None],
        [EVENT, 6, 7, "cache_hit", "a", 1, 3, None], [EVENT, 6, 7, "token", "a", 1, 1, {}],
        [EVENT, 8, 7, "custom", None, None, None, {"name": "n"}],
    ]  # fmt: skip

    read_rows([(rows, 0, 0, 100)], Told())

    assert seen == [
        ("begin", 1, {"q": 1}, {"config": {}}), ("begin", 1, {"q": 1}, {}), ("enter", "a", 1),
        ("enter", "b", 2), ("update", {"x": 1}), ("enter", "b", 3), ("update", {"y": 1}),
        ("patch", [1]), ("patch", []), ("cache_hit", 6, ("a", 1), {"at_ns": 107, "attempt": 3}),
        ("custom", 8, ("", 0), {"name": "n", "at_ns": 107, "attempt": None}),
    ]  # fmt: skip


def test_events_are_taken_by_node_and_visit_and_only_first_attempts_enter() -> None:
    def event(kind: type[Event], **more: Any) -> Event:
        return kind(**{"execution_id": "v1-000003", "seq": 2, "ts": "2026-01-01T00:00:01Z", **more})

    events = [
        event(ExecutionStarted, input={"query": "owls"}, config={"metadata": {"n": 2}}),
        event(NodeEntered, node="search", visit=3, attempt=1),
        event(StateChanged, patch=[{"op": "replace", "path": "/query", "value": "bats"}]),
        event(NodeEntered, node="rank", visit=1, attempt=2),
        event(NodeEntered),
        event(CacheHit, key="k", node="search", visit=4), event(CacheHit, key="k"),
        event(Custom, name="score", data={"score": "s", "value": 1}, node="search", visit=5),
    ]  # fmt: skip
    trace = Trace()
    read_events(events, trace.taken)

    assert trace.taken.given == {
        ("search", 3): StateTrail({"query": "owls"}).content(None),
        ("", 0): StateTrail({"query": "bats"}).content(None),
    }
    assert trace.taken.cached == {("search", 4), ("", 0)}
    assert trace.found.called[0].size_names == ("input.query", "metadata.n")
    assert [(one.node, one.seq) for one in trace.found.scores] == [("search", 2)]


def test_a_window_is_folded_in_the_order_of_the_record() -> None:
    one, other = execution(1), execution(2, thread="v1-000002")
    events: dict[str, Any] = {"v1-000001": ([], {"query": "owls"})}
    visits = [visit(other, "search", 2, 1.0), visit(one, "rank", 1, 2.0), visit(one, "search", 0, 3.0),
              visit(execution(9), "search", 0, 9.0)]  # fmt: skip

    window = build_window(("flow", "v1", manifest()), [one, other], visits, events)

    assert [(call.execution_id, call.node, call.self_ms) for call in window.calls] == [
        ("v1-000001", "search", 3.0), ("v1-000001", "rank", 2.0), ("v1-000002", "search", 1.0)
    ]  # fmt: skip
    assert window.executions == (one, other)
    assert [call.execution.thread_id for call in window.calls] == ["t1", "t1", "v1-000002"]
    assert (window.graph_name, window.graph_version) == ("flow", "v1")


def added(**more: Any) -> tuple[WindowBuilder, NodeCall | None]:
    builder = WindowBuilder(("flow", "v1", manifest()))
    one = execution(3)
    trace = builder.gatherer(one)
    trace.given["search", 1] = Content(77, 12)
    trace.states["search", 1] = (1, 2)
    builder.add([visit(one, "search", 0, 8.0, **more)], trace)
    calls = builder.window().calls
    return builder, calls[0] if calls else None


def test_a_visit_becomes_a_call_with_all_that_is_known_of_it() -> None:
    edges = ({"target": "rank", "label": "go"}, {"target": "rank"}, {"target": "write"})
    error = Failure(type="OSError", message="x")
    builder, call = added(
        retry_ms=3.0, attempts=2, edges=edges, update={"hits": [1]}, started_ns=5,
        error=error,
    )  # fmt: skip

    assert call is not None
    assert {name: value for name, value in facts(call).items() if name != "execution"} == {
        "node": "search", "number": 1, "status": "completed", "self_ms": 5.0, "retry_ms": 3.0,
        "attempts": 2, "started_ns": 5, "entry_seq": 2, "exit_seq": 3, "given_key": 77,
        "given_size": 12, "gave_key": content_of({"hits": [1]}).key, "state": (1, 2),
        "shape": shape_of({"hits": [1]}), "ways": ("rank", "rank", "write"), "error": "OSError",
        "is_cached": False,
    }  # fmt: skip
    window = builder.window()
    assert window.taken == {
        ("search", "rank", "go"): 1, ("search", "rank", ""): 1, ("search", "write", ""): 1
    }  # fmt: skip
    assert window.sent == {"rank"}
    assert window.writes == {"search": {"hits"}}
    assert (call.uri, call.ends_ns) == ("execution://v1-000003/events/3", 5 + 8_000_000)
    assert call.given == Content(77, 12)
    assert call.visit.duration_ms == 8.0


@pytest.mark.parametrize(
    ("more", "is_call", "unfinished"),
    [
        ({}, True, 0), ({"status": "running"}, False, 1), ({"duration_ms": None}, False, 1),
        ({"duration_ms": None, "status": "failed"}, False, 0), ({"retry_ms": 8.0}, True, 0),
        ({"retry_ms": 8.1}, False, 1), ({"duration_ms": float("inf")}, False, 1),
        ({"status": "failed"}, True, 0), ({"duration_ms": float("nan")}, False, 1),
    ],
)  # fmt: skip
def test_what_still_runs_or_took_an_impossible_time_is_left_out_and_counted(
    more: dict[str, Any], is_call: bool, unfinished: int
) -> None:
    builder, call = added(**more)

    assert (call is not None) == is_call
    assert builder.window().unfinished == unfinished
    assert len(builder.window().executions) == 1


@pytest.mark.parametrize("update", [None, {}, [1]])
def test_an_empty_update_gives_nothing(update: Any) -> None:
    builder, call = added(update=update)

    assert call is not None
    assert (call.gave_key, call.shape) == (None, None)
    assert builder.window().writes == {}


def test_a_window_groups_by_node_and_by_what_was_called() -> None:
    builder, _ = added()
    trace = Trace()
    call = trace.call(output=1)
    window = replace(builder.window(), outer_calls=[call, call])

    assert list(window.by_node()) == ["search"]
    assert window.outer_by_node == {"search": [call, call]}
    assert window.outer_by_name == {("search", "tool", "find"): [call, call]}
    assert window.places == {"v1-000003": 0}
    assert window.rate(3) == 3.0
    assert window.rate(0) == 1e-9
    assert replace(window, executions=()).rate(2) == 2.0
    known = window.facts("search")
    assert known is not None
    assert known.version == "search-1"
    assert window.facts("none") is None
    assert replace(window, manifest=None).facts("search") is None


def test_side_effects_are_declared_by_a_policy_or_by_metadata() -> None:
    def declared(**said: Any) -> bool:
        return has_side_effects(manifest(**said).nodes[1])

    assert declared(policies={"side_effects": True})
    assert declared(metadata={"has_side_effects": True})
    assert not declared(policies={"side_effects": False})
    assert not has_side_effects(None)


def test_the_shape_of_a_value_is_two_levels_deep_and_of_few_keys() -> None:
    value = {
        "b": {"c": {"d": {"e": 1}}},
        "a": [[{"x": 1}]],
        "n": None,
        "t": True,
        "empty": [],
        3: 1,
    }

    assert shape_of(value) == (
        ("a", "array"), ("a[]", "array"), ("b", "object"), ("b.c", "object"), ("empty", "array"),
        ("n", "null"), ("t", "boolean"),
    )  # fmt: skip
    wide = {f"k{at:02d}": at for at in range(SHAPE_KEYS + 2)}
    assert [path for path, _ in shape_of(wide)] == [f"k{at:02d}" for at in range(SHAPE_KEYS)]
    assert len(shape_of({"a": wide})) == 1 + SHAPE_KEYS
    assert shape_of({"a": Delta([1])}) == (("a", "array"), ("a[]", "number"))
    assert shape_of("text") == ()
    assert shape_of(["text"]) == (("[]", "string"),)


def test_json_types_are_inherited() -> None:
    class Text(str):
        __slots__ = ()

    class Many(list[int]):
        pass

    told = [json_type(one) for one in (Text("x"), Many(), (1,), 1.5, 1, True, None, {}, object())]

    assert told == [
        "string",
        "array",
        "array",
        "number",
        "number",
        "boolean",
        "null",
        "object",
        "other",
    ]
    assert json_type(msgspec.json.decode(b"{}")) == "object"


def test_a_content_is_sixty_bits_of_its_json() -> None:
    assert content_of({"b": 1, "a": 2}) == Content(content_of({"a": 2, "b": 1}).key, 13)
    assert 0 < content_of([1]).key < 1 << 60
    assert content_of([1]).digest == f"{content_of([1]).key:015x}"
    assert content_of("\ud800").size_bytes == len(repr("\ud800"))


def test_a_state_is_followed_as_json_patch_says() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        state: Any = {"a": [1, {"x": 1}], "b": {"c": {"d": 1}, "e": [1, 2, 3]}, "n": 1}
        trail = StateTrail(state)
        for _ in range(12):
            step = _step(draw, state)
            state = jsonpatch.apply_patch(state, [step])
            trail.apply([step])
            assert trail.is_known
            assert trail.content(None) == StateTrail(state).content(None), step
            assert trail.canonical() == StateTrail(state).canonical()


def _step(draw: random.Random, state: Any) -> dict[str, Any]:
    """A step that may be made anywhere in a state."""
    places: list[tuple[str, Any]] = []

    def walk(path: str, holder: Any) -> None:
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            places.append((f"{path}/{key}", holder))
            if isinstance(holder[key], dict | list):
                walk(f"{path}/{key}", holder[key])
        new = "-" if isinstance(holder, list) else f"k{draw.randrange(9)}"
        places.append((f"{path}/{new}", None))

    walk("", state)
    path, holder = draw.choice(places)
    op = "add" if holder is None else draw.choice(["add", "replace", "remove"])
    value = draw.choice([1, "t", [1], {"y": 2}])
    return {"op": op, "path": path} | ({} if op == "remove" else {"value": value})


def test_contents_of_keys_count_absent_ones_and_add_up_sizes() -> None:
    trail = StateTrail({"a": "xy", "b": 12})

    assert trail.content(["a", "b"]).size_bytes == 4 + 2
    assert trail.content(["b", "a"]) == trail.content(["a", "b"]) == trail.content(None)
    assert trail.content(["a"]) != trail.content(["a", "none"])
    assert trail.content(["a", "none"]).size_bytes == 4
    trail.update({"a": Delta([1]), "c": Delta([3])})
    trail.update({"a": Delta([2])})
    assert trail.content(None) == StateTrail({"a": [1, 2], "b": 12, "c": [3]}).content(None)


def test_numbers_of_a_state_are_apart_from_the_rest() -> None:
    rest, numbers = StateTrail({"a": "x", "o": {}, "n": 1, "f": 0.5}).canonical()

    assert StateTrail({"a": "x", "o": {}, "n": 2, "f": 0.5}).canonical() != (rest, numbers)
    assert StateTrail({"a": "x", "o": {}, "n": 2, "f": 0.5}).canonical()[0] == rest
    for other in ({"a": "y", "o": {}}, {"a": "x", "o": {"k": 1}}):
        told = StateTrail({**other, "n": 1, "f": 0.5}).canonical()
        assert told[0] != rest
        assert told[1] == numbers
