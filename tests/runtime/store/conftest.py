"""The journal and the store of a fresh project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.runtime.project import Project
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store


@pytest.fixture
def place(project: Path) -> Project:
    """The project of the working directory."""
    return Project.find(project)


@pytest.fixture
def journal(place: Project) -> Iterator[Journal]:
    """The project's journal, closed afterwards."""
    journal = Journal.of(place)
    yield journal
    journal.close()
    Database.of(place).close()


@pytest.fixture
def store(place: Project) -> Store:
    """The project's store."""
    return Store.of(place)
