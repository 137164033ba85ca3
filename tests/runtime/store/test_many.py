"""Lists and counts are the same by every index that finds them."""

from __future__ import annotations

import pytest

from inwit import END, START, StateGraph
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.journal import Journal


@pytest.fixture
def store(project) -> Store:
    for name in ("even", "odd"):
        graph = StateGraph(dict)
        graph.add_node("check", _check)
        graph.add_edge(START, "check").add_edge("check", END)
        app = graph.compile(name=name)
        for number in range(12):
            try:
                app.invoke({"n": number, "bad": 3 if name == "even" else 4})
            except ValueError:
                continue
    Journal.of(Project.find()).flush()
    return Store.of(Project.find())


def _check(state: dict[str, int]) -> dict[str, int]:
    if state["n"] % state["bad"] == 0:
        raise ValueError(f"{state['n']} is bad")
    return state


@pytest.mark.parametrize(
    ("graph", "status", "count"),
    [
        (None, None, 24),
        (None, "completed", 17),
        (None, "failed", 7),
        (None, ["completed", "failed"], 24),
        (None, ["failed", "cancelled"], 7),
        ("even", None, 12),
        ("even", "completed", 8),
        ("even", "failed", 4),
        ("odd", "completed", 9),
        ("odd", ["failed", "running"], 3),
        ("none", "completed", 0),
    ],
)
def test_what_is_counted_is_what_is_listed(store, graph, status, count) -> None:
    page = store.executions(graph=graph, status=status, limit=100)

    assert (page.total_count, len(page.items)) == (count, count)
    assert [one.position for one in page.items] == sorted(
        (one.position for one in page.items), reverse=True
    )


def test_a_page_says_how_many_there_are_in_all(store) -> None:
    first = store.executions(status="completed", limit=10)
    second = store.executions(status="completed", limit=10, cursor=first.cursor)

    assert (len(first.items), len(second.items), second.cursor) == (10, 7, None)
    assert first.total_count == second.total_count == 17


def test_times_bound_what_is_counted(store) -> None:
    page = store.executions(status="completed", until_ns=0)

    assert (page.total_count, page.items) == (0, ())
