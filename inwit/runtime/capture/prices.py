"""What a model call costs, by a price table that says of when it is."""

from __future__ import annotations

import os
import re
import tomllib
import warnings
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

_SNAPSHOT = re.compile(r"(?:-latest|-\d{4}-\d{2}-\d{2}|-\d{8}|@\d{8})$")
_MILLION = 1_000_000


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one call. `input` counts the cached and the newly cached ones too."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None


class Cost(NamedTuple):
    """A price in US dollars and the date of the table that gave it; None where it has none."""

    usd: float | None
    date: str | None


class _Price(msgspec.Struct, frozen=True):
    input: float
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    over: int | None = None
    long: _Price | None = None

    def cost(self, usage: Usage) -> float | None:
        """Price a call; None where the table lacks a figure that the call needs."""
        if usage.input is None and usage.output is None:
            return None
        if self.long is not None and self.over is not None and (usage.input or 0) > self.over:
            return self.long.cost(usage)
        cached, written = usage.cached or 0, usage.cache_write or 0
        if (cached and self.cached is None) or (written and self.cache_write is None):
            return None
        fresh = max((usage.input or 0) - cached - written, 0)
        dollars = fresh * self.input + (usage.output or 0) * self.output
        dollars += cached * (self.cached or 0.0) + written * (self.cache_write or 0.0)
        return dollars / _MILLION


class _Table(msgspec.Struct, frozen=True):
    date: str
    models: dict[str, _Price]


def cost_of(model: str, usage: Usage) -> Cost:
    """Price a call of `model`. No price is invented for a model that no table has.

    A provider's prefix (``openai/gpt-4o``) and a snapshot's date (``gpt-4o-2024-08-06``) are left
    out where the table has no entry with them.
    """
    for table in _tables(os.environ.get("INWIT_PRICES", "")):
        for name in _names(model):
            if name in table.models:
                usd = table.models[name].cost(usage)
                return Cost(usd, None if usd is None else table.date)
    return Cost(None, None)


def priced_models() -> dict[str, str]:
    """Each model that has a price, with the date of the table that gives it; the user's own first."""
    found: dict[str, str] = {}
    for table in _tables(os.environ.get("INWIT_PRICES", "")):
        for name in table.models:
            found.setdefault(name, table.date)
    return found


def _names(model: str) -> tuple[str, ...]:
    bare = model.rpartition("/")[2]
    return tuple(dict.fromkeys((model, bare, _SNAPSHOT.sub("", bare))))


@lru_cache(maxsize=8)
def _tables(own: str) -> tuple[_Table, ...]:
    """The user's own table first, then the shipped one."""
    shipped = _table((files(__package__) / "prices.toml").read_text("utf-8"))
    if not own:
        return (shipped,)
    try:
        return (_table(Path(own).read_text("utf-8")), shipped)
    except (OSError, ValueError, msgspec.ValidationError) as exc:
        _warn(own, exc)
        return (shipped,)


def _table(text: str) -> _Table:
    content: Mapping[str, Any] = tomllib.loads(text)
    return msgspec.convert(content, _Table)


def _warn(path: str, exc: Exception) -> None:
    warnings.warn(f"INWIT_PRICES: {path} is no price table: {exc}", RuntimeWarning, stacklevel=2)
