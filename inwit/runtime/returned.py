"""What a node returned, kept with the thread: updates and ways on, lossless."""

from __future__ import annotations

from typing import Any

from inwit.runtime.commands import Command, Overwrite, Send
from inwit.runtime.policies.relief import Handled
from inwit.runtime.serial import freeze, thaw


def pack_returned(returned: Any) -> Any:
    """Freeze what a node returned.

    Raises:
        UnserialisableError: It holds what cannot be kept.
    """
    return freeze(_plain(returned), strict=True)


def unpack_returned(frozen: Any) -> Any:
    """Give back what `pack_returned` froze."""
    return _built(thaw(frozen))


def _plain(returned: Any) -> Any:
    if isinstance(returned, Command):
        goto = [
            ["send", one.node, one.arg] if isinstance(one, Send) else one
            for one in returned.targets()
        ]
        kind = "only" if returned.is_only else "command"
        return [kind, _plain(returned.update), goto, returned.graph]
    if isinstance(returned, Overwrite):
        return ["overwrite", returned.value]
    if isinstance(returned, list | tuple) and any(_is_odd(one) for one in returned):
        return ["many", [_plain(one) for one in returned]]
    if type(returned) is dict and any(isinstance(one, Overwrite) for one in returned.values()):
        return ["keys", [[key, _plain(one)] for key, one in returned.items()]]
    return ["one", returned]


def _is_odd(one: Any) -> bool:
    """Whether a part of what was returned is none that is kept as it is."""
    return isinstance(one, Command) or (type(one) is dict and _plain(one)[0] != "one")


def _built(kept: Any) -> Any:
    kind, value = kept[0], kept[1]
    if kind in ("command", "only"):
        goto = [Send(one[1], one[2]) if isinstance(one, list) else one for one in kept[2]]
        made: Command[Any] = Command(update=_built(value), goto=goto, graph=kept[3])
        return Handled.of(made) if kind == "only" else made
    if kind == "overwrite":
        return Overwrite(value)
    if kind == "keys":
        return {key: _built(one) for key, one in value}
    return [_built(one) for one in value] if kind == "many" else value
