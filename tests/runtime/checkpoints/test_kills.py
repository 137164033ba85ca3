"""Writers that are killed: what was acknowledged is there, and what was not is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.checkpoints.killing import campaign

KILLS = 200


def test_sqlite_keeps_what_it_acknowledged_to_a_killed_writer(tmp_path: Path) -> None:
    assert campaign("sqlite", str(tmp_path / "own.db"), KILLS, seed=1) > KILLS


def test_postgres_keeps_what_it_acknowledged_to_a_killed_writer(postgres: Any) -> None:
    assert campaign("postgres", postgres.place("kills"), KILLS, seed=2) > KILLS
