"""Processes that are killed: what was acknowledged is there, and no acknowledged step runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.checkpoints.killing import campaign, resume_campaign

KILLS = 200


def test_sqlite_keeps_what_it_acknowledged_to_a_killed_writer(tmp_path: Path) -> None:
    assert campaign("sqlite", str(tmp_path / "own.db"), KILLS, seed=1) > KILLS


def test_postgres_keeps_what_it_acknowledged_to_a_killed_writer(postgres: Any) -> None:
    assert campaign("postgres", postgres.place("kills"), KILLS, seed=2) > KILLS


def test_a_killed_graph_goes_on_from_sqlite_without_repeating_a_step(tmp_path: Path) -> None:
    assert resume_campaign("sqlite", str(tmp_path / "own.db"), KILLS, seed=3) > KILLS


def test_a_killed_graph_goes_on_from_postgres_without_repeating_a_step(postgres: Any) -> None:
    assert resume_campaign("postgres", postgres.place("steps"), KILLS, seed=4) > KILLS
