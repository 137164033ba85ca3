"""Ids of model and tool calls that a node tells of by hand, without any: what ends is what began last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from inwit.runtime.context import Context

TOLD: Final = frozenset(
    {"llm_started", "llm_completed", "tool_started", "tool_completed", "tool_failed"}
)


def with_id(ctx: Context, type_name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a call's event with a `call_id`, by which its end is found."""
    kind, _, stage = type_name.partition("_")
    if ctx.told_calls is None:
        ctx.told_calls = {}
    begun = ctx.told_calls.setdefault(kind, [])
    made = f"{kind}-{ctx.recording.seq + 1}"
    if stage == "started":
        begun.append(made)
    elif begun:
        made = begun.pop()
    return {"call_id": made, **fields}
