"""Disks that are full or fail, servers that go away: a typed error, nothing lost, and it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inwit import PostgresCheckpointer, RedisCheckpointer, S3Checkpointer, SqliteCheckpointer
from inwit.errors import (
    InwitError,
    MalformedInputError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnreachableError,
    ThreadGapError,
)
from inwit.runtime.checkpoints import blocks, postgres, redis
from inwit.runtime.checkpoints.base import Checkpointer
from inwit.testing.rows import checkpoint, deltas, put, seqs
from tests.runtime.checkpoints.backends import BACKENDS, aws_options
from tests.runtime.checkpoints.graphs import counting
from tests.runtime.checkpoints.servers import Postgres, Redis, running_postgres, running_redis

ROOT = Path(__file__).parents[3]
SHIM = Path(__file__).with_name("fsync_shim.c")


def suffer(kind: str, path: Path, **environment: str) -> list[list[str]]:
    """Run a program on a failing disk; what became of each of its puts."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.checkpoints.suffering", kind, str(path)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def kept_of(lines: list[list[str]]) -> list[int]:
    return [int(words[1]) for words in lines if words[0] == "kept"]


@pytest.mark.parametrize("is_record", [False, True])
def test_an_fsync_that_fails_is_an_error_and_loses_nothing_before_it(
    is_record: bool, project: Path, tmp_path: Path
) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "A C compiler is needed to make fsync fail."
    library = tmp_path / "shim.so"
    build = [compiler, "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(build, check=True)

    flag = str(tmp_path / "failing")
    place = project if is_record else tmp_path / "own.db"
    lines = suffer("fsync", place, LD_PRELOAD=str(library), SHIM_FLAG=flag)

    assert lines[0] == ["kept", "1"]
    assert [words[0] for words in lines[1:3]] == ["store.full", "store.full"]
    assert lines[3:] == [["kept", "2"], ["kept", "3"]]
    assert seqs(SqliteCheckpointer(None if is_record else place).load("t")) == [1, 2, 3]


def test_a_file_that_may_not_grow_is_an_error_and_keeps_what_it_holds(tmp_path: Path) -> None:
    lines = suffer("full", tmp_path / "own.db")

    failed = [words[0] for words in lines if words[0] != "kept"]
    kept = kept_of(lines)
    assert set(failed) <= {"store.full", "store.thread_gap"} and failed[0] == "store.full"
    assert kept == list(range(1, len(kept) + 1)) and len(kept) > 5
    assert seqs(SqliteCheckpointer(tmp_path / "own.db").load("t")) == kept


def test_a_database_without_another_page_is_full_and_goes_on_when_it_may_grow(
    project: Path, tmp_path: Path
) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    put(saver, [checkpoint(1)])
    limit(saver, 40)
    blob = {"blob": os.urandom(20_000)}

    last = 1
    with pytest.raises(StoreFullError, match="no room"):
        while True:
            put(saver, [checkpoint(last + 1, whole=False, values=blob)])
            last += 1
    with pytest.raises(ThreadGapError):
        put(saver, deltas(last + 2, last + 2))

    limit(saver, 1_000_000)
    put(saver, deltas(last + 1, last + 1))
    assert seqs(saver.load("t")) == list(range(1, last + 2))


def limit(saver: Any, pages: int) -> None:
    saver._file.submit(lambda file: file.execute(f"PRAGMA max_page_count = {pages}")).result()


def test_a_graph_whose_disk_was_full_is_resumed_where_it_stopped(
    project: Path, tmp_path: Path
) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")
    app = counting(saver, steps=50, size_bytes=10_000)
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 100}
    saver.setup()
    limit(saver, 60)

    with pytest.raises(StoreFullError):
        app.invoke({"n": 0}, config, durability="sync")
    limit(saver, 1_000_000)
    reached = app.get_state(config).values.get("n", 0)

    assert 0 < reached < 50
    assert app.invoke(None, config)["log"] == list(range(50))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreReadOnlyError):
        put(SqliteCheckpointer(tmp_path / "file" / "own.db"), [checkpoint(1)])


def test_what_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    saver = SqliteCheckpointer(tmp_path / "own.db")

    futures = [
        saver.put([checkpoint(1, thread_id="a")]),
        saver.put([checkpoint(1, thread_id="a", name="other")]),
        saver.put([checkpoint(1, thread_id="b")]),
    ]

    assert [future.exception(30) is None for future in futures] == [True, False, True]
    assert saver.threads() == ["a", "b"]


