"""What every test shares: an isolated home, a fresh project folder, one event loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from inwit.runtime.store.journal import _journals

# Every run tries the same cases, which may take long on a busy machine; `make soak` tries others each time.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test away from the user's own home, project and settings."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("INWIT_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(home)
    yield home
    for journal in list(_journals.values()):
        if journal.project.folder.is_relative_to(tmp_path):
            journal.close()
            journal.database.close()


@pytest.fixture
def project(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project folder with its `.inwit`; the working directory is in it."""
    root = elsewhere.parent / "project"
    (root / ".inwit").mkdir(parents=True, mode=0o700)
    monkeypatch.chdir(root)
    return root
