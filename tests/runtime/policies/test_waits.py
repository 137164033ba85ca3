"""Limits that hold where a thread goes on later, and waits that no limit counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import GenericFakeChatModel

from inwit import (
    START,
    NodeTimeoutError,
    RateLimit,
    RetryPolicy,
    Send,
    SqliteCheckpointer,
    StateGraph,
    entrypoint,
    task,
)
from inwit import TimeoutPolicy as Limits

ONCE = RetryPolicy(max_attempts=1)


class State(TypedDict, total=False):
    n: int


def sending(path: Path, limits: Any) -> Any:
    """A graph that stops before a node which never ends, as each process makes it anew."""

    async def hangs(state: State) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    graph = StateGraph(State)
    graph.add_node("plan", lambda state: {}).add_edge(START, "plan")
    graph.add_node("hangs", hangs, retry_policy=ONCE)
    graph.add_conditional_edges(
        "plan", lambda state: [Send("hangs", {"n": 1}, timeout=limits)], ["hangs"]
    )
    return graph.compile(
        name="sending", checkpointer=SqliteCheckpointer(path), interrupt_before=["hangs"]
    )


@pytest.mark.parametrize("limits", [0.03, Limits(idle_timeout=0.03, refresh_on="heartbeat")])
def test_the_time_out_of_a_send_holds_where_another_process_goes_on(
    limits: Any, tmp_path: Path, project: Any
) -> None:
    sending(tmp_path / "threads.db", limits).invoke({}, thread_id="t")

    with pytest.raises(NodeTimeoutError) as raised:
        sending(tmp_path / "threads.db", None).invoke(None, thread_id="t")

    wanted = Limits.coerce(limits)
    assert wanted is not None
    assert (raised.value.run_timeout, raised.value.idle_timeout) == wanted.seconds[:2]


def test_the_time_out_of_a_send_holds_in_a_fork(tmp_path: Path, project: Any) -> None:
    app = sending(tmp_path / "threads.db", 0.03)
    app.invoke({}, thread_id="t")

    copied = app.update_state({"configurable": {"thread_id": "t"}}, None, as_node=None)

    with pytest.raises(NodeTimeoutError, match=r"0\.03"):
        app.invoke(None, copied)


async def quick(state: State) -> dict[str, Any]:
    return {"n": 1}


async def slow(state: State) -> dict[str, Any]:
    await asyncio.sleep(0.2)
    return {"n": 1}


def limited(node: Any, limit_s: float = 0.1, **policy: Any) -> Any:
    """A graph of one node whose limit by default is short, instead of the usual 300 s."""
    graph = StateGraph(State).add_node("node", node, retry_policy=ONCE, **policy)
    app = graph.add_edge(START, "node").compile(name="limited")
    app.program.nodes[0].limit_ns = int(limit_s * 1e9)
    return app


@pytest.mark.anyio
async def test_a_wait_for_a_rate_limit_does_not_count_for_the_limit_of_a_node(project: Any) -> None:
    app = limited(quick, rate_limit=RateLimit(1, per_s=1.2))

    found = await asyncio.gather(app.ainvoke({}), app.ainvoke({}))

    assert list(found) == [{"n": 1}, {"n": 1}]


@pytest.mark.anyio
async def test_a_wait_in_a_graph_within_does_not_count_for_the_node_around_it(project: Any) -> None:
    within = StateGraph(State).add_node("node", quick, rate_limit=RateLimit(1, per_s=0.3))
    app = limited(within.add_edge(START, "node").compile(name="within"))

    found = await asyncio.gather(*[app.ainvoke({}) for _ in range(3)])

    assert found == [{"n": 1}] * 3


@pytest.mark.anyio
async def test_what_a_node_does_after_its_wait_counts_as_ever(project: Any) -> None:
    app = limited(slow, rate_limit=RateLimit(1, per_s=0.1), max_concurrency=1)

    found = await asyncio.gather(app.ainvoke({}), app.ainvoke({}), return_exceptions=True)

    assert [type(one) for one in found] == [NodeTimeoutError, NodeTimeoutError]


def test_a_time_out_that_can_be_none_is_refused_where_it_is_written() -> None:
    for refuse in (task, entrypoint):
        with pytest.raises(ValueError, match="greater than 0"):
            refuse(timeout=0)


class Slow(GenericFakeChatModel):
    """Says a word every twentieth of a second."""

    async def _astream(self, *args: Any, **kwargs: Any) -> Any:
        async for one in super()._astream(*args, **kwargs):
            await asyncio.sleep(0.05)
            yield one


@pytest.mark.anyio
@pytest.mark.parametrize("is_recorded", [True, False])
async def test_the_words_of_a_langchain_model_are_signs_of_progress(
    is_recorded: bool, project: Any
) -> None:
    async def speaks(state: State) -> dict[str, Any]:
        said = await Slow(messages=iter(["a b c d e f"])).ainvoke("Speak.")
        return {"n": len(said.content)}

    graph = StateGraph(State).add_node("speaks", speaks, timeout=Limits(idle_timeout=0.2))
    app = graph.add_edge(START, "speaks").compile(name="speaking")
    app = app if is_recorded else app.without_introspection()

    told = [chunk.content async for chunk, _ in app.astream({}, stream_mode="messages")]

    assert "".join(told) == "a b c d e f"
