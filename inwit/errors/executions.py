"""Errors of what happens while a graph runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from inwit.errors.base import InwitError, nearest, shorten


class ExecutionError(InwitError):
    """Something went wrong while a graph ran."""

    code = "execution.error"
    state: dict[str, Any] | None = None
    """How far an execution came, where it reached a limit."""


class InvalidUpdateError(ExecutionError):
    """A node's update cannot be merged into the state."""

    code = "execution.invalid_update"
    status = 422


class InvalidStateError(InvalidUpdateError):
    """An input or a state class cannot be used."""

    code = "execution.invalid_state"
    status = 422


class EmptyInputError(InvalidStateError):
    """There is no input, and nothing to resume."""

    code = "execution.empty_input"

    def __init__(self) -> None:
        super().__init__(
            "There is no input and nothing to resume.",
            hint="Give a dict, or the thread_id of an execution that stopped.",
        )


class IncompleteStateError(InvalidStateError, TypeError):
    """A node's state class cannot be made of the keys that have a value."""

    code = "execution.incomplete_state"


class InvalidRouteError(InvalidUpdateError, ValueError):
    """A router gave an answer that leads nowhere."""

    code = "execution.invalid_route"

    def __init__(self, node: str, answer: object, known: Iterable[str]) -> None:
        super().__init__(
            f"The router after {node!r} answered {shorten(answer)}, which leads nowhere.",
            hint=nearest(str(answer), known),
        )


class UnmappedAnswerError(InvalidRouteError, KeyError):
    """A router gave an answer that its path map lacks."""

    code = "execution.unmapped_answer"


class GraphRecursionError(ExecutionError, RecursionError):
    """An execution took more steps than its recursion limit."""

    code = "execution.recursion_limit"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"The execution took {limit} steps without reaching an end.",
            hint='Look for a loop without a way out, or raise config={"recursion_limit": …}.',
        )


class NodeTimeoutError(ExecutionError, TimeoutError):
    """A node ran longer than it may, or, where `kind` is ``idle``, showed no progress for so long.

    `timeout` is the limit that was reached, `elapsed` how long the attempt had run.
    """

    code = "execution.node_timeout"

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"] = "run",
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        self.node = node
        self.elapsed = elapsed
        self.kind = kind
        self.idle_timeout = idle_timeout
        self.run_timeout = elapsed if kind == "run" and run_timeout is None else run_timeout
        self.timeout: float = (idle_timeout if kind == "idle" else self.run_timeout) or elapsed
        what = "made no progress for" if kind == "idle" else "ran longer than"
        super().__init__(
            f"The node {node!r} {what} {self.timeout:g} s.",
            hint="Make it faster or give it a larger timeout_s.",
        )


class ExecutionTimeoutError(ExecutionError, TimeoutError):
    """An execution ran longer than it may."""

    code = "execution.timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The execution ran longer than {limit_s:g} s.",
            hint='Raise config={"timeout_s": …} or compile with another limit.',
        )


class ExecutionCancelledError(ExecutionError):
    """An execution was stopped from outside, by ``cancel`` or because its stream's reader left."""

    code = "execution.cancelled"
    status = 409

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The execution was cancelled: {reason}",
            hint="Invoke it again; with a thread_id and input None it goes on where it stopped.",
        )


class ModelCallError(ExecutionError):
    """A model's server refused a call or answered what cannot be used."""

    code = "execution.model_call"
    status = 502

    def __init__(self, message: str, *, status_code: int | None = None, hint: str = "") -> None:
        self.status_code = status_code
        """The HTTP status that the server gave; 429 and 5xx are tried again."""
        super().__init__(message, hint=hint)


class ModelUnreachableError(ModelCallError, ConnectionError):
    """A model's server could not be reached or did not answer in time; this is tried again."""

    code = "execution.model_unreachable"


