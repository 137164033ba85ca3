"""A client that sees only the descriptions of tools does its tasks, in few calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "benchmarks" / "context.py"


def test_what_is_asked_of_the_context_is_reached() -> None:
    command = [sys.executable, str(BENCH), "--no-peers"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    rows = [line for line in done.stdout.splitlines() if line.endswith(("| yes |", "**no** |"))]
    assert len(rows) == 7
    assert [row for row in rows if not row.endswith("| yes |")] == []
