"""Encrypted checkpoints: nothing in plain text, no wrong key, no silent fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from inwit import EncryptedCheckpointer, InMemoryCheckpointer, SqliteCheckpointer
from inwit.errors import InvalidKeyError, MissingLibraryError, WrongKeyError
from inwit.runtime.checkpoints.base import Pending, Row
from inwit.runtime.checkpoints.encrypted import new_key
from inwit.testing.rows import checkpoint, pending, put, put_each, seqs, shown
from tests.runtime.checkpoints.graphs import counting

SECRET = "the password is swordfish"
OLD, NEW = b"o" * 32, b"n" * 32


def test_nothing_of_a_state_is_on_the_disk_in_plain_text(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "sealed.db"
    saver = EncryptedCheckpointer(SqliteCheckpointer(path), new_key())
    app = counting(saver)

    app.invoke({"n": 0, "note": SECRET}, thread_id="t")
    put(saver, [pending(saver.last_seq("t") + 1, value=SECRET)])
    saver.close()

    stored = b"".join(file.read_bytes() for file in tmp_path.glob("sealed.db*"))
    assert b"swordfish" not in stored
    assert b"note" not in stored
    assert b"n02" not in stored
    assert app.get_state({"configurable": {"thread_id": "t"}}).values["note"] == SECRET


def test_a_wrong_key_is_said_and_gives_nothing() -> None:
    inner = InMemoryCheckpointer()
    put(EncryptedCheckpointer(inner, {"k": OLD}), [checkpoint(1)])

    with pytest.raises(WrongKeyError, match="another one than wrote it"):
        EncryptedCheckpointer(inner, {"k": NEW}).load("t")
    with pytest.raises(WrongKeyError, match="its key is 'k', not 'other'"):
        EncryptedCheckpointer(inner, {"other": OLD}).history("t")


def test_a_new_key_writes_while_the_old_one_still_reads() -> None:
    inner = InMemoryCheckpointer()
    rows: list[Row] = [checkpoint(1), checkpoint(2), pending(3)]
    put(EncryptedCheckpointer(inner, {"2025": OLD}), rows[:1])

    both = EncryptedCheckpointer(inner, {"2026": NEW, "2025": OLD})
    put(both, rows[1:])

    assert shown(both.load("t", "c1")) == shown(rows[:1])
    only_new = EncryptedCheckpointer(inner, {"2026": NEW})
    assert shown(only_new.load("t")) == shown(rows[1:])
    with pytest.raises(WrongKeyError, match="'2025'"):
        only_new.load("t", "c1")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (b"short", "5 bytes instead of 32"),
        ("not base64!", "not base64"),
        ("", "0 bytes instead of 32"),
        ({}, "there is none"),
        ({"": OLD}, "between 1 and 255 bytes"),
        ({"good": OLD, "bad": b""}, "'bad' cannot be used"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_at_once(keys: Any, reason: str) -> None:
    with pytest.raises(InvalidKeyError, match=reason):
        EncryptedCheckpointer(InMemoryCheckpointer(), keys)


def test_the_keys_of_the_environment_are_used_and_missing_ones_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, old, new = InMemoryCheckpointer(), new_key(), new_key()
    with pytest.raises(InvalidKeyError, match="it is not set"):
        EncryptedCheckpointer.from_env(inner)
    monkeypatch.setenv("INWIT_CHECKPOINT_KEYS", old)
    put(EncryptedCheckpointer.from_env(inner), [checkpoint(1)])

    monkeypatch.setenv("INWIT_CHECKPOINT_KEYS", f"b:{new}, 1:{old}")

    assert seqs(EncryptedCheckpointer.from_env(inner).load("t")) == [1]


def test_a_missing_library_is_an_error_and_not_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "cryptography.hazmat.primitives.ciphers.aead", None
    )

    with pytest.raises(MissingLibraryError, match=r"inwit\[encryption\]"):
        EncryptedCheckpointer(InMemoryCheckpointer(), OLD)


def test_rows_in_plain_text_are_refused_unless_asked_for() -> None:
    inner = InMemoryCheckpointer()
    put_each(inner, [checkpoint(1), pending(2)])

    with pytest.raises(WrongKeyError, match="it is not encrypted"):
        EncryptedCheckpointer(inner, OLD).load("t")

    saver = EncryptedCheckpointer(inner, OLD, reads_plain=True)
    put(saver, [checkpoint(3, whole=False)])
    assert seqs(saver.load("t")) == [1, 2, 3]


def test_a_row_cannot_be_put_in_the_place_of_another() -> None:
    inner = InMemoryCheckpointer()
    saver = EncryptedCheckpointer(inner, OLD)
    put(saver, [checkpoint(1), pending(2)])
    rows = list(inner.load("t"))

    forged = InMemoryCheckpointer()
    put(forged, [replace(row, thread_id="victim") for row in rows])
    moved = InMemoryCheckpointer()
    assert isinstance(rows[1], Pending)
    put(moved, [rows[0], replace(rows[1], seq=2, value=rows[0].update["__sealed__"])])  # type: ignore[union-attr]

    for storage, thread_id in ((forged, "victim"), (moved, "t")):
        with pytest.raises(WrongKeyError):
            EncryptedCheckpointer(storage, OLD).load(thread_id)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    saver = EncryptedCheckpointer(SqliteCheckpointer(path), OLD)
    put(saver, [checkpoint(1)])
    saver.close()

    with apsw.Connection(str(path)) as connection:
        [(data,)] = connection.execute("SELECT data FROM checkpoint_rows").fetchall()
        assert isinstance(data, bytes)
        at = data.index(b"\x01\x011") + 30
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        connection.execute("UPDATE checkpoint_rows SET data = ?", (flipped,))
    connection.close()

    with pytest.raises(WrongKeyError, match="it was changed"):
        saver.load("t")


def test_the_same_row_is_never_encrypted_the_same_way_twice() -> None:
    found = set()
    for _ in range(2):
        inner = InMemoryCheckpointer()
        put(EncryptedCheckpointer(inner, OLD), [checkpoint(1)])
        [row] = inner.load("t")
        found.add(row.update["__sealed__"])  # type: ignore[union-attr]

    assert len(found) == 2
