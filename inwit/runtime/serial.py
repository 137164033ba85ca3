"""Values as bytes: msgpack with extension types, lossless, and never pickle.

`freeze` is called when a value enters the state: what can be changed later is encoded at once, so
that the record and checkpoints hold what a node returned and not what became of it. `thaw` gives
the value back; classes are looked up among the modules that the program has imported already, so
that reading a checkpoint imports and executes nothing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import ormsgpack

from inwit.errors import InwitError, UnserialisableError

_TUPLE, _SET, _FROZENSET, _ISO, _TEXT, _OBJECT, _ENUM, _INT, _ARRAY, _OPAQUE, DELTA = range(1, 12)
_HALVES = 12
"""A text with lone surrogates, which UTF-8 has no place for."""
_PAIRS = 13
"""A dict with keys that msgpack would turn into texts or numbers."""
_DIGITS = 4300
"""Python writes no longer number in decimal digits."""
_OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
)
_ODD_OPTIONS = _OPTIONS | ormsgpack.OPT_NON_STR_KEYS
_KEYS = frozenset({str, int, float, bool, bytes, type(None)})
"""What a key may be that comes back as it was."""
_CONTAINERS = frozenset({list, dict})
IMMUTABLE = frozenset({type(None), bool, float, bytes, int, str})
_ISO_TYPES = ("datetime", "date", "time")
_TEXT_TYPES = {
    "uuid": ("UUID",),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
}


_nameless: WeakValueDictionary[tuple[str, str], type] = WeakValueDictionary()
"""Classes made within functions, which nothing but their own process can find."""


class Delta(NamedTuple):
    """What a list reducer appended, as a reader meets it."""

    items: list[Any]


def freeze(value: Any, *, strict: bool = False) -> Any:
    """Make a copy that later changes of `value` don't reach; immutable values are themselves.

    A value of an unknown type is recorded by its type's name, or refused where `strict`.

    Raises:
        UnserialisableError: `strict`, and a value's type cannot be kept.
    """
    if type(value) in IMMUTABLE:
        return value
    return msgspec.Raw(pack(value, strict=strict))


def freeze_all(values: Mapping[str, Any]) -> dict[str, Any]:
    """Freeze the values of a mapping, into a dict of its own."""
    for value in values.values():
        if type(value) not in IMMUTABLE:
            return {key: freeze(value) for key, value in values.items()}
    return dict(values)


def freeze_kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Freeze the values of a mapping that is kept, into a dict of its own.

    Raises:
        UnserialisableError: A value cannot be kept; it names the key.
    """
    frozen = {}
    try:
        for key, value in values.items():
            frozen[key] = freeze(value, strict=True)
    except UnserialisableError as exc:
        raise exc.at(key) from exc.__cause__
    return frozen


def freeze_delta(items: list[Any], *, strict: bool = False) -> msgspec.msgpack.Ext:
    """Freeze what is appended to a list."""
    return msgspec.msgpack.Ext(DELTA, pack(items, strict=strict))


def pack(value: Any, *, strict: bool = True) -> bytes:
    """Encode any value."""
    hook = _encode_strict if strict else _encode
    try:
        return ormsgpack.packb(value, hook, _OPTIONS)
    except TypeError:
        pass  # `suppress` would take longer than the packing
    with suppress(TypeError, RecursionError):
        if _has_plain_keys(value):
            return ormsgpack.packb(value, hook, _ODD_OPTIONS)
    hook = _encode_odd_strict if strict else _encode_odd
    try:
        return ormsgpack.packb(_sayable(value), hook, _ODD_OPTIONS)
    except (TypeError, RecursionError) as exc:
        if strict:
            raise _refusal(value) from exc
        return ormsgpack.packb(_opaque(value), hook, _ODD_OPTIONS)


def _refusal(value: Any) -> UnserialisableError:
    """Name the type that cannot be kept, which may be deep within a value."""
    unknown: list[type] = []

    def look(inner: Any) -> Any:
        found = _encode_known(inner, look)
        if found is None:
            unknown.append(type(inner))
            raise TypeError
        return found

    with suppress(TypeError, RecursionError):
        ormsgpack.packb(_sayable(value), look, _ODD_OPTIONS)
    if unknown:
        return UnserialisableError(unknown[0])
    return UnserialisableError(type(value), "it holds itself, or is nested too deeply")


