"""A user's own figures: `inwit.metrics.counter("orders").add()`.

Figures are summed in memory and written with the journal's next commit, so that a measurement costs
a dictionary's update. They go to the project of the working directory; with the record switched off
they go nowhere.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.project import Project

if TYPE_CHECKING:
    from concurrent.futures import Future

    import apsw

    from inwit.runtime.store.metrics import Kind

__all__ = ["Counter", "Gauge", "Histogram", "counter", "gauge", "histogram"]

Key = tuple[str, "Kind", tuple[tuple[str, str], ...]]


class _Pending:
    """What was measured for one project since the last commit."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._values: dict[Key, list[float]] = {}
        self._taken: dict[Key, list[float]] = {}
        self._is_asked = False
        self._lock = threading.Lock()

    def add(self, key: Key, value: float) -> None:
        """Take a measurement; the first since a commit asks for the next one."""
        with self._lock:
            _merge(self._values, key, value)
            is_asked, self._is_asked = self._is_asked, True
        if not is_asked:
            from inwit.runtime.store.journal import Journal

            done = Journal.of(self._project).submit(self._write, is_urgent=False)
            done.add_done_callback(self._written)

    def _write(self, connection: apsw.Connection) -> None:
        from inwit.runtime.store import metrics

        with self._lock:
            self._taken, self._values, self._is_asked = self._values, {}, False
        for (name, kind, labels), measured in self._taken.items():
            for value in measured:
                metrics.record(connection, name, value, kind, dict(labels))

    def _written(self, done: Future[None]) -> None:
        """Keep what could not be written for the next time."""
        taken, self._taken = self._taken, {}
        if done.exception() is None:
            return
        with self._lock:
            later, self._values, self._is_asked = self._values, taken, False
            for key, measured in later.items():
                for value in measured:
                    _merge(self._values, key, value)


def _merge(values: dict[Key, list[float]], key: Key, value: float) -> None:
    kept = values.setdefault(key, [])
    if kept and key[1] == "counter":
        kept[0] += value
    elif kept and key[1] == "gauge":
        kept[0] = value
    else:
        kept.append(value)


_pending: dict[Project, _Pending] = {}
_pending_lock = threading.Lock()


class _Instrument:
    """One figure of one set of labels."""

    kind: Kind

    def __init__(self, name: str, labels: Mapping[str, Any]) -> None:
        self.name = name
        self.labels = {key: str(value) for key, value in labels.items()}
        self._key: Key = (name, self.kind, tuple(sorted(self.labels.items())))

    def _take(self, value: float) -> None:
        if Project.is_off():
            return
        project = Project.find()
        pending = _pending.get(project)
        if pending is None:
            with _pending_lock:
                pending = _pending.setdefault(project, _Pending(project))
        pending.add(self._key, float(value))


class Counter(_Instrument):
    """A figure that only grows."""

    kind: Kind = "counter"

    def add(self, amount: float = 1) -> None:
        """Count `amount` more.

        Raises:
            ValueError: It is less than nothing.
        """
        if amount < 0:
            raise ValueError(f"A counter cannot be added {amount}; use a gauge.")
        self._take(amount)


class Gauge(_Instrument):
    """A figure that has a value now."""

    kind: Kind = "gauge"

    def set(self, value: float) -> None:
        """Say what it is now."""
        self._take(value)


class Histogram(_Instrument):
    """A figure that is measured again and again."""

    kind: Kind = "histogram"

    def observe(self, value: float) -> None:
        """Add one measurement."""
        self._take(value)


def counter(name: str, **labels: Any) -> Counter:
    """A figure that only grows, such as ``counter("orders", country="de").add()``."""
    return Counter(name, labels)


def gauge(name: str, **labels: Any) -> Gauge:
    """A figure that has a value now, such as ``gauge("queue").set(7)``."""
    return Gauge(name, labels)


def histogram(name: str, **labels: Any) -> Histogram:
    """A figure of many measurements, such as ``histogram("answer_s").observe(0.3)``."""
    return Histogram(name, labels)
