"""What a graph was compiled with, and how to opt out of its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

import msgspec

from inwit.errors import MalformedInputError, nearest
from inwit.runtime.checkpoints import Checkpointer
from inwit.runtime.checkpoints.base import Durability
from inwit.runtime.manifest import Source
from inwit.runtime.policies import NO_LIMITS, NO_RETRY, Limits, RetryPolicy

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph
    from inwit.runtime.program import Program
    from inwit.runtime.state import StateSchema


Scheduling = Literal["steps", "dataflow"]
"""When a node starts: with all that are ready in the same step, or when its own inputs are there."""


def check_scheduling(name: Scheduling) -> Scheduling:
    """Give a `Scheduling` back, and refuse what is none.

    Raises:
        MalformedInputError: It is none.
    """
    known = get_args(Scheduling)
    if name not in known:
        raise MalformedInputError(f"No scheduling {name!r}.", hint=nearest(name, known))
    return name


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a graph was compiled with."""

    name: str
    source: Source
    limits: Limits
    retry: RetryPolicy
    checkpointer: Checkpointer | bool | None = None
    """None is the default: in memory, or the parent's; True is the parent's, kept from call to call;
    False is none at all."""
    store: Any = None
    cache: Any = None
    budget: Any = None
    """A `Budget`."""
    middleware: tuple[Any, ...] = ()
    durability: Durability = "async"
    scheduling: Scheduling = "steps"
    metrics: bool = True
    introspection: bool = True
    metadata: dict[str, Any] = {}
    context_schema: Any = None
    interrupt_before: frozenset[int] = frozenset()
    interrupt_after: frozenset[int] = frozenset()
    is_langgraph: bool = False
    """Whether the defaults are LangGraph's."""
    debug: bool = False
    """Whether calls print updates and values."""


class OptingOut:
    """The ways to the same graph without one of its defaults."""

    schema: StateSchema
    program: Program
    options: Options
    builder: StateGraph[Any]
    _registration: Any
    programs: Any

    def _without(self, **changes: Any) -> Self:
        options = msgspec.structs.replace(self.options, **changes)
        program = self.program if self.programs is None else self.programs.original
        made: Self = cast(Any, type(self))(self.schema, program, options, self.builder)
        return made

    def without_checkpointing(self) -> Self:
        """The same graph, keeping no checkpoints."""
        return self._without(checkpointer=False)

    def without_retries(self) -> Self:
        """The same graph, where only nodes with a policy of their own are tried again."""
        return self._without(retry=NO_RETRY)

    def without_metrics(self) -> Self:
        """The same graph, without latency histograms."""
        return self._without(metrics=False)

    def without_limits(self) -> Self:
        """The same graph, without time-outs and with a recursion limit of 10,007."""
        return self._without(limits=NO_LIMITS)

    def without_introspection(self) -> Self:
        """The same graph, neither registered nor recorded."""
        if self._registration is not None:
            self._registration.cancel()
        return self._without(introspection=False)
