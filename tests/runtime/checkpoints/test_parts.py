"""The parts of savers by themselves: what errors of servers mean, what is damaged, who waits."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import zstandard
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from inwit import (
    EncryptedCheckpointer,
    InMemoryCheckpointer,
    SqliteCheckpointer,
    TieredCheckpointer,
)
from inwit.errors import (
    InwitError,
    MalformedInputError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnreachableError,
    WrongKeyError,
)
from inwit.runtime.checkpoints import blocks, group
from inwit.runtime.checkpoints.aws import Client, aws_errors
from inwit.runtime.checkpoints.compressed import CompressedCheckpointer
from inwit.runtime.checkpoints.postgres_errors import is_conflict, is_unreachable, typed
from inwit.runtime.checkpoints.redis import _typed
from inwit.runtime.checkpoints.retained import RetainedCheckpointer
from inwit.runtime.checkpoints.snapshots import fold, join_updates, split
from inwit.runtime.checkpoints.sqlite_file import _transaction
from inwit.runtime.checkpoints.wrapping import Wrapping
from inwit.runtime.serial import freeze, freeze_delta, thaw
from inwit.testing.rows import checkpoint, deltas, put, seqs

ANY = InwitError


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "Put")


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (refused("SlowDown"), StoreUnreachableError, None),
        (refused("AccessDenied"), StoreReadOnlyError, None),
        (refused("NoSuchBucket"), StoreError, "Call setup(), which makes what is missing."),
        (refused("Odd"), StoreError, ""),
        (BotoCoreError(), StoreError, ""),
        (ConnectTimeoutError(endpoint_url="http://x"), StoreUnreachableError, None),
        (EndpointConnectionError(endpoint_url="http://x"), StoreUnreachableError, None),
    ],
)
def test_what_aws_refuses_is_told_by_its_kind(
    error: Exception, kind: type[InwitError], hint: str | None
) -> None:
    with pytest.raises(kind) as raised, aws_errors("The table 't'"):
        raise error

    assert type(raised.value) is kind
    assert "The table 't'" in str(raised.value)
    assert raised.value.__cause__ is error
    assert hint is None or raised.value.hint == hint


def test_a_client_of_aws_that_was_given_is_used_and_left_open() -> None:
    closed: list[int] = []

    class Given:
        def close(self) -> None:
            closed.append(1)

    given = Given()
    client = Client("S3Checkpointer", "s3", given, {})

    assert client.get() is given
    client.close()
    assert closed == []


def test_a_client_of_our_own_is_made_once_and_closed_once() -> None:
    client = Client(
        "S3Checkpointer", "s3", None,
        {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"},
    )  # fmt: skip
    client.close()

    first = client.get()

    assert client.get() is first
    assert (first.meta.config.connect_timeout, first.meta.config.read_timeout) == (5, 20)
    client.close()
    client.close()
    assert client.get() is not first
    client.close()


def said(sqlstate: str | None, kind: Any = psycopg.Error) -> psycopg.Error:
    error: psycopg.Error = kind("it is\n  so")
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (said("53100"), StoreFullError),
        (said("55P03"), StoreLockedError),
        (said("57014"), StoreLockedError),
        (said("42501"), StoreReadOnlyError),
        (said("25006"), StoreReadOnlyError),
        (said("08006"), StoreUnreachableError),
        (said("57P01"), StoreUnreachableError),
        (said(None, psycopg.OperationalError), StoreUnreachableError),
        (said(None, psycopg.InterfaceError), StoreUnreachableError),
        (said(None), StoreError),
        (said("22003"), StoreError),
    ],
)
def test_what_postgresql_refuses_is_told_by_its_kind(error: psycopg.Error, kind: Any) -> None:
    found = typed(error)

    assert type(found) is kind
    assert is_unreachable(error) is (kind is StoreUnreachableError)
    assert "The PostgreSQL server" in str(found)
    assert "it is so" in str(found) or kind is StoreLockedError


def test_other_errors_are_not_postgresql_s() -> None:
    error = ValueError("no")

    assert typed(error) is error
    assert (is_unreachable(error), is_conflict(error)) == (False, False)
    assert [is_conflict(said(code)) for code in ("23505", "40P01", "40001", "42501")] == [
        True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.OutOfMemoryError("command not allowed"), StoreFullError),
        (redis.ResponseError("MISCONF cannot\n write"), StoreFullError),
        (redis.ResponseError("OOM command"), StoreFullError),
        (redis.ReadOnlyError("a replica"), StoreReadOnlyError),
        (redis.ResponseError("READONLY a replica"), StoreReadOnlyError),
        (redis.ConnectionError("gone"), StoreUnreachableError),
        (redis.TimeoutError("late"), StoreUnreachableError),
        (redis.AuthenticationError("no"), StoreError),
        (redis.ResponseError("odd"), StoreError),
    ],
)
def test_what_redis_refuses_is_told_by_its_kind(error: Exception, kind: Any) -> None:
    found = _typed(error)

    assert type(found) is kind
    assert "The Redis server" in str(found)
    other = ValueError("no")
    assert _typed(other) is other


def test_a_compressed_row_that_is_damaged_is_told_by_its_place() -> None:
    saver = CompressedCheckpointer(InMemoryCheckpointer())
    row = checkpoint(3, thread_id="t")
    sealed = saver.seal(b"x" * 9_000, row)

    assert saver.open(sealed, row) == b"x" * 9_000
    assert saver.open(saver.seal(b"small", row), row) == b"small"
    with pytest.raises(StoreCorruptError, match="Row 3 of the thread 't'") as raised:
        saver.open(sealed[:1] + b"damaged", row)
    assert isinstance(raised.value.__cause__, zstandard.ZstdError)


@pytest.mark.parametrize("data", [b"", b"\x01", b"plain text"])
def test_a_row_that_no_key_has_sealed_is_refused(data: bytes) -> None:
    saver = EncryptedCheckpointer(InMemoryCheckpointer(), {"k": os.urandom(32)})

    with pytest.raises(WrongKeyError, match="not in a form that is known"):
        saver.open(data, checkpoint(1))


def test_a_sealed_row_at_another_place_is_refused() -> None:
    inner = InMemoryCheckpointer()
    saver = CompressedCheckpointer(inner)
    put(saver, [checkpoint(1, thread_id="a")])
    (row,) = inner.load("a")
    import msgspec

    inner.put([msgspec.structs.replace(row, thread_id="b")])

    with pytest.raises(StoreError, match="Row 1 of 'b' holds another row") as raised:
        saver.load("b")
    assert raised.value.hint == "The storage was changed by something else than inwit."


class Held:
    """A place for puts that writes when it is let."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.groups: list[int] = []

    def __call__(self, puts: Any) -> list[None]:
        assert self.may.wait(30)
        self.groups.append(len(puts))
        return [None] * len(puts)


