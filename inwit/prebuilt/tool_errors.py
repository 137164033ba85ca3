"""What a tool's failure becomes: an error of the execution, or a message that the model reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from inwit.errors import ToolDefinitionError, shorten
from inwit.prebuilt._langchain import AdoptableError, adopt

INVALID_TOOL_NAME_ERROR_TEMPLATE = (
    "Error: {requested_tool} is not a valid tool, try one of [{available_tools}]."
)
TOOL_CALL_ERROR_TEMPLATE = "Error: {error}\n Please fix your mistakes."
TOOL_INVOCATION_ERROR_TEMPLATE = (
    "Error invoking tool '{tool_name}' with kwargs {tool_kwargs} with error:\n {error}\n"
    " Please fix the error and try again."
)

Handler = bool | str | Callable[..., str] | type[Exception] | tuple[type[Exception], ...]


class ToolException(AdoptableError):  # noqa: N818 - the name that tools raise it by
    """What a tool raises to tell the model that it could not do what was asked."""


class ToolInvocationError(ToolException):
    """A model called a tool with arguments that it does not take."""

    def __init__(
        self,
        tool_name: str,
        source: Exception,
        tool_kwargs: Mapping[str, Any],
        filtered_errors: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        shown = str(source) if filtered_errors is None else _lines(filtered_errors)
        self.message = TOOL_INVOCATION_ERROR_TEMPLATE.format(
            tool_name=tool_name, tool_kwargs=tool_kwargs, error=shown
        )
        self.tool_name = tool_name
        self.tool_kwargs = tool_kwargs
        self.source = source
        self.filtered_errors = filtered_errors
        super().__init__(self.message)


adopt(ToolException, "langchain_core.tools.base", "ToolException")


def _lines(errors: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg', 'Unknown error')}"
        for one in errors
    )


def tell_wrong_arguments(error: Exception) -> str:
    """Tell the model that its arguments were wrong; raise whatever else a tool raised."""
    if isinstance(error, ToolInvocationError):
        return error.message
    raise error


def handled_types(handler: Handler) -> tuple[type[Exception], ...]:
    """The errors that a handler is for: all, unless it or its annotation says which."""
    if isinstance(handler, type):
        return (handler,)
    if isinstance(handler, tuple):
        return handler
    return annotated_types(handler) if callable(handler) else (Exception,)


def annotated_types(handler: Callable[..., Any]) -> tuple[type[Exception], ...]:
    """The errors that the annotation of a function's first parameter names; else all.

    Raises:
        ToolDefinitionError: It names something that is no error.
    """
    parameters = list(inspect.signature(handler).parameters)
    if len(parameters) == 2 and parameters[0] in ("self", "cls"):
        parameters = parameters[1:]
    hint = get_type_hints(handler).get(parameters[0]) if parameters else None
    if hint is None:
        return (Exception,)
    found = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not all(isinstance(one, type) and issubclass(one, Exception) for one in found):
        raise ToolDefinitionError(
            f"The handler {getattr(handler, '__name__', handler)!r} is for {shorten(hint)}.",
            hint="Annotate its error with an Exception type or a union of them.",
        )
    return found


def message_for(error: Exception, handler: Handler) -> str:
    """What the model is told of an error."""
    if isinstance(handler, str):
        return handler
    if isinstance(handler, bool | tuple | type):
        return TOOL_CALL_ERROR_TEMPLATE.format(error=repr(error))
    if callable(handler):
        return handler(error)
    raise ToolDefinitionError(
        f"handle_tool_errors is {shorten(handler)}.",
        hint="Give a bool, a text, a function or exception types.",
    )
