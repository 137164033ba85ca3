"""Contents and the state that is followed through patches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from inwit.self_improve.contents import StateTrail, content_of


def test_equal_values_have_equal_contents_whatever_the_order_of_their_keys() -> None:
    assert content_of({"a": 1, "b": [2]}) == content_of({"b": [2], "a": 1})
    assert content_of({"a": 1}) != content_of({"a": True})
    assert content_of([1]) != content_of(["1"])


def test_values_without_a_json_form_have_a_content() -> None:
    loop: list[Any] = []
    loop.append(loop)

    assert content_of({"at": datetime(2026, 1, 1, tzinfo=UTC)}).size_bytes > 0
    assert content_of(float("nan")) == content_of(float("nan"))
    assert content_of(object).digest
    assert content_of(loop).digest


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ([{"op": "add", "path": "/b", "value": 2}], {"a": [1], "b": 2}),
        ([{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ([{"op": "add", "path": "/c/-", "value": 2}], {"a": [1], "c": [2]}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1]}),
        ([{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9]}),
        ([{"op": "remove", "path": "/a"}], {}),
        ([{"op": "add", "path": "/x~1y~0", "value": 1}], {"a": [1], "x/y~": 1}),
    ],
)
def test_a_followed_state_is_what_the_patch_makes_of_it(patch: Any, after: Any) -> None:
    trail = StateTrail({"a": [1]})

    trail.apply(patch)

    assert trail.is_known
    assert trail.content(None) == StateTrail(after).content(None)


def test_a_patch_that_does_not_fit_makes_the_state_unknown() -> None:
    for patch in (
        {"op": "remove", "path": "/none"},
        {"op": "move", "path": "/a", "from": "/b"},
        {"op": "replace", "path": "/a/7", "value": 1},
        {"op": "add", "path": "", "value": {}},
    ):
        trail = StateTrail({"a": [1]})

        trail.apply([patch])

        assert not trail.is_known


def test_following_a_state_leaves_the_given_one_as_it_was() -> None:
    given = {"a": [1]}

    StateTrail(given).apply([{"op": "add", "path": "/a/-", "value": 2}])

    assert given == {"a": [1]}
