"""Small parts of the runtime by themselves: what differs, what is kept, what is named, what is told."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from inwit import END, START, Command, Send, StateGraph
from inwit.errors import (
    InvalidUpdateError,
    MalformedInputError,
    NotInThisVersionError,
    StoreError,
    UnreplayableError,
)
from inwit.runtime import companion, kept_calls, loops, naming
from inwit.runtime.both import Both
from inwit.runtime.caching import keys
from inwit.runtime.called import Unkept
from inwit.runtime.cancelling import Stop
from inwit.runtime.commands import Interrupt, Overwrite
from inwit.runtime.configs import _joined
from inwit.runtime.facade import GraphOutput, typed
from inwit.runtime.failures import mark, mark_node, node_of
from inwit.runtime.kept_calls import Kept
from inwit.runtime.metrics import _merge, _Pending
from inwit.runtime.old_names import renamed
from inwit.runtime.options import check_scheduling
from inwit.runtime.patches import patch_between
from inwit.runtime.project import Project
from inwit.runtime.relay import _Call
from inwit.runtime.sink import Sink
from inwit.runtime.taking_over import _error
from inwit.runtime.tool_stream import tell_delta, told_call
from inwit.runtime.updates import in_order, pairs_written, writes_of


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], lambda one, other: [*one, *other]]


def one_node(node: Any, name: str = "one") -> Any:
    graph = StateGraph(State).add_node("node", node).add_edge(START, "node")
    return graph.add_edge("node", END).compile(name=name)


NAN = float("nan")


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        (1, 1, []),
        (NAN, float("nan"), []),
        (1, True, [("replace", "", True)]),
        (1, 1.0, [("replace", "", 1.0)]),
        (NAN, 1, [("replace", "", 1)]),
        ({"a": 1, "b/~": 2}, {"c": 3, "b/~": 4}, [("remove", "/a"), ("add", "/c", 3), ("replace", "/b~1~0", 4)]),
        ([1, 2, 3], [1, 3], [("remove", "/1")]),
        ([1, 2, 3, 4], [], [("remove", "/3"), ("remove", "/2"), ("remove", "/1"), ("remove", "/0")]),
        ([1, 3], [1, 2, 3], [("add", "/1", 2)]),
        ([1, 1], [1], [("remove", "/1")]),
        ([1, 2, 9], [1, 3, 4, 9], [("replace", "/1", 3), ("add", "/2", 4)]),
        ([], {}, [("replace", "", {})]),
    ],
)  # fmt: skip
def test_a_patch_is_the_least_that_changes_one_into_the_other(
    before: Any, after: Any, patch: Any
) -> None:
    found = [tuple(op.values()) for op in patch_between(before, after)]

    assert sorted(map(repr, found)) == sorted(map(repr, patch))
    assert found[:1] == patch[:1] or isinstance(before, dict)


def test_interrupts_and_overwrites_are_compared_by_what_they_hold() -> None:
    one = Interrupt("v", "i")

    assert (one == Interrupt("v", "i"), one.interrupt_id) == (True, "i")
    assert [one == other for other in (Interrupt("v", "j"), Interrupt("w", "i"), "v")] == [
        False
    ] * 3
    assert len({one, Interrupt("v", "i"), Interrupt(["v"], "i")}) == 2
    assert repr(one) == "Interrupt(value='v', id='i')"
    assert (Overwrite(1) == Overwrite(1), Overwrite(1) == Overwrite(2), Overwrite(1) == 1) == (
        True, False, False,
    )  # fmt: skip
    with pytest.raises(TypeError, match="unhashable"):
        hash(Overwrite(1))
    assert repr(Overwrite(1)) == "Overwrite(value=1)"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Overwrite(1), Overwrite(1)), ({"__overwrite__": 1}, Overwrite(1)),
        ({"type": "__overwrite__", "value": 2}, Overwrite(2)), ({"type": "__overwrite__"}, None),
        ({"__overwrite__": 1, "x": 2}, None), ({}, None), ([1], None), ({"type": "x", "value": 1}, None),
    ],
)  # fmt: skip
def test_an_overwrite_is_read_as_json_leaves_it(value: Any, found: Any) -> None:
    assert Overwrite.of(value) == found


class Manager:
    """As langchain-core's manager of handlers."""

    def __init__(self, *handlers: str) -> None:
        self.handlers = list(handlers)

    def copy(self) -> Manager:
        return Manager(*self.handlers)

    def add_handler(self, handler: str, *, inherit: bool) -> None:
        self.handlers.append(handler if inherit else "alone")


