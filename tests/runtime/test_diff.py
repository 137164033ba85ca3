import json
import operator
from contextlib import suppress
from typing import Annotated, Any, TypedDict

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inwit
from inwit import END, START, StateGraph
from inwit.errors import UndiffableError, UnknownExecutionError
from inwit.runtime.diff import PathChange, Side, between
from inwit.runtime.patches import patch_between

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


class State(TypedDict, total=False):
    n: int
    token: str
    log: Annotated[list[str], operator.add]


def counting() -> Any:
    def count(state: State) -> State:
        if state["n"] > 9:
            raise ValueError("too many")
        return {"n": state["n"] - 1, "log": [f"at {state['n']}"]}

    graph = StateGraph(State).add_node("count", count).add_node("rest", lambda state: {"log": []})
    graph.add_edge(START, "count")
    graph.add_conditional_edges(
        "count", lambda state: state["n"] > 0, {True: "count", False: "rest"}
    )
    return graph.add_edge("rest", END).compile(name="counting")


def ran(app: Any, state: State) -> str:
    with suppress(ValueError):
        app.invoke(state)
    return str(app.last_execution_id)


@given(VALUES, VALUES)
def test_a_patch_makes_the_second_value_of_the_first(before, after) -> None:
    made = jsonpatch.apply_patch(before, patch_between(before, after))

    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert patch_between(after, json.loads(json.dumps(after))) == []


def test_a_number_is_no_truth() -> None:
    assert patch_between({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]


def test_equal_executions_do_not_differ(project) -> None:
    app = counting()

    found = inwit.diff(ran(app, {"n": 2}), ran(app, {"n": 2}))

    assert found.is_same


def test_a_longer_path_is_told_with_its_visits_and_state(project) -> None:
    app = counting()

    found = inwit.diff(ran(app, {"n": 1}), ran(app, {"n": 2}))

    assert found.visits == {"count": (1, 2)}
    assert [(change.before, change.after) for change in found.path] == [((), ("count",))]
    assert found.changed == ("log",)
    assert found.state == [{"op": "add", "path": "/log/0", "value": "at 2"}]
    assert found.output == found.state


def test_what_differs_of_two_long_paths_is_told_alone() -> None:
    around = ("count",) * 150
    one = Side(id="one", state={}, path=(*around, "rest", *around))
    two = Side(id="two", state={}, path=(*around, "work", *around))

    found = between(one, two)

    assert found.path == (PathChange(step=151, before=("rest",), after=("work",)),)


def test_a_failure_is_a_difference(project) -> None:
    app = counting()

    found = inwit.diff(ran(app, {"n": 1}), ran(app, {"n": 10}))

    assert found.status == ("completed", "failed")
    assert found.error == ("", "ValueError: too many")


def test_secrets_are_compared_and_not_shown(project) -> None:
    app = counting()
    one, two = ran(app, {"n": 1, "token": "sk-one"}), ran(app, {"n": 1, "token": "sk-two"})

    same, other = inwit.diff(one, ran(app, {"n": 1, "token": "sk-one"})), inwit.diff(one, two)

    assert same.is_same
    assert other.changed == ("token",)
    assert "sk-two" not in str(other)


def test_two_checkpoints_are_compared_by_their_content() -> None:
    app = counting()
    app.invoke({"n": 2}, thread_id="t")
    *_, first = app.get_state_history({"configurable": {"thread_id": "t"}})
    last = app.get_state({"configurable": {"thread_id": "t"}})

    found = inwit.diff(first, last)

    assert set(found.changed) == {"n", "log"}
    assert found.after == last.config["configurable"]["checkpoint_id"]
    assert inwit.diff({"a": [1]}, {"a": [1]}).is_same


def test_what_cannot_be_compared_is_refused(project) -> None:
    with pytest.raises(UndiffableError, match="int"):
        inwit.diff(1, 2)
    with pytest.raises(UnknownExecutionError):
        inwit.diff("0123456789abcdef", "0123456789abcdef")
