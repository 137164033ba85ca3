"""A checkpoint as bytes and back."""

from __future__ import annotations

from typing import Any

import msgspec

from inwit.runtime.checkpoints.base import Checkpoint


class _Stored(msgspec.Struct, array_like=True):
    checkpoint_id: str
    thread_id: str
    execution_id: str
    step: int
    ts_ns: int
    next: tuple[str, ...]
    update: dict[str, msgspec.Raw]
    state: dict[str, msgspec.Raw] | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode(checkpoint: Checkpoint) -> bytes:
    """Write a checkpoint as msgpack."""
    fields: list[Any] = [getattr(checkpoint, name) for name in _Stored.__struct_fields__]
    return _encoder.encode(fields)


def decode(data: bytes) -> Checkpoint:
    """Read what `encode` wrote; values stay packed until they are thawed."""
    stored = _decoder.decode(data)
    return Checkpoint(**{name: getattr(stored, name) for name in _Stored.__struct_fields__})
