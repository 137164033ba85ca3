"""Every backend and wrapper, opened on a storage by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inwit import InMemoryCheckpointer, SqliteCheckpointer
from inwit.runtime.checkpoints.compressed import CompressedCheckpointer
from inwit.runtime.checkpoints.encrypted import EncryptedCheckpointer
from inwit.runtime.checkpoints.migrating import MigratingCheckpointer
from inwit.runtime.checkpoints.retained import RetainedCheckpointer
from inwit.runtime.checkpoints.tiered import TieredCheckpointer
from inwit.testing.checkpointers import Make

Opening = Callable[[pytest.FixtureRequest, Path], Make]


def memory(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: InMemoryCheckpointer()


def own_file(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: SqliteCheckpointer(folder / f"{name}.db")


def record(request: pytest.FixtureRequest, folder: Path) -> Make:
    monkeypatch = request.getfixturevalue("monkeypatch")

    def make(name: str) -> SqliteCheckpointer:
        (folder / name / ".inwit").mkdir(mode=0o700, parents=True, exist_ok=True)
        monkeypatch.chdir(folder / name)
        return SqliteCheckpointer()

    return make


def postgres(request: pytest.FixtureRequest, folder: Path) -> Make:
    from inwit.runtime.checkpoints.postgres import PostgresCheckpointer

    server: Any = request.getfixturevalue("postgres")
    return lambda name: PostgresCheckpointer(server.place(name))


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


def compressed(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: CompressedCheckpointer(SqliteCheckpointer(folder / f"{name}.db"))


def encrypted(request: pytest.FixtureRequest, folder: Path) -> Make:
    keys = {"new": b"n" * 32, "old": b"o" * 32}
    return lambda name: EncryptedCheckpointer(SqliteCheckpointer(folder / f"{name}.db"), keys)


def compressed_and_encrypted(request: pytest.FixtureRequest, folder: Path) -> Make:
    make = encrypted(request, folder)
    return lambda name: CompressedCheckpointer(make(name))


def retained(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: RetainedCheckpointer(
        SqliteCheckpointer(folder / f"{name}.db"), keep=10_000, ttl_s=1000 * 365 * 86_400
    )


def migrating(request: pytest.FixtureRequest, folder: Path) -> Make:
    stay = [dict, dict, dict]  # rows of the suite are of version 3
    return lambda name: MigratingCheckpointer(SqliteCheckpointer(folder / f"{name}.db"), stay)


def memory_before_sqlite(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda name: TieredCheckpointer(
        InMemoryCheckpointer(), SqliteCheckpointer(folder / f"{name}.db"), fast_ttl_s=60
    )


def redis_before_postgres(request: pytest.FixtureRequest, folder: Path) -> Make:
    fast, durable = redis(request, folder), postgres(request, folder)
    return lambda name: TieredCheckpointer(fast(name), durable(name))


BACKENDS: dict[str, Opening] = {
    "memory": memory,
    "own file": own_file,
    "record": record,
    "postgres": postgres,
    "redis": redis,
    "s3": s3,
    "dynamodb": dynamodb,
    "compressed": compressed,
    "encrypted": encrypted,
    "compressed and encrypted": compressed_and_encrypted,
    "retained": retained,
    "migrating": migrating,
    "memory before sqlite": memory_before_sqlite,
    "redis before postgres": redis_before_postgres,
}
UNSHARED = {"memory"}
