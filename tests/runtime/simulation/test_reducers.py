"""Every reducer beside a slow one that is obviously right, alone, kept in pieces and side by side."""

from __future__ import annotations

import asyncio
import copy
import itertools
import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inwit import START, Overwrite, StateGraph
from inwit.errors import InvalidMessageError
from inwit.runtime.checkpoints import join_updates
from inwit.runtime.checkpoints.snapshots import apply_update
from inwit.runtime.messages import (
    REMOVE_ALL_MESSAGES,
    AIMessage,
    HumanMessage,
    RemoveMessage,
    add_messages,
)
from inwit.runtime.messages.merge import merge
from inwit.runtime.state import schema_of
from tests.runtime.simulation import virtual

Update = dict[str, Any]


class State(TypedDict, total=False):
    plain: Any
    log: Annotated[list[int], operator.add]
    grown: Annotated[list[int], operator.iadd]
    pair: Annotated[tuple[int, ...], operator.add]
    text: Annotated[str, operator.add]
    total: Annotated[int, operator.add]
    best: Annotated[int, max]
    least: Annotated[int, min]
    votes: Annotated[dict[str, int], operator.or_]
    seen: Annotated[set[int], operator.or_]


SCHEMA = schema_of(State)
NUMBERS = st.integers(-9, 9)
LISTS = st.lists(NUMBERS, max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "plain": st.one_of(NUMBERS, LISTS, st.none()),
    "log": LISTS,
    "grown": LISTS,
    "pair": LISTS.map(tuple),
    "text": st.text("ab", max_size=3),
    "total": NUMBERS,
    "best": NUMBERS,
    "least": NUMBERS,
    "votes": st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3),
    "seen": st.sets(NUMBERS, max_size=3),
}
COMMUTING = ("total", "best", "least", "seen")
"""Keys that end alike in whatever order they are written."""
UPDATES = st.lists(st.fixed_dictionaries({}, optional=VALUES), max_size=6)
OVERWRITING = st.fixed_dictionaries(
    {}, optional={key: st.one_of(one, one.map(Overwrite)) for key, one in VALUES.items()}
)
quickly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def slowly(key: str, old: Any, new: Any) -> Any:
    """What each reducer means, said with loops."""
    if isinstance(new, Overwrite):
        return new.value
    if key in ("log", "grown"):
        return [one for part in (old, new) for one in part]
    if key == "pair":
        return tuple(one for part in (old, new) for one in part)
    if key == "text":
        return f"{old}{new}"
    if key == "total":
        return sum([old, new])
    if key in ("best", "least"):
        return sorted([old, new])[-1 if key == "best" else 0]
    if key == "votes":
        return {name: new.get(name, old.get(name)) for name in [*old, *new]}
    return {*old, *new} if key == "seen" else new


def merged_slowly(updates: Sequence[Update]) -> Update:
    state = SCHEMA.initial()
    for update in updates:
        for key, value in update.items():
            state[key] = slowly(key, state.get(key), value)
    return state


def merged(updates: Sequence[Update]) -> tuple[Update, list[Update]]:
    """The state after updates, and each as it is recorded."""
    state = SCHEMA.initial()
    return state, [SCHEMA.apply(state, update, strict=True) for update in updates]


@quickly
@given(st.lists(OVERWRITING, max_size=6))
def test_updates_are_merged_as_their_reducers_mean_it(updates: list[Update]) -> None:
    assert merged(updates)[0] == merged_slowly(updates)


@quickly
@given(st.lists(OVERWRITING, max_size=6))
def test_what_is_recorded_of_updates_gives_the_state_again(updates: list[Update]) -> None:
    state, recorded = merged(updates)
    again = SCHEMA.initial()

    for one in recorded:
        apply_update(again, one)

    assert again == state


@quickly
@given(st.lists(OVERWRITING, max_size=6), st.data())
def test_updates_recorded_together_say_what_they_say_apart(
    updates: list[Update], data: st.DataObject
) -> None:
    """A checkpoint joins what the nodes of its step wrote: wherever steps begin, it is the same."""
    state, recorded = merged(updates)
    cut = data.draw(st.integers(0, len(recorded)))
    again = SCHEMA.initial()

    for part in (recorded[:cut], recorded[cut:]):
        apply_update(again, join_updates(part))

    assert again == state


