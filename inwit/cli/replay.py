"""`inwit replay`: an execution again from its record, or one edited node on its recorded input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import FAILED, FINE, Command

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.replay import Replay, Rerun
    from inwit.runtime.store import Store


@click.command("replay", cls=Command, example="inwit replay 3f2a --node search")
@click.argument("execution_id", metavar="ID")
@click.option("--node", help="Run this node again on its recorded input, and compare.")
@click.option(
    "--from", "start", metavar="NODE", help="… and go on from this one with what it gives."
)
@click.option("--file", metavar="FILE:GRAPH", help="Where the graph is now, if it has moved.")
def command(
    execution_id: str, node: str | None, start: str | None, file: str | None, as_json: bool
) -> int:
    """Replay an execution with what its record holds, and name where it first diverges.

    Nodes that call models or tools return what they returned. With --node the named node runs as it
    is written now, and what it gives is compared; with --from nodes whose input has become another
    one run too, except those with side effects. Nothing is recorded. Exit code 1: it diverges.
    """
    from inwit.cli import render
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    store = Store.of(Project.find())
    found = store.execution(execution_id)
    graph = graph_of(store, found.graph_name, found.graph_version, file)
    wanted = [name for name in (node, start) if name is not None]
    if wanted:
        replay = graph.replay(
            found.execution_id, run=wanted, live=True, aside=start is None, onward=bool(start)
        )
    else:
        replay = graph.replay(found.execution_id)
    if as_json:
        render.json(store.redactor.value(replay.to_json()))
    else:
        _print(replay, store, is_onward=start is not None, is_whole=not wanted)
    return FAILED if not wanted and not replay.is_same else FINE


def graph_of(store: Store, name: str, version: str, file: str | None) -> CompiledGraph[Any]:
    """The graph as it is written now, in the file that it was compiled in."""
    from inwit.cli.frame import NotFound
    from inwit.cli.load import load_graph, load_module
    from inwit.runtime.compiled import CompiledGraph

    if file is not None:
        return _named(load_graph(file), name)
    source = store.graph(name, version).manifest.source
    if source is None:
        raise NotFound(f"Where {name!r} is written is not known. Say it: --file FILE:GRAPH.")
    module = load_module(source.file)
    for value in vars(module).values():
        if isinstance(value, CompiledGraph) and value.name.partition("~")[0] == _plain(name):
            return _named(value, name)
    target = f"{source.file}:{_plain(name)}" if hasattr(module, _plain(name)) else source.file
    return _named(load_graph(target), name)


def _plain(name: str) -> str:
    return name.partition("~")[0]


def _named(graph: CompiledGraph[Any], name: str) -> CompiledGraph[Any]:
    """Wait until the graph has the name that it has in the project."""
    from inwit.runtime.store import Journal

    Journal.of(graph.project).flush()
    if _plain(graph.name) == _plain(name):
        graph.name = name
    return graph


def _print(replay: Replay, store: Store, *, is_onward: bool, is_whole: bool) -> None:
    from inwit.cli import render

    def say(text: str) -> None:
        click.echo(render.plain(store.redactor.text(text)))

    if is_whole:
        if replay.divergence is None:
            say(f"As recorded: {' → '.join(replay.path)}.")
        else:
            say(f"Diverges: {replay.divergence}")
            say(replay.divergence.uri)
        return
    for one in replay.reruns:
        _print_rerun(one, store)
    for node, visit in replay.kept:
        say(f"{node} (visit {visit}) has side effects and was not run: its recorded output stands")
    if is_onward:
        say(f"then: {replay.status}, by {' → '.join(replay.path)}")
        if replay.error is not None:
            say(f"{type(replay.error).__name__}: {replay.error}")
        for key, value in store.redactor.value(replay.to_json()["state"]).items():
            say(f"  {key}: {value}")


def _print_rerun(one: Rerun, store: Store) -> None:
    from inwit.cli import render

    def say(text: str) -> None:
        click.echo(render.plain(text))

    hidden = store.redactor.value
    say(f"{one.node} (visit {one.visit}): {'as recorded' if one.is_same else 'differs'}")
    if one.is_same:
        return
    say(f"  then: {one.failed_then or hidden(one.expected)}")
    say(f"  now:  {one.fails_now or hidden(one.found)}")
    for op in hidden(one.patch):
        value = f" = {op['value']}" if "value" in op else ""
        say(f"  {op['op']} {op['path']}{value}")
