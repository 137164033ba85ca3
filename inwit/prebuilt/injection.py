"""Arguments of a tool that the graph fills, and that no model sees."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from inwit.errors import ToolDefinitionError
from inwit.prebuilt._langchain import adopt
from inwit.runtime.commands import Adoptable, Command

StateT = TypeVar("StateT")
ContextT = TypeVar("ContextT")

_BASE = "langchain_core.tools.base"
_MARKS = ("InjectedToolArg", "_DirectlyInjectedToolArg", "InjectedToolCallId")


class InjectedToolArg(Adoptable):
    """Marks an argument that the caller fills: ``Annotated[T, InjectedToolArg]``."""


class InjectedState(InjectedToolArg):
    """Marks an argument that is given the state, or one key of it: ``InjectedState("key")``."""

    def __init__(self, field: str | None = None) -> None:
        self.field = field


class InjectedStore(InjectedToolArg):
    """Marks an argument that is given the graph's store."""


class InjectedToolCallId(InjectedToolArg):
    """Marks an argument that is given the id of the model's call."""


class _ByType(Adoptable):
    """The base of what is injected wherever a parameter has its type."""


@dataclass
class ToolRuntime(_ByType, Generic[ContextT, StateT]):
    """What a tool may know of the node that calls it.

    A parameter of this type, or named ``runtime``, is given one.
    """

    state: StateT
    context: ContextT
    config: Mapping[str, Any]
    stream_writer: Callable[[Any], None]
    tool_call_id: str | None
    store: Any
    tools: list[Any] = field(default_factory=list)
    execution_info: Any = None
    server_info: Any = None

    @classmethod
    def __class_getitem__(cls, given: Any) -> Any:
        """With one type it is the context's; the state is a dict."""
        types = given if isinstance(given, tuple) else (given, dict)
        return super().__class_getitem__(types)  # type: ignore[misc]

    def emit_output_delta(self, delta: Any) -> None:
        """Write a piece of the tool's output to the readers of the stream."""
        from inwit.runtime.tool_stream import tell_delta

        if not tell_delta(delta):
            self.stream_writer({"tool_call_id": self.tool_call_id, "delta": delta})


adopt(InjectedToolArg, _BASE, "InjectedToolArg")
adopt(InjectedToolCallId, _BASE, "InjectedToolCallId")
adopt(_ByType, _BASE, "_DirectlyInjectedToolArg")
adopt(Command, "langchain_core.messages.tool", "ToolOutputMixin")


@dataclass(frozen=True)
class Injected:
    """Which arguments of one tool are filled, and with what."""

    state: dict[str, str | None] = field(default_factory=dict)
    """Argument to the state's key; None is the whole state."""
    optional: frozenset[str] = frozenset()
    """Arguments for which the state need not have the key."""
    store: str | None = None
    runtime: str | None = None
    call_id: str | None = None
    all: frozenset[str] = frozenset()

    def named(self) -> frozenset[str]:
        """The arguments that `ToolNode` fills."""
        found = {*self.state, self.store, self.runtime}
        return frozenset(name for name in found if name)


def hints_of(function: Any) -> dict[str, Any]:
    """The annotations of a function, with what `Annotated` adds."""
    while isinstance(function, functools.partial):
        function = function.func
    if function is None:
        return {}
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        return dict(getattr(function, "__annotations__", {}))


def injected_in(hints: Mapping[str, Any], has_default: Callable[[str], bool]) -> Injected:
    """Read from annotations what is to be filled."""
    state: dict[str, str | None] = {}
    every: set[str] = set()
    single: dict[str, str] = {}
    for name, hint in hints.items():
        if name == "return":
            continue
        if is_injected(hint):
            every.add(name)
        mark = _mark(hint, InjectedState)
        if mark is not None:
            state[name] = getattr(mark, "field", None)
        if name == "runtime" or _mark(hint, ToolRuntime) is not None:
            single["runtime"] = name
        if _mark(hint, InjectedStore) is not None:
            single["store"] = name
        if _has_mark(hint, ("InjectedToolCallId",)):
            single["call_id"] = name
    optional = {name for name, key in state.items() if key and has_default(name)}
    return Injected(state, frozenset(optional), **single, all=frozenset(every))


def is_injected(hint: Any) -> bool:
    """Whether an argument so annotated is none of the model's."""
    return _has_mark(hint, _MARKS) or _mark(hint, ToolRuntime) is not None


def _has_mark(hint: Any, names: tuple[str, ...]) -> bool:
    """Whether an annotation carries a mark of ours or of langchain-core's, told by its name."""
    for one in _parts(hint):
        cls = one if isinstance(one, type) else type(one)
        if any(base.__name__ in names for base in cls.__mro__):
            return True
    return False


def _parts(hint: Any) -> list[Any]:
    origin = get_origin(hint)
    if origin is Union or origin is Annotated:
        return [part for one in get_args(hint) for part in _parts(one)]
    return [hint if origin is None else origin]


def _mark(hint: Any, kind: type) -> Any:
    """The mark of that kind in an annotation: an instance, or the class itself."""
    found = [
        one
        for one in _parts(hint)
        if isinstance(one, kind) or (isinstance(one, type) and issubclass(one, kind))
    ]
    if len(found) > 1:
        raise ToolDefinitionError(
            f"A tool's argument is annotated with {kind.__name__} more than once.",
            hint="Keep one of them.",
        )
    return found[0] if found else None