def unpack(data: bytes, others: Mapping[int, Callable[[bytes], Any]] | None = None) -> Any:
    """Decode what `pack` made, with the classes of the program.

    `others` decode extension types that `pack` does not write.

    Raises:
        UnserialisableError: A class is not imported here, or is none that `pack` writes.
    """
    refused: list[InwitError] = []

    def decode(code: int, raw: bytes) -> Any:
        try:
            return others[code](raw) if others and code in others else _decode(code, raw)
        except InwitError as exc:
            refused.append(exc)
            raise
        except Exception as exc:  # a class that has changed since
            reason = f"it cannot be built from what was kept: {exc}"
            refused.append(UnserialisableError(_named_in(code, raw), reason))
            raise

    try:
        return ormsgpack.unpackb(data, ext_hook=decode, option=ormsgpack.OPT_NON_STR_KEYS)
    except ValueError:
        if refused:  # ormsgpack does not say what its hook raised
            raise refused[0] from None
        raise


def _named_in(code: int, raw: bytes) -> str:
    """The class of a value that cannot be read, as far as its bytes tell it."""
    with suppress(ValueError, TypeError):
        if code in (_OBJECT, _ENUM):
            return ".".join(plain(raw)[:2])
    return f"<extension {code}>"


def thaw(frozen: Any) -> Any:
    """Give back a value that `freeze` or `freeze_delta` made; a delta becomes a `Delta`."""
    if type(frozen) in IMMUTABLE:
        return frozen
    if isinstance(frozen, msgspec.msgpack.Ext):
        return Delta(unpack(bytes(frozen.data)))
    return unpack(bytes(frozen))


_rows = msgspec.msgpack.Encoder()


def encode_rows(rows: Any) -> bytes:
    """Encode rows of the record; numbers and texts that msgpack has no place for are mended."""
    try:
        return _rows.encode(rows)
    except (OverflowError, UnicodeEncodeError, TypeError, ValueError):
        return _rows.encode(_mend(rows))


def _mend(value: Any) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        return [_mend(item) for item in value]
    if kind is dict:
        return {str(plain(pack(key, strict=False))): _mend(item) for key, item in value.items()}
    if isinstance(value, msgspec.Raw | msgspec.msgpack.Ext):
        return value
    return msgspec.Raw(pack(value, strict=False))


def plain_ext(code: int, data: memoryview) -> Any:
    """Show an extension value as a reader sees it: JSON values only. For msgspec's ext_hook."""
    raw = bytes(data)
    if code == DELTA:
        return Delta(plain(raw))
    if code in (_OBJECT, _ENUM):
        _module, _name, content = plain(raw)
        return content
    if code == _PAIRS:
        return {_key_shown(key): value for key, value in plain(raw)}
    if code == _INT:
        return raw.decode() if raw.startswith((b"0x", b"-0x")) else int(raw)
    if code == _HALVES:
        return _shown(raw.decode("utf-8", "surrogatepass"))
    if code == _ARRAY:
        dtype, shape, _ = plain(raw)
        sizes = "" if shape is None else f" {'×'.join(str(n) for n in shape)}"
        return f"<array {dtype}{sizes}>"
    if code in (_ISO, _TEXT):
        return plain(raw)[1]
    return plain(raw)


def plain(data: bytes) -> Any:
    """Decode packed bytes as a reader sees them, without the program's classes."""
    return ormsgpack.unpackb(
        data,
        ext_hook=lambda code, raw: plain_ext(code, memoryview(raw)),
        option=ormsgpack.OPT_NON_STR_KEYS,
    )


def _key_shown(key: Any) -> Any:
    """A key as JSON has them: a text, where it is one of several values."""
    return key if type(key) in _KEYS else str(key)


def _ext(code: int, value: Any, hook: Callable[[Any], Any]) -> ormsgpack.Ext:
    if hook is _encode or hook is _encode_strict:
        return ormsgpack.Ext(code, ormsgpack.packb(value, hook, _OPTIONS))
    return ormsgpack.Ext(code, ormsgpack.packb(_sayable(value), hook, _ODD_OPTIONS))


