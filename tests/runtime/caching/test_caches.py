"""Caches: what is kept, for how long, and that nobody changes it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.cache.memory import InMemoryCache as TheirCache
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from inwit.errors import UnserialisableError
from inwit.runtime.caching import InMemoryCache
from inwit.runtime.caching.sqlite import SqliteCache

Make = Callable[..., InMemoryCache[Any] | SqliteCache[Any]]
A, B, C = (("n", "a"), "1"), (("n", "a"), "2"), (("n", "b"), "1")


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, project: Path) -> Make:
    return InMemoryCache if request.param == "memory" else SqliteCache


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_kept_is_found_and_is_the_readers_own(make: Make) -> None:
    cache = make()
    value = {"n": [1]}
    cache.set({A: (value, None), C: (None, None)})

    value["n"].append(2)
    cache.get([A])[A]["n"].append(3)

    assert cache.get([A, B, C]) == {A: {"n": [1]}, C: None}


def test_a_value_expires_after_its_seconds(make: Make) -> None:
    clock = Clock()
    cache = make(clock=clock)
    cache.set({A: ("short", 10), B: ("for ever", None)})

    clock.now += 9
    assert cache.get([A, B]) == {A: "short", B: "for ever"}
    clock.now += 1
    assert cache.get([A, B]) == {B: "for ever"}
    cache.set({A: ("again", 10)})
    assert cache.get([A]) == {A: "again"}


def test_clearing_forgets_some_namespaces_or_all(make: Make) -> None:
    cache = make()
    cache.set({A: (1, None), B: (2, None), C: (3, None)})

    cache.clear([("n", "a"), ("never",)])
    assert cache.get([A, B, C]) == {C: 3}
    cache.clear()
    assert cache.get([A, B, C]) == {}


@pytest.mark.anyio
async def test_the_async_methods_do_what_the_sync_ones_do(make: Make) -> None:
    cache = make()
    await cache.aset({A: (1, None), C: (3, 60)})

    assert await cache.aget([A, B, C]) == {A: 1, C: 3}
    await cache.aclear([("n", "a")])
    assert cache.get([A, C]) == {C: 3}


def test_a_value_that_cannot_be_kept_is_refused_by_its_type_and_never_pickled(make: Make) -> None:
    class Odd:
        def __reduce__(self) -> Any:
            raise AssertionError("it was pickled")

    with pytest.raises(UnserialisableError, match="Odd"):
        make().set({A: (Odd(), None)})


def test_pickled_bytes_are_only_bytes(make: Make) -> None:
    cache = make()
    cache.set({A: (pickle.dumps({"n": 1}), None)})

    assert isinstance(cache.get([A])[A], bytes)


def test_langgraphs_serializer_may_be_given(make: Make) -> None:
    cache = make(serde=JsonPlusSerializer())
    cache.set({A: ({"n": {1, 2}}, None)})

    assert cache.get([A]) == {A: {"n": {1, 2}}}


def test_a_file_is_shared_and_outlives_its_cache(project: Path) -> None:
    first: SqliteCache[int] = SqliteCache(project / "c.db")
    first.set({A: (1, None)})

    second: SqliteCache[int] = SqliteCache(project / "c.db")
    assert second.get([A]) == {A: 1}


def test_the_cache_answers_as_langgraphs_does() -> None:
    ours, theirs = InMemoryCache[Any](), TheirCache[Any]()
    for cache in (ours, theirs):
        cache.set({A: ([1, "x"], None), B: ({"k": 2.5}, 60), C: (None, None)})
        cache.clear([("n", "b")])

    assert ours.get([A, B, C]) == theirs.get([A, B, C])
    assert ours.get([]) == theirs.get([]) == {}
