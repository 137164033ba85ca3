"""Small graphs of every kind, and all that is told of them: ``python -m tests.runtime.records`` keeps it.

What is kept was read and found right. Times and places in files are left out, and ids are replaced by
the order in which
they appear.
"""

from __future__ import annotations

import asyncio
import json
import operator
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec

from inwit import (
    END,
    START,
    CachePolicy,
    Command,
    InMemoryCache,
    RetryPolicy,
    Send,
    StateGraph,
    entrypoint,
    interrupt,
    task,
)
from inwit.errors import InwitError
from inwit.events import to_json
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.journal import Journal

KEPT = Path(__file__).parents[1] / "data" / "records.json"
MODES = ["values", "updates", "tasks", "checkpoints", "debug", "custom"]
AT_ONCE = RetryPolicy(max_attempts=3, initial_interval=0, jitter=False, retry_on=ConnectionError)
_UNTOLD = {
    *("ts", "timestamp", "created_at", "duration_ms", "delay_ms"),
    *("graph_version", "position", "traceback"),
}
_ID = re.compile(r"\b[0-9a-f]{16,}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


class State(TypedDict, total=False):
    """What the graphs below keep."""

    n: int
    log: Annotated[list[Any], operator.add]
    best: Annotated[int, max]


class Item(TypedDict):
    """What one branch is sent."""

    item: int


def says(name: str) -> Callable[[Any], Any]:
    """A node that says its name."""
    return lambda state: {"log": [name]}


def count(state: State) -> State:
    """Count on."""
    return {"n": state.get("n", 0) + 1, "best": state.get("n", 0) % 3}


def path(*names: str, **nodes: Any) -> StateGraph[State]:
    """A graph of one way through these nodes."""
    graph = StateGraph(State)
    for name in names:
        given = nodes.get(name, says(name))
        function, how = given if isinstance(given, tuple) else (given, {})
        graph.add_node(name, function, **how)
    for before, after in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(before, after)
    return graph


class Failing:
    """Fails some times, then says so."""

    def __init__(self, times: int, error: type[Exception]) -> None:
        self.left, self.error = times, error

    def __call__(self, state: Any) -> Any:
        if self.left:
            self.left -= 1
            raise self.error(f"{self.left} left")
        return {"log": ["went well"]}


def asks(state: State) -> State:
    """Ask twice."""
    first = interrupt({"first": state.get("n")})
    return {"log": [first, interrupt("second")]}


@dataclass(frozen=True)
class Case:
    """A graph, and what it is given one after another."""

    app: Any
    inputs: Sequence[Any]
    config: dict[str, Any]


def case(app: Any, *inputs: Any, **config: Any) -> Case:
    """A case with an input for each call of it."""
    return Case(app, inputs or ({"n": 1},), config)


def compiled(graph: Any, **how: Any) -> Any:
    """The graph as one that can be invoked."""
    return graph.compile(name="kept", **how)


def _line() -> Case:
    return case(compiled(path("a", "b", a=count)))


def _loop() -> Case:
    graph = StateGraph(State).add_node("count", count).add_node("end", says("end"))
    graph.add_edge(START, "count").add_edge("end", END)
    graph.add_conditional_edges(
        "count",
        lambda state: "more" if state["n"] < 3 else "done",
        {"more": "count", "done": "end"},
    )
    return case(compiled(graph), {"n": 0})


def _endless() -> Case:
    graph = StateGraph(State).add_node("count", count).add_edge(START, "count")
    return case(compiled(graph.add_edge("count", "count"), validate=False), recursion_limit=3)


def _branches() -> Case:
    graph = path("a", "z")
    for name in ("b", "c"):
        graph.add_node(name, says(name)).add_edge("a", name)
    graph.add_node("join", says("join")).add_edge(["b", "c"], "join")
    return case(compiled(graph))


def _deferred() -> Case:
    graph = StateGraph(State).add_node("late", says("late"), defer=True)
    for name in ("a", "b", "c"):
        graph.add_node(name, says(name))
    graph.add_edge(START, "a").add_edge(START, "late").add_edge("a", "b").add_edge("b", "c")
    return case(compiled(graph.add_edge("c", "late")))


def _dataflow() -> Case:
    graph = StateGraph(State)
    for name in ("a", "b", "c", "join"):
        graph.add_node(name, says(name))
    graph.add_edge(START, "a").add_edge("a", "b").add_edge("a", "c").add_edge(["b", "c"], "join")
    return case(compiled(graph, scheduling="dataflow"))


def _sends() -> Case:
    def fan(state: State) -> list[Send]:
        return [Send("work", {"item": number}) for number in range(state["n"])]

    def work(item: Item) -> State:
        return {"log": [item["item"]], "best": item["item"]}

    graph = StateGraph(State).add_node("work", work).add_node("sum", says("sum"))
    graph.add_conditional_edges(START, fan, ["work"])
    return case(compiled(graph.add_edge("work", "sum").add_edge("sum", END)), {"n": 3})


def _commands() -> Case:
    def choose(state: State) -> Command[Any]:
        return Command(update={"log": ["chose"]}, goto=["b", Send("c", {"item": 7})])

    graph = StateGraph(State).add_node("choose", choose, destinations=("b", "c"))
    graph.add_node("b", says("b")).add_node("c", lambda given: {"log": [given]})
    return case(compiled(graph.add_edge(START, "choose")))


def _within() -> Case:
    inner = path("x", "y", x=count).compile(name="inner")
    return case(compiled(path("a", "inner", "b", inner=inner)))


def _to_parent() -> Case:
    def up(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"log": ["up"]}, goto="b")

    inner = StateGraph(State).add_node("up", up).add_edge(START, "up").compile(name="inner")
    graph = StateGraph(State).add_node("inner", inner).add_node("b", says("b"))
    return case(compiled(graph.add_edge(START, "inner")))


