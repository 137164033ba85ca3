"""Checking what a node is given and what it returns against the types of the state."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from inwit.errors import InvalidStateError, InvalidUpdateError
from inwit.runtime.commands import Command, Overwrite
from inwit.runtime.policies.node import Validation
from inwit.runtime.state import Channel, StateSchema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]
ACall = Callable[[Any, "Context"], Awaitable[Any]]


class Checker:
    """The types of one node's input and update. A value must be of its type: none is converted.

    An update of a key with a reducer is checked against what the reducer takes: its second
    parameter's type where that is written, else the key's.
    """

    def __init__(self, node: str, schema: StateSchema, input_schema: StateSchema) -> None:
        self._node = node
        self._schema = schema
        self._input = input_schema
        self._given: dict[str, TypeAdapter[Any] | None] = {}
        self._returned: dict[str, TypeAdapter[Any] | None] = {}

    def check_given(self, state: Any) -> None:
        """Look at what the node is called with.

        Raises:
            InvalidStateError: A key's value is not of its type.
        """
        for key, value in (self._input.keys_of(state) or {}).items():
            channel = self._input.channels.get(key)
            if channel is not None:
                reason = _reason(self._given, key, channel.type, value)
                if reason:
                    raise InvalidStateError(
                        f"The node {self._node!r} was given {key!r} = {value!r:.200}: {reason}",
                        hint=f"It is a {channel.type}.",
                    )

    def check_returned(self, returned: Any) -> None:
        """Look at what the node returned: an update, a command, or several of them.

        Raises:
            InvalidUpdateError: A key's value is not of its type.
        """
        if isinstance(returned, list | tuple):
            for one in returned:
                self.check_returned(one)
            return
        update = returned.update if isinstance(returned, Command) else returned
        for key, value in (self._schema.keys_of(update) or {}).items():
            channel = self._schema.channels.get(key)
            if channel is not None:
                self._check_key(channel, value)

    def _check_key(self, channel: Channel, value: Any) -> None:
        wanted = channel.type if isinstance(value, Overwrite) else _taken_by(channel)
        content = value.value if isinstance(value, Overwrite) else value
        known = {} if isinstance(value, Overwrite) else self._returned
        reason = _reason(known, channel.name, wanted, content)
        if reason:
            raise InvalidUpdateError(
                f"The node {self._node!r} returned {channel.name!r} = {content!r:.200}: {reason}",
                hint=f"It is a {wanted}.",
            )


def checked(call: Call, checker: Checker, what: Validation) -> Call:
    """Wrap a sync node's call."""

    def run(state: Any, ctx: Context) -> Any:
        if what != "out":
            checker.check_given(state)
        returned = call(state, ctx)
        if what != "in":
            checker.check_returned(returned)
        return returned

    return run


def achecked(call: ACall, checker: Checker, what: Validation) -> ACall:
    """Wrap an async node's call."""

    async def run(state: Any, ctx: Context) -> Any:
        if what != "out":
            checker.check_given(state)
        returned = await call(state, ctx)
        if what != "in":
            checker.check_returned(returned)
        return returned

    return run


def _reason(
    known: dict[str, TypeAdapter[Any] | None], key: str, hint: Any, value: Any
) -> str | None:
    """Why a value is not of a type; None where it is, or where nobody can say."""
    if key not in known:
        known[key] = _adapter(hint)
    adapter = known[key]
    if adapter is None:
        return None
    from pydantic import ValidationError

    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "".join(f"[{part!r}]" for part in first["loc"])
        return f"{place} {first['msg']}.".strip()
    return None


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        pass  # A type with a configuration of its own takes no other.
    try:
        return TypeAdapter(hint)
    except PydanticUserError:
        return None


def _taken_by(channel: Channel) -> Any:
    """The type of an update that a key's reducer takes."""
    if channel.reducer is None or not inspect.isfunction(channel.reducer):
        return channel.type
    names = list(inspect.signature(channel.reducer).parameters)
    try:
        hints = typing.get_type_hints(channel.reducer)
    except (NameError, TypeError):
        return channel.type
    return hints.get(names[1], channel.type) if len(names) > 1 else channel.type
