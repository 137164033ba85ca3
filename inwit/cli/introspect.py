"""`inwit introspect`: ask, search, and look things up by name."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli.ask import put, question
from inwit.cli.frame import Group

TOPICS = (
    "about", "capabilities", "architecture", "implementation", "nodes", "edges", "dependencies",
    "features", "tools", "state-schema", "versions", "executions", "metrics",
)  # fmt: skip


@click.group("introspect", cls=Group, example="inwit introspect show architecture")
def command() -> None:
    """Look into graphs, executions and inwit itself."""


@question("ask", 'inwit introspect ask "What happens after rerank?" --level app')
def ask(**asked: Any) -> None:
    """Ask a question in plain words; `inwit ask` is short for it."""
    put(**asked)


command.add_command(ask)


@command.command("search", example='inwit introspect search "search the web" --kind node')
@click.argument("query")
@click.option("--kind", help="Only things of this kind, such as node, graph, package or event.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
def search(query: str, kind: str | None, limit: int, as_json: bool) -> None:
    """Find nodes, graphs, features, packages and executions by meaning."""
    from inwit.cli import render
    from inwit.introspection import Introspector
    from inwit.runtime.project import Project

    hits = Introspector.of(Project.find()).search(query, kind=kind, limit=limit)
    if as_json:
        render.json({"results": hits, "total_count": len(hits)})
    else:
        rows = [(hit.kind, hit.title, f"{hit.score:.2f}", hit.uri) for hit in hits]
        nothing = "Nothing fits; `inwit ask` takes whole questions."
        render.table(("KIND", "TITLE", "SCORE", "URI"), rows, nothing=nothing)


@command.command("show", example="inwit introspect show architecture --graph librarian")
@click.argument("topic", default="about")
@click.option("--graph", help="The graph; the last compiled by default.")
@click.option("--node", help="Show this node instead of a topic.")
def show(topic: str, graph: str | None, node: str | None, as_json: bool) -> None:
    """Show one part of a graph: its architecture, nodes, edges, state-schema or features."""
    from inwit.cli import render
    from inwit.cli.resolve import look_up
    from inwit.errors import nearest
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    if topic not in TOPICS:
        raise click.UsageError(f"No topic {topic!r}. {nearest(topic, TOPICS)}")
    name = Store.of(Project.find()).graph(graph).name
    found = look_up(f"graph://{name}/nodes/{node}" if node else f"graph://{name}/{topic}", "full")
    if as_json:
        render.json(found.data)
    else:
        render.facts(found.data)
