"""Strangers ask of patients and bills: by what executions are called with, and by names that are ordinary words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.introspection import Introspector
from inwit.runtime.project import Project
from inwit.runtime.store import Journal
from tests.introspection import clinic
from tests.introspection.chosen import chosen_times


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Introspector]:
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("clinic")
        (folder / ".inwit").mkdir()
        patch.chdir(folder)
        with chosen_times() as clock:
            clinic.run(clock)
            Journal.of(Project.find()).flush()
        yield Introspector.of(Project.find())


@pytest.mark.parametrize(
    ("question", "said"),
    [
        # A graph's name, an ordinary word, stands for executions of it.
        ("how long does an intake take usually?", "intake takes"),
        ("how much does one intake cost?", "30 executions used"),
        ("show me the slowest intake", "Of 30 executions these were the longest:"),
        ("which intake was slowest", "Of 30 executions these were the longest:"),
        ("is intake failing more often than it used to?", "Errors: of the last 15 executions of intake 5 failed; of the 15 before, 5 did."),
        ("what does intake return?", "The state of intake is Patient with age: int"),
        # What executions are called with names them.
        ("how many patients came today", "Of 45 executions of all graphs (today)"),
        ("how many patients failed today?", "29 completed and 10 failed"),
        ("which insurers failed?", "None of 15 executions with input.insurer on record failed."),
        ("which insurer needs the most retries?", "Slowpay: 6 times, 5 executions."),
        ("how many bills have an amount above 500?", "6 of the last 15 executions of billing with input.amount on record had input.amount above 500, 40.0%."),
        ("which patients have an age over 70?", "12 of the last 30 executions of intake with input.age on record had input.age over 70, 40.0%."),
        ("are patients with an age over 70 slower?", "Executions with input.age over 70 take 40.0 ms longer"),
        ("how many bills have an amount of at most 120?", "6 of the last 15 executions"),
        # What lists hold parts executions.
        ("what do the failed intakes have in common?", "10 of 10 executions that failed so had rash in input.symptoms, of those that completed 0 of 20."),
        ("how many intakes had a rash?", "10 of the last 30 executions of intake were called with input.symptoms = rash, 33.3%."),
        # Ways that several took.
        ("why do some patients end up at emergency?", "10 of the last 30 executions of intake came to emergency."),
        ("why did so many end up in emergency", "10 times after assess the decision was 'emergency', having read urgency=high."),
        ("what makes an intake go to emergency?", "10 of 10 that came to emergency had chest pain in input.symptoms, of the others 0 of 10."),
        # What ran into a limit of time.
        ("did anything time out?", "charge of billing timed out in 6 attempts, last with TimeoutError: “the insurer did not answer”; each was made good by another."),
        ("which executions timed out", "The executions: "),
        ("did assess time out?", "assess never timed out in the last 30 executions."),
        ("which nodes have a time-out?", "No node of billing or intake has a time-out of its own"),
        ("does charge have a timeout?", "charge declares no time-out."),
        # Of all graphs, and of a node's calls.
        ("how many executions did each graph have?", "billing: 15 executions, 0 of them failed"),
        ("how many tokens does assess use per call", "A model call of assess uses 230 tokens at the median, 230 to 250, over 30 calls."),
        ("which nodes are retried?", "charge (max_attempts=4) of billing has a retry policy of its own."),
        ("What's the retry setup on charge?", "charge has a retry policy of its own: max_attempts=4"),
        ("why did R-7 fail?", "of intake (the last failed called with 'r-7') failed in find_doctor"),
        ("why was R-13 not treated", "of intake (the last failed called with 'r-13') failed in find_doctor"),
        ("what does an intake cost us on average?", "An execution uses 230 tokens at the median"),
        ("which case was slowest?", "Of 39 executions these were the longest:"),
        ("how many bills were over 0.5k", "6 of the last 15 executions of billing"),
        ("how many intakes older than 70 were there?", "12 of the last 30 executions of intake"),
        ("how many patients had 2 or more symptoms", "10 of the last 30 executions of intake"),
        ("of the intakes over 70, how many had a rash?", "executions of intake with input.age over 70 had input.symptoms = rash"),
        ("how much amount is that in total?", "input.amount adds up to 6,060 over the last 15 executions of billing"),
        ("which insurer has the most retries?", "Slowpay: 6 times, 5 executions."),
        ("how often was the lookup error raised?", "10 executions of the last 10 that failed ended with LookupError"),
        ("what if we threw out charge?", "charge were removed"),
        ("how long did assess take in p1?", "assess ran at"),
        ("doctor of the last successful intake", "doctor is ER in execution"),
        ("what happened in the first intake", "(the first of intake; 29 others fitted) is completed."),
        ("when was intake compiled", "intake has 1 version, first compiled"),
        ("is there a node nobody reaches?", "Every node of intake ran in the last 30 executions."),
        ("which doctor is chosen most often?", "ER: 10 executions."),
        ("when do most failures happen?", "The last 10 executions that failed started in"),
        ("does billing retry?", "charge (max_attempts=4) of billing has a retry policy of its own."),
        ("who uses a model?", "assess of intake called medi-large 30 times"),
    ],
)  # fmt: skip
def test_what_strangers_ask_is_answered_by_what_is_recorded(
    asks: Introspector, question: str, said: str
) -> None:
    answer = asks.ask(question)

    assert said in answer.text
    assert answer.evidence and all(asks.resolve(one.uri).quote for one in answer.evidence)


def test_what_sent_several_to_a_node_is_told_as_causes(asks: Introspector) -> None:
    answer = asks.ask("why do some patients end up at emergency?")

    assert answer.data["values"] == {"reached": 10, "executions": 30}
    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["label"], cause["effect"]["point"]) == ("assess", "emergency", 10)
    assert answer.data["differences"][0]["attribute"] == "chest pain in input.symptoms"


def test_what_lies_beyond_a_bound_is_counted_with_its_share(asks: Introspector) -> None:
    answer = asks.ask("which patients have an age over 70?")

    assert answer.data["values"] == {"count": 12, "executions": 30, "share": 0.4}
    assert "(75)" in answer.text and "(80)" in answer.text and "(50)" not in answer.text


@pytest.mark.parametrize(
    "question",
    [
        "did more than 100 people ask?", "is latency above 100?", "were there more than 100 executions?",
        "are there failures over 100?", "did charge take more than 100 steps?",
    ],
)  # fmt: skip
def test_a_number_that_nothing_names_is_not_guessed(asks: Introspector, question: str) -> None:
    assert "input.amount" not in asks.ask(question).text


def test_a_bound_that_fits_two_numbers_is_not_guessed(asks: Introspector) -> None:
    assert "over 70" not in asks.ask("how many cases were over 70?").text
    assert "over 500" in asks.ask("how many cases were over 500?").text
