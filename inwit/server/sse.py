"""Server-sent events: what was missed from the record, then what happens now.

``id:`` is the resume point: the seq within one execution, the record's position for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.requests import Request
from starlette.responses import Response

from inwit.errors import MalformedInputError, nearest, shorten
from inwit.events import (
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    Gap,
    Types,
)
from inwit.ids import check_id
from inwit.server.asked import Asked
from inwit.server.host import Host
from inwit.server.hub import BATCH, Anew, Frame, Lost, Subscription, encode

HEARTBEAT_S = 15.0
ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)

# The host closes its streams itself before the server drains; the library's own way is global to
# the process and would end the streams of every later host in it.
AppStatus.enable_automatic_graceful_drain = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events a reader wants."""

    graph: str | None = None
    types: frozenset[str] | None = None
    execution_id: str | None = None

    def __call__(self, event: Event) -> bool:
        return (
            (self.execution_id is None or event.execution_id == self.execution_id)
            and (self.graph is None or event.graph_name == self.graph)
            and (self.types is None or event.type in self.types)
        )


async def every_execution(host: Host, request: Request) -> Response:
    """Stream the events of the whole project, from a position on or from now on.

    Raises:
        UnknownGraphError: No graph is called so.
    """
    asked = Asked(path=request.path_params, query=request.query_params)
    wants = host.seeing(Filter(graph=asked.text("graph"), types=_types(asked)))
    after = _resume_point(request)
    graph = asked.text("graph")
    if graph is not None:
        await anyio.to_thread.run_sync(host.store.graph, graph)
    subscription = await host.hub.join(wants)
    content = _guarded(_from_position(host, subscription, wants, after), subscription)
    return EventSourceResponse(content, ping=HEARTBEAT_S)


async def one_execution(host: Host, request: Request) -> Response:
    """Stream one execution from its first event, or from after a seq, until it is over.

    Raises:
        UnknownExecutionError: No execution has that id.
    """
    asked = Asked(path=request.path_params, query=request.query_params)
    given = check_id("execution", request.path_params["id"])
    types, after = _types(asked), _resume_point(request) or 0
    found = await anyio.to_thread.run_sync(host.store.execution, given)
    is_over = found.status in ("completed", "failed", "cancelled")
    if is_over and after >= found.last_seq > 0:
        return Response(status_code=204)  # It tells an EventSource to stop asking.
    subscription = await host.join(Filter(execution_id=found.execution_id))
    source = _from_seq(host, subscription, found.execution_id, after)
    content = _guarded(_written(source, types), subscription)
    return EventSourceResponse(content, ping=HEARTBEAT_S)


def _types(asked: Asked) -> frozenset[str] | None:
    given = asked.text("type")
    if given is None:
        return None
    types = frozenset(part.strip() for part in given.split(",") if part.strip())
    for name in types:
        if name not in Types.by_name:
            raise MalformedInputError(
                f"No event has the type {shorten(name)}.", hint=nearest(name, Types.by_name)
            )
    return types


def _resume_point(request: Request) -> int | None:
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    if given is None or given == "":
        return None
    return Asked(query={"Last-Event-ID": given}).number("Last-Event-ID", 0)


async def _guarded(
    content: AsyncIterator[bytes], subscription: Subscription
) -> AsyncIterator[bytes]:
    try:
        async for chunk in content:
            yield chunk
    finally:
        subscription.close()


async def _from_position(
    host: Host, subscription: Subscription, wants: Callable[[Event], bool], after: int | None
) -> AsyncIterator[bytes]:
    sent = subscription.joined if after is None else after
    if sent > subscription.joined and sent > await anyio.to_thread.run_sync(host.store.position):
        yield encode(Anew(last=sent).gap(), 0)
        sent = 0
    while sent < subscription.joined:
        batch = await anyio.to_thread.run_sync(host.store.tail, sent, BATCH)
        if not batch:
            break
        for sent, event in batch:
            if wants(event):
                yield encode(event, sent)
    async for item in subscription:
        if isinstance(item, Lost):
            yield encode(item.gap(lambda frame: frame.position), item.last.position)
        elif isinstance(item, Anew):
            yield encode(item.gap(), 0)
            sent = 0
        elif item.position > sent:
            yield item.by_position


Step = tuple[Event, bytes]


async def _from_seq(
    host: Host, subscription: Subscription, execution_id: str, after: int
) -> AsyncIterator[Step]:
    """Give the events of one execution after `after`, first stored ones, then live ones."""
    sent = after
    async for event in _stored(host, execution_id, after):
        if event.seq > sent + 1:
            gap = _no_longer_kept(event, sent + 1)
            yield gap, encode(gap, gap.seq)
        sent = event.seq
        yield event, encode(event, sent)
        if isinstance(event, ENDS):
            return
    async for item in subscription:
        if isinstance(item, Lost):
            lost = item.gap(lambda frame: frame.event.seq)
            yield lost, encode(lost, lost.seq)
            if isinstance(item.last.event, ENDS):
                return
        elif isinstance(item, Frame) and item.event.seq > sent:
            sent = item.event.seq
            yield item.event, item.by_seq
            if isinstance(item.event, ENDS):
                return


async def _stored(host: Host, execution_id: str, after: int) -> AsyncIterator[Event]:
    while True:
        read: Callable[[], list[Event]] = partial(
            host.store.events, execution_id, after=after, limit=BATCH
        )
        events = await anyio.to_thread.run_sync(read)
        for event in events:
            yield event
        if len(events) < BATCH:
            return
        after = events[-1].seq


def _no_longer_kept(event: Event, first: int) -> Gap:
    return Gap(
        execution_id=event.execution_id,
        graph_name=event.graph_name,
        seq=event.seq - 1,
        ts=event.ts,
        lost_from=first,
        lost_to=event.seq - 1,
        reason="The record does not hold them any more.",
    )


async def _written(
    steps: AsyncIterator[Step], types: frozenset[str] | None
) -> AsyncIterator[bytes]:
    async for event, written in steps:
        if types is None or event.type in types or isinstance(event, Gap):
            yield written
