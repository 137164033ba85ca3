"""Every control of docs/security.md is taken out, one at a time: its test must fail then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.controls import ROOT, Row, rows

ROWS = rows()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which controls may be taken out."""
    copy = tmp_path_factory.mktemp("tree") / "project"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".conformance", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
    return copy


def _passes(tree: Path, row: Row) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", row.test]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("row", ROWS, ids=[row.risk for row in ROWS])
def test_without_its_control_a_risks_test_fails(tree: Path, row: Row) -> None:
    file = tree / row.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(row.old, row.new), encoding="utf-8")
    try:
        without = _passes(tree, row)
    finally:
        file.write_text(whole, encoding="utf-8")

    assert without.returncode == 1, without.stdout[-2_000:]
    assert "failed" in without.stdout, without.stdout[-2_000:]
