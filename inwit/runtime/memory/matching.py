"""Which namespaces and values are meant: wildcards, comparisons, paths of texts."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from inwit.runtime.memory.items import ListNamespacesOp, MatchCondition, Namespace

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le,
}  # fmt: skip
_TOKEN = re.compile(r"\{[^}]*\}?|\[[^\]]*\]?|[^.\[{]+")
_PLAIN = (str, int, float, bool)


def listed(namespaces: Iterable[Namespace], op: ListNamespacesOp) -> list[Namespace]:
    """The page of namespaces that an operation asks for."""
    conditions = op.match_conditions or ()
    found = {
        namespace[: op.max_depth] if op.max_depth is not None else namespace
        for namespace in namespaces
        if all(matches(one, namespace) for one in conditions)
    }
    return sorted(found)[op.offset : op.offset + op.limit]


def matches(condition: MatchCondition, namespace: Namespace) -> bool:
    """Whether a namespace begins or ends as asked.

    Raises:
        ValueError: The condition is of no known kind.
    """
    path = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(
            f"A namespace is matched by prefix or suffix, not {condition.match_type!r}."
        )
    if len(namespace) < len(path):
        return False
    end = len(namespace)
    part = (
        namespace[: len(path)] if condition.match_type == "prefix" else namespace[end - len(path) :]
    )
    return all(wanted in ("*", word) for wanted, word in zip(path, part, strict=True))


def passes(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether a value's fields are as a filter wants them."""
    return not wanted or all(_compare(value.get(key), one) for key, one in wanted.items())


def _compare(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        if any(str(key).startswith("$") for key in wanted):
            return all(_apply(value, name, bound) for name, bound in wanted.items())
        return isinstance(value, dict) and passes(value, wanted)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(_compare(one, other) for one, other in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _apply(value: Any, name: str, bound: Any) -> bool:
    if name == "$eq":
        return bool(value == bound)
    if name == "$ne":
        return bool(value != bound)
    if name not in _ORDERS:
        known = ", ".join(["$eq", "$ne", *_ORDERS])
        raise ValueError(f"A filter knows {known}, not {name!r}.")
    if isinstance(value, str) and isinstance(bound, str) and _number(value) is None:
        return _ORDERS[name](value, bound)
    left, right = _number(value), _number(bound)
    return left is not None and right is not None and _ORDERS[name](left, right)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def tokenize_path(path: str) -> list[str]:
    """Split a path: ``"a.b[0].{c,d}"`` is ``["a", "b", "[0]", "{c,d}"]``."""
    return _TOKEN.findall(path)


def get_text_at_path(value: Any, path: str | Sequence[str]) -> list[str]:
    """Find the texts at a path; several where it has ``[*]``, ``*`` or ``{a,b}``.

    ``"$"`` is the whole value, as JSON. Numbers are written out, lists and dicts are JSON; what is
    not there gives nothing.
    """
    if isinstance(value, Mapping) and not isinstance(value, dict):
        value = dict(value)
    if not path or path == "$":
        return [_json(value)]
    return _texts(value, tokenize_path(path) if isinstance(path, str) else list(path))


def _texts(value: Any, tokens: list[str]) -> list[str]:
    if not tokens:
        return _text(value)
    token, rest = tokens[0], tokens[1:]
    return [text for part in _parts(value, token) for text in _texts(part, rest)]


def _parts(value: Any, step: str) -> list[Any]:
    """What one step of a path leads to."""
    if step.startswith("["):
        return _elements(value, step[1:].rstrip("]"))
    if step.startswith("{"):
        names = [name.strip() for name in step[1:].rstrip("}").split(",")]
        return [part for name in names for part in _below(value, tokenize_path(name))]
    if step == "*":
        return list(value.values()) if isinstance(value, dict) else _elements(value, "*")
    return [value[step]] if isinstance(value, dict) and step in value else []


def _elements(value: Any, index: str) -> list[Any]:
    if not isinstance(value, list):
        return []
    if index == "*":
        return value
    try:
        return [value[int(index)]]
    except (ValueError, IndexError):
        return []


def _below(value: Any, names: list[str]) -> list[Any]:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return []
        value = value[name]
    return [value] if names else []


def _text(value: Any) -> list[str]:
    if isinstance(value, _PLAIN):
        return [str(value)]
    return [_json(value)] if isinstance(value, list | dict) else []


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
