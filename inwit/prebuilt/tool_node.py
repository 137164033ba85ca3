"""`ToolNode`: runs the tools that a model asked for."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from inwit.errors import InvalidMessageError, InvalidToolInputError, MissingStoreError
from inwit.prebuilt._langchain import is_langchain_tool, is_recorded
from inwit.prebuilt.concurrency import all_of
from inwit.prebuilt.injection import (
    Injected,
    InjectedState,
    InjectedStore,
    InjectedToolArg,
    InjectedToolCallId,
    ToolRuntime,
    hints_of,
    injected_in,
)
from inwit.prebuilt.tool_errors import (
    INVALID_TOOL_NAME_ERROR_TEMPLATE,
    TOOL_CALL_ERROR_TEMPLATE,
    TOOL_INVOCATION_ERROR_TEMPLATE,
    Handler,
    ToolException,
    ToolInvocationError,
    handled_types,
    message_for,
    tell_wrong_arguments,
)
from inwit.prebuilt.tool_results import Call, InputType, checked, combined
from inwit.prebuilt.tools import Tool, tool
from inwit.runtime import loops
from inwit.runtime.capture import place
from inwit.runtime.capture.recorder import ToolCall as Recorded
from inwit.runtime.commands import Command, GraphBubbleUp
from inwit.runtime.context import Context, current
from inwit.runtime.messages.convert import convert_to_messages, to_openai
from inwit.runtime.messages.kinds import OURS, Kind, has_type, kind_of

__all__ = [
    "INVALID_TOOL_NAME_ERROR_TEMPLATE", "TOOL_CALL_ERROR_TEMPLATE",
    "TOOL_INVOCATION_ERROR_TEMPLATE", "InjectedState", "InjectedStore", "InjectedToolArg",
    "InjectedToolCallId", "ToolCallRequest", "ToolException", "ToolInvocationError", "ToolNode",
    "ToolRuntime", "tools_condition",
]  # fmt: skip


@dataclass
class ToolCallRequest:
    """One call on its way to its tool, as a wrapper sees it; `tool` is None where none is known."""

    tool_call: Any
    tool: Any
    state: Any
    runtime: Any

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            warnings.warn(
                f"Setting attribute {name!r} on ToolCallRequest is deprecated: "
                "override() gives a new one.",
                DeprecationWarning,
                stacklevel=2,
            )
        object.__setattr__(self, name, value)

    def override(self, **changes: Any) -> ToolCallRequest:
        """The same request with other parts."""
        return replace(self, **changes)


Execute = Callable[[ToolCallRequest], Any]
Wrapper = Callable[[ToolCallRequest, Execute], Any]
AsyncWrapper = Callable[[ToolCallRequest, Callable[[ToolCallRequest], Awaitable[Any]]], Any]


class _Input(NamedTuple):
    """What a node was given: the calls, where they stood, and the kind of messages to answer in."""

    calls: list[Any]
    type: InputType
    state: Any
    kind: Kind | None
    """None: messages are plain dicts."""
    invalid: Sequence[Any] = ()
    """Calls whose arguments are no JSON object."""


class ToolNode:
    """A node that runs, at the same time, every tool that the last message of a model asks for.

    It takes a state with messages, a list of messages, or a list of calls, and gives the tools'
    answers in the same shape; where a tool gives a `Command`, a list of commands and updates. A
    tool is one of `@tool`, of langchain-core's, or a function with a docstring. Each call is in the
    record, as started, and as completed or failed.

    Args:
        handle_tool_errors: What a failing tool does. By default the model is told of arguments that
            do not fit, and everything else is raised. True tells the model of every error, a text
            tells it that text, exception types tell of these alone, a function of the error gives
            the text (its annotation says for which errors), and False raises all.
        wrap_tool_call: Called as ``wrap(request, execute)`` around each call, and gives its result;
            it may call `execute` several times or not at all.
    """

    def __init__(
        self,
        tools: Sequence[Any],
        *,
        name: str = "tools",
        tags: list[str] | None = None,
        handle_tool_errors: Handler = tell_wrong_arguments,
        messages_key: str = "messages",
        wrap_tool_call: Wrapper | None = None,
        awrap_tool_call: AsyncWrapper | None = None,
    ) -> None:
        self.name = self.__name__ = name
        self.tags = tags
        self.tools_by_name: dict[str, Any] = {}
        self._handler = handle_tool_errors
        self._messages_key = messages_key
        self._wrap = wrap_tool_call
        self._awrap = awrap_tool_call
        for one in tools:
            made = one if isinstance(one, Tool) or is_langchain_tool(one) else tool(one)
            self.tools_by_name[made.name] = made
        self._injected = {key: injected_of(one) for key, one in self.tools_by_name.items()}

    async def __call__(self, state: Any, ctx: Context) -> Any:
        return await self._run(state, _Around.of(ctx), is_sync=False)

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None, **_: Any) -> Any:
        """Run the tools that `input` asks for, outside of a graph."""
        return loops.run(self._run(input, _Around.given(config), is_sync=True))

    async def ainvoke(self, input: Any, config: Mapping[str, Any] | None = None, **_: Any) -> Any:
        """Run the tools that `input` asks for, outside of a graph."""
        return await self._run(input, _Around.given(config), is_sync=False)

    async def _run(self, given: Any, around: _Around, *, is_sync: bool) -> Any:
        asked = self._parse(given)
        tools = list(self.tools_by_name.values())
        work = []
        for call in asked.calls:
            runtime = around.runtime(asked.state, call["id"], tools)
            request = ToolCallRequest(
                call, self.tools_by_name.get(call["name"]), asked.state, runtime
            )
            work.append(self._wrapped(request, asked, is_sync=is_sync))
        outputs = [await work[0]] if len(work) == 1 else await all_of(work)
        outputs += [_message(call, _told_of(call), asked) for call in asked.invalid]
        if asked.kind is None:
            outputs = [to_openai(one) if has_type(one, "tool") else one for one in outputs]
        return combined(outputs, asked.type, self._messages_key)

    def _parse(self, given: Any) -> _Input:
        if isinstance(given, dict) and given.get("__type") == "tool_call_with_context":
            state = given["state"]
            return _Input(
                [given["tool_call"]], "tool_calls", state, _kind_in(state, self._messages_key)
            )
        if isinstance(given, list) and given and _is_call(given[-1]):
            state = _state_here()
            return _Input(given, "tool_calls", state, _kind_in(state, self._messages_key))
        messages = given if isinstance(given, list) else _get(given, self._messages_key)
        if not messages:
            raise InvalidMessageError("No message found in input.")
        latest = next((one for one in reversed(messages) if _is_from_model(one)), None)
        if latest is None:
            raise InvalidMessageError("No AIMessage found in input.")
        input_type: InputType = "list" if isinstance(given, list) else "dict"
        if isinstance(latest, dict):
            (message,) = convert_to_messages([latest], OURS)
            return _Input(
                list(message.tool_calls), input_type, given, None, message.invalid_tool_calls
            )
        kind = kind_of([latest])
        invalid = latest.invalid_tool_calls if kind is OURS else ()
        return _Input(list(latest.tool_calls), input_type, given, kind, invalid)

    async def _wrapped(self, request: ToolCallRequest, asked: _Input, *, is_sync: bool) -> Any:
        """Run one call, with what was put around it."""
        if self._wrap is None and self._awrap is None:
            return await self._execute(request, asked, is_sync=is_sync)

        async def execute(changed: ToolCallRequest) -> Any:
            return await self._execute(changed, asked, is_sync=is_sync)

        try:
            if self._awrap is not None and not (is_sync and self._wrap is not None):
                return await self._awrap(request, execute)
            assert self._wrap is not None
            wrap = self._wrap
            return await asyncio.to_thread(wrap, request, self._run_sync(asked))
        except GraphBubbleUp:
            raise
        except Exception as exc:
            if not self._handler:
                raise
            return self._failed(request.tool_call, exc, asked)

    def _run_sync(self, asked: _Input) -> Execute:
        return lambda request: loops.run(self._execute(request, asked, is_sync=True))

    async def _execute(self, request: ToolCallRequest, asked: _Input, *, is_sync: bool) -> Any:
        call, found = request.tool_call, request.tool
        if found is None:
            return self._unknown(call, asked)
        filled = self._fill(call, found, request.runtime)
        try:
            output = await self._call(found, call, filled, request.runtime, is_sync=is_sync)
            return checked(_in_kind(output, asked.kind), call, asked.type, self._messages_key)
        except GraphBubbleUp:
            raise
        except Exception as exc:
            if not self._handler or not isinstance(exc, handled_types(self._handler)):
                raise
            return self._failed(call, exc, asked)

    async def _call(
        self, found: Any, call: Call, args: dict[str, Any], runtime: Any, *, is_sync: bool
    ) -> Any:
        """Call the tool and record it."""
        at = None if is_recorded(found) else place.here()
        recorded = Recorded(at, tool=found.name, given=call["args"])
        whole = {**call, "args": args, "type": "tool_call"}
        try:
            output = await _invoked(found, whole, runtime.config, is_sync=is_sync)
        except Exception as exc:
            told = self._as_invocation_error(exc, call)
            recorded.fail(told)
            if told is exc:
                raise
            raise told from exc
        except BaseException as exc:
            recorded.fail(exc)
            raise
        recorded.complete(_recordable(output))
        return output

    def _as_invocation_error(self, error: Exception, call: Call) -> Exception:
        pydantic = sys.modules.get("pydantic")
        if pydantic is None or not isinstance(error, pydantic.ValidationError):
            return error
        injected = self._injected.get(call["name"], Injected()).named()
        shown = [one for one in error.errors() if one["loc"] and one["loc"][0] not in injected]
        return ToolInvocationError(call["name"], error, call["args"], shown)

    def _unknown(self, call: Call, asked: _Input) -> Any:
        content = INVALID_TOOL_NAME_ERROR_TEMPLATE.format(
            requested_tool=call["name"], available_tools=", ".join(self.tools_by_name)
        )
        return _message(call, content, asked)

    def _failed(self, call: Call, error: Exception, asked: _Input) -> Any:
        return _message(call, message_for(error, self._handler), asked)

    def _fill(self, call: Call, found: Any, runtime: Any) -> dict[str, Any]:
        """The call's arguments, with those that the graph fills; a model cannot give these."""
        injected = self._injected.get(call["name"]) or injected_of(found)
        args = {key: value for key, value in call["args"].items() if key not in injected.all}
        if injected.state:
            args |= self._state_values(injected, call, runtime.state)
        if injected.store is not None:
            if runtime.store is None:
                raise MissingStoreError(call["name"])
            args[injected.store] = runtime.store
        if injected.runtime is not None:
            args[injected.runtime] = runtime
        return args

    def _state_values(self, injected: Injected, call: Call, state: Any) -> dict[str, Any]:
        if isinstance(state, list):
            keys = list(injected.state.values())
            if keys[0] is not None and keys != [self._messages_key]:
                raise InvalidToolInputError(
                    f"The tool {call['name']!r} needs {', '.join(filter(None, keys))} of the state, "
                    "and the node was given a list.",
                    hint="Give it a dict.",
                )
            state = {self._messages_key: state}
        found = {}
        for argument, key in injected.state.items():
            if not key:
                found[argument] = state
            elif isinstance(state, dict) and (key in state or argument not in injected.optional):
                found[argument] = state[key]
            elif not isinstance(state, dict) and (
                hasattr(state, key) or argument not in injected.optional
            ):
                found[argument] = getattr(state, key)
        return found


