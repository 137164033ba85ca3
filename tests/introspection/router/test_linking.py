"""Names are found in their many spellings, and ordinary words are left alone."""

from __future__ import annotations

import pytest

from inwit.introspection.router import Catalogue, parse_selection
from inwit.introspection.router.linking import Index, edits
from inwit.introspection.router.masking import link, mask
from inwit.introspection.router.measuring import find_metrics
from inwit.introspection.router.unnamed import unknown_names


def found(question: str, catalogue: Catalogue) -> list[str]:
    entities = link(question, Index(catalogue))
    for one in entities:
        assert question[one.start : one.end] == one.text
    return [f"{one.kind}:{one.value}" for one in entities if one.kind != "metric"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("why did search run 3 times", ["node:search"]),
        ("SEARCH ran twice", ["node:search"]),
        ("what if search were cached", ["node:search"]),
        ("what happens between plan and answer", ["node:plan", "node:answer"]),
        ("is loadCart healthy", ["node:loadCart"]),
        ("is load_cart healthy", ["node:loadCart"]),
        ("is load cart healthy", ["node:loadCart"]),
        ("is loadcart healthy", ["node:loadCart"]),
        ("charge card timed out", ["node:charge_card"]),
        ("chrage_card timed out", ["node:charge_card"]),
        ("price_item is slow", ["node:price_items"]),
        ("'search' please", ["node:search"]),
        ("the node why is slow", ["node:why"]),
        ("which nodes write `answer`", ["key:answer"]),
        ("who changed passages", ["key:passages"]),
        ("describe checkout flow", ["graph:checkoutFlow"]),
        ("what does web_lookup do", ["tool:web_lookup"]),
        ("who published acme/pdf-toolkit", ["package:acme/pdf-toolkit"]),
        ("who published pdf-toolkit", ["package:acme/pdf-toolkit"]),
        ("почему поиск упал", ["node:поиск"]),
        ("检索为什么运行了三次", ["node:检索"]),
        ("why did run 7f3a fail", ["exec:7f3a"]),
        ("why did run 20417 fail", ["exec:20417"]),
        ("why did run 42 fail", ["exec:42"]),
        ("compare runs 3 and 4", ["exec:3", "exec:4"]),
        ("why did search run 3", ["node:search"]),
        ("can I run 3 nodes in parallel", []),
        ("WHY DID SEARCH FAIL IN RUN 7F3A", ["node:search", "exec:7f3a"]),
        ("WHAT IS PASSAGES IN THREAD T-42", ["key:passages", "thread:T-42"]),
        ("why did the lsat run of chekcoutFlow fail", ["time:last", "graph:checkoutFlow"]),
        ("what did search return yesetrday", ["node:search", "time:yesterday"]),
        ("where is the query computed", ["key:query"]),
        ('why is answer "I do not know"', ["key:answer"]),
        ("answer = 'no', why", ["key:answer"]),
        ("what if plan may run only once", ["node:plan"]),
        ("query at the end of the last run", ["key:query", "time:last"]),
        ("why did search run 20000 times", ["node:search"]),
        ("explain exec-19c2 in thread t-42", ["exec:exec-19c2", "thread:t-42"]),
        ("state of execution 'order 17' or execution `order-17`", ["exec:order-17"]),
        ("execution://0011223344556677/state", ["exec:0011223344556677"]),
        ("what changed in version 3f2a9c01d4e5", ["version:3f2a9c01d4e5"]),
        ("did it run since monday", ["time:since monday"]),
        ("why did the last execution fail", ["time:last"]),
        ("when was the latest checkpoint written", ["time:last"]),
        ("why did the last one take so long", ["time:last"]),
    ],
)
def test_a_name_is_found(question: str, expected: list[str], catalogue: Catalogue) -> None:
    assert found(question, catalogue) == expected


