"""What a tool gives back: structured content, and the same in short prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from mcp_types import CallToolResult, TextContent

from inwit import answers
from inwit.answers import Answer, Evidence
from inwit.errors import InwitError
from inwit.server.cursor import pack, unpack
from inwit.server.mcp.bounds import DEFAULT_CHARS, clip, fit

PROSE_CHARS = 6_000
QUOTE_CHARS = 160
QUOTES = 8
OVERHEAD = 250
"""What the envelope of a result takes besides text and content."""

_TOOLS: Final = {
    "`inwit executions list`": "`list_executions`",
    "`inwit self-improve plans`": "`list_plans`",
}
_QUOTES = str.maketrans({"“": '"', "”": '"'})
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The content of a result before it is cut to size."""

    prose: str
    data: dict[str, Any]


def quoted(text: str, limit: int = QUOTE_CHARS) -> str:
    """Show a text from a trace on one line, as a quotation that it cannot end."""
    return f"“{clip(' '.join(text.split()), limit).translate(_QUOTES)}”"


def enclosed(written: str) -> str:
    """The same JSON, in which no text ends a quotation around it."""
    return written.replace("“", r"\u201c").replace("”", r"\u201d")


def visible(value: Any) -> Any:
    """A copy in which no character is hidden from a person and read by a model.

    Those that control direction, have no width, or stand for tags are named in their place.
    """
    if isinstance(value, str):
        return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)
    if isinstance(value, dict):
        return {visible(key): visible(one) for key, one in value.items()}
    return [visible(one) for one in value] if isinstance(value, list) else value


def of_answer(answer: Answer) -> Reply:
    """Show an answer: its text, its evidence, and what may be asked next."""
    lines = [answer.text]
    if answer.evidence:
        lines += ["Evidence:", *(_line(one) for one in answer.evidence[:QUOTES])]
    if len(answer.evidence) > QUOTES:
        lines.append(f"and {len(answer.evidence) - QUOTES} more in the structured content.")
    if answer.follow_ups:
        lines.append(f"Ask next: {' · '.join(answer.follow_ups)}")
    return Reply(prose="\n".join(lines), data=answers.to_json(answer))


def _line(evidence: Evidence) -> str:
    why = f" ({evidence.why})" if evidence.why else ""
    return f"- {evidence.uri} {quoted(evidence.quote)}{why}"


def result(
    reply: Reply, *, cursor: str | None = None, chars: int = DEFAULT_CHARS
) -> CallToolResult:
    """Cut a reply to size and make it a result; `cursor` is where the last page of it ended."""
    prose = clip(reply.prose, min(PROSE_CHARS, chars // 3))
    budget = chars - len(prose) - OVERHEAD
    plain = msgspec.json.decode(msgspec.json.encode(reply.data))
    data, following = fit(plain, budget, unpack(cursor))
    if following is not None:
        data = {**data, "cursor": pack(following)}
        prose += f"\nCut at {chars:,} characters; call again with cursor={pack(following)!r}."
    return made(prose, data)


def twice(reply: Reply, *, cursor: str | None = None, chars: int = DEFAULT_CHARS) -> CallToolResult:
    """Make a reply a result whose text says its `data` too, as JSON; both are cut alike."""
    prose = clip(reply.prose, chars // 6)
    plain = msgspec.json.decode(msgspec.json.encode(reply.data))
    data, following = fit(plain, (chars - len(prose)) // 2 - OVERHEAD, unpack(cursor))
    prose += f"\n{enclosed(msgspec.json.encode(data['data']).decode())}"
    if following is not None:
        data = {**data, "cursor": pack(following)}
        prose += f"\nIt goes on: call again with cursor={pack(following)!r}."
    return made(prose, data)


def made(prose: str, data: dict[str, Any]) -> CallToolResult:
    """Make a result of text and structured content."""
    shown = TextContent(type="text", text=visible(prose))
    return CallToolResult(content=[shown], structured_content=visible(data))


def hint_of(error: InwitError) -> str:
    """The way out, by tools where the terminal has commands."""
    hint = error.hint
    for command, tool in _TOOLS.items():
        hint = hint.replace(command, tool)
    return hint


def refusal(error: InwitError) -> CallToolResult:
    """Tell a tool's error with its code, message and hint, for a model to correct itself."""
    told = visible({"code": error.code, "message": error.message, "hint": hint_of(error)})
    text = f"error: {told['message']} {told['hint']}".strip() + f" [{error.code}]"
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content={"error": told},
        is_error=True,
    )
