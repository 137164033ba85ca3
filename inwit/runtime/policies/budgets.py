"""What one execution may spend, and what it has spent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import (
    BudgetExceededError,
    CostBudgetError,
    DeadlineBudgetError,
    StepBudgetError,
    TokenBudgetError,
)

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one execution may spend, with the graphs within it; None is no limit.

    Steps are its own and those of graphs within it. Tokens and cost are those of the model calls
    that are recorded: what a model's server did not tell, or what has no price, is not counted. They are
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

    __slots__ = (
        "_execution",
        "_lock",
        "_own_limit",
        "_refused",
        "_told",
        "_within",
        "begun_ns",
        "budget",
        "cost_usd",
        "deadline_ns",
        "parent",
        "tokens",
    )

    def __init__(
        self, budget: Budget, parent: Spending | None = None, execution: Execution | None = None
    ) -> None:
        self._execution = execution
        """Whose steps are counted."""
        self._own_limit = 0 if execution is None else execution.limit
        self._within = 0
        """Steps that executions within this one have taken."""
        self._told = 0
        """Of its own steps, those that the executions around it have counted."""
        self.budget = budget
        self.parent = parent
        self.begun_ns = monotonic_ns()
        self.deadline_ns: int | None = None
        if budget.deadline_s is not None:
            self.deadline_ns = self.begun_ns + int(budget.deadline_s * 1e9)
        self._refused: BudgetExceededError | None = None
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

    def error(self) -> BudgetExceededError | None:
        """What ran out, here or around; also where a call or a step was refused for it."""
        self.tell_steps()
        return self._refused or self.over(before_call=False)

    def tell_steps(self) -> None:
        """Let the executions around this one count the steps that it has taken since."""
        taken, self._told = self._steps - self._told, self._steps
        around = self.parent
        while around is not None and taken:
            around.count_within(taken)
            around = around.parent

    def count_within(self, steps: int) -> None:
        """Count steps of an execution within: it may take as many fewer itself."""
        with self._lock:
            self._within += steps
        if self.budget.steps is not None and self._execution is not None:
            left = max(self.budget.steps - self._within, 0)
            self._execution.limit = min(self._own_limit, left)

    @property
    def _steps(self) -> int:
        return 0 if self._execution is None else self._execution.steps

    @property
    def steps_left(self) -> int | None:
        """The steps that an execution within may take, by the budgets here and around."""
        lefts = [] if self.parent is None else [self.parent.steps_left]
        if self.budget.steps is not None:
            lefts.append(self.budget.steps - self._steps - self._within)
        return min((left for left in lefts if left is not None), default=None)

    def limit_by(self, around: Spending) -> None:
        """Let an execution within take no more steps than are left around it."""
        left, execution = around.steps_left, self._execution
        if left is not None and execution is not None and left < execution.limit:
            execution.limit = max(left, 0)

    def refusal(self) -> BudgetExceededError | None:
        """The error of a model call that is not to be made: nothing is left for it."""
        self._refused = self.over(before_call=True)
        return self._refused

    def over(self, *, before_call: bool) -> BudgetExceededError | None:
        """What is used up, or with `before_call` has nothing left."""
        budget, tokens, cost = self.budget, self.tokens, self.cost_usd
        most, usd = budget.tokens, budget.cost_usd
        if most is not None and (tokens > most or (before_call and tokens == most)):
            return TokenBudgetError(most, tokens)
        if usd is not None and (cost > usd or (before_call and cost == usd)):
            return CostBudgetError(usd, cost)
        steps = self._steps + self._within
        if budget.steps is not None and self._within and steps > budget.steps:
            return StepBudgetError(budget.steps, steps)
        return None if self.parent is None else self.parent.over(before_call=before_call)

    def out_of_steps(self, limit: int) -> BudgetExceededError | None:
        """The error of an execution that wants a step more than `limit`, where a budget set that."""
        if self._execution is not None:
            self._execution.steps = limit  # The step that is wanted is not taken.
        self.tell_steps()
        found: Spending | None = self
        while found is not None:
            most = found.budget.steps
            if most is not None and found._steps + found._within >= most:  # noqa: SLF001
                return self._refuse(found, StepBudgetError(most, most))
            found = found.parent
        return None

    def _refuse(self, owner: Spending, error: BudgetExceededError) -> BudgetExceededError:
        """Note for all up to the budget's owner that it ran out: nothing between covers that up."""
        around: Spending | None = self
        while around is not None:
            around._refused = error  # noqa: SLF001
            around = None if around is owner else around.parent
        return error

    def out_of_time(self, deadline_ns: int) -> BudgetExceededError | None:
        """The error of an execution that has reached a deadline, where that is its budget's."""
        if deadline_ns == self.deadline_ns:
            spent = (monotonic_ns() - self.begun_ns) / 1e9
            return DeadlineBudgetError(self.budget.deadline_s or 0.0, spent)
        return None if self.parent is None else self.parent.out_of_time(deadline_ns)


_ANY = Budget()


def give(execution: Execution, given: Any, default: Budget | None) -> None:
    """Let an execution have the budget of its call and its graph.

    Raises:
        ValueError: What the call gave is no budget.
    """
    budget = Budget.of(given, default)
    if budget is None:
        return
    if budget.tokens is not None or budget.cost_usd is not None:
        from inwit.runtime.capture import record_langchain

        record_langchain()
    spending = execution.spending = Spending(budget, execution.spending, execution)
    if budget.steps is not None and budget.steps <= execution.limit:
        execution.limit = budget.steps
    if spending.deadline_ns is not None and spending.deadline_ns < execution.deadline_ns:
        execution.deadline_ns = spending.deadline_ns
        execution.budget_s = budget.deadline_s
    _look_at_each_step(execution, budget)


def share(execution: Execution, around: Spending) -> None:
    """Let an execution spend of the budget of the one around it."""
    if execution.spending is None:
        execution.spending = Spending(_ANY, around, execution)
    else:
        execution.spending.parent = around
    execution.spending.limit_by(around)
    above: Spending | None = around
    while above is not None:
        _look_at_each_step(execution, above.budget)
        above = above.parent


def _look_at_each_step(execution: Execution, budget: Budget) -> None:
    if budget != _ANY and (budget.steps, budget.tokens, budget.cost_usd) != (None, None, None):
        execution.is_careful = True
