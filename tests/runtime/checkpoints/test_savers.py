"""Checkpointers by LangGraph's names, opened and read as its savers are."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from inwit import (
    AsyncPostgresSaver,
    AsyncSqliteSaver,
    DynamoDBCheckpointer,
    InMemorySaver,
    MemorySaver,
    PostgresSaver,
    RedisCheckpointer,
    S3Checkpointer,
    SqliteSaver,
)
from inwit.errors import MalformedInputError, MissingLibraryError, UnserialisableError
from tests.runtime.checkpoints.graphs import counting

CONFIG = {"configurable": {"thread_id": "t"}}


@pytest.mark.parametrize("kind", [InMemorySaver, MemorySaver])
def test_a_saver_in_memory_is_a_context_manager(project: Path, kind: Any) -> None:
    with kind() as saver:
        assert counting(saver).invoke({"n": 0}, CONFIG)["n"] == 3


def test_a_file_is_opened_by_its_name_by_a_connection_or_in_memory(
    project: Path, tmp_path: Path
) -> None:
    path = str(tmp_path / "own.db")
    with SqliteSaver.from_conn_string(path) as saver:
        counting(saver).invoke({"n": 0}, CONFIG)
    connection = sqlite3.connect(path, check_same_thread=False)

    assert counting(SqliteSaver(connection)).get_state(CONFIG).values["n"] == 3
    with pytest.raises(sqlite3.ProgrammingError):  # The saver took the file over.
        connection.execute("SELECT 1")
    with SqliteSaver.from_conn_string(":memory:") as saver:
        assert counting(saver).invoke({"n": 1}, CONFIG)["n"] == 4
        assert saver.get_tuple(CONFIG).checkpoint["channel_values"]["n"] == 4  # type: ignore[union-attr]
    assert not list(Path.cwd().glob(":memory:*"))


def test_a_file_of_langgraphs_own_is_left_as_it_is(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE checkpoints (thread_id TEXT, checkpoint BLOB)")
        connection.execute("INSERT INTO checkpoints VALUES ('t', x'00')")
    connection.close()

    counting(SqliteSaver(path)).invoke({"n": 0}, CONFIG)

    theirs = apsw.Connection(str(path))
    assert theirs.execute("SELECT * FROM checkpoints").fetchall() == [("t", b"\0")]
    theirs.close()


@pytest.mark.anyio
async def test_an_async_saver_is_an_async_context_manager(project: Path, tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db")) as saver:
        await saver.setup()
        await counting(saver).ainvoke({"n": 0}, CONFIG)

        found = await saver.aget_tuple(CONFIG)
        listed = [one async for one in saver.alist(CONFIG, limit=2)]
        await saver.adelete_thread("t")

        assert found is not None
        assert found.checkpoint["channel_values"] == {"n": 3, "log": [0, 1, 2]}
        assert [one.metadata["step"] for one in listed] == [3, 2]
        assert await saver.aget(CONFIG) is None


def test_postgres_is_opened_by_its_uri_a_connection_or_a_pool(project: Path, postgres: Any) -> None:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    uri = postgres.place("savers")
    with PostgresSaver.from_conn_string(uri, pipeline=True) as saver:
        saver.setup()
        counting(saver).invoke({"n": 0}, CONFIG)

    with Connection.connect(uri, autocommit=True) as connection, PostgresSaver(connection) as saver:
        assert counting(saver).get_state(CONFIG).values["n"] == 3
    with ConnectionPool(uri, open=True) as pool, PostgresSaver(pool) as saver:
        assert [one.metadata["source"] for one in saver.list(CONFIG)] == ["loop"] * 4 + ["input"]


@pytest.mark.anyio
async def test_postgres_is_opened_by_async_code(project: Path, postgres: Any) -> None:
    async with AsyncPostgresSaver.from_conn_string(postgres.place("async_savers")) as saver:
        await saver.setup()
        await saver.setup()

        assert (await counting(saver).ainvoke({"n": 0}, CONFIG))["n"] == 3


def test_redis_is_opened_by_a_client(project: Path, redis_server: Any) -> None:
    from redis import Redis

    client = Redis.from_url(redis_server.uri, decode_responses=True)
    with RedisCheckpointer(client, prefix="savers") as saver:
        counting(saver).invoke({"n": 0}, CONFIG)

        assert saver.get_tuple(CONFIG).checkpoint["channel_values"]["n"] == 3  # type: ignore[union-attr]
    client.close()


def test_redis_ends_a_threads_life_by_itself(project: Path, redis_server: Any) -> None:
    from redis import Redis

    client = Redis.from_url(redis_server.uri)
    with RedisCheckpointer(redis_server.uri, prefix="short", ttl_s=100) as saver:
        counting(saver).invoke({"n": 0}, CONFIG, durability="sync")

        names = list(client.keys("short:{t}*"))
        assert len(names) == 5
        assert all(0 < client.pttl(key) <= 100_000 for key in names)
        for key in names:
            client.pexpire(key, 0)
        assert (saver.threads(), saver.last_seq("t")) == ([], 0)
    client.close()


@pytest.mark.parametrize(
    ("library", "make", "extra"),
    [
        ("psycopg.conninfo", lambda: PostgresSaver("postgresql://nowhere"), "postgres"),
        ("redis", lambda: RedisCheckpointer("redis://nowhere"), "redis"),
        ("boto3", lambda: S3Checkpointer("bucket"), "s3"),
        ("boto3", lambda: DynamoDBCheckpointer("table"), "dynamodb"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    library: str, make: Any, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MissingLibraryError, match=rf"pip install 'inwit\[{extra}\]'"):
        make()


def test_checkpoints_are_listed_by_metadata_and_from_a_checkpoint_on(project: Path) -> None:
    saver = InMemorySaver()
    app = counting(saver)
    app.invoke({"n": 0}, {**CONFIG, "metadata": {"user": "ada"}})
    app.invoke({"n": 0}, {"configurable": {"thread_id": "u"}})

    everything = list(saver.list(None))
    adas = list(saver.list(None, filter={"user": "ada"}))
    later = list(saver.list(CONFIG, before=adas[1].config))

    assert (len(everything), len(adas)) == (10, 5)
    assert [one.config for one in later] == [one.config for one in adas[2:]]
    assert later[0].config == adas[1].parent_config


def test_a_connection_with_an_open_transaction_is_left_as_it_is(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.execute("CREATE TABLE mine (n)")
    connection.execute("INSERT INTO mine VALUES (1)")

    with pytest.raises(MalformedInputError, match="transaction is open"):
        SqliteSaver(connection)

    assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)]
    connection.close()


def savers_by_name(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    return {
        "memory": InMemorySaver,
        "file": lambda: SqliteSaver.from_conn_string(str(folder / "own.db")),
        "postgres": lambda: PostgresSaver.from_conn_string(
            request.getfixturevalue("postgres").place("by_hand")
        ),
        "redis": lambda: RedisCheckpointer(
            request.getfixturevalue("redis_server").uri, prefix="by_hand"
        ),
    }


def by_hand(number: int) -> dict[str, Any]:
    """A checkpoint as LangGraph's users write them."""
    return {
        "v": 4,
        "id": f"1ef4f797-8335-6428-8001-{number:012}",
        "ts": f"2026-07-31T20:14:{number:02}.571107+00:00",
        "channel_values": {"n": number, "seen": {number}},
        "channel_versions": {"n": 2},
        "versions_seen": {"__input__": {}},
    }


