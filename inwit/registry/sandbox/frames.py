"""What goes between a host and a worker: length, then msgpack. Only plain values go over."""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec

MAX_BYTES = 32 << 20
SEND, COMMAND, FUNCTION = 1, 2, 3
_HEAD = struct.Struct(">I")


class FrameError(Exception):
    """The other side is gone, too slow, or says what is no frame."""


def write(fd: int, value: Any, *, functions: Callable[[Any], int] | None = None) -> None:
    """Send a value; what is not plain raises TypeError."""

    def hook(one: Any) -> Any:
        from inwit.runtime.commands import Command, Send

        if isinstance(one, Send):
            return msgspec.msgpack.Ext(SEND, encode([one.node, one.arg]))
        if isinstance(one, Command):
            told = {"update": one.update, "goto": one.goto}
            return msgspec.msgpack.Ext(COMMAND, encode(told))
        if callable(one) and functions is not None:
            return msgspec.msgpack.Ext(FUNCTION, encode(functions(one)))
        raise TypeError(f"A {type(one).__name__} cannot go into or out of a sandbox.")

    encode = msgspec.msgpack.Encoder(enc_hook=hook).encode
    content = encode(value)
    if len(content) > MAX_BYTES:
        raise TypeError(f"A value of {len(content):,} bytes cannot go into or out of a sandbox.")
    view = memoryview(_HEAD.pack(len(content)) + content)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as exc:
        raise FrameError("it has ended") from exc


def read(
    fd: int, *, deadline: float | None = None, functions: Callable[[int], Any] | None = None
) -> Any:
    """Receive a value; `deadline` is in the seconds of `time.monotonic`."""
    (size,) = _HEAD.unpack(_exactly(fd, _HEAD.size, deadline))
    if size > MAX_BYTES:
        raise FrameError(f"it sends {size:,} bytes")

    def hook(code: int, data: memoryview) -> Any:
        from inwit.runtime.commands import Command, Send

        held = decode(data)
        if code == SEND:
            return Send(*held)
        if code == COMMAND:
            return Command(update=held["update"], goto=held["goto"] or ())
        if code == FUNCTION and functions is not None:
            return functions(held)
        raise FrameError(f"it sends a value of kind {code}")

    decode = msgspec.msgpack.Decoder(ext_hook=hook).decode
    try:
        return decode(_exactly(fd, size, deadline))
    except (msgspec.DecodeError, TypeError, ValueError, KeyError, RecursionError) as exc:
        raise FrameError("it sends what is no message") from exc


def _exactly(fd: int, size: int, deadline: float | None) -> bytes:
    held = bytearray()
    while len(held) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise FrameError("it took too long")
        chunk = os.read(fd, min(size - len(held), 1 << 20))
        if not chunk:
            raise FrameError("it has ended")
        held += chunk
    return bytes(held)
