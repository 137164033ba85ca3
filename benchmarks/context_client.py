"""A client that knows of a server only what `tools/list` says: it picks tools by their words.

No model takes part, so a run can be repeated: the tool whose name and description share the rarest
words with the task is called first; a result that names what can be opened, or how to go on, is
followed once; then the next best tool is tried.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mcp import Client
from mcp_types import TextContent, Tool

MOST_CALLS = 5
_WORD = re.compile(r"[a-z]+")
_ID = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,32}\b")
_URI = re.compile(r"\b(?:execution|graph|platform|plan|package)://[^\s\"'`)\],]+")
_ENDINGS = ("ions", "ion", "ing", "ed", "es", "s", "e")


@dataclass(slots=True)
class Attempt:
    """What it took to do one task."""

    question: str
    calls: list[str] = field(default_factory=list)
    characters: int = 0
    """Those of the longest result."""
    text: str = ""
    """All that was given back, with the arguments that were sent."""
    is_done: bool = False


def stems(text: str) -> list[str]:
    """A text's words without their endings."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if len(word) > 2]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word.removesuffix(ending)
    return word


class Chooser:
    """Ranks tools for a task."""

    def __init__(self, tools: list[Tool]) -> None:
        self._words = {one.name: set(stems(f"{one.name} {one.description}")) for one in tools}
        count = Counter(word for words in self._words.values() for word in words)
        self._weight = {word: math.log(1 + len(tools) / n) for word, n in count.items()}
        self._tools = {one.name: one for one in tools}

    def rank(self, question: str) -> list[Tool]:
        """The tools, the likeliest first; equals as the server listed them."""
        asked = set(stems(question))

        def score(name: str) -> float:
            shared = asked & self._words[name]
            return -sum(self._weight[word] for word in shared)

        return [self._tools[name] for name in sorted(self._words, key=score)]


def arguments(tool: Tool, question: str, seen: str) -> dict[str, Any] | None:
    """What a tool needs, from the task and from what was given back; None where it cannot be had."""
    schema = tool.input_schema
    found: dict[str, Any] = {}
    for name in schema.get("required", ()):
        value = _value(name, schema["properties"][name], question, seen)
        if value is None:
            return None
        found[name] = value
    for name, one in schema.get("properties", {}).items():
        if name not in found and (chosen := _mentioned(one, question)):
            found[name] = chosen
    return found


def _value(name: str, schema: dict[str, Any], question: str, seen: str) -> Any:
    if "uri" in name:
        return next(iter(_URI.findall(f"{question} {seen}")), None)
    if name.endswith("_id"):
        return next(iter(_ID.findall(f"{question} {seen}")), None)
    return _mentioned(schema, question) or (question if schema.get("type") == "string" else None)


def _mentioned(schema: dict[str, Any], question: str) -> str | None:
    """A value of an enumeration that the task says."""
    options = [
        *schema.get("enum", ()),
        *(x for one in schema.get("anyOf", ()) for x in one.get("enum", ())),
    ]
    asked = set(stems(question))
    return next((one for one in options if set(stems(str(one).replace("_", " "))) <= asked), None)


async def attempt(client: Client, tools: list[Tool], question: str, expect: list[str]) -> Attempt:
    """Do one task, with no more calls than `MOST_CALLS`."""
    made = Attempt(question)
    for tool in Chooser(tools).rank(question):
        given = arguments(tool, question, made.text)
        if given is None:
            continue
        result = await _call(client, made, tool.name, given)
        if _holds(made, expect):
            break
        onward = result.get("next_cursor") or result.get("cursor")
        if onward and "cursor" in tool.input_schema["properties"] and len(made.calls) < MOST_CALLS:
            await _call(client, made, tool.name, {**given, "cursor": onward})
        if _holds(made, expect) or len(made.calls) >= MOST_CALLS:
            break
    return made


async def _call(client: Client, made: Attempt, name: str, given: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, given)
    text = "".join(one.text for one in result.content if isinstance(one, TextContent))
    content: dict[str, Any] = result.structured_content or {}
    made.calls.append(name)
    made.characters = max(made.characters, len(text) + len(json.dumps(content)))
    made.text += f"{json.dumps(given)}\n{text}\n{json.dumps(content)}\n"
    return content


def _holds(made: Attempt, expect: list[str]) -> bool:
    made.is_done = all(re.search(one, _given_back(made), re.IGNORECASE) for one in expect)
    return made.is_done


def _given_back(made: Attempt) -> str:
    """The results without the task's own words, which every answer may repeat."""
    return made.text.replace(json.dumps(made.question)[1:-1], "")
