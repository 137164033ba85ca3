import operator
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest

import inwit
from inwit import Command, Send, StateGraph, interrupt
from inwit.errors import UnknownNodeError, UnreplayableError


@dataclass
class Note:
    text: str


class State(TypedDict, total=False):
    n: int
    at: str
    chance: float
    notes: Annotated[list[Any], operator.add]
    best: Annotated[int, max]
    api_key: str


CALLS: list[str] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def written(**nodes: Any) -> StateGraph[State]:
    """A chain of nodes, in the order in which they are given."""
    graph, before = StateGraph(State), "__start__"
    for name, function in nodes.items():
        graph.add_node(name, function)
        graph.add_edge(before, name)
        before = name
    return graph


def ran(graph: StateGraph[State], given: State, **options: Any) -> Any:
    app = graph.compile(name="replayed")
    with suppress(ValueError):
        app.invoke(given, **options)
    return app


def test_an_execution_is_replayed_with_the_clock_and_chance_that_it_had(project) -> None:
    def draw(state: State, ctx: Any) -> State:
        CALLS.append("draw")
        return {"at": ctx.now().isoformat(), "chance": ctx.random() + ctx.random()}

    app = ran(written(draw=draw, note=lambda state: {"notes": [Note(state["at"])]}), {"n": 1})

    replay = app.replay(app.last_execution_id)

    assert CALLS == ["draw", "draw"]
    assert replay.divergence is None
    assert replay.state == app.replay(app.last_execution_id, run=()).state
    assert isinstance(replay.state["notes"][0], Note)


def test_the_first_divergence_is_named(project) -> None:
    def drift(state: State) -> State:
        return {"chance": random.random()}

    app = ran(
        written(
            first=lambda state: {"n": 2},
            drift=drift,
            later=lambda state: {"at": str(time.time_ns())},
        ),
        {"n": 1},
    )

    divergence = app.replay(app.last_execution_id).divergence

    assert (divergence.kind, divergence.node, divergence.visit) == ("output", "drift", 1)
    assert [op["path"] for op in divergence.patch] == ["/chance"]
    assert inwit.project().executions.items[0].execution_id in divergence.uri
    assert "drift" in str(app.resolve(divergence.uri))


def test_recorded_outputs_alone_run_no_node(project) -> None:
    def drift(state: State) -> State:
        CALLS.append("drift")
        return {"chance": random.random(), "notes": ["a"], "best": 3}

    graph = written(drift=drift, more=lambda state: {"notes": ["b"], "best": 2})
    app = ran(graph, {"notes": ["z"], "best": 1})

    replay = app.replay(app.last_execution_id, run=())

    assert CALLS == ["drift"]
    assert replay.is_same
    assert replay.state["notes"] == ["z", "a", "b"]
    assert replay.state["best"] == 3


def test_a_decision_that_has_become_another_is_named(project) -> None:
    ways = iter(["left", "right", "right"])
    graph = written(first=lambda state: {"n": 1})
    for name in ("left", "right"):
        graph.add_node(name, lambda state: {})
    graph.add_conditional_edges("first", lambda state: next(ways), ["left", "right"])
    app = ran(graph, {"n": 0})

    divergence = app.replay(app.last_execution_id).divergence

    assert (divergence.kind, divergence.node) == ("edge", "first")
    assert (divergence.expected, divergence.found) == ([["left", "left"]], [["right", "right"]])


def test_tools_and_nodes_with_side_effects_are_not_called_again(project) -> None:
    def pay(amount: int) -> int:
        CALLS.append("pay")
        return amount

    def send(state: State) -> State:
        CALLS.append("send")
        return {"at": "sent"}

    graph = written(buy=lambda state, ctx: {"n": ctx.tool(pay, 7)})
    graph.add_node("send", send, side_effects=True).add_edge("buy", "send")
    app = ran(graph, {"n": 0})

    assert app.replay(app.last_execution_id).is_same
    assert app.replay(app.last_execution_id, run=["buy"]).is_same
    assert CALLS == ["pay", "send"]


