"""langchain-core's models, answered from the record while a replay runs."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from inwit.runtime.capture.langchain import plain_message
from inwit.runtime.context import current
from inwit.runtime.replay_tape import NOTHING, tape_of


def install(module: Any) -> Callable[[], None]:
    """Let chat models of langchain-core's give what they gave; gives what undoes it."""
    cls = module.BaseChatModel
    kept = {name: getattr(cls, name) for name in ("invoke", "ainvoke", "stream", "astream")}
    as_traced = getattr(module, "_format_for_tracing", list)

    def known(model: Any, given: Any) -> Any:
        ctx = current()
        tape = None if ctx is None else tape_of(ctx)
        if ctx is None or tape is None:
            return NOTHING
        messages = as_traced(model._convert_input(given).to_messages())  # noqa: SLF001
        return tape.call(ctx, None, [plain_message(one) for one in messages])

    @functools.wraps(kept["invoke"])
    def invoke(self: Any, input: Any, config: Any = None, **options: Any) -> Any:
        told = known(self, input)
        return kept["invoke"](self, input, config, **options) if told is NOTHING else message(told)

    @functools.wraps(kept["ainvoke"])
    async def ainvoke(self: Any, input: Any, config: Any = None, **options: Any) -> Any:
        told = known(self, input)
        if told is NOTHING:
            return await kept["ainvoke"](self, input, config, **options)
        return message(told)

    @functools.wraps(kept["stream"])
    def stream(self: Any, input: Any, config: Any = None, **options: Any) -> Iterator[Any]:
        told = known(self, input)
        if told is NOTHING:
            yield from kept["stream"](self, input, config, **options)
        else:
            yield chunk(told)

    @functools.wraps(kept["astream"])
    async def astream(
        self: Any, input: Any, config: Any = None, **options: Any
    ) -> AsyncIterator[Any]:
        told = known(self, input)
        if told is not NOTHING:
            yield chunk(told)
            return
        async for one in kept["astream"](self, input, config, **options):
            yield one

    for name, function in zip(kept, (invoke, ainvoke, stream, astream), strict=True):
        setattr(cls, name, function)

    def undo() -> None:
        for name, function in kept.items():
            setattr(cls, name, function)

    return undo


def message(told: Mapping[str, Any]) -> AIMessage:
    """The message that a model gave, of what ``llm_completed`` told."""
    output = told.get("output") or {}
    return AIMessage(
        content=output.get("content") or "",
        tool_calls=list(output.get("tool_calls") or ()),
        **_common(told, output),
    )


def chunk(told: Mapping[str, Any]) -> AIMessageChunk:
    """The same as one piece of a stream."""
    output = told.get("output") or {}
    calls: list[Any] = [
        {
            "name": call["name"], "args": json.dumps(call["args"]), "id": call.get("id"),
            "index": index, "type": "tool_call_chunk",
        }
        for index, call in enumerate(output.get("tool_calls") or ())
    ]  # fmt: skip
    made = AIMessageChunk(
        content=output.get("content") or "", tool_call_chunks=calls, **_common(told, output)
    )
    made.chunk_position = "last"
    return made


def _common(told: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told.get("message") or {}
    if found:
        return dict(found)
    given, said = told.get("input_tokens"), told.get("output_tokens")
    more: dict[str, Any] = {"response_metadata": {"model_name": told.get("model") or ""}}
    if output.get("finish_reason"):
        more["response_metadata"]["finish_reason"] = output["finish_reason"]
    if given is not None and said is not None:
        total = given + said
        more["usage_metadata"] = {
            "input_tokens": given, "output_tokens": said, "total_tokens": total,
        }  # fmt: skip
    return more
