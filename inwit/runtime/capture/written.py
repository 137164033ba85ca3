"""How a recorded answer of a model is written, as its server would have sent it.

The four dialects of `inwit.runtime.capture.dialects`, the other way round: whole, or as a stream of
events. What the record does not have, such as ids, is made up and always the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inwit.runtime.capture.dialects import AnthropicReading, ChatReading, Reading, ResponsesReading

Json = dict[str, Any]
_ID = "replayed"


def written(reading: type[Reading], told: Mapping[str, Any], *, is_streamed: bool) -> bytes | None:
    """An answer's body, of what ``llm_completed`` told; None where the record has too little."""
    found = _WRITERS.get(reading)
    if found is None:
        return None
    whole, events = found
    if not is_streamed:
        return json.dumps(whole(told)).encode()
    return "".join(events(told)).encode()


def _outputs(told: Mapping[str, Any]) -> list[Json]:
    output = told.get("output") or {}
    return list(output.get("choices") or [output])


def _calls(output: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = output.get("tool_calls") or ()
    return found


def _counts(told: Mapping[str, Any]) -> tuple[int, int, int]:
    names = ("input_tokens", "output_tokens", "cached_tokens")
    first, second, third = (int(told.get(name) or 0) for name in names)
    return first, second, third


def _data(content: Any, name: str = "") -> str:
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(content)}\n\n"


# OpenAI's chat completions


def _chat_usage(told: Mapping[str, Any]) -> Json:
    given, said, cached = _counts(told)
    return {
        "prompt_tokens": given, "completion_tokens": said, "total_tokens": given + said,
        "prompt_tokens_details": {"cached_tokens": cached},
    }  # fmt: skip


def _chat_calls(output: Mapping[str, Any]) -> list[Json]:
    return [
        {
            "index": index, "id": call["id"], "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for index, call in enumerate(_calls(output))
    ]  # fmt: skip


def _chat_said(output: Mapping[str, Any]) -> Json:
    calls, text = _chat_calls(output), output.get("content") or ""
    said: Json = {"role": "assistant", "content": text or (None if calls else "")}
    return {**said, "tool_calls": calls} if calls else said


def _chat(told: Mapping[str, Any]) -> Json:
    choices = [
        {
            "index": index, "message": _chat_said(output), "text": output.get("content") or "",
            "logprobs": None, "finish_reason": output.get("finish_reason") or "stop",
        }
        for index, output in enumerate(_outputs(told))
    ]  # fmt: skip
    return {
        "id": _ID, "object": "chat.completion", "created": 0, "model": told.get("model") or "",
        "choices": choices, "usage": _chat_usage(told),
    }  # fmt: skip


def _chat_events(told: Mapping[str, Any]) -> Iterator[str]:
    head = {
        "id": _ID, "object": "chat.completion.chunk", "created": 0, "model": told.get("model") or ""
    }  # fmt: skip
    for index, output in enumerate(_outputs(told)):
        said = {"index": index, "delta": _chat_said(output), "finish_reason": None}
        yield _data({**head, "choices": [said]})
        reason = output.get("finish_reason") or "stop"
        yield _data({**head, "choices": [{"index": index, "delta": {}, "finish_reason": reason}]})
    yield _data({**head, "choices": [], "usage": _chat_usage(told)})
    yield "data: [DONE]\n\n"


# Anthropic's messages


def _blocks(output: Mapping[str, Any]) -> list[Json]:
    text = output.get("content") or ""
    blocks: list[Json] = [{"type": "text", "text": text}] if text or not _calls(output) else []
    for call in _calls(output):
        given = json.loads(call["arguments"] or "{}")
        blocks.append({"type": "tool_use", "id": call["id"], "name": call["name"], "input": given})
    return blocks


def _anthropic(told: Mapping[str, Any]) -> Json:
    output, (given, said, cached) = _outputs(told)[0], _counts(told)
    return {
        "id": _ID, "type": "message", "role": "assistant", "model": told.get("model") or "",
        "content": _blocks(output), "stop_reason": output.get("finish_reason") or "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": given - cached, "output_tokens": said,
            "cache_read_input_tokens": cached,
        },
    }  # fmt: skip


def _anthropic_events(told: Mapping[str, Any]) -> Iterator[str]:
    whole = _anthropic(told)
    begun = {**whole, "content": [], "stop_reason": None}
    yield _data({"type": "message_start", "message": begun}, "message_start")
    for index, block in enumerate(whole["content"]):
        is_text = block["type"] == "text"
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        delta = (
            {"type": "text_delta", "text": block["text"]}
            if is_text
            else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        )
        for name, more in (
            ("content_block_start", {"content_block": empty}),
            ("content_block_delta", {"delta": delta}),
            ("content_block_stop", {}),
        ):
            yield _data({"type": name, "index": index, **more}, name)
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    yield _data({"type": "message_delta", "delta": ended, "usage": usage}, "message_delta")
    yield _data({"type": "message_stop"}, "message_stop")


# OpenAI's responses


def _items(output: Mapping[str, Any]) -> list[Json]:
    text = output.get("content") or ""
    items: list[Json] = []
    if text or not _calls(output):
        part: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        items.append({
            "type": "message", "id": f"{_ID}-0", "role": "assistant", "status": "completed",
            "content": [part],
        })  # fmt: skip
    for call in _calls(output):
        items.append({
            "type": "function_call", "id": f"{_ID}-{len(items)}", "call_id": call["id"],
            "name": call["name"], "arguments": call["arguments"], "status": "completed",
        })  # fmt: skip
    return items


def _response(told: Mapping[str, Any]) -> Json:
    output, (given, said, cached) = _outputs(told)[0], _counts(told)
    return {
        "id": _ID, "object": "response", "created_at": 0, "model": told.get("model") or "",
        "status": output.get("finish_reason") or "completed", "output": _items(output),
        "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": None,
        "top_p": None,
        "usage": {
            "input_tokens": given, "output_tokens": said, "total_tokens": given + said,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }  # fmt: skip


def _response_events(told: Mapping[str, Any]) -> Iterator[str]:
    whole = _response(told)
    events: list[Json] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    ]
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        is_text = item["type"] == "message"
        empty = {**item, "content": []} if is_text else {**item, "arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if is_text:
            events += _text_events(item["content"][0], {**at, "content_index": 0})
        else:
            kind = "response.function_call_arguments"
            events.append({"type": f"{kind}.delta", **at, "delta": item["arguments"]})
            events.append({
                "type": f"{kind}.done", **at, "name": item["name"], "arguments": item["arguments"],
            })  # fmt: skip
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield _data({**event, "sequence_number": number}, event["type"])


def _text_events(part: Json, at: Json) -> list[Json]:
    empty = {**part, "text": ""}
    return [
        {"type": "response.content_part.added", **at, "part": empty},
        {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []},
        {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
    ]


_WRITERS: dict[type[Reading], tuple[Any, Any]] = {
    ChatReading: (_chat, _chat_events),
    AnthropicReading: (_anthropic, _anthropic_events),
    ResponsesReading: (_response, _response_events),
}
