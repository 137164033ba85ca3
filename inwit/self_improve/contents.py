"""Contents: what a value is without the value, and the state followed from patch to patch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=repr)


@dataclass(frozen=True, slots=True)
class Content:
    """What a value is, without the value: a hash of its JSON and its size."""

    digest: str
    size_bytes: int


def content_of(value: Any) -> Content:
    """Take the content of a value; mappings are equal whatever the order of their keys."""
    try:
        data = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        data = repr(value).encode(errors="replace")
    return Content(hashlib.blake2b(data, digest_size=16).hexdigest(), len(data))


class StateTrail:
    """The state of one execution, followed from patch to patch; contents are kept per key."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._values = {
            key: msgspec.to_builtins(value, enc_hook=repr) for key, value in start.items()
        }
        self._contents: dict[str, Content] = {}
        self.is_known = True

    def apply(self, patch: Sequence[Mapping[str, Any]]) -> None:
        """Apply an RFC 6902 patch of add, replace and remove; another one makes the state unknown."""
        for step in patch:
            path = [_unescape(part) for part in str(step.get("path", "")).split("/")[1:]]
            try:
                self._step(str(step.get("op")), path, step.get("value"))
            except (KeyError, IndexError, ValueError, TypeError):
                self.is_known = False

    def _step(self, op: str, path: list[str], value: Any) -> None:
        if op not in ("add", "replace", "remove") or not path:
            raise ValueError(op)
        self._contents.pop(path[0], None)
        if path[1:] == ["-"]:  # what a list reducer appends also begins a list
            self._values.setdefault(path[0], [])
        holder: Any = self._values
        for part in path[:-1]:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        last = path[-1]
        if isinstance(holder, list):
            at = len(holder) if last == "-" else int(last)
            if op == "add":
                holder.insert(at, value)
            elif op == "replace":
                holder[at] = value
            else:
                del holder[at]
        elif op == "remove":
            del holder[last]
        else:
            holder[last] = value

    def content(self, keys: Iterable[str] | None) -> Content:
        """The content of some keys, or of all; an absent key counts as absent."""
        parts, size = [], 0
        for key in sorted(self._values if keys is None else keys):
            if key not in self._values:
                parts.append(f"{key}?")
                continue
            if key not in self._contents:
                self._contents[key] = content_of(self._values[key])
            parts.append(f"{key}={self._contents[key].digest}")
            size += self._contents[key].size_bytes
        digest = hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=16)
        return Content(digest.hexdigest(), size)


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
