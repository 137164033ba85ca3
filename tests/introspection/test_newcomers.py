"""What somebody asks who has never seen these graphs: each answer is what the record holds."""

from __future__ import annotations

import contextlib
import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import END, START, CompiledGraph, RetryPolicy, StateGraph
from inwit.answers import Answer
from tests.introspection.planting import evidence_holds, introspector, uris

RATES = {"EUR": 1.0, "USD": 0.9}


class Invoice(TypedDict, total=False):
    number: str
    amount: float
    currency: str
    rate: float
    total: float
    log: Annotated[list[str], operator.add]


class Essay(TypedDict):
    topic: str
    score: float
    rounds: int


def billing() -> CompiledGraph[Invoice]:
    """Parse → rate → (approve → post | post); the rate table is away at every other call."""
    calls: list[int] = []

    def parse_invoice(state: Invoice) -> dict[str, Any]:
        number, amount, currency = state["number"].split("/")
        return {"number": number, "amount": float(amount), "currency": currency, "log": ["read"]}

    def lookup_rate(state: Invoice) -> dict[str, Any]:
        calls.append(1)
        if len(calls) % 2:
            raise ConnectionError("rate table unreachable")
        return {"rate": RATES[state["currency"]]}

    def route_amount(state: Invoice) -> str:
        return "approve" if state["amount"] > 1000 else "post"

    def approve(state: Invoice) -> dict[str, Any]:
        return {"log": ["approved"]}

    def post_ledger(state: Invoice) -> dict[str, Any]:
        return {"total": state["amount"] * state["rate"]}

    graph = StateGraph(Invoice)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("parse_invoice", parse_invoice)
    graph.add_node("lookup_rate", lookup_rate, retry_policy=policy)
    graph.add_node("approve", approve)
    graph.add_node("post_ledger", post_ledger)
    graph.add_edge(START, "parse_invoice")
    graph.add_edge("parse_invoice", "lookup_rate")
    graph.add_conditional_edges(
        "lookup_rate", route_amount, {"approve": "approve", "post": "post_ledger"}
    )
    graph.add_edge("approve", "post_ledger")
    graph.add_edge("post_ledger", END)
    return graph.compile(name="invoices")


def writing() -> CompiledGraph[Essay]:
    """Draft → critique → (again: revise → critique | done: publish)."""

    def draft(state: Essay) -> dict[str, Any]:
        return {"score": 0.0}

    def critique(state: Essay) -> dict[str, Any]:
        return {"score": 0.3 * state["rounds"], "rounds": state["rounds"] + 1}

    def revise(state: Essay) -> dict[str, Any]:
        return {"topic": state["topic"].strip()}

    def good_enough(state: Essay) -> str:
        return "done" if state["score"] >= 0.5 else "again"

    def publish(state: Essay) -> dict[str, Any]:
        return {}

    graph = StateGraph(Essay)
    for node in (draft, critique, revise, publish):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "critique")
    graph.add_conditional_edges("critique", good_enough, {"again": "revise", "done": "publish"})
    graph.add_edge("revise", "critique")
    graph.add_edge("publish", END)
    return graph.compile(name="essay")


@pytest.fixture
def record(project: Path) -> dict[str, str]:
    """Two essays, the second of which ends sooner, and four invoices, two of which fail."""
    ids: dict[str, str] = {}
    essay, invoices = writing(), billing()
    for name, rounds in (("long", 0), ("short", 2)):
        essay.invoke({"topic": f"{name} rivers", "score": 0.0, "rounds": rounds})
        ids[name] = str(essay.last_execution_id)
    for number in ("A1/100/EUR", "A4/12/GBP", "A5/9000/EUR", "A7/33/CHF", "A8/50/EUR"):
        name = number.partition("/")[0]
        with contextlib.suppress(KeyError):
            invoices.invoke({"number": number}, thread_id=name)
        ids[name] = str(invoices.last_execution_id)
    return ids


def ask(question: str) -> Answer:
    answer = introspector().ask(question)
    assert evidence_holds(answer)
    return answer


@pytest.mark.parametrize(
    "question",
    [
        "Why did summarize fail?", "When did summarize fail?", "Is there a node named summarize?",
        "Why did the summarize node fail?", "Do I have a node called summarize?",
    ],
)  # fmt: skip
def test_a_node_that_no_graph_has_is_said_to_be_missing(
    record: dict[str, str], question: str
) -> None:
    answer = ask(question)

    assert "'summarize'" in answer.text
    assert "CHF" not in answer.text and answer.level in ("app", "live")


def test_a_thread_is_found_by_a_short_id(record: dict[str, str]) -> None:
    answer = ask("What went wrong with invoice A4?")

    assert answer.data["execution_id"] == record["A4"]
    assert "GBP" in answer.text and "CHF" not in answer.text


def test_the_input_of_an_execution_is_what_it_was_called_with(record: dict[str, str]) -> None:
    answer = ask(f"What was the input of {record['A7']}?")

    assert answer.data["values"] == {"number": "A7/33/CHF"}
    assert uris(answer) == [f"execution://{record['A7']}/events/1"]


def test_the_output_of_an_execution_is_what_it_returned(record: dict[str, str]) -> None:
    answer = ask(f"What did execution {record['A1']} return?")

    assert answer.data["values"]["total"] == 100.0
    assert "execution_completed" in answer.evidence[0].quote


