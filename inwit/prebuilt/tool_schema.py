"""The schema of a tool's arguments, from the signature and the docstring of its function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from inwit.prebuilt.injection import hints_of, is_injected

if TYPE_CHECKING:
    from pydantic import BaseModel

_ARGUMENT = re.compile(r"\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def visible_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that a model fills, by their names."""
    hints = hints_of(function)
    found = inspect.signature(function).parameters
    return {
        name: parameter
        for name, parameter in found.items()
        if parameter.kind not in _VARIADIC
        and name not in ("self", "cls", "run_manager", "callbacks", "runtime")
        and not is_injected(hints.get(name))
        and not is_filled_by_type(hints.get(name))
    }


def is_filled_by_type(hint: Any) -> bool:
    """Whether a parameter of that type is given the node's context, or the caller's config."""
    return getattr(hint, "__name__", "") in ("Context", "RunnableConfig") and (
        getattr(hint, "__module__", "").split(".")[0] in ("inwit", "langchain_core")
    )


def model_of(
    name: str, function: Callable[..., Any], described: Mapping[str, str]
) -> type[BaseModel]:
    """Make a pydantic model of what a model may give a function."""
    from pydantic import ConfigDict, Field, create_model

    hints, fields = hints_of(function), {}
    for key, parameter in visible_parameters(function).items():
        hint = hints.get(key, Any)
        default = ... if parameter.default is parameter.empty else parameter.default
        text = described.get(key) or _written_description(hint)
        fields[key] = (hint, Field(default, description=text) if text else default)
    config = ConfigDict(arbitrary_types_allowed=True)
    made: Any = create_model(name, __config__=config, **fields)  # type: ignore[call-overload]
    return made  # type: ignore[no-any-return]


def _written_description(hint: Any) -> str | None:
    """The text in ``Annotated[T, "text"]``."""
    if get_origin(hint) is not Annotated:
        return None
    return next((one for one in get_args(hint)[1:] if isinstance(one, str)), None)


def parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring of Google's style into its prose and what it says of each argument."""
    head, _, rest = text.partition("\nArgs:\n")
    found: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        match = _ARGUMENT.fullmatch(line)
        if match is not None:
            name = match[1]
            found[name] = match[2].strip()
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return head.strip(), found


def openai_parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema as OpenAI's API takes it: without the titles that pydantic adds."""
    found = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return {**found, "properties": _untitled(found.get("properties", {}))}


def _untitled(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in one.items() if key != "title"}
        for name, one in properties.items()
    }
