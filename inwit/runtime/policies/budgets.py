"""What one execution may spend, and what it has spent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic_ns
from typing import Any

import msgspec

from inwit.errors import (
    BudgetExceededError,
    CostBudgetError,
    DeadlineBudgetError,
    StepBudgetError,
    TokenBudgetError,
)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one execution may spend; None is no limit.

    Tokens and cost are those of the model calls that are recorded, those of graphs within it
    included: what a model's server did not tell, or what has no price, is not counted. They are
    looked at before each model call and after each node, so that the last call may exceed them.
    """

    steps: int | None = None
    deadline_s: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    @classmethod
    def of(cls, given: Budget | Mapping[str, Any] | None, default: Budget | None) -> Budget | None:
        """The budget of a call: what it says itself, then what the graph was compiled with.

        Raises:
            ValueError: It names something that a budget does not have, or is no number.
        """
        if given is None:
            return default
        if not isinstance(given, Budget):
            try:
                given = msgspec.convert(dict(given), _Given).budget()
            except (msgspec.ValidationError, TypeError, ValueError) as exc:
                raise ValueError(
                    f"A budget has steps, deadline_s, tokens and cost_usd, all numbers: {exc}"
                ) from exc
        if default is None:
            return given
        own = {name: getattr(given, name) for name in given.__struct_fields__}
        return msgspec.structs.replace(
            default, **{name: value for name, value in own.items() if value is not None}
        )


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    steps: int | None = None
    deadline_s: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    def budget(self) -> Budget:
        return Budget(**msgspec.structs.asdict(self))


class Spending:
    """What an execution has spent of its budget; also adds to that of the execution around it."""

    __slots__ = ("_lock", "begun_ns", "budget", "cost_usd", "parent", "tokens")

    def __init__(self, budget: Budget, parent: Spending | None = None) -> None:
        self.budget = budget
        self.parent = parent
        self.begun_ns = monotonic_ns()
        self.tokens = 0
        self.cost_usd = 0.0
        self._lock = threading.Lock()

    def add(self, tokens: int, cost_usd: float) -> None:
        """Count a model call. Safe from any thread."""
        with self._lock:
            self.tokens += tokens
            self.cost_usd += cost_usd
        if self.parent is not None:
            self.parent.add(tokens, cost_usd)

    def error(self, *, before_call: bool = False) -> BudgetExceededError | None:
        """What ran out, here or around; `before_call` also where nothing is left."""
        budget, tokens, cost = self.budget, self.tokens, self.cost_usd
        margin = 0 if before_call else 1
        if budget.tokens is not None and tokens >= budget.tokens + margin:
            return TokenBudgetError(budget.tokens, tokens)
        limit = budget.cost_usd
        if limit is not None and (cost > limit or (before_call and cost >= limit)):
            return CostBudgetError(limit, cost)
        return None if self.parent is None else self.parent.error(before_call=before_call)

    def out_of_steps(self, limit: int) -> BudgetExceededError | None:
        """The error of an execution that wants a step more than `limit`, where that is its budget."""
        return StepBudgetError(limit, limit) if self.budget.steps == limit else None

    def out_of_time(self) -> BudgetExceededError:
        """The error of an execution that has reached its deadline."""
        spent = (monotonic_ns() - self.begun_ns) / 1e9
        return DeadlineBudgetError(self.budget.deadline_s or 0.0, spent)