@pytest.mark.parametrize(
    "question",
    [
        "search packages for postgres",
        "why does it loop",
        "how do I plan ahead",
        "what RAG packages exist",
        "did the run finish",
        "the answer to everything",
        "research_notes is no node",
        "search_index is another name",
        "what was planned",
    ],
)
def test_an_ordinary_word_is_no_name(question: str, catalogue: Catalogue) -> None:
    assert found(question, catalogue) == []


@pytest.mark.parametrize(
    "question", ["Why did tools run 2 times?", "What happens after tools?", "what does tools do"]
)
def test_a_node_called_tools_is_found_where_it_stands_as_a_name(question: str) -> None:
    prebuilt = Catalogue(graphs=("react",), nodes={"react": ("agent", "tools")})

    assert found(question, prebuilt) == ["node:tools"]
    assert found("Which tools were called?", prebuilt) == []


def test_a_package_of_ordinary_words_is_found_where_it_is_written_as_it_is_called() -> None:
    catalogue = Catalogue(packages=("prompt-guard", "inwit/map-reduce"))

    assert found("who published prompt-guard", catalogue) == ["package:prompt-guard"]
    assert found("is there support for map-reduce", catalogue) == []


@pytest.mark.parametrize(
    ("question", "figures"),
    [
        ("what have we spent today", ["cost"]),
        ("why are we paying twice as much", ["cost"]),
        ("the priciest runs", ["cost"]),
        ("what share of them succeeded", ["success_rate"]),
        ("how does caching change the runtime", ["latency"]),
        ("which version of the runtime is this", []),
        ("port a graph to this runtime", []),
    ],
)
def test_a_figure_is_found_by_its_usual_words(question: str, figures: list[str]) -> None:
    assert [one.value for one in find_metrics(question)] == figures


def test_a_mended_spelling_is_less_sure_than_the_exact_name(catalogue: Catalogue) -> None:
    index = Index(catalogue)

    exact, plain, slip = (
        link(f"why did {name} fail", index)[0].score
        for name in ("charge_card", "charge card", "chrage_card")
    )

    assert 1 == exact > plain > slip > 0


def test_names_are_masked_by_what_they_are(catalogue: Catalogue) -> None:
    question = "why did the charge_card node of checkoutFlow fail in run 7f3a"

    masked = mask(question, link(question, Index(catalogue)))

    assert masked == "why did the node of the graph fail in that execution"


def test_names_that_nothing_has_are_told(catalogue: Catalogue) -> None:
    question = "why did fetch_rates and `tax office` fail after charge_card"
    entities = link(question, Index(catalogue))

    assert unknown_names(question, entities) == ("fetch_rates", "tax office")


def test_ten_thousand_names_do_not_slow_a_question() -> None:
    names = tuple(f"stage_{number}_load" for number in range(10_000))

    assert found("why did stage_77_load run", Catalogue(nodes={"g": names})) == [
        "node:stage_77_load"
    ]


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [("same", "same", 0), ("ab", "ba", 1), ("plan", "plans", 1), ("", "abc", 3), ("cat", "dog", 3)],
)
def test_edits_count_letters(one: str, two: str, expected: int) -> None:
    assert edits(one, two) == edits(two, one) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the last execution", ("last", None, 1)),
        ("the previous run", ("previous", None, 1)),
        ("the first run", ("first", None, 1)),
        ("the last ten failed runs", ("last", "failed", 10)),
        ("failed executions of today", (None, "failed", 1)),
        ("is the current run healthy", (None, "running", 1)),
        ("my last answer", ("last", None, 1)),
    ],
)
def test_executions_are_chosen_by_order_status_and_number(
    text: str, expected: tuple[str | None, str | None, int]
) -> None:
    selection = parse_selection(text)

    assert selection is not None
    assert (selection.order, selection.status, selection.count) == expected


@pytest.mark.parametrize("text", ["", "run 7f3a", "why did search run", "does the graph run"])
def test_words_that_choose_nothing_choose_nothing(text: str) -> None:
    assert parse_selection(text) is None


