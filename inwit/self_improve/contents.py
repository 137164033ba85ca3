"""Contents: what a value is without the value, and the state followed from patch to patch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from inwit.runtime.serial import Delta

_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=repr)
_blake = hashlib.blake2b
_KEY_BITS = (1 << 60) - 1
"""A hash of 60 bits is a small integer; among a million contents two are equal once in a million."""
SHAPE_DEPTH = 2
SHAPE_KEYS = 24
"""Keys of one mapping that its shape names at most."""

Shape = tuple[tuple[str, str], ...]
"""The paths within a value and the JSON type of each, sorted; of a list, the type of its items."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """What a value is, without the value: a hash of its JSON and its size."""

    key: int
    size_bytes: int

    @property
    def digest(self) -> str:
        """The hash as fifteen hexadecimal digits."""
        return f"{self.key:015x}"


def content_of(value: Any) -> Content:
    """Take the content of a value; mappings are equal whatever the order of their keys."""
    try:
        data = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        data = repr(value).encode(errors="replace")
    return Content(_hash(data), len(data))


def _hash(data: bytes) -> int:
    return int.from_bytes(_blake(data, digest_size=8).digest()) & _KEY_BITS


def shape_of(value: Any) -> Shape:
    """Name the paths of a value, two levels deep, with the JSON type at each."""
    found: list[tuple[str, str]] = []
    _add_shape(found, "", value, 0)
    return tuple(found)


def _add_shape(found: list[tuple[str, str]], path: str, value: Any, depth: int) -> None:
    if isinstance(value, Delta):
        value = value.items
    kind = json_type(value)
    if path:
        found.append((path, kind))
    if kind == "object" and depth < SHAPE_DEPTH:
        for key in sorted(map(str, value))[:SHAPE_KEYS]:
            if key in value:
                _add_shape(found, f"{path}.{key}" if path else key, value[key], depth + 1)
    elif kind == "array" and value and depth < SHAPE_DEPTH:
        _add_shape(found, f"{path}[]", value[0], depth + 1)


def json_type(value: Any) -> str:
    """The JSON type of a value; whole and broken numbers are one type."""
    return _JSON_TYPES.get(type(value)) or _inherited(value)


_JSON_TYPES: dict[type, str] = {
    str: "string", int: "number", float: "number", bool: "boolean", type(None): "null",
    dict: "object", list: "array", tuple: "array",
}  # fmt: skip


def _inherited(value: Any) -> str:
    for kind, name in ((Mapping, "object"), (str, "string"), (list | tuple, "array")):
        if isinstance(value, kind):
            return name
    return "other"


class StateTrail:
    """The state of one execution, followed from change to change; contents are kept per key."""

    __slots__ = ("_contents", "_values", "is_known")

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = dict(start)
        self._contents: dict[str, Content] = {}
        self.is_known = True

    def update(self, changes: Mapping[str, Any]) -> None:
        """Take a node's update: values by key, `Delta` being what a list reducer appended."""
        for key, value in changes.items():
            self._contents.pop(key, None)
            if type(value) is Delta:
                before = self._values.get(key)
                self._values[key] = [*(before if isinstance(before, list) else ()), *value.items]
            else:
                self._values[key] = value

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
        if len(path) == 1:
            if op == "remove":
                del self._values[path[0]]
            else:
                self._values[path[0]] = value
            return
        if path[1:] == ["-"]:  # what a list reducer appends also begins a list
            self._values.setdefault(path[0], [])
        self._values[path[0]] = _own(self._values[path[0]])
        _place(self._values[path[0]], op, path[1:], value)

    def content(self, keys: Iterable[str] | None) -> Content:
        """The content of some keys, or of all; an absent key counts as absent."""
        parts, size = [], 0
        for key in sorted(self._values if keys is None else keys):
            if key not in self._values:
                parts.append(f"{key}?")
                continue
            known = self._contents.get(key)
            if known is None:
                known = self._contents[key] = content_of(self._values[key])
            parts.append(f"{key}={known.key}")
            size += known.size_bytes
        return Content(_hash("\n".join(parts).encode(errors="replace")), size)

    def canonical(self) -> tuple[int, int]:
        """The content without numbers, and of the numbers: counters move where nothing else does."""
        numbers = [key for key, value in self._values.items() if json_type(value) == "number"]
        rest = self._values.keys() - set(numbers)
        return self.content(rest).key, self.content(numbers).key


def _own(value: Any) -> Any:
    """A copy that may be changed; the values of the trace are shared."""
    return msgspec.to_builtins(value, enc_hook=repr)


def _place(holder: Any, op: str, path: Sequence[str], value: Any) -> None:
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


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