def test_callbacks_are_joined_however_they_are_given() -> None:
    manager = Manager("a", "b")

    assert (_joined(None, ["a"]), _joined(["a"], None), _joined(manager, manager)) == (
        ["a"], ["a"], manager,
    )  # fmt: skip
    assert _joined(["a", "b"], ["b", "c"]) == ["a", "b", "c"]
    for one, other in ((manager, ["b", "c"]), (["b", "c"], manager), (Manager("c", "b"), manager)):
        assert sorted(_joined(one, other).handlers) == ["a", "b", "c"]
    assert manager.handlers == ["a", "b"]


def test_old_names_of_arguments_are_taken_and_told_of() -> None:
    with pytest.warns(DeprecationWarning, match="'retry' is deprecated, use 'retry_policy'"):
        assert renamed({"retry": 1}, ("retry",), "add_node()") == {"retry_policy": 1}
    with pytest.raises(TypeError, match=r"add_node\(\) got an unexpected keyword argument 'odd'"):
        renamed({"odd": 1}, ("retry",), "add_node()")


def test_a_room_that_is_left_out_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotInThisVersionError, match="The moon"):
        companion._room("there_is_no_such_room", "The moon")
    monkeypatch.setitem(sys.modules, "inwit.nothing", None)

    def fails(name: str) -> Any:
        raise ModuleNotFoundError("what it needs", name="what_it_needs")

    monkeypatch.setattr(companion, "import_module", fails)
    with pytest.raises(ModuleNotFoundError, match="what it needs"):
        companion._room("inwit.server.companion", "The host")


def test_scheduling_is_one_of_two() -> None:
    assert (check_scheduling("steps"), check_scheduling("dataflow")) == ("steps", "dataflow")
    with pytest.raises(MalformedInputError, match="No scheduling 'step'") as raised:
        check_scheduling("step")  # type: ignore[arg-type]
    assert "steps" in raised.value.hint


@dataclass
class Made:
    n: int


class Model(BaseModel):
    n: int


def test_a_result_is_parted_from_what_it_waits_for() -> None:
    found = GraphOutput.of({"n": 1, "__interrupt__": ["q"]}, Made)

    assert (found.value, found.interrupts) == (Made(1), ("q",))
    assert (found["n"], found["__interrupt__"], "n" in found, "m" in found) == (
        1,
        ("q",),
        True,
        False,
    )
    assert GraphOutput.of({"n": 1}) == GraphOutput({"n": 1})
    assert "__interrupt__" not in GraphOutput.of({"n": 1})
    assert GraphOutput.of([1], Made) == GraphOutput([1])
    assert (typed({"n": 1}, Model), typed({"n": 1}, dict), typed(3, Made)) == (
        Model(n=1),
        {"n": 1},
        3,
    )


def test_an_error_keeps_the_marks_of_who_raised_it_first() -> None:
    error = ValueError("no")
    for execution_id, node in (("e1", "a"), ("e2", "b")):
        mark(error, execution_id)
        mark_node(error, node)

    assert (error.execution_id, node_of(error), error.__notes__) == (  # type: ignore[attr-defined]
        "e1", "a", ["In the node 'a'."],
    )  # fmt: skip
    assert (node_of(None), node_of(ValueError())) == (None, None)


def test_an_error_that_takes_no_marks_is_left_as_it_is() -> None:
    class Closed(Exception):  # noqa: N818 - it is one of a user's
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    error = Closed("no")
    mark(error, "e1")
    mark_node(error, "a")

    assert (getattr(error, "execution_id", None), node_of(error)) == (None, None)


def ctx(thread_id: str = "t") -> Any:
    return SimpleNamespace(thread_id=thread_id, execution=SimpleNamespace())


def test_results_are_kept_for_their_time_and_the_newest_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kept_calls, "MOST", 2)
    kept = Kept({"scope": "graph", "ttl": 10, "key": ["n"]})
    here = ctx()
    names = [kept.key(here, given) for given in ({"n": 1, "m": 2}, Made(2), {"m": 3})]

    assert names[0] == kept.key(here, MappingProxyType({"n": 1}))
    assert names[2] == kept.key(here, SimpleNamespace())
    assert len(set(names)) == 3
    kept.put(here, names[0], "one")
    now[0] = 110.0
    assert kept.get(here, names[0]) == "one"
    kept.put(here, names[1], "two")
    now[0] = 110.5
    assert kept.get(here, names[0]) is kept_calls._MISS
    kept.put(here, names[2], "three")
    kept.put(here, "another", "four")
    assert kept.get(here, names[1]) is kept_calls._MISS
    assert (kept.get(here, names[2]), kept.get(here, "another")) == ("three", "four")


