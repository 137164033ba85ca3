"""Running a graph for a client: in a thread of its own, with progress, and stopped with the call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import anyio
import anyio.to_thread
import msgspec

from inwit.errors import InwitError
from inwit.ids import new_id
from inwit.runtime.commands import Command
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.store import Journal
from inwit.runtime.store.control import open_questions, request
from inwit.server import auth
from inwit.server.host import Host
from inwit.server.subscription import Frame, Subscription

AT_ONCE = 32
"""How many graphs run for clients at once; further ones wait their turn."""
REST_S = 5.0
"""How long at most a client that wants progress waits for the last of it, once a graph has ended."""
_threads: list[anyio.CapacityLimiter] = []


def _limiter() -> anyio.CapacityLimiter:
    if not _threads:
        _threads.append(anyio.CapacityLimiter(AT_ONCE))
    return _threads[0]


async def run(
    host: Host, context: Any, graph: CompiledGraph[Any], given: Any, thread_id: str | None
) -> dict[str, Any]:
    """Begin an execution and tell of it until it ends or waits; see `outcome`."""
    execution_id = new_id()
    await anyio.to_thread.run_sync(host.claim, execution_id)
    thread_id = host.own_thread(thread_id)
    invoke = partial(graph.invoke, given, thread_id=thread_id, execution_id=execution_id)
    return await _followed(host, context, _Begun(execution_id, 0, 0), invoke)


async def go_on(
    host: Host,
    context: Any,
    graph: CompiledGraph[Any],
    execution_id: str,
    answers: Mapping[str, Any],
) -> dict[str, Any]:
    """Answer an execution that waits and tell of it until it ends or waits again."""
    found = await anyio.to_thread.run_sync(host.store.execution, execution_id)
    thread_id = found.thread_id or execution_id
    invoke = partial(graph.invoke, Command(resume=dict(answers)), thread_id=thread_id)
    ended = partial(host.store.events, execution_id, types=("node_exited",))
    done = len(await anyio.to_thread.run_sync(ended))
    return await _followed(host, context, _Begun(execution_id, found.last_seq, done), invoke)


class _Begun(NamedTuple):
    """An execution, its last event before it goes on, and how many visits had ended by then."""

    execution_id: str
    seq: int
    done: int


async def _followed(host: Host, context: Any, begun: _Begun, invoke: Any) -> dict[str, Any]:
    """Run it in a thread; a client that goes away ends it."""
    subscription = await host.hub.join(
        lambda event: event.execution_id == begun.execution_id and event.seq > begun.seq
    )
    errors: list[Exception] = []
    is_left = False

    def work() -> None:
        try:
            invoke()
        except Exception as exc:  # noqa: BLE001 - the graph's border: how it went is in its record
            if not is_left:
                errors.append(exc)

    try:
        async with anyio.create_task_group() as both:
            both.start_soon(_report, context, subscription, begun.done)
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_limiter())
            if (context.meta or {}).get("progress_token") is not None:
                with anyio.move_on_after(REST_S):  # what has happened is on its way to the reader
                    await anyio.to_thread.run_sync(Journal.of(host.project).flush)
                    await host.hub.catch_up()
            subscription.close()
    except anyio.get_cancelled_exc_class():
        is_left = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_stop, host, begun.execution_id)
        raise
    finally:
        subscription.close()
    try:
        return await anyio.to_thread.run_sync(outcome, host, begun.execution_id, errors)
    finally:
        errors.clear()  # the traceback of each holds `work`, which holds them


async def _report(context: Any, subscription: Subscription, done: int) -> None:
    """Tell the client of each visit that ended: their number, which never goes back."""
    async for item in subscription:
        event = item.event if isinstance(item, Frame) else None
        if event is not None and event.type == "node_exited":
            done += 1
            await context.session.report_progress(done, None, f"{event.node} has ended")


def _stop(host: Host, execution_id: str) -> None:
    actor = "a host that ended" if host.hub.is_closed else str(auth.current().principal)
    try:
        request(host.project, execution_id, "cancel", actor=actor, wait_s=0)
    except InwitError:  # it has ended meanwhile, or never began
        return


def outcome(host: Host, execution_id: str, errors: list[Exception]) -> dict[str, Any]:
    """What became of an execution, as its record says, without what is secret."""
    Journal.of(host.project).flush()
    try:
        found = host.store.execution(execution_id)
    except InwitError:
        if errors:  # it never began
            raise errors[0] from None
        raise
    told: dict[str, Any] = {
        "execution_id": execution_id, "status": found.status, "seq": found.last_seq,
    }  # fmt: skip
    if found.status == "completed":
        ended = host.store.events(execution_id, types=("execution_completed",))
        told["output"] = getattr(ended[-1], "output", None) if ended else None
    elif found.status == "waiting_for_input":
        told["interrupts"] = questions(host, execution_id)
    elif found.error is not None:
        told["error"] = msgspec.to_builtins(found.error)
        told["error"].pop("traceback", None)
    elif found.reason:
        told["reason"] = found.reason
    return told


def questions(host: Host, execution_id: str) -> list[dict[str, Any]]:
    """What an execution waits for: the id, the value and the schema of each interrupt."""
    waiting = open_questions(host.store, execution_id)
    return [{"id": one.id, "value": one.value, "schema": one.schema} for one in waiting]
