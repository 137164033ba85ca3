"""Where the tree is, and where what is measured about it is kept."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pyproject.toml"
KEPT = ROOT / ".mutants"
DATA = KEPT / "coverage.db"
"""Which test ran which line, of the whole suite."""
TIMES = KEPT / "times.tsv"
"""Each test's outcome and seconds."""
COMMIT = KEPT / "commit"
"""The commit whose lines those are."""
RESULTS = KEPT / "results.jsonl"