def _encode(value: Any) -> Any:
    found = _encode_known(value, _encode)
    return found if found is not None else _ext(_OPAQUE, _opaque(value), _encode)


def _encode_strict(value: Any) -> Any:
    found = _encode_known(value, _encode_strict)
    if found is None:
        raise TypeError  # ormsgpack names the type
    return found


def _encode_odd(value: Any) -> Any:
    """Like `_encode`, for values in which a text or a key was met that msgpack has no place for."""
    found = _encode_known(value, _encode_odd)
    return found if found is not None else _ext(_OPAQUE, _opaque(value), _encode_odd)


def _encode_odd_strict(value: Any) -> Any:
    found = _encode_known(value, _encode_odd_strict)
    if found is None:
        raise TypeError
    return found


def _sayable(value: Any) -> Any:
    """The same lists and dicts with texts that can be encoded; other containers come by the hook.

    A key loses its lone surrogates: msgpack's keys cannot be extension values here.
    """
    kind = type(value)
    if kind is str:
        if _is_sayable(value):
            return value
        return ormsgpack.Ext(_HALVES, value.encode("utf-8", "surrogatepass"))
    if kind is list:
        return [_sayable(item) for item in value]
    if kind is dict:
        items = {_sayable_key(key): _sayable(item) for key, item in value.items()}
        return items if all(map(_is_key, items)) else _Pairs(items)
    return value


def _has_plain_keys(value: Any) -> bool:
    """Whether all keys that are not within other containers than lists and dicts come back."""
    items: Any = value
    if type(value) is dict:
        if not _KEYS.issuperset(map(type, value)):
            return False
        items = value.values()
    elif type(value) is not list:
        return True
    if _CONTAINERS.isdisjoint(map(type, items)):
        return True
    return all(_has_plain_keys(item) for item in items if type(item) in _CONTAINERS)


class _Pairs:
    """A dict that is kept as a list of its items."""

    def __init__(self, items: dict[Any, Any]) -> None:
        self.items = [[key, value] for key, value in items.items()]


def _is_key(key: Any) -> bool:
    kind = type(key)
    return kind in _KEYS or (kind is tuple and all(map(_is_key, key)))


def _sayable_key(key: Any) -> Any:
    if type(key) is str and not _is_sayable(key):
        return _shown(key)
    return key


def _is_sayable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _encode_known(value: Any, hook: Callable[[Any], Any]) -> ormsgpack.Ext | None:
    kind = type(value)
    if kind is tuple:
        return _ext(_TUPLE, list(value), hook)
    if kind is _Pairs:
        return _ext(_PAIRS, value.items, hook)
    if kind is set or kind is frozenset:
        return _ext(_SET if kind is set else _FROZENSET, list(value), hook)
    if kind is int:
        is_long = value.bit_length() > _DIGITS * 3
        return ormsgpack.Ext(_INT, (hex(value) if is_long else str(value)).encode())
    return _encode_class(value, kind, hook)


def _encode_class(value: Any, kind: type, hook: Callable[[Any], Any]) -> ormsgpack.Ext | None:
    place = [kind.__module__, kind.__qualname__]
    if kind.__name__ in _ISO_TYPES and kind.__module__ == "datetime":
        return _ext(_ISO, [kind.__name__, value.isoformat()], hook)
    if _is_text_type(kind):
        return _ext(_TEXT, [f"{kind.__module__}.{kind.__name__}", str(value)], hook)
    if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
        return _ext(_ENUM, [*place, value.value], hook)
    if kind.__module__ == "numpy" and hasattr(value, "dtype"):
        return _encode_array(value, hook)
    fields = fields_of(value, kind)
    if fields is None:
        return None
    if "<locals>" in place[1] or "[" in place[1]:
        _nameless[kind.__module__, kind.__qualname__] = kind
    return _ext(_OBJECT, [*place, fields], hook)


def _is_text_type(kind: type) -> bool:
    # Some Pythons define paths in `pathlib._local`.
    return kind.__name__ in _TEXT_TYPES.get(kind.__module__.partition(".")[0], ())


