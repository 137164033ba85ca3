"""What self-improvement may spend in a day: time, tokens, money and plans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.self_improve import tables

if TYPE_CHECKING:
    from inwit.runtime.store import Store

_NAME: Final = "spent"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most of each in a day; None is no limit."""

    seconds: float | None = 600.0
    """Time that its looks take."""
    tokens: int | None = 100_000
    """Tokens of models that are asked about plans."""
    usd: float | None = 1.0
    """What these models cost."""
    plans: int | None = 20
    """New plans."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on a day."""

    day: str = ""
    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    plans: int = 0


def today() -> str:
    """The day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def spent(store: Store) -> Spent:
    """What was spent today, by all daemons of the project."""
    found = tables.kept(store, _NAME, Spent)
    return found if found is not None and found.day == today() else Spent(day=today())


def spend(store: Store, **more: float) -> Spent:
    """Note what was spent."""
    before = spent(store)
    values: dict[str, Any] = {name: getattr(before, name) + value for name, value in more.items()}
    now = msgspec.structs.replace(before, **values)
    tables.keep(store, _NAME, now)
    return now


def used_up(budget: Budget, now: Spent, *names: str) -> str:
    """Which of the named limits is reached, in words; empty where none is."""
    for name in names:
        most, used = getattr(budget, name), getattr(now, name)
        if most is not None and used >= most:
            return f"the day's budget of {name} is used up ({used:g} of {most:g})"
    return ""


def to_json(budget: Budget, now: Spent) -> dict[str, Any]:
    """Both, for readers."""
    return {"limits": msgspec.to_builtins(budget), "spent": msgspec.to_builtins(now)}
