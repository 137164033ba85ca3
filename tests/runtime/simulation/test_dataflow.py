"""Scheduling without a barrier: who waits for whom, and what is kept of steps that overlap."""

from __future__ import annotations

import asyncio
import operator
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest

from inwit import (
    END,
    START,
    Command,
    InMemoryCheckpointer,
    Send,
    SqliteCheckpointer,
    StateGraph,
    interrupt,
)
from inwit.errors import NodeTimeoutError, UndeclaredRouteError
from inwit.runtime.checkpoints import Pending, Row
from tests.runtime.simulation import virtual
from tests.runtime.simulation.planned import Plan

THREAD: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


@pytest.fixture(autouse=True)
def without_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    yield saver
    saver.close()


def note(name: str, calls: list[str] | None = None) -> Any:
    def node(state: State) -> dict[str, Any]:
        if calls is not None:
            calls.append(name)
        return {"log": [name]}

    return node


def asks(name: str, *questions: str) -> Any:
    async def node(state: State) -> dict[str, Any]:
        answers = [interrupt(one) for one in questions]
        await asyncio.sleep(0.01)
        return {"log": [f"{name} {answers}"]}

    return node


def graph_of(edges: str, **nodes: Any) -> Any:
    """A graph by its edges, as in "a>b b>c"; a join as in "a,b>c"."""
    graph: Any = StateGraph(State)
    for name, function in nodes.items():
        graph.add_node(name, function)
    for one in edges.split():
        begin, _, end = one.partition(">")
        names = [{"^": START}.get(name, name) for name in begin.split(",")]
        graph.add_edge(names if len(names) > 1 else names[0], {"$": END}.get(end, end))
    return graph


def test_a_slow_sibling_delays_nobody() -> None:
    began: dict[str, float] = {}

    def sleeps(name: str, seconds: float) -> Any:
        async def node(state: State) -> dict[str, Any]:
            began[name] = asyncio.get_running_loop().time()
            await asyncio.sleep(seconds)
            return {"log": [name]}

        return node

    nodes = {"slow": sleeps("slow", 10), "quick": sleeps("quick", 1), "next": sleeps("next", 1)}
    app = graph_of("^>slow ^>quick quick>next", **nodes).compile(
        name="g", scheduling="dataflow", validate=False
    )

    found = virtual.run(app.ainvoke({}))

    assert began["next"] == pytest.approx(1, abs=0.1)
    assert found["log"] == ["quick", "slow", "next"]


def test_a_node_waits_for_all_that_may_lead_to_it_in_its_step() -> None:
    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(10)
        return {"log": ["slow"]}

    def both(state: State) -> dict[str, Any]:
        return {"log": [f"after {state['log']}"]}

    graph = graph_of(
        "^>slow ^>quick quick>both slow>both", slow=slow, quick=note("quick"), both=both
    )

    found = virtual.run(graph.compile(name="g", scheduling="dataflow").ainvoke({}))

    assert found["log"] == ["quick", "slow", "after ['quick', 'slow']"]


def test_a_join_is_complete_in_the_step_in_which_it_would_be_however_slow_that_is() -> None:
    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(10)
        return {"log": ["slow"]}

    quick = {name: note(name) for name in ("a", "all", "b", "q", "r")}
    graph = graph_of("^>a ^>slow slow>b ^>q q>r r>b a,b>all", slow=slow, **quick)

    ends = [
        virtual.run(graph.compile(name=f"g{way}", scheduling=way).ainvoke({}))["log"]
        for way in ("steps", "dataflow")
    ]

    assert ends[0] == ends[1] == ["a", "q", "slow", "b", "r", "all", "b"]


def test_no_more_nodes_run_at_once_than_are_allowed() -> None:
    running, most = [0], [0]

    async def node(state: State) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(1)
        running[0] -= 1

    names = "abcdefg"
    graph = graph_of(" ".join(f"^>{one}" for one in names), **dict.fromkeys(names, node))
    app = graph.compile(name="g", scheduling="dataflow")

    virtual.run(app.ainvoke({}, {"max_concurrency": 3}))

    assert most == [3]


