import subprocess
import sys
from typing import Any, TypedDict

import pytest

from inwit import StateGraph
from inwit.errors import NothingToUndoError, UnknownNodeError, UnserialisableError
from inwit.introspection import app as facts
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store


class State(TypedDict, total=False):
    k: Any
    seen: Any


def search(state: State, ctx: Any) -> State:
    return {"k": ctx.node_config.get("k", 3)}


def searching(name: str = "searching") -> Any:
    graph = StateGraph(State).add_node("search", search).add_node("rest", lambda state: {})
    graph.add_edge("__start__", "search").add_edge("search", "rest")
    return graph.compile(name=name)


def test_a_change_takes_effect_at_the_next_execution_without_compiling(project) -> None:
    app = searching()
    before = app.invoke({})["k"]

    made = app.configure_node("search", who="ada", why="too few hits", k=8)

    assert (before, app.invoke({})["k"]) == (3, 8)
    assert (made.version, made.who, made.why, made.values) == (1, "ada", "too few hits", {"k": 8})


def test_an_execution_keeps_the_configuration_that_it_began_with(project) -> None:
    app = searching("steady")
    app.configure_node("search", who="ada", k=1)

    def change(state: State, ctx: Any) -> State:
        app.configure_node("search", who="ada", k=2)
        return {}

    graph = StateGraph(State).add_node("change", change).add_node("search", search)
    graph.add_edge("__start__", "change").add_edge("change", "search")
    changing = graph.compile(name="steady")

    first = changing.invoke({})["k"]

    assert (first, app.node_configs("search")[-1].values["k"]) == (1, 2)


def test_values_that_are_not_given_stay(project) -> None:
    app = searching()

    app.configure_node("search", who="ada", k=1, model="small")
    made = app.configure_node("search", who="ada", k=2)

    assert made.values == {"k": 2, "model": "small"}
    assert made.parent == 1


def test_changes_are_undone_one_by_one_and_each_undoing_is_a_version(project) -> None:
    app = searching()
    for k in (1, 2, 3):
        app.configure_node("search", who="ada", k=k)

    values = [app.undo_node_config("search", who="bob").values.get("k") for _ in range(3)]

    assert values == [2, 1, None]
    assert app.invoke({})["k"] == 3
    assert [one.version for one in app.node_configs("search")] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(NothingToUndoError):
        app.undo_node_config("search")


def test_a_change_after_an_undoing_is_undone_first(project) -> None:
    app = searching()
    app.configure_node("search", who="ada", k=1)
    app.configure_node("search", who="ada", k=2)
    app.undo_node_config("search")
    app.configure_node("search", who="ada", k=5)

    assert app.undo_node_config("search").values == {"k": 1}


def test_equal_values_have_equal_hashes(project) -> None:
    app = searching()

    one, two, three = [app.configure_node("search", who="ada", k=k) for k in (1, 2, 1)]

    assert one.hash == three.hash != two.hash


def test_every_change_is_an_event_of_the_project(project) -> None:
    app = searching()
    app.configure_node("search", who="ada", why="hits", k=8, api_key="sk-secret")
    app.undo_node_config("search", who="bob")
    Journal.of(app.project).flush()

    events: list[Any] = [
        event
        for event in Store.of(app.project).project_events()
        if event.type == "node_config_changed"
    ]

    assert [(event.node, event.change["who"]) for event in events] == [
        ("search", "ada"),
        ("search", "bob"),
    ]
    assert events[0].change["values"]["k"] == 8
    assert "sk-secret" not in str(events)
    assert events[1].change["undoes"] == 1


def test_a_visit_says_which_version_it_read(project) -> None:
    app = searching()
    app.configure_node("search", who="ada", k=8)
    app.invoke({})
    Journal.of(app.project).flush()

    (event,) = Store.of(app.project).events(app.last_execution_id, types=("custom",))

    data: Any = getattr(event, "data", None)
    assert data["node_config"] == 1


def test_the_implementation_shows_the_version_of_code_and_configuration(project) -> None:
    app = searching()
    made = app.configure_node("search", who="ada", k=8, token="sk-secret")

    shown = facts.implementation(Store.of(app.project).graph("searching"))

    assert shown["node_versions"]["search"].endswith(f"+config.1.{made.hash}")
    assert "+" not in shown["node_versions"]["rest"]
    assert shown["node_configs"]["search"]["values"]["k"] == 8
    assert "sk-secret" not in str(shown)


def test_another_process_of_the_project_runs_with_the_change(project) -> None:
    (project / "made.py").write_text(
        "from typing import Any, TypedDict\n"
        "from inwit import StateGraph\n"
        "class State(TypedDict, total=False):\n    k: Any\n"
        "def search(state, ctx):\n    return {'k': ctx.node_config.get('k', 3)}\n"
        "app = StateGraph(State).add_node('search', search).set_entry_point('search')"
        ".set_finish_point('search').compile(name='shared')\n"
        "print(app.invoke({})['k'])\n"
    )
    run = [sys.executable, "made.py"]
    change = "import made; made.app.configure_node('search', who='ada', k=8)"

    subprocess.run([sys.executable, "-c", change], check=True, capture_output=True)
    said = subprocess.run(run, check=True, capture_output=True, text=True)

    assert said.stdout.strip() == "8"


def test_without_a_record_versions_last_as_long_as_the_graph(project, monkeypatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")
    app = searching()

    app.configure_node("search", who="ada", k=8)

    assert app.invoke({})["k"] == 8
    assert not Project.find().database.exists()


def test_unknown_nodes_and_values_that_cannot_be_kept_are_refused(project) -> None:
    app = searching()

    with pytest.raises(UnknownNodeError, match="serach"):
        app.configure_node("serach", who="ada", k=1)
    with pytest.raises(UnserialisableError):
        app.configure_node("search", who="ada", k=object())
    assert app.node_configs("search") == []
