"""Telling a caller's langchain-core callbacks what runs, and handing them down to what nodes call.

Nothing is imported for it, and executions without callbacks pay nothing: an execution that has some
runs a program of its own, whose nodes tell when they begin and end.
"""

from __future__ import annotations

import sys
from copy import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution
    from inwit.runtime.program import Node, Program

_HOME = "langchain_core.runnables.config"
_HANDED_DOWN = ("callbacks", "tags", "metadata")


def _home() -> Any:
    """The module of langchain-core's configs, where a program uses any of its modules."""
    found = sys.modules.get(_HOME)
    if found is None and "langchain_core" in sys.modules:
        found = import_module(_HOME)
    return found


def hand_down(execution: Execution) -> None:
    """Let the callbacks of an execution's config hear of it, of its nodes, and of what these call."""
    home = _home()
    if home is None:
        return
    run, variable = execution.run, home.var_child_runnable_config
    execution.program = _told(execution.program, home)

    async def run_with_config(ready: Sequence[Any] | None, given: Mapping[str, Any] | None) -> Any:
        config, around = _config_of(execution), variable.get() or {}
        if execution.parent is not None and around.get("callbacks") is not None:
            config["callbacks"] = around["callbacks"]
        name, run_id = _own_names(execution)
        told = home.get_callback_manager_for_config(config).on_chain_start(
            None, dict(given or {}), name=name, run_id=run_id
        )
        token = variable.set({**around, **config, "callbacks": told.get_child()})
        try:
            result = await run(ready, given)
        except BaseException as exc:
            told.on_chain_error(exc)
            raise
        finally:
            variable.reset(token)
        told.on_chain_end(_without_questions(result))
        return result

    execution.run = run_with_config  # type: ignore[method-assign]


def callbacks_here(given: Any) -> Any:
    """The callbacks of what runs here, by which what it calls is told as a part of it."""
    home = _home()
    found = None if home is None else (home.var_child_runnable_config.get() or {}).get("callbacks")
    return given if found is None else found


def _config_of(execution: Execution) -> dict[str, Any]:
    return {key: execution.config[key] for key in _HANDED_DOWN if key in execution.config}


def _own_names(execution: Execution) -> tuple[str, Any]:
    """The names that a caller gave to the run, which graphs within do not take over."""
    config = execution.config if execution.parent is None else {}
    return str(config.get("run_name") or execution.graph.name), config.get("run_id")


def _without_questions(result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    return {key: value for key, value in result.items() if key != "__interrupt__"}


def _told(program: Program, home: Any) -> Program:
    """The same program, whose nodes tell the callbacks that are around them."""
    made = copy(program)
    made.nodes = tuple(_told_node(node, home) for node in program.nodes)
    return made


def _told_node(node: Node, home: Any) -> Node:
    made = copy(node)
    made.is_plain = False
    call = _awaited if node.is_async else _called
    made.call = lambda given, ctx: call(node, home, given, ctx)
    return made


def _shown(given: Any) -> Any:
    """What a node or a task was given: of a task's only argument, that."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], tuple):
        args, kwargs = given
        return args[0] if len(args) == 1 and not kwargs else {"args": args, "kwargs": kwargs}
    return given


class _Visit:
    """One call of a node, told to the callbacks around it."""

    def __init__(self, node: Node, home: Any, given: Any, ctx: Context) -> None:
        self._variable, self._home = home.var_child_runnable_config, home
        config, step = ctx.full_config, ctx.execution.base + ctx.execution.steps
        self._config = {**(self._variable.get() or {}), "metadata": config["metadata"]}
        tags = [*(config.get("tags") or ()), f"graph:step:{step}"]
        manager = home.get_callback_manager_for_config({**self._config, "tags": tags})
        self._trace, shown = getattr(node.policy, "trace", None), _shown(given)
        if self._trace is None:
            self._told = manager.on_chain_start(None, shown, name=node.name)
        else:
            from inwit.runtime.capture.langchain_traced import begin

            self._told = begin(manager, shown, node.name, self._trace.process_inputs)

    def __enter__(self) -> Self:
        config = {**self._config, "callbacks": self._told.get_child()}
        self._token = self._variable.set(config)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._variable.reset(self._token)
        if error is not None:
            self._told.on_chain_error(error)

    def end(self, update: Any) -> Any:
        if self._trace is None:
            self._told.on_chain_end(update)
        else:
            from inwit.runtime.capture.langchain_traced import end

            end(self._told, update, self._trace.process_outputs)
        return update


def told_task(node: Node) -> Callable[[Any, Context], Any]:
    """How a task's function is called where callbacks are told of it."""
    home = _home()
    return node.call if home is None else _told_node(node, home).call


def _called(node: Node, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(node, home, given, ctx) as visit:
        call: Callable[..., Any] = node.function if node.is_plain else node.call
        update = call(given) if node.is_plain else call(given, ctx)
        return visit.end(update)


async def _awaited(node: Node, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(node, home, given, ctx) as visit:
        update = node.function(given) if node.is_plain else node.call(given, ctx)
        return visit.end(await update)
