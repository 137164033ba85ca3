"""The bench of detectors runs: it plants, looks, judges and prints what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "benchmarks" / "improve.py"


def test_the_bench_finds_a_retry_storm_and_its_evidence_resolves() -> None:
    command = [sys.executable, str(BENCH), "--quick", "--only", "retry storm", "--json"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    told = json.loads(done.stdout)
    assert [one["right"] for one in told["outcomes"]] == [1, 1]
    assert (told["figures"]["recall"], told["figures"]["evidence"]) == (1.0, 1.0)
    assert "retry storm: 2 of 2" in done.stderr
