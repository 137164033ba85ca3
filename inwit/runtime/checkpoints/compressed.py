"""Smaller checkpoints."""

from __future__ import annotations

import threading

import zstandard

from inwit.errors import StoreCorruptError
from inwit.runtime.checkpoints.base import Checkpointer, Row
from inwit.runtime.checkpoints.sealing import Sealing

MIN_BYTES = 128
"""Less than this grows by being compressed."""
_RAW, _ZSTD = b"\0", b"\1"


class CompressedCheckpointer(Sealing):
    """Keeps rows compressed by zstd in another checkpointer; rows put before stay readable.

    To compress and encrypt, wrap this around the encryption: what is encrypted does not shrink.
    """

    kind = "zstd"

    def __init__(self, inner: Checkpointer, *, level: int = 3) -> None:
        super().__init__(inner)
        self._level = level
        # Its contexts are not for several threads at once.
        self._local = threading.local()

    def seal(self, data: bytes, row: Row) -> bytes:  # noqa: ARG002 - a key needs it, this doesn't
        """Compress a row."""
        if len(data) < MIN_BYTES:
            return _RAW + data
        if not hasattr(self._local, "compress"):
            self._local.compress = zstandard.ZstdCompressor(level=self._level).compress
        return _ZSTD + bytes(self._local.compress(data))

    def open(self, data: bytes, row: Row) -> bytes:
        """Expand a row.

        Raises:
            StoreCorruptError: It is damaged.
        """
        if data[:1] == _RAW:
            return data[1:]
        if not hasattr(self._local, "decompress"):
            self._local.decompress = zstandard.ZstdDecompressor().decompress
        try:
            return bytes(self._local.decompress(data[1:]))
        except zstandard.ZstdError as exc:
            place = f"Row {row.seq} of the thread {row.thread_id!r}"
            raise StoreCorruptError(place, str(exc)) from exc