def test_a_group_that_is_too_slow_is_told_of_and_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(group, "EXIT_S", 0.01)
    held = Held()
    writer = group.GroupWriter("held", held)
    first = writer.put([checkpoint(1, thread_id="a")])
    second = writer.put([checkpoint(1, thread_id="b")])

    with pytest.raises(StoreLockedError, match="held"):
        writer.drain(0.01)
    with caplog.at_level(logging.WARNING, "inwit"):
        writer._drain_at_exit()
    second.cancel()
    held.may.set()
    writer.close()

    assert first.result(10) is None
    assert sum(held.groups) == 2
    assert [one.getMessage()[:45] for one in caplog.records] == [
        "inwit: warning: checkpoints may be lost: held"
    ]


def test_a_group_takes_no_more_than_fits_and_keeps_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group, "BATCH", 2)
    held = Held()
    writer = group.GroupWriter("held", held)
    done = [writer.put([checkpoint(seq, thread_id="a")]) for seq in range(1, 6)]

    held.may.set()
    writer.close()

    assert all(one.done() for one in done)
    assert sum(held.groups) == 5
    assert max(held.groups) <= 2


def test_a_child_process_has_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.may.set()
    writer = group.GroupWriter("held", held)
    writer.put([checkpoint(1)]).result(10)
    threads = list(writer._threads)

    writer._process = -1
    writer.drain(0)
    writer.put([checkpoint(2)]).result(10)

    assert writer._process == os.getpid()
    assert writer._threads != threads
    writer.close()


class Flaky:
    """A store of blocks whose connection breaks before or after it has written."""

    block_bytes = 1_000_000

    def __init__(self, *, breaks: int, is_written: bool) -> None:
        self.left, self.is_written = breaks, is_written
        self.found: dict[tuple[Any, int], bytes] = {}

    def create(self, log: Any, first: int, data: bytes, after: int) -> bool:
        is_new = (log, first) not in self.found
        if is_new and (self.is_written or not self.left):
            self.found[log, first] = data
        if self.left:
            self.left -= 1
            raise StoreUnreachableError("The store", "it is gone")
        return is_new

    def read(self, log: Any, first: int) -> bytes | None:
        return self.found.get((log, first))


@pytest.mark.parametrize("is_written", [False, True])
def test_a_block_is_written_once_though_the_connection_breaks(is_written: bool) -> None:
    store: Any = Flaky(breaks=2, is_written=is_written)
    saver = blocks.BlockCheckpointer.__new__(blocks.BlockCheckpointer)
    saver._store = store

    assert saver._create(("t", ""), 1, b"data", 0) is True
    assert store.found == {(("t", ""), 1): b"data"}
    assert saver._create(("t", ""), 1, b"another's", 0) is False


def test_a_block_that_cannot_be_written_in_time_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "PATIENCE_S", 0.0)
    saver = blocks.BlockCheckpointer.__new__(blocks.BlockCheckpointer)
    saver._store = Flaky(breaks=9, is_written=False)  # type: ignore[assignment]

    with pytest.raises(StoreUnreachableError, match="it is gone"):
        saver._create(("t", ""), 1, b"data", 0)


