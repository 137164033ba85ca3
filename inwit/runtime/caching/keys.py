"""Keys that are equal in every process for equal inputs, and differ where a node's code does."""

from __future__ import annotations

import functools
import inspect
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from inwit.errors import UnserialisableError
from inwit.runtime.serial import IMMUTABLE, fields_of, pack

_DEEPEST = 4
_known: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def digest(data: bytes) -> str:
    """Hash bytes to 32 hexadecimal digits."""
    return blake2b(data, digest_size=16).hexdigest()


def canonical(value: Any) -> bytes:
    """Encode a value so that equal ones are equal bytes: dicts and sets in an order of their own.

    Raises:
        UnserialisableError: It holds what cannot be kept, so that nothing says when two are equal.
    """
    return pack(_ordered(value))


def _ordered(value: Any) -> Any:
    kind = type(value)
    if kind in IMMUTABLE:
        return value
    if kind is list or kind is tuple:
        return [kind.__name__, *(_ordered(item) for item in value)]
    if kind is dict:
        return ["dict", *sorted(_pair(key, item) for key, item in value.items())]
    if kind is set or kind is frozenset:
        return [kind.__name__, *sorted(canonical(item) for item in value)]
    fields = fields_of(value, kind)
    if fields is None:
        return ["value", pack(value)]
    return [kind.__module__, kind.__qualname__, _ordered(fields)]


def _pair(key: Any, item: Any) -> tuple[bytes, bytes]:
    return canonical(key), canonical(item)


def identity(function: Any) -> str:
    """Hash what a function is: its name, code, defaults, and what it holds of its surroundings.

    What it calls is not looked into. Values of its surroundings that cannot be kept count by their
    type alone. They count as they are when a function is first asked for: what is changed later
    makes no other function of it.
    """
    try:
        found = _known.get(function)
    except TypeError:  # It has no hash, or takes no weak reference.
        return digest(pack(_identity(function, 0)))
    if found is None:
        found = _known[function] = digest(pack(_identity(function, 0)))
    return found


def _identity(thing: Any, depth: int) -> list[Any]:
    if depth > _DEEPEST:
        return ["deep", type(thing).__qualname__]
    if isinstance(thing, functools.partial):
        parts = [thing.func, *thing.args, *sorted(thing.keywords.items())]
        return ["partial", *(_identity(part, depth + 1) for part in parts)]
    if isinstance(thing, MethodType):
        return ["method", _identity(thing.__func__, depth), _identity(thing.__self__, depth + 1)]
    if isinstance(thing, FunctionType):
        return ["function", *_function(thing, depth)]
    if isinstance(thing, type):
        return ["class", thing.__module__, thing.__qualname__]
    return _object(thing, depth)


def _function(function: FunctionType, depth: int) -> list[Any]:
    held = {
        name: _content(cell)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        )
    }
    defaults = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    around = [*held.values(), *defaults]
    return [
        function.__module__, function.__qualname__, _code(function.__code__),
        *(_identity(part, depth + 1) for part in around),
    ]  # fmt: skip


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # It is filled later than the node is compiled.
        return None


def _code(code: CodeType) -> list[Any]:
    constants = [
        _code(constant) if isinstance(constant, CodeType) else _constant(constant)
        for constant in code.co_consts
    ]
    return [code.co_code, list(code.co_names), constants]


def _constant(constant: Any) -> Any:
    try:
        return canonical(constant)
    except UnserialisableError:  # complex numbers, Ellipsis
        return repr(constant)


def _object(thing: Any, depth: int) -> list[Any]:
    kind = type(thing)
    call = inspect.getattr_static(kind, "__call__", None)
    code = _identity(call, depth + 1) if isinstance(call, FunctionType) else []
    try:
        return ["value", kind.__module__, kind.__qualname__, canonical(thing), code]
    except UnserialisableError:
        return ["object", kind.__module__, kind.__qualname__, code]
