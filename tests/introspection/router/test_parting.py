"""Questions that hold two are read in two parts; those that only have an "and" are not."""

from __future__ import annotations

import pytest

from inwit.introspection.router import Catalogue, Router
from inwit.introspection.router.parting import cuts
from tests.introspection.router.parted import FORMS, cases, found, pairs


@pytest.mark.parametrize("form", FORMS)
def test_two_questions_are_parted_however_they_are_joined(lexical: Router, form: str) -> None:
    got = found(lexical, pairs(FORMS[form], "kiosk"))

    assert got.cut >= got.asked - 1
    assert got.right >= 0.65 * got.asked


@pytest.mark.parametrize("world", ["kiosk", "greenhouse"])
def test_two_questions_of_one_hand_are_parted(semantic: Router, world: str) -> None:
    got = found(semantic, cases("two", world))

    assert got.cut >= 0.8 * got.asked
    assert got.right >= 0.7 * got.asked


@pytest.mark.parametrize("world", ["kiosk", "greenhouse"])
def test_a_question_with_an_and_is_seldom_taken_for_two(router: Router, world: str) -> None:
    got = found(router, cases("one", world))

    assert got.cut <= 0.07 * got.asked


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "what happens between plan and rank and who writes answer",
            ["what happens between plan and rank", "who writes answer"],
        ),
        (
            "if search were cached, how much is saved and does inwit support caching?",
            ["if search were cached, how much is saved", "does inwit support caching?"],
        ),
        (
            "it says the signature is bad, why and how much did we spend today",
            ["it says the signature is bad, why", "how much did we spend today"],
        ),
        ("First, who writes answer? 2) Is it slow?", ["who writes answer", "Is it slow?"]),
        (
            "Which peers do I know of and would capping retries at 1 have saved time?",
            ["Which peers do I know of", "would capping retries at 1 have saved time?"],
        ),
    ],
)
def test_a_cut_leaves_two_whole_questions(question: str, parts: list[str]) -> None:
    cut = cuts(question)[0]

    assert [question[slice(*cut.first)], question[slice(*cut.second)]] == parts


@pytest.mark.parametrize(
    "question",
    [
        "compare plan and rank",
        "which nodes have a timeout and are retried?",
        "show the runs which failed and which were retried",
        "if search were cached, how much would it save",
        "had it been cached, would it have been faster?",
        "tell me why and where it failed",
        "how do I pause a thread and list its steps?",
        "what if search fails and is skipped?",
        "I changed plan and now it is slow, what happened?",
        "the node, which writes answer, is slow, why",
        "what does recursion limit mean and what is its value?",
    ],
)
def test_what_goes_on_with_the_same_question_is_not_cut(question: str) -> None:
    assert cuts(question) == []


def test_it_in_the_second_part_is_read_as_what_the_first_names(
    router: Router, catalogue: Catalogue
) -> None:
    routing = router.route("who published inwit/rag and what does it contain?", catalogue)

    assert {one.level for one in routing.readings} == {"network"}
