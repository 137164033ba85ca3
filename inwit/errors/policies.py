"""Errors of policies: a circuit that is open, a budget that ran out, a cache that is not there."""

from __future__ import annotations

from inwit.errors.executions import ExecutionError


class NodeCancelledError(ExecutionError):
    """A node was cancelled by itself, or by what it waited for; nobody cancelled the execution."""

    code = "execution.node_cancelled"

    def __init__(self, node: str, message: str | None = None) -> None:
        self.node = node
        super().__init__(
            message or f"The node {node!r} raised CancelledError.",
            hint="Raise another error, or cancel the execution as a whole.",
        )


class EarlierError(ExecutionError):
    """What a node had failed with before its thread was gone on with, where it cannot be made again."""

    code = "execution.earlier"

    def __init__(self, type_name: str, message: str) -> None:
        self.type_name = type_name
        super().__init__(f"{type_name}: {message}")


class CircuitOpenError(ExecutionError):
    """A node failed so often that it is not called for a while."""

    code = "execution.circuit_open"
    status = 503

    def __init__(self, node: str, failures: int, retry_after_s: float) -> None:
        self.node = node
        self.failures = failures
        self.retry_after_s = retry_after_s
        super().__init__(
            f"The circuit of {node!r} is open after {failures} failures in a row.",
            hint=f"It is tried again in {retry_after_s:.3g} s; give it a fallback for meanwhile.",
        )


class OutsideNodeError(ExecutionError, RuntimeError):
    """What only a running node has is asked for outside of one."""

    code = "execution.outside_node"
    status = 409

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was called outside of a node.",
            hint="Call it in a node, or in what a node calls, not in a thread that it started.",
        )


class NoCacheError(ExecutionError, ValueError):
    """A cache is to be cleared where none is set."""

    code = "execution.no_cache"
    status = 409

    def __init__(self, graph: str) -> None:
        super().__init__(
            f"No cache is set for the graph {graph!r}.",
            hint="Compile it with cache=InMemoryCache().",
        )


class BudgetExceededError(ExecutionError):
    """An execution used up what it was given; `state` is how far it came."""

    code = "execution.budget"
    kind = ""
    unit = ""

    def __init__(self, limit: float, spent: float) -> None:
        self.limit = limit
        self.spent = spent
        super().__init__(
            f"The execution's budget of {limit:.12g} {self.unit} is used up: {spent:.12g} are spent.",
            hint=f'Its state so far is the error\'s "state"; raise {self.kind} in the budget.',
        )


class StepBudgetError(BudgetExceededError):
    """An execution took as many steps as it may, and wants another."""

    code = "execution.budget_steps"
    kind = "steps"
    unit = "steps"


class DeadlineBudgetError(BudgetExceededError, TimeoutError):
    """An execution reached its deadline."""

    code = "execution.budget_deadline"
    kind = "deadline_s"
    unit = "s"


class TokenBudgetError(BudgetExceededError):
    """The model calls of an execution used more tokens than it may."""

    code = "execution.budget_tokens"
    kind = "tokens"
    unit = "tokens"


class CostBudgetError(BudgetExceededError):
    """The model calls of an execution cost more than it may."""

    code = "execution.budget_cost"
    kind = "cost_usd"
    unit = "USD"
