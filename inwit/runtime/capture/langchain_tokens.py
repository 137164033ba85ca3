# ruff: noqa: ARG002 - the parameters are langchain-core's
"""The tokens of langchain-core's chat models, for the readers of the stream mode ``messages``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from time import monotonic_ns
from typing import Any
from uuid import UUID, uuid4

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.tracers import context as tracing
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from inwit.runtime.context import Context
from inwit.runtime.message_stream import NO_STREAM, here, tell_chunk

_Told = tuple[Context, dict[str, Any]]


class TokenTeller(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Puts each token into the stream of the node that the model is called in.

    A chat model that knows of such a handler streams, whatever it was asked by.
    """

    run_inline = True
    """In the caller's own thread and task, so that tokens keep their order."""

    def __init__(self) -> None:
        self._calls: dict[UUID, _Told] = {}

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """See langchain-core."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """See langchain-core."""
        return output

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID,
        tags: Sequence[str] | None = None, metadata: dict[str, Any] | None = None, **_: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        ctx = here()
        if ctx is None or NO_STREAM in (tags or ()):
            return
        own = [tag for tag in tags or () if not tag.startswith("seq:step")]
        self._calls[run_id] = (ctx, {**(metadata or {}), **({"tags": own} if own else {})})

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = self._calls.get(run_id)
        if call is not None and isinstance(chunk, ChatGenerationChunk):
            self._tell(call, chunk.message)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        call = self._calls.pop(run_id, None)
        first = next((found for batch in response.generations for found in batch), None)
        if call is not None and isinstance(first, ChatGeneration):
            sink = call[0].execution.output
            if sink is not None and (first.message.id is None or first.message.id not in sink.seen):
                self._tell(call, first.message)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        self._calls.pop(run_id, None)

    @staticmethod
    def _tell(call: _Told, message: Any) -> None:
        if message.id is None:
            message.id = str(uuid4())
        ctx, metadata = call
        ctx.progressed_ns = monotonic_ns()
        if not ctx.is_closed:
            tell_chunk(ctx, message, **metadata)


class _Hook:
    """What langchain-core asks for a handler: there is one where a stream's reader wants tokens."""

    def get(self) -> TokenTeller | None:
        return _teller if here() is not None else None


_teller = TokenTeller()
_hook: list[Any] = []


def install() -> None:
    """Let langchain-core ask for the handler; once, since it cannot be asked to forget it."""
    if not _hook:
        _hook.append(_Hook())
        tracing.register_configure_hook(_hook[0], inheritable=True)


__all__ = ["TokenTeller", "install"]
