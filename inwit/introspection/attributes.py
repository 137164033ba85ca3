"""What an execution was called with, as attributes with values and as sizes, read from its start.

An attribute is a name and a short value that other executions may share: of the metadata, the
configurable part and the tags of its config, of its context, and the plain values of its input;
besides, the graph's version and the hour. A size is a number that work may grow with: the length
of a text or list of the input, or a number in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inwit import events
from inwit.runtime.store import Store
from inwit.runtime.views import Execution

SHORT = 80
"""Longer texts are content and no attribute."""
WIDE = 64
"""Attributes that are read of one execution at most."""


KEPT = 1024
"""Executions whose attributes are kept for the next question."""


@dataclass(frozen=True, slots=True)
class Called:
    """One execution's attributes and sizes, and the event that shows them."""

    uri: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)


_kept: dict[tuple[str, str], Called] = {}


class Known:
    """What executions were called with, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, execution: Execution) -> Called:
        """What one was called with."""
        key = execution.execution_id, execution.started_at
        known = _kept.get(key)
        if known is None:
            known = _kept[key] = called(self._store, execution)
            while len(_kept) > KEPT:
                with contextlib.suppress(KeyError, RuntimeError):  # another thread was quicker
                    _kept.pop(next(iter(_kept)))
        return known


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
    return Called(start.uri, dict(list(attributes.items())[:WIDE]), dict(_sizes(start.input)))


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
