"""Limits that hold where a thread goes on later, and waits that no limit counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import START, NodeTimeoutError, RetryPolicy, Send, SqliteCheckpointer, StateGraph
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