COUNTING = Catalogue(
    graphs=("pipe",),
    nodes={"pipe": ("one", "two", "three", "last", "why", "plan")},
    state_keys=("total",),
)
VERBS = Catalogue(
    graphs=("orderPipeline",),
    nodes={
        "orderPipeline": (
            *("plan", "search", "rerank", "judge", "answer", "validate_order", "chargeCard"),
            *("fetch_prices", "summarize", "Überprüfung", "café_lookup", "поиск", "खोज_करो"),
        )
    },
    tools=("lookup",),
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("why did one fail", ["node:one"]),
        ("what happens between one and two", ["node:one", "node:two"]),
        ("is one slower than two", ["node:one", "node:two"]),
        ("how long did two take", ["node:two"]),
        ("what if one and two ran in parallel", ["node:one", "node:two"]),
        ("how can I make two faster", ["node:two"]),
        ("remove two: impact", ["node:two"]),
        ("p95 of two", ["node:two"]),
        ("why did last fail", ["node:last"]),
        ("does last run after plan", ["node:last", "node:plan"]),
        ("did one write total", ["node:one", "key:total"]),
        ("and two?", ["node:two"]),
        ("show the last two runs", ["time:last"]),
        ("which one is slow", []),
        ("why did the two nodes fail", []),
        ("one of my nodes fails, why", []),
        ("why did it run two times", []),
        ("how does one add a node", []),
        ("compare the first one with the second one", []),
        ("do you have a plan for me", []),
    ],
)
def test_numbers_and_places_are_names_where_they_count_nothing(
    question: str, expected: list[str]
) -> None:
    assert found(question, COUNTING) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("why is reranking so slow", ["node:rerank"]),
        ("why was the reranker called twice", ["node:rerank"]),
        ("how long does the planning take", ["node:plan"]),
        ("is answering slower than judging", ["node:answer", "node:judge"]),
        ("why was the card charged twice", ["node:chargeCard"]),
        ("validating the order took long", ["node:validate_order"]),
        ("order validation failed", ["node:validate_order"]),
        ("how are prices fetched", ["node:fetch_prices"]),
        ("summarisation is slow", ["node:summarize"]),
        ("why did ordre_validate and chargecrad fail", ["node:chargeCard"]),
        ("why is uberprufung slow", ["node:Überprüfung"]),
        ("why is U\u0308berpru\u0308fung slow", ["node:Überprüfung"]),
        ("why did cafe lookup fail", ["node:café_lookup"]),
        ("почему поиска нет", ["node:поиск"]),
        ("खोज_करो धीमा क्यों है", ["node:खोज_करो"]),
        ("the lookups fail", ["tool:lookup"]),
        ("what was planned", []),
        ("search runs for foo", []),
        ("find runs that answered no", []),
    ],
)
def test_names_are_found_in_other_forms(question: str, expected: list[str]) -> None:
    assert found(question, VERBS) == expected


def test_a_slip_of_an_ordinary_word_is_no_unknown_name(catalogue: Catalogue) -> None:
    for question, unknown in (
        ("why did the lastt run take so long", ()),
        ("why did ranker run twice", ("ranker",)),
    ):
        assert unknown_names(question, link(question, Index(catalogue))) == unknown


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("executions in total", []),
        ("total number of executions", []),
        ("how many runs were there in total", []),
        ("what is in total", ["key:total"]),
        ("where is the total computed", ["key:total"]),
        ("why did order 313 fail", []),
        ("could you look up the runs with a failure", []),
        ("the last execution of shop differs from the one before", ["time:last", "graph:shop"]),
    ],
)
def test_words_of_an_expression_name_nothing(question: str, expected: list[str]) -> None:
    names = Catalogue(graphs=("shop",), state_keys=("total", "order"), tools=("lookup",))

    assert found(question, names) == expected
