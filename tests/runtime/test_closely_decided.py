"""Ways, commands and what is told: each condition by a case on either side of it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, Optional, TypedDict, Union

import pytest
from msgspec import Raw
from pydantic import BaseModel

from inwit import END, START, Command, Send, StateGraph
from inwit.errors import (
    InvalidRouteError,
    InvalidUpdateError,
    MalformedInputError,
    UnmappedAnswerError,
)
from inwit.runtime import program, sink, streaming, updates, visits
from inwit.runtime.commands import GraphDrained, GraphInterrupt, Interrupt, ParentCommand
from inwit.runtime.message_stream import tell_token
from inwit.runtime.program import Router
from inwit.runtime.progress import NOT_DONE, Progress
from inwit.runtime.serial import pack
from inwit.runtime.updates import Packet


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


# Routers


def anywhere(state: Any) -> Any:
    return state["to"]


def router(path_map: Any = None, function: Any = anywhere) -> Router:
    made = Router("from", function, path_map, "anywhere")
    made.targets = {"a": 0, "b": 1, END: -1}
    return made


def chosen(one: Router, answer: Any) -> tuple[Any, list[Any]]:
    state = {"to": answer}
    way, edges = one.choose(state, state)
    shown = [(item.index, item.arg) if isinstance(item, Packet) else item for item in way] if isinstance(way, list) else way  # fmt: skip
    return shown, [edge[:2] for edge in edges]


def test_an_answer_leads_to_nodes_in_the_plan_s_order() -> None:
    one, mapped = router(), router({"x": "a", True: "b", False: END})

    assert chosen(one, "a") == chosen(one, "a") == (0, [("a", "a")])
    assert chosen(one, END) == (-1, [(END, END)])
    assert chosen(one, ["b", "a", "b"]) == ([0, 1], [("b", "b"), ("a", "a"), ("b", "b")])
    assert chosen(one, ["a"]) == ([0], [("a", "a")])
    assert chosen(one, [END]) == ([], [(END, END)])
    assert chosen(one, [Send("b", 1), "a"]) == ([0, (1, 1)], [("b", "b"), ("a", "a")])
    assert chosen(one, Send("a", 2)) == ([(0, 2)], [("a", "a")])
    assert chosen(mapped, True) == (1, [("b", "True")])
    assert chosen(mapped, False) == (-1, [(END, "False")])
    assert chosen(mapped, "x") == (0, [("a", "x")])
    assert chosen(mapped, "b") == (1, [("b", "b")])
    assert set(mapped.known) == {True, False, "x", "b"}
    assert mapped.possible() == (("x", "a"), ("True", "b"), ("False", END))
    assert one.possible() is None


def test_an_answer_that_leads_nowhere_is_refused() -> None:
    nowhere: list[Any] = ["c", None, 7, [["a"]], Send("c", 1), Send(END, 1)]
    for answer in nowhere:
        with pytest.raises(InvalidRouteError):
            chosen(router(), answer)
    unmapped: list[Any] = ["y", None, ["x", "y"], {}]
    for answer in unmapped:
        with pytest.raises(UnmappedAnswerError):
            chosen(router({"x": "a"}), answer)
    assert chosen(router({"x": "a"}), {"x"}) == ([0], [("a", "x")])


class About(str):
    """An answer that tells of itself."""

    __slots__ = ()
    about: ClassVar = {"because": ["of", "it"]}


def test_what_a_router_read_is_told_with_its_way() -> None:
    def reads(state: Any) -> str:
        return "a" if state["n"] or state["log"] else "b"

    one = router(function=reads)
    values, unread = one.values_read({"n": 1, "log": ["x"], "other": 2}, About("a"))
    plain = {key: bytes(one) if isinstance(one, Raw) else one for key, one in values.items()}
    assert plain == {"n": 1, "log": pack(["x"]), "because": pack(["of", "it"])}
    assert unread is None
    assert one.values_read({"n": 1}) == ({"n": 1}, None)
    assert one.possible() == (("a", "a"), ("b", "b"))
    hidden = router(function=lambda state: len(list(state)))
    assert hidden.values_read({"n": 1}) == ({}, "it hands the whole state on")


def says_two(state: Any) -> Literal["a", "b"]:
    return "a"


def says_some(state: Any) -> list[Literal["a", "b"]] | Literal["c"]:
    return "c"


def says_number(state: Any) -> Literal["a", 1]:
    return 1


def says_str(state: Any) -> str:
    return "a"


def says_unknown(state: Any) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
    return "a"


def says_odd(state: Any) -> str:
    return "a"


says_odd.__annotations__["return"] = "1 + 2 + []"


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (says_two, ("a", "b")), (says_some, ("a", "b", "c")), (says_number, None), (says_str, None),
        (says_unknown, None), (says_odd, None), (len, None), (anywhere, None),
        (functools.partial(says_two), ("a", "b")),
    ],
)  # fmt: skip
def test_a_return_type_says_what_may_be_answered(function: Any, found: Any) -> None:
    assert program.literal_returns(function) == found


# What functions take


class RunnableConfig: ...


class Runtime: ...


def test_a_parameter_is_filled_by_its_type_or_its_name() -> None:
    kinds: list[tuple[str, Any, Any]] = [
        ("ctx", None, "ctx"), ("config", None, "config"), ("other", None, None),
        ("x", RunnableConfig, "config"), ("x", Optional[RunnableConfig], "config"),  # noqa: UP045
        ("x", Union[None, Runtime], "runtime"), ("x", Runtime | None, "runtime"),  # noqa: UP007
        ("x", Annotated[RunnableConfig, "why"], "config"), ("x", "BaseStore | None", "store"),
        ("x", list[RunnableConfig], None), ("x", Callable[[RunnableConfig], None], None),
        ("writer", int, "writer"), ("x", "NodeError", "error"), ("x", "StreamWriter", "writer"),
    ]  # fmt: skip

    assert [program.parameter_kind(name, hint) for name, hint, _ in kinds] == [
        kind for _, _, kind in kinds
    ]


def test_a_function_is_called_with_what_it_takes() -> None:
    given = SimpleNamespace(given=lambda kind: f"the {kind}")

    def alone(state: Any) -> Any:
        return state

    def with_ctx(state: Any, ctx: Any) -> Any:
        return state, ctx

    def with_more(state: Any, other: int = 3, *, config: Any, writer: Any) -> Any:
        return state, other, config, writer

    class Object:
        def __call__(self, state: Any, ctx: Any) -> Any:
            return state, ctx

    async def later(state: Any) -> Any:
        return state

    bound: list[Any] = [
        (alone, 1), (with_ctx, (1, given)), (with_more, (1, 3, "the config", "the writer")),
        (functools.partial(with_more, other=4), (1, 4, "the config", "the writer")),
        (Object(), (1, given)), (lambda: None, None),
    ]  # fmt: skip
    for function, found in bound[:-1]:
        assert program.bind(function)(1, given) == found  # type: ignore[arg-type]
    assert program.extra_parameters(bound[-1][0]) == {}
    assert program.extra_parameters(dict.fromkeys) == {}
    assert program.extra_parameters(type) == {}
    asked = (alone, later, functools.partial(later), Object(), len)
    assert [program.is_coroutine_function(one) for one in asked] == [
        False,
        True,
        True,
        False,
        False,
    ]


# Commands


def test_commands_are_compared_and_told_by_what_they_hold() -> None:
    one: Command[Any] = Command(update={"n": 1}, goto="a")

    assert (one == Command(update={"n": 1}, goto="a"), one == Command(update={"n": 1}), one == 1) == (True, False, False)  # fmt: skip
    assert repr(one) == "Command(update={'n': 1}, goto='a')"
    gotos: list[Any] = ["a", Send("a", 1), ["a", Send("b", 2)], ()]
    assert [Command(goto=goto).targets() for goto in gotos] == [
        ["a"], [Send("a", 1)], ["a", Send("b", 2)], [],
    ]  # fmt: skip
    handed: Command[Any] = Command(graph=Command.PARENT, update=1, goto="a", resume=2)
    own = handed.as_own()
    assert (own.graph, own.update, own.goto, own.resume) == (None, 1, "a", 2)
    sends = (
        Send("a", [1]),
        Send("a", [1]),
        Send("b", [1]),
        Send("a", [2]),
        Send("a", [1], timeout=3),
    )
    assert [sends[0] == other for other in (*sends[1:], "a")] == [True, False, False, False, False]
    assert (repr(sends[0]), hash(sends[0]) == hash(sends[1])) == ("Send(node='a', arg=[1])", True)
    with pytest.raises(ValueError, match="0"):
        Send("a", 1, timeout=0)
    with pytest.raises(TypeError):
        hash(one)
    drained, asked = GraphDrained("over"), GraphInterrupt([Interrupt(1)])
    assert (str(drained), drained.hint, asked.interrupts) == ("Drained: over. Go on with invoke(None, config).", "Go on with invoke(None, config).", (Interrupt(1),))  # fmt: skip
    assert GraphDrained().reason == "shutdown"
    assert (str(ParentCommand(one)) != "", ParentCommand(one).command) == (True, one)


@dataclass
class Other:
    n: int
    odd: int = 1


class Model(BaseModel):
    n: int = 1
    note: str | None = None
    odd: int = 2


def schema() -> Any:
    return StateGraph(State).add_node("a", lambda state: None).add_edge(START, "a").compile().schema


def test_what_a_node_returned_is_read_as_updates_and_ways() -> None:
    found: Any = functools.partial(updates.read_update, schema(), "a")

    assert found(None) == ([], [])
    assert found({"n": 1}) == ([{"n": 1}], [])
    assert found(Command(goto=["a", "b"])) == ([], ["a", "b"])
    assert found(Command(update=[("n", 1), ("n", 2)], goto="a")) == ([{"n": 1}, {"n": 2}], ["a"])
    assert found(Command(update=[{"n": 1}, {"n": 2}])) == ([{"n": 1}, {"n": 2}], [])
    assert found([{"n": 1}, Command(update={"n": 2}, goto="b"), None]) == ([{"n": 1}, {"n": 2}], ["b"])  # fmt: skip
    assert found((Other(3),)) == ([{"n": 3}], [])
    assert found(Model()) == ([{"n": 1}], [])
    assert found(Command(update=())) == ([], [])
    with pytest.raises(ParentCommand):
        found(Command(graph=Command.PARENT))
    for odd in (7, Send("a", 1), Command(graph="x"), [7], object()):
        with pytest.raises(InvalidUpdateError):
            found(odd)


def test_ways_are_found_by_name() -> None:
    plan: Any = SimpleNamespace(by_name={"a": 0, "b": 1})
    found = updates.ready_of(plan, "from", ["b", END, Send("a", 1), "a"])

    assert [one.arg if isinstance(one, Packet) else one for one in found] == [1, 1, 0]
    assert isinstance(found[1], Packet) and found[1].index == 0
    assert [one.index for one in updates.ready_of(plan, "from", [Send(END, 1)]) if isinstance(one, Packet)] == [-1]  # fmt: skip
    with pytest.raises(InvalidRouteError):
        updates.ready_of(plan, "from", ["c"])
    assert updates.in_order([1, Packet(0, "x"), -1, 0, 1])[:2] == [0, 1]
    assert bool(updates.Only([])) is True
    ctx: Any = SimpleNamespace(pushed=[{"n": 1}])
    assert updates.with_pushed(ctx, {"n": 2}) == [{"n": 1}, {"n": 2}]
    assert ctx.pushed is None
    assert [updates.with_pushed(ctx, given) for given in (None, [1], 2)] == [[], [1], [2]]
    state = {"n": 1, "log": ["x"]}
    same = schema()
    assert [updates.changed_by(same, state, given) for given in (None, {"n": 1}, [1], 7)] == [None, {"n": 1}, [1], 7]  # fmt: skip


# Visits


def test_where_routers_led_comes_back_with_what_they_read() -> None:
    plan = SimpleNamespace(nodes=[SimpleNamespace(name="a"), SimpleNamespace(name="b")], by_name={"a": 0, "b": 1})  # fmt: skip
    execution: Any = SimpleNamespace(program=plan)
    decided: Any = [
        (0, ("a", "x", {"n": 1, "log": Raw(pack(["y"]))}, None)), (-1, (END, "end", {}, "why")),
        (Packet(1, {"k": 1}), ("b", "sent", {}, None)),
    ]  # fmt: skip

    found = visits.unpack_ways(execution, visits.pack_ways(execution, decided))

    assert found[0][0] == 0 and found[0][1][:2] == ("a", "x")
    assert (found[0][1][2]["n"], bytes(found[0][1][2]["log"]), found[0][1][3]) == (1, pack(["y"]), None)  # fmt: skip
    assert found[1] == (-1, (END, "end", {}, "why"))
    packet = found[2][0]
    assert isinstance(packet, Packet)
    assert (packet.index, packet.arg, packet.timeout, found[2][1]) == (1, {"k": 1}, None, ("b", "sent", {}, None))  # fmt: skip


def test_what_is_known_of_a_task_is_kept_as_notes() -> None:
    one = Progress("a", answers=[1, [2]], memos={"m": 3})
    one.questions = ["q", "r"]

    notes = visits.progress_notes(one)
    assert [(kind, key, name) for kind, key, name, _ in notes] == [
        ("memo", "a", "m"), ("resume", "a", "q"), ("resume", "a", "r"),
    ]  # fmt: skip
    one.done = "kept"
    assert visits.progress_notes(one)[-1] == ("done", "a", "", "kept")
    assert visits.progress_notes(Progress("a")) == []
    assert Progress("a").done is NOT_DONE


# What is told


def a_sink(*modes: str, keys: Any = None, within: bool = False) -> Any:
    return sink.Sink(modes, SimpleNamespace(put=lambda item: None), keys, with_subgraphs=within)  # type: ignore[arg-type]


def test_a_reader_is_told_while_a_node_runs_where_its_modes_need_that() -> None:
    told = [
        (one.is_live, one.is_detailed) for one in map(a_sink, (*sorted(streaming.MODES), "none"))
    ]

    assert dict(zip((*sorted(streaming.MODES), "none"), told, strict=True)) == {
        "checkpoints": (False, True), "custom": (True, True), "debug": (False, True),
        "events": (False, False), "messages": (True, True), "none": (False, False),
        "tasks": (False, True), "tools": (True, True), "updates": (False, False),
        "values": (False, False),
    }  # fmt: skip
    assert a_sink("values", within=True).is_live
    child = a_sink("values", keys="n").child("a:1|b:2")
    assert (child.within, child.keys, child.modes) == (("a:1", "b:2"), None, frozenset({"values"}))


def test_the_keys_that_were_asked_for_are_picked() -> None:
    assert [sink.pick({"a": 1, "b": 2}, keys) for keys in (None, "a", "c", ["b", "c"])] == [
        {"a": 1, "b": 2}, 1, None, {"b": 2},
    ]  # fmt: skip
    assert sink.pick([1], "a") == [1]
    graph = SimpleNamespace(shown_key=None)
    execution: Any = SimpleNamespace(graph=graph)
    cases: list[tuple[Any, Any, bool]] = [
        (None, ["a"], True), (None, [], False), ("a", ["a"], True), ("a", ["b"], False),
        (["a", "b"], ["b"], True), (["a"], ["b"], False),
    ]  # fmt: skip
    assert [a_sink(keys=keys)._concerns(execution, written) for keys, written, _ in cases] == [
        found for _, _, found in cases
    ]
    graph.shown_key = "x"
    assert [a_sink()._concerns(execution, written) for written in (["x"], ["y"])] == [True, False]


def test_an_update_is_shown_by_the_keys_of_the_state() -> None:
    graph = SimpleNamespace(schema=schema(), shown_key=None)
    execution: Any = SimpleNamespace(graph=graph)

    def shown(returned: Any, keys: Any = None) -> Any:
        return a_sink("updates", keys=keys).shown_update(execution, returned)

    assert shown({"n": 1, "odd": 2}) == {"n": 1}
    assert (shown({"odd": 2}), shown(None), shown({"n": 1}, ["log"])) == (None, None, None)
    assert shown({"n": 1, "log": []}, "n") == {"n": 1, "log": []}
    assert shown([{"n": 1}, {"n": 2}]) == [{"n": 1}, {"n": 2}]
    assert shown([{"n": 1}, {"log": []}]) == {"n": 1, "log": []}
    graph.shown_key = "n"
    updates: list[Any] = [{"n": 1}, {"log": []}, [{"n": 1}, {"n": 2}]]
    assert [shown(one) for one in updates] == [1, None, [1, 2]]
    parent: Any = Command(graph=Command.PARENT)
    own: Any = Command()
    given: list[Any] = [parent, [None, parent], own, [own], None]
    assert [sink._is_handed_up(one) for one in given] == [True, True, False, False, False]


def test_a_stream_s_modes_are_checked() -> None:
    assert (streaming.check_modes("values"), streaming.check_modes(["values", "debug"])) == (("values",), ("values", "debug"))  # fmt: skip
    with pytest.raises(MalformedInputError, match="No stream mode 'value'") as raised:
        streaming.check_modes(["debug", "value"])
    assert raised.value.hint.endswith(f"Known: {', '.join(streaming.MODES)}.")


def test_tokens_are_told_where_they_are_wanted() -> None:
    put: list[Any] = []
    reads = SimpleNamespace(wants=lambda mode: mode == "messages", put=lambda *given: put.append(given), seen=set())  # fmt: skip
    execution = SimpleNamespace(output=reads)
    ctx: Any = SimpleNamespace(is_closed=False, config={}, execution=execution, full_config={"metadata": {"langgraph_checkpoint_ns": "a:1"}, "tags": ["t"]})  # fmt: skip

    assert tell_token(ctx, "hi", "m1") is True
    [(mode, (chunk, place))] = put
    assert (mode, chunk.content, chunk.id, reads.seen) == ("messages", "hi", "m1", {"m1"})
    assert place == {"langgraph_checkpoint_ns": "a:1", "checkpoint_ns": "a:1", "tags": ["t"]}
    assert tell_token(ctx, "", "m1") is False
    assert tell_token(None, "hi", "m1") is False
    ctx.config = {"tags": ["nostream"]}
    assert tell_token(ctx, "hi", "m1") is False
    ctx.config, ctx.is_closed = {"tags": None}, True
    assert tell_token(ctx, "hi", "m1") is False
    ctx.is_closed, execution.output = False, None
    assert tell_token(ctx, "hi", "m1") is False
    assert len(put) == 1
