"""A project of its own for each case of a campaign."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from inwit.runtime.project import Project
from inwit.runtime.store import Journal


@contextlib.contextmanager
def project() -> Iterator[None]:
    """A fresh project for one case, so that no other case is on record."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as home:
        os.environ["INWIT_HOME"] = home
        try:
            yield
        finally:
            Journal.of(Project.find()).close()
