"""Keeps what is sent within a client's context, and says what was cut and how to get the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

LEAST_CHARS = 2_000
DEFAULT_CHARS = 20_000
MOST_CHARS = 45_000

Path = tuple[str, ...]


def size(value: Any) -> int:
    """Count the characters of a value's JSON in its longest usual form: spaced, all ASCII."""
    return len(json.dumps(value))


def fit(data: dict[str, Any], budget: int, offset: int) -> tuple[dict[str, Any], int | None]:
    """Make the JSON of `data` at most `budget` characters long.

    Its longest list is given in pages, from item `offset` on; the second value is the offset of
    the next page. What is still too long has its texts shortened, each with the count of what is
    missing.
    """
    following = None
    path = longest_list(data)
    if path and (offset or size(data) > budget):
        data, following = _paged(data, path, budget, offset)
    for length in (2_000, 500, 120, 40):
        if size(data) <= budget:
            break
        data = {key: _squeezed(value, length) for key, value in data.items()}
    while size(data) > budget:
        heaviest = max(data, key=lambda key: size(data[key]))
        if size(data[heaviest]) < 60:
            break
        data = {**data, heaviest: _left_out(data[heaviest])}
    return data, following


def parts(data: Any, budget: int, offset: int) -> tuple[str, int | None]:
    """Give the JSON of `data` as text, from character `offset` on, at most `budget` of it."""
    text = msgspec.json.encode(data).decode()
    end = offset + budget
    return text[offset:end], end if end < len(text) else None


def clip(text: str, limit: int) -> str:
    """Cut a text and say how much of it is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit:,} characters)"


def longest_list(data: dict[str, Any]) -> Path | None:
    """Find the list of one or two levels down that weighs most; None where there is none."""
    found = [(size(value), path) for path, value in _lists(data)]
    return max(found)[1] if found else None


def _lists(data: dict[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    for key, value in data.items():
        if isinstance(value, list) and value:
            yield (key,), value
        elif isinstance(value, dict):
            for inner, member in value.items():
                if isinstance(member, list) and member:
                    yield (key, inner), member


def _paged(
    data: dict[str, Any], path: Path, budget: int, offset: int
) -> tuple[dict[str, Any], int | None]:
    items: list[Any] = data[path[0]] if len(path) == 1 else data[path[0]][path[1]]
    room = max(budget - (size(data) - size(items)), budget // 4)
    taken: list[Any] = []
    for item in items[offset:]:
        room -= size(item) + 2
        if room < 0 and taken:
            break
        taken.append(item)
    end = offset + len(taken)
    inner: Any = taken if len(path) == 1 else {**data[path[0]], path[1]: taken}
    return {**data, path[0]: inner}, end if end < len(items) else None


def _left_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {"cut": f"{size(value):,} characters"}
    return [] if isinstance(value, list) else clip(str(value), 20)


def _squeezed(value: Any, length: int) -> Any:
    """Shorten the texts, lists and objects within a value."""
    if isinstance(value, str):
        return clip(value, length)
    width = max(length // 10, 5)
    if isinstance(value, list):
        kept = [_squeezed(item, length) for item in value[:width]]
        return kept if len(value) <= width else [*kept, f"… (+{len(value) - width:,} items)"]
    if isinstance(value, dict):
        shown = {key: _squeezed(value[key], length) for key in list(value)[:width]}
        return shown if len(value) <= width else {**shown, "…": f"+{len(value) - width:,} keys"}
    return value