def test_what_cannot_be_told_apart_is_not_kept() -> None:
    kept, here = Kept({}), ctx()
    key = kept.key(here, threading.Lock())
    kept.put(here, key, "x")

    assert (key, kept.get(here, key) is kept_calls._MISS) == (None, True)
    one, other = Kept({"scope": "thread"}), Kept({"scope": "execution"})
    assert one.key(ctx("a"), 1) != one.key(ctx("b"), 1)
    assert other.key(ctx("a"), 1) == other.key(ctx("b"), 1)
    other.put(here, "k", 1)
    assert (other.get(here, "k"), other.get(ctx(), "k") is kept_calls._MISS) == (1, True)
    assert [kept_calls._name_of(tool) for tool in ("a", len, Made(1), SimpleNamespace(name="b"))] == [
        "a", "len", "Made", "b",
    ]  # fmt: skip


def test_figures_that_could_not_be_written_are_kept(project: Any) -> None:
    values: dict[Any, list[float]] = {}
    for kind in ("counter", "gauge", "histogram"):
        for value in (1.0, 2.0):
            _merge(values, ("name", kind, ()), value)
    assert list(values.values()) == [[3.0], [2.0], [1.0, 2.0]]

    pending = _Pending(Project.find())
    key: Any = ("name", "counter", ())
    pending._taken, pending._values, pending._is_asked = {key: [5.0]}, {key: [2.0]}, True
    failed: Future[None] = Future()
    failed.set_exception(StoreError("no"))
    pending._written(failed)
    assert (pending._values, pending._taken, pending._is_asked) == ({key: [7.0]}, {}, False)

    well: Future[None] = Future()
    well.set_result(None)
    pending._taken = {key: [5.0]}
    pending._written(well)
    assert pending._values == {key: [7.0]}


def test_a_graph_is_named_after_where_it_is_compiled() -> None:
    def frame(name: str, file: str = "", above: Any = None) -> Any:
        return SimpleNamespace(f_globals={"__name__": name, "__file__": file}, f_back=above)

    assert naming.module_name(frame("__main__", "/a/tidy up.py")) == "tidy_up"
    assert naming.module_name(frame("__main__")) == "main"
    assert naming.module_name(frame("a.b-c")) == "a.b-c"
    outer = frame("mine")
    inner = frame("inwit.prebuilt.agents", above=frame("inwit.prebuilt.other", above=outer))
    assert naming.caller_of(inner) is outer
    alone = frame("inwit.prebuilt.agents")
    assert naming.caller_of(alone) is alone
    assert naming.caller_of(outer) is outer


def test_what_waits_without_a_loop_is_refused() -> None:
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()

    async def given() -> int:
        return 3

    async def waits_plainly() -> None:
        await loops_bare()

    class loops_bare:  # noqa: N801
        def __await__(self) -> Any:
            yield

    assert loops.drive(given()) == 3
    with pytest.raises(RuntimeError, match="A sync execution waited for an event loop"):
        loops.drive(waits_plainly())


@pytest.mark.anyio
async def test_a_loop_that_is_dropped_while_another_runs_is_closed() -> None:
    runner = loops._Runner()
    loop = runner.loop

    del runner

    assert loop.is_closed()


def test_what_was_handed_over_is_made_again_where_it_can_be() -> None:
    def told(kind: type, message: str) -> dict[str, Any]:
        return {"module": kind.__module__, "type": kind.__qualname__, "message": message}

    assert repr(_error(told(ValueError, "no"))) == "ValueError('no')"
    assert [
        type(_error(told(kind, "no"))).__name__ for kind in (KeyError, UnicodeDecodeError, int)
    ] == ["EarlierError"] * 3
    assert "no" in str(_error({"module": "gone", "type": "Gone", "message": "no"}))


@pytest.mark.anyio
async def test_a_call_that_nobody_waits_for_any_more_is_told_to_nobody() -> None:
    told = asyncio.get_running_loop().create_future()
    call = _Call(lambda number: 1 / number, (0,), told)

    call.run()
    call.tell()
    call.tell()

    assert (told.result(), call.has_ended, type(call.error)) == (None, True, ZeroDivisionError)


def test_a_stop_ends_once() -> None:
    stop = Stop("because")
    stop.end()
    stop.end()

    assert (stop.ended.result(), stop.error.reason) == (None, "because")


class Reader:
    def __init__(self) -> None:
        self.put_: list[Any] = []

    def put(self, item: Any) -> None:
        self.put_.append(item)


