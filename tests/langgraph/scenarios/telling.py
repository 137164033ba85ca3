"""What scenarios tell of threads, snapshots and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.langgraph.comparing import Raised


def thread(name: str = "1", **configurable: Any) -> dict[str, Any]:
    """The config of a thread."""
    return {"configurable": {"thread_id": name, **configurable}}


def told(snapshot: Any) -> dict[str, Any]:
    """A state snapshot: what it holds, what comes next, what its tasks did."""
    metadata = snapshot.metadata or {}
    return {
        "values": snapshot.values,
        "next": snapshot.next,
        "step": metadata.get("step"),
        "source": metadata.get("source"),
        "tasks": [task_told(task) for task in snapshot.tasks],
        "interrupts": [one.value for one in snapshot.interrupts],
        "has_parent": snapshot.parent_config is not None,
        "is_dated": snapshot.created_at is not None,
    }


def task_told(task: Any) -> dict[str, Any]:
    """One task of a snapshot; a subgraph's state is told in turn."""
    state = task.state
    if state is not None and not isinstance(state, dict):
        state = told(state)
    return {
        "name": task.name,
        "error": task.error,
        "interrupts": [one.value for one in task.interrupts],
        "result": task.result,
        "state": state,
    }


def history(graph: Any, config: Any, **options: Any) -> list[dict[str, Any]]:
    """A thread's states, newest first."""
    return [told(snapshot) for snapshot in graph.get_state_history(config, **options)]


def raised(call: Callable[[], Any], saying: str | None = None) -> Any:
    """What error a call raises, and whether its words hold a pattern; else what it returned."""
    try:
        found = call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        kind = Raised(error)
        return kind if saying is None else (kind, re.search(saying, str(error)) is not None)
    return "nothing raised", found


async def araised(awaitable: Any, saying: str | None = None) -> Any:
    """What error an awaitable raises; see `raised`."""
    try:
        found = await awaitable
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        kind = Raised(error)
        return kind if saying is None else (kind, re.search(saying, str(error)) is not None)
    return "nothing raised", found


def until_raised(chunks: Iterable[Any]) -> list[Any]:
    """Chunks of a stream, then the name of the error that ended it."""
    seen: list[Any] = []
    try:
        seen.extend(chunks)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        seen.append(Raised(error))
    return seen


async def listed(chunks: Any) -> list[Any]:
    """All chunks of an async stream."""
    return [chunk async for chunk in chunks]


def waiting(result: Any) -> list[Any]:
    """The values of the interrupts that a result shows."""
    return [one.value for one in result.get("__interrupt__", ())]


def unordered(chunks: Iterable[Any]) -> list[Any]:
    """Chunks of branches that run at the same time, in an order of their own."""
    return sorted(chunks, key=repr)
