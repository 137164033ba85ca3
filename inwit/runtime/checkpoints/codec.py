"""A row as bytes and back."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from inwit.errors import MalformedInputError
from inwit.runtime.checkpoints.base import Checkpoint, Pending, PendingKind, Row, Source, Task
from inwit.runtime.serial import freeze, pack, thaw

_Frozen = msgspec.Raw


class _Task(msgspec.Struct, array_like=True):
    name: str
    arg: _Frozen = _Frozen(b"\xc0")
    is_sent: bool = False
    timeout: tuple[float | None, float | None, str] | None = None


class _Checkpoint(msgspec.Struct, kw_only=True, array_like=True, tag=1):
    thread_id: str
    ns: str
    seq: int
    checkpoint_id: str
    execution_id: str
    step: int
    ts_ns: int
    next: tuple[_Task, ...]
    update: dict[str, _Frozen]
    state: dict[str, _Frozen] | None
    source: Source
    parent_id: str | None
    joins: Any
    owner: str
    lease_until_ns: int
    version: int
    metadata: dict[str, _Frozen] | None
    parts: list[tuple[str, dict[str, _Frozen]]] | None = None
    changes: dict[str, _Frozen] | None = None


class _Pending(msgspec.Struct, kw_only=True, array_like=True, tag=2):
    thread_id: str
    ns: str
    seq: int
    checkpoint_id: str
    execution_id: str
    ts_ns: int
    kind: PendingKind
    task: str
    key: str
    value: _Frozen
    owner: str
    lease_until_ns: int


class _First(msgspec.Struct, array_like=True):
    """A checkpoint as version 0.1 wrote it: without its place, whatever followed by name."""

    checkpoint_id: str
    thread_id: str
    execution_id: str
    step: int
    ts_ns: int
    next: tuple[str, ...]
    update: dict[str, _Frozen]
    state: dict[str, _Frozen] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Checkpoint | _Pending).decode
_decode_first = msgspec.msgpack.Decoder(_First).decode


def encode(row: Row) -> bytes:
    """Write a row as msgpack.

    Raises:
        MalformedInputError: One of its names holds half a character, which no storage takes.
    """
    if isinstance(row, Checkpoint) and row.metadata:
        # What a config says is not checked as a state is: what cannot be kept is kept by its name.
        row = replace(row, metadata={key: freeze(value) for key, value in row.metadata.items()})
    try:
        return _encode(row)
    except (OverflowError, UnicodeEncodeError):
        pass
    try:
        return _encode(_packed(row))
    except UnicodeEncodeError as exc:
        raise MalformedInputError(
            f"The name {exc.object!r} of the thread {row.thread_id!r} cannot be kept: {exc.reason}."
        ) from exc


def _packed(row: Row) -> Row:
    """The same row, where a number or a text is one that msgpack has no place for."""
    if isinstance(row, Pending):
        return replace(row, value=_pack(row.value))
    return replace(
        row,
        next=tuple(replace(task, arg=_pack(task.arg)) for task in row.next),
        parts=row.parts and [(task, _pack_all(update)) for task, update in row.parts],
        **{
            name: _pack_all(getattr(row, name))
            for name in ("update", "state", "metadata", "changes")
        },
    )


def _pack_all(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return values and {key: _pack(value) for key, value in values.items()}


def _pack(value: Any) -> Any:
    is_frozen = isinstance(value, msgspec.Raw | msgspec.msgpack.Ext)
    return value if is_frozen else msgspec.Raw(pack(value))


def decode(data: bytes, *, seq: int = 0) -> Row:
    """Read what `encode` wrote; values stay packed until they are thawed.

    `seq` is the place of a row that version 0.1 wrote, whose bytes don't tell it.
    """
    try:
        found = _decode(data)
    except msgspec.ValidationError:
        return _decode_old(data, seq)
    fields = asdict(found)
    if isinstance(found, _Pending):
        return Pending(**fields)
    fields["next"] = tuple(
        Task(task.name, task.arg, task.is_sent, task.timeout) for task in found.next
    )
    if found.metadata:
        fields["metadata"] = {key: thaw(value) for key, value in found.metadata.items()}
    return Checkpoint(**fields)


def _decode_old(data: bytes, seq: int) -> Checkpoint:
    fields = asdict(_decode_first(data))
    fields["next"] = tuple(Task(name) for name in fields["next"])
    return Checkpoint(seq=seq, **fields)
