"""What a node is handed besides its state: the runtime of its execution.

A node that has a parameter named ``runtime`` is given one; code further down calls `get_runtime`,
`get_config`, `get_store` or `get_stream_writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from inwit.errors import OutsideNodeError
from inwit.runtime.context import Context, current

if TYPE_CHECKING:
    from inwit.runtime.memory import BaseStore

C = TypeVar("C")
StreamWriter = Callable[[Any], None]
"""What puts a value into streams of mode `custom`: a node's parameter ``writer``, or `get_stream_writer()`."""


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Where in an execution a node runs; `node_first_attempt_time` is seconds since 1970."""

    checkpoint_id: str
    """The checkpoint that the running step follows."""
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    """The execution's id."""
    node_attempt: int = 1
    """From 1; each retry is one more."""
    node_first_attempt_time: float | None = None

    def patch(self, **overrides: Any) -> ExecutionInfo:
        """The same with other fields."""
        return replace(self, **overrides)


class RunControl:
    """Asks an execution to stop at its next step. Safe to use from any thread; for one execution."""

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """Ask it to stop, and say why."""
        self._reason = reason

    @property
    def drain_requested(self) -> bool:
        """Whether it was asked to stop."""
        return self._reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why, where it was."""
        return self._reason


def _unheard(_: Any) -> None:
    """Where nobody reads what is written."""


def _unnoticed() -> None:
    """Where no time-out waits for a sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[C]):
    """What the execution around a node was given and can do."""

    context: C = None  # type: ignore[assignment]
    """What ``invoke(..., context=…)`` was given: dependencies, not state."""
    store: BaseStore | None = None
    """The graph's long-term memory."""
    stream_writer: Callable[[Any], None] = _unheard
    """Writes to the readers of the stream mode ``custom``."""
    heartbeat: Callable[[], None] = _unnoticed
    """Tells an `idle_timeout` that there is progress."""
    previous: Any = None
    """What the thread's last execution returned, in an ``@entrypoint``."""
    execution_info: ExecutionInfo | None = None
    server_info: Any = None
    """None: no server of LangGraph's runs it."""
    control: RunControl | None = None

    @classmethod
    def of(cls, ctx: Context) -> Runtime[Any]:
        """The runtime of the node that runs in a context."""
        return cls(
            context=ctx.runtime_context,
            store=ctx.store,
            stream_writer=ctx.stream,
            heartbeat=_Heart(ctx),
            previous=ctx.execution.previous,
            execution_info=_info(ctx),
            control=getattr(ctx.execution, "control", None),
        )

    def merge(self, other: Runtime[C]) -> Runtime[C]:
        """The same with what another has of its own."""
        return replace(
            self,
            context=other.context or self.context,
            store=other.store or self.store,
            stream_writer=_either(other.stream_writer, self.stream_writer, _unheard),
            heartbeat=_either(other.heartbeat, self.heartbeat, _unnoticed),
            previous=_either(other.previous, self.previous, None),
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
        )

    def override(self, **overrides: Any) -> Runtime[C]:
        """The same with other fields."""
        return replace(self, **overrides)

    def patch_execution_info(self, **overrides: Any) -> Runtime[C]:
        """The same with other fields of its `execution_info`.

        Raises:
            RuntimeError: It has none.
        """
        if self.execution_info is None:
            raise RuntimeError("This runtime has no execution_info to change.")
        return replace(self, execution_info=self.execution_info.patch(**overrides))

    @property
    def drain_requested(self) -> bool:
        """Whether the execution was asked to stop."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why it was asked to stop."""
        return None if self.control is None else self.control.drain_reason


DEFAULT_RUNTIME: Runtime[Any] = Runtime()


class _Heart:
    """Tells one context of progress; equal for equal contexts, so that runtimes compare."""

    __slots__ = ("ctx",)

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def __call__(self) -> None:
        self.ctx.beaten_ns = monotonic_ns()


def _either(own: Any, other: Any, nothing: Any) -> Any:
    return other if own is nothing else own


def _info(ctx: Context) -> ExecutionInfo:
    execution = ctx.execution
    begun = ctx.first_ns if ctx.attempt > 1 else ctx.started_ns
    return ExecutionInfo(
        checkpoint_id=execution.here,
        checkpoint_ns=execution.ns_of(ctx),
        task_id=ctx.task_id,
        thread_id=ctx.thread_id,
        run_id=str(ctx.config.get("run_id") or ctx.execution_id),
        node_attempt=ctx.attempt,
        node_first_attempt_time=(begun + execution.anchor_ns) / 1e9,
    )


def _here(what: str) -> Context:
    ctx = current()
    if ctx is None:
        raise OutsideNodeError(what)
    return ctx


def get_runtime(context_schema: type[C] | None = None) -> Runtime[C]:  # noqa: ARG001 - LangGraph's
    """The runtime of the node that runs here. `context_schema` is for type checkers.

    Raises:
        OutsideNodeError: No node runs here.
    """
    return Runtime.of(_here("get_runtime"))


def get_config() -> dict[str, Any]:
    """The config of the node that runs here: the caller's, and where it runs.

    Raises:
        OutsideNodeError: No node runs here.
    """
    return _here("get_config").full_config


def get_store() -> Any:
    """The long-term memory of the graph whose node runs here, or None.

    Raises:
        OutsideNodeError: No node runs here.
    """
    return _here("get_store").store


def get_stream_writer() -> Callable[[Any], None]:
    """What writes to the readers of the stream mode ``custom``.

    Raises:
        OutsideNodeError: No node runs here.
    """
    return _here("get_stream_writer").stream
