"""The servers that checkpoints are kept on; each starts once, when a test first asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.checkpoints.servers import Postgres, Redis, moto


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    with moto() as address:
        yield address
