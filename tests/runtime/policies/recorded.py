"""What the record says of a graph's last execution."""

from __future__ import annotations

from typing import Any

from inwit.events import Custom, Event, to_json
from inwit.runtime.project import Project
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store


def events_of(app: Any, *types: str, of: str | None = None) -> list[Event]:
    """The events of the last execution or another, of these types or all."""
    Journal.of(Project.find()).flush()
    found = Store.of(Project.find()).events(of or app.last_execution_id)
    return [event for event in found if not types or event.type in types]


def noted(app: Any, name: str, execution_id: str | None = None) -> list[Any]:
    """The data of custom events of a name, of the last execution or another."""
    found = (
        event for event in events_of(app, "custom", of=execution_id) if isinstance(event, Custom)
    )
    return [to_json(event)["data"] for event in found if event.name == name]
