"""`push_message`: a message that a node shows, and keeps, before it returns."""

from __future__ import annotations

from typing import Any

from inwit.errors import InvalidMessageError, InvalidStateError, OutsideNodeError
from inwit.runtime.context import current
from inwit.runtime.message_stream import tell_chunk
from inwit.runtime.messages.convert import convert_to_messages


def push_message(message: Any, *, state_key: str | None = "messages") -> Any:
    """Give a message to the readers of the stream mode ``messages`` at once, and to the state.

    The state gets it with the node's update, under `state_key`; None is for the stream alone.

    Raises:
        InvalidMessageError: It is no message, or has no id.
        InvalidStateError: The state's key has no reducer.
        OutsideNodeError: No node runs here.
    """
    (made,) = convert_to_messages([message])
    if made.id is None:
        raise InvalidMessageError("Message ID is required.", hint="Give the message an id.")
    ctx = current()
    if ctx is None:
        raise OutsideNodeError("push_message")
    if state_key is not None:
        if state_key not in ctx.execution.graph.schema.reducers:
            raise InvalidStateError(
                f"The state's key {state_key!r} has no reducer.",
                hint="Annotate it: Annotated[list, add_messages].",
            )
        if ctx.pushed is None:
            ctx.pushed = []
        ctx.pushed.append({state_key: made})
    tell_chunk(ctx, made)
    return made
