"""The bench of answers runs: it plants, asks, judges and prints what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "benchmarks" / "answers.py"


def test_the_bench_counts_visits_exactly_and_resolves_all_evidence() -> None:
    command = [sys.executable, str(BENCH), "--quick", "--only", "visits", "--json"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    told = json.loads(done.stdout)
    assert len(told["outcomes"]) == 3
    assert (told["figures"]["visits"], told["figures"]["resolved"]) == (1.0, 1.0)
    assert "visits: 3 of 3" in done.stderr