class _Around(NamedTuple):
    """What a tool may be told of the node that calls it."""

    context: Any
    config: Mapping[str, Any]
    write: Callable[[Any], None]
    store: Any
    execution_info: Any = None
    server_info: Any = None

    @classmethod
    def of(cls, ctx: Context) -> _Around:
        return cls._from(ctx.given("runtime"), ctx.given("config"))

    @classmethod
    def _from(cls, runtime: Any, config: Mapping[str, Any]) -> _Around:
        return cls(
            runtime.context,
            config,
            runtime.stream_writer,
            runtime.store,
            runtime.execution_info,
            runtime.server_info,
        )

    @classmethod
    def given(cls, config: Mapping[str, Any] | None) -> _Around:
        """From the config that a caller gave, or the node that runs here."""
        config = dict(config or {})
        runtime = (config.get("configurable") or {}).get("__pregel_runtime")
        if runtime is not None:
            return cls._from(runtime, config)
        ctx = current()
        return cls(None, config, _nobody, None) if ctx is None else cls.of(ctx)

    def runtime(self, state: Any, call_id: Any, tools: list[Any]) -> ToolRuntime[Any, Any]:
        return ToolRuntime(
            state,
            self.context,
            self.config,
            self.write,
            call_id,
            self.store,
            tools,
            self.execution_info,
            self.server_info,
        )


