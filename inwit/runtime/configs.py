"""The configs of calls: joined, and handed down to graphs within."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]


def merged_config(first: Config, second: Config) -> dict[str, Any]:
    """One config of two; of a key that both have, the second's counts, and dicts are joined."""
    merged = dict(first)
    for key, value in second.items():
        known: Any = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        if key == "tags":
            merged[key] = [
                *(known or ()),
                *(one for one in value or () if one not in (known or ())),
            ]
        elif key == "callbacks":
            merged[key] = _joined(known, value)
        else:
            merged[key] = {**known, **value} if both else value
    return merged


def _joined(known: Any, more: Any) -> Any:
    """The callbacks of both, each a list of handlers or langchain-core's manager of them."""
    if not known or not more or known is more:
        return more or known
    if isinstance(more, list | tuple):
        known, more = more, known
    if isinstance(more, list | tuple):
        return [*more, *(one for one in known if one not in more)]
    manager = more.copy()
    for handler in known if isinstance(known, list | tuple) else known.handlers:
        if handler not in manager.handlers:
            manager.add_handler(handler, inherit=True)
    return manager


def inherited(config: Config) -> Config:
    """What a graph within another is given of its config."""
    named = {
        key: value
        for key, value in config.get("configurable", {}).items()
        if key not in ("thread_id", "checkpoint_id", "checkpoint_ns")
    }
    return (
        {**config, "configurable": named}
        if named
        else {key: value for key, value in config.items() if key != "configurable"}
    )


def metadata_of(config: Config, parents: Mapping[str, str]) -> dict[str, Any] | None:
    """What checkpoints keep of a config, and of the checkpoints of the graphs around."""
    found = dict(config.get("metadata") or {})
    if parents:
        found["parents"] = dict(parents)
    for key, value in config.get("configurable", {}).items():
        is_plain = isinstance(value, str | int | float | bool)
        if is_plain and key not in ("thread_id", "checkpoint_id", "checkpoint_ns"):
            found.setdefault(key, value)
    return found or None