@pytest.mark.parametrize("backend", ["memory", "file", "postgres", "redis"])
def test_a_checkpoint_that_is_put_by_hand_is_got_and_listed(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    write = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    with savers_by_name(request, tmp_path)[backend]() as saver:
        saver.setup()
        first = saver.put(write, by_hand(1), {"source": "input", "step": -1, "user": "ada"}, {})
        second = saver.put(first, by_hand(2), {}, {})
        saver.put_writes(second, [("n", 3), ("log", (1, 2))], "task", "~path")

        newest, older = saver.list(CONFIG)

        assert first["configurable"]["checkpoint_id"] == by_hand(1)["id"]
        assert saver.get(CONFIG)["channel_values"] == {"n": 2, "seen": {2}}
        assert saver.get_tuple(first).checkpoint["channel_values"] == {"n": 1, "seen": {1}}
        assert newest.config == second
        assert newest.parent_config == first
        assert newest.pending_writes == [("task", "n", 3), ("task", "log", (1, 2))]
        assert older.metadata["source"] == "input"
        assert [one.config for one in saver.list(None, filter={"user": "ada"})] == [first]
        assert newest.checkpoint["ts"] == "2026-07-31T20:14:02.571107Z"
        with pytest.raises(MalformedInputError, match="not the newest"):
            saver.put_writes(first, [("n", 4)], "task")
        with pytest.raises(UnserialisableError, match="object"):
            saver.put(second, {**by_hand(3), "channel_values": {"n": object()}}, {}, {})


@pytest.mark.anyio
async def test_a_checkpoint_is_put_by_hand_by_async_code_and_a_graph_goes_on_with_it(
    project: Path, tmp_path: Path
) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db")) as saver:
        values = {"n": 5, "log": [4]}
        found = await saver.aput(CONFIG, {**by_hand(1), "channel_values": values}, {}, {})
        await saver.aput_writes(found, [("note", "seen")], "task")

        assert (await counting(saver).ainvoke({"n": 7}, CONFIG))["log"] == [4, 7, 8, 9]
        listed = [one async for one in saver.alist(CONFIG)]
        assert listed[-1].config == found
