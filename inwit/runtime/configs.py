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
        else:
            merged[key] = {**known, **value} if both else value
    return merged


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
