"""Telling a caller's langchain-core callbacks what runs, and handing them down to what nodes call.

Nothing is imported for it, and executions without callbacks pay nothing: an execution that has some
runs a program of its own, whose nodes and routers tell when they begin and end.
"""

from __future__ import annotations

import sys
from copy import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution
    from inwit.runtime.program import Node, Program, Router

_HOME = "langchain_core.runnables.config"
_STREAMING = "langchain_core.tracers._streaming"
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
            None, _shown(dict(given or {}), execution.graph.schema.names), name=name, run_id=run_id
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
    made.router, made.routers = None, tuple(_told_router(one, home) for one in node.routers)
    return made


def _told_router(router: Router, home: Any) -> Router:
    made = copy(router)
    ask = _asked_async if router.is_async else _asked
    made.ask = lambda given, ctx: ask(router, home, given, ctx)
    return made


def _shown(given: Any, names: Iterable[str]) -> Any:
    """What a node or a task was given: a state in the order of its names, of a task's only argument that."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], tuple):
        args, kwargs = given
        return args[0] if len(args) == 1 and not kwargs else {"args": args, "kwargs": kwargs}
    if type(given) is dict:
        return {key: given[key] for key in (*(name for name in names if name in given), *given)}
    return given


def _stream(told: Any, update: Any) -> None:
    """Let those hear an update that make a stream of all that runs, as it were a chunk of it."""
    module = sys.modules.get(_STREAMING)
    if module is None:  # nobody makes one
        return
    streaming = module._StreamingCallbackHandler  # noqa: SLF001 - langchain-core has no other name for it
    for one in told.handlers:
        if streaming in type(one).__mro__:
            for _ in one.tap_output_iter(told.run_id, iter([update])):
                pass


class _Visit:
    """One call of a node, or of a router that follows it, told to the callbacks around it."""

    def __init__(self, called: Node | Router, home: Any, given: Any, ctx: Context) -> None:
        self._variable, self._home = home.var_child_runnable_config, home
        config, step = ctx.full_config, ctx.execution.base + ctx.execution.steps
        self._config = {**(self._variable.get() or {}), "metadata": config["metadata"]}
        manager = home.get_callback_manager_for_config({**self._config, "tags": config.get("tags")})
        manager.add_tags([f"graph:step:{step}"], inherit=False)
        graph, policy = ctx.execution.graph, getattr(called, "policy", None)
        self._key = graph.shown_key if called in graph.program.nodes else None
        shown = _shown(given, graph.schema.names)
        self._trace = getattr(policy, "trace", None)
        if self._trace is None:
            self._told = manager.on_chain_start(None, shown, name=called.name)
        else:
            from inwit.runtime.capture.langchain_traced import begin

            self._told = begin(manager, shown, called.name, self._trace.process_inputs)

    def __enter__(self) -> Self:
        config = {**self._config, "callbacks": self._told.get_child()}
        self._token = self._variable.set(config)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._variable.reset(self._token)
        if error is not None:
            self._told.on_chain_error(error)

    def end(self, update: Any, *, is_streamed: bool = False) -> Any:
        is_part = (
            isinstance(update, dict) and self._key in update
        )  # what an entry point gave, and saves
        shown = update[self._key] if is_part else update
        if is_streamed:
            _stream(self._told, shown)
        if self._trace is None:
            self._told.on_chain_end(shown)
        else:
            from inwit.runtime.capture.langchain_traced import end

            end(self._told, shown, self._trace.process_outputs)
        return update


def told_task(node: Node) -> Callable[[Any, Context], Any]:
    """How a task's function is called where callbacks are told of it."""
    home = _home()
    return node.call if home is None else _told_node(node, home).call


def _called(node: Node, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(node, home, given, ctx) as visit:
        call: Callable[..., Any] = node.function if node.is_plain else node.call
        update = call(given) if node.is_plain else call(given, ctx)
        return visit.end(update, is_streamed=True)


async def _awaited(node: Node, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(node, home, given, ctx) as visit:
        update = node.function(given) if node.is_plain else node.call(given, ctx)
        return visit.end(await update, is_streamed=True)


def _asked(router: Router, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(router, home, given, ctx) as visit:
        return visit.end(router.ask(given, ctx))


async def _asked_async(router: Router, home: Any, given: Any, ctx: Context) -> Any:
    with _Visit(router, home, given, ctx) as visit:
        return visit.end(await router.ask(given, ctx))