@pytest.mark.parametrize("seed", range(60))
def test_a_graph_whose_nodes_read_their_ancestors_ends_as_with_steps(seed: int) -> None:
    draw = random.Random(seed)
    graph = Plan(draw.randrange, lambda: draw.choice((0.0, draw.uniform(0, 2)))).whole()
    steps = graph.compile(name="steps", validate=False)
    flow = graph.compile(name="flow", scheduling="dataflow", validate=False)
    config: Any = {"recursion_limit": 1000}

    wanted = virtual.run(steps.ainvoke({"log": []}, config))
    found = virtual.run(flow.ainvoke({"log": []}, config))

    assert found == wanted


def test_each_of_two_answers_in_turn_goes_to_its_question() -> None:
    app = graph_of(
        "^>a ^>b b>c", a=asks("a", "one", "two"), b=note("b"), c=asks("c", "three")
    ).compile(InMemoryCheckpointer(), name="g", scheduling="dataflow")
    given: Any = {}

    for _ in range(4):
        asked = asyncio.run(app.ainvoke(given, THREAD)).get("__interrupt__", ())
        given = Command(resume={one.id: f"to {one.value}" for one in asked[:1]})

    assert sorted(app.get_state(THREAD).values["log"]) == [
        "a ['to one', 'to two']", "b", "c ['to three']",
    ]  # fmt: skip


def test_a_thread_whose_steps_overlap_can_be_changed_from_outside(kept: Any) -> None:
    app = graph_of(
        "^>a ^>b b>c a,c>d", a=asks("a", "?"), b=note("b"), c=asks("c", "?"), d=note("d")
    ).compile(kept, name="g", scheduling="dataflow")
    asked = asyncio.run(app.ainvoke({}, THREAD))["__interrupt__"]
    asyncio.run(app.ainvoke(Command(resume={asked[0].id: "yes"}), THREAD))

    app.update_state(THREAD, {"log": ["outside"]}, as_node="c")

    assert app.get_state(THREAD).next == ("d",)
    assert asyncio.run(app.ainvoke(None, THREAD))["log"][-2:] == ["outside", "d"]


def test_what_was_done_ahead_is_done_again_after_a_change_from_outside(kept: Any) -> None:
    seen = list[list[str]]()

    def looks(state: State) -> None:
        seen.append(state["log"])

    app = graph_of("^>a ^>b b>c", a=asks("a", "?"), b=note("b"), c=looks).compile(
        kept, name="g", scheduling="dataflow"
    )
    asyncio.run(app.ainvoke({}, THREAD))

    app.update_state(THREAD, {"log": ["outside"]}, as_node="b")
    asyncio.run(app.ainvoke(None, THREAD))

    assert seen == [["b"], ["outside"]]


def test_what_is_done_ahead_is_told_as_done(kept: Any) -> None:
    app = graph_of("^>a ^>b", a=asks("a", "?"), b=note("b")).compile(
        kept, name="g", scheduling="dataflow"
    )

    asyncio.run(app.ainvoke({}, THREAD))

    told = {one.name: (one.result, len(one.interrupts)) for one in app.get_state(THREAD).tasks}
    assert told == {"a": (None, 1), "b": ({"log": ["b"]}, 0)}


def test_the_limit_of_what_is_sent_holds() -> None:
    async def sleeps(state: State) -> None:
        await asyncio.sleep(30)

    graph = graph_of("^>a ^>b", a=note("a"), b=note("b"), sleeps=sleeps)
    graph.add_conditional_edges("a", lambda state: [Send("sleeps", {}, timeout=0.01)], ["sleeps"])
    app = graph.compile(name="g", scheduling="dataflow")

    with pytest.raises(NodeTimeoutError):
        asyncio.run(app.ainvoke({}))


def test_a_router_that_led_on_is_not_asked_again(kept: Any) -> None:
    ways, calls = iter(["x", "y"]), list[str]()

    def choose(state: State) -> Literal["x", "y"]:
        return "x" if next(ways) == "x" else "y"

    graph = graph_of(
        "^>ask ^>b", ask=asks("ask", "?"), b=note("b"), x=note("x", calls), y=note("y", calls)
    )
    graph.add_conditional_edges("b", choose)
    app = graph.compile(kept, name="g", scheduling="dataflow")
    asyncio.run(app.ainvoke({}, THREAD))

    found = asyncio.run(app.ainvoke(Command(resume="yes"), THREAD))

    assert found["log"] == ["ask ['yes']", "b", "x"]
    assert calls == ["x"]


