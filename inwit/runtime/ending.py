"""How an execution ends: it has finished, it waits, it failed, it was cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import (
    BudgetExceededError,
    ExecutionCancelledError,
    ExecutionTimeoutError,
    GraphRecursionError,
    InvalidAnswerError,
    StoreError,
)
from inwit.runtime.attempts import own_timeout
from inwit.runtime.commands import OrphanCommand, ParentCommand
from inwit.runtime.context import NEVER_NS
from inwit.runtime.failures import failure_of, mark, node_of
from inwit.runtime.interrupts import Asked
from inwit.runtime.keeping import note_failure
from inwit.runtime.progress import node_of_key
from inwit.runtime.record import END, ENTER, VISIT
from inwit.runtime.serial import freeze_all
from inwit.runtime.store.controlled import note_waiting
from inwit.runtime.waits import acknowledge, durable, outlast

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


_LIMITS = (BudgetExceededError, GraphRecursionError, ExecutionTimeoutError)


async def finish(execution: Execution) -> Any:
    if execution.tasks is not None:
        await execution.tasks.settle()
    if execution.is_paused:
        status = "waiting_for_input" if execution.waiting else "paused"
        if execution.parent is None:
            note_waiting(execution)
        end(execution, status, None, "")
    else:
        end(execution, "completed", None, "")
    if execution.is_acknowledged:
        await acknowledge(execution)
    elif execution.is_paused and execution.parent is None:
        await outlast(execution)
    if execution.output is not None:
        await execution.output.ended(execution)
    if execution.is_paused and execution.parent is not None:
        refused = execution.refused
        raise Asked(execution.waiting, refused if isinstance(refused, InvalidAnswerError) else None)
    if execution.refused is not None:
        mark(execution.refused, execution.execution_id)
        raise execution.refused
    return execution.graph.result_of(execution)


async def fail(execution: Execution, error: BaseException) -> BaseException:
    """Record how the execution ended and give the error to raise."""
    error = own_timeout(execution, error)
    execution.deadline_ns = NEVER_NS  # What is over its time is not cut off once more as it ends.
    if execution.tasks is not None:
        await execution.tasks.settle(is_given_up=True)
    if isinstance(error, ParentCommand):
        if execution.parent is None:
            error = OrphanCommand(execution.node, error.command)
        else:
            error.is_from_within = True
            end(execution, "completed", None, "")
            return error
    if isinstance(error, _LIMITS):
        error.state = dict(execution.state)
    if isinstance(error, Exception) and not isinstance(error, ExecutionCancelledError):
        end(execution, "failed", error, "")
    else:
        from inwit.runtime.cancelling import reason_of

        end(execution, "cancelled", None, reason_of(execution, error))
    mark(error, execution.execution_id)
    with suppress(StoreError):  # The journal has warned; what failed first is raised.
        if execution.saving is not None:
            note_failure(execution, error)
        if execution.is_acknowledged and isinstance(error, Exception | asyncio.CancelledError):
            await acknowledge(execution)
        elif execution.last_save is not None and isinstance(error, Exception):
            await durable(execution, execution.last_save)  # who tries again may be elsewhere
    return error


def leave_open(execution: Execution) -> None:
    """Record the entry of a visit that was cut off before its row was written."""
    cut, execution.current = execution.current, None
    last = next((row for row in reversed(execution.rows) if row[0] in (VISIT, ENTER)), None)
    if cut is not None and (last is None or last[1] < cut[0]):
        execution.rows.append((ENTER, *cut))


def end(execution: Execution, status: str, error: Exception | None, reason: str) -> None:
    output, failure, node = None, None, None
    if execution.current is not None:
        leave_open(execution)
    if status == "completed":
        output = freeze_all(execution.graph.schema.in_order(execution.state))
    elif error is not None:
        failure, node = failure_of(error, with_traceback=True), node_of(error)
    elif execution.waiting:
        node = node_of_key(execution.waiting[0].task.partition(" > ")[0])
    execution.seq += 1
    execution.rows.append(
        (END, execution.seq, monotonic_ns(), status, output, failure, reason, node)
    )
    execution.is_done, execution.deadline_ns = True, NEVER_NS
    if execution.saving is not None:
        if status == "completed":
            execution.last_save = execution.saving.close(execution.state) or execution.last_save
        execution.saving.is_over = True
    if execution.stopping is not None:
        execution.stopping.end()
