"""Rows to try a checkpointer with, and how two of them are compared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Pending, Row, Task
from inwit.runtime.checkpoints.codec import encode
from inwit.runtime.serial import freeze, freeze_delta, thaw

PATIENCE_S = 60.0
VALUES: dict[str, Any] = {
    "nothing": None,
    "truth": True,
    "number": -(2**63),
    "big": 2**200,
    "ratio": 0.1,
    "text": "naïve ✓ \x00 \U0001f9ed",
    "half": "\ud800",
    "bytes": bytes(range(256)),
    "tuple": (1, (2, {3})),
    "nested": {"a": [1, {"b": None}], "": ""},
    "time": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
}
"""Values of every kind that a state may hold."""


def checkpoint(
    seq: int,
    *,
    thread_id: str = "t",
    ns: str = "",
    whole: bool = True,
    name: str | None = None,
    values: dict[str, Any] | None = None,
) -> Checkpoint:
    """A checkpoint in which every field says something."""
    frozen = {key: freeze(value) for key, value in (values or {"n": seq}).items()}
    return Checkpoint(
        thread_id=thread_id,
        ns=ns,
        seq=seq,
        checkpoint_id=name or f"c{seq}",
        execution_id="e1",
        step=seq,
        ts_ns=1_700_000_000_000_000_000 + seq,
        next=(Task("plain"), Task("sent", freeze({"item": [seq]}), is_sent=True)),
        update=frozen | {"log": freeze_delta([seq])},
        state=frozen | {"log": freeze([seq])} if whole else None,
        source="input" if whole else "loop",
        parent_id=f"c{seq - 1}" if seq > 1 else None,
        joins={"join": ["left"]},
        owner="boot:1:2",
        lease_until_ns=2**62,
        version=3,
        metadata={"user": "ada", "tags": ["a", ("b", 2)]},
        parts=[("plain", frozen), ("sent#1", {"log": freeze_delta([seq])})],
        changes=None if whole else frozen | {"log": freeze_delta([seq])},
    )


def pending(seq: int, *, thread_id: str = "t", ns: str = "", value: Any = ("done", 1)) -> Pending:
    """A pending row in which every field says something."""
    return Pending(
        thread_id=thread_id,
        ns=ns,
        seq=seq,
        checkpoint_id=f"c{seq - 1}",
        execution_id="e1",
        ts_ns=1_700_000_000_000_000_000 + seq,
        kind="done",
        task="sent",
        key=f"k{seq}",
        value=freeze(value),
        owner="boot:1:2",
        lease_until_ns=2**62,
    )


def deltas(first: int, last: int, **place: Any) -> list[Row]:
    """Checkpoints that hold what changed only."""
    return [checkpoint(seq, whole=False, **place) for seq in range(first, last + 1)]


def put(saver: Checkpointer, rows: Sequence[Row]) -> None:
    """Put rows and wait until they are durable."""
    done = saver.put(rows)
    if done is not None:
        done.result(PATIENCE_S)


def put_each(saver: Checkpointer, rows: Iterable[Row]) -> None:
    """Put rows one by one, waiting for each."""
    for row in rows:
        put(saver, [row])


def seqs(rows: Sequence[Row]) -> list[int]:
    """Where rows have their place."""
    return [row.seq for row in rows]


def shown(rows: Sequence[Row]) -> list[bytes]:
    """Rows as bytes, so that a thawed value and its packed form compare as equal."""
    return [encode(row) for row in rows]


def values_of(frozen: dict[str, Any]) -> dict[str, Any]:
    """What frozen values hold."""
    return {key: thaw(value) for key, value in frozen.items()}
