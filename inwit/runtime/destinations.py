"""Where a node's commands may lead, as far as it can be known without running it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from inwit.runtime.policies.node import PLAIN
from inwit.runtime.program import literal_answers
from inwit.runtime.source import unwrap

if TYPE_CHECKING:
    from inwit.runtime.graph import Written


_INVOKING = frozenset({"invoke", "ainvoke", "stream", "astream"})
_EMPTY = CellType()


def destinations(written: Written) -> tuple[str, ...] | None:
    """The names that a node may command; None where they cannot be known, () where it commands none."""
    if written.destinations:
        return tuple(written.destinations)
    if written.policy is PLAIN:
        return _of_function(written.function)
    handler = written.policy.error_handler
    if handler is not None and _of_function(handler) != ():
        return None
    return _of_function(written.function)


def _of_function(function: Any) -> tuple[str, ...] | None:
    tools = getattr(function, "tools_by_name", None)
    if isinstance(tools, dict):  # A tool may give a command as its result.
        return None if any(_of_function(_function_of(one)) != () for one in tools.values()) else ()
    if hasattr(type(function), "run_within"):
        nodes = function.builder.nodes.values()
        return None if any(destinations(one) != () for one in nodes) else ()
    inner = unwrap(function)
    annotations = getattr(inner, "__annotations__", None)
    hint = annotations.get("return") if isinstance(annotations, dict) else None
    if hint is not None:
        found = _annotated(inner, hint)
        if found is not None:
            return found
        if _returns_command(hint):
            return None
    code = getattr(inner, "__code__", None)
    if not isinstance(code, CodeType):
        return None if callable(function) and not isinstance(function, type) else ()
    return None if _says_command(code) or _invokes_commanding(inner, code) else ()


def _invokes_commanding(function: Any, code: CodeType) -> bool:
    """Whether it may invoke a graph that commands the one around it."""
    return any(_of_function(one) != () for one in _invoked(function, code))


def invoked_graph(function: Any) -> Any:
    """The graph that a node's function invokes, by a name that it can see; None where it has none."""
    inner = unwrap(function)
    code = getattr(inner, "__code__", None)
    found = _invoked(inner, code) if isinstance(code, CodeType) else []
    return next((one for one in found if one.checkpointer is not False), None)


def _invoked(function: Any, code: CodeType) -> list[Any]:
    if not _INVOKING.intersection(code.co_names):
        return []
    cells = getattr(function, "__closure__", None) or ()
    around = [cell.cell_contents for cell in cells if cell != _EMPTY]
    known = getattr(function, "__globals__", {})
    around += [known[name] for name in code.co_names if name in known]
    return [one for one in around if hasattr(type(one), "run_within")]


def _function_of(tool: Any) -> Any:
    names = ("function", "func", "coroutine")
    return next((found for name in names if (found := getattr(tool, name, None))), tool)


def _annotated(function: Any, hint: Any) -> tuple[str, ...] | None:
    """The names in ``Command[Literal[...]]``; None where the annotation names none."""
    if isinstance(hint, str):
        if "Command" not in hint:
            return None
        try:
            hint = get_type_hints(function).get("return")
        except (NameError, TypeError):
            return None
    names = [
        name
        for one in _commands(hint)
        for arg in get_args(one)
        for name in literal_answers(arg) or ()
    ]
    return tuple(names) or None


def _returns_command(hint: Any) -> bool:
    """Whether an annotation says that commands are returned, and not where they lead."""
    return "Command" in hint if isinstance(hint, str) else bool(_commands(hint))


def _commands(hint: Any) -> list[Any]:
    origin = get_origin(hint)
    if getattr(origin or hint, "__name__", "") == "Command":
        return [hint]
    return [found for arg in get_args(hint) for found in _commands(arg)]


@lru_cache(maxsize=4096)
def _says_command(code: CodeType) -> bool:
    names = {*code.co_names, *code.co_freevars}
    if "Command" in names or "goto" in names:
        return True
    return any(isinstance(one, CodeType) and _says_command(one) for one in code.co_consts)


def labels(written: Written) -> Mapping[str, str]:
    """What drawings write at the ways that a node's commands take."""
    found = written.destinations
    return found if isinstance(found, dict) else {}
