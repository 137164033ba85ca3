"""A small shop is asked for rounds, values, numbers and kinds of executions; each answer is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, Answer, CompiledGraph, StateGraph

FAILED = (313, 320, 325)


class Order(TypedDict, total=False):
    order: int
    customer: str
    tries: int
    price: float
    total: float
    verdict: str


def search(state: Order) -> dict[str, Any]:
    return {"tries": state.get("tries", 0) + 1}


def pricing(state: Order) -> dict[str, Any]:
    if state["customer"] == "globex":
        raise ValueError("no price list")
    return {"price": 3.0 * state["tries"], "total": 4.0 * state["tries"]}


def judge(state: Order) -> dict[str, Any]:
    return {"verdict": "long" if state["total"] > 8 else "short"}


def again(state: Order) -> str:
    return "search" if state["tries"] < (3 if state["order"] % 2 else 1) else "pricing"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompiledGraph[Order]]:
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("shop")
        (folder / ".inwit").mkdir()
        patch.chdir(folder)
        graph = StateGraph(Order)
        graph.add_node("search", search).add_node("pricing", pricing).add_node("judge", judge)
        graph.add_edge(START, "search").add_edge("pricing", "judge").add_edge("judge", END)
        graph.add_conditional_edges("search", again, ["search", "pricing"])
        app = graph.compile(name="shop")
        for number in range(300, 330):
            customer = "globex" if number in FAILED else "acme"
            try:
                app.invoke({"order": number, "customer": customer})
            except ValueError:
                continue
        yield app


def told(answer: Answer, read: tuple[str, str]) -> str:
    assert (answer.level, answer.intent) == read
    return answer.text


@pytest.mark.parametrize(
    ("question", "often", "kept"),
    [
        ("What if search ran at most twice?", "twice", "the first and the last"),
        ("What if search could only run once?", "once", "the last"),
        ("cap search at two rounds: what then?", "twice", "the first and the last"),
    ],
)
def test_a_limit_of_rounds_leaves_out_those_in_between(
    shop: CompiledGraph[Order], question: str, often: str, kept: str
) -> None:
    answer = shop.ask(question)

    text = told(answer, ("live", "whatif"))
    # Of 27 that completed, 12 have an odd number and so three rounds of search.
    over = [n for n in range(300, 330) if n % 2 and n not in FAILED]
    assert answer.data["change"] == {"kind": "visits", "nodes": ["search"]}
    assert answer.data["most_visits_seen"] == 3
    assert f"{len(over)} of 27 recorded executions ran search more than {often}" in text
    assert f"{kept} {'is' if kept == 'the last' else 'are'} kept" in text
    assert answer.data["predicted"]["point"] <= answer.data["baseline"]["point"]


def test_a_limit_that_none_reaches_changes_nothing(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("What if search ran no more than 5 times?")

    assert "None of 27 recorded executions ran search more than 5 times." in answer.text
    assert answer.data["share_changed"] == 0


@pytest.mark.parametrize("question", ["Why is verdict 'long'?", "why is vrdict long"])
def test_why_a_key_has_a_value_is_told_by_what_its_writer_read(
    shop: CompiledGraph[Order], question: str
) -> None:
    answer = shop.ask(question)

    text = told(answer, ("live", "why"))
    assert answer.data["values"] == {"verdict": "long"}
    assert "verdict is long in" in text and "last written by judge" in text
    assert "judge read total = 12.0 (of pricing)." in text


def test_an_execution_is_found_in_which_the_key_had_the_value(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("Why is total 4?")

    told(answer, ("live", "why"))
    state = shop.ask("what was total then", execution_id=answer.data["execution_id"])
    assert answer.data["values"] == {"total": 4.0} == state.data["values"]


def test_a_value_that_a_key_never_had_is_said_to_be_none(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("Why is verdict 'medium'?")

    assert answer.text.startswith("verdict is not 'medium' in execution")


@pytest.mark.parametrize("number", FAILED)
def test_an_execution_is_found_by_a_number_that_it_was_called_with(
    shop: CompiledGraph[Order], number: int
) -> None:
    answer = shop.ask(f"Why did order {number} fail?")

    text = told(answer, ("live", "why"))
    assert "failed in pricing: ValueError: “no price list”" in text
    assert f"{{'order': {number}, 'customer': 'globex'}}" in text


def test_one_that_did_not_fail_is_not_taken_for_another(shop: CompiledGraph[Order]) -> None:
    completed = shop.ask("Why did order 310 fail?")
    unknown = shop.ask("Why did order 999 fail?")

    assert completed.text.startswith("It did not fail: execution ")
    assert unknown.text.startswith("None of the executions looked at was called with order 999;")
    assert unknown.confidence < 0.6


@pytest.mark.parametrize(
    "question",
    [
        "How do failed and successful executions of orders differ?",
        "How do failed and successful executions of shop differ?",
        "what differs between failed runs and the ones that completed",
    ],
)
def test_kinds_of_executions_are_parted_by_what_they_were_called_with(
    shop: CompiledGraph[Order], question: str
) -> None:
    answer = shop.ask(question)

    assert answer.data["values"] == {"failed": 3, "completed": 27}
    assert answer.data["differences"][0]["attribute"] == "input.customer"
    assert "3 of 3 failed executions had input.customer = globex" in answer.text


def test_two_single_executions_are_compared_by_their_ways(shop: CompiledGraph[Order]) -> None:
    last = shop.ask("How does the last execution of shop differ from the one before?")
    numbered = shop.ask("compare run 29 with run 30")

    assert "Where the first went nothing, the second went search → search." in last.text
    assert last.text == numbered.text


@pytest.mark.parametrize(
    "question", ["executions in total", "How many executions are there in total?"]
)
def test_executions_in_total_are_counted(shop: CompiledGraph[Order], question: str) -> None:
    answer = shop.ask(question)

    told(answer, ("live", "state"))
    assert answer.data["values"]["total"] == 30


def test_a_short_number_is_a_place_in_the_order_and_says_so(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("What was order in run 12?")
    missing = shop.ask("Why did run 42 fail?")

    assert "number 12 of 30 of shop in the order of their starts" in answer.text
    assert answer.data["values"] == {"order": 311}
    assert missing.text.startswith("No execution '42'.")


def test_where_a_value_is_computed_is_its_writer(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("Where is the price computed?")

    assert told(answer, ("app", "whatis")).startswith("pricing writes price.")


def test_the_news_of_the_world_are_outside_and_what_happened_here_is_not(
    shop: CompiledGraph[Order],
) -> None:
    world = shop.ask("what happened in the news today")
    here = shop.ask("what happened today")

    assert (world.level, world.confidence) == ("none", 0.0)
    assert told(here, ("live", "when")).startswith("30 executions from today")


def test_a_system_prompt_is_shown_by_the_example_that_has_one(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("how do I set a system prompt for the model?")

    assert 'create_react_agent(Model(), [get_weather], prompt="Be brief."' in told(
        answer, ("platform", "howto")
    )
