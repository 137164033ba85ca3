"""`ValidationNode`: checks what a model wants to call tools with, and calls none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inwit.errors import InvalidMessageError, ToolDefinitionError
from inwit.prebuilt._langchain import is_langchain_tool
from inwit.prebuilt.tool_schema import model_of
from inwit.prebuilt.tools import Tool
from inwit.runtime.messages.kinds import has_type, kind_of

FormatError = Callable[[BaseException, Any, Any], str]


def tell_error(error: BaseException, call: Any, schema: Any) -> str:  # noqa: ARG001 - as others take it
    """What the model is told of arguments that don't fit, where nothing else is asked for."""
    return f"{error!r}\n\nRespond after fixing all validation errors."


class ValidationNode:
    """A node that checks the arguments of all calls which the last message of a model asks for.

    Nothing is called: it answers each call by a tool's message, with the checked arguments as JSON,
    or with what is wrong and ``is_error`` in ``additional_kwargs``. So a model gives what fits a
    schema, and is asked again where it does not. It takes and gives a state with ``messages``, or a
    list of messages.

    Args:
        schemas: By which calls are checked: pydantic models, tools, or functions, each for the calls
            of its name.
        format_error: Gives the answer for a call that does not fit, of the error, call and schema.

    Raises:
        ToolDefinitionError: Something among `schemas` is none of these. It is a `ValueError`.
    """

    def __init__(
        self,
        schemas: Sequence[Any],
        *,
        format_error: FormatError | None = None,
        name: str = "validation",
        tags: list[str] | None = None,
    ) -> None:
        self.name = self.__name__ = name
        self.tags = tags
        self._format_error = format_error or tell_error
        self.schemas_by_name = dict(map(_named, schemas))

    def __call__(self, state: Any) -> Any:
        is_list = isinstance(state, list)
        answers = [self._answer(one, kind) for one, kind in _calls(state, is_list=is_list)]
        return answers if is_list else {"messages": answers}

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None, **_: Any) -> Any:  # noqa: ARG002
        """Check the calls in `input`, outside of a graph."""
        return self(input)

    async def ainvoke(self, input: Any, config: Mapping[str, Any] | None = None, **_: Any) -> Any:  # noqa: ARG002
        """See `invoke`."""
        return self(input)

    def _answer(self, call: Mapping[str, Any], kind: Any) -> Any:
        name, more = call["name"], dict[str, Any]()
        schema = self.schemas_by_name.get(name)
        try:
            if schema is None:
                known = ", ".join(self.schemas_by_name)
                raise ValueError(f"{name!r} is none of {known}")  # noqa: TRY301 - told to the model
            content = _checked(schema, call["args"])
        except ValueError as exc:  # pydantic's errors of both versions are such
            content = self._format_error(exc, call, schema)
            more = {"additional_kwargs": {"is_error": True}}
        return kind.ToolMessage(content=content, name=name, tool_call_id=call["id"], **more)


def _named(given: Any) -> tuple[str, Any]:
    """A schema and the name of the calls that it is for."""
    if is_langchain_tool(given) or isinstance(given, Tool):
        schema = given.args_schema
        if not isinstance(schema, type):
            raise ToolDefinitionError(
                f"The tool {given.name!r} has no pydantic model of its arguments.",
                hint="Give a tool whose args_schema is one, or the model itself.",
            )
        return given.name, schema
    if isinstance(given, type) and (hasattr(given, "model_validate") or hasattr(given, "validate")):
        return given.__name__, given
    if callable(given) and not isinstance(given, type):
        return given.__name__, model_of("Validation", given, {})
    raise ToolDefinitionError(
        f"{given!r} is no schema of a call's arguments.",
        hint="Give a pydantic model, a tool or a function.",
    )


def _checked(schema: Any, args: Any) -> str:
    """The arguments as JSON, after a pydantic model of either version has taken them."""
    if hasattr(schema, "model_validate"):
        return str(schema.model_validate(args).model_dump_json())
    return str(schema.validate(args).json())


def _calls(state: Any, *, is_list: bool) -> list[tuple[Mapping[str, Any], Any]]:
    """The calls that the last message asks for, each with the classes to answer it in."""
    messages = state if is_list else _messages(state)
    if not messages:
        raise InvalidMessageError(
            "No message found in input", hint="Give the model's message last."
        )
    last = messages[-1]
    if not has_type(last, "ai"):
        raise InvalidMessageError(
            "Last message is not an AIMessage", hint="Lead to this node from the model's."
        )
    kind = kind_of(messages)
    return [(one, kind) for one in last.tool_calls]


def _messages(state: Any) -> Any:
    return state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", None)