def fields_of(value: Any, kind: type) -> Any:
    """The content of an object of a class that can be built again from it."""
    if hasattr(kind, "__dataclass_fields__"):
        return {
            field.name: getattr(value, field.name)
            for field in sys.modules["dataclasses"].fields(kind)
        }
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if hasattr(kind, "model_fields") and hasattr(value, "__dict__"):
        return {**value.__dict__, **(getattr(value, "__pydantic_extra__", None) or {})}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=True))
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | str | int | float):
        bases: tuple[Any, ...] = (list, str, int, float)
        return next(base(value) for base in bases if isinstance(value, base))
    if kind.__module__ == "datetime" and hasattr(value, "total_seconds"):
        return {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    return None


def _encode_array(value: Any, hook: Callable[[Any], Any]) -> ormsgpack.Ext | None:
    """An array, or one of its elements, whose shape is none; not a subclass, which may hold more."""
    numpy = sys.modules["numpy"]
    is_array, dtype = type(value) is numpy.ndarray, value.dtype
    if dtype.hasobject or not (is_array or isinstance(value, numpy.generic)):
        return None
    kept = dtype.str if dtype.names is None else dtype.descr
    if numpy.dtype(kept) != dtype:
        return None
    return _ext(_ARRAY, [kept, list(value.shape) if is_array else None, value.tobytes()], hook)


def _opaque(value: Any) -> str:
    kind = type(value)
    return f"<{kind.__module__}.{kind.__qualname__}>"


def _decode(code: int, raw: bytes) -> Any:
    if code == _INT:
        return int(raw, 0)
    if code == _HALVES:
        return raw.decode("utf-8", "surrogatepass")
    content = unpack(raw)
    if code == DELTA:
        return Delta(content)
    if code == _TUPLE:
        return tuple(content)
    if code == _SET:
        return set(content)
    if code == _FROZENSET:
        return frozenset(content)
    if code == _ISO:
        return getattr(sys.modules["datetime"], content[0]).fromisoformat(content[1])
    if code == _ARRAY:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            raise UnserialisableError("numpy.ndarray", "its module is not imported here")
        dtype, shape, data = content
        if shape is None:
            return numpy.frombuffer(data, dtype=dtype)[0]
        return numpy.frombuffer(data, dtype=dtype).reshape(shape).copy()
    if code == _PAIRS:
        return dict(content)
    if code == _OPAQUE:
        return content
    return _decode_class(code, content)


def _decode_class(code: int, content: list[Any]) -> Any:
    if code == _TEXT:
        module, _, name = content[0].rpartition(".")
        kind = _find_class(module, name)
        return kind(content[1]) if _is_text_type(kind) else _refuse(kind)
    kind = _find_class(content[0], content[1])
    if code == _ENUM:
        return kind(content[2]) if issubclass(kind, sys.modules["enum"].Enum) else _refuse(kind)
    return _build(kind, content[2])


def _build(kind: Any, fields: Any) -> Any:
    """Make an object of a class that `_fields` knows; a file can have nothing else called."""
    if hasattr(kind, "__dataclass_fields__"):
        made = object.__new__(kind)
        for name, value in fields.items():
            object.__setattr__(made, name, value)
        return made
    if hasattr(kind, "model_fields"):
        return kind.model_construct(**fields)
    if issubclass(kind, dict):
        made = kind.__new__(kind)
        made.update(fields)
        return made
    is_record = issubclass(kind, msgspec.Struct) or (
        issubclass(kind, tuple) and hasattr(kind, "_fields")
    )
    if is_record or (kind.__module__, kind.__name__) == ("datetime", "timedelta"):
        return kind(**fields)
    return kind(fields) if issubclass(kind, list | str | int | float) else _refuse(kind)


def _refuse(kind: type) -> Any:
    raise UnserialisableError(kind, "it holds no data")


def _find_class(module: str, qualname: str) -> Any:
    known = _nameless.get((module, qualname))
    if known is not None:
        return known
    found: Any = sys.modules.get(module) or _message_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise UnserialisableError(f"{module}.{qualname}", "its module is not imported here")
    return found


def _message_module(name: str) -> Any:
    """Import a module of message classes: ours, or another of langchain-core's where one is used."""
    if name.startswith("inwit.runtime.messages.") or (
        name.startswith("langchain_core.messages.") and "langchain_core.messages" in sys.modules
    ):
        with suppress(ImportError):
            return importlib.import_module(name)
    return None
