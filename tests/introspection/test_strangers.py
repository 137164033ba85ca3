"""What people asked who had never seen how questions are read: values in their own words, shares, paces, trust."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, Answer, CompiledGraph, StateGraph
from inwit.introspection.stats import share_interval
from inwit.runtime.project import Project
from inwit.runtime.store import Journal
from tests.introspection.chosen import Clock, chosen_times

TENANTS = ("acme", "globex", "initech", "umbrella")
FORMS = ("web", "scan", "mail")


class Doc(TypedDict, total=False):
    tenant: str
    form: str
    pages: int
    urgent: bool
    chunks: list[str]
    rounds: int
    outcome: str


clocks: list[Clock] = []
"""By which the nodes last: a machine's hiccups would be causes of their own."""


def parse(state: Doc) -> dict[str, Any]:
    clocks[-1].takes(2)
    if state["tenant"] == "initech" and state["pages"] % 2:
        raise UnicodeError(f"page {state['pages']} of initech is no text")
    return {"chunks": ["text"] * state["pages"], "rounds": 0}


def polish(state: Doc) -> dict[str, Any]:
    clocks[-1].takes(3)
    return {"rounds": state["rounds"] + 1}


def again(state: Doc) -> str:
    return "polish" if state["form"] == "scan" and state["rounds"] < 2 else "decide"


def decide(state: Doc) -> dict[str, Any]:
    clocks[-1].takes(1)
    return {"outcome": "rejected" if state["form"] == "scan" and state["pages"] > 2 else "accepted"}


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompiledGraph[Doc]]:
    """96 documents: odd pages of initech fail, scans take two rounds, long scans are rejected."""
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("intake")
        (folder / ".inwit").mkdir()
        patch.chdir(folder)
        graph = StateGraph(Doc)
        graph.add_node("parse", parse).add_node("polish", polish).add_node("decide", decide)
        graph.add_edge(START, "parse").add_edge("parse", "polish").add_edge("decide", END)
        graph.add_conditional_edges("polish", again, ["polish", "decide"])
        app = graph.compile(name="intake")
        with chosen_times() as clock:
            clocks.append(clock)
            for number in range(96):
                given = Doc(
                    tenant=TENANTS[number % 4], form=FORMS[number % 3], pages=1 + number // 12 % 4,
                    urgent=number % 12 == 0,
                )  # fmt: skip
                try:
                    app.invoke(given, thread_id=f"d-{number}")
                except UnicodeError:
                    continue
            Journal.of(Project.find()).flush()
        yield app


def told(app: CompiledGraph[Doc], question: str) -> Answer:
    answer = app.ask(question)
    assert answer.evidence and all(app.resolve(one.uri).quote for one in answer.evidence)
    return answer


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("How many documents were rejected?", "14 of the last 96"),
        ("what share of documents got rejected?", "14.6%"),
        ("when did the first initech document come in?", "The first execution with input.tenant"),
        ("since when do initech runs fail", "12 of 24 with input.tenant = initech failed"),
        ("show me executions of initech that failed", "12 executions with input.tenant = initech"),
        ("what is the longest step for scans?", "With input.form = scan, the time of"),
    ],
)
def test_executions_of_a_kind_are_found_by_what_came_out_and_by_plurals(
    intake: CompiledGraph[Doc], question: str, says: str
) -> None:
    assert says in told(intake, question).text


@pytest.mark.parametrize(
    ("question", "sides"),
    [
        (
            "what's the difference between accepted and rejected documents?",
            ("accepted", "rejected"),
        ),
        ("are scans slower than mails?", ("scan", "mail")),
        ("whats the difference between urgent runs and the rest", ("True", "others")),
        ("why are scans so slow?", ("scan", "others")),
    ],
)
def test_kinds_are_compared_with_each_other_or_with_the_rest(
    intake: CompiledGraph[Doc], question: str, sides: tuple[str, str]
) -> None:
    answer = told(intake, question)

    assert tuple(answer.data["values"]) == sides


