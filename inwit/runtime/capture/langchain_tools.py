# ruff: noqa: ARG002 - the parameters are langchain-core's
"""What langchain-core's tools do, for the readers of the stream mode ``tools``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.tracers import context as tracing

from inwit.runtime.commands import GraphDrained, GraphInterrupt
from inwit.runtime.context import Context
from inwit.runtime.tool_stream import NO_STREAM, here, tell, told_call


class ToolTeller(BaseCallbackHandler):
    """Puts each call of a tool into the stream of the node that calls it."""

    run_inline = True
    """In the caller's own thread and task, so that events keep their order."""

    def __init__(self) -> None:
        self._calls: dict[UUID, tuple[Context, str]] = {}

    def on_tool_start(
        self, serialized: dict[str, Any] | None, input_str: str, *, run_id: UUID,
        tags: Sequence[str] | None = None, inputs: dict[str, Any] | None = None, **about: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        ctx = here()
        if ctx is None or NO_STREAM in (tags or ()):
            return
        call = about.get("tool_call_id") or str(run_id)
        self._calls[run_id] = (ctx, call)
        told_call.set((ctx, call))
        name = (serialized or {}).get("name") or about.get("name") or ""
        given = {} if inputs is None else {"input": inputs}
        tell(ctx, "tool-started", call, tool_name=name, **given)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        self._end(run_id, "tool-finished", output=output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core; a tool that waits is called again, and tells of it then."""
        if isinstance(error, GraphInterrupt | GraphDrained):
            self._calls.pop(run_id, None)
        else:
            self._end(run_id, "tool-error", message=str(error))

    def _end(self, run_id: UUID, event: str, **fields: Any) -> None:
        found = self._calls.pop(run_id, None)
        if found is not None:
            ctx, call = found
            tell(ctx, event, call, **fields)


class _Hook:
    """What langchain-core asks for a handler: there is one where a stream's reader wants it."""

    def get(self) -> ToolTeller | None:
        return _teller if here() is not None else None


_teller = ToolTeller()
_hook: list[Any] = []


def install() -> None:
    """Let langchain-core ask for the handler; once, since it cannot be asked to forget it."""
    if not _hook:
        _hook.append(_Hook())
        tracing.register_configure_hook(_hook[0], inheritable=True)


__all__ = ["ToolTeller", "install"]