class InvalidMessageError(ExecutionError, ValueError, NotImplementedError):
    """Something is no message, or cannot be merged into a conversation."""

    code = "execution.invalid_message"
    status = 422


class InvalidJoinError(ExecutionError, ValueError):
    """It is asked to wait for more, or to run fewer, at once than there can be."""

    code = "execution.invalid_join"
    status = 422


class InvalidToolResultError(ExecutionError, ValueError):
    """A tool gave what cannot be put into the state, or left a model's call unanswered."""

    code = "execution.invalid_tool_result"
    status = 422


class InvalidToolInputError(ExecutionError, ValueError):
    """A tool cannot be called with what its node was given."""

    code = "execution.invalid_tool_input"
    status = 422


class MissingStoreError(ExecutionError, ValueError):
    """A tool needs the graph's store, and the graph has none."""

    code = "execution.missing_store"
    status = 409

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"The tool {tool!r} needs a store.", hint="Compile the graph with compile(store=…)."
        )


class ChatHistoryError(ExecutionError, ValueError):
    """A conversation holds calls of tools that were never answered."""

    code = "execution.chat_history"
    status = 422

    def __init__(self, calls: Sequence[object]) -> None:
        super().__init__(
            "Found AIMessages with tool_calls that do not have a corresponding ToolMessage. "
            f"Here are the first few of those tool calls: {list(calls[:3])}.",
            hint="Add a ToolMessage for each: models refuse a call without its result.",
        )


class StructuredAnswerError(ExecutionError, ValueError):
    """A model's answer does not fit the schema that it was asked for."""

    code = "execution.structured_answer"
    status = 502

    def __init__(self, name: str, text: str, reason: str) -> None:
        super().__init__(
            f"The model answered {shorten(text)}, which is no {name}: {reason}.",
            hint="Make the schema simpler, or say in a prompt what each field means.",
        )


class UnknownWorkerError(ExecutionError, LookupError):
    """A supervisor's chooser names a worker that the team lacks."""

    code = "execution.unknown_worker"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"No worker {name!r}; there are {', '.join(names)}.", hint=nearest(name, names)
        )


class UnknownToolError(ExecutionError):
    """A node calls a tool by a name that nothing has."""

    code = "execution.unknown_tool"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No tool {shorten(name)}.", hint=nearest(name, known))


class CheckpointingOffError(ExecutionError, ValueError, RuntimeError):
    """A saved state is asked for where none is kept."""

    code = "execution.checkpointing_off"
    status = 409

    def __init__(self, thread_id: object) -> None:
        if thread_id is None:
            message, hint = "No thread is named.", 'Give {"configurable": {"thread_id": …}}.'
        else:
            message, hint = "No checkpointer set: this graph keeps nothing.", "Compile it with one."
        super().__init__(message, hint=hint)


class UnknownCheckpointError(ExecutionError):
    """A thread has no such checkpoint."""

    code = "execution.unknown_checkpoint"
    status = 404

    def __init__(self, thread_id: str, checkpoint_id: str) -> None:
        super().__init__(
            f"The thread {shorten(thread_id)} has no checkpoint {shorten(checkpoint_id)}.",
            hint="get_state_history lists them.",
        )


class UnknownExecutionError(ExecutionError):
    """No execution has that id."""

    code = "execution.unknown"
    status = 404

    def __init__(self, execution_id: str, *, matches: Sequence[str] = ()) -> None:
        if matches:
            message = f"{len(matches)} executions start with {shorten(execution_id)}."
            hint = f"Give more digits: {', '.join(matches[:5])}."
        else:
            message = f"No execution {shorten(execution_id)}."
            hint = "`inwit executions list` shows what there is."
        super().__init__(message, hint=hint)


class ExecutionOverError(ExecutionError):
    """An execution that has ended is to be steered."""

    code = "execution.over"
    status = 409

    def __init__(self, execution_id: str, status: str, action: str) -> None:
        super().__init__(
            f"The execution {execution_id} is {status}: it cannot {action}.",
            hint="Invoke the graph again; with its thread_id it goes on with the thread's state.",
        )


