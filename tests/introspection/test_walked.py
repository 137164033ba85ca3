"""What a newcomer asks of a graph with every kind of node: each answer is what the record holds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import (
    END,
    START,
    CachePolicy,
    Command,
    CompiledGraph,
    InMemoryCache,
    InMemoryCheckpointer,
    RetryPolicy,
    StateGraph,
    interrupt,
    mapped,
)
from inwit.introspection.keys_alike import stem
from inwit.runtime.context import Context
from tests.introspection.planting import evidence_holds, introspector, uris

POLICY = RetryPolicy(max_attempts=4, initial_interval=0.001, jitter=False)


class Fraud(TypedDict, total=False):
    risk: float
    quantity: int


class Order(TypedDict, total=False):
    sku: str
    quantity: int
    stock: int
    price: float
    risk: float
    tax: float
    approved: bool
    citations: list[str]


def label(sku: str) -> str:
    return f"label of {sku}"


def receive(state: Order) -> dict[str, Any]:
    if state["quantity"] < 1:
        raise ValueError("nothing is ordered")
    return {"stock": 100}


def get_price(state: Order, ctx: Context) -> dict[str, Any]:
    if ctx.attempt == 1 and state["sku"] == "shaky":
        raise ConnectionError("the supplier hung up")
    return {"price": 9.5}


def work_out_tax(state: Order, ctx: Context) -> dict[str, Any]:
    return {"tax": 1.9, "citations": [ctx.tool(label, state["sku"])]}


def review(state: Order) -> dict[str, Any]:
    return {"approved": interrupt({"question": "Send it?"})}


def route(state: Order) -> str:
    return "review" if state["risk"] > 0.5 else "ship"


def ship(state: Order) -> dict[str, Any]:
    return {}


def backorder(state: Order) -> dict[str, Any]:
    return {}


def checking() -> CompiledGraph[Fraud]:
    """Score, which finds more than 50 risky."""
    graph = StateGraph(Fraud)
    graph.add_node("score", lambda state: {"risk": 0.9 if state["quantity"] > 50 else 0.1})
    graph.add_edge(START, "score").add_edge("score", END)
    return graph.compile(name="fraud")


def selling() -> CompiledGraph[Order]:
    """Receive → price → tax → fraud_check (a graph) → (review →) ship."""
    graph = StateGraph(Order)
    graph.add_node(receive)
    graph.add_node(get_price, retry_policy=POLICY)
    graph.add_node(work_out_tax, cache_policy=CachePolicy(key_func=lambda state: "same"))
    graph.add_node("fraud_check", checking())
    for node in (review, ship, backorder):
        graph.add_node(node)
    graph.add_edge(START, "receive").add_edge("receive", "get_price")
    graph.add_edge("get_price", "work_out_tax").add_edge("work_out_tax", "fraud_check")
    ways = {"review": "review", "ship": "ship", "backorder": "backorder"}
    graph.add_conditional_edges("fraud_check", route, ways)
    graph.add_edge("review", "ship").add_edge("ship", END).add_edge("backorder", END)
    return graph.compile(name="sales", checkpointer=InMemoryCheckpointer(), cache=InMemoryCache())


@pytest.fixture
def sold(project: Path) -> dict[str, str]:
    """An execution by thread: ada's fits, bob's is shaky, dee's fails, eve's is approved."""
    app = selling()
    ran: dict[str, str] = {}
    for thread, sku, quantity in (
        ("ada", "pen", 3), ("bob", "shaky", 5), ("dee", "pen", 0), ("eve", "elephant", 60),
    ):  # fmt: skip
        with contextlib.suppress(ValueError):
            app.invoke({"sku": sku, "quantity": quantity}, thread_id=thread)
        ran[thread] = str(app.last_execution_id)
    app.invoke(Command(resume=True), thread_id="eve")
    app.invoke({"sku": "pen", "quantity": 1}, thread_id="fay")
    ran["fay"] = str(app.last_execution_id)
    return ran


def ask(question: str) -> Any:
    answer = introspector().ask(question)
    assert evidence_holds(answer)
    return answer


@pytest.mark.parametrize(
    ("question", "thread"),
    [
        ("Why did receive fail in the execution of dee?", "dee"),
        ("What did get_price return for bob?", "bob"),
        ("What was the price in eve's execution?", "eve"),
        ("How did the person answer in eve's execution?", "eve"),
        ("Why did eve go to review?", "eve"),
        ("Why did ada not go to review?", "ada"),
        ("Show me dee", "dee"),
    ],
)
def test_a_thread_is_known_by_its_bare_name(
    sold: dict[str, str], question: str, thread: str
) -> None:
    answer = ask(question)

    assert answer.level == "live"
    assert sold[thread] in answer.text + " ".join(uris(answer))
    assert not any(sold[other] in answer.text for other in sold if other != thread)


def test_a_word_that_is_no_thread_names_none(sold: dict[str, str]) -> None:
    assert sold["fay"] in ask("What happened to gus in the last execution?").text


@pytest.mark.parametrize(
    ("question", "nodes"),
    [
        ("Which nodes have a retry policy?", ["get_price"]),
        ("Which nodes have a cache policy?", ["work_out_tax"]),
        ("Which nodes are subgraphs?", ["fraud_check"]),
        ("Which node talks to a person?", ["review"]),
        ("Which nodes have a time-out?", []),
        ("Which nodes have side effects?", []),
    ],
)
def test_the_nodes_of_a_kind_are_named(
    sold: dict[str, str], question: str, nodes: list[str]
) -> None:
    answer = ask(question)

    assert (answer.level, answer.intent) == ("app", "whatis")
    assert answer.data["nodes"] == nodes
    none = {"graph://sales/nodes", "graph://fraud/nodes"}
    assert set(uris(answer)) == {f"graph://sales/nodes/{name}" for name in nodes} or none


def test_whether_a_node_has_a_policy_is_told_with_what_holds_for_all(sold: dict[str, str]) -> None:
    assert "max_attempts=4" in ask("Does get_price have a retry policy?").text
    plain = ask("Does ship have a retry policy?")
    assert plain.text.startswith("ship declares no retry policy.")
    assert "up to 3 times" in plain.text


def test_a_node_that_runs_a_graph_is_a_subgraph_in_the_manifest(sold: dict[str, str]) -> None:
    facts = selling().manifest().node("fraud_check")

    assert facts is not None
    assert (facts.node_type, facts.graph) == ("decision", "fraud")
    assert facts.reads == facts.writes == ("quantity", "risk")


def test_a_mapped_graph_tells_the_outer_keys_that_it_uses(project: Path) -> None:
    outer = StateGraph(Order).add_node(
        "check", mapped(checking(), into={"quantity": "stock"}, back={"price": "risk"})
    )
    facts = outer.add_edge(START, "check").compile(name="outer").manifest().node("check")

    assert facts is not None
    assert (facts.node_type, facts.graph) == ("subgraph", "fraud")
    assert (facts.reads, facts.writes) == (("stock",), ("price",))


def test_what_happened_inside_a_subgraph_is_its_own_execution(sold: dict[str, str]) -> None:
    answer = ask("What happened inside fraud_check in bob's order?")

    (child,) = answer.data["values"]["executions"]
    assert child["graph_name"] == "fraud"
    assert f"execution://{child['execution_id']}/history" in uris(answer)
    assert "risk = 0.1" in answer.text and "score" in answer.text


def test_what_a_tool_gave_is_told_by_its_name(sold: dict[str, str]) -> None:
    answer = ask("What did label return for ada?")

    assert answer.data["values"] == {"label": 1}
    assert "label of pen" in answer.text


def test_a_key_is_meant_before_the_cost_that_it_is_spelt_like(sold: dict[str, str]) -> None:
    assert ask("What was the price in the last execution?").data["values"] == {"price": 9.5}


def test_a_key_is_known_by_another_form_of_its_word(sold: dict[str, str]) -> None:
    answer = ask("What was cited in ada's execution?")

    assert answer.data["values"] == {"citations": ["label of pen"]}
    assert stem("cited") == stem("citations")
    assert stem("priced") != stem("printed")


def test_threads_are_counted_and_named(sold: dict[str, str]) -> None:
    answer = ask("How many threads are there?")

    assert answer.data["values"]["total_count"] == len(sold)
    assert answer.text.startswith("5 executions on record are in 5 threads.")


def test_nodes_are_ranked_by_how_often_they_ran(sold: dict[str, str]) -> None:
    answer = ask("Which nodes ran most often?")

    assert answer.data["values"]["receive of sales"] == len(sold)
    assert next(iter(answer.data["values"])) == "receive of sales"


def test_today_is_compared_with_before_and_not_with_what_comes_after_it(
    sold: dict[str, str],
) -> None:
    answer = ask("Has it become slower today?")

    assert "No execution from today" not in answer.text
    assert answer.data["graphs"]["sales"]["recent_n"] == len(sold)


def test_whether_any_failed_is_a_count(sold: dict[str, str]) -> None:
    values = ask("Did any execution fail today?").data["values"]

    assert (values["failed"], values["completed"]) == (1, 2 * (len(sold) - 1))


def test_the_times_of_several_executions_are_told_one_by_one(sold: dict[str, str]) -> None:
    answer = ask("How long did the last three executions of sales take?")

    assert len(answer.data["times"]) == 3
    assert answer.text.startswith("The last 3 executions of sales took")


def test_the_last_failure_of_a_node_is_told_apart_from_a_newer_one(project: Path) -> None:
    app = selling()
    for sku, quantity in (("pen", 0), (None, 2)):
        with contextlib.suppress(Exception):
            app.invoke({"sku": sku, "quantity": quantity} if sku else {"quantity": quantity})

    text = ask("Why did receive fail?").text

    assert "this is about the last one in which receive failed" in text


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("Which checkpointers are available?", "Checkpointing is"),
        ("Is there a package for summarising?", "1 package fits: inwit/prompts"),
        ("What packages are there for image generation?", "No package that this project"),
        ("What does graph.unknown_node mean?", "graph.unknown_node is the code of"),
        ("Does dataflow scheduling exist?", "Yes: dataflow scheduling is implemented"),
        ("Does inwit support streaming tokens?", "Yes: streaming is implemented"),
        ("What would happen if 100 people asked at once?", "That cannot be predicted: at most 1"),
    ],
)
def test_what_was_answered_wrongly_once_is_answered_so(
    sold: dict[str, str], question: str, start: str
) -> None:
    assert ask(question).text.startswith(start)


def test_a_follow_up_is_not_the_same_question_in_other_words(sold: dict[str, str]) -> None:
    offered = ask("What happens after receive?").follow_ups

    assert len(offered) == 3
    assert "What comes after receive?" not in offered


def test_a_node_with_a_cache_is_said_to_have_one(sold: dict[str, str]) -> None:
    assert "has a cache policy already" in ask("What if work_out_tax were cached?").text


def test_two_threads_are_compared_by_what_differs(sold: dict[str, str]) -> None:
    answer = ask("What is different between ada and eve?")

    assert answer.data["values"]["before"] == sold["ada"]
    assert "Where the first went" in answer.text and "review" in answer.text
    assert f"execution://{sold['eve']}/history" in uris(answer)


def test_the_last_two_executions_are_compared(sold: dict[str, str]) -> None:
    values = ask("Compare the last two executions").data["values"]

    assert (values["before"], values["after"]) == (sold["eve"], sold["fay"])


def test_a_key_that_nobody_wrote_is_told_by_the_nodes_that_would_have(
    sold: dict[str, str],
) -> None:
    answer = ask("Why is there no risk in dee's execution?")

    assert "fraud_check, which writes risk, did not run." in answer.text
    assert "nothing is ordered" in answer.text


@pytest.mark.parametrize(
    ("question", "key"),
    [("Why was the price 9.5?", "price"), ("Why is approved True in eve's execution?", "approved")],
)
def test_a_value_is_traced_to_the_visit_that_wrote_it(
    sold: dict[str, str], question: str, key: str
) -> None:
    answer = ask(question)

    assert answer.intent == "why"
    assert list(answer.data["values"]) == [key]
    assert answer.data["causes"][0]["kind"] == "wrote"


def test_nodes_are_ranked_by_their_failures(sold: dict[str, str]) -> None:
    values = ask("Which node fails most often?").data["values"]

    assert list(values) == ["receive of sales", "get_price of sales"]
    assert values["receive of sales"]["failed"] == 1
    assert values["get_price of sales"]["tried_again"] == 1


def test_another_model_cannot_be_foretold_where_a_node_is_named(sold: dict[str, str]) -> None:
    assert "no model call" in ask("What if work_out_tax used another model?").text


def test_the_last_execution_is_one_that_was_invoked_and_none_within_it(
    sold: dict[str, str],
) -> None:
    assert sold["fay"] in ask("What did the last completed execution return?").text


def test_when_it_ends_is_not_told_of_what_waits_for_a_person(project: Path) -> None:
    selling().invoke({"sku": "elephant", "quantity": 99}, thread_id="gus")

    assert "waits for a person's answer" in ask("When will gus's execution finish?").text
    assert "1 execution waits for a person's answer" in ask("Is anything stuck?").text


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("Does a crash lose data?", "Durability: Says when"),
        ("Is there a limit on parallel branches?", "Yes: limits are implemented"),
        ("Which node comes last?", "sales begins at receive and can end after"),
        ("Who publishes the packages?", "inwit/folder-checkpointer, "),
        ("Did the cache help?", "Yes: from the cache came work_out_tax"),
    ],
)
def test_what_is_asked_in_passing_is_answered_to_the_point(
    sold: dict[str, str], question: str, start: str
) -> None:
    assert ask(question).text.startswith(start)


def test_a_why_that_names_nothing_is_said_to_be_answered_by_what_stands_out(
    sold: dict[str, str],
) -> None:
    answer = ask("Why was ada's parcel blue?")

    assert answer.text.startswith("What is asked names no node, key or way of this graph")
    assert answer.confidence <= 0.5


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("What is the difference between sales and fraud?", "sales has 7 nodes"),
        ("Is fraud faster than sales?", "sales: 5 executions"),
        ("What is the difference between replay and time travel?", "Time travel: "),
        ("Which nodes depend on receive?", "receive writes stock; no node or decision reads it"),
        ("Which nodes of sales write nothing?", "ship (writes nothing)"),
        ("Which tool was called most?", "label was called once"),
        ("Who called label?", "In execution"),
    ],
)
def test_what_is_named_twice_or_by_what_it_did_is_found(
    sold: dict[str, str], question: str, start: str
) -> None:
    assert start in ask(question).text


def test_how_long_an_answer_was_waited_for_is_counted_from_question_to_answer(
    sold: dict[str, str],
) -> None:
    answer = ask("How long did eve wait for the answer?")

    assert answer.text.startswith("review waited ")
    assert sold["eve"] in answer.text


def test_what_ran_in_a_stretch_of_time_is_listed(sold: dict[str, str]) -> None:
    assert ask("What ran in the last 5 minutes?").data["values"]["total_count"] == 2 * len(sold) - 1


def test_the_tokens_of_a_thread_are_its_own(sold: dict[str, str]) -> None:
    values = ask("How many tokens did ada use?").data["values"]

    assert values["executions"] == 1


def test_threads_that_failed_are_told_apart(sold: dict[str, str]) -> None:
    text = ask("Which threads failed?").text

    assert "1 thread with a thread_id hold" in text
    assert "dee: " in text and "ada: " not in text


def test_executions_are_found_by_how_long_they_took(sold: dict[str, str]) -> None:
    longer = ask("Which executions took longer than 1 minute?")
    shorter = ask("Which executions took less than 1 minute?")

    assert longer.data["values"] == {}
    assert sold["ada"] in shorter.data["values"]


def test_the_executions_of_a_thread_are_listed(sold: dict[str, str]) -> None:
    values = ask("List the executions of ada").data["values"]

    assert sold["ada"] in [one["execution_id"] for one in values["executions"]]


@pytest.mark.parametrize(
    "question", ["Was there any retry in bob's execution?", "How often was bob retried?"]
)
def test_the_retries_of_a_thread_are_counted(sold: dict[str, str], question: str) -> None:
    assert ask(question).data["values"]["retries"] == 1


def test_why_a_node_follows_another_is_told_by_the_edges(sold: dict[str, str]) -> None:
    text = ask("Why does review come after fraud_check?").text

    assert "route" in text and "did compile" not in text


@pytest.mark.parametrize(
    ("question", "level"),
    [
        ("How do I compare two executions?", "platform"),
        ("What happens inside a node when it is retried?", "platform"),
        ("How can a node wait for a person?", "platform"),
        ("What is the difference between a node and an edge?", "platform"),
    ],
)
def test_what_is_asked_of_all_graphs_is_answered_from_the_platform(
    sold: dict[str, str], question: str, level: str
) -> None:
    assert ask(question).level == level
