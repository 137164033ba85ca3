"""Merging, faults, views, middleware and results: each condition by a case on either side of it."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import pytest

from inwit import END, START, Command, StateGraph
from inwit.errors import EarlierError, InvalidSchemaError, InvalidUpdateError, UnknownKeyError
from inwit.events import Event, ExecutionCompleted, Gap, NodeEntered
from inwit.runtime import steps, subscribe, taking_over
from inwit.runtime.checkpoints import Task
from inwit.runtime.commands import Overwrite
from inwit.runtime.keeping import arrived_at, flow_at, plain_keys
from inwit.runtime.lenses import _is_first, is_state, joined, lens
from inwit.runtime.manifest import EdgeFacts, FieldFacts, NodeFacts
from inwit.runtime.middleware import name_of, surrounded
from inwit.runtime.progress import Progress
from inwit.runtime.replay import Replay
from inwit.runtime.results import _picked
from inwit.runtime.serial import freeze
from inwit.runtime.state import schema_of
from inwit.runtime.validate import _walk, faults, successors


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


class More(TypedDict, total=False):
    n: int
    text: str


class Counted(TypedDict, total=False):
    n: Annotated[int, max]


class Summed(TypedDict, total=False):
    n: Annotated[int, operator.add]


@dataclass
class Made:
    n: int


# Merging


def test_one_step_s_updates_are_checked_together() -> None:
    schema: Any = schema_of(State)

    def checked(*given: Any) -> list[Any]:
        named: list[Any] = [(f"t{number}", (one, [])) for number, one in enumerate(given)]
        return [updates for updates, _ in steps.checked(schema, named)]

    assert checked([{"n": 1}], [{"log": ["a"]}], [{"log": ["b"]}]) == [[{"n": 1}], [{"log": ["a"]}], [{"log": ["b"]}]]  # fmt: skip
    assert checked([{"n": 1}, {"n": 2}], []) == [[{"n": 1}, {"n": 2}], []]
    with pytest.raises(InvalidUpdateError, match="'t0' and 't1' both wrote 'n' in one step") as raised:  # fmt: skip
        checked([{"n": 1}], [{"n": 1}])
    assert "At key 'n' one value a step is kept" in raised.value.hint
    over = Overwrite(["x"])
    assert checked([{"log": ["a"], "n": 1}], [{"log": over}], [{"log": ["b"]}, {"log": ["c"]}]) == [
        [{"n": 1}], [{"log": over}], [{}, {}],
    ]  # fmt: skip
    with pytest.raises(InvalidUpdateError, match="'log' is overwritten by 2 nodes") as raised:
        checked([{"log": over}], [{"log": {"__overwrite__": []}}])
    assert raised.value.hint == "Overwrite it in one of them."


def test_a_branch_s_updates_are_merged_as_one() -> None:
    graph = SimpleNamespace(schema=schema_of(State))
    execution: Any = SimpleNamespace(graph=graph, state={"n": 0, "log": []}, saving=None)

    assert steps.apply(execution, []) is None
    assert steps.apply(execution, [{"n": 1}]) == {"n": 1}
    assert (steps.apply(execution, [{"n": 2}, {"n": 3}]) or {})["n"] == 3
    assert execution.state == {"n": 3, "log": []}


def test_a_row_of_changes_takes_a_seq_for_each() -> None:
    branch: Any = SimpleNamespace(at=SimpleNamespace(name="a"), visit=2, attempt=3)
    for recorded, edges, step_id, more in (
        (None, (), None, 0), ({"n": 1}, (), None, 1), ({}, ("b", "c"), ("x", 1), 3), ({"n": 1}, ("b",), ("x", 1), 3),
    ):  # fmt: skip
        execution: Any = SimpleNamespace(seq=10, rows=[])
        steps.record_apply(execution, branch, 7, recorded, edges, step_id)
        assert execution.rows == [(4, 11, "a", 2, 3, 7, recorded, edges, step_id)]
        assert execution.seq == 10 + more


# What takes over


def test_what_had_taken_over_goes_on_where_an_earlier_execution_began_it() -> None:
    relief = SimpleNamespace(task=SimpleNamespace(name="safe"))

    def gone_on(**more: Any) -> Any:
        told = taking_over._told(ValueError("no"), _progress(asked=2, children=1))
        given = Progress("a", memos={taking_over.RELIEF: freeze(told)} if more.pop("is_kept", True) else {})  # fmt: skip
        given.done = more.pop("done", given.done)
        ctx: Any = SimpleNamespace(at=SimpleNamespace(relief=more.pop("relief", relief)), key="", visit=3, attempt=2)  # fmt: skip
        taking_over.go_on(ctx, given)
        return ctx, given

    ctx, given = gone_on()
    assert (ctx.at, ctx.attempt, ctx.key) == (relief, 1, "safe")
    assert (given.asked, given.children, given.names) == (2, 1, {"s": 4})
    assert (ctx.given_up[:2], repr(ctx.given_up[2]), ctx.given_up[3]) == ((relief, 3), "ValueError('no')", "safe")  # fmt: skip
    for more in ({"is_kept": False}, {"done": "kept"}, {"relief": None}):
        ctx, given = gone_on(**more)
        assert (ctx.attempt, given.asked) == (2, 0)
    named = SimpleNamespace(at=None, key="own", visit=1, attempt=2)
    taking_over._set(named, relief, ValueError())  # type: ignore[arg-type]
    assert named.key == "own"
    assert isinstance(taking_over._error({"module": "builtins", "type": "int", "message": "3"}), EarlierError)  # fmt: skip


def _progress(**values: int) -> Progress:
    made = Progress("a")
    made.names = {"s": 4}
    for name, value in values.items():
        setattr(made, name, value)
    return made


# Faults


def test_faults_are_named_each_with_its_place() -> None:
    def told(graph: Any, *, is_strict: bool = True) -> list[str]:
        return [f"{type(one).__name__}: {one}".split(" Did")[0] for one in faults(graph, is_strict=is_strict)]  # fmt: skip

    graph: Any = (
        StateGraph(State).add_node("a", lambda state: state).add_node("b", lambda state: state)
    )
    assert [one.partition(":")[0] for one in told(graph)] == ["NoEntryError"]
    graph.add_edge(START, "a")
    assert [one.partition(":")[0] for one in told(graph)] == ["UnreachableNodeError"]
    assert told(graph, is_strict=False) == []
    graph.edges.append((("c", "a"), "d"))
    graph.add_conditional_edges("a", says, {"yes": "b", "other": "e"})
    names = told(graph)
    for said in (
        "edge starting at unknown node 'c'", "(edge from 'c')",
        "(answer 'other' of the router after 'a')", "'no'",
    ):  # fmt: skip
        assert sum(said in one for one in names) == 1, (said, names)
    assert "MissingRouteError" not in "".join(told(graph, is_strict=False))


def says(state: Any) -> Literal["yes", "no"]:
    return "yes"


def test_who_may_follow_whom_is_known_from_what_is_written() -> None:
    graph: Any = StateGraph(State)
    for name in "abcd":
        graph.add_node(name, lambda state: {"n": 1})
    graph.add_node("e", lambda state: Command(goto=state["to"]))
    graph.add_edge(START, "a").add_edge(["a", "b"], "c")
    graph.add_conditional_edges("b", says, {"yes": "c", "no": END})
    graph.add_conditional_edges("c", lambda state: state["to"])

    found = successors(graph)

    assert (found[START], found["a"], found["b"], found["d"]) == ({"a"}, {"c"}, {"c", END}, {END})
    assert found["c"] == found["e"] == {"a", "b", "c", "d", "e", END}
    assert _walk("a", {"a": {"b"}, "b": {"a", "c"}}) == {"a", "b", "c"}
    assert _walk("x", {}) == {"x"}


# Views


def test_keys_of_several_classes_are_joined() -> None:
    main = schema_of(State)

    whole = joined(main, [schema_of(More), schema_of(State)])
    assert (list(whole.names), whole.view({"n": 1, "text": "x"})) == (
        ["n", "log", "text"],
        {"n": 1},
    )
    assert joined(main, []) is main
    counted = joined(main, [schema_of(Counted)])
    assert counted.channels["n"].reducer is max
    assert joined(schema_of(Counted), [main]).channels["n"].reducer is max
    with pytest.raises(InvalidSchemaError, match="'n' of Summed has another reducer") as raised:
        joined(schema_of(Counted), [schema_of(Summed)])
    assert raised.value.hint == "Give a key one reducer, in one class."
    assert lens(main, main) is main.view
    assert lens(schema_of(Made), schema_of(More))({"n": 1, "text": "x"}) == Made(1)
    assert lens(schema_of(More), whole)({"n": 1, "log": []}) == {"n": 1}


class Taking:
    def __call__(self, state: State, other: More) -> None: ...

    def method(self, state: State, other: More) -> None: ...


def test_the_parameter_that_is_given_the_state_is_the_first() -> None:
    def both(state: State, other: More) -> None: ...

    for function in (both, Taking(), Taking().method, Taking.method):
        assert (_is_first(function, "state"), _is_first(function, "other")) == (True, False)
    assert _is_first(Taking(), "self") is True
    assert [is_state(one) for one in (State, Made, dict, int)] == [True, True, False, False]


# Middleware


def test_what_middleware_changes_is_told() -> None:
    told: list[Any] = []
    ctx: Any = SimpleNamespace(emit=lambda kind, **fields: told.append((kind, fields)))

    def call(state: Any, ctx: Any) -> Any:
        return {"n": state}

    def passes(name: str, state: Any, ctx: Any, call_next: Any) -> Any:
        return call_next(state)

    def instead(name: str, state: Any, ctx: Any, call_next: Any) -> Any:
        return {"n": name}

    def twice(name: str, state: Any, ctx: Any, call_next: Any) -> Any:
        call_next(state)
        return call_next(state + 1)

    def changes(name: str, state: Any, ctx: Any, call_next: Any) -> Any:
        return {**call_next(state), "log": []}

    async def later(name: str, state: Any, ctx: Any, call_next: Any) -> Any:
        return await call_next(state)

    for middleware, returned, did in (
        (passes, {"n": 1}, None), (instead, {"n": "a"}, ["answered instead"]),
        (twice, {"n": 2}, ["called again", "changed the state"]),
        (changes, {"n": 1, "log": []}, ["changed the update"]),
    ):  # fmt: skip
        told.clear()
        made, is_async = surrounded(call, "a", [middleware], is_async=False)
        assert (made(1, ctx), is_async) == (returned, False)
        assert told == ([] if did is None else [("custom", {"name": "middleware", "data": {"name": middleware.__name__, "did": did}})])  # fmt: skip
    told.clear()
    made, is_async = surrounded(call, "a", [later, passes], is_async=False)
    assert (asyncio.run(made(1, ctx)), is_async, told) == ({"n": 1}, True, [])
    assert (name_of(passes), name_of(Taking())) == ("passes", "Taking")  # type: ignore[arg-type]


# Results


def test_a_result_is_given_by_its_keys() -> None:
    waits = {"n": 1, "log": [], "__interrupt__": ["?"]}

    assert [_picked(waits, keys) for keys in ("n", ["log"])] == [1, {"log": [], "__interrupt__": ["?"]}]  # fmt: skip
    assert [_picked({"n": 1}, keys) for keys in ("n", ["log"])] == [1, {}]
    assert _picked(7, "n") == 7
    graph: Any = (
        StateGraph(State).add_node("a", lambda state: {"n": state["n"] + 1}).add_edge(START, "a")
    )
    app = graph.compile(name="results")
    assert [one["n"] for one in app.batch([{"n": 1}, {"n": 2}])] == [2, 3]
    assert [one["n"] for one in app.batch([{"n": 1}, {"n": 2}], [{}, {"tags": ["x"]}])] == [2, 3]
    bad = app.batch([{"n": 1}, {}], return_exceptions=True)
    assert (bad[0]["n"], type(bad[1])) == (2, KeyError)
    with pytest.raises(KeyError):
        app.batch([{}])
    with pytest.raises(ValueError, match="zip"):
        app.batch([{"n": 1}], [{}, {}])
    with pytest.raises(UnknownKeyError):
        app.invoke({"n": 1}, output_keys=["none"])
    theirs = graph.compile(name="theirs", defaults="langgraph")
    assert theirs.invoke({"n": 1})["n"] == 2
    assert app.get_name() == "results"
    assert (app.get_name("-x"), app.get_name(name="y")) == ("results-x", "y")
    assert list(app.nodes) == ["__start__", "a"]
    assert (app.stream_mode, app.cache, app.context_schema) == ("updates", None, None)
    other = app.with_config({"tags": ["t"]}).copy({"name": "other"})
    assert (other.name, other.config, app.copy({"config": {"n": 1}}).config) == ("other", {"tags": ["t"]}, {"n": 1})  # fmt: skip
    with pytest.raises(UnknownKeyError):
        app.copy({"odd": 1})


# Following


@pytest.mark.anyio
async def test_who_follows_one_execution_hears_of_it_until_its_end() -> None:
    takes: list[Any] = []
    ended: list[int] = []

    def subscribed(take: Any) -> Any:
        takes.append(take)
        return lambda: ended.append(1)

    journal: Any = SimpleNamespace(subscribe=subscribed)

    def event(kind: Any, seq: int, execution: str = "e", graph: str = "g", **more: Any) -> Event:
        made: Event = kind(execution_id=execution, graph_name=graph, seq=seq, ts="", **more)
        return made

    entered = [event(NodeEntered, seq, node="a", visit=1, attempt=1) for seq in range(1, 5)]
    done, other = event(ExecutionCompleted, 9), event(ExecutionCompleted, 5, "f")
    elsewhere = event(NodeEntered, 6, "f", "h", node="a", visit=1, attempt=1)

    async def heard(graph: str | None, execution: str | None, many: int) -> list[Any]:
        found: list[Any] = []
        follows = subscribe.follow(journal, graph, execution)
        asked = asyncio.ensure_future(anext(follows))
        await asyncio.sleep(0)
        takes[-1]([*entered, other, elsewhere, done])
        found.append(await asked)
        while len(found) < many:
            try:
                found.append(await anext(follows))
            except StopAsyncIteration:
                break
        await follows.aclose()
        return found

    assert await heard("g", "e", 99) == [*entered, done]
    assert await heard("g", None, 6) == [*entered, other, done]
    assert await heard(None, None, 7) == [*entered, other, elsewhere, done]
    assert ended == [1, 1, 1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(subscribe, "_QUEUE_LIMIT", 2)
        gap, *rest = await heard("g", "e", 99)
    assert isinstance(gap, Gap)
    assert (gap.lost_from, gap.lost_to, gap.reason) == (1, 3, "the reader was too slow")
    assert rest == [entered[3], done]


# Manifests


def test_a_structure_s_hash_depends_on_its_structure_alone() -> None:
    from inwit.runtime.describe import _first_paragraph, structural_hash, type_name

    node, edge = NodeFacts(name="a", node_type="function"), EdgeFacts(source="a", target="b")
    key = FieldFacts(name="n", field_type="int")
    same = structural_hash((node,), (edge,), (key,))

    assert same == structural_hash((NodeFacts(name="a", node_type="function", description="x"),), (edge,), (key,))  # fmt: skip
    assert len(same) == 12
    others = [
        structural_hash((NodeFacts(name="a", node_type="decision"),), (edge,), (key,)),
        structural_hash((node,), (EdgeFacts(source="a", target="b", label="x"),), (key,)),
        structural_hash((node,), (EdgeFacts(source="a", target="b", condition="x"),), (key,)),
        structural_hash((node,), (EdgeFacts(source="a", target="b", joins=("x",)),), (key,)),
        structural_hash((node,), (edge,), (FieldFacts(name="n", field_type="int", reducer="x"),)),
        structural_hash((node,), (edge,), ()),
    ]  # fmt: skip
    assert len({same, *others}) == 7
    assert [type_name(one) for one in (int, list[str], int | None, Any)] == ["int", "list[str]", "int | None", "Any"]  # fmt: skip
    assert (_first_paragraph(Taking), _first_paragraph(Made), _first_paragraph(documented)) == ("", "", "One line and another.")  # fmt: skip


def documented() -> None:
    """One line  and another.

    No more.
    """


def test_a_router_leads_where_it_may_answer() -> None:
    graph: Any = StateGraph(State)
    for name in "abc":
        graph.add_node(name, lambda state: {"n": 1})
    graph.add_edge(START, "a").add_edge("c", END)
    graph.add_conditional_edges("a", says, {"yes": "b", "no": END})
    graph.add_conditional_edges("b", lambda state: state["to"])
    reach = graph.compile(name="reach").reach

    assert [reach.exactly(0, edges) for edges in range(4)] == [0b001, 0b010, 0b111, 0b111]
    assert [reach.within(0, edges) for edges in range(3)] == [0b001, 0b011, 0b111]
    assert [reach.exactly(1, 1), reach.exactly(2, 1), reach.within(2, 5)] == [0b111, 0, 0b100]


def test_tasks_that_follow_are_known_by_their_plain_names() -> None:
    tasks = [Task("a"), Task("b", None, True), Task("b", None, True)]
    last: Any = SimpleNamespace(step=3, next=tasks, joins=None)

    assert plain_keys(last) == {"a:4": "a", "b#1:4": "b#1", "b#2:4": "b#2"}
    last.joins = [[0, ["x"]], ["flow", ["root", 2, ["b#dead"]]]]
    assert plain_keys(last) == {"a:4": "a", "b#dead:4": "b#1", "b#2:4": "b#2"}
    found = flow_at(last)
    assert found is not None
    assert (found.root, found.first, found.sent) == ("root", 2, ["b#dead"])
    plan: Any = SimpleNamespace(by_name={"x": 1})
    assert arrived_at(plan, last) == {0: {1}}
    assert arrived_at(plan, None) is None


def test_a_replay_shows_what_it_failed_with() -> None:
    plain = Replay(execution_id="e", status="completed", state={"n": (1,)}, path=("a",))
    failed = Replay(
        execution_id="e",
        status="failed",
        state={},
        path=(),
        error=ValueError("no"),
        kept=(("a", 1),),
    )

    assert plain.to_json() == {
        "execution_id": "e", "status": "completed", "is_same": True, "divergence": None, "reruns": [],
        "path": ["a"], "state": {"n": [1]}, "kept": [], "diff": None, "error": "",
    }  # fmt: skip
    assert ("no" in failed.to_json()["error"], failed.to_json()["kept"]) == (True, [["a", 1]])
