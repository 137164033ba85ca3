"""The ``langchain-openai`` format: every content written as OpenAI's chat API has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from inwit.errors import InvalidMessageError, shorten
from inwit.runtime.messages import classes
from inwit.runtime.messages.convert import convert_to_messages, openai_tool_call, to_openai

Block = dict[str, Any]


def formatted(messages: Sequence[classes.BaseMessage]) -> list[classes.BaseMessage]:
    """Rewrite the contents of messages of our own kind.

    A tool's result that stands in a user's message becomes a `ToolMessage` of its own. As in
    langchain-core, ids are given anew.
    """
    written = [one for message in messages for one in _written(message)]
    found: list[classes.BaseMessage] = convert_to_messages(written, kind=classes)
    return found


def _written(message: classes.BaseMessage) -> list[Block]:
    own = to_openai(message)
    results: list[Block] = []
    calls: list[Block] = list(own.get("tool_calls", ()))
    if isinstance(message.content, list):
        own["content"] = _contents(message.content, calls, results)
    if calls:
        own["tool_calls"] = calls
    return [own, *results] if own["content"] or calls or not results else results


def _contents(blocks: list[Any], calls: list[Block], results: list[Block]) -> Any:
    content: list[Block] = []
    for one in blocks:
        block = {"type": "text", "text": one} if isinstance(one, str) else one
        if block.get("type") == "tool_use":
            _add_call(block, calls)
        elif block.get("type") == "tool_result":
            results.extend(_result(block))
        else:
            content.append(_block(block))
    if all(one.get("type") == "text" for one in content):
        return "\n".join(one["text"] for one in content)
    return content


def _add_call(block: Block, calls: list[Block]) -> None:
    if all(call["id"] != block["id"] for call in calls):
        call = {"name": block["name"], "args": block["input"], "id": block["id"]}
        calls.append(openai_tool_call(call))


def _result(block: Block) -> list[Block]:
    status = "error" if block.get("is_error") else "success"
    message = classes.ToolMessage(
        block["content"], tool_call_id=block["tool_use_id"], status=status
    )
    return _written(message)


def _text(block: Block) -> Block:
    return {"type": "text", "text": block["text"]}


def _image_url(block: Block) -> Block:
    return {"type": "image_url", "image_url": block["image_url"]}


def _image(block: Block) -> Block:
    if "source" in block:
        source = block["source"]
        url = f"data:{source['media_type']};{source['type']},{source['data']}"
    elif "base64" in block:
        url = f"data:{block['mime_type']};base64,{block['base64']}"
    elif "url" in block:
        url = block["url"]
    else:
        image = block["image"]
        data = base64.b64encode(image["source"]["bytes"]).decode()
        url = f"data:image/{image['format']};base64,{data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _json(block: Block) -> Block:
    return {"type": "text", "text": json.dumps(block["json"])}


def _as_is(block: Block) -> Block:
    return block


_WRITERS: dict[str, Callable[[Block], Block]] = {
    "text": _text,
    "image_url": _image_url,
    "image": _image,
    "json": _json,
    "file": _as_is,
    "input_audio": _as_is,
    "thinking": _as_is,
    "reasoning": _as_is,
}


def _block(block: Block) -> Block:
    kind = block.get("type") or next((name for name in ("image", "json") if name in block), "")
    try:
        return _WRITERS.get(kind, _as_is)(block)
    except (KeyError, TypeError) as exc:
        raise InvalidMessageError(f"A content block cannot be read: {shorten(block)}.") from exc
