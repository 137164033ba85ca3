"""The difference of two JSON values as an RFC 6902 patch: the shortest that one look gives."""

from __future__ import annotations

from typing import Any

Patch = list[dict[str, Any]]


def patch_between(before: Any, after: Any, path: str = "") -> Patch:
    """Give the operations that make `after` of `before`; none where their content is equal.

    Types count: ``1`` and ``true`` differ, and so do ``1`` and ``1.0``.

    Example:
        >>> patch_between({"n": 1, "log": ["a"]}, {"n": 1, "log": ["a", "b"]})
        [{'op': 'add', 'path': '/log/1', 'value': 'b'}]
    """
    if isinstance(before, dict) and isinstance(after, dict):
        return _between_dicts(before, after, path)
    if isinstance(before, list) and isinstance(after, list):
        return _between_lists(before, after, path)
    if type(before) is type(after) and before == after:
        return []
    if before != before and after != after:  # noqa: PLR0124 - not a number, twice
        return []
    return [{"op": "replace", "path": path, "value": after}]


def _between_dicts(before: dict[Any, Any], after: dict[Any, Any], path: str) -> Patch:
    patch: Patch = [
        {"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in before if key not in after
    ]
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key in before:
            patch += patch_between(before[key], value, place)
        else:
            patch.append({"op": "add", "path": place, "value": value})
    return patch


def _between_lists(before: list[Any], after: list[Any], path: str) -> Patch:
    """Leave the equal ends as they are, and change what is between them."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and not patch_between(before[head], after[head]):
        head += 1
    tail = 0
    while tail < shorter - head and not patch_between(before[-1 - tail], after[-1 - tail]):
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    both = min(len(old), len(new))
    patch: Patch = []
    for index in range(both):
        patch += patch_between(old[index], new[index], f"{path}/{head + index}")
    for index in reversed(range(both, len(old))):
        patch.append({"op": "remove", "path": f"{path}/{head + index}"})
    for index in range(both, len(new)):
        patch.append({"op": "add", "path": f"{path}/{head + index}", "value": new[index]})
    return patch


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
