"""What `Context.llm` and `Context.tool` do."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from inwit.errors import UnknownToolError
from inwit.runtime.capture import client, place
from inwit.runtime.capture.client import Messages, Reply
from inwit.runtime.capture.recorder import ToolCall
from inwit.runtime.context import Context
from inwit.runtime.replay_tape import NOTHING, tape_of

Tool = str | Callable[..., Any]


def llm(
    ctx: Context, messages: Messages, *, model: str | None = None, base_url: str | None = None,
    api_key: str | None = None, stream: bool = False, timeout_s: float = client.TIMEOUT_S,
    **parameters: Any,
) -> Reply | Awaitable[Reply]:  # fmt: skip
    """Call a model; see `Context.llm`."""
    question = client.prepare(
        messages, model=model, base_url=base_url, api_key=api_key, stream=stream,
        timeout_s=timeout_s, parameters=parameters,
    )  # fmt: skip
    if (tape := tape_of(ctx)) is not None:
        known = tape.llm(ctx, question)
        if known is not NOTHING:
            return _awaitable(known) if ctx.is_async else known
    if ctx.is_async:
        return client.aask(place.of(ctx), question)
    return client.ask(place.of(ctx), question)


def tool(ctx: Context, function: Tool, *args: Any, **kwargs: Any) -> Any:
    """Call a tool; see `Context.tool`."""
    name, called = _find(ctx, function)
    given = _by_parameter(called, args, kwargs)
    if (tape := tape_of(ctx)) is not None:
        known = tape.tool(ctx, name, given)
        if known is not NOTHING:
            is_async = inspect.iscoroutinefunction(inspect.unwrap(called))
            return _awaitable(known) if is_async else known
    if inspect.iscoroutinefunction(inspect.unwrap(called)):
        return _acall(place.of(ctx), name, given, called(*args, **kwargs))
    call = ToolCall(place.of(ctx), tool=name, given=given)
    try:
        output = called(*args, **kwargs)
    except BaseException as exc:
        call.fail(exc)
        raise
    if inspect.isawaitable(output):
        return _await(call, output)
    call.complete(output)
    return output


async def _awaitable(value: Any) -> Any:
    return value


async def _acall(at: place.Place | None, name: str, given: Any, made: Awaitable[Any]) -> Any:
    return await _await(ToolCall(at, tool=name, given=given), made)


async def _await(call: ToolCall, made: Awaitable[Any]) -> Any:
    try:
        output = await made
    except BaseException as exc:
        call.fail(exc)
        raise
    call.complete(output)
    return output


def _find(ctx: Context, function: Tool) -> tuple[str, Callable[..., Any]]:
    """The name and the function; a name is looked up in ``config["configurable"]["tools"]``."""
    if isinstance(function, str):
        known: Mapping[str, Any] = (ctx.config.get("configurable") or {}).get("tools") or {}
        if function not in known:
            raise UnknownToolError(function, known)
        return function, known[function]
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    return str(name or type(function).__name__), function


def _by_parameter(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What is given, by the names of the parameters, so that equal calls look equal."""
    try:
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return {"args": list(args), **kwargs} if args else kwargs
