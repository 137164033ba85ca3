"""Writing processes, started and ended by tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


@contextmanager
def writer(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the writing program in the working directory's project; kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.runtime.store.writer", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "INWIT_HOME": str(Path.cwd() / ".inwit")},
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
