"""Server-sent events: what was missed from the record, then what happens now.

``id:`` is the resume point: the seq within one execution, the record's position for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
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
from inwit.server.asked import Asked
from inwit.server.host import Host
from inwit.server.stream import EventStream
from inwit.server.subscription import BATCH, CHUNK_BYTES, Anew, Frame, Lost, Subscription, encode

ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)


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
    return EventStream(_from_position(host, subscription, wants, after), subscription)


async def one_execution(host: Host, request: Request) -> Response:
    """Stream one execution from its first event, or from after a seq, until it is over.

    Raises:
        UnknownExecutionError: No execution has that id.
    """
    asked = Asked(path=request.path_params, query=request.query_params)
    types, after = _types(asked), _resume_point(request) or 0
    name = await anyio.to_thread.run_sync(host.execution_id, request.path_params["id"])
    found = await anyio.to_thread.run_sync(host.store.execution, name)
    is_over = found.status in ("completed", "failed", "cancelled")
    if is_over and after >= found.last_seq > 0:
        return Response(status_code=204)  # It tells an EventSource to stop asking.
    subscription = await host.join(Filter(execution_id=found.execution_id))
    source = _from_seq(host, subscription, found.execution_id, after)
    return EventStream(_written(source, types), subscription)


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


async def _from_position(
    host: Host, subscription: Subscription, wants: Callable[[Event], bool], after: int | None
) -> AsyncGenerator[bytes]:
    sent = subscription.joined if after is None else after
    if sent > subscription.joined and sent > await anyio.to_thread.run_sync(host.store.position):
        yield Anew(last=sent).by_position
        sent = 0
    while sent < subscription.joined:
        batch = await anyio.to_thread.run_sync(host.store.tail, sent, BATCH)
        if not batch:
            break
        for chunk in _joined(encode(event, position) for position, event in batch if wants(event)):
            yield chunk
        sent = batch[-1][0]
    while items := await subscription.taken(sent):
        if any(isinstance(item, Anew) for item in items):
            sent = -1
        written = [item.by_position for item in items if item.position > sent]
        for chunk in _joined(written):
            yield chunk


def _joined(written: Iterable[bytes]) -> Iterator[bytes]:
    """Join what is sent at once, so that a reader who is behind costs no more than one who is not."""
    parts: list[bytes] = []
    size = 0
    for one in written:
        parts.append(one)
        size += len(one)
        if size >= CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


Step = tuple[Event, bytes]


async def _from_seq(
    host: Host, subscription: Subscription, execution_id: str, after: int
) -> AsyncIterator[Step]:
    """Give the events of one execution after `after`, first stored ones, then live ones."""
    sent = after
    async for event, written in _every(host, subscription, execution_id, after):
        if event.seq <= sent:
            continue
        if event.seq > sent + 1:
            gap = _no_longer_kept(event, sent + 1)
            yield gap, encode(gap, gap.seq)
        sent = event.seq
        yield event, written
        if isinstance(event, ENDS):
            return


async def _every(
    host: Host, subscription: Subscription, execution_id: str, after: int
) -> AsyncIterator[Step]:
    """Give what is stored, then what comes; what a slow reader lost is read once more."""
    async for event in _stored(host, execution_id, after):
        after = event.seq
        yield event, encode(event, after)
    async for item in subscription:
        if isinstance(item, Lost):
            async for event in _stored(host, execution_id, after):
                after = event.seq
                yield event, encode(event, after)
        elif isinstance(item, Frame):
            after = max(after, item.event.seq)
            yield item.event, item.by_seq


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
) -> AsyncGenerator[bytes]:
    async for event, written in steps:
        if types is None or event.type in types or isinstance(event, Gap):
            yield written
