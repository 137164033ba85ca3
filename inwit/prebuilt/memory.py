"""Short-term memory within a budget of tokens: truncation, and a summary that rolls along."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

from inwit.errors import AgentDefinitionError
from inwit.runtime.context import Context
from inwit.runtime.messages.kinds import kind_of

Counter = Callable[[Sequence[Any]], int]

SUMMARISE = (
    "Write a summary of the conversation below, for the assistant that goes on with it. Keep names, "
    "numbers, decisions, and what is still open. Write nothing else."
)


def approximate_tokens(messages: Sequence[Any]) -> int:
    """Estimate how many tokens messages take: a quarter of their characters, and 4 for each message.

    English prose is within a fifth of that with today's tokenizers; code, other scripts and pictures
    are not. Give a counter of the model's own where it matters.
    """
    return sum(4 + (_characters(one) + 3) // 4 for one in messages)


def _characters(message: Any) -> int:
    if isinstance(message, dict):
        content, calls = message.get("content"), message.get("tool_calls")
    else:
        content, calls = message.content, getattr(message, "tool_calls", None)
    size = len(content) if isinstance(content, str) else len(json.dumps(content, default=str))
    return size + (len(json.dumps(calls, default=str)) if calls else 0)


def truncate(
    messages: Sequence[Any], max_tokens: int, *, counter: Counter = approximate_tokens
) -> list[Any]:
    """Keep the newest messages that fit into a budget, and the system's in front of them.

    A call of tools and its results are kept or left out together, and what is kept begins with a
    user's message where there is one. The newest exchange is kept even where it alone is larger.
    """
    system = [one for one in messages if _role(one) == "system"]
    groups = _groups([one for one in messages if _role(one) != "system"])
    left = max_tokens - (counter(system) if system else 0)
    kept: list[list[Any]] = []
    for group in reversed(groups):
        left -= counter(group)
        if left < 0 and kept:
            break
        kept.insert(0, group)
    while (
        len(kept) > 1 and _role(kept[0][0]) != "user" and any(_role(g[0]) == "user" for g in kept)
    ):
        kept.pop(0)
    return [*system, *(one for group in kept for one in group)]


def _groups(messages: Sequence[Any]) -> list[list[Any]]:
    """Messages that belong together: a model's calls with the results that follow them."""
    groups: list[list[Any]] = []
    for one in messages:
        if _role(one) == "tool" and groups:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _role(message: Any) -> str:
    found = message.get("role", message.get("type")) if isinstance(message, dict) else message.type
    names: dict[Any, str] = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
    return names.get(found, str(found))


def truncation_hook(
    max_tokens: int, *, counter: Counter = approximate_tokens, key: str = "messages"
) -> Callable[[Any], dict[str, Any]]:
    """Make a `pre_model_hook` that sends the model what fits; the state keeps everything."""
    if max_tokens < 1:
        raise AgentDefinitionError(f"max_tokens is {max_tokens}.", hint="Give a positive number.")

    def shorten_messages(state: Any) -> dict[str, Any]:
        """Send only the newest messages to the model."""
        messages = truncate(_read(state, key), max_tokens, counter=counter)
        return {"llm_input_messages": messages}

    return shorten_messages


Summarise = Callable[[list[Any], str], Any]
"""Makes a text of messages and of the summary so far; sync or async."""


def summary_hook(
    max_tokens: int,
    *,
    keep_tokens: int | None = None,
    summarise: Summarise | None = None,
    counter: Counter = approximate_tokens,
    remove: bool = False,
    key: str = "messages",
) -> Callable[..., Any]:
    """Make a `pre_model_hook` that sums up what is old, so that the rest fits into `max_tokens`.

    The state needs a key ``summary`` (a dict): the text, and the id of the last message that it
    covers. Each message is summed up once; the model is sent the summary and what came after.

    Args:
        keep_tokens: How much of the newest messages is left as it is; half of `max_tokens` without.
        summarise: Makes the summary; without one the model of `Context.llm` is asked.
        remove: Take what is summed up out of the state as well, whose reducer is `add_messages`.
    """
    kept_tokens = max_tokens // 2 if keep_tokens is None else keep_tokens
    if not 0 < kept_tokens <= max_tokens:
        raise AgentDefinitionError(
            f"keep_tokens is {kept_tokens} of {max_tokens}.",
            hint="Keep some, and not more than all.",
        )

    async def sum_up(state: Any, ctx: Context) -> dict[str, Any]:
        """Sum up what is too old to be sent to the model."""
        messages = list(_read(state, key))
        summary = dict(_read(state, "summary") or {})
        system = [one for one in messages if _role(one) == "system"]
        rest = _after([one for one in messages if _role(one) != "system"], summary.get("until"))
        update: dict[str, Any] = {}
        if counter([*system, *rest]) + len(summary.get("text", "")) // 4 > max_tokens:
            kept = truncate(rest, kept_tokens, counter=counter)
            old = rest[: len(rest) - len(kept)]
            if old:
                text = await _summary(old, summary.get("text", ""), summarise, ctx)
                summary = {"text": text, "until": _id(old[-1])}
                update["summary"], rest = summary, kept
                if remove:
                    update[key] = [kind_of(messages).RemoveMessage(id=_id(one)) for one in old]
        told = _told(summary, messages)
        return {**update, "llm_input_messages": [*system, *told, *rest]}

    return sum_up


def _read(state: Any, key: str) -> Any:
    return state.get(key, []) if isinstance(state, dict) else getattr(state, key, [])


def _after(messages: list[Any], until: Any) -> list[Any]:
    """The messages after the one of that id; all where it is not there any more."""
    if until is None:
        return messages
    ids = [_id(one) for one in messages]
    return messages[ids.index(until) + 1 :] if until in ids else messages


def _id(message: Any) -> Any:
    return message.get("id") if isinstance(message, dict) else message.id


async def _summary(old: list[Any], so_far: str, summarise: Summarise | None, ctx: Context) -> str:
    if summarise is not None:
        made = summarise(old, so_far)
        return str(await made if inspect.isawaitable(made) else made)
    before = [f"Summary so far: {so_far}"] if so_far else []
    said = "\n".join([*before, *(f"{_role(one)}: {_text(one)}" for one in old)])
    asked = [{"role": "system", "content": SUMMARISE}, {"role": "user", "content": said}]
    reply = ctx.llm(asked)
    return str(await reply if inspect.isawaitable(reply) else reply)


def _text(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else message.content
    calls = None if isinstance(message, dict) else getattr(message, "tool_calls", None)
    asked = "".join(f" [calls {call['name']}({call['args']})]" for call in calls or ())
    return f"{content if isinstance(content, str) else json.dumps(content, default=str)}{asked}"


def _told(summary: dict[str, Any], messages: list[Any]) -> list[Any]:
    if not summary.get("text"):
        return []
    text = f"Summary of the conversation so far: {summary['text']}"
    if messages and all(isinstance(one, dict) for one in messages):
        return [{"role": "system", "content": text}]
    return [kind_of(messages).SystemMessage(content=text)]
