"""What is called in a node's place when all its attempts have failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Command

if TYPE_CHECKING:
    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]
ACall = Callable[[Any, "Context"], Awaitable[Any]]


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


class Relief:
    """What takes over: a fallback returns what the node would, a handler also says where to go on."""

    __slots__ = ("call", "is_async", "is_handler")

    def __init__(self, call: Call, *, is_async: bool, is_handler: bool) -> None:
        self.call = call
        self.is_async = is_async
        self.is_handler = is_handler

    def read(self, returned: Any) -> Any:
        """What the engine is given of what it returned."""
        return Handled.of(returned) if self.is_handler else returned


def with_relief(call: Call, relief: Relief) -> Call:
    """Wrap a sync node's call, where what takes over is sync too."""

    def run(state: Any, ctx: Context) -> Any:
        if ctx.relieved is None:
            return call(state, ctx)
        return relief.read(relief.call(state, ctx))

    return run


def with_arelief(call: Call, relief: Relief, *, is_async: bool) -> ACall:
    """Wrap a node's call, where it or what takes over is async."""

    async def run(state: Any, ctx: Context) -> Any:
        if ctx.relieved is None:
            returned = call(state, ctx)
            return await returned if is_async else returned
        returned = relief.call(state, ctx)
        if relief.is_async:
            returned = await returned
        return relief.read(returned)

    return run
