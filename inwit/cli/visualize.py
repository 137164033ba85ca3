"""`inwit visualize`: a graph or an execution as a Mermaid drawing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command

if TYPE_CHECKING:
    from inwit.runtime.store import Store
    from inwit.runtime.views import RegisteredGraph


@click.command("visualize", cls=Command, example="inwit visualize librarian > librarian.mmd")
@click.argument("name", metavar="ID|GRAPH")
def command(name: str, as_json: bool) -> None:
    """Draw a graph, or an execution with the number of its nodes' visits, as Mermaid text."""
    from inwit.cli import render
    from inwit.runtime.drawing import flowchart, of_manifest
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    graph, visits = _find(Store.of(Project.find()), name)
    drawing = flowchart(of_manifest(graph.manifest), visits)
    if as_json:
        render.json({"graph": graph.name, "visits": visits, "mermaid": drawing})
    else:
        click.echo(drawing)


def _find(store: Store, name: str) -> tuple[RegisteredGraph, dict[str, int]]:
    """A graph of that name, else the graph of the execution that the id names."""
    from inwit.errors import UnknownExecutionError, UnknownGraphError

    known = [graph.name for graph in store.graphs()]
    if name in known:
        return store.graph(name), {}
    try:
        found = store.execution(name)
    except UnknownExecutionError as exc:
        if set(name) <= set("0123456789abcdef"):
            raise
        raise UnknownGraphError(name, known) from exc
    visits = Counter(visit.node for visit in store.visits(found.execution_id))
    return store.graph(found.graph_name, found.graph_version), dict(visits)