def test_a_step_is_given_what_it_returned(project) -> None:
    def charge() -> dict[str, int]:
        CALLS.append("charge")
        return {"paid": 7}

    async def buy(state: State, ctx: Any) -> State:
        return {"n": (await ctx.step("charge", charge))["paid"]}

    app = ran(written(buy=buy), {"n": 0})

    assert app.replay(app.last_execution_id).is_same
    assert CALLS == ["charge"]


def test_a_question_that_was_not_asked_is_refused_unless_the_replay_is_live(project) -> None:
    amounts = iter([7, 8, 8])

    def pay(amount: int) -> int:
        CALLS.append("pay")
        return amount

    app = ran(written(buy=lambda state, ctx: {"n": ctx.tool(pay, next(amounts))}), {"n": 0})

    refused = app.replay(app.last_execution_id, run=["buy"])
    live = app.replay(app.last_execution_id, run=["buy"], live=True)

    assert "'pay'" in str(refused.error)
    assert refused.divergence.kind == "failure"
    assert live.state["n"] == 8
    assert CALLS == ["pay", "pay"]


def test_a_failure_is_replayed_as_the_same_failure(project) -> None:
    def fail(state: State) -> State:
        raise ValueError(f"cannot do {state['n']}")

    app = ran(written(first=lambda state: {"n": 5}, fail=fail), {"n": 1})

    again, recorded = (app.replay(app.last_execution_id, run=run) for run in (None, ()))

    assert again.status == recorded.status == "failed"
    assert again.is_same
    assert recorded.is_same


def test_a_node_that_no_longer_fails_is_a_divergence(project) -> None:
    faults = iter([True])

    def flaky(state: State) -> State:
        if next(faults, False):
            raise ValueError("once")
        return {"n": 2}

    app = ran(written(flaky=flaky), {"n": 1})

    divergence = app.replay(app.last_execution_id).divergence

    assert (divergence.kind, divergence.expected, divergence.found) == (
        "failure",
        "ValueError: once",
        "",
    )


def test_parallel_branches_sends_and_commands_are_replayed(project) -> None:
    graph = StateGraph(State)
    graph.add_node("plan", lambda state: {"n": 3})
    graph.add_node("work", lambda given: {"notes": [given["n"]], "best": given["n"]})
    graph.add_node("side", lambda state: {"best": 9})
    graph.add_node(
        "end", lambda state: Command(update={"at": "x"}, goto="last"), destinations=("last",)
    )
    graph.add_node("last", lambda state: {"n": 0})
    graph.add_edge("__start__", "plan").add_edge("plan", "side")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("work", {"n": i}) for i in range(state["n"])], ["work"]
    )
    graph.add_edge("work", "end").add_edge("side", "end")
    app = ran(graph, {})

    for run in (None, (), ["work"]):
        replay = app.replay(app.last_execution_id, run=run)

        assert replay.divergence is None
        assert replay.state["notes"] == [0, 1, 2]
        assert replay.path[-1] == "last"


def test_a_node_is_given_the_configuration_that_it_had(project) -> None:
    graph = written(search=lambda state, ctx: {"n": ctx.node_config.get("k", 3)})
    app = ran(graph, {})
    first = app.last_execution_id
    app.configure_node("search", who="ada", k=8)
    app.invoke({})
    app.configure_node("search", who="ada", k=9)

    assert app.replay(app.last_execution_id).state["n"] == 8
    assert app.replay(first).state["n"] == 3


def test_what_a_command_sent_is_sent_again(project) -> None:
    def send(state: State) -> Any:
        return Command(goto=[Send("work", {"n": number}) for number in (4, 5)])

    graph = StateGraph(State).add_node("send", send, destinations=("work",))
    graph.add_node("work", lambda given: {"notes": [given["n"]]})
    app = ran(graph.add_edge("__start__", "send"), {})

    for run in (None, (), ["work"]):
        assert app.replay(app.last_execution_id, run=run).state["notes"] == [4, 5]


def test_secrets_are_whole_where_a_replay_runs_and_hidden_nowhere_else(project) -> None:
    seen: list[str] = []
    app = ran(written(use=lambda state: seen.append(state["api_key"])), {"api_key": "sk-secret-1"})

    app.replay(app.last_execution_id)

    assert seen == ["sk-secret-1", "sk-secret-1"]


