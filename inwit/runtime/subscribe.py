"""Following the events of this process as they become durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from inwit.events import Event, ExecutionCancelled, ExecutionCompleted, ExecutionFailed, Gap
from inwit.runtime.store.journal import Journal

_QUEUE_LIMIT: Final = 10_000
_ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)


async def follow(
    journal: Journal, graph_name: str | None, execution_id: str | None = None
) -> AsyncGenerator[Event, None]:
    """Give events as they are committed; with an execution's id, until that execution has ended.

    A reader who is `_QUEUE_LIMIT` events behind loses the oldest and is told so by a ``gap``.
    """
    queue: asyncio.Queue[Event] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    lost: list[int] = []

    def put(events: list[Event]) -> None:
        for event in events:
            if queue.qsize() >= _QUEUE_LIMIT:
                lost.append(queue.get_nowait().seq)
            queue.put_nowait(event)

    def take(events: Sequence[Event]) -> None:
        mine = [event for event in events if _is_wanted(event, graph_name, execution_id)]
        if mine:
            loop.call_soon_threadsafe(put, mine)

    end = journal.subscribe(take)
    try:
        while True:
            event = await queue.get()
            if lost:
                yield Gap(
                    execution_id=event.execution_id,
                    seq=event.seq,
                    ts=event.ts,
                    lost_from=lost[0],
                    lost_to=lost[-1],
                    reason="the reader was too slow",
                )
                lost.clear()
            yield event
            if execution_id is not None and isinstance(event, _ENDS):
                return
    finally:
        end()


def _is_wanted(event: Event, graph_name: str | None, execution_id: str | None) -> bool:
    if execution_id is not None:
        return event.execution_id == execution_id
    return graph_name is None or event.graph_name == graph_name
