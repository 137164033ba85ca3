"""The servers that checkpoints are kept on; each starts once, when a test first asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.checkpoints.servers import Postgres, Redis, moto, running_postgres, running_redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    with moto() as address:
        yield address
