"""What a node may know and do besides reading its state: `ctx`.

A node that has a parameter named ``ctx`` is given one; code further down finds the same object by
`current()`. The execution itself is the context of its sequential path; each parallel branch has
its own (`inwit.runtime.branches`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Protocol

from inwit.runtime.call_ids import TOLD, with_id
from inwit.runtime.progress import Progress, task_id
from inwit.runtime.record import Recording
from inwit.runtime.serial import freeze

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

    from inwit.runtime.capture.client import Messages
    from inwit.runtime.engine import Execution
    from inwit.runtime.functional.calls import Scope
    from inwit.runtime.holding import Hold
    from inwit.runtime.policies.flow import Turns
    from inwit.runtime.policies.timeouts import TimeoutPolicy

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
    execution: Execution
    recording: Recording
    """Where events go; an `Unrecorded` one keeps nothing."""
    execution_id: str
    """The execution that runs here."""
    thread_id: str
    config: Mapping[str, Any]
    at: Node = NOWHERE
    """The running node; the engine sets it."""
    visit: int = 0
    attempt: int = 1
    key = ""
    """The running task's key, where it is not the node's name."""
    pushed: list[Any] | None = None
    """Updates that the running node's code gave before it returned; see `push_message`."""
    is_closed = False
    """True when the node was given up: what it still emits is not heard."""
    task: asyncio.Task[Any] | None = None
    branches: Sequence[Context] = ()
    """The contexts of the step's branches, while several run."""
    started_ns: int = 0
    """When the running attempt began, on the monotonic clock; 0 while none runs."""
    deadline_ns = NEVER_NS
    hold: Hold | None = None
    """Set where it was asked to wait between two steps."""
    budget_s: float | None = None
    """The seconds that the execution may take, where `deadline_ns` says until when."""
    timed_out: Exception | None = None
    """Set by the watchdog when it cancels `task`."""
    _progress: Progress | None = None
    configs: Any = None
    """Versions of nodes' configurations as they were when the execution began, once one was read."""
    tape: Any = None
    """What is given instead of clock, chance, tools and models where an execution is replayed."""
    is_cached = False
    """True when a visit's result came from the cache, until the stream has told it."""
    scope: Scope | None = None
    """The tasks that were called here."""
    spoken: tuple[str, ...] = ()
    """Answers of models that came as tokens of the stream, and that the node may return as messages."""
    given_up: tuple[Node, int, BaseException, str] | None = None
    """What took over from a node, in which visit, why, and the node's name; see `relieved`."""
    first_ns = 0
    """When the visit's first attempt began, where that failed."""
    told_calls: dict[str, list[str]] | None = None
    """Calls that were told of by hand, without an id, and have not ended."""
    time_limits: TimeoutPolicy | None = None
    """The limits of one attempt, in place of the node's own, where it was sent to with some."""
    turns: Turns | None = None
    """How long the running attempt has waited for its turn, once it has."""
    progressed_ns = 0
    beaten_ns = 0
    """When the node last gave a sign, of any kind or by ``heartbeat()``, on the monotonic clock."""

    @property
    def due_ns(self) -> int:
        """Until when it may run, on the monotonic clock; `deadline_ns` is 0 where it is to wait."""
        return self.deadline_ns if self.hold is None else self.hold.due_ns

    @property
    def node(self) -> str:
        """The name of the running node."""
        return self.at.name

    @property
    def is_async(self) -> bool:
        """Whether the running node is a coroutine function."""
        return self.at.is_async

    @property
    def store(self) -> Any:
        """The store that the graph was compiled with."""
        return self.execution.store

    @property
    def runtime_context(self) -> Any:
        """What ``invoke(..., context=…)`` was given."""
        return self.execution.given_context

    @property
    def node_config(self) -> Mapping[str, Any]:
        """The running node's configuration, as `CompiledGraph.configure_node` has set it."""
        from inwit.runtime.node_config import config_for

        return config_for(self)

    @property
    def progress(self) -> Progress:
        """How far the running task has come."""
        found, key, visit = self._progress, self.key or self.node, self.visit
        if found is None or found.visit != visit or found.key != key:
            found = self._progress = Progress(key, visit)
        return found

    @property
    def task_id(self) -> str:
        """The running task's id: the same in every process that resumes at this step."""
        execution = self.execution
        return task_id(self.thread_id, execution.ns, execution.here, self.key or self.node)

    @property
    def step_key(self) -> str:
        """An idempotency key for the world outside: the same when the node runs again on resume."""
        progress = self.progress
        return f"{self.task_id}:{sum(progress.names.values())}"

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why the running task runs, as LangGraph tells it."""
        return (f"branch:to:{self.node}",)

    @property
    def path(self) -> tuple[Any, ...]:
        """Where in its step the running task runs, as LangGraph tells it."""
        return ("__pregel_pull", self.node)

    def worked_ns(self, since_ns: int, now_ns: int) -> int:
        """How long an attempt that began then has run, without its waits for its turn."""
        passed, turns = now_ns - since_ns, self.turns
        return passed if turns is None else passed - turns.waited_ns(since_ns, now_ns)

    def rest(self) -> None:
        """Note that no attempt runs: what follows is a wait."""
        self.started_ns = 0

    @property
    def relieved(self) -> BaseException | None:
        """Why what runs here took over from a node; None where it is a node itself."""
        found = self.given_up
        if found is None or found[0] is not self.at or found[1] != self.visit:
            return None
        return found[2]

    def given(self, name: str) -> Any:
        """What a node's parameter of that name is given."""
        if name == "ctx":
            return self
        if name == "writer":
            return self.stream
        if name == "config":
            return self.full_config
        if name == "previous":
            return self.execution.previous
        if name == "error":
            from inwit.runtime.policies.relief import NodeError

            error, found = self.relieved, self.given_up
            return None if error is None or found is None else NodeError(found[3], error)
        if name == "runtime":
            from inwit.runtime.runtime import Runtime

            return Runtime.of(self)
        return self.store

    @property
    def full_config(self) -> dict[str, Any]:
        """The config as a node is given it: the caller's, and where it runs."""
        execution = self.execution
        configurable = {
            **self.config.get("configurable", {}),
            "thread_id": self.thread_id,
            "checkpoint_ns": execution.ns_of(self) if execution.keeps_places else execution.ns,
        }
        policy = getattr(self.at, "policy", None)
        metadata = {
            **self.config.get("metadata", {}),
            **({} if policy is None else policy.metadata),
            "langgraph_node": self.node,
            "langgraph_step": execution.base + execution.steps,
            "langgraph_triggers": self.triggers,
            "langgraph_path": self.path,
            "langgraph_checkpoint_ns": execution.ns_of(self),
            "thread_id": self.thread_id,
        }
        found = {
            **self.config,
            "configurable": configurable,
            "metadata": metadata,
            "recursion_limit": execution.limit,
        }
        if "callbacks" in found:
            from inwit.runtime.capture.langchain_config import callbacks_here

            found["callbacks"] = callbacks_here(found["callbacks"])
        return found

    def stream(self, data: Any) -> None:
        """Write to the readers of the stream mode ``custom``, and into the record."""
        if self.is_closed:
            return
        self.emit("custom", name="", data=freeze(data))
        sink = self.execution.output
        if sink is not None:
            sink.put("custom", data)

    def emit(self, type_name: str, **fields: Any) -> None:
        """Record an event of the running node; those of a call belong together without a `call_id` too."""
        if not self.is_closed:
            self.progressed_ns = monotonic_ns()
            if type_name in TOLD and "call_id" not in fields:
                fields = with_id(self, type_name, fields)
            self.recording.add_event(type_name, self.node, self.visit, self.attempt, fields)

    def score(self, name: str, value: float) -> None:
        """Record how good something is, such as an answer's rating: a figure of the running node."""
        self.emit("custom", name="score", data={"score": name, "value": float(value)})

    def now(self) -> datetime:
        """The time, in UTC. It is recorded: a replay gives what it was."""
        from inwit.runtime.chance import now

        return now(self)

    def random(self) -> float:
        """A number of chance from 0 up to 1. It is recorded: a replay gives what it was."""
        from inwit.runtime.chance import chance

        return chance(self)

    def step(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function once for this task, also where the node runs again on resume.

        What it returns is kept with the thread before this returns; a node that was interrupted or
        whose process died afterwards is given the kept value instead of a second call. Awaitable:
        ``await ctx.step("charge", charge, order)``.

        Raises:
            UnserialisableError: The function returned what cannot be kept.
        """
        from inwit.runtime.memos import once

        return once(self, name, function, args, kwargs)

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
