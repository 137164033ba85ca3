"""The librarian on the real documentation of this Python."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from inwit.events import EdgeTaken
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from librarian import corpus
from librarian.app import ENOUGH, ROUNDS, build
from librarian.bookmarks import Bookmarks
from librarian.corpus import Passage
from librarian.evaluate import evaluate, questions
from librarian.index import Catalogue, open_catalogue
from librarian.text import best_sentences, coverage, key_words


@pytest.fixture(scope="session")
def vectors(request: pytest.FixtureRequest) -> Path:
    """A folder that keeps vectors between runs of the tests."""
    cache = request.config.cache
    assert cache is not None
    return Path(cache.mkdir("vectors"))


@pytest.fixture(scope="session")
def books() -> list[Passage]:
    return corpus.passages()


@pytest.fixture(scope="session")
def catalogue(books: list[Passage], vectors: Path) -> Catalogue:
    """A third of the books, with all that is asked for: encoding every one takes a minute."""
    golden = {name for one in questions() for name in one["passages"]}
    third = [book for n, book in enumerate(books) if n % 3 == 0 or book.name in golden]
    return open_catalogue(folder=vectors, books=third)


def test_the_corpus_is_thousands_of_passages_with_names_of_their_own(books: list[Passage]) -> None:
    assert 3_000 <= len(books) <= corpus.LIMIT
    assert len({passage.id for passage in books}) == len(books)
    assert max(len(passage.text) for passage in books) <= corpus.CHARACTERS
    assert {"module", "class", "function", "distribution"} == {passage.kind for passage in books}


def test_a_long_text_is_cut_without_losing_a_word() -> None:
    text = "\n\n".join(f"Paragraph {n} has several words in it." for n in range(60))

    pieces = list(corpus.cut(text))

    assert " ".join(pieces).split() == text.split()
    assert all(len(piece.split()) <= corpus.WORDS for piece in pieces)


def test_every_golden_question_names_passages_that_exist(books: list[Passage]) -> None:
    names = {passage.name for passage in books}

    golden = questions()

    assert len(golden) >= 60
    assert len({one["question"] for one in golden}) == len(golden)
    assert [one["question"] for one in golden if not names & set(one["passages"])] == []


def test_the_golden_set_is_found_and_its_figures_are_kept(
    project: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("librarian.evaluate.open_catalogue", lambda tell: catalogue)

    figures = evaluate()

    Journal.of(Project.find()).flush()
    kept = {row["name"]: row["value"] for row in Store.of(Project.find()).metrics()}
    assert catalogue.has_vectors
    assert figures["n"] == len(questions())
    assert figures["recall_at_5"] >= 0.8
    assert kept["librarian_recall_at_5"] == pytest.approx(figures["recall_at_5"])
    assert kept["librarian_mrr"] == pytest.approx(figures["mrr"])


def test_a_poorly_covered_question_is_searched_for_again_and_says_why(
    project: Path, catalogue: Catalogue
) -> None:
    librarian = build(catalogue)
    state = librarian.invoke(
        {"question": "Zyzzogeton quuxification of frobnicated blorbs"}, {"recursion_limit": 50}
    )
    Journal.of(Project.find()).flush()
    store = Store.of(Project.find())

    visits = Counter(visit.node for visit in store.visits(librarian.last_execution_id or ""))
    decisions = [
        event
        for event in store.events(librarian.last_execution_id or "", node="judge")
        if isinstance(event, EdgeTaken)
    ]

    assert visits["search"] == visits["search_words"] == visits["search_meaning"] == ROUNDS
    assert [d.label for d in decisions] == ["refine"] * (ROUNDS - 1) + ["answer"]
    assert all(d.read is not None and d.read["coverage"] < ENOUGH for d in decisions)
    assert state["coverage"] < ENOUGH


def test_a_follow_up_is_understood_by_what_was_asked_before(
    project: Path, catalogue: Catalogue
) -> None:
    librarian = build(catalogue)
    librarian.invoke({"question": "Greatest common divisor of integers"}, thread_id="t")

    state = librarian.invoke({"question": "and its arguments?"}, thread_id="t")

    assert "divisor" in state["query"]
    assert len(state["history"]) == 2


def test_answers_cite_what_they_quote_and_can_be_kept(project: Path, catalogue: Catalogue) -> None:
    librarian = build(catalogue)

    state = librarian.invoke({"question": "Greatest common divisor of integers", "bookmark": True})

    assert state["citations"][0] == "math.gcd"
    assert "[math.gcd]" in state["answer"]
    assert Bookmarks().all() == [
        {"question": "Greatest common divisor of integers", "citations": state["citations"]}
    ]


def test_a_model_writes_the_prose_where_one_is_configured(
    project: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_MODEL", "scripted")
    librarian = build(catalogue)

    state = librarian.invoke({"question": "Greatest common divisor of integers"})

    # Nobody listens at that address: the call is recorded as failed and the passages answer.
    Journal.of(Project.find()).flush()
    types = [e.type for e in Store.of(Project.find()).events(librarian.last_execution_id or "")]
    assert types.count("llm_started") == types.count("llm_completed") == 1
    assert "[math.gcd]" in state["answer"]


def test_words_are_compared_by_their_stems() -> None:
    assert key_words("How do I sort the lists?") == ["sort", "lists"]
    assert coverage("sorting lists", ["a list that is sorted"]) == 1.0
    assert (
        best_sentences("gcd of numbers", "Nothing here. The gcd of numbers. Else.", 1)
        == "The gcd of numbers."
    )
