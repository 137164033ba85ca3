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


def aws_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {
        "endpoint_url": request.getfixturevalue("aws"),
        "region_name": "eu-central-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }


def s3(request: pytest.FixtureRequest, folder: Path) -> Make:
    from inwit.runtime.checkpoints.s3 import S3Checkpointer

    options = aws_options(request)

    def make(name: str) -> S3Checkpointer:
        saver = S3Checkpointer("checkpoints", prefix=f"{name}/", **options)
        saver.setup()
        return saver

    return make


def dynamodb(request: pytest.FixtureRequest, folder: Path) -> Make:
    from inwit.runtime.checkpoints.dynamodb import DynamoDBCheckpointer

    options = aws_options(request)

    def make(name: str) -> DynamoDBCheckpointer:
        saver = DynamoDBCheckpointer(name, **options)
        saver.setup()
        return saver

    return make


BACKENDS: dict[str, Opening] = {
    "memory": memory,
    "own file": own_file,
    "postgres": postgres,
    "redis": redis,
    "s3": s3,
    "dynamodb": dynamodb,
}
UNSHARED = {"memory"}
