"""Facts of the app, live and network levels, as plain dicts with the fields of the routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, HelpLevel, StateGraph, handle_help
from inwit.errors import UnknownNodeError
from inwit.introspection import finding, live, network
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from tests.introspection.planting import asked, fanning, fetching, looping


def test_the_architecture_tells_shape_and_flow(project: Path) -> None:
    facts = looping().introspect().architecture()

    assert facts["graph"] == {
        "entry_point": "plan", "node_count": 4, "edge_count": 6, "terminal_nodes": ["reply"],
        "decision_points": ["judge"], "has_cycles": True, "has_parallel_paths": False,
    }  # fmt: skip
    assert "judge → search (again) or reply (done), decided by enough" in facts["execution_flow"]
    assert facts["mermaid"].startswith("flowchart")


def test_a_node_is_told_with_its_edges_and_keys(project: Path) -> None:
    facts = looping().introspect().node("judge")

    assert facts["reads"] == ["rounds"] and facts["writes"] == ["coverage"]
    assert [edge["from"] for edge in facts["incoming_edges"]] == ["search"]
    assert {edge["to"] for edge in facts["outgoing_edges"]} == {"search", "reply"}
    assert facts["source"]["file"] == __file__.replace("test_facts", "planting")


def test_a_wrong_node_gets_the_nearest_name(project: Path) -> None:
    with pytest.raises(UnknownNodeError, match="Did you mean 'search'"):
        looping().introspect().node("serach")


def test_edges_are_counted_by_kind(project: Path) -> None:
    facts = fanning().introspect().edges()

    assert facts["total_count"] == len(facts["edges"])
    assert facts["conditional_count"] == 0
    assert {edge["to"] for edge in facts["edges"] if edge["is_parallel"]} == {"web", "docs"}


def test_features_follow_what_was_opted_out_of(project: Path) -> None:
    app = looping().without_retries()

    enabled = {one["name"]: one["enabled"] for one in app.introspect().features()["features"]}

    assert enabled["retries"] is False and enabled["checkpointing"] is True


def test_the_state_schema_names_reducers(project: Path) -> None:
    facts = fanning().introspect().state_schema()

    fields = {one["name"]: one for one in facts["fields"]}
    assert facts["type_name"] == "Chain"
    assert fields["total"]["reducer"] and not fields["text"]["reducer"]


def test_four_levels_come_at_once(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    facts = app.unified_introspection()

    assert set(facts) == {"platform", "app", "live", "network"}
    assert facts["live"]["total_count"] == 1
    assert facts["network"]["peers"]["peers"] == []


def recorded(app_calls: int = 1) -> tuple[Store, str]:
    app = looping()
    for _ in range(app_calls):
        app.invoke(asked(), thread_id="ada")
    Journal.of(app.project).flush()
    return Store.of(app.project), str(app.last_execution_id)


def test_an_execution_is_told_whole(project: Path) -> None:
    store, meant = recorded()

    facts = live.execution(store, meant)

    assert (facts["graph_name"], facts["status"], facts["thread_id"]) == (
        "finder",
        "completed",
        "ada",
    )
    assert facts["state"]["answer"] == "about rain"
    assert facts["metrics"]["node_visits"] == 8
    assert facts["checkpoint"]["total_count"] > 0
    assert facts["error"] is None


def test_history_lists_every_visit_in_order(project: Path) -> None:
    store, meant = recorded()

    steps = live.history(store, meant)["steps"]

    names = [step["node_name"] for step in steps]
    assert names == ["plan", *["search", "judge"] * 3, "reply"]
    assert [step["step_number"] for step in steps] == list(range(1, 9))
    assert all(step["outcome"] == "completed" for step in steps)


def test_the_state_can_be_seen_as_it_was(project: Path) -> None:
    store, meant = recorded()
    visit = next(one for one in store.visits(meant, "search") if one.visit == 2)

    facts = live.state(store, meant, visit.entry_seq)

    assert facts["state"]["rounds"] == 1


def test_outputs_and_states_have_their_keys_in_the_order_of_the_schema(project: Path) -> None:
    class Letter(TypedDict, total=False):
        topic: str
        draft: str
        sent: bool

    graph = StateGraph(Letter).add_node("write", lambda _: {"sent": True, "draft": "Dear …"})
    app = graph.add_edge(START, "write").add_edge("write", END).compile(name="letter")
    app.invoke({"sent": False, "topic": "tea"})
    Journal.of(app.project).flush()
    store, meant = Store.of(app.project), str(app.last_execution_id)

    ended: Any = store.events(meant, types=("execution_completed",))[0]

    assert list(ended.output) == ["topic", "draft", "sent"]
    assert list(live.state(store, meant)["state"]) == ["topic", "draft", "sent"]
    assert list(live.execution(store, meant)["state"]) == ["topic", "draft", "sent"]


def test_a_node_that_is_found_is_told_in_whole_sentences(project: Path) -> None:
    def price(state: dict[str, Any]) -> dict[str, Any]:
        """Work out the price."""
        return {"price": 1}

    graph = StateGraph(dict).add_node("price", price).add_edge(START, "price")
    app = graph.add_edge("price", END).compile(name="shop")
    Journal.of(app.project).flush()

    hits = finding.find(Store.of(app.project), app.project, "price", "node")

    assert hits[0].text.startswith("Work out the price. in shop. ")


def test_executions_come_in_pages(project: Path) -> None:
    store, _ = recorded(5)

    first = live.executions(store, limit=3)
    rest = live.executions(store, limit=3, cursor=first["cursor"])

    assert first["total_count"] == 5 and first["active_count"] == 0
    assert len(first["executions"]) == 3 and len(rest["executions"]) == 2


def test_a_failed_execution_shows_its_error(project: Path) -> None:
    app = fetching(failures=9)
    with pytest.raises(ConnectionError):
        app.invoke({"pages": 0})
    Journal.of(app.project).flush()

    facts = live.execution(Store.of(app.project), str(app.last_execution_id))

    assert facts["error"]["type"] == "ConnectionError" and facts["error_node"] == "fetch"
    assert facts["metrics"]["retries"] == 2


def test_packages_are_those_that_ship(project: Path) -> None:
    facts = network.packages(Project.find(), "retrieval augmented generation")

    assert facts["packages"][0]["id"] == "inwit/rag"
    assert "folder" not in facts["packages"][0]


def test_nothing_is_found_for_what_does_not_exist(project: Path) -> None:
    assert network.packages(Project.find(), "zzqx wvut")["packages"] == []


def test_help_grows_by_its_level(project: Path) -> None:
    app = looping()

    brief, more, whole = (app.generate_help(level) for level in HelpLevel)

    assert "Look for passages." in brief and "judge →" not in brief
    assert "judge → search (again)" in more
    assert "planting.py" in whole and len(brief) < len(more) < len(whole)


def test_help_tells_what_is_read_at_the_start_and_the_steps_in_their_order(project: Path) -> None:
    class Given(TypedDict, total=False):
        question: str
        reply: str

    def work(state: Given) -> Given:
        return {"reply": state["question"]}

    graph = StateGraph(Given)
    for name in ("work", "also", "end"):
        graph.add_node(name, work)
    graph.add_edge("work", "end")
    graph.add_edge("end", "also")
    graph.set_entry_point("work")

    said = graph.compile(name="given").generate_help(HelpLevel.BRIEF)

    lines = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert lines == ["question  str", "work", "end", "also"]


def test_help_is_printed_only_where_it_is_asked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = looping()

    assert handle_help(app, ["--out", "x"]) is False
    assert handle_help(app, ["--help"]) is True
    assert "Look for passages." in capsys.readouterr().out


def test_metrics_count_visits_of_every_node(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    facts = app.metrics()

    visits = {one["node"]: one["visits"] for one in facts["nodes"]}
    assert visits == {"plan": 1, "search": 3, "judge": 3, "reply": 1}
    assert facts["executions"] == 1


def test_performance_gives_verdicts(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    metrics = {one["metric"] for one in app.performance()["verdicts"]}

    assert {"latency", "error_rate"} <= metrics