def _nobody(data: Any) -> None:
    """Nobody reads what is written outside of a node."""


def injected_of(one: Any) -> Injected:
    """Which arguments of a tool of either kind the graph fills."""
    if isinstance(one, Tool):
        return one.injected
    schema = one.get_input_schema()
    function = getattr(one, "func", None) or getattr(one, "coroutine", None)
    hints = {**hints_of(function)}
    for cls in reversed(schema.__mro__):
        hints |= hints_of(cls) if "__annotations__" in vars(cls) else {}
    fields = getattr(schema, "model_fields", {})
    return injected_in(hints, lambda name: name in fields and not fields[name].is_required())


async def _invoked(found: Any, call: dict[str, Any], config: Any, *, is_sync: bool) -> Any:
    """Call a tool: as it is written where that is async, else in a thread."""
    if isinstance(found, Tool):
        return await found.ainvoke(call, config)
    given = dict(config)
    has_sync = getattr(found, "func", found) is not None
    if _is_async(found) and not (is_sync and has_sync):
        return await found.ainvoke(call, given)
    return await asyncio.to_thread(found.invoke, call, given)


def _is_async(found: Any) -> bool:
    if hasattr(found, "coroutine"):
        return found.coroutine is not None
    base = sys.modules["langchain_core.tools.base"].BaseTool
    return type(found)._arun is not base._arun  # noqa: SLF001 - langchain-core's way to say it


