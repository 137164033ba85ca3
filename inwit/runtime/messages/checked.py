"""Our messages in pydantic models."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic_core import core_schema

from inwit.errors import InwitError
from inwit.runtime.messages.classes import BaseMessage
from inwit.runtime.messages.convert import CLASSES, convert_to_messages
from inwit.runtime.messages.kinds import OURS, has_type, is_langchain


def core_schema_of(cls: type[BaseMessage]) -> Any:
    """How pydantic checks, shows and describes messages of one class."""
    kind = next((name for name, one in CLASSES.items() if one is cls), None)

    def check(value: Any) -> Any:
        if is_langchain(value) and (kind is None or has_type(value, kind)):
            return value  # as a program that uses langchain-core keeps it
        found = value
        if not isinstance(value, BaseMessage):
            try:
                [found] = convert_to_messages([value], OURS)
            except (InwitError, TypeError, ValueError) as exc:
                raise ValueError(f"It is no message: {exc}") from exc
        if not isinstance(found, cls):
            raise ValueError(f"It is a {type(found).__name__}, no {cls.__name__}.")  # noqa: TRY004 - pydantic's
        return found

    described = core_schema.typed_dict_schema({
        "type": core_schema.typed_dict_field(core_schema.str_schema(), required=False),
        "content": core_schema.typed_dict_field(core_schema.any_schema()),
    })  # fmt: skip
    return core_schema.no_info_plain_validator_function(
        check,
        json_schema_input_schema=described,
        serialization=core_schema.plain_serializer_function_ser_schema(
            msgspec.to_builtins, return_schema=core_schema.dict_schema(), when_used="json"
        ),
    )
