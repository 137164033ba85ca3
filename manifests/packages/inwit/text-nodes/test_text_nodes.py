from __future__ import annotations

from typing import Any, TypedDict

import pytest

from inwit import StateGraph
from inwit.registry.packages import load


@pytest.fixture
def nodes() -> Any:
    return load("inwit/text-nodes")


class Found(TypedDict, total=False):
    by_words: list[dict[str, Any]]
    by_meaning: list[dict[str, Any]]
    passages: list[dict[str, Any]]


def test_the_nodes_run_in_a_graph(nodes: Any) -> None:
    graph = StateGraph(Found)
    graph.add_node("fuse", nodes.fuse(["by_words", "by_meaning"], into="passages"))
    graph.add_node("unique", nodes.deduplicate("passages", by="text"))
    graph.add_node("best", nodes.keep_best("passages", 2))
    graph.set_entry_point("fuse")
    graph.add_edge("fuse", "unique")
    graph.add_edge("unique", "best")
    graph.set_finish_point("best")
    one, two, double = (
        {"id": "1", "text": "One."},
        {"id": "2", "text": "Two."},
        {"id": "3", "text": " two. "},
    )

    found = graph.compile(name="fused").invoke(
        {"by_words": [one, two], "by_meaning": [two, double]}
    )

    assert [passage["id"] for passage in found["passages"]] == ["2", "1"]


def test_an_item_that_two_rankings_hold_goes_before_one_that_leads_a_single_one(nodes: Any) -> None:
    state = {"a": [{"id": "x"}, {"id": "y"}], "b": [{"id": "z"}, {"id": "y"}]}

    fused = nodes.fuse(["a", "b"], into="all")(state)["all"]

    assert fused[0]["id"] == "y"
    assert fused[0]["score"] == pytest.approx(2 / 62)


def test_pieces_overlap_and_lose_no_word(nodes: Any) -> None:
    text = " ".join(str(number) for number in range(10))

    pieces = nodes.split_text("text", "pieces", words=4, overlap=1)({"text": text})["pieces"]

    assert pieces == ["0 1 2 3", "3 4 5 6", "6 7 8 9"]


def test_an_empty_text_gives_no_piece(nodes: Any) -> None:
    assert nodes.split_text("text", "pieces")({"text": "  "}) == {"pieces": []}


def test_an_overlap_as_long_as_a_piece_is_refused(nodes: Any) -> None:
    with pytest.raises(ValueError, match="overlap is 5"):
        nodes.split_text("text", "pieces", words=5, overlap=5)


def test_items_are_kept_as_long_as_they_fit(nodes: Any) -> None:
    items = [{"text": "one two"}, {"text": "three"}, {"text": "four five"}]

    assert nodes.fit_budget("items", words=4)({"items": items}) == {"items": items[:2]}


def test_the_best_stay_in_their_order(nodes: Any) -> None:
    items = [{"score": 1}, {"score": 9}, {"score": 5}]

    assert nodes.keep_best("items", 2)({"items": items}) == {"items": items[1:]}
