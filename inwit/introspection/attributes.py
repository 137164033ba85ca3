"""What an execution was called with, as attributes with values and as sizes, read from its start.

An attribute is a name and a short value that other executions may share: of the metadata, the
configurable part and the tags of its config, of its context, and the plain values of its input;
besides, the graph's version and the hour. A size is a number that work may grow with: the length
of a text or list of the input, or a number in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inwit import events
from inwit.introspection.kept import Kept
from inwit.runtime.store import Store
from inwit.runtime.views import Execution

SHORT = 80
"""Longer texts are content and no attribute."""
WIDE = 64
"""Attributes that are read of one execution at most."""
ITEMS = 16
"""Longer lists are content."""

KEPT = 1024
"""Executions whose attributes are kept for the next question."""


@dataclass(frozen=True, slots=True)
class Called:
    """One execution's attributes and sizes, and the event that shows them."""

    uri: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    """The numbers themselves, and how many items lists hold."""
    items: tuple[tuple[str, Any], ...] = ()
    """What short lists of the input hold: each item with the name of its list."""

    @property
    def values(self) -> list[tuple[str, Any]]:
        """Names and values that it was called with; a list has each of its items for a value."""
        return [*self.attributes.items(), *self.items]

    @property
    def marks(self) -> dict[str, Any]:
        """What other executions may share with it, items as ``rash in input.symptoms``."""
        return self.attributes | {f"{value} in {name}": True for name, value in self.items}


_kept = Kept[Called](KEPT)


class Known:
    """What executions were called with, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, execution: Execution) -> Called:
        """What one was called with."""
        return _kept.of(execution, lambda: called(self._store, execution))


_ended = Kept[Called](KEPT)


class Results:
    """What came of executions, as attributes and counts: of each key that was not given so."""

    def __init__(self, store: Store) -> None:
        self._store, self._known = store, Known(store)

    def of(self, execution: Execution) -> Called:
        """What one ended with, as ``result.outcome``; nothing of one that is not completed."""
        if execution.status != "completed":
            return Called(execution.uri)
        return _ended.of(execution, lambda: self._read(execution))

    def _read(self, execution: Execution) -> Called:
        after = max(execution.last_seq - 2, 0)
        found = self._store.events(
            execution.execution_id, after=after, types=("execution_completed",)
        )
        end = found[-1] if found else None
        if not isinstance(end, events.ExecutionCompleted):
            return Called(execution.uri)
        given = self._known.of(execution).attributes
        shown = [(name, value) for name, value in _plain("result", end.output)
                 if given.get(f"input.{name.partition('.')[2]}", end) != value]  # fmt: skip
        return Called(end.uri, dict(shown[:WIDE]), counts=dict(_counts("result", end.output)))


def called(store: Store, execution: Execution) -> Called:
    """What an execution was called with."""
    found = store.events(execution.execution_id, types=("execution_started",), limit=1)
    start = found[0] if found else None
    if not isinstance(start, events.ExecutionStarted):
        return Called(execution.uri)
    config = start.config if isinstance(start.config, Mapping) else {}
    attributes: dict[str, Any] = {}
    for prefix in ("metadata", "configurable"):
        attributes |= dict(_plain(prefix, config.get(prefix)))
    for tag in config.get("tags") or ():
        attributes[f"tag {tag}"] = True
    attributes |= dict(_plain("context", start.context))
    attributes |= dict(_plain("input", start.input))
    attributes |= {"version": execution.graph_version, "hour": execution.started_at[11:13]}
    return Called(
        start.uri, dict(list(attributes.items())[:WIDE]), dict(_sizes(start.input)),
        dict(_counts("input", start.input)), tuple(_items(start.input))[:WIDE],
    )  # fmt: skip


def _items(given: Any) -> Iterator[tuple[str, Any]]:
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if isinstance(value, list | tuple) and len(value) <= ITEMS:
            for one in value:
                if isinstance(one, int | float) or (isinstance(one, str) and len(one) < SHORT):
                    yield f"input.{key}", one


def _plain(prefix: str, values: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        return
    for key, value in values.items():
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < SHORT):
            yield f"{prefix}.{key}", value
        elif isinstance(value, Mapping):
            inner = {name: one for name, one in value.items() if not isinstance(one, Mapping)}
            yield from _plain(f"{prefix}.{key}", inner)


def _sizes(given: Any) -> Iterator[tuple[str, float]]:
    values = given if isinstance(given, Mapping) else {"": given}
    for key, value in values.items():
        size = size_of(value)
        if size is not None:
            yield f"input.{key}" if key else "input", size


def _counts(prefix: str, given: Any) -> Iterator[tuple[str, float]]:
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if isinstance(value, list | tuple | Mapping):
            yield f"{prefix}.{key}", float(len(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}.{key}", float(value)


def size_of(value: Any) -> float | None:
    """How much a value may give to do: its length, of nested ones in all, or the number itself."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if value > 0 else None
    if isinstance(value, str | bytes):
        return float(len(value))
    if isinstance(value, Mapping):
        return sum(size_of(one) or 0.0 for one in value.values())
    if isinstance(value, list | tuple):
        texts = [len(one) for one in value if isinstance(one, str)]
        return float(sum(texts) if texts else len(value))
    return None
