"""What the tests of the shipped packages share: a home and a project of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project; the working directory is in it, and the user's home is elsewhere."""
    root = tmp_path / "project"
    (root / ".inwit").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("INWIT_HOME", raising=False)
    monkeypatch.chdir(root)
    return root
