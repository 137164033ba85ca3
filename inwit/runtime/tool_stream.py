"""The stream mode ``tools``: when a tool of langchain-core's begins, what it gives, why it fails."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from inwit.runtime.context import Context, current
from inwit.runtime.message_stream import NO_STREAM

told_call: ContextVar[tuple[Context, str] | None] = ContextVar("inwit_told_call", default=None)
"""The call of a tool that runs here, and in which context, where readers are told of it."""


def listen() -> None:
    """Hear of the calls of langchain-core's tools, now or once that is imported."""
    from inwit.runtime.capture.imports import when_imported

    def install(_: Any) -> None:
        from inwit.runtime.capture.langchain_tools import install

        install()

    when_imported("langchain_core.tracers.context", install)


def here() -> Context | None:
    """The context whose tools are read of, where the code that runs here has one."""
    ctx = current()
    sink = None if ctx is None else ctx.execution.output
    return ctx if sink is not None and sink.wants("tools") else None


def tell(ctx: Context, event: str, call: str, **fields: Any) -> None:
    """Put one event of a call."""
    sink = ctx.execution.output
    if sink is not None and not ctx.is_closed:
        sink.put("tools", {"event": event, "tool_call_id": call, **fields})


def tell_delta(delta: Any) -> bool:
    """Put a piece of what the tool that runs here gives, where that is read; say whether it is."""
    found = told_call.get()
    if found is None or found[0].is_closed:
        return False
    tell(found[0], "tool-output-delta", found[1], delta=delta)
    return True


__all__ = ["NO_STREAM", "here", "listen", "tell", "tell_delta", "told_call"]
