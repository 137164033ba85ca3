"""`@tool`: functions that a model may call."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, overload

from inwit.errors import ToolDefinitionError
from inwit.prebuilt.injection import Injected, hints_of, injected_in
from inwit.prebuilt.tool_errors import ToolException
from inwit.prebuilt.tool_schema import (
    is_filled_by_type,
    model_of,
    openai_parameters,
    parse_docstring,
    visible_parameters,
)
from inwit.runtime import loops
from inwit.runtime.commands import Command
from inwit.runtime.context import current
from inwit.runtime.messages.kinds import has_type, kind_of
from inwit.runtime.program import is_coroutine_function

if TYPE_CHECKING:
    from pydantic import BaseModel

ResponseFormat = Literal["content", "content_and_artifact"]
_BLOCKS = (
    "text", "image_url", "image", "json", "search_result", "custom_tool_call_output", "document",
    "file",
)  # fmt: skip


class Tool:
    """A function that a model may call, with what the model is told of it. Made by `tool`.

    It can still be called as the function that it is. `invoke` takes the arguments as a dict and
    checks them; given a model's whole call, it gives a `ToolMessage`.
    """

    __name__: str

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        args_schema: type[BaseModel] | dict[str, Any] | None = None,
        return_direct: bool = False,
        response_format: ResponseFormat = "content",
        parse_docs: bool = False,
    ) -> None:
        self.function = function
        self.name = name or _name_of(function)
        written, self._described = _description(function, description, parse_docs)
        if not written and args_schema is None:
            raise ToolDefinitionError(
                f"The tool {self.name!r} must have a docstring or a description.",
                hint="Say in it what the tool does: the model reads it.",
            )
        self.description = written
        self.return_direct = return_direct
        self.response_format = response_format
        self.handle_tool_error: bool | str | Callable[[Any], Any] | None = False
        """What becomes of a `ToolException`: raised (False), told (True), or told by other words."""
        self.tags: list[str] | None = None
        self.metadata: dict[str, Any] | None = None
        self.extras: dict[str, Any] | None = None
        self._given_schema = args_schema
        self.is_async = is_coroutine_function(function)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"

    @property
    def func(self) -> Callable[..., Any] | None:
        """The function, where it is a sync one."""
        return None if self.is_async else self.function

    @property
    def coroutine(self) -> Callable[..., Any] | None:
        """The function, where it is an async one."""
        return self.function if self.is_async else None

    @functools.cached_property
    def args_schema(self) -> type[BaseModel] | dict[str, Any]:
        """What arguments are checked against: a pydantic model, or a JSON schema."""
        if self._given_schema is not None:
            return self._given_schema
        return model_of(self.name, self.function, self._described)

    @functools.cached_property
    def injected(self) -> Injected:
        """The arguments that the graph fills."""
        hints = {**hints_of(self.function), **_schema_hints(self._given_schema)}
        parameters = inspect.signature(self.function).parameters
        return injected_in(hints, lambda name: _has_default(parameters.get(name)))

    @functools.cached_property
    def _by_type(self) -> dict[str, Any]:
        hints = hints_of(self.function)
        return {name: hint for name, hint in hints.items() if is_filled_by_type(hint)}

    @property
    def args(self) -> dict[str, Any]:
        """The JSON schemas of the arguments that a model fills."""
        found: dict[str, Any] = self.schema().get("properties", {})
        return found

    @property
    def tool_call_schema(self) -> Any:
        """The schema that a model is shown, as langchain-core names it."""
        return self.args_schema

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments that a model fills."""
        schema = self.args_schema
        whole = dict(schema) if isinstance(schema, dict) else _json_schema(schema, self.injected)
        return {**whole, "description": self.description}

    def openai(self) -> dict[str, Any]:
        """The tool as OpenAI's chat API takes it."""
        parameters = openai_parameters(self.schema())
        told = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": told}

    def get_input_schema(self, config: Any = None) -> Any:  # noqa: ARG002 - langchain-core's signature
        """The schema that arguments are checked against."""
        return self.args_schema

    def invoke(self, input: Any, config: Any = None, **_: Any) -> Any:
        """Check the arguments and call; an async function is run to its end."""
        return loops.run(self._run(input, config, in_thread=False))

    async def ainvoke(self, input: Any, config: Any = None, **_: Any) -> Any:
        """Check the arguments and call; a sync function gets a thread."""
        return await self._run(input, config, in_thread=True)

    async def _run(self, given: Any, config: Any, *, in_thread: bool) -> Any:
        is_call = isinstance(given, Mapping) and given.get("type") == "tool_call"
        call = given if is_call else None
        args = dict(given["args"]) if is_call else given
        status = "success"
        kwargs = self._checked(args, call, config)
        try:
            output = await self._called(kwargs, in_thread=in_thread)
        except ToolException as exc:
            if not self.handle_tool_error:
                raise
            output, status = _told(exc, self.handle_tool_error), "error"
        artifact = None
        if self.response_format == "content_and_artifact" and status == "success":
            output, artifact = self._split(output)
        if call is None:
            return output
        return answer(call, output, name=self.name, artifact=artifact, status=status)

    async def _called(self, kwargs: dict[str, Any], *, in_thread: bool) -> Any:
        if not self.is_async and in_thread:
            output = await asyncio.to_thread(self.function, **kwargs)
        else:
            output = self.function(**kwargs)
        return await output if inspect.isawaitable(output) else output

    def _split(self, output: Any) -> tuple[Any, Any]:
        if not isinstance(output, tuple) or len(output) != 2:
            raise ToolDefinitionError(
                f"The tool {self.name!r} returned a {type(output).__name__}.",
                hint="With response_format='content_and_artifact' it returns both as a pair.",
            )
        return output

    def _checked(self, args: Any, call: Any, config: Any) -> dict[str, Any]:
        """Check what the model gave, and add what the graph fills."""
        if isinstance(args, str):
            args = {next(iter(visible_parameters(self.function)), "input"): args}
        filled = {name: args[name] for name in self.injected.all if name in args}
        if self.injected.runtime in args:
            filled["runtime"] = args["runtime"]
        if self.injected.call_id is not None:
            filled[self.injected.call_id] = self._call_id(call)
        for name, hint in self._by_type.items():
            filled[name] = current() if hint.__name__ == "Context" else dict(config or {})
        schema = self.args_schema
        if isinstance(schema, dict):
            return {**args, **filled}
        whole = args if self._given_schema is None else {**args, **filled}
        return {**_values(schema.model_validate(whole)), **filled}

    def _call_id(self, call: Any) -> str:
        if call is None:
            raise ToolDefinitionError(
                f"The tool {self.name!r} needs the id of the model's call.",
                hint="Invoke it with the whole call: {'name': …, 'args': …, 'id': …, 'type': 'tool_call'}.",
            )
        return str(call["id"])


