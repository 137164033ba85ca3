"""`inwit run`: invoke a graph of a file once, or measure a folder's golden set."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import Command, ExecutionFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inwit.runtime.commands import Interrupt
    from inwit.runtime.compiled import CompiledGraph


@click.command(
    "run", cls=Command, example='inwit run app.py:app --input \'{"question": "What is asyncio?"}\''
)
@click.argument("target", metavar="FILE:GRAPH")
@click.option("--input", "given", help="The input: JSON, @FILE, or - for standard input.")
@click.option("--thread", "thread_id", help="The thread that the execution goes on with.")
@click.option("--evaluate", is_flag=True, help="Measure the folder's golden set instead.")
def command(
    target: str, given: str | None, thread_id: str | None, evaluate: bool, as_json: bool
) -> None:
    """Run a graph once and print its final state.

    FILE is a Python file, or a folder with an app.py. GRAPH may be left out where there is one.
    """
    if evaluate:
        _evaluate(target, as_json=as_json)
        return
    value = _input(given)
    from inwit.cli import render
    from inwit.cli.load import load_graph

    graph = load_graph(target)
    try:
        state = _invoke(graph, value, thread_id)
    except ExecutionFailed as exc:
        if as_json:
            render.json(_failed(exc))
        raise
    asked = state.pop("__interrupt__", ()) if isinstance(state, dict) else ()
    if as_json:
        render.json(_ended(graph, state, asked))
        return
    render.facts(state if isinstance(state, dict) else {"state": state})
    for one in asked:
        click.echo(f"asks: {json.dumps(one.value, default=str, ensure_ascii=False)}")
    click.echo(f"execution {graph.last_execution_id}", err=True)
    if asked:
        again = f"inwit executions resume {graph.last_execution_id} --value ANSWER"
        click.echo(f"It waits for an answer: {again}", err=True)


def _ended(graph: CompiledGraph[Any], state: Any, asked: Sequence[Interrupt]) -> dict[str, Any]:
    told = {"execution_id": graph.last_execution_id, "status": "completed", "state": state}
    if asked:
        told["status"] = "waiting_for_input"
        told["interrupts"] = [
            {"id": one.id, "value": one.value, "schema": one.response_schema} for one in asked
        ]
    return told


def _failed(exc: ExecutionFailed) -> dict[str, Any]:
    error = exc.__cause__
    told = {"type": type(error).__name__, "message": str(error)}
    execution_id = getattr(error, "execution_id", None)
    return {"execution_id": execution_id, "status": "failed", "error": told}


def _input(given: str | None) -> Any:
    if given is None:
        return {}
    try:
        if given == "-":
            return json.load(sys.stdin)
        if given.startswith("@"):
            return json.loads(Path(given[1:]).read_text(encoding="utf-8"))
        return json.loads(given)
    except OSError as exc:
        raise click.UsageError(f"--input {given}: {exc.strerror}.") from exc
    except ValueError as exc:
        raise click.UsageError(f"--input is no JSON: {exc}.") from exc


def _invoke(graph: CompiledGraph[Any], value: Any, thread_id: str | None) -> Any:
    from inwit.errors import InvalidStateError

    try:
        return graph.invoke(value, thread_id=thread_id)
    except InvalidStateError as exc:
        raise click.UsageError(str(exc)) from exc
    except Exception as exc:
        execution_id = getattr(exc, "execution_id", None)
        if execution_id is None:
            raise
        _say_what_helps(execution_id, exc)
        raise ExecutionFailed(f"{type(exc).__name__}: {exc}") from exc
    finally:
        _make_durable(graph)


def _say_what_helps(execution_id: str, error: Exception) -> None:
    """Name the two commands that help after a failure."""
    from inwit.runtime.failures import node_of

    node = node_of(error)
    again = f"inwit replay {execution_id}" + (f" --node {shlex.quote(node)}" if node else "")
    click.echo(f'Ask for its causes: inwit ask "Why did execution {execution_id} fail?"', err=True)
    click.echo(f"Try it again after a change: {again}", err=True)


def _make_durable(graph: CompiledGraph[Any]) -> None:
    """Whoever is told an execution's id can look it up at once."""
    from inwit.errors import StoreError
    from inwit.runtime.store import Journal

    try:
        Journal.of(graph.project).flush()
    except StoreError as exc:
        click.echo(f"The execution is not in the record: {exc}", err=True)


def _evaluate(target: str, *, as_json: bool) -> None:
    from inwit.cli import render
    from inwit.cli.load import load_module
    from inwit.cli.progress import progress

    folder = target.partition(":")[0]
    module = load_module(folder, "evaluate")
    measure = getattr(module, "evaluate", None)
    if measure is None:
        raise click.UsageError(f"{folder} defines no evaluate().")
    with progress() as tell:
        figures = measure(tell)
    if as_json:
        render.json(figures)
    else:
        render.facts({k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()})