class StaleExecutionError(ExecutionError):
    """An execution has moved on since whoever steers it looked."""

    code = "execution.stale"
    status = 409

    def __init__(self, execution_id: str, expected: int, found: int) -> None:
        super().__init__(
            f"The execution {execution_id} is at event {found}, not at {expected}.",
            hint="Look at it again, then ask with its seq now.",
        )


class NotControllableError(ExecutionError):
    """No process can do what is asked of an execution."""

    code = "execution.not_controllable"
    status = 409

    def __init__(self, execution_id: str, reason: str) -> None:
        super().__init__(
            f"The execution {execution_id} cannot be steered: {reason}.",
            hint="Serve its graph, `inwit serve FILE:GRAPH`, with a checkpointer that outlives a"
            " process, such as SqliteCheckpointer.",
        )


class AnswerNeededError(ExecutionError, ValueError):
    """An execution is resumed without the answer that it waits for, or with one it did not ask for."""

    code = "execution.answer_needed"
    status = 422

    def __init__(self, execution_id: str, hint: str) -> None:
        super().__init__(f"The execution {execution_id} cannot be resumed so.", hint=hint)


class InvalidAnswerError(ExecutionError, ValueError):
    """An answer to an interrupt does not fit its schema; the execution still waits."""

    code = "execution.invalid_answer"
    status = 422

    def __init__(self, answer: object, why: str, schema: object) -> None:
        super().__init__(
            f"The answer {shorten(answer)} is refused: {why}.",
            hint=f"The execution still waits for an answer of the schema {shorten(schema)}.",
        )


class OpenQuestionsError(ExecutionError, RuntimeError):
    """Several interrupts wait, and an answer does not say which one it is for."""

    code = "execution.open_questions"
    status = 409

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(
            f"When there are multiple pending interrupts, you must specify the interrupt id when "
            f"resuming: {len(ids)} wait.",
            hint=f"Give Command(resume={{id: answer}}) for {', '.join(ids)}.",
        )


class NoParentError(InvalidUpdateError):
    """A node commands the parent of a graph that has none."""

    code = "execution.no_parent"

    def __init__(self, node: str) -> None:
        super().__init__(
            f"The node {node!r} commands a parent graph, and there is none.",
            hint="Invoke this graph as a node of another, or command the graph itself.",
        )


class UndeclaredRouteError(InvalidUpdateError):
    """A node leads to one that it was not known to lead to, where nodes do not wait for each other."""

    code = "execution.undeclared_route"

    def __init__(self, source: str, target: str) -> None:
        super().__init__(
            f"{source!r} leads to {target!r}, of which dataflow scheduling was not told.",
            hint="Name it in add_node(destinations=…), in the path map, or in a Literal return type.",
        )


class UnreplayableError(ExecutionError):
    """An execution cannot be run again from its record."""

    code = "execution.unreplayable"
    status = 409

    def __init__(self, execution_id: str, reason: str, hint: str = "") -> None:
        super().__init__(f"The execution {execution_id} cannot be replayed: {reason}", hint=hint)


class UnrecordedCallError(ExecutionError):
    """A replayed node asks what it did not ask when it was recorded."""

    code = "execution.unrecorded_call"

    def __init__(self, node: str, visit: int, what: str) -> None:
        super().__init__(
            f"The node {node!r} calls {what} in visit {visit}, which the record has no answer to.",
            hint="Replay with live=True to let such calls happen.",
        )


class ReplayedError(ExecutionError):
    """A node, a tool or a model failed when it was recorded, and so it does in the replay."""

    code = "execution.replayed"

    def __init__(self, failure: Any) -> None:
        self.failure = failure
        super().__init__(f"{failure.type}: {failure.message}", hint="It is as it was recorded.")
