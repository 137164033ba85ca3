"""What a node may say beside its update: where to go, whom to send to, and that it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from inwit.errors import InwitError, NoParentError

N = TypeVar("N")
_NO_ID: Final = "placeholder-id"


@dataclass(init=False, repr=False, eq=False)  # so that a state may hold it
class Send:
    """Lead to a node with an input of its own, beside the state.

    A router or a `Command` gives several, so that a node runs once for each. `timeout` (seconds or a
    `TimeoutPolicy`) is in place of the node's own, also where a thread goes on later.

    Raises:
        ValueError: The time-out is not above 0.
    """

    __slots__ = ("arg", "node", "timeout")
    __match_args__ = ("node", "arg")
    node: str
    arg: Any
    timeout: Any

    def __init__(self, node: str, arg: Any, *, timeout: Any = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = None
        if timeout is not None:
            from inwit.runtime.policies.timeouts import TimeoutPolicy

            self.timeout = TimeoutPolicy.coerce(timeout)

    def __repr__(self) -> str:
        return f"Send(node={self.node!r}, arg={self.arg!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Send)
            and (self.node, self.timeout) == (other.node, other.timeout)
            and bool(self.arg == other.arg)
        )

    def __hash__(self) -> int:
        return hash((self.node, repr(self.arg)))


class Interrupt:
    """A value that an execution shows to a person while it waits for an answer.

    `id` names the place in the graph that waits: equal for the same node and step of a thread, in
    every process. `response_schema` is the JSON schema of the answer, or None for any.
    """

    __slots__ = ("id", "response_schema", "value")
    __match_args__ = ("value", "id")

    def __init__(self, value: Any, id: str = _NO_ID, *, response_schema: Any = None) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema

    @property
    def interrupt_id(self) -> str:
        """Another name of `id`."""
        return self.id

    def __repr__(self) -> str:
        return f"Interrupt(value={self.value!r}, id={self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interrupt) and self.value == other.value and self.id == other.id

    def __hash__(self) -> int:
        return hash((self.id, repr(self.value)))


class Adoptable:
    """A base that langchain-core's own is put in place of, where a program uses that.

    Its tools leave a `Command` as it is only if it has their base; see `inwit.prebuilt`.
    """


@dataclass(init=False, repr=False, eq=False)  # so that a state may hold it
class Command(Adoptable, Generic[N]):
    """An update and where to go on, given by a node; or what goes on with a thread, as an input.

    Args:
        graph: None is the node's own graph, `Command.PARENT` the one around it.
        update: A dict of the state's keys, an object of the state, or (key, value) pairs.
        resume: The answer to an interrupt, or a dict of answers by the interrupts' ids.
        goto: The name of a node, a `Send`, or several of them.
    """

    __slots__ = ("goto", "graph", "resume", "update")
    __match_args__ = ("graph", "update", "resume", "goto")
    graph: str | None
    update: Any
    resume: Any
    goto: Send | str | Sequence[Send | str]
    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"
    is_only: ClassVar[bool] = False
    """Whether the node's own edges are not taken beside it."""

    def __init__(
        self,
        *,
        graph: str | None = None,
        update: Any = None,
        resume: Any = None,
        goto: Send | str | Sequence[Send | str] = (),
    ) -> None:
        self.graph = graph
        self.update = update
        self.resume = resume
        self.goto = goto

    def __repr__(self) -> str:
        given = ((name, getattr(self, name)) for name in self.__match_args__)
        return f"Command({', '.join(f'{name}={value!r}' for name, value in given if value)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Command) and all(
            getattr(self, name) == getattr(other, name) for name in self.__match_args__
        )

    __hash__ = None  # type: ignore[assignment]

    def as_own(self) -> Command[N]:
        """The same command to the graph that it has reached."""
        return Command(update=self.update, goto=self.goto, resume=self.resume)

    def targets(self) -> list[Send | str]:
        """Where it leads to, as a list."""
        if isinstance(self.goto, Send | str):
            return [self.goto]
        return list(self.goto)


class Overwrite:
    """A value that replaces what a reducer would have merged it into."""

    __slots__ = ("value",)
    __match_args__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Overwrite(value={self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overwrite) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, value: Any) -> Overwrite | None:
        """Read what a node wrote to a key with a reducer, also as JSON leaves it; None for anything else."""
        if type(value) is cls:
            return value
        if type(value) is dict:
            if len(value) == 1 and _OVERWRITE in value:
                return cls(value[_OVERWRITE])
            if value.get("type") == _OVERWRITE and "value" in value:
                return cls(value["value"])
        return None


_OVERWRITE = "__overwrite__"
OVERWRITING = (Overwrite, dict)
"""Types of which a value may overwrite; to look here first costs less than to call."""


class GraphBubbleUp(InwitError):  # noqa: N818 - LangGraph's name
    """What passes through a node to the graph around it; no failure."""

    code = "execution.bubble"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__name__, hint="Let it pass: the graph handles it.")


class GraphInterrupt(GraphBubbleUp):
    """A node waits for a person; `interrupts` says for what."""

    code = "execution.interrupted"

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__()
        self.interrupts = tuple(interrupts)
        self.args = (self.interrupts,)


class GraphDrained(GraphBubbleUp):
    """An execution stopped between two steps because its `RunControl` asked for it; it waits."""

    code = "execution.drained"

    def __init__(self, reason: str = "shutdown") -> None:
        self.reason = reason
        super().__init__(f"Drained: {reason}.")
        self.hint = "Go on with invoke(None, config)."


class ParentCommand(GraphBubbleUp):
    """A command to the graph around the one that gave it."""

    code = "execution.parent_command"

    is_from_within = False
    """Whether it is for the graph whose node has raised it, by a graph that it called."""

    def __init__(self, command: Command[Any]) -> None:
        super().__init__()
        self.command = command
        self.args = (command,)


class OrphanCommand(NoParentError, ParentCommand):  # noqa: N818 - as the command is named
    """A command to a graph around the outermost one; an error of both families."""

    def __init__(self, node: str, command: Command[Any]) -> None:
        ParentCommand.__init__(self, command)
        told = NoParentError(node)
        self.message, self.hint = told.message, told.hint


def interrupt(value: Any, *, schema: Any = None, response_schema: Any = None) -> Any:
    """Wait, in a node, for a person's answer, and give it.

    The first time it ends the node and the execution waits, also through a restart; when the thread
    is resumed with ``Command(resume=…)`` the node runs again from its beginning and gets the answer
    here. Several in one node are answered in their order.

    Args:
        value: What the person is shown.
        schema: The type of the answer, such as ``bool``, a dataclass or a pydantic model, or its
            JSON schema. An answer that does not fit is refused and the execution still waits.
        response_schema: Another name of `schema`.

    Raises:
        GraphInterrupt: There is no answer yet; let it pass.
        InvalidStateError: It is called outside of a node.
    """
    from inwit.runtime.interrupts import wait_for_answer

    return wait_for_answer(value, schema if schema is not None else response_schema)
