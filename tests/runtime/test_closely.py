"""Source, states, names, tasks and questions: each condition by a case on either side of it."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, NotRequired, Required, TypedDict

import pytest
from pydantic import BaseModel, Field

from inwit import START, Command, StateGraph
from inwit.errors import (
    IncompleteStateError,
    InvalidAnswerError,
    InvalidNameError,
    InvalidSchemaError,
    InvalidStateError,
    InvalidUpdateError,
    OpenQuestionsError,
    UnserialisableError,
)
from inwit.runtime import interrupts, naming, progress
from inwit.runtime.checkpoints import Pending
from inwit.runtime.commands import Overwrite
from inwit.runtime.graph import _checked_name
from inwit.runtime.resume import Place
from inwit.runtime.source import read, tools_of
from inwit.runtime.state import ROOT, schema_of
from inwit.runtime.travel import NO_ANSWER, Travel, place_of


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


# What source says


def ask(value: Any) -> Any:
    return value


def deep_attribute(state: Any) -> Any:
    return {"x": ask(state).x, "y": state.a.b(state.c)}


def deep_key(state: Any) -> Any:
    return {"x": state[state["a"]]["b"], "y": state["c"][ask(state)]}


def deep_call(state: Any) -> Any:
    return {"x": ask(ask(state["a"])), "y": state.get("b", state["c"]), "z": state.get(*ask(1))}


def deep_compare(state: Any) -> Any:
    return {"x": "a" in state, "y": "b" not in state, "z": ask(1) in ask(state["c"])}


def compares_itself(state: Any) -> Any:
    return {"x": 1 in state, "y": state["b"] > "a"}


def returns_within(state: Any) -> str:
    def inner() -> Any:
        def deeper() -> Any:
            return {"inner": 1}

        return deeper()

    class Inner:
        def method(self) -> Any:
            return {"method": state["m"]}

    if inner() or Inner().method():
        return "a"
    return "b" if state["w"] else "a"


def returns_mixed(state: Any) -> Any:
    if state["a"]:
        return {"x": 1, **state["more"]}
    return made(y=state["b"], **state["c"]) if state["d"] else None


def made(**values: Any) -> Any:
    return values


def returns_calls(state: Any) -> Any:
    if state["a"]:
        return made()
    return True if state["b"] else "no"


def returns_nothing(state: Any) -> Any:
    if state["a"]:
        return
    return None


def copies(state: Any) -> Any:
    return {"x": state.copy(), "y": state.keys(), "z": state.model_dump()}


COMPUTED = "it reads a key that is computed"


@pytest.mark.parametrize(
    ("function", "reads", "unknown", "writes", "writes_unknown", "literal", "returns", "calls"),
    [
        (deep_attribute, "a c", "it hands the whole state on", "x y", "", "x y", None, "ask state.a.b"),
        (deep_key, "a c", COMPUTED, "x y", "", "x y", None, "ask"),
        (deep_call, "b a c", COMPUTED, "x y z", "", "x y z", None, "ask"),
        (deep_compare, "a b c", "", "x y z", "", "x y z", None, "ask"),
        (compares_itself, "b", "it hands the whole state on", "x y", "", "x y", None, ""),
        (returns_within, "m w", "", "", "", "", ("a", "b"), "deeper inner Inner Inner().method"),
        (returns_mixed, "a more b c d", "", "x y", "it returns a key that is computed", "x", None, "made"),
        (returns_calls, "a b", "", "", "it returns a value that is computed", "", None, "made"),
        (returns_nothing, "a", "", "", "", "", None, ""),
        (copies, "", "it takes the whole state by .copy()", "x y z", "", "x y z", None, ""),
    ],
)  # fmt: skip
def test_a_function_is_read_into_its_depths(
    function: Any, reads: str, unknown: str, writes: str, writes_unknown: str, literal: str,
    returns: Any, calls: str,
) -> None:  # fmt: skip
    found = read(function)

    assert (sorted(found.reads), found.reads_unknown) == (sorted(reads.split()), unknown)
    assert (found.writes, found.writes_unknown) == (tuple(writes.split()), writes_unknown)
    assert (found.literal, found.returns) == (tuple(literal.split()), returns)
    assert sorted(found.calls) == sorted(calls.split())


def uses_tools(ctx: Any, other: Any) -> Any:
    ctx.note("no_tool")
    ctx.tool()
    ctx.tool("search", 1)
    tool("free")
    ctx.tool(other.lookup)
    ctx.tool(other)
    ctx.tool(other[0])
    return ctx.tool(7)


def tool(name: str) -> str:
    return name


def test_tools_are_found_behind_what_is_none() -> None:
    assert tools_of(uses_tools) == ("search", "lookup", "other", "7")


# The state


@dataclass
class Trip:
    place: str
    days: int = 3
    notes: Annotated[list[str], operator.add] = field(default_factory=list)


class Order(BaseModel):
    item: str
    count: int = Field(default=1, description="how many")
    note: str | None = None
    log: Annotated[list[str], operator.add] = []


class Marked(TypedDict):
    a: Required[Annotated[int, max]]
    b: NotRequired[Annotated[str, "what is said"]]  # as a text, Python takes it for required
    c: Annotated[Sequence[str], lambda one, other: [*one, *other]]
    d: Annotated[Mapping[str, int], lambda one, other: {**one, **other}, "last"]
    e: Annotated[list[int], operator.iadd]


def test_the_keys_of_a_class_are_what_it_says() -> None:
    found = schema_of(Marked)

    assert [(one.name, one.type, one.is_required, one.description) for one in found.channels.values()] == [
        ("a", int, True, ""), ("b", str, True, "what is said"), ("c", Sequence[str], True, ""),
        ("d", Mapping[str, int], True, "last"), ("e", list[int], True, ""),
    ]  # fmt: skip
    assert [name for name, one in found.channels.items() if one.is_list] == ["e"]
    assert found.channels["e"].reducer is operator.add
    assert found.initial() == {"a": 0, "c": [], "d": {}, "e": []}
    assert (set(found.folded), set(found.shared)) == ({"a", "c", "d"}, {"a", "c", "d", "e"})
    assert (found.is_plain, schema_of(Plain).is_plain, schema_of(Trip).is_plain) == (False, True, False)  # fmt: skip
    assert (found.defaults, schema_of(Plain).defaults, schema_of(Trip).defaults) == (True, False, True)  # fmt: skip
    trip = schema_of(Trip).channels
    assert [(one.is_required, one.factory and one.factory()) for one in trip.values()] == [
        (True, None), (False, 3), (False, []),
    ]  # fmt: skip
    order = schema_of(Order).channels
    assert [(one.is_required, one.description) for one in order.values()] == [
        (True, ""), (False, "how many"), (False, ""), (False, ""),
    ]  # fmt: skip


class Plain(TypedDict, total=False):
    recipient: str
    n: int


@pytest.mark.parametrize(
    ("key", "is_refused"),
    [("recipent", True), ("Recipient", True), ("recip", False), ("other", False), ("nn", False)],
)
def test_a_key_that_is_almost_one_of_the_state_is_refused(key: str, is_refused: bool) -> None:
    schema = schema_of(Plain)
    if not is_refused:
        assert schema.parse({key: 1, "n": 2}) == {"n": 2}
        state: dict[str, Any] = {}
        assert schema.apply(state, {key: 1, "n": 2}) == state == {"n": 2}
        return

    with pytest.raises(InvalidStateError, match=f"The input has the key {key!r}") as raised:
        schema.parse({key: 1})
    assert "recipient" in raised.value.hint
    with pytest.raises(InvalidUpdateError, match=f"An update has the key {key!r}"):
        schema.apply({}, {key: 1})
    assert schema.parse({key: 1, "recipient": "ada"}) == {"recipient": "ada"}
    assert schema.as_langgraph().parse({key: 1}) == {}
    assert schema.as_langgraph().apply({}, {key: 1}) == {}
    assert not schema.is_lenient


def test_an_input_is_a_mapping_or_of_the_class() -> None:
    plain, trip, order = schema_of(Plain), schema_of(Trip), schema_of(Order)

    with pytest.raises(
        InvalidStateError, match=r"Expected dict, got 7: the input is a int"
    ) as raised:
        plain.parse(7)
    assert raised.value.hint == "Give a dict with keys of Plain: recipient, n."
    given = {"n": 1}
    assert plain.parse(given) == given and plain.parse(given) is not given
    assert trip.parse(Trip("x", 4)) == {"place": "x", "days": 4, "notes": []}
    assert trip.keys_of(7) is None
    assert order.parse(Order(item="a")) == {"item": "a", "count": 1, "log": []}
    assert order.parse(Order(item="a", note=None)) == {"item": "a", "count": 1, "note": None, "log": []}  # fmt: skip
    assert order.parse({"item": "a", "count": "2"}) == {"item": "a", "count": 2}
    assert order.as_langgraph().parse({"item": 7}) == {"item": 7}
    with pytest.raises(InvalidStateError, match=r"The input is no Order: count: Input should be"):
        order.parse({"item": "a", "count": "many"})
    with pytest.raises(
        InvalidUpdateError, match="'count' cannot be 'many': Input should be"
    ) as bad:
        order.apply({"item": "a"}, {"count": "many"})
    assert bad.value.hint == "Order says count: int."
    state: dict[str, Any] = {"item": "a", "log": ["x"]}
    assert order.apply(state, {"count": "2", "log": ["y"]})["count"] == 2
    assert state == {"item": "a", "log": ["x", "y"], "count": 2}


def test_a_state_that_lacks_a_key_is_told_of_as_its_class_would() -> None:
    with pytest.raises(IncompleteStateError, match=r"Trip cannot be made: .*'place'") as raised:
        schema_of(Trip).view({"days": 1})
    assert raised.value.hint == "Give the key in the input or a default."
    assert schema_of(Trip).view({"place": "x"}) == Trip("x")
    assert schema_of(Order).view({"item": 7}).item == 7
    with pytest.raises(ValueError, match="item"):
        schema_of(Order).as_langgraph().view({"item": 7})


def test_a_state_of_one_value_is_that_value() -> None:
    root = schema_of(list[int])

    assert (root.is_root, root.parse(7), root.view({}), root.view({ROOT: 3})) == (True, {ROOT: 7}, None, 3)  # fmt: skip
    given: list[Any] = [None, Command(), [Command()], [1], 0]
    assert [root.keys_of(one) for one in given] == [
        None, None, None, {ROOT: [1]}, {ROOT: 0},
    ]  # fmt: skip


def test_a_reducer_takes_two_values() -> None:
    def three(_one: Any, _two: Any, _three: Any) -> None: ...

    def single(_one: Any) -> None: ...

    def many(*values: Any) -> Any:
        return values

    for reducer, is_taken in ((three, False), (single, False), (many, True), (max, True)):
        named: Any = TypedDict("named", {"k": Annotated[int, reducer]})
        if is_taken:
            assert schema_of(named).channels["k"].reducer is reducer
            continue
        with pytest.raises(
            InvalidSchemaError, match=r"Invalid reducer of 'k': it takes [13] values"
        ):
            schema_of(named)


def test_a_reducer_that_refuses_is_named() -> None:
    schema = schema_of(Marked)

    with pytest.raises(InvalidUpdateError, match="The reducer of 'a' refused a str") as raised:
        schema.apply({"a": 1}, {"a": "x"})
    assert raised.value.hint == "It merges into a int."
    state: dict[str, Any] = {"a": 5}
    schema.apply(state, {"a": Overwrite(1), "b": Overwrite("t"), "e": [1]})
    assert state == {"a": 1, "b": "t", "e": [1]}
    with pytest.raises(UnserialisableError, match="b"):
        schema.apply(state, {"b": object()}, strict=True)
    assert schema.in_order({"b": 1, "a": 2}) == {"a": 2, "b": 1}
    assert list(schema.in_order({"b": 1, "a": 2})) == ["a", "b"]


# Names


@pytest.mark.parametrize(
    ("name", "is_node", "is_graph"),
    [
        ("a", True, True), ("a" * 100, True, True), ("a" * 101, False, True), ("a" * 200, False, True),
        ("a" * 201, False, False), ("", False, False), (" a", False, False), ("a b", True, False),
        ("a..b", False, False), ("a/b", False, False), ("a:b~c", False, True), ("-a", True, False),
        ("a\x7f", False, False), ("é", True, False),
    ],
)  # fmt: skip
def test_names_of_nodes_and_graphs_have_their_bounds(
    name: str, is_node: bool, is_graph: bool
) -> None:
    assert (naming.is_node_name(name), naming.is_graph_name(name)) == (is_node, is_graph)
    if is_graph:
        assert _checked_name(name) == name
    else:
        with pytest.raises(InvalidNameError) as raised:
            _checked_name(name)
        assert raised.value.hint == "Use letters, digits and _ . : -"


class Maker:
    def __init__(self) -> None:
        self.app = self._made()

    @staticmethod
    def _made() -> Any:
        return StateGraph(State).add_node("a", ask).add_edge(START, "a").compile()


def test_a_graph_without_a_name_has_that_of_its_place() -> None:
    names: dict[str, Any] = {"StateGraph": StateGraph, "State": State, "ask": ask, "__name__": "m"}
    exec(
        "g = StateGraph(State).add_node('a', ask).add_edge('__start__', 'a')\n"
        "app = g.compile()\nfound = [g.compile(), 1][0]\n"
        "class C:\n  def __init__(self):\n    self.app = g.compile()\n"
        "def f():\n  def inner():\n    return g.compile()\n  return inner()\n"
        "made, inner, late = C().app, f(), (lambda: g.compile())()\n",
        names,
    )

    found = [names[one].name for one in ("app", "found", "made", "inner", "late")]
    assert found == ["m.app", "m:3", "m.C", "m.inner", "m:11"]
    assert Maker().app.name.endswith("test_closely.Maker._made")


# Tasks


def test_tasks_are_named_the_same_in_every_process() -> None:
    assert progress.task_id("t", "n", "c", "k") == "91c7a9dcc812aa0a28647ba6dda0b7eb"
    assert len({progress.task_id(*one) for one in ("tnck", "tnkc", "ntck", "tcnk")}) == 4
    assert progress.task_id("\udc80", "", "", "")
    assert progress.in_step("a", 3) == "a:3"
    assert [progress.step_of_key(one) for one in ("a:3", "a", "a:b", "3", "a#1:12")] == [3, 0, 0, 0, 12]  # fmt: skip
    assert [progress.node_of_key(one) for one in ("a:3", "a", "a#1", "a#1:12")] == ["a"] * 4


def test_steps_of_one_name_are_numbered_and_begin_again() -> None:
    one = progress.Progress("a", memos={"x": 1})

    assert [one.step_key(name) for name in ("s", "s", "t", "s")] == ["s", "s#1", "t", "s#2"]
    one.asked = one.children = 3
    one.is_resumed = True
    one.rewind()

    assert (one.asked, one.children, one.is_resumed, one.step_key("s")) == (0, 0, False, "s")
    assert (one.key, one.visit, one.answers, one.memos) == ("a", 0, (), {"x": 1})
    assert one.done is progress.NOT_DONE
    assert progress.Progress("a").memos == {}


# Questions


def waiting(id_: str, schema: Any = None) -> interrupts.Waiting:
    return interrupts.Waiting(id=id_, value="?", schema=schema, ns="", task="a")


def test_answers_find_their_questions() -> None:
    one, two = "a" * 32, "0123456789abcdef" * 2
    number = {"type": "integer"}

    assert interrupts.match_answers([waiting(one)], 7) == {one: 7}
    assert interrupts.match_answers([], 7) == {}
    assert interrupts.match_answers([waiting(one), waiting(two)], {two: 1, "b" * 32: 2}) == {two: 1}
    assert interrupts.match_answers([waiting(one)], {"x": 1}) == {one: {"x": 1}}
    with pytest.raises(OpenQuestionsError):
        interrupts.match_answers([waiting(one), waiting(two)], 7)
    with pytest.raises(InvalidAnswerError):
        interrupts.match_answers([waiting(one, number)], "x")
    assert [interrupts.is_by_id(given) for given in (
        {}, {one: 1}, {one: 1, "x": 2}, {one[1:]: 1}, {f"{one}0": 1}, {"g" * 32: 1}, {7: 1}, one, None,
    )] == [False, True, *[False] * 7]  # fmt: skip


def test_a_question_waits_until_an_answer_follows_it() -> None:
    def row(kind: Any, key: str, value: Any = None) -> Any:
        return Pending(
            seq=1, kind=kind, task="a", key=key, value=value, execution_id="e", thread_id="t",
            ns="", checkpoint_id="c", ts_ns=0,
        )  # fmt: skip

    first, second = waiting("a" * 32), waiting("b" * 32, {"type": "string"})
    rows = [
        row("interrupt", first.id, first.frozen()), row("interrupt", second.id, second.frozen()),
        row("resume", first.id), row("done", second.id), row("resume", "none"),
    ]  # fmt: skip

    assert interrupts.still_waiting(rows[:1]) == [first]
    assert interrupts.still_waiting(rows) == [second]
    found = second.interrupt()
    assert (found.value, found.id, found.response_schema) == ("?", second.id, {"type": "string"})


def test_an_answer_is_made_what_its_schema_says() -> None:
    assert interrupts._as_type(None, "1") == interrupts._as_type({"type": "x"}, "1") == "1"
    assert interrupts._as_type(int, "1") == 1
    with pytest.raises(InvalidAnswerError, match="Input should be a valid integer"):
        interrupts._as_type(int, "x")
    assert interrupts.json_schema(int) == {"type": "integer"}
    assert interrupts.json_schema({"a": 1}) == {"a": 1}
    interrupts.check_answer(None, object())
    interrupts.check_answer({"type": "object"}, Order(item="a"))
    interrupts.check_answer({"type": "object"}, Trip("x"))
    interrupts.check_answer({"type": "array"}, [object])
    with pytest.raises(InvalidStateError, match=r"interrupt\(\) was called outside of a node"):
        interrupts.wait_for_answer("?", None)


# Travelling


def test_a_config_names_the_outermost_checkpoint_and_those_within() -> None:
    assert place_of({"checkpoint_id": "c"}) == ("c", {})
    assert place_of({}) == (None, {})
    named = {"checkpoint_ns": "a", "checkpoint_id": "c", "checkpoint_map": {"": "o", "b": "d"}}
    assert place_of(named) == ("o", {"a": "c", "b": "d"})
    assert place_of({"checkpoint_ns": "a"}) == (None, {})


def test_a_graph_within_begins_at_its_checkpoint_the_first_time() -> None:
    rows = [SimpleNamespace(checkpoint_id=name, ts_ns=ts) for name, ts in (("c3", 30), ("c2", 20), ("c1", 10))]  # fmt: skip
    saver: Any = SimpleNamespace(history=lambda _thread, ns: rows if ns == "a:1" else [])

    def pointed(travel: Travel, ns: str, **more: Any) -> Any:
        place = Place(thread_id="t", ns=ns, **more)
        travel.point(place, saver)
        return place.checkpoint_id, place.is_pinned, place.is_as_of

    travel = Travel({"a:1": "p"})
    assert [pointed(travel, ns) for ns in ("a:1", "a:2", "b:1")] == [
        ("p", True, False), (None, False, False), (None, False, False),
    ]  # fmt: skip
    travel = Travel({"b": "q"})
    travel.before_ns = 30
    assert pointed(travel, "a:1", is_lasting=True) == ("c2", False, True)
    assert pointed(travel, "a:2", is_lasting=True) == (None, False, False)
    assert pointed(travel, "c:1", is_lasting=True) == (None, False, True)
    assert pointed(travel, "d:1") == (None, False, False)
    assert [pointed(travel, "b")[:2] for _ in range(2)] == [("q", True), (None, False)]
    travel = Travel({})
    travel.answers = [1, 2]
    assert [travel.answer() for _ in range(3)] == [1, 2, NO_ANSWER]