def _retried() -> Case:
    flaky = Failing(2, ConnectionError), {"retry_policy": AT_ONCE}
    return case(compiled(path("a", "flaky", flaky=flaky)))


def _given_up() -> Case:
    flaky = Failing(9, ConnectionError), {"retry_policy": AT_ONCE}
    return case(compiled(path("a", "flaky", flaky=flaky)), {"n": 1}, None, thread_id="t")


def _failed() -> Case:
    return case(
        compiled(path("a", "bad", bad=Failing(1, ValueError))), {"n": 1}, None, thread_id="t"
    )


def _failed_beside() -> Case:
    async def good(state: State) -> State:
        return {"log": ["good"]}  # at once, where a thread's turn would be anybody's

    graph = StateGraph(State).add_node("good", good).add_node("bad", Failing(1, ValueError))
    return case(
        compiled(graph.add_edge(START, "good").add_edge(START, "bad")),
        {"n": 1},
        None,
        thread_id="t",
    )


def _instead() -> Case:
    handled = Failing(9, ValueError), {"error_handler": lambda state: {"log": ["handled"]}}
    return case(compiled(path("a", "bad", "b", bad=handled)))


def _other_node() -> Case:
    handled = Failing(9, ValueError), {"fallback": lambda state: {"log": ["instead"]}}
    return case(compiled(path("a", "bad", "b", bad=handled)))


def _odd_update() -> Case:
    return case(compiled(path("a", a=lambda state: 7)))


def _unknown_key() -> Case:
    return case(compiled(path("a", a=lambda state: {"nobody": 1, "n": 2})))


def _asked() -> Case:
    app = compiled(path("a", "asks", "b", a=count, asks=asks))
    return case(app, {"n": 1}, Command(resume="one"), Command(resume="two"), thread_id="t")


def _asked_within() -> Case:
    inner = path("asks", asks=asks).compile(name="inner")
    app = compiled(path("a", "inner", inner=inner))
    return case(app, {"n": 1}, Command(resume="one"), Command(resume="two"), thread_id="t")


def _asked_at_once() -> Case:
    graph = StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, lambda state: {"log": [interrupt("which?")]}).add_edge(START, name)
    return case(compiled(graph), {"n": 1}, Command(resume="one"), thread_id="t")


def _stopped() -> Case:
    app = compiled(path("a", "b", "c"), interrupt_before=["b"], interrupt_after=["b"])
    return case(app, {"n": 1}, None, None, thread_id="t")


def _again() -> Case:
    return case(compiled(path("a", a=count)), {"n": 1}, {"n": 5}, {"log": ["x"]}, thread_id="t")


def _cached() -> Case:
    kept = count, {"cache_policy": CachePolicy()}
    return case(compiled(path("a", a=kept), cache=InMemoryCache()), {"n": 1}, {"n": 1}, {"n": 2})