def _values(model: Any) -> dict[str, Any]:
    """The values of a model's fields, defaults included."""
    return {name: getattr(model, name) for name in type(model).model_fields}


def _json_schema(model: Any, injected: Injected) -> dict[str, Any]:
    hidden = injected.all | injected.named()
    if not hidden & set(model.model_fields):
        found: dict[str, Any] = model.model_json_schema()
        return found
    from pydantic import create_model

    shown = {
        name: (field.annotation, field)
        for name, field in model.model_fields.items()
        if name not in hidden
    }
    return create_model(model.__name__, **shown).model_json_schema()  # type: ignore[no-any-return, call-overload]


def _schema_hints(schema: Any) -> dict[str, Any]:
    return {} if schema is None or isinstance(schema, dict) else hints_of(schema)


def _has_default(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and parameter.default is not parameter.empty


def _name_of(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return getattr(inner, "__name__", type(inner).__name__)


def _description(
    function: Callable[..., Any], given: str | None, parse_docs: bool
) -> tuple[str, dict[str, str]]:
    inner = function.func if isinstance(function, functools.partial) else function
    text = inspect.getdoc(inner) or ""
    head, described = parse_docstring(text) if parse_docs else (text, {})
    return given or head, described


def _told(error: ToolException, how: Any) -> Any:
    if isinstance(how, str):
        return how
    if callable(how):
        return how(error)
    return error.args[0] if error.args else "Tool execution error"


def answer(
    call: Mapping[str, Any],
    output: Any,
    *,
    name: str,
    kind: ModuleType | None = None,
    artifact: Any = None,
    status: str = "success",
) -> Any:
    """Make the message that answers a model's call; messages and commands are left as they are."""
    if _is_message_or_command(output) or (
        isinstance(output, list) and output and all(map(_is_message_or_command, output))
    ):
        return output
    return (kind or kind_of()).ToolMessage(
        content=shown(output), name=name, tool_call_id=call["id"], artifact=artifact, status=status
    )


def _is_message_or_command(value: Any) -> bool:
    return isinstance(value, Command) or has_type(value, "tool")


def shown(output: Any) -> str | list[Any]:
    """What a tool returned as a message's content: text or blocks as they are, else JSON."""
    if isinstance(output, str):
        return output
    if isinstance(output, list | tuple) and all(map(_is_block, output)):
        return list(output)
    try:
        return json.dumps(output, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(output)


def _is_block(one: Any) -> bool:
    return isinstance(one, str) or (isinstance(one, dict) and one.get("type") in _BLOCKS)


Decorated = Callable[[Callable[..., Any]], Tool]


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    name: str | None = None,
    /,
    *,
    description: str | None = None,
    return_direct: bool = False,
    args_schema: Any = None,
    response_format: ResponseFormat = "content",
    parse_docstring: bool = False,
) -> Decorated: ...
def tool(
    name_or_callable: str | Callable[..., Any] | None = None,
    /,
    *,
    description: str | None = None,
    return_direct: bool = False,
    args_schema: Any = None,
    response_format: ResponseFormat = "content",
    parse_docstring: bool = False,
) -> Tool | Decorated:
    """Make a tool of a function: ``@tool``, ``@tool("name")`` or ``@tool(return_direct=True)``.

    The model is told the function's name, its docstring, and its parameters with their types. What
    is said of an argument in ``Annotated[T, "…"]``, or with `parse_docstring` under ``Args:``, goes
    with it. Arguments that are annotated as injected are filled by the graph and not shown.

    Raises:
        ToolDefinitionError: There is neither a docstring nor a description.

    Example:
        >>> @tool
        ... def add(left: int, right: int) -> int:
        ...     '''Add two whole numbers.'''
        ...     return left + right
        >>> add.invoke({"left": 1, "right": "2"})
        3
    """

    def make(function: Callable[..., Any], name: str | None = None) -> Tool:
        return Tool(
            function,
            name=name,
            description=description,
            args_schema=args_schema,
            return_direct=return_direct,
            response_format=response_format,
            parse_docs=parse_docstring,
        )

    if callable(name_or_callable):
        return make(name_or_callable)
    return lambda function: make(function, name_or_callable)


def as_langchain(one: Any) -> Any:
    """The same tool as one of langchain-core's, for a model that takes no other."""
    if not isinstance(one, Tool):
        return one
    from langchain_core.tools import StructuredTool

    return StructuredTool(
        name=one.name,
        description=one.description,
        args_schema=one.args_schema,
        func=one.func,
        coroutine=one.coroutine,
        return_direct=one.return_direct,
    )
