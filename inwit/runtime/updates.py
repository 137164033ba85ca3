"""What a node returned, read as updates of the state and ways on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from inwit.errors import InvalidRouteError, InvalidUpdateError, shorten
from inwit.runtime.commands import Command, ParentCommand, Send
from inwit.runtime.serial import thaw

if TYPE_CHECKING:
    from inwit.runtime.checkpoints import Task
    from inwit.runtime.context import Context
    from inwit.runtime.policies.timeouts import TimeoutPolicy
    from inwit.runtime.program import Program
    from inwit.runtime.state import StateSchema

Goto: TypeAlias = "Send | str"


class Only(list[Goto]):
    """Ways on beside which a node's own edges are not taken; there may be none."""

    def __bool__(self) -> bool:
        return True


class Packet:
    """A node that is ready with an input of its own."""

    __slots__ = ("arg", "index", "timeout")

    def __init__(self, index: int, arg: Any, timeout: TimeoutPolicy | None = None) -> None:
        self.timeout = timeout
        self.index = index
        self.arg = arg

    @classmethod
    def kept(cls, index: int, task: Task) -> Packet:
        """Make one of what a checkpoint keeps of it."""
        return cls.made(index, thaw(task.arg), task.timeout)

    @classmethod
    def made(cls, index: int, arg: Any, seconds: Any) -> Packet:
        """Make one with the limits of which these are the seconds, if any."""
        if seconds is None:
            return cls(index, arg)
        from inwit.runtime.policies.timeouts import TimeoutPolicy

        return cls(index, arg, TimeoutPolicy.kept(seconds))


Ready: TypeAlias = "int | Packet"
"""A node that is to run: its index, or a packet for it."""


def read_update(
    schema: StateSchema, name: str, returned: Any
) -> tuple[list[Mapping[str, Any]], list[Goto]]:
    """Turn what a node returned into updates, in their order, and where its commands lead.

    Raises:
        ParentCommand: It is a command to the graph around this one.
        InvalidUpdateError: It is nothing that can be merged.
    """
    if returned is None:
        return [], []
    if isinstance(returned, Command):
        return _read_command(schema, name, returned)
    found = schema.keys_of(returned)
    if found is not None:
        return [found], []
    if isinstance(returned, list | tuple):
        updates: list[Mapping[str, Any]] = []
        goto: list[Goto] = []
        for one in returned:
            more, ways = read_update(schema, name, one)
            updates += more
            goto += ways
        return updates, goto
    if (known := _annotated(schema, returned)) is not None:
        return [known], []
    way_out = "Return a dict of the state's keys that change, a Command, or None."
    if type(returned) is Send:
        way_out = "Give it to Command(goto=…), or return it from a router of add_conditional_edges."
    raise InvalidUpdateError(
        f"Expected dict, got {shorten(returned)}: the node {name!r} returned a "
        f"{type(returned).__name__}.",
        hint=way_out,
    )


def _annotated(schema: StateSchema, value: Any) -> Mapping[str, Any] | None:
    """The keys of the state among the fields of an object of another class; None where it has none."""
    fields = getattr(type(value), "__dataclass_fields__", None)
    names = getattr(type(value), "model_fields", {}) if fields is None else fields
    found = {
        name: getattr(value, name)
        for name, field in names.items()
        if name in schema.names and not _is_left_out(value, name, field)
    }
    return found if found or any(name in schema.names for name in names) else None


def _is_left_out(value: Any, name: str, field: Any) -> bool:
    """Whether a pydantic model's key is None because nobody has set it."""
    was_set = getattr(value, "model_fields_set", None)
    if was_set is None or name in was_set:
        return False
    return getattr(value, name) is None and field.default is None


def _read_command(
    schema: StateSchema, name: str, command: Command[Any]
) -> tuple[list[Mapping[str, Any]], list[Goto]]:
    if command.graph == Command.PARENT:
        raise ParentCommand(command)
    if command.graph is not None:
        raise InvalidUpdateError(
            f"The node {name!r} commands the graph {command.graph!r}.",
            hint="A command is for the node's own graph (None) or for Command.PARENT.",
        )
    update, goto = command.update, command.targets()
    if command.is_only:
        goto = Only(goto)
    if update is None:
        return [], goto
    if _is_pairs(update):
        return [{key: value} for key, value in update], goto
    updates, _ = read_update(schema, name, update)
    return updates, goto


def _is_pairs(update: Any) -> bool:
    return (
        isinstance(update, list | tuple)
        and bool(update)
        and all(isinstance(one, tuple) and len(one) == 2 and type(one[0]) is str for one in update)
    )


def with_pushed(ctx: Context, returned: Any) -> Any:
    """What a node's code pushed, and after it what the node returned."""
    pushed, ctx.pushed = ctx.pushed or [], None
    rest = returned if isinstance(returned, list) else [] if returned is None else [returned]
    return [*pushed, *rest]


def changed_by(schema: StateSchema, state: Mapping[str, Any], returned: Any) -> Any:
    """Reduce a returned state object to what it changes; anything else is itself."""
    if returned is None or isinstance(returned, Mapping | Command | list | tuple):
        return returned
    if schema.is_root:
        return returned
    found = schema.keys_of(returned)
    if found is None:
        return returned
    return {key: value for key, value in found.items() if state.get(key) is not value}


def ready_of(program: Program, source: str, goto: Iterable[Goto]) -> list[Ready]:
    """Find the nodes that commands and packets lead to; the end is none.

    Raises:
        InvalidRouteError: There is no such node.
    """
    found: list[Ready] = []
    for one in goto:
        name = one.node if isinstance(one, Send) else one
        index = -1 if name == "__end__" else program.by_name.get(name)
        if index is None:
            raise InvalidRouteError(source, name, program.by_name)
        if isinstance(one, Send):
            found.append(Packet(index, one.arg, one.timeout))
        elif index >= 0:
            found.append(index)
    return found


def in_order(ready: Iterable[Ready]) -> list[Ready]:
    """Put a step's nodes in the plan's order: each index once, then packets as they came."""
    indices: set[int] = set()
    packets: list[Ready] = []
    for one in ready:
        if isinstance(one, Packet):
            packets.append(one)
        elif one >= 0:
            indices.add(one)
    return [*sorted(indices), *packets]


def pairs_written(schema: StateSchema, returned: Any) -> list[tuple[str, Any]]:
    """What a node returned as the (key, value) pairs of the state that it writes, in their order."""
    if isinstance(returned, Command):
        if returned.graph is not None:
            return []
        returned = returned.update
        if _is_pairs(returned):
            return [(key, value) for key, value in returned if key in schema.names]
    if returned is None:
        return []
    found = schema.keys_of(returned)
    if found is not None:
        return [(key, value) for key, value in found.items() if key in schema.names]
    if isinstance(returned, list | tuple):
        return [pair for one in returned for pair in pairs_written(schema, one)]
    return list((_annotated(schema, returned) or {}).items())


def writes_of(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What was written, by key; what was written to one key several times as ``{"$writes": […]}``."""
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {
        key: values[0] if len(values) == 1 else {"$writes": values} for key, values in found.items()
    }
