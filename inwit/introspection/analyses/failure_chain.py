"""How a failure came about: its events in order, from the first failure to the end."""

from __future__ import annotations

from typing import Any

from inwit import events
from inwit.events import Event
from inwit.introspection.quotes import failure
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.runtime.views import Execution

DEEPEST = 5
"""Levels of inner executions that a failure is followed into."""
CUT_OFF = "CancelledError"
"""The error of a branch that was cut off because another one failed."""
_KINDS = (
    ("Recursion", "recursion_limit"),
    ("Budget", "budget"),
    ("Circuit", "circuit_open"),
    ("Timeout", "timeout"),
)
"""Part of an error's class, and the kind of cause that it is."""


def innermost(scene: Scene, execution: Execution) -> Execution:
    """Follow a failure into the executions within, to the one where it began."""
    for _ in range(DEEPEST):
        page = scene.store.executions(parent_id=execution.execution_id, status="failed", limit=1)
        if not page.items:
            break
        execution = page.items[0]
    return execution


def failures(scene: Scene, execution: Execution) -> list[Event]:
    """The events of a failure in order: tool, model and node errors with their retries."""
    own = scene.events(execution.execution_id)
    node = execution.error_node
    failed = [event for event in own if isinstance(event, events.NodeFailed)]
    mine = [event for event in failed if node in (None, event.node)]
    # Branches beside the one that failed are cut off, and end with an error of their own.
    told = execution.error.type if execution.error is not None else ""
    last = next((event for event in mine[::-1] if event.error.type == told), None)
    last = last or next((event for event in mine[::-1] if event.error.type != CUT_OFF), None)
    last = last or (mine[-1] if mine else None)
    chain = [event for event in own if _belongs(event, last)]
    return chain + [
        event
        for event in own
        if isinstance(event, events.ExecutionFailed | events.ExecutionCancelled)
    ]


def _belongs(event: Event, last: Event | None) -> bool:
    if last is None or event.node != last.node or event.visit != last.visit:
        return False
    if isinstance(event, events.LlmCompleted):
        return event.error is not None
    return isinstance(event, events.NodeFailed | events.ToolFailed | events.RetryScheduled)


def failed_at(scene: Scene, execution: Execution) -> str | None:
    """The node of the execution itself that failed: of a subgraph's failure, the subgraph's node."""
    found = scene.store.events(execution.execution_id, types=("node_failed",))
    own = [one for one in found if isinstance(one, events.NodeFailed) and one.error.type != CUT_OFF]
    return (own or found)[-1].node if found else execution.error_node


def link(event: Event) -> dict[str, Any]:
    """An event of the chain as an answer's data shows it."""
    error = getattr(event, "error", None)
    return {
        "type": event.type,
        "node": event.node,
        "visit": event.visit,
        "attempt": event.attempt,
        "ts": event.ts,
        "error": failure(error) if error else None,
        "uri": event.uri,
    }


def cause(root: Execution, chain: list[Event]) -> dict[str, Any]:
    """The cause of a failure: the innermost execution's first failure."""
    attempts = sum(isinstance(event, events.NodeFailed) for event in chain)
    first = chain[0] if chain else None
    return {
        "node": root.error_node or root.current_node or "",
        "kind": _kind(root, first),
        "error": failure(root.error) if root.error else root.reason,
        "error_type": root.error.type if root.error else "",
        "execution_id": root.execution_id,
        "first_failure": first.uri if first else root.uri,
        "effect": exactly(max(attempts, 1), "failed attempts"),
        "confirmed": True,
    }


def _kind(root: Execution, first: Event | None) -> str:
    name = root.error.type if root.error else ""
    if root.status == "cancelled":
        return "cancelled"
    if root.reason == "host lost":
        return "host_lost"
    for part, kind in _KINDS:
        if part in name:
            return kind
    if isinstance(first, events.ToolFailed):
        return "tool_error"
    return "model_error" if isinstance(first, events.LlmCompleted) else "error"