def test_places_are_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "REMEMBERED", 2)
    places: dict[int, int] = {}

    for number in range(4):
        blocks._remember(places, number, -number)

    assert places == {2: -2, 3: -3}


def test_a_wrapper_hands_everything_on(tmp_path: Path) -> None:
    inner = SqliteCheckpointer(tmp_path / "kept.db")
    saver = Wrapping(inner)
    saver.setup()
    put(saver, [checkpoint(1), *deltas(2, 3)])

    assert seqs(saver.load("t")) == seqs(inner.load("t"))
    assert [one.seq for one in saver.history("t", 1)] == [one.seq for one in inner.history("t", 1)]
    assert (saver.last_seq("t"), list(saver.threads())) == (inner.last_seq("t"), ["t"])
    saver.close()


def test_two_tiers_are_made_ready_and_closed_together(tmp_path: Path) -> None:
    fast, durable = (
        SqliteCheckpointer(tmp_path / "fast.db"),
        SqliteCheckpointer(tmp_path / "slow.db"),
    )
    saver = TieredCheckpointer(fast, durable)

    saver.setup()
    put(saver, [checkpoint(1)])
    saver.close()

    assert (tmp_path / "fast.db").exists()
    assert (tmp_path / "slow.db").exists()


def test_threads_leave_the_fast_tier_when_their_time_is_over() -> None:
    now, fast = [0.0], InMemoryCheckpointer()
    saver = TieredCheckpointer(fast, InMemoryCheckpointer(), fast_ttl_s=10, clock=lambda: now[0])
    for at, name in enumerate(("a", "b")):
        now[0] = 5.0 * at
        put(saver, [checkpoint(1, thread_id=name)])

    now[0] = 10.0
    saver.load("b")
    first = list(fast.threads())
    now[0] = 30.0
    put(saver, [checkpoint(1, thread_id="c")])

    assert (first, list(fast.threads())) == (["b"], ["c"])
    assert list(saver.threads()) == ["a", "b", "c"]


def test_old_checkpoints_that_cannot_be_forgotten_are_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing(InMemoryCheckpointer):
        def prune(self, thread_id: str, *, keep: int) -> None:
            raise StoreReadOnlyError("here", "it is closed")

    saver = RetainedCheckpointer(Refusing(), keep=1)
    with caplog.at_level(logging.WARNING, "inwit"):
        done: Future[None] = Future()
        saver._prune_later("t", done)
        saver._prune_later("t", done)
        done.set_result(None)
        saver.close()

    assert len(caplog.records) == 1
    assert "old checkpoints could not be forgotten: " in caplog.records[0].getMessage()


def test_states_are_built_of_rows() -> None:
    rows: list[Any] = [checkpoint(1)]

    assert fold([]) == {}
    assert split(rows) == (rows[0], [])
    with pytest.raises(ValueError, match="no checkpoint among the rows"):
        split([])


def test_the_updates_of_branches_are_joined_in_their_order() -> None:
    one = {"a": freeze_delta([1]), "b": freeze([1]), "c": 1}
    two = {"a": freeze_delta([2]), "b": freeze_delta([2]), "c": 2, "d": 3}

    joined = join_updates([one, two])

    assert thaw(joined["a"]).items == [1, 2]
    assert (thaw(joined["b"]), joined["c"], joined["d"]) == ([1, 2], 2, 3)


def test_a_log_without_checkpoints_has_nothing_to_load() -> None:
    saver = InMemoryCheckpointer()

    assert list(saver.load("nobody")) == []
    assert list(saver.load("nobody", "c1")) == []
    assert list(saver.history("nobody")) == []
    put(saver, [checkpoint(1), *deltas(2, 5)])
    saver.prune("t", keep=0)
    assert seqs(saver.load("t")) == [1, 2, 3, 4, 5]
    assert list(saver.history("t", 0)) == []
    assert list(saver.load("t", "unknown")) == []


def test_what_is_no_database_cannot_be_a_saver_s_file() -> None:
    with pytest.raises(MalformedInputError, match="No file is known of") as raised:
        SqliteCheckpointer(3)  # type: ignore[arg-type]
    assert raised.value.hint == "Give the file's path."


def test_a_transaction_that_ended_itself_is_not_rolled_back_again() -> None:
    import apsw

    connection = apsw.Connection(":memory:")

    with pytest.raises(ValueError, match="why"), _transaction(connection, "BEGIN"):
        connection.execute("ROLLBACK")
        raise ValueError("why")
    with pytest.raises(ValueError, match="why"), _transaction(connection, "BEGIN"):
        connection.execute("CREATE TABLE t (n)")
        raise ValueError("why")
    assert connection.in_transaction is False
    assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    connection.close()
