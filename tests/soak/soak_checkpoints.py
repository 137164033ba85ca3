"""A thousand kills of a writer for each backend that is durable on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.runtime.checkpoints.killing import campaign, resume_campaign

KILLS = 1000


def test_sqlite_keeps_what_it_acknowledged_through_a_thousand_kills(tmp_path: Path) -> None:
    assert campaign("sqlite", str(tmp_path / "own.db"), KILLS, seed=time.time_ns()) > KILLS


def test_postgres_keeps_what_it_acknowledged_through_a_thousand_kills(postgres: Any) -> None:
    assert campaign("postgres", postgres.place("soak"), KILLS, seed=time.time_ns()) > KILLS


def test_no_acknowledged_step_runs_again_through_a_thousand_kills_on_sqlite(
    tmp_path: Path,
) -> None:
    assert resume_campaign("sqlite", str(tmp_path / "own.db"), KILLS, time.time_ns()) > KILLS


def test_no_acknowledged_step_runs_again_through_a_thousand_kills_on_postgres(
    postgres: Any,
) -> None:
    assert resume_campaign("postgres", postgres.place("soak_steps"), KILLS, time.time_ns()) > KILLS
