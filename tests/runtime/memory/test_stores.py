"""Long-term memory: what is put is found again, by key, by value and by meaning."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp as TheirGetOp
from langgraph.store.base import PutOp as TheirPutOp
from langgraph.store.base import SearchOp as TheirSearchOp
from langgraph.store.base import get_text_at_path as their_text_at_path
from langgraph.store.base import tokenize_path as their_tokenize_path
from langgraph.store.memory import InMemoryStore as TheirStore

from inwit.errors import EmbeddingError, InvalidNamespaceError, UnserialisableError
from inwit.runtime.memory import BaseStore, InMemoryStore
from inwit.runtime.memory.items import (
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from inwit.runtime.memory.matching import get_text_at_path, matches, passes, tokenize_path
from inwit.runtime.memory.meaning import ensure_embeddings, likeness
from inwit.runtime.memory.sqlite import SqliteStore

Make = Callable[..., InMemoryStore | SqliteStore]


@pytest.fixture(params=["memory", "file", "project"])
def make(request: pytest.FixtureRequest, project: Path) -> Make:
    """Makes a store of one kind; those on disk share what they hold."""
    if request.param == "memory":
        return InMemoryStore
    path = None if request.param == "project" else project / "memory.db"
    return lambda **options: SqliteStore(path, **options)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def letters(texts: list[str]) -> list[list[float]]:
    """Vectors that count letters: texts of like letters are alike."""
    return [[float(text.count(sign)) for sign in "abcdefgh"] for text in texts]


async def aletters(texts: list[str]) -> list[list[float]]:
    await anyio.lowlevel.checkpoint()
    return letters(texts)


def test_a_value_is_given_back_as_a_copy_that_is_the_readers_own(make: Make) -> None:
    store = make()
    value = {"tea": ["green"]}
    store.put(("users", "ada"), "likes", value)

    value["tea"].append("changed by the writer")
    first = store.get(("users", "ada"), "likes")
    assert first is not None
    first.value["tea"].append("changed by a reader")

    again = store.get(("users", "ada"), "likes")
    assert again is not None
    assert again.value == {"tea": ["green"]}
    assert (again.namespace, again.key) == (("users", "ada"), "likes")


def test_a_value_put_again_keeps_when_it_was_created(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(("a",), "k", {"n": 1})
    clock.now += 60
    store.put(("a",), "k", {"n": 2})

    item = store.get(("a",), "k")
    assert item is not None
    assert item.value == {"n": 2}
    assert (item.updated_at - item.created_at).total_seconds() == 60


def test_what_is_deleted_is_gone_and_so_is_its_empty_namespace(make: Make) -> None:
    store = make(index={"dims": 8, "embed": letters})
    store.put(("a", "b"), "k", {"text": "abba"})
    store.delete(("a", "b"), "k")
    store.delete(("a", "b"), "never there")

    assert store.get(("a", "b"), "k") is None
    assert store.list_namespaces() == []
    assert store.search((), query="abba") == []


def test_a_namespace_is_no_prefix_of_one_that_only_begins_like_it(make: Make) -> None:
    store = make()
    store.put(("user",), "k", {"n": 1})
    store.put(("users",), "k", {"n": 2})
    store.put(("user", "ada"), "k", {"n": 3})
    store.put(("user", "ÿ\uffff"), "k", {"n": 4})

    assert [found.value["n"] for found in store.search(("user",))] == [1, 3, 4]


@pytest.mark.parametrize(
    "namespace", [(), ("a.b",), ("a", ""), (7,), ("langgraph", "x"), ("a", "b\0c")]
)
@pytest.mark.anyio
async def test_a_namespace_that_cannot_be_is_refused(make: Make, namespace: Any) -> None:
    store = make()
    with pytest.raises(InvalidNamespaceError):
        store.put(namespace, "k", {})
    with pytest.raises(ValueError, match="namespace"):
        await store.aput(namespace, "k", {})

    assert store.search(()) == []


def test_a_value_of_an_unknown_type_is_refused_by_name_and_nothing_is_put(make: Make) -> None:
    store = make()
    with pytest.raises(UnserialisableError, match="object"):
        store.batch([PutOp(("a",), "one", {"n": 1}), PutOp(("a",), "two", {"it": object()})])

    assert store.get(("a",), "two") is None


def test_a_batch_reads_what_was_there_before_it_and_its_last_put_counts(make: Make) -> None:
    store = make()
    store.put(("a",), "k", {"n": 1})

    results = store.batch([
        PutOp(("a",), "k", {"n": 2}), GetOp(("a",), "k"), PutOp(("a",), "k", {"n": 3}),
        SearchOp(("a",)), ListNamespacesOp((MatchCondition("prefix", ("a",)),)),
    ])  # fmt: skip

    assert results[0] is None and results[2] is None
    assert results[1].value == {"n": 1}  # type: ignore[union-attr]
    assert [item.value for item in results[3]] == [{"n": 1}]  # type: ignore[union-attr]
    assert results[4] == [("a",)]
    assert store.get(("a",), "k").value == {"n": 3}  # type: ignore[union-attr]


def test_an_operation_that_is_none_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="str"):
        make().batch(["get"])  # type: ignore[list-item]


@pytest.mark.anyio
async def test_the_async_methods_do_what_the_sync_ones_do(make: Make) -> None:
    store = make(index={"dims": 8, "embed": aletters})
    await store.aput(("a", "b"), "one", {"text": "aaab"})
    await store.aput(("a", "c"), "two", {"text": "hhh"})

    assert [item.key for item in await store.asearch(("a",), query="aa", limit=1)] == ["one"]
    assert (await store.aget(("a", "c"), "two")).value == {"text": "hhh"}  # type: ignore[union-attr]
    assert await store.alist_namespaces(suffix=("c",)) == [("a", "c")]
    await store.adelete(("a", "c"), "two")
    assert await store.aget(("a", "c"), "two") is None
    with pytest.raises(EmbeddingError, match="async"):
        store.put(("a",), "k", {"text": "x"})


def test_values_expire_and_reading_makes_them_last(make: Make) -> None:
    clock = Clock()
    store = make(ttl={"default_ttl": 1}, clock=clock)
    store.put(("a",), "read", {"n": 1})
    store.put(("a",), "unread", {"n": 2})
    store.put(("a",), "forever", {"n": 3}, ttl=None)

    clock.now += 45
    store.get(("a",), "read")
    store.get(("a",), "unread", refresh_ttl=False)
    clock.now += 45

    assert [item.key for item in store.search(("a",), refresh_ttl=False)] == ["read", "forever"]
    assert store.get(("a",), "unread") is None
    assert store.sweep_ttl() == 1
    clock.now += 61
    store.put(("b",), "k", {})
    assert store.list_namespaces() == [("a",), ("b",)]
    assert store.sweep_ttl() == 0, "putting swept what had expired"


def test_a_search_moves_the_expiry_of_what_it_gave_only(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    for number in range(3):
        store.put(("a",), str(number), {"n": number}, ttl=1)

    clock.now += 50
    assert len(store.search(("a",), filter={"n": {"$gte": 2}})) == 1
    clock.now += 50

    assert [item.key for item in store.search(("a",))] == ["2"]


def test_what_has_expired_and_is_put_again_is_new(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(("a",), "k", {"n": 1}, ttl=1)
    clock.now += 120
    store.put(("a",), "k", {"n": 2})

    item = store.get(("a",), "k")
    assert item is not None
    assert item.created_at == item.updated_at


def test_a_store_without_expiry_says_so() -> None:
    class Eternal(BaseStore):
        def batch(self, ops: Any) -> list[Any]:
            return [None for _ in ops]

        async def abatch(self, ops: Any) -> list[Any]:
            return self.batch(ops)

    with pytest.raises(NotImplementedError, match="Eternal"):
        Eternal().put(("a",), "k", {}, ttl=3)
    Eternal().put(("a",), "k", {}, ttl=None)


def test_the_likest_text_of_a_value_decides_and_values_without_text_come_last(make: Make) -> None:
    store = make(index={"dims": 8, "embed": letters, "fields": ["title", "notes[*].text"]})
    store.put(("d",), "none", {"other": "abc"})
    store.put(("d",), "far", {"title": "hhhh"})
    store.put(("d",), "note", {"title": "hhh", "notes": [{"text": "c"}, {"text": "aaaa"}]})
    store.put(("d",), "near", {"title": "aab"})
    store.put(("d",), "hidden", {"title": "aaaa"}, index=False)

    found = store.search(("d",), query="aaaa")

    assert [item.key for item in found] == ["note", "near", "far", "none", "hidden"]
    assert found[0].score == pytest.approx(1.0)
    assert found[3].score is None
    page = store.search(("d",), query="aaaa", offset=1, limit=2)
    assert [item.key for item in page] == ["near", "far"]


def test_a_value_put_again_is_found_by_its_new_text_only(make: Make) -> None:
    store = make(index={"dims": 8, "embed": letters, "fields": ["text"]})
    store.put(("d",), "one", {"text": "aaaa"})
    store.put(("d",), "one", {"text": "hhhh"})
    store.put(("d",), "two", {"text": "aaab"})

    assert [item.key for item in store.search(("d",), query="aaaa")] == ["two", "one"]


def test_vectors_that_do_not_fit_are_refused(make: Make) -> None:
    with pytest.raises(EmbeddingError, match="8 numbers"):
        make(index={"dims": 3, "embed": letters}).put(("a",), "k", {"text": "a"})
    with pytest.raises(EmbeddingError, match="0 vectors for 1"):
        make(index={"dims": 3, "embed": lambda texts: []}).put(("a",), "k", {"text": "a"})
    with pytest.raises(EmbeddingError, match="7"):
        make(index={"dims": 3, "embed": 7})


def test_a_comparison_with_what_is_no_number_is_false_and_an_unknown_one_is_refused(
    make: Make,
) -> None:
    store = make()
    store.put(("a",), "number", {"n": 5})
    store.put(("a",), "word", {"n": "tea"})
    store.put(("a",), "none", {})

    assert [item.key for item in store.search(("a",), filter={"n": {"$gt": 3}})] == ["number"]
    assert [item.key for item in store.search(("a",), filter={"n": {"$gt": "sun"}})] == ["word"]
    with pytest.raises(ValueError, match=r"\$near"):
        store.search(("a",), filter={"n": {"$near": 3}})


def test_a_store_on_disk_is_read_by_another_process_and_another_object(project: Path) -> None:
    path = project / "shared.db"
    store = SqliteStore(path)
    store.put(("a",), "mine", {"n": 1})
    child = os.fork()
    if child == 0:
        try:
            store.put(("a",), "childs", {"n": 2})
            SqliteStore(path).put(("a",), "again", {"n": 3})
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert [item.key for item in SqliteStore(path).search(("a",))] == ["mine", "childs", "again"]


def test_a_store_shares_a_file_with_tables_of_others(project: Path) -> None:
    import apsw

    path = project / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE mine (n); PRAGMA user_version = 7")
    store = SqliteStore(path)
    store.put(("a",), "k", {"n": 1})

    assert store.get(("a",), "k") is not None
    assert connection.pragma("user_version") == 7
    connection.close()


# Side by side with LangGraph's

_words = st.sampled_from(["a", "b", "c"])
_namespaces = st.lists(_words, min_size=1, max_size=3).map(tuple)
_values = st.fixed_dictionaries({}, optional={"n": st.integers(0, 3), "w": _words})
_filters = st.one_of(
    st.none(),
    st.fixed_dictionaries({"w": _words}),
    st.fixed_dictionaries({"n": st.fixed_dictionaries({"$ne": st.integers(0, 3)})}),
    st.fixed_dictionaries({"n": st.fixed_dictionaries({"$eq": st.integers(0, 3)})}),
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _namespaces, _words, st.one_of(st.none(), _values)),
        st.tuples(st.just("get"), _namespaces, _words, st.none()),
        st.tuples(st.just("search"), _namespaces, _filters, st.none()),
    ),
    max_size=12,
)


@given(_steps)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_store_finds_what_langgraphs_finds(steps: list[tuple[Any, ...]]) -> None:
    ours, theirs = InMemoryStore(), TheirStore()
    for kind, namespace, second, value in steps:
        if kind == "put":
            ours.batch([PutOp(namespace, second, value)])
            theirs.batch([TheirPutOp(namespace, second, value)])
        elif kind == "get":
            [found] = ours.batch([GetOp(namespace, second)])
            [wanted] = theirs.batch([TheirGetOp(namespace, second)])
            assert (found is None) == (wanted is None)
            assert found is None or found.value == wanted.value  # type: ignore[union-attr]
        else:
            [found] = ours.batch([SearchOp(namespace[:1], second, 100)])
            [wanted] = theirs.batch([TheirSearchOp(namespace[:1], second, 100)])
            assert _seen(found) == _seen(wanted)


def _seen(items: Any) -> list[tuple[Any, ...]]:
    return sorted((i.namespace, i.key, sorted(i.value.items())) for i in items)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"prefix": ("a",)}, {"prefix": ("*", "b")}, {"suffix": ("f",)}, {"suffix": ("*", "f")},
        {"prefix": ("a",), "suffix": ("f",)}, {"max_depth": 2}, {"limit": 2, "offset": 1},
        {"prefix": ("a", "b"), "max_depth": 3, "limit": 2}, {"prefix": ("nothing",)},
    ],
)  # fmt: skip
def test_namespaces_are_listed_as_langgraph_lists_them(make: Make, options: dict[str, Any]) -> None:
    ours, theirs = make(), TheirStore()
    for text in ("a/b/c", "a/b/d/e", "a/b/d/i", "a/b/f", "a/c/f", "b/a/f", "users/123"):
        for store in (ours, theirs):
            store.put(tuple(text.split("/")), "k", {"n": 1})

    assert ours.list_namespaces(**options) == theirs.list_namespaces(**options)


VALUE = {
    "a": {"b": [1, {"c": "x"}, {"c": "y", "d": None}], "t": True},
    "l": ["p", "q"], "e": "é", "n": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["", "$", "a", "a.b", "a.b[0]", "a.b[-1].c", "a.b[*].c", "a.b[9]", "l[*]", "l.*", "a.*", "n",
     "{e,a.t}", "a.{b,t}", "a.b[x]", "e.f", "l[1]", "*", "{missing,l}", "a.b[*]"],
)  # fmt: skip
def test_texts_are_found_at_paths_as_langgraph_finds_them(path: str) -> None:
    assert get_text_at_path(VALUE, path) == their_text_at_path(VALUE, path)
    assert tokenize_path(path) == their_tokenize_path(path)


def test_an_item_is_shown_as_langgraph_shows_it() -> None:
    index: Any = {"dims": 8, "embed": letters}
    ours, theirs = InMemoryStore(index=index), TheirStore(index=index)
    for store in (ours, theirs):
        store.put(("a",), "k", {"text": "ab"})
    [mine], [other] = ours.search((), query="a"), theirs.search((), query="a")

    shown, wanted = mine.dict(), other.dict()
    assert shown.keys() == wanted.keys()
    assert shown["score"] == pytest.approx(wanted["score"])
    assert {k: shown[k] for k in ("namespace", "key", "value")} == {
        k: wanted[k] for k in ("namespace", "key", "value")
    }


def test_items_are_equal_by_what_they_hold(make: Make) -> None:
    store = make()
    store.put(("a",), "k", {"n": 1})
    store.put(("a",), "other", {"n": 1})

    one, same, other = (store.get(("a",), key) for key in ("k", "k", "other"))

    assert one == same and hash(one) == hash(same) and one not in (other, "k")
    assert repr(one).startswith("Item(namespace=['a'], key='k', value={'n': 1}, created_at='20")


@pytest.mark.parametrize(
    ("kind", "path", "namespace", "is_matched"),
    [
        ("prefix", ("a",), ("a", "b"), True),
        ("prefix", ("b",), ("a", "b"), False),
        ("suffix", ("b",), ("a", "b"), True),
        ("suffix", ("*", "b"), ("a", "b"), True),
        ("prefix", ("a", "b", "c"), ("a", "b"), False),
    ],
)
def test_namespaces_are_matched_from_either_end(
    kind: Any, path: tuple[str, ...], namespace: tuple[str, ...], is_matched: bool
) -> None:
    assert matches(MatchCondition(match_type=kind, path=path), namespace) is is_matched


def test_a_namespace_is_matched_in_no_other_way() -> None:
    with pytest.raises(ValueError, match="not 'middle'"):
        matches(MatchCondition(match_type="middle", path=("a",)), ("a",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "passes_it"),
    [
        ({"at": {"x": 1}}, True), ({"at": {"x": 2}}, False), ({"n": {"at": 1}}, False),
        ({"list": [1, {"$gt": 1}]}, True), ({"list": [1]}, False), ({"list": [2, 2]}, False),
        ({"n": {"$gte": 3, "$lt": 4}}, True), ({"n": {"$ne": 3}}, False), (None, True),
    ],
)  # fmt: skip
def test_filters_look_into_what_is_nested(wanted: Any, passes_it: bool) -> None:
    assert passes({"at": {"x": 1, "y": 2}, "n": 3, "list": [1, 2]}, wanted) is passes_it


def test_likeness_needs_no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    query, vectors = [1.0, 0.0], [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]]
    with_it = likeness(query, vectors)

    monkeypatch.setitem(sys.modules, "numpy", None)

    assert likeness(query, vectors) == pytest.approx(with_it)
    assert with_it == pytest.approx([1, 0, 0.5**0.5, 0])
    assert likeness(query, []) == []


@pytest.mark.anyio
async def test_embeddings_are_a_function_an_object_or_langchains_name_of_one() -> None:
    made = ensure_embeddings(lambda texts: [[float(len(text))] for text in texts])

    assert await made.aembed_query("four") == [4.0] == made.embed_query("four")
    assert ensure_embeddings(made) is made
    with pytest.raises(EmbeddingError, match="langchain, which is not installed"):
        ensure_embeddings("openai:text-embedding-3-small")