def test_a_node_that_ran_ahead_does_not_run_again_where_nothing_else_is_left(kept: Any) -> None:
    calls = list[str]()

    def asking(state: State) -> dict[str, Any]:
        return {"log": [f"a {[interrupt('?')]}"]}

    app = graph_of(
        "^>a ^>b a>c b>c b>d d>e", a=asking, b=note("b"), c=note("c"), d=note("d"),
        e=note("e", calls),
    ).compile(kept, name="g", scheduling="dataflow")  # fmt: skip
    asyncio.run(app.ainvoke({}, THREAD))

    found = asyncio.run(app.ainvoke(Command(resume="yes"), THREAD))

    assert found["log"] == ["a ['yes']", "b", "c", "d", "e"]
    assert calls == ["e"]


@pytest.mark.parametrize("durability", ["async", "exit"])
def test_a_join_that_was_complete_ahead_is_complete_later(kept: Any, durability: Any) -> None:
    app = graph_of(
        "^>a ^>b b>c b,c>join a>x",
        a=asks("a", "?"), b=note("b"), c=note("c"), x=asks("x", "?"), join=asks("join", "?"),
    ).compile(kept, name="g", scheduling="dataflow", durability=durability)  # fmt: skip
    given: Any = {}

    for _ in range(4):
        found = asyncio.run(app.ainvoke(given, THREAD))
        given = Command(resume={one.id: "yes" for one in found.get("__interrupt__", ())[:1]})

    assert found["log"] == ["a ['yes']", "b", "c", "x ['yes']", "join ['yes']"]


def test_an_answer_with_an_update_leaves_what_is_done_as_it_is(kept: Any) -> None:
    calls = list[str]()
    app = graph_of("^>a ^>b", a=asks("a", "?", "??"), b=note("b", calls)).compile(kept, name="g")
    asyncio.run(app.ainvoke({}, THREAD))
    asyncio.run(app.ainvoke(Command(resume="yes", update={"log": ["new"]}), THREAD))

    found = asyncio.run(app.ainvoke(Command(resume="no"), THREAD))

    assert found["log"] == ["new", "a ['yes', 'no']", "b"]
    assert calls == ["b"]


class Watched(SqliteCheckpointer):
    """Tells what is put at once."""

    puts: list[list[str]]

    def put(self, rows: Sequence[Row]) -> Any:
        self.puts.append([row.task if isinstance(row, Pending) else "checkpoint" for row in rows])
        return super().put(rows)


def test_a_whole_checkpoint_and_what_is_done_ahead_are_put_at_once(tmp_path: Path) -> None:
    kept = Watched(tmp_path / "own.db")
    kept.puts = []
    app = graph_of(
        "^>a ^>b b>c a>d", a=asks("a", "?"), b=note("b"), c=note("c"), d=asks("d", "?")
    ).compile(kept, name="g", scheduling="dataflow")
    asyncio.run(app.ainvoke({}, THREAD))
    kept.puts.clear()

    asyncio.run(app.ainvoke(Command(resume="yes"), THREAD))

    kept.close()
    assert ["checkpoint", "c:2"] in kept.puts


class Late(random.Random):
    """Lets every write take its time."""

    def choice(self, seq: Any) -> Any:
        return 0.2


def test_a_step_within_a_node_that_a_checkpoint_overtakes_is_not_done_again() -> None:
    paid = list[str]()

    async def pays(state: State, ctx: Any) -> dict[str, Any]:
        await ctx.step("pay", lambda: paid.append("paid"))
        return {"log": [interrupt("?")]}

    async def sleeps(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {"log": ["a"]}

    kept = InMemoryCheckpointer()
    graph = graph_of("^>a ^>b b>pays", a=sleeps, b=note("b"), pays=pays)

    def invoke(given: Any) -> Any:
        app = graph.compile(
            virtual.Disk(kept, Late()), name="g", scheduling="dataflow", durability="exit"
        )
        return virtual.run(app.ainvoke(given, THREAD))

    invoke({})

    found = invoke(Command(resume="yes"))

    assert found["log"] == ["a", "b", "yes"]
    assert paid == ["paid"]


def test_a_way_that_was_not_told_of_is_refused() -> None:
    graph = graph_of("^>b", b=note("b"), c=note("c"))

    def leads(state: State) -> Command[Literal["b"]]:
        return Command(goto="c")

    graph.add_node("leads", leads)
    graph.add_edge(START, "leads")
    app = graph.compile(name="g", scheduling="dataflow", validate=False)

    with pytest.raises(UndeclaredRouteError, match="'leads' leads to 'c'"):
        asyncio.run(app.ainvoke({}))
