"""Rows as bytes: one compressed msgpack list for each batch, big values beside it by content."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec
import zstandard

from inwit.runtime.serial import encode_rows, pack, plain_ext

BLOB_BYTES: Final = 4096
"""A value of more bytes is kept beside the rows, once for each content."""
BLOB: Final = 100
"""The extension type of a reference to such a value: its digest."""
_COMPRESS_BYTES = 1024
_ZSTD_MAGIC = 0x28  # as the first byte of msgpack: the number 40, and rows are a list

Row = tuple[Any, ...]
Blobs = dict[str, bytes]


class Encoder:
    """Encodes batches. Not thread-safe."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1)

    def encode(self, rows: list[Row]) -> bytes:
        """Encode rows, compressed where that pays."""
        return self.compress(encode_rows(rows))

    def compress(self, data: bytes) -> bytes:
        """Compress where that pays."""
        if len(data) < _COMPRESS_BYTES:
            return data
        smaller = self._compressor.compress(data)
        return smaller if len(smaller) < len(data) * 0.9 else data


def decompress(data: bytes) -> bytes:
    """Give the msgpack that `Encoder.compress` was given."""
    if data[0] != _ZSTD_MAGIC:
        return data
    return zstandard.ZstdDecompressor().decompress(data)


def decode(packed: bytes, find_blob: Callable[[str], Any]) -> Any:
    """Decode msgpack into plain values; `find_blob` gives the plain value of a digest."""

    def ext(code: int, data: memoryview) -> Any:
        return find_blob(str(data, "ascii")) if code == BLOB else plain_ext(code, data)

    return msgspec.msgpack.decode(packed, ext_hook=ext)


def split(value: Any, blobs: Blobs) -> Any:
    """Replace what is big in `value` by references, and add it to `blobs`. Nothing is mutated."""
    kind = type(value)
    if kind is str:
        return _refer(pack(value), blobs) if len(value) > BLOB_BYTES // 4 else value
    if kind is dict:
        return {key: split(item, blobs) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [split(item, blobs) for item in value]
    if kind is msgspec.Raw:
        return _refer(value, blobs) if len(value) > BLOB_BYTES else value
    if kind is bytes:
        return _refer(pack(value), blobs) if len(value) > BLOB_BYTES else value
    if kind is msgspec.msgpack.Ext:
        big = len(value.data) > BLOB_BYTES
        return _refer(msgspec.msgpack.encode(value), blobs) if big else value
    return value


def digest_of(content: bytes) -> str:
    """Name a content."""
    return blake2b(content, digest_size=16).hexdigest()


def sayable(value: Any) -> Any:
    """A text without the halves of characters that no encoding has a place for."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _refer(content: Any, blobs: Blobs) -> Any:
    data = bytes(content)
    if len(data) <= BLOB_BYTES:
        return msgspec.Raw(data)
    digest = digest_of(data)
    blobs[digest] = data
    return msgspec.msgpack.Ext(BLOB, digest.encode())