@pytest.mark.parametrize("backend", ["own file", "record", "postgres", "redis", "s3", "dynamodb"])
def test_a_thread_whose_name_cannot_be_kept_harms_no_other(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    saver = BACKENDS[backend](request, tmp_path)("odd-names")
    names = ["a", "half \ud800", "b", "c"]

    futures = [attempted(saver, name) for name in names]
    failures = [future if future is None else future.exception(30) for future in futures]

    assert [type(failure) for failure in failures] == [
        type(None), MalformedInputError, type(None), type(None)
    ]  # fmt: skip
    assert saver.threads() == ["a", "b", "c"]
    saver.close()  # type: ignore[attr-defined] # as every one of ours


def test_a_thread_whose_name_postgres_refuses_harms_no_other(postgres: Postgres) -> None:
    with PostgresCheckpointer(postgres.place("nul")) as saver:
        futures = [
            saver.put([checkpoint(1, thread_id=name)]) for name in ("a", "b", "nul \0", "c", "d")
        ]
        failures = [future.exception(30) for future in futures]

        assert [failure is None for failure in failures] == [True, True, False, True, True]
        assert isinstance(failures[2], StoreError)
        assert saver.threads() == ["a", "b", "c", "d"]


def attempted(saver: Checkpointer, name: str) -> Future[None] | None:
    """Put a row; where it is refused at once, the refusal as a future's."""
    try:
        return saver.put([checkpoint(1, thread_id=name)])
    except InwitError as exc:
        refused: Future[None] = Future()
        refused.set_exception(exc)
        return refused


def write_while(saver: Checkpointer, disturb: Any, *, count: int = 300) -> None:
    """Put rows of several threads, while something else happens again and again.

    It happens only after something was written since: a slow machine comes to an end too.
    """
    is_over, is_written = threading.Event(), threading.Event()

    def write(name: str) -> None:
        for seq in range(1, count + 1):
            put(saver, [checkpoint(seq, thread_id=name, whole=seq % 9 == 1)])
            is_written.set()

    def keep_disturbing() -> int:
        times = 0
        while not is_over.wait(0.05):
            if not is_written.is_set():
                continue
            is_written.clear()
            disturb()
            times += 1
        return times

    with ThreadPoolExecutor(4) as pool:
        disturbing = pool.submit(keep_disturbing)
        writing = [pool.submit(write, f"t{n}") for n in range(3)]
        try:
            for one in writing:
                one.result(120)
        finally:
            is_over.set()
        assert disturbing.result(30) > 2
    for name in saver.threads():
        assert [row.seq for row in saver.history(name)] == list(range(count, 0, -1))


def test_connections_to_postgres_that_break_while_writing_lose_and_repeat_nothing(
    postgres: Postgres,
) -> None:
    uri = f"{postgres.place('dropped')}&application_name=dropped"
    backends = "pg_stat_activity WHERE application_name = 'dropped'"
    sql = f"SELECT pg_terminate_backend(pid) FROM {backends}"

    with PostgresCheckpointer(uri) as saver:
        saver.setup()
        write_while(saver, lambda: postgres.execute(sql))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server of its own, to be stopped and killed."""
    with running_postgres() as server:
        yield server


def test_a_postgres_that_is_gone_is_an_error_and_the_thread_goes_on_when_it_is_back(
    project: Path, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_S", 1.0)
    with PostgresCheckpointer(own_postgres.place("gone")) as saver:
        config = {"configurable": {"thread_id": "t"}}
        with pytest.raises(ValueError, match="planted"):
            counting(saver, fails_at=2).invoke({"n": 0}, config, durability="sync")

        own_postgres.kill()
        with pytest.raises(StoreUnreachableError, match="PostgreSQL"):
            saver.load("t")
        with pytest.raises(StoreUnreachableError, match="PostgreSQL"):
            put(saver, deltas(9, 9))
        own_postgres.start()

        assert counting(saver).invoke(None, config)["log"] == [0, 1, 2]


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A server of its own, to be stopped and filled."""
    with running_redis() as server:
        yield server


def test_a_redis_that_drops_connections_while_writing_loses_and_repeats_nothing(
    redis_server: Redis,
) -> None:
    from redis import Redis as Client

    client = Client.from_url(redis_server.uri)
    with RedisCheckpointer(redis_server.uri, prefix="dropped") as saver:
        write_while(saver, lambda: client.execute_command("CLIENT KILL TYPE normal SKIPME yes"))
    client.close()


def test_a_redis_that_is_gone_is_an_error_and_the_thread_goes_on_when_it_is_back(
    project: Path, own_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "PATIENCE_S", 1.0)
    with RedisCheckpointer(own_redis.uri) as saver:
        config = {"configurable": {"thread_id": "t"}}
        with pytest.raises(ValueError, match="planted"):
            counting(saver, fails_at=2).invoke({"n": 0}, config, durability="sync")

        own_redis.kill()
        with pytest.raises(StoreUnreachableError, match="Redis"):
            saver.load("t")
        with pytest.raises(StoreUnreachableError, match="Redis"):
            put(saver, deltas(9, 9))
        own_redis.start()

        assert counting(saver).invoke(None, config)["log"] == [0, 1, 2]


def test_a_redis_without_memory_is_full(own_redis: Redis) -> None:
    from redis import Redis as Client

    client = Client.from_url(own_redis.uri)
    with RedisCheckpointer(own_redis.uri) as saver:
        put(saver, [checkpoint(1)])
        client.config_set("maxmemory", "1mb")
        client.config_set("maxmemory-policy", "noeviction")
        with pytest.raises(StoreFullError, match="Redis"):
            put(saver, [checkpoint(2, values={"blob": os.urandom(2_000_000)})])

        client.config_set("maxmemory", "0")
        put(saver, deltas(2, 2))
        assert seqs(saver.load("t")) == [1, 2]
    client.close()


def test_an_s3_that_is_gone_or_refuses_is_an_error(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "PATIENCE_S", 0.1)
    options = aws_options(request)
    nowhere = {**options, "endpoint_url": "http://127.0.0.1:9"}

    with S3Checkpointer("missing", **options) as saver, pytest.raises(StoreError, match="setup"):
        put(saver, [checkpoint(1)])
    with S3Checkpointer("any", **nowhere) as saver, pytest.raises(StoreUnreachableError):
        put(saver, [checkpoint(1)])
