"""What if: predictions by re-scheduled executions, held against really changed graphs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import pytest

from inwit import CompiledGraph, StateGraph
from inwit.introspection.changes import Change, parse
from tests.introspection.planting import (
    Forged,
    Step,
    asked,
    chaining,
    evidence_holds,
    introspector,
    looping,
    uris,
)


class Work(TypedDict):
    text: str
    web: str
    docs: str


def working(*, parallel: bool, pause_s: float = 0.02) -> CompiledGraph[Work]:
    """Begin → web → docs → end, or web and docs side by side."""

    def begin(state: Work) -> dict[str, Any]:
        return {"text": state["text"].strip()}

    async def web(state: Work) -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        return {"web": state["text"]}

    async def docs(state: Work) -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        return {"docs": state["text"]}

    def end(state: Work) -> dict[str, Any]:
        return {"text": state["web"] + state["docs"]}

    graph = StateGraph(Work)
    for node in (begin, web, docs, end):
        graph.add_node(node)
    graph.set_entry_point("begin")
    if parallel:
        graph.add_parallel_edges("begin", ["web", "docs"])
        graph.add_edge(["web", "docs"], "end")
    else:
        for first, second in (("begin", "web"), ("web", "docs"), ("docs", "end")):
            graph.add_edge(first, second)
    graph.set_finish_point("end")
    return graph.compile(name="parallel" if parallel else "serial")


def test_parallel_is_predicted_as_it_really_turns_out(project: Path) -> None:
    app = working(parallel=False)
    for _ in range(8):
        app.invoke({"text": "a", "web": "", "docs": ""})

    answer = app.ask("What if web and docs ran in parallel?")

    changed = working(parallel=True)
    really = []
    for _ in range(8):
        began = time.perf_counter()
        changed.invoke({"text": "a", "web": "", "docs": ""})
        really.append((time.perf_counter() - began) * 1e3)
    assert answer.data["feasible"] is True and answer.data["n"] == 8
    assert answer.data["predicted"]["point"] == pytest.approx(median(really), rel=0.25)
    assert answer.data["predicted"]["point"] < 0.7 * answer.data["baseline"]["point"]
    assert evidence_holds(answer)


def test_what_depends_is_not_made_parallel_and_the_key_is_named(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = app.ask("What if search and judge ran in parallel?")

    assert answer.data["feasible"] is False and answer.data["predicted"] is None
    assert "rounds" in answer.data["reason"]
    assert "graph://finder/nodes/judge" in uris(answer)


def test_what_a_decision_leads_to_is_not_made_parallel(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = app.ask("What if judge and reply ran in parallel?")

    assert answer.data["feasible"] is False
    assert "decided after judge" in answer.data["reason"]


def test_a_cache_saves_what_the_record_shows_to_repeat(project: Path) -> None:
    forged = Forged(chaining())
    texts = ["a", "b", "a", "a", "c", "a", "b", "c"]
    for text in texts:
        forged.run(
            Step("clean", 1, {"text": text}, ("web",)),
            Step("web", 50, {"web": "web " + text}, ("docs",)),
            Step("docs", 10, {"docs": "d"}, ("join",)),
            Step("join", 1, None, ("__end__",)),
            given={"text": text},
        )

    answer = forged.app.ask("What if web were cached?")

    assert answer.data["feasible"] is True
    assert (answer.data["repeats"], answer.data["visits"]) == (5, 8)
    assert answer.data["baseline"]["point"] == pytest.approx(62, abs=0.5)
    assert answer.data["predicted"]["point"] == pytest.approx(12, abs=0.5)
    assert answer.data["share_changed"] == pytest.approx(5 / 8)


def test_a_cache_is_refused_where_equal_input_gave_other_results(project: Path) -> None:
    forged = Forged(chaining())
    for number in range(6):
        forged.run(
            Step("clean", 1, {"text": "a"}, ("web",)),
            Step("web", 50, {"web": f"result {number}"}, ("docs",)),
            Step("docs", 10, {"docs": "d"}, ("join",)),
            Step("join", 1, None, ("__end__",)),
        )

    answer = forged.app.ask("What if web were cached?")

    assert answer.data["feasible"] is False
    assert "other results" in answer.data["reason"]


def test_a_faster_node_saves_its_part_of_the_critical_path(project: Path) -> None:
    forged = Forged(chaining())
    for _ in range(32):
        forged.run(
            Step("clean", 10, None, ("web",)), Step("web", 40, None, ("docs",)),
            Step("docs", 20, None, ("join",)), Step("join", 10, None, ("__end__",)),
        )  # fmt: skip

    answer = forged.app.ask("What if web were twice as fast?")

    assert answer.data["baseline"]["point"] == pytest.approx(80, abs=0.5)
    assert answer.data["predicted"]["point"] == pytest.approx(60, abs=0.5)
    assert answer.data["n"] == 32


def test_a_node_that_others_need_cannot_be_removed(project: Path) -> None:
    app = chaining()
    app.invoke({"text": "a", "web": "", "docs": "", "total": []})

    answer = app.ask("What if web were removed?")

    assert answer.data["feasible"] is False
    assert "join reads web" in answer.data["reason"]


def test_a_shorter_time_out_says_how_many_would_have_failed(project: Path) -> None:
    forged = Forged(chaining())
    for number in range(10):
        forged.run(
            Step("clean", 1, None, ("web",)), Step("web", 100 if number < 3 else 20, None, ("docs",)),
            Step("docs", 10, None, ("join",)), Step("join", 1, None, ("__end__",)),
        )  # fmt: skip

    answer = forged.app.ask("What if web had a timeout of 50 ms?")

    assert answer.data["share_meeting"] == pytest.approx(0.3)
    assert answer.data["share_failing"] < 0.3


def test_a_model_without_recorded_calls_is_not_predicted(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = app.ask("What if search used a smaller model?")

    assert answer.data["feasible"] is False and answer.data["predicted"] is None


def test_howcan_ranks_by_the_lower_bound_of_the_gain(project: Path) -> None:
    forged = Forged(chaining())
    for number in range(32):
        text = f"text {number % 2}"
        forged.run(
            Step("clean", 1, {"text": text}, ("web",)),
            Step("web", 50, {"web": "web " + text}, ("docs",)),
            Step("docs", 20, {"docs": "docs " + text}, ("join",)),
            Step("join", 1, None, ("__end__",)),
            given={"text": text},
        )

    answer = forged.app.ask("How can I be faster?")

    found = answer.data["interventions"]
    lows = [one["gain"]["low"] for one in found]
    assert lows == sorted(lows, reverse=True)
    assert found[0]["action"] == "cache web"
    assert "run web and docs in parallel" in [one["action"] for one in found]
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("were cached", Change(kind="cached")),
        ("hit its cache 80 percent of the time", Change(kind="cached", hit_rate=0.8)),
        ("ran twice as fast", Change(kind="faster", factor=0.5)),
        ("were 3x faster", Change(kind="faster", factor=1 / 3)),
        ("were 25% faster", Change(kind="faster", factor=0.75)),
        ("were twice as slow", Change(kind="faster", factor=2.0)),
        ("took 200 ms", Change(kind="faster", duration_ms=200.0)),
        ("took 1.5 seconds", Change(kind="faster", duration_ms=1500.0)),
        ("had a timeout of two seconds", Change(kind="timeout", duration_ms=2000.0)),
        ("ran without retries", Change(kind="retries", max_attempts=1)),
        ("had only 1 retry", Change(kind="retries", max_attempts=2)),
        ("got 5 attempts", Change(kind="retries", max_attempts=5)),
        ("were skipped", Change(kind="removed")),
        ("ran side by side", Change(kind="parallel")),
        ("used a cheaper model", Change(kind="model")),
    ],
)
def test_a_change_is_read_from_words(words: str, change: Change) -> None:
    assert parse(words, ()) == change


def test_nothing_is_predicted_without_a_record(project: Path) -> None:
    app = looping()

    answer = app.ask("What if search were cached?")

    assert answer.data["feasible"] is False and answer.data["n"] == 0
    assert introspector().resolve("graph://finder/executions").data["total_count"] == 0