@quickly
@given(UPDATES, UPDATES)
def test_a_merge_changes_neither_an_update_nor_what_was_there(
    before: list[Update], after: list[Update]
) -> None:
    state, _ = merged(before)
    seen, kept = state.copy(), copy.deepcopy(state)
    given_, shown = [*before, *after], copy.deepcopy([*before, *after])

    for update in after:
        SCHEMA.apply(state, update)

    assert seen == kept
    assert given_ == shown


@quickly
@given(st.lists(st.fixed_dictionaries({}, optional={k: VALUES[k] for k in COMMUTING}), max_size=4))
def test_sums_extremes_and_sets_are_the_same_in_every_order(updates: list[Update]) -> None:
    ends = [merged(one)[0] for one in itertools.permutations(updates)]

    assert all(one == ends[0] for one in ends)


@settings(quickly, max_examples=40)
@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), min_size=2, max_size=4), st.data())
@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
def test_branches_merge_in_the_order_of_their_names_whoever_is_faster(
    scheduling: Any, updates: list[Update], data: st.DataObject
) -> None:
    writers = sum("plain" in update for update in updates)
    assume(writers < 2)
    graph: Any = StateGraph(State)
    for number, update in enumerate(updates):
        graph.add_node(f"n{number}", later(update, data.draw(st.floats(0, 1))))
        graph.add_edge(START, f"n{number}")
    app = graph.compile(name="branches", scheduling=scheduling, validate=False)

    found = virtual.run(app.ainvoke({}))

    assert {**SCHEMA.initial(), **found} == merged_slowly(updates)


def later(update: Update, seconds: float) -> Any:
    async def node(state: State) -> Update:
        await asyncio.sleep(seconds)
        return update

    return node


IDS = st.sampled_from("123456")
MESSAGES = st.one_of(
    st.builds(HumanMessage, st.text("xy", max_size=2), id=IDS),
    st.builds(AIMessage, st.text("xy", max_size=2), id=IDS),
)
CHANGES = st.lists(
    st.one_of(
        MESSAGES,
        MESSAGES,
        st.builds(RemoveMessage, id=IDS),
        st.just(REMOVE_ALL_MESSAGES).map(lambda name: RemoveMessage(id=name)),
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    "kind",
    [
        Overwrite,
        lambda value: {"__overwrite__": value},
        lambda value: {"type": "__overwrite__", "value": value},
    ],
)
def test_what_overwrites_may_come_as_json_leaves_it(kind: Any) -> None:
    assert merged([{"log": [1]}, {"log": kind([2])}, {"log": [3]}])[0]["log"] == [2, 3]


def conversation(messages: Sequence[Any]) -> list[Any]:
    """Messages of which no two have one id."""
    return list({one.id: one for one in messages}.values())


def merged_messages_slowly(left: list[Any], right: list[Any]) -> list[Any] | None:
    """What `add_messages` gives; None where it refuses."""
    for at in reversed(range(len(right))):
        if right[at].id == REMOVE_ALL_MESSAGES:
            return right[at + 1 :]
    places: list[list[Any]] = [[one] for one in left]
    for new in right:
        same = [place for place in places if place[0].id == new.id]
        if same:
            same[0].append(new)
        elif new.type == "remove":
            return None
        else:
            places.append([new])
    return [place[-1] for place in places if place[-1].type != "remove"]


@quickly
@given(st.lists(MESSAGES, max_size=4).map(conversation), CHANGES)
def test_messages_are_merged_as_their_ids_say(left: list[Any], right: list[Any]) -> None:
    wanted = merged_messages_slowly(left, right)
    before = copy.deepcopy([left, right])

    if wanted is None:
        with pytest.raises(InvalidMessageError):
            add_messages(left, right)
    else:
        assert add_messages(left, right) == wanted
    assert [left, right] == before


@quickly
@given(st.lists(MESSAGES, max_size=4).map(conversation), CHANGES)
def test_what_messages_were_appended_is_said_only_where_nothing_else_changed(
    left: list[Any], right: list[Any]
) -> None:
    assume(merged_messages_slowly(left, right) is not None)

    found, appended = merge(left, right)

    assert appended is None or found == left + appended
    if not {one.id for one in right} & {one.id for one in left} and all(
        one.type != "remove" for one in right
    ):
        assert appended is not None


@quickly
@given(
    st.lists(MESSAGES, max_size=4).map(conversation),
    st.lists(MESSAGES, max_size=4), st.lists(MESSAGES, max_size=4),
)  # fmt: skip
def test_messages_that_come_together_end_as_those_that_come_one_after_another(
    left: list[Any], first: list[Any], second: list[Any]
) -> None:
    assert add_messages(add_messages(left, first), second) == add_messages(left, first + second)
