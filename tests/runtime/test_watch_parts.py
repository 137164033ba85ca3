"""What is watched of unusual graphs of LangGraph: other states, other callbacks, values that replace."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import CallbackManager
from pydantic import BaseModel

import inwit
from inwit.runtime.watch import describe, watched
from inwit.runtime.watch.execution import Watching, _interrupts, _unpack
from inwit.runtime.watch.recorder import Watcher
from inwit.runtime.watch.shape import Branch, fields_of
from tests.runtime.watched import searching, store


class Model(BaseModel):
    n: int = 1
    m: int = 2


@dataclass
class Data:
    n: int = 1


def test_the_keys_of_any_state_are_found() -> None:
    assert fields_of({"a": 1}) == {"a": 1}
    assert fields_of(Model(n=3)) == {"n": 3}
    assert fields_of(Data(n=4)) == {"n": 4}
    assert fields_of(7) == {}


def test_a_watched_graph_shows_itself_and_can_be_let_go(project: Any) -> None:
    app = searching()
    found = inwit.watch(app)

    assert repr(found) == "<WatchedGraph 'searching' of LangGraph: 5 nodes>"
    assert inwit.watch(found) is found
    assert watched.watched(app) is found
    version = found.version()
    found._rename("searching")
    assert found.manifest().name == "searching"
    found._rename("other")
    assert (found.manifest().name, found.name) == ("other", "other")
    assert found.version() == version
    found.stop()
    assert watched.watched(app) is None
    app.invoke({"question": "?"})
    assert found.last_execution_id is None


def test_a_graph_with_a_manager_of_callbacks_is_watched_by_it(project: Any) -> None:
    app = searching()
    app.config = {"callbacks": CallbackManager([])}

    found = inwit.watch(app)
    found.invoke({"question": "?"})

    assert watched.watched(app) is found
    assert len(app.config["callbacks"].inheritable_handlers) == 1
    assert found.last_execution_id is not None
    found.stop()
    assert app.config["callbacks"].handlers == []


def watching(**reducers: Any) -> Watching:
    shape: Any = SimpleNamespace(keys={"n", "l", "m"}, reducers=reducers, ends={})
    events: list[Any] = []
    recording: Any = SimpleNamespace(add_event=lambda *given: events.append(given))
    found = Watching.__new__(Watching)
    found.shape, found.recording = shape, recording
    found._state, found._unsure, found._exits = {"n": 1, "l": [1]}, set(), 1
    found.told = events  # type: ignore[attr-defined]
    return found


class Overwrite:
    def __init__(self, value: Any) -> None:
        self.value = value


def test_updates_are_followed_as_their_reducers_merge_them() -> None:
    found = watching(n=operator.add, l=operator.add, m=lambda one, other: other)

    recorded = found._apply({"n": 4, "l": [2], "m": 3, "nobody": 1})

    assert found._state == {"n": 5, "l": [1, 2]}
    assert set(recorded) == {"n", "l"}
    assert found._unsure == {"m"}
    found._apply({"n": Overwrite(9), "l": Overwrite([7])})
    assert found._state == {"n": 9, "l": [7]}


def test_the_record_is_put_right_where_the_graph_shows_another_state() -> None:
    found: Any = watching(m=max)
    found._unsure = {"n", "l"}

    found._reconcile({"n": 1, "l": [1, 2], "m": 3, "nobody": 4})
    found._reconcile({"n": 2, "l": [3]})

    assert found._state == {"n": 1, "l": [1, 2], "m": 3}
    (told,) = found.told
    assert told[0] == "state_changed"
    assert [(op["op"], op["path"]) for op in told[4]["patch"]] == [("replace", "/l"), ("add", "/m")]


def test_what_a_node_returned_is_split_into_update_and_ways() -> None:
    def command(**given: Any) -> Any:
        return SimpleNamespace(**{"graph": None, "update": None, "goto": (), **given})

    updates, gone = _unpack([
        {"a": 1}, command(update={"b": 2}, goto="x"), command(update=[("c", 3)], goto=["y", ""]),
        command(graph="parent", update={"d": 4}, goto="z"),
        command(goto=[SimpleNamespace(node="w", arg=1)]),
    ])  # fmt: skip

    assert updates == {"a": 1, "b": 2, "c": 3}
    assert [one[0] for one in gone] == ["x", "y", "w"]
    assert _unpack(None) == ({}, [])


def test_questions_are_read_from_errors_of_langgraph_alone() -> None:
    class GraphInterrupt(Exception):  # noqa: N818 - LangGraph's name
        pass

    asked = SimpleNamespace(id="1")
    assert _interrupts(GraphInterrupt([asked, "no"])) == [asked]
    assert _interrupts(GraphInterrupt(asked)) == [asked]
    assert _interrupts(GraphInterrupt()) == []
    assert _interrupts(ValueError([asked])) == []


def test_a_router_s_answer_is_shown_by_its_labels() -> None:
    branch = Branch.__new__(Branch)
    object.__setattr__(branch, "ends", {"a": "one", 1: "two"})

    assert list(branch.ways(["a", 1, "other", ["unhashable"]])) == [
        ("a", "one"), ("1", "two"), ("other", "other"), ("['unhashable']", "['unhashable']"),
    ]  # fmt: skip
    assert list(branch.ways(SimpleNamespace(node="n", arg=1))) == [("n", "n")]
    assert describe._labels(branch, "one") == ["a"]
    object.__setattr__(branch, "ends", None)
    assert list(branch.ways("x")) == [("x", "x")]
    assert describe._labels(branch, "x") == ["x"]


def test_runs_that_nobody_saw_begin_do_not_end(project: Any) -> None:
    found = inwit.watch(searching())
    watcher = found._watcher
    assert isinstance(watcher, Watcher)

    watcher.on_chain_end({}, run_id=uuid4())
    watcher.on_chain_error(ValueError(), run_id=uuid4())
    begun = uuid4()
    watcher.on_chain_start({}, {"question": "?"}, run_id=begun)
    first = found.last_execution_id
    watcher.on_chain_start({}, {"question": "?"}, run_id=begun)
    assert found.last_execution_id == first
    watcher.on_chain_error(ValueError("no"), run_id=begun)

    assert watcher._runs == {}
    assert first is not None
    assert store().execution(first).status == "failed"


def test_only_the_last_executions_that_wait_are_held(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inwit.runtime.watch import recorder

    monkeypatch.setattr(recorder, "_WAITING_LIMIT", 2)
    watcher: Any = inwit.watch(searching())._watcher
    for name in ("a", "b", "c"):
        waits: Any = SimpleNamespace(recording=SimpleNamespace(thread_id=name), is_waiting=True)
        watcher._forget(recorder.Run(waits, uuid4(), kind="root"))

    assert list(watcher._waiting) == ["b", "c"]