def _recordable(output: Any) -> Any:
    """What a tool gave as the record keeps it."""
    if isinstance(output, list):
        return [_recordable(one) for one in output]
    if isinstance(output, Command):
        return {"update": output.update, "goto": [repr(one) for one in output.targets()]}
    return output.content if has_type(output, "tool") else output


def _in_kind(output: Any, kind: Kind | None) -> Any:
    """Give a tool's answer in the kind of the conversation."""
    if kind is None or not has_type(output, "tool"):
        return output
    return convert_to_messages([output], kind)[0]


def _told_of(call: Call) -> str:
    error = f"the arguments {call['args']!r} are not valid JSON: {call.get('error')}"
    return TOOL_CALL_ERROR_TEMPLATE.format(error=error)


def _message(call: Call, content: str, asked: _Input) -> Any:
    kind = asked.kind or kind_of()
    return kind.ToolMessage(
        content=content, name=call["name"], tool_call_id=call["id"], status="error"
    )


def _is_call(one: Any) -> bool:
    return isinstance(one, dict) and one.get("type") == "tool_call"


def _is_from_model(one: Any) -> bool:
    if isinstance(one, dict):
        return one.get("role", one.get("type")) in ("assistant", "ai")
    return has_type(one, "ai")


def _get(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, dict) else getattr(state, key, None)


def _state_here() -> Any:
    """The state of the graph that runs here, which a call that was sent alone does not carry."""
    ctx = current()
    if ctx is None:
        return {}
    node: Any = ctx.at
    return node.view(ctx.execution.state)


def _kind_in(state: Any, key: str) -> Kind | None:
    messages = state if isinstance(state, list) else _get(state, key) or []
    if messages and all(isinstance(one, dict) for one in messages):
        return None
    return kind_of(list(messages))


def tools_condition(state: Any, messages_key: str = "messages") -> Literal["tools", "__end__"]:
    """Lead to ``tools`` where the last message asks for tools, else to the end.

    Raises:
        InvalidMessageError: The state holds no message.
    """
    messages = state if isinstance(state, list) else _get(state, messages_key)
    if not messages:
        raise InvalidMessageError(f"No messages found in input state to tool_edge: {state!r}.")
    last = messages[-1]
    asks = last.get("tool_calls") if isinstance(last, dict) else getattr(last, "tool_calls", None)
    return "tools" if asks else "__end__"