def test_what_the_rejected_have_in_common_is_what_they_were_called_with(
    intake: CompiledGraph[Doc],
) -> None:
    answer = told(intake, "what do the rejected ones have in common?")

    assert "14 of 14 with result.outcome = rejected had input.form = scan" in answer.text


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("how many tenants do we have?", "4 values"),
        ("which forms are there and how many of each", "mail (32), scan (32) and web (32)"),
        ("which document had the most pages?", "input.pages is most in"),
        ("do more pages take longer?", "input.pages over 2.5: 48 executions"),
        ("how many chunks does a document have on average?", "has 2.5 result.chunks at the median"),
        ("how many rounds of polish per document on average?", "to 2, over the last 84 executions"),
    ],
)
def test_values_are_counted_ranked_and_averaged(
    intake: CompiledGraph[Doc], question: str, says: str
) -> None:
    assert says in told(intake, question).text


def test_rounds_are_compared_by_value(intake: CompiledGraph[Doc]) -> None:
    answer = told(intake, "How many rounds of polish do scans need compared to mails?")

    assert "polish ran 56 times in 28 executions with input.form = scan" in answer.text
    assert "polish ran 28 times in 28 executions with input.form = mail" in answer.text


def test_a_second_round_counts_only_those_that_had_one(intake: CompiledGraph[Doc]) -> None:
    answer = told(intake, "what percentage of runs need a second round of polish?")

    assert answer.data["values"]["reached"] == 28


@pytest.mark.parametrize(
    "question", ["how many executions a minute?", "how many docs per minute do we process"]
)
def test_a_pace_is_told_by_the_minutes_in_which_executions_started(
    intake: CompiledGraph[Doc], question: str
) -> None:
    values = told(intake, question).data["values"]

    assert (values["executions"], values["unit"]) == (96, "minute")
    assert values["average"] == round(96 / values["units"], 3)


@pytest.mark.parametrize("question", ["can I trust the node parse?", "does parse ever fail?"])
def test_trust_in_a_node_is_its_failures_with_their_interval(
    intake: CompiledGraph[Doc], question: str
) -> None:
    values = told(intake, question).data["values"]

    assert (values["failed"], values["executions"]) == (12, 96)
    assert values["low"] == pytest.approx(0.074, abs=0.001)
    assert values["high"] == pytest.approx(0.195, abs=0.001)


def test_an_interval_of_a_share_is_clopper_and_pearsons() -> None:
    expected = {
        (0, 10): (0.0, 1 - 0.05**0.1),
        (10, 10): (0.05**0.1, 1.0),
        (8, 130): (0.03099, 0.10829),
    }

    for (found, of), (low, high) in expected.items():
        assert share_interval(found, of) == pytest.approx((low, high), abs=1e-4)


def test_shares_of_the_time_add_up_to_the_whole(intake: CompiledGraph[Doc]) -> None:
    shares = told(intake, "Where does the time go?").data["shares"]

    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert all(share >= 0 for share in shares.values())


def test_who_called_is_told_as_far_as_it_is_recorded(intake: CompiledGraph[Doc]) -> None:
    intake.invoke(
        Doc(tenant="acme", form="web", pages=2, urgent=False),
        config={"metadata": {"client": "nightly import"}},
    )

    assert "nightly import" in told(intake, "who called the last execution?").text
    assert "in no record" in told(intake, "who started run d-5?").text


def test_another_value_is_not_predicted_but_those_that_have_it_are_told(
    intake: CompiledGraph[Doc],
) -> None:
    answer = told(intake, "what if tenant were acme instead of initech?")

    assert not answer.data["feasible"]
    assert answer.data["values"]["initech"]["failed"] == 12
    assert answer.data["values"]["acme"]["failed"] == 0


def test_without_a_value_the_others_stay_as_they_are(intake: CompiledGraph[Doc]) -> None:
    answer = told(intake, "what if there were no initech?")

    assert answer.data["others"]["failed"] == 0 and answer.data["all"]["failed"] == 12


def test_a_run_may_be_called_by_its_thread(intake: CompiledGraph[Doc]) -> None:
    assert "the last in thread d-2)" in told(intake, "why was run d-2 so many rounds?").text


def test_a_list_of_failed_executions_has_no_others(intake: CompiledGraph[Doc]) -> None:
    answer = told(intake, "list the failed runs")

    assert {one["status"] for one in answer.data["values"]["executions"]} == {"failed"}


def test_errors_of_a_class_are_counted_in_the_plural(intake: CompiledGraph[Doc]) -> None:
    assert told(intake, "How many UnicodeErrors were there?").data["values"] == {"UnicodeError": 12}
