"""What each node sees of the state: all of it, or what its own schema names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from inwit.errors import InvalidSchemaError
from inwit.runtime.source import unwrap
from inwit.runtime.state import Channel, StateSchema, schema_of

View = Callable[[dict[str, Any]], Any]


def joined(main: StateSchema, others: Iterable[StateSchema]) -> StateSchema:
    """A schema with the channels of all; of a key that several have, one with a reducer counts."""
    channels = dict(main.channels)
    for other in others:
        for name, channel in other.channels.items():
            known = channels.get(name)
            if known is not None and known.reducer is not None and _differs(known, channel):
                raise InvalidSchemaError(
                    f"The key {name!r} of {other.cls.__name__} has another reducer than before.",
                    hint="Give a key one reducer, in one class.",
                )
            if known is None or (known.reducer is None and channel.reducer is not None):
                channels[name] = channel
    if channels == main.channels:
        return main
    whole = type(main)(main.cls, channels)
    whole.is_lenient = main.is_lenient
    whole.view = lens(main, whole)
    return whole


def _differs(known: Channel, other: Channel) -> bool:
    return other.reducer not in (None, known.reducer)


def lens(schema: StateSchema, whole: StateSchema, *, is_main: bool = True) -> View:
    """How nodes of `schema`, which may be the graph's main one, see a state of `whole`."""
    view = schema.view if is_main else schema.checked_view
    if schema is whole or schema.channels.keys() == whole.channels.keys():
        return view
    names = tuple(schema.channels)
    if view is dict.copy:
        return lambda state: {name: state[name] for name in names if name in state}
    return lambda state: view({name: state[name] for name in names if name in state})


def input_schema_of(function: Any, main: type) -> type | None:
    """The state class that a node's first parameter is annotated with, where it is another one."""
    annotations = getattr(function, "__annotations__", None)
    if annotations is None and not isinstance(function, type):
        annotations = getattr(type(function).__call__, "__annotations__", None)
    if not annotations:
        return None
    name = next(iter(annotations))
    if name == "return" or not _is_first(function, name):
        return None
    hint = annotations[name]
    if hint is main or hint == main.__name__:
        return None
    if isinstance(hint, str):
        hint = _resolve(function, name)
    if hint is Any or hint is dict:
        return None
    return hint if isinstance(hint, type) and hint is not main and is_state(hint) else None


def _is_first(function: Any, name: str) -> bool:
    """Whether a parameter is the one that is given the state."""
    target = function if hasattr(function, "__annotations__") else type(function).__call__
    code = getattr(unwrap(target), "__code__", None)
    if code is None:
        return True
    names = code.co_varnames[: code.co_argcount]
    return name in names[: 2 if names[:1] in (("self",), ("cls",)) else 1]


def is_state(cls: type) -> bool:
    """Whether a class may be a state's."""
    return (
        hasattr(cls, "__dataclass_fields__")
        or (hasattr(cls, "model_fields") and hasattr(cls, "model_construct"))
        or (issubclass(cls, dict) and hasattr(cls, "__total__"))
    )


def _resolve(function: Any, name: str) -> Any:
    target = function if hasattr(function, "__annotations__") else type(function).__call__
    # A plain name is looked up at once: to evaluate all annotations takes twenty times as long.
    inner = unwrap(target)
    if inner.__class__ is FunctionType:
        found = inner.__globals__.get(target.__annotations__[name])
        if isinstance(found, type):
            return found
    from typing import get_type_hints

    try:
        return get_type_hints(target).get(name)
    except (NameError, TypeError, AttributeError):
        return None


__all__ = ["View", "input_schema_of", "is_state", "joined", "lens", "schema_of"]
