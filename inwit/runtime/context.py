"""What a node may know and do besides reading its state: `ctx`.

A node that has a parameter named ``ctx`` is given one; code further down finds the same object by
`current()`. One context serves the sequential path of an execution, each parallel branch has its
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from inwit.runtime.record import Recording
from inwit.runtime.serial import freeze

if TYPE_CHECKING:
    import asyncio

    from inwit.runtime.capture.client import Messages

NEVER_NS = 1 << 62
"""A monotonic time that never comes."""


class Node(Protocol):
    """What a context needs to know of the running node."""

    name: str
    is_async: bool
    limit_ns: int


class _Nowhere:
    name = ""
    is_async = False
    limit_ns = NEVER_NS


NOWHERE: Node = _Nowhere()
_current: ContextVar[Context | None] = ContextVar("inwit_context", default=None)


def current() -> Context | None:
    """The context of the node that runs here, or None outside of a node."""
    return _current.get()


class Context:
    """The running node's place in the record, and what it may call."""

    # Made once per execution, so that what is seldom set costs nothing: defaults are the class's.
    at: Node = NOWHERE
    """The running node; the engine sets it."""
    visit = 0
    attempt = 1
    is_closed = False
    """True when the node was given up: what it still emits is not heard."""
    write: Callable[[Any], None] | None = None
    """Where a stream of mode ``custom`` reads."""
    task: asyncio.Task[Any] | None = None
    branches: Sequence[Context] = ()
    """The contexts of the step's branches, while several run."""
    started_ns = 0
    """When the running attempt began, on the monotonic clock; 0 while none runs."""
    deadline_ns = NEVER_NS
    budget_s: float | None = None
    """The seconds that the execution may take, where `deadline_ns` says until when."""
    timed_out: Exception | None = None
    """Set by the watchdog when it cancels `task`."""

    def __init__(
        self, recording: Recording, thread_id: str, config: Mapping[str, Any], store: Any
    ) -> None:
        self.recording = recording
        """Where events go; an `Unrecorded` one keeps nothing."""
        self.thread_id = thread_id
        self.config = config
        self.store = store

    @property
    def node(self) -> str:
        """The name of the running node."""
        return self.at.name

    @property
    def is_async(self) -> bool:
        """Whether the running node is a coroutine function."""
        return self.at.is_async

    @property
    def execution_id(self) -> str:
        """The execution that runs here."""
        return self.recording.execution_id

    def fork(self, node: Node, visit: int) -> Context:
        """The context of one branch of a step."""
        branch = Context(self.recording, self.thread_id, self.config, self.store)
        branch.at, branch.visit, branch.write = node, visit, self.write
        return branch

    def given(self, name: str) -> Any:
        """What a node's parameter of that name is given."""
        if name == "ctx":
            return self
        if name == "writer":
            return self.stream
        return self.config if name == "config" else self.store

    def stream(self, data: Any) -> None:
        """Write to the readers of the stream mode ``custom``, and into the record."""
        self.emit("custom", name="", data=freeze(data))
        if self.write is not None:
            self.write(data)

    def emit(self, type_name: str, **fields: Any) -> None:
        """Record an event of the running node."""
        if not self.is_closed:
            self.recording.emit(type_name, self.node, self.visit, self.attempt, fields)

    def llm(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        stream: bool = False,
        **parameters: Any,
    ) -> Any:
        """Call a model of an OpenAI-compatible server and give its `Reply`.

        An async node awaits it. `messages` is a list of OpenAI's messages or the user's text. What
        is not given is read from ``OPENAI_MODEL``, ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``;
        `timeout_s` (120) is for each wait, all other `parameters` go to the server. With `stream`
        the text is recorded as it comes, and the whole reply given at the end.

        Raises:
            ModelCallError: The server refused, could not be reached or gave no usable answer.
        """
        from inwit.runtime.capture import calls

        return calls.llm(
            self,
            messages,
            model=model,
            base_url=base_url,
            api_key=api_key,
            stream=stream,
            **parameters,
        )

    def tool(self, function: str | Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function and record the call under the function's name.

        A coroutine function gives an awaitable. A name is looked up among the functions in
        ``config["configurable"]["tools"]``.

        Raises:
            UnknownToolError: There is no tool of that name. Whatever the function raises is raised.
        """
        from inwit.runtime.capture import calls

        return calls.tool(self, function, *args, **kwargs)
