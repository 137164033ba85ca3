from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inwit.registry.encoder import default_encoder
from inwit.registry.search import Entry, HybridIndex, hybrid
from inwit.registry.search.names import NameHit

FRUIT = [
    Entry(
        "f/apple", "apple", "A round fruit that grows on trees and is pressed into cider.", "fruit"
    ),
    Entry("f/banana-split", "banana-split", "A dessert of bananas, ice cream and nuts.", "dish"),
    Entry("f/pine-tree", "pine-tree", "An evergreen whose cones hold seeds.", "plant"),
    Entry("f/StateGraph", "StateGraph", "Writes nodes and edges over one state.", "class"),
    Entry("f/apple-pie", "apple-pie", "A baked dish of pastry and apples.", "dish"),
]


@pytest.fixture(scope="module")
def index() -> HybridIndex:
    return HybridIndex(FRUIT, encoder=default_encoder())


@pytest.fixture(scope="module")
def words_only() -> HybridIndex:
    return HybridIndex(FRUIT)


def ids(index: HybridIndex, query: str, kind: str | None = None, limit: int = 10) -> list[str]:
    return [match.id.removeprefix("f/") for match in index.search(query, kind=kind, limit=limit)]


def test_an_exact_name_goes_before_one_that_begins_with_it(index: HybridIndex) -> None:
    assert ids(index, "apple")[:2] == ["apple", "apple-pie"]


@pytest.mark.parametrize(
    "query", ["Banana Split", "banana_split", "f/banana-split", " BANANA-SPLIT "]
)
def test_spellings_of_a_name_are_one_name(index: HybridIndex, query: str) -> None:
    [first, *_] = index.search(query)

    assert first.id == "f/banana-split"
    assert first.score >= hybrid.BANDS[NameHit.EXACT]


@pytest.mark.parametrize(
    "query", ["banana-splt", "bananasplit", "banana-spilt", "banana-splitt", "banama-split"]
)
def test_one_wrong_letter_of_a_name_is_forgiven(words_only: HybridIndex, query: str) -> None:
    assert ids(words_only, query)[0] == "banana-split"


def test_two_wrong_letters_are_another_name(words_only: HybridIndex) -> None:
    assert ids(words_only, "bqnqnq-splqt") == []


def test_a_name_of_two_words_is_seen_within_a_question(words_only: HybridIndex) -> None:
    [first, *_] = words_only.search("how do I make an apple pie at home")

    assert first.id == "f/apple-pie"
    assert "the question names 'apple-pie'" in first.why


def test_words_match_by_their_stems_and_with_a_slip(words_only: HybridIndex) -> None:
    assert ids(words_only, "pressing") == ["apple"]
    assert ids(words_only, "evergeren") == ["pine-tree"]


def test_the_parts_of_a_camel_case_name_are_words(words_only: HybridIndex) -> None:
    assert ids(words_only, "which graph")[0] == "StateGraph"
    assert ids(words_only, "stategraph")[0] == "StateGraph"
    assert "is its name" in words_only.search("state graph")[0].why


def test_meaning_finds_what_shares_no_word(index: HybridIndex, words_only: HybridIndex) -> None:
    assert ids(words_only, "a sweet treat") == []
    assert set(ids(index, "a sweet treat")) == {"banana-split", "apple-pie"}


def test_a_kind_narrows_names_words_and_meaning(index: HybridIndex) -> None:
    assert ids(index, "apple", kind="dish") == ["apple-pie"]
    assert ids(index, "apple", kind="no such kind") == []


def test_a_limit_keeps_the_best(index: HybridIndex) -> None:
    assert ids(index, "apple", limit=1) == ["apple"]
    assert ids(index, "apple", limit=0) == []


def test_scores_are_ordered_and_within_0_and_1(index: HybridIndex) -> None:
    scores = [match.score for match in index.search("apple dish of fruit")]

    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_among_equals_the_more_used_comes_first() -> None:
    twins = [
        Entry("a", "one", "reads files from disk", "x", prior=0.1),
        Entry("b", "two", "reads files from disk", "x", prior=0.9),
    ]

    assert [match.id for match in HybridIndex(twins).search("read files")] == ["b", "a"]


def test_an_empty_index_finds_nothing() -> None:
    empty = HybridIndex([], encoder=default_encoder())

    assert empty.search("apple") == []
    assert empty.by_words("apple") == []
    assert empty.by_meaning("apple") == []


@pytest.mark.parametrize("query", ["the of and", "zzzz", "🤷", "\x00", "(((", "a" * 100_000])
def test_noise_finds_nothing(index: HybridIndex, query: str) -> None:
    assert ids(index, query) == []


def test_words_and_meaning_can_be_asked_alone(index: HybridIndex) -> None:
    assert index.by_words("cider", limit=3)[0][0] == "f/apple"
    assert len(index.by_meaning("cider", limit=3)) == 3


def corpus(count: int) -> list[Entry]:
    return [
        Entry(f"e/{n}", f"entry-{n}", f"number {n} of many, part {n % 7}", "x")
        for n in range(count)
    ]


def test_a_large_index_of_words_is_kept_and_opened_again(tmp_path: Path) -> None:
    entries = corpus(hybrid.KEPT_FROM)
    first = HybridIndex(entries, folder=tmp_path / "index").search("number 77")
    [kept] = (tmp_path / "index").iterdir()
    made = kept.stat().st_mtime_ns

    again = HybridIndex(entries, folder=tmp_path / "index").search("number 77")

    assert [match.id for match in again] == [match.id for match in first]
    assert again[0].id == "e/77"
    assert kept.stat().st_mtime_ns == made


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    entries = corpus(hybrid.KEPT_FROM)
    HybridIndex(entries, folder=tmp_path / "index").search("number 77")
    [kept] = (tmp_path / "index").iterdir()
    (kept / "meta.json").write_text("{")

    assert HybridIndex(entries, folder=tmp_path / "index").search("number 77")[0].id == "e/77"


def test_other_entries_get_an_index_of_their_own(tmp_path: Path) -> None:
    HybridIndex(corpus(hybrid.KEPT_FROM), folder=tmp_path / "index").search("number 77")
    larger = HybridIndex(corpus(hybrid.KEPT_FROM + 1), folder=tmp_path / "index")

    assert larger.search(f"number {hybrid.KEPT_FROM}")[0].id == f"e/{hybrid.KEPT_FROM}"


def test_many_threads_may_search_at_once() -> None:
    index = HybridIndex(FRUIT, encoder=default_encoder())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ids(index, "apple"), range(32)))

    assert all(one[0] == "apple" for one in found)
