"""What compression, tiers, retention and migrations add to the checkpointer that they wrap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inwit import (
    CompressedCheckpointer,
    EncryptedCheckpointer,
    InMemoryCheckpointer,
    MigratingCheckpointer,
    RetainedCheckpointer,
    SqliteCheckpointer,
    TieredCheckpointer,
)
from inwit.errors import MalformedInputError, StateVersionError, StoreUnreachableError
from inwit.runtime.checkpoints.base import Checkpoint, Row
from inwit.runtime.checkpoints.codec import encode
from inwit.runtime.serial import freeze
from inwit.testing.rows import checkpoint, deltas, pending, put, put_each, seqs, shown, values_of
from tests.runtime.checkpoints.graphs import counting


def size_of(saver: InMemoryCheckpointer) -> int:
    return sum(len(encode(row)) for row in saver.load("t"))


def test_compression_makes_a_large_state_small_and_never_a_small_one_large() -> None:
    plain, packed = InMemoryCheckpointer(), InMemoryCheckpointer()
    large = [checkpoint(1, values={"text": "all work and no play " * 1000})]

    put(plain, large)
    put(CompressedCheckpointer(packed), large)

    assert size_of(packed) * 20 < size_of(plain)
    assert shown(CompressedCheckpointer(packed).load("t")) == shown(large)


def test_compression_reads_what_was_put_before_it() -> None:
    inner = InMemoryCheckpointer()
    rows: list[Row] = [checkpoint(1), pending(2)]
    put(inner, rows)
    saver = CompressedCheckpointer(inner)

    put(saver, deltas(3, 3))

    assert seqs(saver.load("t")) == [1, 2, 3]
    assert shown(saver.load("t"))[:2] == shown(rows)


def test_compression_within_encryption_shrinks_what_is_kept() -> None:
    inner = InMemoryCheckpointer()
    saver = CompressedCheckpointer(EncryptedCheckpointer(inner, b"k" * 32))
    rows = [checkpoint(1, values={"text": "all work and no play " * 1000})]

    put(saver, rows)

    assert size_of(inner) < 1000
    assert shown(saver.load("t")) == shown(rows)


class Counting(InMemoryCheckpointer):
    """Tells how often states were read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    def load(self, *args: Any, **options: Any) -> Any:
        self.loads += 1
        return super().load(*args, **options)


def test_a_thread_is_read_from_the_fast_tier_and_promoted_where_it_is_not_there() -> None:
    durable = Counting()
    put_each(durable, [checkpoint(1), *deltas(2, 4), checkpoint(5), *deltas(6, 7)])
    saver = TieredCheckpointer(InMemoryCheckpointer(), durable)

    found = [seqs(saver.load("t")) for _ in range(3)]
    put(saver, deltas(8, 8))

    assert [*found, seqs(saver.load("t"))] == [[5, 6, 7]] * 3 + [[5, 6, 7, 8]]
    assert durable.loads == 1
    assert seqs(saver.load("t", "c3")) == [1, 2, 3]
    assert durable.loads == 2


def test_the_fast_tier_never_hides_what_another_process_did() -> None:
    durable = InMemoryCheckpointer()
    here, there = (TieredCheckpointer(InMemoryCheckpointer(), durable) for _ in range(2))
    put(here, [checkpoint(1), *deltas(2, 2)])

    put(there, deltas(3, 3))
    assert seqs(here.load("t")) == [1, 2, 3]
    there.delete_thread("t")
    assert seqs(here.load("t")) == []
    put(there, [checkpoint(1, name="new"), *deltas(2, 2), checkpoint(3, name="newest")])
    assert shown(here.load("t")) == shown(durable.load("t"))


def test_a_lifetime_in_the_fast_tier_ends_without_loss() -> None:
    now = [0.0]
    fast, durable = InMemoryCheckpointer(), InMemoryCheckpointer()
    saver = TieredCheckpointer(fast, durable, fast_ttl_s=10, clock=lambda: now[0])
    put(saver, [checkpoint(1, thread_id="old")])
    now[0] = 8.0
    put(saver, [checkpoint(1, thread_id="new")])
    assert fast.threads() == ["new", "old"]

    now[0] = 11.0
    saver.load("new")

    assert fast.threads() == ["new"]
    assert seqs(saver.load("old")) == [1]
    assert fast.threads() == ["new", "old"]


def test_a_lifetime_in_the_durable_tier_ends_in_both() -> None:
    fast, durable = InMemoryCheckpointer(), InMemoryCheckpointer()
    saver = TieredCheckpointer(fast, durable, durable_ttl_s=1)

    put(saver, [checkpoint(1)])  # a row of the year 2023

    assert seqs(saver.load("t")) == []
    assert (list(fast.threads()), list(durable.threads())) == ([], [])


class Broken(InMemoryCheckpointer):
    """A fast tier whose server is gone."""

    def put(self, rows: Any) -> None:
        raise StoreUnreachableError("It", "gone")

    def history(self, *args: Any, **options: Any) -> Any:
        raise StoreUnreachableError("It", "gone")


