"""Questions of people who never saw the graphs that the router learned from."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, CompiledGraph, RetryPolicy, StateGraph
from inwit.answers import Answer
from inwit.introspection import Introspector
from inwit.introspection.independence import runs_beside
from inwit.introspection.ordinals import visit_number
from inwit.introspection.stats import holds_for_next
from inwit.runtime.project import Project
from tests.introspection.planting import asked, looping


class Count(TypedDict, total=False):
    state: str
    round: int
    verdict: str


def counting(last: int = 5) -> CompiledGraph[Count]:
    """`fetch` → `why` → `state` → (again: why | review order): nodes called by plain words."""
    graph = StateGraph(Count)
    graph.add_node("fetch", lambda state: {"round": 0})
    graph.add_node("why", lambda state: {"round": state["round"] + 1})
    graph.add_node("state", lambda state: {"state": f"round {state['round']}"})
    graph.add_node("review order", lambda state: {"verdict": "fine"})
    graph.add_edge(START, "fetch")
    graph.add_edge("fetch", "why")
    graph.add_edge("why", "state")

    def again(state: Count) -> str:
        return "review order" if state["round"] >= last else "why"

    graph.add_conditional_edges("state", again, ["why", "review order"])
    graph.add_edge("review order", END)
    return graph.compile(name="reviewer")


class Order(TypedDict, total=False):
    order_id: str
    paid: bool


def paying() -> tuple[CompiledGraph[Order], dict[str, str]]:
    """Orders a (paid), b (paid at the third attempt), c (no route), d (declined), e (paid)."""
    calls: dict[str, int] = {}

    def charge(state: Order) -> dict[str, Any]:
        name = state["order_id"]
        calls[name] = calls.get(name, 0) + 1
        if name == "c" or (name == "b" and calls[name] < 3):
            raise ConnectionError(f"no route for {name}")
        if name == "d":
            raise ValueError("card declined")
        return {"paid": True}

    graph = StateGraph(Order)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    graph.add_node("check", lambda state: {})
    graph.add_node("charge", charge, retry_policy=policy)
    graph.add_edge(START, "check")
    graph.add_edge("check", "charge")
    graph.add_edge("charge", END)
    app = graph.compile(name="orders")
    ids = {}
    for name in "abcde":
        with contextlib.suppress(ConnectionError, ValueError):
            app.invoke({"order_id": name}, thread_id=f"customer-{name}")
        ids[name] = str(app.last_execution_id)
    return app, ids


class Forked(TypedDict, total=False):
    rows: list[int]
    clean: list[int]
    audit: str
    total: int


def forking() -> CompiledGraph[Forked]:
    """Extract → (transform → aggregate | audit_log) → load; transform takes longest."""

    async def extract(state: Forked) -> dict[str, Any]:
        return {"rows": [1, 2, 3]}

    async def transform(state: Forked) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"clean": state["rows"]}

    async def audit_log(state: Forked) -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"audit": "ok"}

    async def aggregate(state: Forked) -> dict[str, Any]:
        return {"total": sum(state["clean"])}

    async def load(state: Forked) -> dict[str, Any]:
        return {}

    graph = StateGraph(Forked)
    for node in (extract, transform, audit_log, aggregate, load):
        graph.add_node(node)
    graph.add_edge(START, "extract")
    graph.add_parallel_edges("extract", ["transform", "audit_log"])
    graph.add_edge("transform", "aggregate")
    graph.add_edge(["aggregate", "audit_log"], "load")
    graph.add_edge("load", END)
    return graph.compile(name="nightly")


def asking(project: Path, graph: str | None = None) -> Introspector:
    return Introspector.of(Project.find(project), graph)


def resolved(introspector: Introspector, question: str, **given: Any) -> Answer:
    """Ask, and hold the answer to evidence that resolves."""
    answer = introspector.ask(question, **given)
    assert answer.evidence, answer.text
    for one in answer.evidence:
        introspector.resolve(one.uri)
    return answer


def test_a_node_called_state_is_counted_like_any_other(project: Path) -> None:
    counting().invoke({}, {"recursion_limit": 60})

    answer = resolved(asking(project), "why did state run 5 times")

    assert answer.data["visits"] == {"state": 5}


def test_a_node_that_did_run_is_not_said_to_have_been_skipped(project: Path) -> None:
    counting().invoke({}, {"recursion_limit": 60})

    answer = resolved(asking(project), "Why did fetch not run?")

    assert answer.data["visits"] == {"fetch": 1}
    assert "fetch was not skipped: it ran once" in answer.text


@pytest.mark.parametrize(
    ("question", "count"),
    [("How many times did search run?", 3), ("how often did search run in the last run", 3)],
)
def test_visits_are_counted_when_a_number_is_asked_for(
    project: Path, question: str, count: int
) -> None:
    app = looping()
    app.invoke(asked())
    app.invoke(asked())

    answer = resolved(asking(project), question)

    assert answer.data["visits"] == {"search": count}


def test_the_order_of_nodes_is_told_as_they_began(project: Path) -> None:
    looping().invoke(asked())

    answer = resolved(asking(project), "In what order did the nodes run?")

    assert answer.data["order"] == ["plan", *["search", "judge"] * 3, "reply"]


def test_a_certain_visit_is_told_and_not_the_last(project: Path) -> None:
    looping().invoke(asked())
    introspector = asking(project)

    value = resolved(introspector, "what was coverage after the second round?")
    given = resolved(introspector, "What did search return on its second visit?")

    assert value.data["values"] == {"coverage": 2 / 3}
    assert given.data["values"]["output"] == {"rounds": 2}


def test_a_visit_that_never_was_is_said_to_be_none(project: Path) -> None:
    looping().invoke(asked())

    answer = resolved(asking(project), "What did search return on visit 9?")

    assert "it had no visit 9" in answer.text


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("the third visit", 3), ("on visit 7 of why", 7), ("the 2nd time", 2), ("run 3 times", None),
        ("a timeout of 3 s", None), ("round two", 2),
    ],
)  # fmt: skip
def test_the_number_of_a_visit_is_read(words: str, number: int | None) -> None:
    assert visit_number(words) == number


def test_a_status_in_the_question_is_no_id(project: Path) -> None:
    _, ids = paying()
    introspector = asking(project)

    first = resolved(introspector, "Why did the first failed execution fail?")
    value = resolved(introspector, "what was the order_id of the last failed execution?")

    assert first.data["execution_id"] == ids["c"]
    assert value.data["values"] == {"order_id": "d"}


@pytest.mark.parametrize(
    "question", ["Why did the run before the last one fail?", "Why did the previous run fail?"]
)
def test_the_execution_before_the_last_is_the_one_before_the_last(
    project: Path, question: str
) -> None:
    _, ids = paying()

    answer = resolved(asking(project), question)

    assert answer.data["execution_id"] == ids["d"]


def test_a_thread_is_found_without_being_called_one(project: Path) -> None:
    _, ids = paying()

    answer = resolved(asking(project), "When did customer-b run?")

    assert answer.data["execution_id"] == ids["b"]


def test_a_thread_that_is_unknown_is_named(project: Path) -> None:
    paying()

    answer = asking(project).ask("Why did it fail in thread t99?")

    assert "in thread t99" in answer.text
    assert answer.data["causes"] == []


def test_a_visit_that_went_well_at_last_is_not_said_to_have_failed(project: Path) -> None:
    _, ids = paying()
    introspector = asking(project)

    tries = resolved(introspector, f"how many retries did charge need in {ids['b']}?")
    given = resolved(introspector, f"what did charge return in {ids['b']}")

    assert tries.data["values"] == {"retries": 2, "attempts": 3, "visits": 1}
    assert "It failed" not in given.text


def test_failed_executions_are_listed_and_the_rate_of_a_node_is_its_own(project: Path) -> None:
    _, ids = paying()
    introspector = asking(project)

    listed = resolved(introspector, "which executions failed?")
    rate = resolved(introspector, "What is the failure rate of check?")

    shown = [one["execution_id"] for one in listed.data["values"]["executions"]]
    assert shown == [ids["d"], ids["c"]]
    assert rate.data["values"]["failed"] == 0


def test_executions_are_found_by_their_errors_and_inputs_alone(project: Path) -> None:
    paying()
    looping().invoke(asked("umbrella"))
    introspector = asking(project)

    declined = resolved(introspector, "find runs with declined card")
    given = resolved(introspector, "find executions about umbrella")

    assert [hit["kind"] for hit in declined.data["results"]] == ["execution"]
    assert [hit["kind"] for hit in given.data["results"]] == ["execution"]


def test_a_value_is_told_of_the_last_execution_when_none_is_running(project: Path) -> None:
    looping().invoke(asked())

    answer = resolved(asking(project), "what is the value of coverage right now?")

    assert answer.data["values"] == {"coverage": 1.0}
    assert "none is running now" in answer.text


def test_what_runs_in_parallel_already_saves_nothing(project: Path) -> None:
    app = forking()
    for _ in range(3):
        app.invoke({})

    answer = resolved(asking(project), "What if aggregate ran in parallel to audit_log?")

    assert answer.data["predicted"]["point"] == answer.data["baseline"]["point"]
    assert "run in parallel already" in answer.text


def test_branches_of_a_fork_run_beside_each_other_and_its_join_does_not(project: Path) -> None:
    manifest = forking().manifest()

    assert runs_beside(manifest, "aggregate", "audit_log")
    assert not runs_beside(manifest, "transform", "aggregate")
    assert not runs_beside(manifest, "audit_log", "load")


def test_the_slowest_node_is_named_and_the_decoy_is_off_the_path(project: Path) -> None:
    app = forking()
    for _ in range(3):
        app.invoke({})

    answer = resolved(asking(project), "which node takes the most time?")

    assert next(iter(answer.data["values"])) == "transform"
    assert list(answer.data["off_path"]) == ["audit_log"]


@pytest.mark.anyio
async def test_a_cancelled_execution_is_told_before_a_failed_one(project: Path) -> None:
    paying()
    app = forking()
    running = asyncio.ensure_future(app.ainvoke({}))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    answer = await asyncio.to_thread(
        asking(project).ask, "Why was the last execution of nightly cancelled?"
    )

    assert answer.data["causes"][0]["kind"] == "cancelled"


def test_a_thread_says_which_graph_is_meant_where_graphs_share_a_key(project: Path) -> None:
    looping("one").invoke(asked("sun"), thread_id="s1")
    looping("two").invoke(asked("rain"), thread_id="s2")

    answer = resolved(asking(project), "what is query in thread s2?")

    assert answer.data["values"] == {"query": "rain"}


@pytest.mark.parametrize(
    ("question", "is_there"),
    [
        ("Is distillation on by default?", False),
        ("does inwit support kafka events?", False),
        ("Is fine-tuning supported?", False),
        ("Is scheduling supported?", False),
        ("does inwit support redis checkpoints?", True),
        ("Is Send supported?", True),
        ("Are subgraphs supported?", True),
        ("Is checkpointing on by default?", True),
    ],
)
def test_what_is_missing_is_not_covered_by_what_is_near(
    project: Path, question: str, is_there: bool
) -> None:
    answer = resolved(asking(project), question)

    assert answer.data["available"] is is_there
    assert answer.text.startswith("Yes" if is_there else "No")


def test_what_is_there_and_off_is_not_on_by_default(project: Path) -> None:
    answer = resolved(asking(project), "Is caching on by default?")

    assert answer.text.startswith("No: node caching is off until you use it")
    assert answer.data["implemented"] and not answer.data["enabled_by_default"]


@pytest.mark.parametrize(
    ("question", "method"),
    [
        ("how to disable retries", "without_retries"),
        ("How do I turn off metrics?", "without_metrics"),
    ],
)
def test_how_to_switch_off_names_the_way(project: Path, question: str, method: str) -> None:
    answer = resolved(asking(project), question)

    assert method in answer.text


def test_an_unknown_package_is_none_and_the_nearest_is_offered(project: Path) -> None:
    answer = resolved(asking(project), "what does inwit/react provide?")

    assert "Did you mean 'inwit/react-agent'?" in answer.text


def test_a_forecast_is_as_sure_as_its_executions_are_many() -> None:
    assert [holds_for_next(n) for n in (0, 1, 9)] == [0.0, 0.5, 0.9]


def test_an_error_is_explained_by_its_code_and_by_its_class(project: Path) -> None:
    introspector = asking(project)

    for name in ("execution.recursion_limit", "GraphRecursionError"):
        answer = resolved(introspector, f"What does {name} mean?")
        assert answer.data["class"] == "GraphRecursionError"


def test_a_class_is_no_feature_where_its_word_is_plain(project: Path) -> None:
    answer = asking(project).ask("What command lists executions?")

    assert "fan out" not in answer.text


def test_a_package_that_fits_does_not_hide_what_the_version_lacks(project: Path) -> None:
    answer = resolved(asking(project), "Is there a package with a Kafka exporter?")

    assert "has no event export" in answer.text


def test_a_node_that_never_ran_is_told_with_what_led_past_it(project: Path) -> None:
    graph = StateGraph(Count)
    graph.add_node("start here", lambda state: {"round": 1})
    graph.add_node("detour", lambda state: {"verdict": "late"})
    graph.add_edge(START, "start here")
    graph.add_conditional_edges(
        "start here", lambda state: "far" if state["round"] > 1 else "near",
        {"far": "detour", "near": END},
    )  # fmt: skip
    graph.add_edge("detour", END)
    graph.compile(name="short").invoke({})

    answer = resolved(asking(project), "Why did detour run 3 times?")

    assert answer.data["visits"] == {"detour": 0}
    assert answer.data["causes"][0]["label"] == "near"


def test_the_second_execution_is_counted_from_the_first(project: Path) -> None:
    _, ids = paying()

    answer = resolved(asking(project), "was charge retried in the second run?")

    assert answer.data["execution_id"] == ids["b"]
    assert answer.data["values"]["retries"] == 2
