"""How a fact of the record is quoted: one line, cut, that is also found where its uri leads."""

from __future__ import annotations

from typing import Any

from inwit import events
from inwit.events import Event, Failure
from inwit.introspection.claims import duration, quoted, short, told_value
from inwit.introspection.lineage import COMMAND
from inwit.runtime.serial import Delta
from inwit.runtime.views import Execution


def failure(error: Failure | None) -> str:
    """Quote an error: its class and its text."""
    if error is None:
        return "no error"
    return short(f"{error.type}: {error.message}" if error.message else error.type, 240)


def failed_with(error: Failure | None) -> str:
    """Tell an error in a sentence of ours: its class, and its text in quotation marks."""
    if error is None:
        return "no error"
    return f"{short(error.type, 80)}: {quoted(error.message)}" if error.message else error.type


def being(found: Execution) -> str:
    """Say how an execution is, as the end of a sentence about it."""
    return {
        "completed": "is completed",
        "failed": "has failed",
        "cancelled": "was cancelled",
        "running": "is running",
        "paused": "is paused",
        "waiting_for_input": "waits for input",
    }[found.status]


def returned(update: Any) -> Any:
    """What a node returned, as it wrote it: of a list that grew, the items that it added."""
    if not isinstance(update, dict):
        return update
    return {k: list(v.items) if isinstance(v, Delta) else v for k, v in update.items()}


def execution(found: Execution) -> str:
    """Quote an execution's row."""
    parts = [f"execution {found.execution_id} of {found.graph_name}", found.status]
    parts.append(f"started {found.started_at}")
    if found.duration_ms is not None:
        parts.append(f"took {duration(found.duration_ms)}")
    if found.current_node:
        parts.append(f"at node {found.current_node}")
    if found.error is not None:
        where = f" in {found.error_node}" if found.error_node else ""
        parts.append(f"error{where}: {failed_with(found.error)}")
    if found.reason:
        parts.append(f"reason: {short(found.reason, 80)}")
    return ", ".join(parts)


def event(found: Event) -> str:
    """Quote an event: its type, its place, and what it says."""
    place = ""
    if found.node:
        place = f" {found.node}"
        if found.visit is not None:
            place += f" visit {found.visit}"
        if found.attempt is not None and found.attempt > 1:
            place += f" attempt {found.attempt}"
    said = _said(found)
    return f"{found.type}{place}{': ' + said if said else ''}"


def decision(edge: dict[str, Any]) -> str:
    """Quote the values that a branch decision read, and why some are not known.

    It stands after "having read".
    """
    read = edge.get("read")
    parts = [f"{key}={told_value(value, 60)}" for key, value in (read or {}).items()]
    if edge.get("unread"):
        what = "perhaps more" if parts else "values that are not known"
        parts.append(f"{what}, since {edge['unread']}")
    return ", ".join(parts)


def _said(found: Event) -> str:
    match found:
        case events.NodeFailed() | events.ToolFailed() | events.ExecutionFailed():
            return failure(found.error)
        case events.NodeExited():
            return "" if found.duration_ms is None else f"took {duration(found.duration_ms)}"
        case events.RetryScheduled():
            return f"again in {duration(found.delay_ms)}, at most {found.max_attempts} attempts"
        case events.EdgeTaken():
            return _edge(found)
        case events.StateChanged():
            return short(", ".join(_change(one) for one in found.patch), 200)
        case events.LlmCompleted():
            return _model_call(found)
        case events.StatusChanged():
            return found.status + (f" ({short(found.reason, 80)})" if found.reason else "")
        case _:
            return _other(found)


def _other(found: Event) -> str:
    match found:
        case events.ExecutionStarted():
            return f"input {short(found.input)}"
        case events.ExecutionCompleted():
            return f"output {short(found.output)}"
        case events.ExecutionCancelled():
            return short(found.reason, 80)
        case events.ToolStarted():
            return f"{found.tool} with {short(found.input)}"
        case events.ToolCompleted():
            return f"{found.tool} gave {short(found.output)}"
        case events.LlmStarted():
            return found.model
        case events.InterruptRaised() | events.InterruptResumed():
            return short(found.value)
        case events.CheckpointCreated():
            return f"{found.checkpoint_id} after step {found.step}"
        case events.Custom():
            return f"{found.name} {short(found.data)}".strip()
        case _:
            return ""


def _edge(found: events.EdgeTaken) -> str:
    said = f"to {found.target}"
    if found.label == COMMAND and found.conditional and not found.read:
        return f"{said} because the node returned Command(goto={found.target!r})"
    if found.label is not None:
        said += f" because the decision was {short(found.label, 60)!r}"
    read = decision({"read": found.read, "unread": found.unread})
    return f"{said}, having read {read}" if read else said


def _change(one: dict[str, Any]) -> str:
    value = f" {short(one['value'], 60)}" if "value" in one else ""
    return f"{one.get('op')} {one.get('path')}{value}"


def _model_call(found: events.LlmCompleted) -> str:
    if found.error is not None:
        return f"{found.model} failed: {failure(found.error)}"
    tokens = f"{_known(found.input_tokens)} tokens in, {_known(found.output_tokens)} out"
    cost = "cost unknown" if found.cost_usd is None else f"${found.cost_usd:.6f}"
    return f"{found.model}, {tokens}, {cost}"


def _known(figure: int | None) -> str:
    return "unknown" if figure is None else f"{figure:,}"
