"""Declared objectives: what ``compile(metadata={"slo": {...}})`` promises of a graph's executions.

======================  ==================================================================
``success``             the least share that is completed, such as 0.99
``p50_ms`` … ``p99_ms``   the most milliseconds that so many in a hundred take
``cost_usd``            the most that an execution costs at the median
``tokens``              the most tokens that an execution needs at the median
``window_days``         how far back they are counted; all recorded executions without it
======================  ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "slo"
_PERCENTILE = re.compile(r"(?:latency_)?p(\d{1,2})(?:_ms)?")
_SUCCESS = ("success", "success_rate", "availability")
_PLAIN = {"cost_usd": "cost_usd", "tokens": "tokens", "window_days": "window_days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One promise. `metric` is success, p50 to p99 (milliseconds), cost_usd or tokens."""

    metric: str
    target: float

    @property
    def share(self) -> float | None:
        """The share of executions that may not keep it: the error budget."""
        if self.metric == "success":
            return round(1 - self.target, 12)
        found = _PERCENTILE.fullmatch(self.metric)
        return None if found is None else round(1 - int(found[1]) / 100, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """What a graph promises. `unknown` are keys and values that say nothing."""

    each: tuple[Objective, ...] = ()
    window_days: float | None = None
    unknown: tuple[str, ...] = ()


def declared(metadata: Mapping[str, Any]) -> Objectives:
    """Read the objectives of a graph's metadata."""
    given = metadata.get(KEY) or metadata.get("SLO")
    if not isinstance(given, Mapping):
        return Objectives(unknown=() if given is None else (f"{KEY}={given!r}",))
    found: list[Objective] = []
    window: float | None = None
    unknown: list[str] = []
    for key, value in _flat(given).items():
        metric = _metric(key)
        target = float(value) if isinstance(value, int | float) and value is not True else None
        if metric is None or target is None or target <= 0 or (metric == "success" and target > 1):
            unknown.append(f"{key}={value!r}")
        elif metric == "window_days":
            window = target
        else:
            found.append(Objective(metric=metric, target=target))
    return Objectives(each=tuple(found), window_days=window, unknown=tuple(unknown))


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """``{"latency_ms": {"p95": 800}}`` is short for ``{"p95_ms": 800}``."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping):
            flat |= {str(inner): each for inner, each in value.items()}
        else:
            flat[str(key)] = value
    return flat


def _metric(key: str) -> str | None:
    if key in _SUCCESS:
        return "success"
    found = _PERCENTILE.fullmatch(key)
    return f"p{found[1]}" if found else _PLAIN.get(key)
