"""Graphs, commands, differences and projects: each condition by a case on either side of it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Literal

import pytest

from inwit import END, START, Command, InMemoryCheckpointer, Send, StateGraph
from inwit.errors import (
    InvalidCheckpointerError,
    InvalidEdgeError,
    StoreError,
)
from inwit.runtime.destinations import destinations
from inwit.runtime.diff import Diff, Side, between
from inwit.runtime.graph import as_callable, check_checkpointer
from inwit.runtime.project import Project, Retention, _number
from tests.runtime.test_closely import State, ask
from tests.runtime.test_closely_called import one_node

# Graphs


def test_what_leads_from_the_end_or_to_the_start_is_refused() -> None:
    graph = StateGraph(State).add_node("a", ask)

    with pytest.raises(InvalidEdgeError, match="An edge leads from END to 'a'") as raised:
        graph.add_edge(END, "a")
    assert raised.value.hint == "Nothing follows END."
    with pytest.raises(InvalidEdgeError, match="An edge leads from 'a' to START") as raised:
        graph.add_edge(["a", "b"], START)
    assert raised.value.hint == "Lead to a node instead."


def test_what_is_chosen_when_a_graph_is_compiled_is_kept() -> None:
    app = one_node(budget={"steps": 3}, metadata={"a": 1}, expose=True, interrupt_after=["a"])

    assert (app.options.budget.steps, app.options.metadata) == (3, {"a": 1, "expose": True})
    assert (app.options.interrupt_before, app.options.interrupt_after) == (frozenset(), frozenset({0}))  # fmt: skip
    plain = one_node()
    assert (plain.options.budget, plain.options.metadata, plain.checkpointer) == (None, {}, None)
    assert plain.saver is plain._memory
    assert one_node(checkpointer=True).saver is not None
    assert one_node(checkpointer=False).saver is None
    assert one_node(defaults="langgraph").saver is None
    own = InMemoryCheckpointer()
    assert one_node(checkpointer=own).saver is own
    for given in (None, True, False, own):
        check_checkpointer(given)
    for odd in (7, "sqlite", object):
        with pytest.raises(InvalidCheckpointerError):
            check_checkpointer(odd)
    changed = [
        plain.without_checkpointing(), plain.without_retries(), plain.without_metrics(),
        plain.without_limits(), plain.without_introspection(),
    ]  # fmt: skip
    told = [[one.enabled for one in app.manifest().features] for app in (plain, *changed)]
    assert told == [[row != place for row in range(5)] for place in (9, 0, 1, 2, 3, 4)]


def test_features_are_told_with_their_figures() -> None:
    told = {
        one.name: (one.description, one.opt_out_method) for one in one_node().manifest().features
    }
    free = one_node().without_limits().manifest().features

    assert told == {
        "checkpointing": ("Saves the state after each step of a thread.", "without_checkpointing()"),
        "retries": ("Calls a node up to 3 times when an error is transient.", "without_retries()"),
        "metrics": ("Counts executions and keeps latency histograms of nodes.", "without_metrics()"),
        "limits": ("Ends an execution after 25 steps, a node after 300 s.", "without_limits()"),
        "introspection": ("Registers the graph and records its executions.", "without_introspection()"),
    }  # fmt: skip
    assert [one.description for one in free if one.name == "limits"] == [
        "Ends an execution after 10007 steps."
    ]


def test_a_name_that_a_written_graph_lacks_is_told_with_the_way_out() -> None:
    graph: Any = StateGraph(State)

    with pytest.raises(AttributeError, match=r"has no 'invoke'. Compile it first: app = graph"):
        graph.invoke({})
    for name in ("inwoke", "_memory"):
        with pytest.raises(AttributeError, match=f"has no '{name}'$"):
            getattr(graph, name)


@pytest.mark.anyio
async def test_what_is_invoked_is_a_function_too() -> None:
    class Sync:
        def invoke(self, state: Any, config: Any) -> Any:
            return ("sync", state, config)

    class Both(Sync):
        async def ainvoke(self, state: Any, config: Any) -> Any:
            return ("async", state, config)

    assert as_callable(Sync())(1, 2) == ("sync", 1, 2)
    assert await as_callable(Both())(1, 2) == ("async", 1, 2)
    app = one_node()
    assert [as_callable(one) for one in (None, ask, app, 7)] == [None, ask, app, None]


# Where commands lead


def commands(state: Any) -> Any:
    return Command(goto="b")


def may_go(state: Any) -> Command[Literal["a", "b"]]:
    return Command(goto="a")


def may_go_anywhere(state: Any) -> Command[Any]:
    return Command(goto="a")


def goes_within(state: Any) -> Any:
    return [lambda one=one: Command(goto=one) for one in state]


def returns_state(state: Any) -> State | None:
    return {"n": 1}


class Calls:
    def __call__(self, state: Any) -> Any:
        return Command(goto="a")


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (commands, None), (may_go, ("a", "b")), (may_go_anywhere, None), (goes_within, None),
        (returns_state, ()), (ask, ()), (Calls(), None), (len, None), (dict, ()),
    ],
)  # fmt: skip
def test_where_a_node_may_lead_is_known_or_not(node: Any, found: Any) -> None:
    graph = StateGraph(State).add_node("a", ask).add_node("b", ask).add_node("c", node)

    assert destinations(graph.nodes["c"]) == found
    declared = StateGraph(State).add_node("c", node, destinations=("b",))
    assert destinations(declared.nodes["c"]) == ("b",)


# What differs


def test_what_differs_is_named_by_its_place() -> None:
    one = Side(id="1", state={"a": 1, "b/c": [1]}, path=("x", "y", "y", "z"), output=1, status="failed", error="E")  # fmt: skip
    other = Side(id="2", state={"a": 1, "b/c": [2]}, path=("x", "w", "z", "z"), output=2, status="completed")  # fmt: skip

    found = between(one, other)

    assert (found.before, found.after, found.is_same) == ("1", "2", False)
    assert [(each.step, each.before, each.after) for each in found.path] == [
        (2, ("y", "y"), ("w",)), (5, (), ("z",)),
    ]  # fmt: skip
    assert found.visits == {"y": (2, 0), "z": (1, 2), "w": (0, 1)}
    assert (found.changed, found.output) == (("b/c",), [{"op": "replace", "path": "", "value": 2}])
    assert (found.status, found.error) == (("failed", "completed"), ("E", ""))
    same = between(one, one)
    assert (same.is_same, same.to_json()["is_same"], same.status, same.error) == (True, True, None, None)  # fmt: skip
    assert Diff(before="", after="", state=[{"op": "add", "path": "", "value": 1}]).changed == ()


# The project


@pytest.mark.parametrize(
    ("said", "is_off"),
    [("", False), ("0", False), ("false", False), ("No", False), ("1", True), ("yes", True)],
)
def test_the_record_is_off_where_the_environment_says_so(
    said: str, is_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_OFF", said)

    assert Project.is_off() is is_off


def test_the_folder_is_found_in_the_nearest_parent_that_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INWIT_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    deep = tmp_path / "one" / "two" / "three"
    deep.mkdir(parents=True)
    (tmp_path / ".inwit").mkdir()

    def found(name: str) -> Project:
        """Each under a path of its own: what was found is remembered."""
        place = deep / name
        place.mkdir()
        return Project.find(place)

    assert found("a").folder == tmp_path / ".inwit" / "scratch"
    (tmp_path / "one" / ".git").mkdir()
    assert found("b") == Project(root=tmp_path / "one", folder=tmp_path / "one" / ".inwit")
    (tmp_path / "one" / "two" / "pyproject.toml").touch()
    assert found("c").root == tmp_path / "one" / "two"
    (tmp_path / "one" / ".inwit").mkdir()
    assert found("d").root == tmp_path / "one"
    monkeypatch.setenv("INWIT_HOME", str(tmp_path / "home" / ".." / "own"))
    assert found("e") == Project(root=tmp_path / "one", folder=tmp_path / "own")


def test_the_folder_and_its_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    place = Project(root=tmp_path, folder=tmp_path / "deep" / ".inwit")

    secret = place.secret("some.key")

    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((place.folder / "some.key").stat().st_mode) == 0o600
    assert (len(secret), place.secret("some.key"), place.secret("other.key") == secret) == (32, secret, False)  # fmt: skip
    assert sorted(one.name for one in place.folder.iterdir()) == [".gitignore", "other.key", "some.key"]  # fmt: skip
    assert (place.folder / ".gitignore").read_text() == "*\n"
    (place.folder / ".gitignore").write_text("mine")
    assert place.ensure() == place.folder
    assert (place.folder / ".gitignore").read_text() == "mine"
    (tmp_path / "file").touch()
    nowhere = Project(root=tmp_path, folder=tmp_path / "file" / ".inwit")
    assert nowhere.secret("a.key") == nowhere.secret("b.key")
    assert len(nowhere.secret("a.key")) == 32
    assert nowhere.settings() == {}


def test_limits_have_their_least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Project(root=tmp_path, folder=tmp_path)
    for name in ("EXECUTIONS", "DAYS", "SIZE_BYTES"):
        monkeypatch.delenv(f"INWIT_RETENTION_{name}", raising=False)
    assert place.retention() == Retention(executions=10_000, days=30.0, size_bytes=2 * 1024**3)
    assert Retention() == place.retention()

    (tmp_path / "config.toml").write_text("[retention]\nexecutions = 1\ndays = 0\nsize_bytes = 1\n")
    assert place.retention() == Retention(executions=1, days=0.0, size_bytes=1)
    for name, least in (("executions", 1), ("days", 0), ("size_bytes", 1)):
        (tmp_path / "config.toml").write_text(f"[retention]\n{name} = {least - 0.5}\n")
        with pytest.raises(StoreError, match=f"is less than {least}"):
            place.retention()
        monkeypatch.setenv(f"INWIT_RETENTION_{name.upper()}", "7")
        assert getattr(place.retention(), name) == 7
        monkeypatch.delenv(f"INWIT_RETENTION_{name.upper()}")
    (tmp_path / "config.toml").write_text("retention = 3\n")
    assert place.retention() == Retention()
    assert [_number(given) for given in ("x", None, "inf", "nan", "1.5", 2)] == [None] * 4 + [
        1.5,
        2,
    ]


# Sending


def test_what_is_sent_is_the_node_s_input() -> None:
    graph = StateGraph(State).add_node("a", ask).add_node("b", lambda state: {"log": [str(state)]})
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", lambda state: [Send("b", 1), Send("b", {"n": 2})], ["b"])
    app = graph.compile(name="sends")

    assert app.invoke({"n": 0})["log"] == ["1", "{'n': 2}"]
