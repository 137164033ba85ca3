"""What is called in a node's place when all its attempts have failed.

It is recorded as what it is: a visit of its own, to which an edge labelled ``failed`` leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Command

if TYPE_CHECKING:
    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]


@dataclass(frozen=True, slots=True)
class NodeError:
    """What an error handler is told: a parameter ``error`` of it is given this."""

    node: str
    """The node that failed."""
    error: BaseException
    """What its last attempt raised."""


class Handled(Command[Any]):
    """What an error handler gave: it leads where it says and nowhere else."""

    __slots__ = ()
    is_only = True

    @classmethod
    def of(cls, returned: Any) -> Handled:
        """Make one of what the handler returned: an update, a command, or nothing."""
        if isinstance(returned, Command):
            return cls(
                graph=returned.graph, update=returned.update, resume=returned.resume,
                goto=returned.goto,
            )  # fmt: skip
        return cls(update=returned)


HANDLER, FALLBACK = "__error_handler__", "__fallback__"
"""What stands before a node's name in the name of what takes over from it."""


def relief_name(node: str, *, is_handler: bool) -> str:
    """The name by which the record has what takes over from a node."""
    return f"{HANDLER if is_handler else FALLBACK}{node}"


def told_name(name: str) -> str:
    """A name as a stream tells it: what a fallback gave is told as the node's own."""
    return name.removeprefix(FALLBACK)


def handling(call: Call, *, is_async: bool) -> Call:
    """Wrap a handler of errors: it also says where to go on, and nothing else leads on."""
    if not is_async:
        return lambda state, ctx: Handled.of(call(state, ctx))

    async def run(state: Any, ctx: Context) -> Any:
        return Handled.of(await call(state, ctx))

    return run
