"""Handing a caller's callbacks, tags and metadata down to langchain-core's models in nodes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inwit.runtime.engine import Execution

_HOME = "langchain_core.runnables.config"
_HANDED_DOWN = ("callbacks", "tags", "metadata")


def hand_down(execution: Execution) -> None:
    """Let what nodes of an execution call have the callbacks of its config, without being given them."""
    home: Any = sys.modules.get(_HOME)
    if home is None:
        return
    run, variable = execution.run, home.var_child_runnable_config
    config = {key: execution.config[key] for key in _HANDED_DOWN if key in execution.config}

    async def run_with_config(ready: Sequence[Any] | None, given: Mapping[str, Any] | None) -> Any:
        token = variable.set({**(variable.get() or {}), **config})
        try:
            return await run(ready, given)
        finally:
            variable.reset(token)

    execution.run = run_with_config  # type: ignore[method-assign]
