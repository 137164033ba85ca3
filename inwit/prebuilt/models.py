"""What an agent thinks with: a chat model of langchain-core's, an object like one, or a server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from inwit.errors import ModelDefinitionError
from inwit.prebuilt._langchain import is_runnable
from inwit.prebuilt.providers import refuse_unknown, server_of
from inwit.prebuilt.tools import Tool, as_langchain
from inwit.runtime.capture.client import Reply
from inwit.runtime.context import Context
from inwit.runtime.messages.classes import parse_tool_calls
from inwit.runtime.messages.convert import convert_to_messages, to_openai
from inwit.runtime.messages.kinds import Kind, kind_of


class Thinker(Protocol):
    """A model as an agent calls it."""

    async def answer(self, given: Any, ctx: Context) -> Any:
        """Give the model's message."""

    async def structured(self, messages: list[Any], schema: Any, ctx: Context) -> Any:
        """Give an answer that fits a schema."""


def thinker_of(model: Any, tools: Sequence[Any], builtin: Sequence[Mapping[str, Any]]) -> Thinker:
    """Make a model callable, with the tools that it may ask for.

    Raises:
        ModelDefinitionError: It is no model, or has other tools bound to it.
    """
    if model is None or isinstance(model, str):
        return ServedModel(model, [*(one for one in tools), *builtin])
    if isinstance(model, ServedModel | ChatModel):
        return model
    if not hasattr(model, "invoke") and not hasattr(model, "ainvoke"):
        raise ModelDefinitionError(
            f"A {type(model).__name__} is no model.",
            hint="Give a chat model, the name of a model, or a function of the state and runtime.",
        )
    return ChatModel(model, tools, builtin)


class ServedModel:
    """A model that `Context.llm` calls, by its name; None is ``OPENAI_MODEL``.

    Raises:
        ModelDefinitionError: Its provider cannot be asked by name.
    """

    def __init__(self, name: str | None, tools: Sequence[Any] = ()) -> None:
        refuse_unknown(name)
        self.name = name
        self._tools = [one if isinstance(one, Mapping) else openai_tool(one) for one in tools]

    async def answer(self, given: Any, ctx: Context) -> Any:
        """Give the model's message, of the kind of the conversation's."""
        messages = _listed(given)
        more: dict[str, Any] = {"tools": self._tools} if self._tools else {}
        reply = await self._ask(messages, ctx, **more)
        return message_of(reply, kind_of(messages))

    async def structured(self, messages: list[Any], schema: Any, ctx: Context) -> Any:
        """Ask once more, for JSON that fits the schema."""
        from inwit.prebuilt.structured import Structure

        structure = Structure.of(schema)
        reply = await self._ask(messages, ctx, response_format=structure.openai())
        return structure.read(reply.text)

    async def _ask(self, messages: list[Any], ctx: Context, **more: Any) -> Reply:
        said = [to_openai(one) for one in convert_to_messages(messages)]
        at = server_of(self.name)
        asked = ctx.llm(said, model=at.model, base_url=at.base_url, api_key=at.api_key, **more)
        reply: Reply = await asked if inspect.isawaitable(asked) else asked
        return reply


def openai_tool(tool: Any) -> dict[str, Any]:
    """Describe a tool of either kind as OpenAI's chat API takes it."""
    if isinstance(tool, Tool):
        return tool.openai()
    from langchain_core.utils.function_calling import convert_to_openai_tool

    found: dict[str, Any] = convert_to_openai_tool(tool)
    return found


def message_of(reply: Reply, kind: Kind) -> Any:
    """Make a message of a server's reply."""
    calls, invalid = parse_tool_calls(list(reply.tool_calls))
    counts = (reply.input_tokens, reply.output_tokens)
    usage = None
    if counts[0] is not None and counts[1] is not None:
        usage = {
            "input_tokens": counts[0],
            "output_tokens": counts[1],
            "total_tokens": counts[0] + counts[1],
        }
    return kind.AIMessage(
        content=reply.text or "",
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage,
        response_metadata={"model_name": reply.model, "finish_reason": reply.finish_reason},
    )


class ChatModel:
    """A chat model with ``invoke`` or ``ainvoke``, such as langchain-core's."""

    def __init__(
        self, model: Any, tools: Sequence[Any], builtin: Sequence[Mapping[str, Any]]
    ) -> None:
        self._inner = inner_model(model)
        self._model = model
        offered = [*(as_langchain(one) if is_runnable(model) else one for one in tools), *builtin]
        if offered and _must_bind(self._inner, tools, len(builtin)):
            self._model = model.bind_tools(offered)

    async def answer(self, given: Any, ctx: Context) -> Any:
        """Give the model's message."""
        return await _invoked(self._model, given, ctx)

    async def structured(self, messages: list[Any], schema: Any, ctx: Context) -> Any:
        """Ask the model beneath, without tools, for what fits the schema."""
        beneath = getattr(self._inner, "bound", self._inner)
        return await _invoked(beneath.with_structured_output(schema), messages, ctx)


async def _invoked(model: Any, given: Any, ctx: Context) -> Any:
    config = ctx.given("config")
    if hasattr(model, "ainvoke"):
        return await model.ainvoke(given, config)
    return await asyncio.to_thread(model.invoke, given, config)


def inner_model(model: Any) -> Any:
    """The chat model, or what binds things to one, in a sequence of steps."""
    steps = getattr(model, "steps", None) or ()
    return next(
        (one for one in steps if hasattr(one, "bind_tools") or hasattr(one, "bound")), model
    )


def _must_bind(model: Any, tools: Sequence[Any], n_builtin: int) -> bool:
    """Whether the tools are still to be bound; those that are must be the same."""
    bound = (getattr(model, "kwargs", None) or {}).get("tools") if hasattr(model, "bound") else None
    if bound is None:
        return True
    if len(tools) != len(bound) - n_builtin:
        raise ModelDefinitionError(
            "Number of tools in the model.bind_tools() and tools passed to create_react_agent must "
            f"match. Got {len(tools)} tools, expected {len(bound) - n_builtin}."
        )
    named = {(one.get("function") or one).get("name") for one in bound if isinstance(one, dict)}
    missing = {one.name for one in tools} - named
    if missing:
        raise ModelDefinitionError(f"Missing tools '{missing}' in the model.bind_tools().")
    return False


def _listed(given: Any) -> list[Any]:
    """A model's input as messages: a text is a user's, a prompt value holds its own."""
    if hasattr(given, "to_messages"):
        return list(given.to_messages())
    return list(given) if isinstance(given, list | tuple) else [given]


Chosen = Callable[[Any, Any], Any]
"""A function of the state and the runtime that gives a model."""


class ChosenModel:
    """A model that a function chooses anew for each call, with its tools bound already."""

    def __init__(self, choose: Chosen, tools: Sequence[Any]) -> None:
        self._choose = choose
        self._tools = tools

    async def for_state(self, state: Any, ctx: Context) -> Thinker:
        """The model for this state."""
        chosen = self._choose(state, ctx.given("runtime"))
        if inspect.isawaitable(chosen):
            chosen = await chosen
        is_named = chosen is None or isinstance(chosen, str)
        return thinker_of(chosen, self._tools if is_named else (), ())
