"""Every backend and wrapper, opened on a storage by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inwit import InMemoryCheckpointer, SqliteCheckpointer
from inwit.testing.checkpointers import Make

Opening = Callable[[pytest.FixtureRequest, Path], Make]


def memory(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: InMemoryCheckpointer()


def own_file(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: SqliteCheckpointer(folder / f"{name}.db")


def postgres(request: pytest.FixtureRequest, folder: Path) -> Make:
    from inwit.runtime.checkpoints.postgres import PostgresCheckpointer

    server: Any = request.getfixturevalue("postgres")
    return lambda name: PostgresCheckpointer(server.database(name))


def redis(request: pytest.FixtureRequest, folder: Path) -> Make:
    from inwit.runtime.checkpoints.redis import RedisCheckpointer

    server: Any = request.getfixturevalue("redis_server")
    return lambda name: RedisCheckpointer(server.uri, prefix=name)


BACKENDS: dict[str, Opening] = {
    "memory": memory,
    "own file": own_file,
    "postgres": postgres,
    "redis": redis,
}
UNSHARED = {"memory"}
