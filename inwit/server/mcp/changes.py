"""Change notices: the record's tail as the subscription bus that the SDK listens to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import quote

from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from inwit.errors import InwitError
from inwit.events import (
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    GraphRegistered,
    InterruptRaised,
    InterruptResumed,
    NodeEntered,
    PlanChanged,
    StatusChanged,
)
from inwit.introspection import app
from inwit.server.host import Host
from inwit.server.mcp.resources import EXECUTION_TOPICS
from inwit.server.subscription import Anew, Frame, Lost

logger = logging.getLogger("inwit.server")
ENDS = (ExecutionStarted, ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
"""Events by which the figures of a graph change: how many executions there are, and how they went."""
SHOWN = (NodeEntered, StatusChanged, InterruptRaised, InterruptResumed)
"""Further events that the list of a graph's executions shows."""


class RecordBus(InMemorySubscriptionBus):
    """Publishes what the record says; it reads the tail while anybody listens."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._reading: asyncio.Task[None] | None = None

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read())
        sees = self._host.sees_uri()

        def listens(event: ServerEvent) -> None:
            if not isinstance(event, ResourceUpdated) or sees(event.uri):
                listener(event)

        return super().subscribe(listens)

    async def _read(self) -> None:
        try:
            subscription = await self._host.hub.join(lambda _event: True)
        except InwitError as error:
            logger.warning("No change notices: %s", error)
            return
        try:
            while items := await subscription.taken():
                # What came together is told once, however many events it was.
                for change in dict.fromkeys(one for item in items for one in _told_by(item)):
                    await self.publish(change)
        finally:
            subscription.close()


def _told_by(item: Frame | Lost | Anew) -> list[ServerEvent]:
    if isinstance(item, Anew):  # Every graph, execution and plan of the old record is gone.
        return [ResourcesListChanged()]
    return changes(item.last.event if isinstance(item, Lost) else item.event)


def changes(event: Event) -> list[ServerEvent]:
    """Name the resources that an event changed."""
    if isinstance(event, GraphRegistered):
        topics = (*app.TOPICS, "versions")
        updated = [ResourceUpdated(f"{_graph(event)}/{topic}") for topic in topics]
        return [ResourcesListChanged(), ToolsListChanged(), *updated]
    if isinstance(event, PlanChanged):
        return [ResourceUpdated(f"plan://{event.plan_id}")]
    if not event.execution_id:
        return []
    base = f"execution://{event.execution_id}"
    return [
        *(ResourceUpdated(f"{base}/{topic}") for topic in EXECUTION_TOPICS),
        *(ResourceUpdated(f"{_graph(event)}/{topic}") for topic in _of_its_graph(event)),
    ]


def _graph(event: Event) -> str:
    return f"graph://{quote(event.graph_name, safe='')}"


def _of_its_graph(event: Event) -> tuple[str, ...]:
    """Which lists and figures of a graph an event of one of its executions changed."""
    if isinstance(event, ENDS):
        return ("executions", "metrics")
    return ("executions",) if isinstance(event, SHOWN) else ()
