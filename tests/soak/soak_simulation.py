"""Ten thousand random graphs for each way to schedule them, and a thousand of each on a file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from inwit import SqliteCheckpointer
from tests.runtime.simulation.simulate import simulate

GRAPHS = 10_000
GRAPHS_ON_DISK = 1_000


@pytest.fixture(autouse=True)
def without_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")


@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
def test_ten_thousand_graphs_keep_every_promise(scheduling: str) -> None:
    first = time.time_ns()

    ended = [simulate(first + n, scheduling=scheduling)["done"] for n in range(GRAPHS)]

    assert ended == [1] * GRAPHS


@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
def test_a_thousand_graphs_keep_every_promise_on_a_file(scheduling: str, tmp_path: Path) -> None:
    first = time.time_ns()

    for seed in range(first, first + GRAPHS_ON_DISK):
        kept = SqliteCheckpointer(tmp_path / f"{seed}.db")
        try:
            seen = simulate(seed, lambda kept=kept: kept, scheduling=scheduling)  # type: ignore[misc]
        finally:
            kept.close()
            for left in tmp_path.glob(f"{seed}.db*"):
                left.unlink()

        assert seen["done"] == 1