def test_two_readers_are_told_each_in_its_way() -> None:
    own, around = Reader(), Reader()
    both = Both(
        Sink(["custom", "values"], own, None, with_subgraphs=False),  # type: ignore[arg-type]
        Sink(["custom", "updates"], around, None, with_subgraphs=True),  # type: ignore[arg-type]
    )
    both.seen.add("one")
    both._sinks[0].seen.add("own")
    both._sinks[1].seen.add("around")

    both.put("custom", 1)
    both.put("values", 2)
    both.put("updates", 3)
    both.child("in").put("updates", 4)

    assert own.put_ == [((), "custom", 1), ((), "values", 2)]
    assert around.put_ == [((), "updates", 3), (("in",), "updates", 4)]
    assert sorted(both.seen) == ["around", "one", "own"]
    assert ["own" in both.seen, "around" in both.seen, "nobody" in both.seen] == [True, True, False]
    twice = Both(both._sinks[1], both._sinks[1]).child("x")
    assert isinstance(twice, Both)


def test_a_piece_of_a_tool_s_answer_is_told_where_somebody_reads() -> None:
    told: list[Any] = []
    sink = SimpleNamespace(put=lambda mode, value: told.append((mode, value)))
    here: Any = SimpleNamespace(is_closed=False, execution=SimpleNamespace(output=sink))

    assert tell_delta("x") is False
    token = told_call.set((here, "c1"))
    try:
        assert tell_delta("x") is True
        here.is_closed = True
        assert tell_delta("y") is False
    finally:
        told_call.reset(token)
    assert told == [("tools", {"event": "tool-output-delta", "tool_call_id": "c1", "delta": "x"})]


def test_a_context_that_was_not_kept_says_so_when_it_is_read() -> None:
    unkept = Unkept("e1", "Person")

    with pytest.raises(
        UnreplayableError, match="Its context, a Person, cannot be kept, and 'name'"
    ):
        unkept.name  # noqa: B018
    assert hasattr(unkept, "__html__") is False


# Keys of caches


class Slotted:
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, state: Any) -> Any:
        return state


def test_functions_are_told_apart_by_what_they_are() -> None:
    def made(held: Any, default: Any = 1) -> Any:
        def function(state: Any, given: Any = default) -> Any:
            return held, state, given, 3j, ...

        return function

    def unfilled() -> Any:
        def function() -> Any:
            return later

        found = keys.identity(function)
        later = 1
        return found

    deep: Any = made(1)
    for _ in range(20):
        deep = made(deep)

    assert keys.identity(made(1)) == keys.identity(made(1))
    assert (
        len({keys.identity(one) for one in (made(1), made(2), made(1, 2), made(int), made(str))})
        == 5
    )
    assert keys.identity(Slotted()) == keys.identity(Slotted())
    assert keys.identity(deep) == keys.identity(deep)
    assert unfilled() == unfilled()
    assert keys.identity(made(threading.Lock())) == keys.identity(made(threading.Lock()))


# What a node writes


class Other(BaseModel):
    n: int = 1
    log: list[Any] | None = None
    odd: int = 2


def test_what_a_node_returned_is_told_by_its_keys() -> None:
    schema = one_node(lambda state: None).schema
    cases: list[tuple[Any, Any]] = [
        (None, []), ({"n": 1, "odd": 2}, [("n", 1)]),
        (Command(update={"n": 1}), [("n", 1)]), (Command(update=[("n", 1), ("odd", 2), ("n", 3)]), [("n", 1), ("n", 3)]),
        (Command(graph=Command.PARENT, update={"n": 1}), []),
        ([{"n": 1}, Command(update={"n": 2}), None], [("n", 1), ("n", 2)]),
        (Made(4), [("n", 4)]), (Other(n=5), [("n", 5)]), (Other(log=[1]), [("n", 1), ("log", [1])]), (7, []),
    ]  # fmt: skip

    assert [pairs_written(schema, given) for given, _ in cases] == [found for _, found in cases]
    assert writes_of([("n", 1), ("log", 2), ("n", 3)]) == {"n": {"$writes": [1, 3]}, "log": 2}


@pytest.mark.parametrize(
    ("returned", "said", "hint"),
    [
        (7, "Expected dict, got 7: the node 'node' returned a int", "Return a dict of the state's keys"),
        (Send("node", {}), "the node 'node' returned a Send", "Give it to Command(goto=…), or return it"),
        (Command(graph="other"), "The node 'node' commands the graph 'other'", "A command is for the node's own"),
        (Command(update=3), "", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused(returned: Any, said: str, hint: str) -> None:
    with pytest.raises(InvalidUpdateError) as raised:
        one_node(lambda state: returned).invoke({"n": 1})

    assert said in str(raised.value)
    assert raised.value.hint.startswith(hint)


def test_what_follows_is_in_the_order_of_the_nodes_and_packets_last() -> None:
    from inwit.runtime.updates import Packet

    packet = Packet(1, None, None)

    assert in_order([3, packet, 1, -1, 3, packet]) == [1, 3, packet, packet]
