from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import msgspec
import pytest

from inwit import END, CompiledGraph, StateGraph
from inwit.errors import UnknownGraphError
from inwit.registry.graphs import Graphs, compare
from inwit.runtime.store import Store


class Small(TypedDict, total=False):
    question: str
    answer: str


class Larger(TypedDict, total=False):
    question: str
    answer: str
    score: float


def answer(state: Small) -> Small:
    return {"answer": state["question"].upper()}


def check(state: Larger) -> Larger:
    return {"score": 1.0}


def first() -> CompiledGraph[Small]:
    graph = StateGraph(Small)
    graph.add_node("answer", answer)
    graph.add_node("old", lambda _: {"answer": "!"})
    graph.set_entry_point("answer")
    graph.add_edge("answer", "old")
    graph.set_finish_point("old")
    return graph.compile(name="desk")


def second() -> CompiledGraph[Larger]:
    graph = StateGraph(Larger)
    graph.add_node("answer", answer)
    graph.add_node("check", check)
    graph.set_entry_point("answer")
    graph.add_edge("answer", "check")
    graph.add_conditional_edges("check", lambda _: "again", {"again": "answer", "done": END})
    return graph.compile(name="desk")


async def graphs_of(*apps: CompiledGraph[Any]) -> Graphs:
    for app in apps:
        await app.flush()
    return Graphs(Store.of(apps[0].project))


@pytest.mark.anyio
async def test_a_graph_is_listed_in_its_current_version_with_its_history(project: Path) -> None:
    graphs = await graphs_of(first())
    app = second()
    await app.flush()

    [current] = graphs.list()

    assert (current.name, current.version) == ("desk", app.version())
    assert [one.is_current for one in graphs.versions("desk")] == [True, False]
    assert graphs.get("desk", first().version()[:6]).manifest.node("old") is not None


@pytest.mark.anyio
async def test_what_changed_between_versions_is_named(project: Path) -> None:
    one = first()
    graphs = await graphs_of(one)
    two = second()
    await two.flush()

    changes = graphs.changes("desk")

    assert changes is not None
    assert (changes.before, changes.after) == (one.version(), two.version())
    assert changes.nodes_added == ("check",)
    assert changes.nodes_removed == ("old",)
    assert changes.fields_added == ("score",)
    assert "check -> answer [again]" in changes.edges_added
    assert "answer -> old" in changes.edges_removed
    assert not changes.is_empty


@pytest.mark.anyio
async def test_a_first_version_has_no_changes(project: Path) -> None:
    graphs = await graphs_of(first())

    assert graphs.changes("desk") is None


def test_a_version_does_not_differ_from_itself(project: Path) -> None:
    manifest = first().manifest()

    assert compare(manifest, manifest).is_empty


@pytest.mark.anyio
async def test_an_unknown_graph_is_named_with_the_nearest(project: Path) -> None:
    graphs = await graphs_of(first())

    with pytest.raises(UnknownGraphError, match="'desk'"):
        graphs.versions("desc")


def test_a_fact_that_changed_is_given_before_and_after(project: Path) -> None:
    before = first().manifest()
    node = before.nodes[0]
    changed = msgspec.structs.replace(node, description="Something else.")
    after = msgspec.structs.replace(before, nodes=(changed, *before.nodes[1:]))

    [change] = compare(before, after).nodes_changed

    assert change.name == node.name
    assert change.facts == {"description": (node.description, "Something else.")}
