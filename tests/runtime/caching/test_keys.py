"""Keys of cached results: equal for equal inputs in every process, others for other code."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inwit.errors import UnserialisableError
from inwit.runtime.caching import CachePolicy
from inwit.runtime.caching.keys import canonical, identity

PROGRAM = """
from dataclasses import dataclass
from inwit.runtime.caching import CachePolicy
from inwit.runtime.caching.calls import namespace_of

@dataclass
class Point:
    tags: set

def node(state):
    return {"n": state["n"] in {"one", "two", "three", "four"}}

given = {"b": {"x", "y", "z", 7, None}, "a": [Point({"p", "q", "r"}), (1, 1.0, True)]}
print(CachePolicy().key_of(given), namespace_of("node", node))
"""


def test_keys_are_the_same_in_every_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip

    assert len(told) == 1


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), ("1", 1), ([1, 2], [2, 1]), ([1], (1,)), ({"a": 1}, {"a": 2}),
        (None, "None"), ({"a": None}, {}), (b"a", "a"), ([[1], 2], [1, [2]]), ({1}, [1]),
        (Point(1), Point(2)), (Point(1), {"x": 1}), (Point(1), ["Point", {"x": 1}]),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        (["dict"], {}), ({"ab": "c"}, {"a": "bc"}), ({1: "a"}, {"1": "a"}),
    ],
)  # fmt: skip
def test_different_inputs_have_different_keys(one: Any, other: Any) -> None:
    assert CachePolicy().key_of(one) != CachePolicy().key_of(other)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))

    assert canonical(value) == canonical(backwards)


def test_an_input_that_cannot_be_kept_is_refused_by_its_type() -> None:
    with pytest.raises(UnserialisableError, match="object"):
        CachePolicy().key_of({"client": object()})


def test_a_key_function_gives_a_string_or_bytes() -> None:
    by_name = CachePolicy(key_func=lambda state: state["name"])

    assert by_name.key_of({"name": "ada", "at": object()}) == by_name.key_of({"name": "ada"})
    assert by_name.key_of({"name": "ada"}) == by_name.key_of({"name": b"ada"})
    with pytest.raises(TypeError, match="7"):
        by_name.key_of({"name": 7})


def times(factor: int) -> Callable[[int], int]:
    def node(value: int) -> int:
        return value * factor

    return node


def plus(value: int, *, amount: int = 1) -> int:
    return value + amount


class Adder:
    def __init__(self, amount: int) -> None:
        self.amount = amount
        self.calls: list[object] = []

    def __call__(self, value: int) -> int:
        return value + self.amount

    def add(self, value: int) -> int:
        return value + self.amount


def test_functions_that_do_different_things_are_different() -> None:
    found = [
        times(2), times(3), plus, functools.partial(plus, amount=2),
        functools.partial(plus, amount=3), lambda value: value + 1, lambda value: value + 2,
        Adder(1), Adder(1).add,
    ]  # fmt: skip

    assert len({identity(one) for one in found}) == len(found)
    assert identity(times(2)) == identity(times(2))
    assert identity(functools.partial(plus, amount=2)) == identity(
        functools.partial(plus, amount=2)
    )
    assert identity(Adder(1)) == identity(Adder(1))