def test_a_thread_s_memory_is_part_of_what_is_replayed(project) -> None:
    app: Any = written(add=lambda state: {"notes": [len(state["notes"])]}).compile(name="replayed")
    app.invoke({"notes": ["a"]}, thread_id="t")
    app.invoke({"n": 1}, thread_id="t")

    replay = app.replay(app.last_execution_id)

    assert replay.is_same
    assert replay.state["notes"] == ["a", 1, 2]


def test_answers_of_persons_are_given_again(project) -> None:
    app: Any = written(ask=lambda state: {"at": interrupt("sure?")}, end=lambda state: {}).compile(
        name="replayed"
    )
    app.invoke({"n": 1}, thread_id="t")
    app.invoke(Command(resume="yes"), thread_id="t")

    replay = app.replay(app.last_execution_id)

    assert replay.state["at"] == "yes"
    assert replay.is_same


def test_an_edited_node_is_compared_and_the_record_goes_on(project) -> None:
    graph = written(
        count=lambda state: {"n": state["n"] + 1}, double=lambda state: {"n": state["n"] * 2}
    )
    app = ran(graph, {"n": 1})
    edited = written(
        count=lambda state: {"n": state["n"] + 10}, double=lambda state: {"n": state["n"] * 2}
    )
    again: Any = edited.compile(name="replayed")

    aside = again.replay(app.last_execution_id, run=["count"], aside=True)
    onward = again.replay(app.last_execution_id, run=["count"], onward=True)

    assert [(one.expected, one.found) for one in aside.reruns] == [({"n": 2}, {"n": 11})]
    assert aside.state["n"] == 4
    assert onward.state["n"] == 22
    assert [one.node for one in onward.reruns] == ["count", "double"]
    assert onward.diff.changed == ("n",)


def test_going_on_runs_only_what_reads_something_else_and_nothing_with_side_effects(
    project,
) -> None:
    def nodes(first: int) -> StateGraph[State]:
        def read_other(state: State) -> State:
            CALLS.append("other")
            return {"best": state["best"] + 1}

        def send(state: State) -> State:
            CALLS.append("send")
            return {"at": str(state["n"])}

        graph = written(first=lambda state: {"n": first}, other=read_other)
        return graph.add_node("send", send, side_effects=True).add_edge("other", "send")

    execution_id = ran(nodes(1), {"best": 1}).last_execution_id
    CALLS.clear()

    replay = nodes(2).compile(name="replayed").replay(execution_id, run=["first"], onward=True)

    assert CALLS == []
    assert replay.kept == (("send", 1),)
    assert (replay.state["best"], replay.state["n"], replay.state["at"]) == (2, 2, "1")


def test_another_graph_s_execution_and_unknown_nodes_are_refused(project) -> None:
    app = ran(written(a=lambda state: {}), {"n": 1})
    other = written(a=lambda state: {}).compile(name="other")

    with pytest.raises(UnreplayableError, match="replayed"):
        other.replay(app.last_execution_id)
    with pytest.raises(UnknownNodeError, match="'b'"):
        app.replay(app.last_execution_id, run=["b"])


def test_a_long_record_with_big_values_is_replayed(project) -> None:
    graph = written(grow=lambda state: {"notes": ["x" * 5000], "n": state["n"] + 1})
    graph.add_conditional_edges(
        "grow", lambda state: state["n"] < 60, {True: "grow", False: "__end__"}
    )
    app: Any = graph.compile(name="replayed")
    app.invoke({"n": 0}, {"recursion_limit": 100})

    replay = app.replay(app.last_execution_id, config={"recursion_limit": 100})

    assert replay.is_same
    assert len(replay.state["notes"]) == 60


@pytest.mark.anyio
async def test_a_replay_leaves_no_trace_in_the_record(project) -> None:
    app: Any = written(a=lambda state: {"n": 2}).compile(name="replayed")
    await app.ainvoke({"n": 1})

    replay = await app.areplay(app.last_execution_id)

    assert replay.is_same
    assert len(inwit.project().executions.items) == 1