def test_the_errors_of_a_node_are_told(record: dict[str, str]) -> None:
    answer = ask("What error did lookup_rate raise?")

    assert "KeyError: 'GBP'" in answer.text and "KeyError: 'CHF'" in answer.text


def test_retries_are_counted_over_all_executions_where_none_is_named(
    record: dict[str, str],
) -> None:
    answer = ask("How many retries were there?")

    assert answer.data["values"] == {"retries": 5, "executions": 7}


def test_the_node_that_decides_between_two_is_named(record: dict[str, str]) -> None:
    answer = ask("Which node decides between approve and post_ledger?")

    assert answer.text.startswith("lookup_rate decides between approve and post_ledger")


@pytest.mark.parametrize(
    ("question", "reached"),
    [
        ("Can publish lead back to draft?", False), ("Can revise reach publish?", True),
        ("Is there a way from approve to lookup_rate?", False),
    ],
)  # fmt: skip
def test_whether_one_node_can_lead_to_another_is_answered(
    record: dict[str, str], question: str, reached: bool
) -> None:
    assert ask(question).data["reached"] is reached


def test_the_reducer_of_a_key_is_told(record: dict[str, str]) -> None:
    assert "reducer append" in ask("What reducer does log have?").text


def test_two_nodes_that_are_asked_about_are_both_told(record: dict[str, str]) -> None:
    answer = ask("What do draft and revise do?")

    assert "graph://essay/nodes/draft" in uris(answer)
    assert "graph://essay/nodes/revise" in uris(answer)


def test_an_ordinary_word_is_a_node_where_it_is_removed(record: dict[str, str]) -> None:
    answer = ask("What if I removed approve?")

    assert answer.data["change"] == {"kind": "removed", "nodes": ["approve"]}


def test_a_decision_is_known_by_its_function(record: dict[str, str]) -> None:
    answer = ask("What if good_enough needed only 0.5?")

    assert "good_enough decides after critique in essay" in answer.text
    assert uris(answer) == ["graph://essay/edges"]


def test_another_execution_than_the_last_is_not_passed_off_as_it(record: dict[str, str]) -> None:
    answer = ask("Why was revise visited in the last essay execution?")

    assert f"The last execution of essay, {record['short']}, did not visit revise" in answer.text


def test_executions_are_found_by_how_often_a_node_ran(record: dict[str, str]) -> None:
    answer = ask("Which executions ran critique more than twice?")

    assert [one["execution_id"] for one in answer.data["values"]["executions"]] == [record["long"]]


def test_an_error_rate_is_told_as_one(record: dict[str, str]) -> None:
    assert "an error rate of 40.0%" in ask("What is the error rate of invoices?").text


@pytest.mark.parametrize(
    "question", ["Do I have any open plans?", "What plans were proposed?", "Which plans are open?"]
)
def test_where_no_plan_was_proposed_that_is_said(record: dict[str, str], question: str) -> None:
    answer = ask(question)

    assert (answer.level, answer.intent) == ("live", "search")
    assert answer.data["results"] == [] and answer.text.startswith("No ")
    assert "plan is on record" in answer.text


@pytest.mark.parametrize("question", ["Show me all packages", "List every package"])
def test_all_packages_are_all_packages(record: dict[str, str], question: str) -> None:
    answer = ask(question)

    assert len(answer.data["results"]) == 9


def test_packages_of_a_kind_are_of_that_kind(record: dict[str, str]) -> None:
    answer = ask("What tool packs are there?")

    assert {one["kind"] for one in answer.data["results"]} == {"tool-pack"}


def test_the_publisher_of_an_unknown_package_is_not_its_neighbours(
    record: dict[str, str],
) -> None:
    answer = ask("Who published inwit/react?")

    assert "No package 'inwit/react'" in answer.text and answer.data["results"] == []


@pytest.mark.parametrize(
    ("question", "uri"),
    [
        ("Can I use pydantic models for state?", "platform://features/typed-state"),
        ("Where does inwit store its data?", "platform://features/project-folder"),
        ("Which extras does inwit have?", "platform://features/extras"),
        ("How do I delete the record?", "platform://features/retention"),
        ("How long are executions kept?", "platform://features/retention"),
    ],
)
def test_what_the_platform_has_is_found_by_plain_words(
    record: dict[str, str], question: str, uri: str
) -> None:
    answer = ask(question)

    assert uris(answer)[0] == uri


def test_its_in_a_second_part_means_what_the_first_part_names(record: dict[str, str]) -> None:
    answer = ask("What does recursion limit mean and what is its value?")

    assert answer.level == "platform" and "parts" not in answer.data


@pytest.mark.parametrize(
    "question", ["Did the last execution of essay succeed?", "Did the last run of essay work?"]
)
def test_how_an_execution_ended_is_its_state(record: dict[str, str], question: str) -> None:
    answer = ask(question)

    assert (answer.level, answer.intent) == ("live", "state")
    assert f"{record['short']} (the last of essay; 1 other fitted) is completed" in answer.text


def test_two_readings_with_one_answer_are_told_once(record: dict[str, str]) -> None:
    assert ask("What node types are there?").text.count("4 node types") == 1
