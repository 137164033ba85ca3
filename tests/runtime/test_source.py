"""What a function's source says about the state: keys read and written, answers, calls."""

from __future__ import annotations

from typing import Any

import pytest

from inwit.runtime.source import Reading, read, tools_of

State = dict[str, Any]


def helper(state: State) -> State:
    return state


def by_key(state: State) -> State:
    return {"total": state["first"] + state.get("second", 0) + state.pop("third")}


def by_computed_key(state: State) -> State:
    key = "a" + "b"
    return {key: state[key]}


def by_computed_get(state: State) -> State:
    return {"x": state.get(str(1))}


def by_attribute(state: Any) -> State:
    return {"x": state.first, "y": state.second}


def whole(state: State) -> State:
    return helper(state)


def whole_by_items(state: State) -> State:
    return {"n": len(state.items())}


def asks_in(state: State) -> str:
    return "yes" if "first" in state else "no"


def of_nothing() -> State:
    return {"x": 1}


def with_inner(state: State) -> State:
    def inner() -> str:
        return "inner"

    async def later() -> str:
        return "later"

    return {"x": inner(), "y": later.__name__, "z": state["z"]}


def made(state: State) -> State:
    return dict(left=state["left"], right=1)  # noqa: C408 - how updates are written, too


def either(state: State) -> State | None:
    return {"a": 1} if state["way"] else {"b": 2}


def nothing(state: State) -> None:
    return None


class Methods:
    def node(self, state: State) -> State:
        return {"x": state["y"]}


WHOLE = "it hands the whole state on"
COMPUTED = "it reads a key that is computed"


@pytest.mark.parametrize(
    ("function", "reads", "unknown", "writes", "writes_unknown", "returns"),
    [
        (by_key, ("first", "second", "third"), "", ("total",), "", None),
        (by_computed_key, (), COMPUTED, (), "it returns a key that is computed", None),
        (by_computed_get, (), COMPUTED, ("x",), "", None),
        (by_attribute, ("first", "second"), "", ("x", "y"), "", None),
        (whole, (), WHOLE, (), "it returns a value that is computed", None),
        (whole_by_items, (), "it takes the whole state by .items()", ("n",), "", None),
        (asks_in, ("first",), "", (), "", ("yes", "no")),
        (of_nothing, (), "it takes no state", (), "", None),
        (with_inner, ("z",), "", ("x", "y", "z"), "", None),
        (made, ("left",), "", ("left", "right"), "", None),
        (either, ("way",), "", ("a", "b"), "", None),
        (nothing, (), "", (), "", None),
        (Methods().node, ("y",), "", ("x",), "", None),
        (len, (), "it has no Python source", (), "it has no Python source", None),
    ],
)
def test_a_functions_source_says_what_it_reads_writes_and_answers(
    function: Any, reads: Any, unknown: str, writes: Any, writes_unknown: str, returns: Any
) -> None:
    found = read(function)

    assert (found.reads, found.reads_unknown) == (reads, unknown)
    assert (found.writes, found.writes_unknown) == (writes, writes_unknown)
    assert found.returns == returns


def test_what_was_made_by_exec_has_no_source_at_hand() -> None:
    names: dict[str, Any] = {}
    exec("def made(state): return {}", names)

    found = read(names["made"])

    assert found == Reading(
        reads_unknown="its source is not at hand", writes_unknown="its source is not at hand"
    )


class Chain:
    """What is written as one long expression, as graphs often are."""

    def __init__(self) -> None:
        self.functions: list[Any] = []

    def add(self, name: str, function: Any) -> Chain:
        self.functions.append(function)
        return self


def test_a_lambda_within_a_longer_expression_is_read() -> None:
    made = (
        Chain()
        .add("first", lambda state: {"a": state["b"]})
        .add("second", lambda state: "yes" if state["c"] else "no")
    )

    first, second = map(read, made.functions)

    assert (first.reads, first.writes) == (("b",), ("a",))
    assert (second.reads, second.returns) == (("c",), ("yes", "no"))


def test_two_lambdas_on_one_line_are_not_told_apart() -> None:
    one, two = (lambda state: {"a": state["b"]}), (lambda state: {"c": state["d"]})

    assert read(one) == read(two)
    assert read(one).reads_unknown == "its source is not at hand"


def test_calls_are_named_and_builtins_have_no_tools() -> None:
    assert read(whole).calls == ("helper",)
    assert tools_of(len) == ()
