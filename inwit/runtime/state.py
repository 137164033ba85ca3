"""The state: which keys a graph has, how updates are merged, and what a node is given.

A schema is a TypedDict, a dataclass or a pydantic model; ``Annotated[T, reducer]`` merges updates of
a key, any other key is replaced. Inside the engine the state is a plain dict of the keys that have a
value.
"""

from __future__ import annotations

import operator
import sys
import typing
from collections import abc
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING
from difflib import get_close_matches
from functools import lru_cache, partial
from inspect import Parameter, signature
from types import FrameType, FunctionType
from typing import Any

import msgspec

from inwit.errors import (
    IncompleteStateError,
    InvalidMessageError,
    InvalidSchemaError,
    InvalidStateError,
    InvalidUpdateError,
    InwitError,
    UnserialisableError,
    nearest,
    shorten,
)
from inwit.runtime.commands import OVERWRITING, Command, Overwrite
from inwit.runtime.managed import Manager, manager_in, with_managed
from inwit.runtime.serial import IMMUTABLE, freeze, freeze_delta, pack

Reducer = Callable[[Any, Any], Any]
ROOT = "__root__"
"""The key of a state that is one value."""
_MISSPELT = 0.8
"""How alike two names are (0 to 1) of which one is taken to mean the other."""
_EMPTY = (list, dict, set, tuple, int, float, str, bytes, bool, frozenset)
_CONCRETE: dict[Any, Any] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Set: set,
    abc.MutableSet: set,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
}
"""What a key of an abstract type holds while nothing was written to it."""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the state."""

    name: str
    type: Any
    reducer: Reducer | None = None
    is_list: bool = False
    """Whether the reducer appends to a list, so that the record keeps what was appended."""
    merge_appending: Callable[[Any, Any], tuple[Any, list[Any] | None]] | None = None
    """The reducer's own attribute of that name: called in its stead, it gives what the reducer gives
    and, where it left what was there as it was, what it appended; else None."""
    factory: Callable[[], Any] | None = None
    is_required: bool = True
    description: str = ""
    manager: Manager | None = None
    """What works out the value where nobody writes it."""


class StateSchema:
    """The keys of one state class; made once per class by `schema_of`."""

    def __init__(self, cls: type, channels: dict[str, Channel]) -> None:
        self.cls = cls
        self.managers = {c.name: c.manager for c in channels.values() if c.manager is not None}
        """Keys that nodes read and nobody writes."""
        if self.managers:
            channels = {key: one for key, one in channels.items() if one.manager is None}
        self.channels = channels
        self.names = channels.keys()
        self._order = tuple(channels)
        self.reducers = {c.name: c for c in channels.values() if c.reducer is not None}
        self.defaults = any(c.factory is not None for c in self.reducers.values())
        """Whether the state holds values before the input does."""
        self.whole_merge = _merge_of(cls)
        """The state class's own ``merge(self, update)``, which then merges every update."""
        self.shared = self.names if self.whole_merge is not None else self.reducers.keys()
        """The keys that several branches of one step may write."""
        self.folded = frozenset(
            self.shared
            if self.whole_merge is not None
            else map(_name_if_folded, self.reducers.values())
        ) - {""}
        """The keys whose merged value does not tell what was written."""
        self.is_plain = type(self) is StateSchema and not self.reducers
        """Whether an update of known keys is merged by setting them."""
        self.is_lenient = False
        """Whether keys that the state lacks are left out instead of refused."""
        self.view: Callable[[dict[str, Any]], Any] = dict.copy
        """Makes what a node is given of the state."""
        self.checked_view: Callable[[dict[str, Any]], Any] = dict.copy
        """Makes it of values that were not checked against this class."""

    is_root = False
    """Whether the state is one value, under the key `ROOT`."""

    def as_langgraph(self) -> StateSchema:
        """The same keys by LangGraph's rules: unknown ones are left out, and nodes check models."""
        made = copy(self)
        made.is_lenient = True
        return made

    def initial(self) -> dict[str, Any]:
        """The state before the input: the empty values of keys with a reducer."""
        return {c.name: c.factory() for c in self.reducers.values() if c.factory is not None}

    def begun_with(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The state after an input."""
        state = self.initial()
        self.apply(state, given)
        return state

    def parse(self, value: Any) -> dict[str, Any]:
        """Check an input and give its keys.

        Raises:
            InvalidStateError: It is no mapping or state object, or has a misspelt key.
        """
        if type(value) is dict and value.keys() <= self.names:
            return value.copy()
        found = self.keys_of(value)
        if found is not None and self.is_lenient:
            return {key: one for key, one in found.items() if key in self.names}
        if found is None:
            raise InvalidStateError(
                f"Expected dict, got {shorten(value)}: the input is a {type(value).__name__}.",
                hint=f"Give a dict with keys of {self.cls.__name__}: {', '.join(self.names)}.",
            )
        self._refuse_misspelt(found, InvalidStateError, "The input")
        return {key: one for key, one in found.items() if key in self.names}

    def in_order(self, state: dict[str, Any]) -> dict[str, Any]:
        """The keys that have a value, in the order of the schema instead of that of writing."""
        if tuple(state) == self._order:
            return state
        return {key: state[key] for key in self._order if key in state}

    def read_packet(self, value: Any) -> Any:
        """Make what a node is given of an input that was sent to it: the value itself."""
        return value

    def keys_of(self, value: Any) -> Mapping[str, Any] | None:
        """Read a dict or an object of the state class as a mapping; None for anything else."""
        if isinstance(value, Mapping):
            return value
        return None

    def apply(
        self, state: dict[str, Any], update: Mapping[str, Any], *, strict: bool = False
    ) -> dict[str, Any]:
        """Merge `update` into `state`, in place, and return it as the record keeps it.

        Raises:
            InvalidUpdateError: A key is misspelt, or a reducer refused.
            UnserialisableError: `strict`, and a value cannot be kept in a checkpoint.
        """
        if not (update.keys() <= self.names):
            update = self._known(update)
        if self.whole_merge is not None:
            return self._merge_whole(state, update, strict)
        reducers = self.reducers
        if not reducers:
            for value in update.values():
                if type(value) not in IMMUTABLE:
                    break
            else:
                state.update(update)
                return dict(update)
        recorded: dict[str, Any] = {}
        try:
            for key, value in update.items():
                if key in reducers:
                    recorded[key] = self._merge(reducers[key], state, value, strict)
                else:
                    if type(value) is Overwrite:
                        value = value.value  # noqa: PLW2901 - it is replaced either way
                    is_immutable = type(value) in IMMUTABLE
                    kept = value if is_immutable else msgspec.Raw(pack(value, strict=strict))
                    state[key], recorded[key] = value, kept
        except UnserialisableError as exc:
            raise exc.at(key) from exc.__cause__
        return recorded

    def _merge_whole(
        self, state: dict[str, Any], update: Mapping[str, Any], strict: bool
    ) -> dict[str, Any]:
        """Merge by the state class's own method: what it returns, or itself changed in place."""
        assert self.whole_merge is not None
        before = self.view(state)
        merged = self.whole_merge(before, dict(update))
        found = self.keys_of(before if merged is None else merged)
        if found is None:
            raise InvalidUpdateError(
                f"{self.cls.__name__}.merge returned a {type(merged).__name__}.",
                hint=f"Return a {self.cls.__name__}, a dict of its keys, or None.",
            )
        changed = {
            key: value
            for key, value in found.items()
            if key in update or key not in state or state[key] is not value
        }
        state.update(changed)
        return {key: freeze(value, strict=strict) for key, value in changed.items()}

    def _known(self, update: Mapping[str, Any]) -> Mapping[str, Any]:
        """Leave out keys that the state lacks; refuse those that are misspelt."""
        if not self.is_lenient:
            self._refuse_misspelt(update, InvalidUpdateError, "An update")
        return {key: value for key, value in update.items() if key in self.names}

    def _merge(self, channel: Channel, state: dict[str, Any], value: Any, strict: bool) -> Any:
        name, reducer = channel.name, channel.reducer
        assert reducer is not None
        if type(value) in OVERWRITING and (overwrite := Overwrite.of(value)) is not None:
            state[name] = value = overwrite.value
            return value if type(value) in IMMUTABLE else msgspec.Raw(pack(value, strict=strict))
        appended = value if channel.is_list and type(value) is list and name in state else None
        try:
            if channel.merge_appending is not None and name in state:
                merged, appended = channel.merge_appending(state[name], value)
            else:
                merged = reducer(state[name], value) if name in state else value
        except InvalidMessageError:
            raise
        except Exception as exc:
            raise InvalidUpdateError(
                f"The reducer of {name!r} refused a {type(value).__name__}: {exc}",
                hint=f"It merges into a {type(state.get(name)).__name__}.",
            ) from exc
        state[name] = merged
        if appended is not None:
            return freeze_delta(appended, strict=strict)
        return merged if type(merged) in IMMUTABLE else msgspec.Raw(pack(merged, strict=strict))

    def _refuse_misspelt(
        self,
        found: Mapping[str, Any],
        error: type[InvalidStateError | InvalidUpdateError],
        what: str,
    ) -> None:
        """Refuse a key that is almost one of the state, which is not given itself."""
        for key in found:
            if key in self.names:
                continue
            meant = get_close_matches(str(key), self.names, n=1, cutoff=_MISSPELT)
            if meant and meant[0] not in found:
                raise error(
                    f"{what} has the key {key!r}, which {self.cls.__name__} lacks.",
                    hint=nearest(str(key), self.names),
                )


class _RootSchema(StateSchema):
    """A state that is one value; the engine keeps it under the key `ROOT`."""

    is_root = True

    def __init__(self, cls: Any, channels: dict[str, Channel]) -> None:
        super().__init__(cls, channels)
        self.view = self.checked_view = self._value

    @staticmethod
    def _value(state: dict[str, Any]) -> Any:
        return state.get(ROOT)

    def parse(self, value: Any) -> dict[str, Any]:
        return {ROOT: value}

    def keys_of(self, value: Any) -> Mapping[str, Any] | None:
        """Any value is the state's, but for None and lists that hold commands."""
        if isinstance(value, list | tuple) and any(isinstance(one, Command) for one in value):
            return None
        return None if value is None or isinstance(value, Command) else {ROOT: value}


class _DataclassSchema(StateSchema):
    def __init__(self, cls: type, channels: dict[str, Channel]) -> None:
        super().__init__(cls, channels)
        self.view = self.checked_view = self._make

    def _make(self, state: dict[str, Any]) -> Any:
        try:
            return self.cls(**state)
        except TypeError as exc:
            raise IncompleteStateError(
                f"{self.cls.__name__} cannot be made: {exc}.",
                hint="Give the key in the input or a default.",
            ) from exc

    def keys_of(self, value: Any) -> Mapping[str, Any] | None:
        if isinstance(value, self.cls):
            return {name: getattr(value, name) for name in self.names}
        return super().keys_of(value)


class _PydanticSchema(StateSchema):
    def __init__(self, cls: type, channels: dict[str, Channel]) -> None:
        super().__init__(cls, channels)
        self._model: Any = cls
        self.view = self._make
        self.checked_view = self._check

    def _make(self, state: dict[str, Any]) -> Any:
        return self._model.model_construct(**state)

    def _check(self, state: dict[str, Any]) -> Any:
        return self._model(**state)

    def as_langgraph(self) -> StateSchema:
        made = super().as_langgraph()
        made.view = self.checked_view
        return made

    def keys_of(self, value: Any) -> Mapping[str, Any] | None:
        """Every field; of those that are None by default, the ones that were set."""
        if isinstance(value, self.cls):
            model: Any = value
            fields, was_set = self._model.model_fields, model.model_fields_set
            return {
                name: found
                for name in self.names
                if (found := getattr(model, name, None)) is not None
                or name in was_set
                or fields[name].default is not None
            }
        return super().keys_of(value)

    def parse(self, value: Any) -> dict[str, Any]:
        given = super().parse(value)
        if self.is_lenient:
            return given
        try:
            model = self._model.model_validate({**self.initial(), **given})
        except (ValueError, TypeError) as exc:
            if not self._fits_when_merged(given):
                raise InvalidStateError(
                    f"The input is no {self.cls.__name__}: {_reasons(exc)}.",
                    hint=f"{self.cls.__name__} says {', '.join(map(self._said_of, self.channels))}.",
                ) from exc
            return given
        return {name: getattr(model, name) for name in given}

    def _said_of(self, key: str) -> str:
        from inspect import formatannotation

        return f"{key}: {formatannotation(self.channels[key].type)}"

    def _fits_when_merged(self, given: Mapping[str, Any]) -> bool:
        """Whether what reducers make of an input fits: they may take what the state does not hold."""
        if not any(key in self.reducers for key in given):
            return False
        state = self.initial()
        try:
            super().apply(state, given)
            self._model.model_validate(state)
        except (ValueError, TypeError, InwitError):
            return False
        return True

    def apply(
        self, state: dict[str, Any], update: Mapping[str, Any], *, strict: bool = False
    ) -> dict[str, Any]:
        if self.is_lenient:
            return super().apply(state, update, strict=strict)
        if not (update.keys() <= self.names):
            update = self._known(update)
        if self.whole_merge is not None:
            return self._merge_whole(state, update, strict)
        model = self._model.model_construct(**state)
        checked = {}
        for key, value in update.items():
            if key in self.reducers:
                checked[key] = value
                continue
            try:
                self._model.__pydantic_validator__.validate_assignment(model, key, value)
            except ValueError as exc:
                raise InvalidUpdateError(
                    f"{key!r} cannot be {shorten(value)}: {_reasons(exc, key)}.",
                    hint=f"{self.cls.__name__} says {self._said_of(key)}.",
                ) from exc
            checked[key] = getattr(model, key)
        return super().apply(state, checked, strict=strict)


def _name_if_folded(channel: Channel) -> str:
    return "" if channel.is_list or channel.merge_appending is not None else channel.name


def _merge_of(cls: type) -> Callable[[Any, dict[str, Any]], Any] | None:
    found = getattr(cls, "merge", None)
    return found if isinstance(found, FunctionType) else None


def _reasons(exc: Exception, key: str = "") -> str:
    """What pydantic says of values, each with its place; where all are of `key`, beneath it."""
    if not hasattr(exc, "errors"):
        return str(exc).rstrip(".")
    told = []
    for one in exc.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(map(str, one["loc"])).removeprefix(key).removeprefix(".")
        told.append(f"{place}: {one['msg']}" if place else str(one["msg"]))
    return "; ".join(told)


@lru_cache(maxsize=512)
def schema_of(cls: Any) -> StateSchema:
    """Read a state class; any other type is the type of a state that is one value.

    Raises:
        InvalidStateError: It is no type.
    """
    schema = _schema_of(cls)
    if schema.managers:
        schema.view = with_managed(schema.view, schema.managers)
        schema.checked_view = with_managed(schema.checked_view, schema.managers)
    return schema


def _schema_of(cls: Any) -> StateSchema:
    if hasattr(cls, "model_fields") and hasattr(cls, "model_construct"):
        return _PydanticSchema(cls, _pydantic_channels(cls))
    if hasattr(cls, "__dataclass_fields__"):
        return _DataclassSchema(cls, _dataclass_channels(cls))
    if typing.is_typeddict(cls) or hasattr(cls, "__total__"):
        return StateSchema(cls, _typeddict_channels(cls))
    if typing.get_origin(cls) is None and not isinstance(cls, type):
        raise InvalidStateError(
            f"{cls!r} is no state class.", hint="Use a TypedDict, a dataclass or a pydantic model."
        )
    return _RootSchema(cls, {ROOT: _channel(ROOT, cls, MISSING, is_required=True)})


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as exc:
        frame_names = _caller_names(cls)
        try:
            return typing.get_type_hints(cls, None, frame_names, include_extras=True)
        except NameError:
            raise InvalidStateError(
                f"The types of {cls.__name__} cannot be read: {exc}.",
                hint="Import what its annotations name.",
            ) from exc


def _caller_names(cls: type) -> dict[str, Any]:
    """Names of enclosing functions, for a class that is written inside one."""
    names: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - public in all but name
    while frame is not None:
        if frame.f_globals.get("__name__") == cls.__module__:
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names


def _typeddict_channels(cls: type) -> dict[str, Channel]:
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    return {
        name: _channel(name, hint, MISSING, name in required) for name, hint in _hints(cls).items()
    }


def _dataclass_channels(cls: Any) -> dict[str, Channel]:
    hints, found = _hints(cls), {}
    for name, field in cls.__dataclass_fields__.items():
        default: Any = field.default_factory
        if field.default is not MISSING:
            default = _constant(field.default)
        found[name] = _channel(name, hints[name], default, default is MISSING)
    return found


def _pydantic_channels(cls: Any) -> dict[str, Channel]:
    hints, found = _hints(cls), {}
    for name, field in cls.model_fields.items():
        default: Any = MISSING
        if not field.is_required():
            default = partial(field.get_default, call_default_factory=True)
        found[name] = _channel(
            name, hints[name], default, field.is_required(), field.description or ""
        )
    return found


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _channel(
    name: str, hint: Any, default: Any, is_required: bool, description: str = ""
) -> Channel:
    extras: tuple[Any, ...] = ()
    while typing.get_origin(hint) in (typing.Required, typing.NotRequired):
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        extras = tuple(rest)
    reducer = next((extra for extra in reversed(extras) if _is_reducer(extra)), None)
    if reducer is not None:
        _check_reducer(name, reducer)
    text = next((extra for extra in extras if isinstance(extra, str)), description)
    factory = None if default is MISSING else default
    base = typing.get_origin(hint) or hint
    base = _CONCRETE.get(base, base) if isinstance(base, type) else base
    if reducer is not None and factory is None and base in _EMPTY:
        factory = base
    is_list = base is list and reducer in (operator.add, operator.concat, operator.iadd)
    return Channel(
        name=name,
        type=hint,
        manager=manager_in(extras),
        reducer=operator.add if is_list else reducer,
        is_list=is_list,
        merge_appending=getattr(reducer, "merge_appending", None),
        factory=factory,
        is_required=is_required,
        description=text,
    )


def _is_reducer(extra: Any) -> bool:
    return callable(extra) and not isinstance(extra, type)


def _check_reducer(name: str, reducer: Any) -> None:
    """Refuse a function that cannot be called with two values.

    Raises:
        InvalidSchemaError: It says what the function takes.
    """
    try:
        parameters = signature(reducer).parameters.values()
    except (TypeError, ValueError):  # Some builtins do not say.
        return
    kinds = [one.kind for one in parameters]
    count = kinds.count(Parameter.POSITIONAL_ONLY) + kinds.count(Parameter.POSITIONAL_OR_KEYWORD)
    if count != 2 and Parameter.VAR_POSITIONAL not in kinds:
        raise InvalidSchemaError(
            f"Invalid reducer of {name!r}: it takes {count} values.",
            hint="A reducer takes the old value and the new one, and returns the value to keep.",
        )
