"""What is compared: plain data, in which chance has no part.

Ids (of checkpoints, tasks, interrupts, executions, messages without a given one) become ``<id 1>``,
``<id 2>``, … in the order in which they first appear, so that equal ids stay equal; times of day
become ``<time>``. An exception becomes the nearest class that both libraries know, by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(rf"(?<![0-9a-zA-Z])(?:run-+)?(?:{_UUID}|[0-9a-f]{{32}})(?![0-9a-zA-Z])")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)")
_ID_KEYS = {"checkpoint_id", "run_id", "task_id", "langgraph_request_id"}
_KNOWN_ERRORS = frozenset(
    [
        "GraphRecursionError",
        "InvalidUpdateError",
        "EmptyInputError",
        "GraphInterrupt",
        "ParentCommand",
        "NodeTimeoutError",
        "GraphDrained",
        "UnknownInterruptError",
        "ValidationError",
        "KeyError",
        "ValueError",
        "TypeError",
        "RuntimeError",
        "ZeroDivisionError",
        "AttributeError",
        "NotImplementedError",
        "TimeoutError",
        "ConnectionError",
        "CancelledError",
        "Exception",
    ]
)

_TOLD_BY = {
    "Interrupt": ("value", "id"),
    "Send": ("node", "arg"),
    "Command": ("update", "goto", "resume", "graph"),
    "Overwrite": ("value",),
}


class Raised:
    """What kind of error was raised, by the names that both libraries have.

    Ours may be of several kinds: it equals LangGraph's where it is of LangGraph's kind too.
    """

    def __init__(self, error: BaseException) -> None:
        kind = type(error)
        self.names = [cls.__name__ for cls in kind.__mro__ if cls.__name__ in _KNOWN_ERRORS]
        if _is_of_a_scenario(kind):
            self.names.insert(0, kind.__name__)
        self.is_standard = not kind.__module__.startswith("inwit")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Raised):
            return False
        standard, own = (self, other) if self.is_standard else (other, self)
        return standard.names[0] in own.names

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return " | ".join(self.names)


def _is_of_a_scenario(kind: type[BaseException]) -> bool:
    return kind.__module__.startswith("tests.")


class Comparable:
    """Turns one library's results into plain data; numbers ids as it meets them."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        """The value as dicts, lists, tuples and scalars."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, BaseException):
            return {"error": Raised(value), "args": self._args(value)}
        if isinstance(value, Mapping):
            return self._mapping(value)
        if type(value).__name__ in _TOLD_BY:
            return self._by_names(value)
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {"a": type(value).__name__, **self._mapping(value._asdict())}
        if isinstance(value, list | tuple | set | frozenset):
            items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            return (list if isinstance(value, list) else tuple)(self.plain(one) for one in items)
        if hasattr(value, "model_dump"):
            return {"a": type(value).__name__, **self._model(value)}
        if is_dataclass(value) and not isinstance(value, type):
            return {"a": type(value).__name__, **self._mapping(_fields(value))}
        if isinstance(value, type):
            return f"<class {value.__name__}>"
        return self._object(value)

    def _object(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | bytes | complex | Raised):
            return value
        return self._text(repr(value))

    def _by_names(self, value: Any) -> dict[str, Any]:
        kind = type(value).__name__
        return {"a": kind, **self._mapping({n: getattr(value, n) for n in _TOLD_BY[kind]})}

    def _model(self, value: Any) -> dict[str, Any]:
        if not hasattr(value, "content"):
            return {str(k): self.plain(v) for k, v in dict(value).items()}
        names = (
            "type",
            "content",
            "name",
            "id",
            "tool_calls",
            "tool_call_id",
            "status",
            "artifact",
        )
        found = {n: getattr(value, n) for n in names if getattr(value, n, None) not in (None, [])}
        return {str(k): self.plain(v) for k, v in found.items()}

    def _args(self, error: BaseException) -> Any:
        return self.plain(list(error.args)) if _is_of_a_scenario(type(error)) else None

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        return {
            self._text(k) if isinstance(k, str) else k: self._number(v)
            if k in _ID_KEYS and isinstance(v, str)
            else self.plain(v)
            for k, v in value.items()
        }

    def _text(self, text: str) -> str:
        return _ID.sub(lambda match: self._number(match[0]), _TIME.sub("<time>", text))

    def _number(self, found: str) -> str:
        return self._ids.setdefault(found, f"<id {len(self._ids) + 1}>")


def _fields(value: Any) -> dict[str, Any]:
    try:
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    except AttributeError:
        return asdict(value)
