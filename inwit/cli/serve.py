"""`inwit serve`: the host of the project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import Command

if TYPE_CHECKING:
    from inwit.runtime.project import Project
    from inwit.server.logs import Level
    from inwit.server.offers import Offers


def writing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what clients may do beside asking."""
    options = (
        click.option(
            "--allow-write", is_flag=True,
            help="Let clients run and steer graphs and decide on plans, each time confirmed.",
        ),
        click.option(
            "--tools", type=click.Choice(["run"]),
            help="run: offer each graph as a tool over MCP; goes with --allow-write.",
        ),
        click.option(
            "--no-confirm", is_flag=True, help="Do what clients ask without asking a person."
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def offers(
    targets: tuple[str, ...], graph: str | None, allow_write: bool, tools: str | None,
    no_confirm: bool,
) -> Offers:  # fmt: skip
    """What a host offers that was started with these options."""
    from inwit.server.offers import Offers

    if tools and not allow_write:
        raise click.UsageError("--tools run lets clients run graphs: add --allow-write.")
    return Offers(
        graph=graph, allow_write=allow_write, graph_tools=tools == "run", confirms=not no_confirm,
        graphs=_loaded(targets),
    )  # fmt: skip


def _loaded(targets: tuple[str, ...]) -> dict[str, Any]:
    """Run the files of the graphs, and know each by the name that it has in the project."""
    if not targets:
        return {}
    from inwit.cli.load import load_graph
    from inwit.runtime.store import Journal

    graphs = [load_graph(target) for target in targets]
    for graph in graphs:
        Journal.of(graph.project).flush()
    return {graph.name: graph for graph in graphs}


@click.command("serve", cls=Command, example="inwit serve app.py:app --allow-write --tools run")
@click.argument("targets", metavar="[FILE:GRAPH]...", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
    help="The port; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--token", envvar="INWIT_TOKEN",
    help="Ask every request for this token; needed beyond this machine.",
)  # fmt: skip
@click.option("--graph", help="The graph that requests are about; the last compiled by default.")
@writing
@click.option(
    "--improve", is_flag=True, help="Also look for improvements, as `self-improve daemon` does."
)
@click.option("--legacy-sse", is_flag=True, help="Serve MCP at /sse too, for clients of 2024.")
@click.option(
    "--log-level", type=click.Choice(["error", "warning", "info", "debug"]), default="warning",
    show_default=True, help="What is logged to stderr; info: each request too.",
)  # fmt: skip
@click.option("--log-json", is_flag=True, help="Log each line as JSON.")
def command(
    targets: tuple[str, ...], host: str, port: int, token: str | None, graph: str | None,
    allow_write: bool, tools: str | None, no_confirm: bool, improve: bool, legacy_sse: bool,
    log_level: Level, log_json: bool, as_json: bool,
) -> None:  # fmt: skip
    """Answer over MCP, HTTP and server-sent events, until it is interrupted.

    Graphs that clients run are run in the host: those of FILE:GRAPH, and others of the project from
    the file that made them.
    """
    from inwit.cli import render
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.server import lifecycle, logs

    project = Project.find()
    logs.configure("json" if log_json else "text", log_level, Store.of(project).redactor.text)
    offered = replace(offers(targets, graph, allow_write, tools, no_confirm), legacy_sse=legacy_sse)

    def say(url: str) -> None:
        if as_json:
            render.json({"url": url, "mcp": f"{url}/mcp", "project": str(project.folder)})
        else:
            click.echo(f"inwit answers at {url}, MCP at {url}/mcp", err=True)

    with improving(project) if improve else nullcontext():
        lifecycle.serve(project, host=host, port=port, token=token, offers=offered, on_ready=say)


@contextmanager
def improving(project: Project) -> Iterator[None]:
    """Let the daemon of self-improvement run beside something else."""
    from inwit.self_improve.daemon import Daemon, Settings, sinks_of

    settings = Settings.of(project)
    daemon = Daemon(project, settings, sinks_of(project, settings))
    thread = daemon.start()
    try:
        yield
    finally:
        daemon.stop()
        thread.join(10)
