"""The settings at the head of a Mermaid drawing, as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ /.-]*(?<! )")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def frontmatter(given: Mapping[str, Any], curve: str) -> list[str]:
    """The lines of the settings that were given, and of the form of edges."""
    config = given.get("config", {})
    flowchart = {**config.get("flowchart", {}), "curve": curve}
    return list(_lines({**given, "config": {**config, "flowchart": flowchart}}, ""))


def _lines(table: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key in sorted(table):
        value = table[key]
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from (f"{indent}- {_scalar(item)}" for item in value)
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and value.isprintable():
        is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if is_plain else "'" + value.replace("'", "''") + "'"
    return json.dumps(value)
