"""Waiting: for the disk, for time to pass, for room in the record."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from inwit.errors import StoreError
from inwit.runtime.checkpoints.memory import InMemoryCheckpointer

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


async def durable(execution: Execution, done: Future[None]) -> None:
    """Wait until something is durable; whoever is cancelled meanwhile does not take it back."""
    if not (execution.is_blocking or done.done()):
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(wake)

        done.add_done_callback(tell)
        await waiter
    done.result()


def is_acknowledged_by_step(execution: Execution) -> bool:
    """Whether each step ends by waiting for all of it: its checkpoint and its record."""
    return execution.rows_limit == 0 and execution.graph.journal is not None


async def sleep(execution: Execution, delay_s: float) -> None:
    """Wait, holding the thread where no event loop runs."""
    if execution.is_blocking:
        time.sleep(delay_s)  # noqa: ASYNC251 - no loop runs
    else:
        await asyncio.sleep(delay_s)


async def wait_for_journal(execution: Execution) -> None:
    """Wait until the record has room, or with durability `sync` until it is durable."""
    journal = execution.graph.journal
    if journal is None:
        execution.rows.clear()
    elif execution.rows_limit == 0:
        await acknowledge(execution)
    elif execution.is_blocking:
        journal.full_wait(execution)
    else:
        await journal.afull_wait(execution)


async def acknowledge(execution: Execution) -> None:
    """Wait until all that has happened is durable.

    Raises:
        StoreError: It cannot be made so.
    """
    await _flush(execution)  # What was saved is written meanwhile, or by the same commit.
    if execution.last_save is not None:
        await durable(execution, execution.last_save)


async def outlast(execution: Execution) -> None:
    """Wait until an execution that waits is durable, if what it waits with outlives the process.

    Whoever is asked may be asked by another process, which knows of the question from the record.
    """
    if not isinstance(execution.saver, InMemoryCheckpointer):
        with suppress(StoreError):  # The journal has warned; the question is kept all the same.
            await _flush(execution)
    if execution.last_save is not None:
        await durable(execution, execution.last_save)


async def _flush(execution: Execution) -> None:
    journal = execution.graph.journal
    if journal is None:
        return
    if execution.is_blocking:
        journal.flush()
    else:
        await journal.aflush()