def test_a_fast_tier_that_fails_is_done_without(caplog: pytest.LogCaptureFixture) -> None:
    saver = TieredCheckpointer(Broken(), InMemoryCheckpointer())

    put(saver, [checkpoint(1), *deltas(2, 3)])

    assert [seqs(saver.load("t")) for _ in range(2)] == [[1, 2, 3]] * 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_number_of_checkpoints_is_kept_and_each_of_them_can_be_restored(
    is_durable: bool, tmp_path: Path
) -> None:
    inner = SqliteCheckpointer(tmp_path / "own.db") if is_durable else InMemoryCheckpointer()
    saver = RetainedCheckpointer(inner, keep=3)

    put_each(saver, [checkpoint(seq, whole=seq % 4 == 1) for seq in range(1, 30)])
    saver.close()

    assert seqs(inner.history("t")) == [29, 28, 27, 26, 25]
    assert seqs(saver.load("t", "c27")) == [25, 26, 27]


def test_a_put_that_nobody_waits_for_any_more_is_kept_and_pruned_all_the_same(
    tmp_path: Path,
) -> None:
    inner = SqliteCheckpointer(tmp_path / "own.db")
    saver = RetainedCheckpointer(inner, keep=1)

    futures = [saver.put([checkpoint(seq)]) for seq in range(1, 6)]
    for future in futures:
        assert future is not None
        future.cancel()
    saver.close()

    assert seqs(inner.history("t")) == [5]


def test_a_lifetime_forgets_threads_that_are_read_and_those_that_are_not() -> None:
    start, second = checkpoint(1).ts_ns, 1_000_000_000
    now = [start]
    inner = InMemoryCheckpointer()
    saver = RetainedCheckpointer(inner, ttl_s=60, clock=lambda: now[0])
    for name in ("read", "unread", "used"):
        put(saver, [checkpoint(1, thread_id=name)])

    now[0] = start + 61 * second
    put(inner, [Checkpoint(
        thread_id="used", seq=2, checkpoint_id="c2", execution_id="e", step=1, ts_ns=now[0], update={}
    )])  # fmt: skip

    assert seqs(saver.load("read")) == []
    assert saver.last_seq("read") == 0
    assert inner.threads() == ["unread", "used"]
    assert saver.sweep() == 1
    assert saver.threads() == ["used"]
    put(saver, [checkpoint(1, thread_id="read")])


@pytest.mark.parametrize("options", [{"keep": 0}, {"ttl_s": 0}, {"ttl_s": -1}])
def test_a_retention_that_keeps_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MalformedInputError, match="would keep nothing"):
        RetainedCheckpointer(InMemoryCheckpointer(), **options)


def rename(state: dict[str, Any]) -> dict[str, Any]:
    return {"text" if key == "body" else key: value for key, value in state.items()}


def count(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "words": len(state["text"].split())}


def state_of(rows: Any) -> dict[str, Any]:
    from inwit.runtime.checkpoints import fold

    return fold(rows)


def test_states_of_every_older_version_are_read_as_todays() -> None:
    inner = InMemoryCheckpointer()
    first = MigratingCheckpointer(inner, [])
    second = MigratingCheckpointer(inner, [rename])
    third = MigratingCheckpointer(inner, [rename, count])
    put(first, [checkpoint(1, values={"body": "one two"}), pending(2)])
    put(first, [checkpoint(3, whole=False, values={"body": "three"}), pending(4)])

    put(second, [checkpoint(5, whole=False, values={"text": "four five six"})])

    assert state_of(third.load("t", "c1")) == {"text": "one two", "log": [1], "words": 2}
    assert seqs(third.load("t", "c3")) == [3, 4]
    assert state_of(third.load("t", "c3")) == {"text": "three", "log": [1, 3], "words": 1}
    assert state_of(third.load("t")) == {"text": "four five six", "log": [1, 3, 5], "words": 3}
    assert state_of(second.load("t")) == {"text": "four five six", "log": [1, 3, 5]}
    assert [values_of(row.state).keys() for row in third.history("t") if row.state] == [
        {"text", "log", "words"}
    ]
    assert "body" in state_of(inner.load("t", "c1"))


def test_a_later_version_is_refused_by_an_earlier_program() -> None:
    inner = InMemoryCheckpointer()
    put(MigratingCheckpointer(inner, [rename]), [checkpoint(1)])

    with pytest.raises(StateVersionError, match="state version 1; the program knows 0"):
        MigratingCheckpointer(inner, []).load("t")


def test_a_graph_goes_on_with_a_state_of_an_older_shape(project: Path) -> None:
    inner = InMemoryCheckpointer()
    with pytest.raises(ValueError, match="planted"):
        counting(inner, fails_at=2).invoke({"n": 1}, thread_id="t")

    def tenfold(state: dict[str, Any]) -> dict[str, Any]:
        return {**state, "n": state["n"] * 10, "note": freeze("migrated")}

    app = counting(MigratingCheckpointer(inner, [tenfold]))

    assert app.invoke(None, thread_id="t") == {"n": 22, "note": "migrated", "log": [1, 20, 21]}
