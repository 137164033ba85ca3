"""What an execution gives its caller, of the state that it ended with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inwit.runtime import loops
from inwit.runtime.facade import GraphOutput, check_keys
from inwit.runtime.sink import pick
from inwit.runtime.state import ROOT

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Results:
    """How a compiled graph shows its state, and gives the results of one call or several."""

    def result_of(self: Any, execution: Execution) -> Any:
        """What `invoke` gives."""
        state = execution.state
        is_input = execution.source == "input" and not execution.waiting
        if self.options.is_langgraph and is_input and self._wrote_nothing(state):
            return None
        if self._output_names is not None:
            state = {key: state[key] for key in self._output_names if key in state}
        else:
            state = self.schema.in_order(state)
        if self.schema.is_root:
            if not execution.waiting:
                return state.get(ROOT)
            state = {}
        if execution.waiting:
            return {**state, "__interrupt__": [one.interrupt() for one in execution.waiting]}
        return state

    def _wrote_nothing(self: Any, state: dict[str, Any]) -> bool:
        return not self.schema.is_root and state == self.schema.initial()

    def shown_state(self: Any, state: dict[str, Any]) -> Any:
        """The state as streams and snapshots show it: all its keys, or the one value that it is."""
        return state.get(ROOT) if self.schema.is_root else self.schema.in_order(state)

    def batch(
        self: Any, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False
    ) -> list[Any]:
        """Run for each of several inputs at once, and give the results in their order."""
        return list(loops.run(self.abatch(inputs, config, return_exceptions=return_exceptions)))

    async def abatch(
        self: Any, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False
    ) -> list[Any]:
        """Run for each of several inputs at once, and give the results in their order."""
        import asyncio

        configs = config if isinstance(config, list) else [config] * len(inputs)
        pairs = list(zip(inputs, configs, strict=True))  # before any call is made
        calls = [self.ainvoke(one, own) for one, own in pairs]
        return list(await asyncio.gather(*calls, return_exceptions=return_exceptions))

    def _given_as(self: Any, result: Any, keys: str | Sequence[str] | None, version: str) -> Any:
        """A result as it was asked for."""
        if keys is not None:
            check_keys(keys, self.schema.names)
            result = _picked(result, keys)
        if version == "v1":
            return result
        return GraphOutput.of(result, self.OutputType if keys is None else None)


def _picked(result: Any, keys: str | Sequence[str]) -> Any:
    if isinstance(result, Mapping) and "__interrupt__" in result and not isinstance(keys, str):
        return {**pick(result, keys), "__interrupt__": result["__interrupt__"]}
    return pick(result, keys) if isinstance(result, Mapping) else result