def _without() -> Case:
    return case(compiled(path("a", "b", a=count), checkpointer=False))


def _at_exit() -> Case:
    return case(compiled(path("a", "b", a=count), durability="exit"), thread_id="t")


def _tasks() -> Case:
    @task
    def double(number: int) -> int:
        return 2 * number

    @task(retry_policy=AT_ONCE)
    def flaky(failing: list[int]) -> str:
        if failing:
            raise ConnectionError(str(failing.pop()))
        return "done"

    left = [1]

    @entrypoint(name="kept")
    def kept(given: int, *, previous: Any = None) -> Any:
        said = interrupt({"sum": double(given).result() + double(given + 1).result()})
        return entrypoint.final(value=[said, flaky(left).result(), previous], save=given)

    return case(kept, 3, Command(resume="yes"), 4, thread_id="t")


CASES: dict[str, Callable[[], Case]] = {
    name.removeprefix("_"): found
    for name, found in list(globals().items())
    if name.startswith("_") and getattr(found, "__annotations__", {}) == {"return": "Case"}
}


def told(name: str, *, is_async: bool) -> list[Any]:
    """All that is told of one case: by its streams, its results, its record and its history."""
    given = CASES[name]()
    found: list[Any] = []
    for number, value in enumerate(given.inputs):
        found.append({"call": number, **_called(given, value, f"e{number}", is_async=is_async)})
    thread_id = given.config.get("thread_id")
    if thread_id:
        history = given.app.get_state_history({"configurable": {"thread_id": thread_id}})
        found.append({"history": [_snapshot(one) for one in history]})
    return [_named(one) for one in _plain(found)]


def _called(given: Case, value: Any, execution_id: str, *, is_async: bool) -> dict[str, Any]:
    config = {key: one for key, one in given.config.items() if key != "thread_id"}
    how = {"stream_mode": MODES, "execution_id": execution_id, "config": config}
    how |= {"thread_id": given.config["thread_id"]} if "thread_id" in given.config else {}
    parts: list[Any] = []
    error = ""
    try:
        if is_async:
            asyncio.run(_read(given.app.astream(value, **how), parts))
        else:
            parts.extend(given.app.stream(value, **how))
    except Exception as exc:  # noqa: BLE001 - how a case fails is a part of it
        error = f"{type(exc).__name__}: {exc}"
        if isinstance(exc, InwitError):
            error += f" [{exc.code}] {exc.hint}"
    project = Project.find()
    Journal.of(project).flush()
    store = Store.of(project)
    shown = {"streamed": parts, "error": error}
    if execution_id not in {one.execution_id for one in store.executions().items}:
        return shown  # It was refused before it began.
    return {
        **shown,
        "events": [to_json(one) for one in store.events(execution_id)],
        "execution": msgspec.to_builtins(store.execution(execution_id), enc_hook=repr),
        "visits": [
            [one.node, one.visit, one.status, one.attempts, one.entry_seq]
            for one in store.visits(execution_id)
        ],
    }


async def _read(stream: Any, parts: list[Any]) -> None:
    async for one in stream:
        parts.append(one)


def _snapshot(one: Any) -> Any:
    return {
        "values": one.values, "next": one.next, "metadata": one.metadata, "config": one.config,
        "parent": one.parent_config, "tasks": [repr(task) for task in one.tasks],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=repr))


def _named(value: Any, ids: dict[str, str] | None = None) -> Any:
    """The same without times, each id by the order of its appearance."""
    known: dict[str, str] = {} if ids is None else ids
    if isinstance(value, dict):
        return {
            key: _named(one, known)
            for key, one in value.items()
            if key not in _UNTOLD and not key.endswith("_at")
        }
    if isinstance(value, list):
        return [_named(one, known) for one in value]
    if isinstance(value, str):
        return _ID.sub(lambda found: known.setdefault(found[0], f"id{len(known)}"), value)
    return value


def main() -> None:
    """Keep what is told now."""
    import os

    lines: list[str] = []
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ".inwit").mkdir(mode=0o700)
            os.chdir(folder)
            found = told(name, is_async=False)
            journal = Journal.of(Project.find())
            journal.close()
            journal.database.close()
        lines.append(f"{json.dumps(name)}: {json.dumps(found, ensure_ascii=False)}")
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
