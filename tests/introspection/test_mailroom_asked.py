"""Strangers ask a project of several graphs: what is meant is looked for in all of them, and in the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit import Answer
from inwit.introspection import Introspector
from inwit.runtime.project import Project
from inwit.runtime.store import Journal
from tests.introspection import mailroom
from tests.introspection.chosen import chosen_times


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Introspector]:
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("mailroom")
        (folder / ".inwit").mkdir()
        patch.chdir(folder)
        with chosen_times() as clock:
            mailroom.run(clock)
            Journal.of(Project.find()).flush()
        yield Introspector.of(Project.find())


def told(asks: Introspector, question: str) -> Answer:
    answer = asks.ask(question)
    assert answer.evidence and all(asks.resolve(one.uri).quote for one in answer.evidence)
    return answer


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Which node fails most?", "weigh of parcels failed in 2 of 30 visits, and was tried again in 3."),
        ("What is our flakiest step?", "weigh of parcels failed in 2 of 30 visits"),
        ("Which step retries the most?", "weigh of parcels was tried again 3 times, in 3 of 30 visits; 2"),
        ("Which node is the slowest?", ("Of the nodes of letters, invoices and parcels these take longest at "
         "the median: compose of letters (60.0 ms), judge of invoices (25.0 ms) and read of invoices (18.0")),
        ("Which node is called most often?", "In the last 53 executions of letters, invoices and parcels"),
        ("Which node eats the most money?", "judge of invoices: 5,940 tokens in 18 model calls, $0.360000, 92%"),
        ("Where does the money go?", "judge of invoices: 5,940 tokens in 18 model calls, $0.360000, 92% of"),
        ("Which model costs most?", "grand-2: 5,940 tokens in 18 model calls, $0.360000, 92% of the cost"),
        ("Which graph costs the most?", "invoices: 20 executions, 4 of them failed"),
        ("Which graph fails most?", "invoices: 20 executions, 4 of them failed"),
        ("how can I make it cheaper?", "Of the graphs these cost most: invoices ($0.374400), letters ($0.015"),
        ("How can I make it more reliable?", "Of the graphs these fail most: invoices (4 of 20), parcels (1"),
    ],
)  # fmt: skip
def test_what_stands_out_is_looked_for_in_all_graphs_where_none_is_named(
    asks: Introspector, question: str, first: str
) -> None:
    assert told(asks, question).text.startswith(first)


def test_whether_all_is_well_is_judged_graph_by_graph(asks: Introspector) -> None:
    answer = told(asks, "Is everything OK?")

    lead, *others = answer.text.splitlines()
    assert lead == "Of 3 graphs that ran, invoices and parcels are not well."
    assert {one["graph"] for one in answer.data["verdicts"]} == {"letters", "invoices", "parcels"}
    alone = asks.ask("Is everything OK?", graph="parcels")
    assert alone.text in answer.text and alone.data["healthy"] is answer.data["healthy"] is False
    assert others[-1] == "Nothing that can be judged about letters is unusual."


def test_one_thing_is_judged_of_each_graph(asks: Introspector) -> None:
    lines = told(asks, "Are we slower than yesterday?").text.splitlines()

    assert [line.split(" at the median")[0] for line in lines] == [
        "Nothing that can be judged about letters is unusual.", "Latency: 60.0 ms",
        "Nothing that can be judged about invoices is unusual.", "Latency: 52.0 ms",
        "Nothing that can be judged about parcels is unusual.", "Latency: 14.0 ms",
    ]  # fmt: skip


def test_what_a_node_said_for_something_is_what_it_returned(asks: Introspector) -> None:
    answer = told(asks, "What did judge say about Hydra?")

    assert (answer.level, answer.intent) == ("live", "state")
    assert answer.data["values"]["output"] == {"verdict": "odd"}
    assert "called with 'hydra'" in answer.text


def test_a_recorded_model_without_a_price_is_a_model_all_the_same(asks: Introspector) -> None:
    answer = told(asks, "What if judge used mini-1?")

    assert answer.text.splitlines() == [
        "What mini-1 would cost is unknown: no price table has it.",
        "A recorded call of mini-1 took 9.0 ms at the median instead of 25.0 ms.",
    ]


def test_a_graph_without_objectives_keeps_none(asks: Introspector) -> None:
    alone = told(asks, "Does letters meet its objectives?")
    assert alone.text.splitlines()[0] == "letters declares no objective."
    assert alone.data["healthy"] is None

    lines = told(asks, "Do we meet our objectives?").text.splitlines()

    assert [line.split()[0] for line in lines] == [
        "letters",
        lines[1].split()[0],
        "invoices",
        "parcels",
    ]


def test_what_stands_out_is_looked_for_in_the_graph_that_the_caller_means(
    asks: Introspector,
) -> None:
    answer = asks.ask("Which node fails most?", graph="invoices")

    assert set(answer.data["values"]) == {"dig", "book"}


@pytest.mark.parametrize(
    ("question", "measure", "first"),
    [
        (
            "How can I make invoices cheaper?",
            "cost",
            "judge makes up 96% of the cost: $0.020000 and 330",
        ),
        (
            "How can I use fewer tokens in invoices?",
            "tokens",
            "read makes up 73% of the tokens: 880 tokens",
        ),
    ],
)
def test_what_costs_most_is_ranked_by_money_unless_tokens_are_asked_for(
    asks: Introspector, question: str, measure: str, first: str
) -> None:
    answer = told(asks, question)

    assert answer.data["measure"] == measure and first in answer.text


@pytest.mark.parametrize(
    ("question", "nodes"),
    [
        ("Which node calls a model?", {"read", "judge", "compose"}),
        ("Which nodes talk to an LLM?", {"read", "judge", "compose"}),
        ("Does judge use a model?", {"judge"}),
        ("Does dig use a model?", set()),
        ("Which graphs use a language model?", {"read", "judge", "compose"}),
        (
            "Are there nodes without a model call?",
            {"dig", "book", "park", "weigh", "customs", "handover"},
        ),
    ],
)
def test_which_nodes_call_models_is_told_by_the_record_too(
    asks: Introspector, question: str, nodes: set[str]
) -> None:
    assert set(told(asks, question).data["nodes"]) == nodes


def test_the_models_in_use_are_those_of_all_graphs(asks: Introspector) -> None:
    answer = told(asks, "Which models do we use?")

    assert {name: one["calls"] for name, one in answer.data["values"].items()} == {
        "grand-2": 18, "mini-1": 39,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("Show me all the JP parcels", 6),
        ("Show invoices from Hydra", 4),
        ("Find the Acme invoices", 8),
        ("Which invoices came from Globex?", 4),
        ("Give me the Tortoise parcels that failed", 0),
        ("List the BR executions", 6),
    ],
)
def test_what_a_graph_works_on_is_listed_by_a_value(
    asks: Introspector, question: str, number: int
) -> None:
    assert told(asks, question).data["values"]["total_count"] == number


@pytest.mark.parametrize(
    ("question", "node", "given"),
    [
        ("Why did the last execution with the country BR fail?", "customs", "'number': 16"),
        ("Why did the last run with vendor Umlaut fail?", "dig", "umlaut-13.pdf"),
        ("Why did parcel 16 fail?", "customs", "'number': 16"),
        ("Why did number 16 go wrong?", "customs", "'number': 16"),
        ("Why did invoice 6 fail?", "book", "locked-6.pdf"),
    ],
)
def test_a_value_or_a_number_says_which_execution_is_meant(
    asks: Introspector, question: str, node: str, given: str
) -> None:
    answer = told(asks, question)

    assert answer.data["causes"][0]["node"] == node
    assert given in answer.text


def test_when_a_node_failed_tells_of_attempts_that_something_took_over_from(
    asks: Introspector,
) -> None:
    answer = told(asks, "When did weigh fail?")

    assert answer.data["recovered"] == {"visits": 3, "attempts": 5, "executions": 30}
    assert "No execution of parcels ended by a failure of weigh." in answer.text
    assert answer.text.count("estimate took over from it") == 2
    assert answer.text.count("a further attempt succeeded") == 1


def test_when_a_node_failed_that_never_did_so_tells_that(asks: Introspector) -> None:
    assert told(asks, "When did handover fail?").text.endswith("No attempt of it failed.")


@pytest.mark.parametrize(
    "question",
    [
        "How often did weigh fall back?",
        "Which parcels were weighed by estimate?",
        "When was estimate last used?",
        "Was the fallback ever used?",
    ],
)
def test_each_time_that_something_took_over_is_told(asks: Introspector, question: str) -> None:
    answer = told(asks, question)

    assert answer.data["values"] == {"estimate": {"times": 2, "executions": 30, "node": "weigh"}}
    assert "'number': 19" in answer.text and "'number': 7" in answer.text


@pytest.mark.parametrize(
    ("question", "kinds", "number"),
    [
        (
            "which documents could not be decoded?",
            ["dig of invoices failed with UnicodeDecodeError"],
            2,
        ),
        (
            "Which invoices could not be booked?",
            ["book of invoices failed with PermissionError"],
            2,
        ),
        ("Which parcels had no papers?", ["customs of parcels failed with CustomsError"], 1),
        (
            "How many parcels could not be weighed?",
            ["weigh of parcels failed with ConnectionError"],
            2,
        ),
        (
            "Which parcels never got a label?",
            ["1 of the last 30 executions of parcels ended without"],
            1,
        ),
        (
            "Which letters could not be stamped?",
            ["No failure on record is of that by its words"],
            0,
        ),
    ],
)
def test_what_was_not_done_is_looked_for_in_what_nodes_raised(
    asks: Introspector, question: str, kinds: list[str], number: int
) -> None:
    answer = told(asks, question)

    assert answer.data["values"]["total_count"] == number
    assert all(kind in answer.text for kind in kinds)


@pytest.mark.parametrize(
    "question", ["summarise today", "Sum up today for me", "How was today?", "Recap the last hour"]
)
def test_a_stretch_of_time_is_summed_up_by_graphs_failures_and_costs(
    asks: Introspector, question: str
) -> None:
    answer = told(asks, question)

    assert answer.text.startswith("53 executions from ")
    assert ": 48 completed and 5 failed." in answer.text
    assert "parcels: 30 executions, 1 failed" in answer.text
    assert "2 failed in dig of invoices, the last, " in answer.text
    assert "57 model calls used 38,280 tokens, $0.389400." in answer.text
    assert {(one["node"], len(one["executions"])) for one in answer.data["failures"]} == {
        ("dig", 2), ("book", 2), ("customs", 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("what would happen if dig failed for good?", ("20 of the last 20 executions of invoices came to dig "
         "and would have failed there.\nNothing else leads to book, judge, park and read: they would not run.")),
        ("What if weigh was down?", ("estimate takes over.\nOn record it failed for good in 2 of 30 executions.\n"
         "30 of the last 30 executions of parcels came to weigh and would go on with what takes over.")),
        ("what if customs goes down?", "Nothing else leads to handover: it would not run."),
    ],
)  # fmt: skip
def test_what_would_follow_if_a_node_failed_for_good_is_told(
    asks: Introspector, question: str, says: str
) -> None:
    answer = told(asks, question)

    assert answer.intent == "whatif" and says in answer.text
    assert answer.data["change"]["kind"] == "broken"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("What do the failed invoices have in common?", "4 of the last 20 executions of invoices failed, in 2 ways."),
        ("Why do invoices fail?", "4 of the last 20 executions of invoices failed, in 2 ways.\n2 of 4 failed in"),
        ("Why do Umlaut invoices fail?", "2 of the last 2 executions of invoices with input.vendor = Umlaut failed"),
        ("Which runs failed because of papers?", "customs of parcels failed with CustomsError in 1 of"),
        ("How often does judge find something odd?", "4 of the last 20 executions of invoices had"),
        ("Which graph ran most?", "parcels: 30 executions, 1 of them failed"),
        ("What is the cheapest graph?", "parcels: 30 executions, 1 of them failed, 14.0 ms at the median, no model"),
        ("Show the slowest 3 invoices", "Of 20 executions these were the longest:"),
        ("Which invoices went to park?", "4 of the last 20 executions of invoices came to park, 20.0%.\nThey are "),
        ("What happened to parcel 7?", "attempts failed on the way, in weigh, first with ConnectionError"),
        ("tell me about invoice 6", "(the last called with invoice 6) has failed: PermissionError"),
        ("Which runs needed a retry?", "The last 53 executions had 3 retries, in 3 executions"),
        ("Which of my graphs is the flakiest?", "invoices: 20 executions, 4 of them failed"),
        ("Who spends our money?", "judge of invoices: 5,940 tokens in 18 model calls, $0.360000, 92% of"),
        ("List everything from vendor Globex", "4 executions with input.vendor = Globex of the last 20:"),
        ("Who calls grand-2?", "grand-2 was called 18 times by judge, in 18 executions"),
        ("Do we use gpt-4o anywhere?", "No call of gpt-4o by a node of letters, invoices or parcels is on record"),
        ("Where do BR parcels lose their time?", "the time of 5 executions on the critical path goes to customs"),
    ],
)  # fmt: skip
def test_what_is_asked_in_words_of_ones_own_is_answered(
    asks: Introspector, question: str, says: str
) -> None:
    assert says in told(asks, question).text


def test_two_groups_of_times_wholly_apart_are_told_so(asks: Introspector) -> None:
    answer = told(asks, "Are BR parcels slower than FR ones?")

    assert "with input.country = BR take 25.0 ms longer at the median" in answer.text


def test_the_share_of_time_of_a_node_and_the_number_that_came_to_it_are_told(
    asks: Introspector,
) -> None:
    assert (
        "customs" in told(asks, "What share of time does customs take in parcels?").data["shares"]
    )
    assert told(asks, "How many invoices were parked?").text.startswith("4 of the last 20")


def test_executions_with_a_value_are_found_by_how_they_ended(asks: Introspector) -> None:
    failed = told(asks, "Find failed executions with BR")
    completed = told(asks, "Find completed runs with BR")

    assert failed.text.startswith("1 execution of the last 5 failed ones was called with 'br'.")
    assert completed.text.startswith(
        "5 executions of the last 48 completed ones were called with 'br'."
    )
