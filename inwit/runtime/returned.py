"""What a node returned, kept with the thread: updates and ways on, lossless."""

from __future__ import annotations

from typing import Any

from inwit.runtime.commands import Command, Send
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
        return ["command", _plain(returned.update), goto, returned.graph]
    if isinstance(returned, list | tuple):
        return ["many", [_plain(one) for one in returned]]
    return ["one", returned]


def _built(kept: Any) -> Any:
    if kept[0] == "command":
        goto = [Send(one[1], one[2]) if isinstance(one, list) else one for one in kept[2]]
        return Command(update=_built(kept[1]), goto=goto, graph=kept[3])
    return [_built(one) for one in kept[1]] if kept[0] == "many" else kept[1]
