from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import inwit
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.journal import Journal

pytestmark = pytest.mark.usefixtures("project")


def figures(name: str) -> list[dict[str, Any]]:
    found = Project.find()
    Journal.of(found).flush()
    return Store.of(found).metrics(name)


def test_a_counter_adds_up_by_labels() -> None:
    inwit.metrics.counter("orders", country="de").add()
    inwit.metrics.counter("orders", country="de").add(2)
    inwit.metrics.counter("orders", country="fr").add()

    found = {one["labels"]["country"]: one["value"] for one in figures("orders")}

    assert found == {"de": 3, "fr": 1}


def test_a_counter_goes_on_after_a_commit() -> None:
    orders = inwit.metrics.counter("orders")
    orders.add(1)
    assert figures("orders")[0]["value"] == 1

    orders.add(4)

    assert figures("orders")[0]["value"] == 5


def test_a_counter_never_shrinks() -> None:
    with pytest.raises(ValueError, match="-1"):
        inwit.metrics.counter("orders").add(-1)


def test_a_gauge_has_its_last_value() -> None:
    queue = inwit.metrics.gauge("queue")
    queue.set(7)
    queue.set(3)

    assert figures("queue")[0]["value"] == 3


def test_a_histogram_counts_its_measurements() -> None:
    latency = inwit.metrics.histogram("answer_s")
    for value in (0.1, 0.1, 0.4):
        latency.observe(value)

    (found,) = figures("answer_s")

    assert found["count"] == 3
    assert found["value"] == pytest.approx(0.6)
    assert sum(found["counts"].values()) == 3


def test_nothing_is_lost_between_threads() -> None:
    orders = inwit.metrics.counter("orders")

    def count() -> None:
        for _ in range(1000):
            orders.add()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert figures("orders")[0]["value"] == 8000


def test_with_the_record_off_nothing_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")

    inwit.metrics.counter("orders").add()

    assert not (project / ".inwit" / "inwit.db").exists()
