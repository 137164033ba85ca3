"""Managed keys of the state: read by nodes, worked out by the engine, written by nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any


class IsLastStepManager:
    """Says whether the running step is the last that the recursion limit allows."""

    @staticmethod
    def get() -> bool:
        """The value for the node that asks."""
        return RemainingStepsManager.get() == 1


class RemainingStepsManager:
    """Counts the steps that the recursion limit leaves after the running one."""

    @staticmethod
    def get() -> int:
        """The value for the node that asks."""
        from inwit.runtime.context import current

        ctx = current()
        return 0 if ctx is None else max(ctx.execution.limit - ctx.execution.steps, 0)


Manager = type[IsLastStepManager] | type[RemainingStepsManager]
IsLastStep = Annotated[bool, IsLastStepManager]
"""A state key of this type is true in the last step that the recursion limit allows."""
RemainingSteps = Annotated[int, RemainingStepsManager]
"""A state key of this type holds how many steps the recursion limit still allows."""
_MANAGERS = (IsLastStepManager, RemainingStepsManager)


def manager_in(extras: tuple[Any, ...]) -> Manager | None:
    """The manager among a key's annotations."""
    return next((one for one in extras if one in _MANAGERS), None)


def with_managed(
    view: Callable[[dict[str, Any]], Any], managers: Mapping[str, Manager]
) -> Callable[[dict[str, Any]], Any]:
    """Make what a node is given, its managed keys among it."""
    found = tuple(managers.items())
    return lambda state: view({**state, **{name: one.get() for name, one in found}})
