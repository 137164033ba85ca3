"""How an execution was called, for its record: its config and its context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inwit.errors import UnreplayableError, UnserialisableError
from inwit.runtime.serial import IMMUTABLE, freeze

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution

_PLACES = frozenset({"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"})
"""What says where a call goes on is told by the thread."""
_UNTOLD = frozenset({"callbacks", "run_id", "run_name"})


class Unkept:
    """Stands in a replay for a context that the record could not keep; to read of it is refused."""

    def __init__(self, execution_id: str, type_name: str) -> None:
        object.__setattr__(self, "_refused", (execution_id, type_name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        execution_id, type_name = object.__getattribute__(self, "_refused")
        raise UnreplayableError(
            execution_id,
            f"Its context, a {type_name}, cannot be kept, and {name!r} of it is read.",
            hint="Give it: app.replay(…, context=…).",
        )


def told_of(execution: Execution) -> Any:
    """What the record keeps of how an execution was called, frozen; None where there is nothing."""
    context = execution.given_context
    if context is None:
        plain = _plain(execution.config)
        if plain is not None:
            return {"config": plain} if plain else None
    config = _config_of(execution.config)
    if not config and context is None:
        return None
    told: dict[str, Any] = {"config": config} if config else {}
    if context is not None:
        told |= _context_of(context)
    return freeze(told)


def _plain(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Copy a config that holds nothing but plain values and the thread's name; most do."""
    found = {}
    for key, value in config.items():
        if key in _UNTOLD:
            continue
        if type(value) in IMMUTABLE:
            found[key] = value
        elif key != "configurable" or type(value) is not dict or not value.keys() <= _PLACES:
            return None
    return found


def _config_of(config: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in config.items() if key not in _UNTOLD and _can_keep(value)}
    named = config.get("configurable")
    if isinstance(named, Mapping):
        kept = {
            key: value
            for key, value in named.items()
            if key not in _PLACES and not str(key).startswith("__") and _can_keep(value)
        }
        found.pop("configurable", None)
        if kept:
            found["configurable"] = kept
    return found


def _context_of(context: Any) -> dict[str, Any]:
    if _can_keep(context):
        return {"context": context}
    return {"context_type": type(context).__name__}


def _can_keep(value: Any) -> bool:
    if type(value) in IMMUTABLE:
        return True
    try:
        freeze(value, strict=True)
    except UnserialisableError:
        return False
    return True


def context_in(told: Mapping[str, Any], execution_id: str) -> Any:
    """The context that an execution was called with, as a replay gives it."""
    if "context_type" in told:
        return Unkept(execution_id, told["context_type"])
    return told.get("context")
