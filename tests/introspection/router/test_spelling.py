"""Slips of the pen are mended where they can be nothing else."""

from __future__ import annotations

import pytest

from inwit.introspection.router.spelling import mend, mended


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("waht caused teh faild exectuions", "what caused the failed executions"),
        ("wich ndoes are in the graph", "which nodes are in the graph"),
        ("hwo lnog dose it tkae", "how long does it take"),
        ("y so slow rn", "why so slow right now"),
        ("serach runs wiht timout", "search runs with timeout"),
        ("recomend a pakage pls", "recommend a package please"),
        (
            "has it nevre bceome relaible in the mornign",
            "has it never become reliable in the morning",
        ),
    ],
)
def test_slips_are_mended(typed: str, meant: str) -> None:
    assert mend(typed) == meant


@pytest.mark.parametrize(
    "text",
    [
        "why did my plant die",
        "sing a song",
        "who won the world cup",
        "three whether passed shipping father",
        "the form of the moon",
        "fetch_raets and loadCrat",
        "baking bounced brains, the clauses arise",
        "почему",
        "",
    ],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert mend(text) == text


def test_names_are_not_mended() -> None:
    assert mend("teh serach", [(4, 10)]) == "the serach"


def test_each_place_of_a_mended_text_is_known_in_the_text_as_typed() -> None:
    typed = "waht faild yesetrday"

    text, places = mended(typed)

    assert text == "what failed yesterday"
    assert len(places) == len(text) + 1
    words = [(text.index(word), len(word)) for word in ("what", "failed", "yesterday")]
    spans = [(places[at], places[at + size - 1] + 1) for at, size in words]
    assert [typed[start:end] for start, end in spans] == ["waht", "faild", "yesetrday"]
