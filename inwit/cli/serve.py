"""`inwit serve`: the host of the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command

if TYPE_CHECKING:
    from inwit.runtime.project import Project


@click.command("serve", cls=Command, example="inwit serve --port 8765")
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
@click.option(
    "--improve", is_flag=True, help="Also look for improvements, as `self-improve daemon` does."
)
def command(
    host: str, port: int, token: str | None, graph: str | None, improve: bool, as_json: bool
) -> None:
    """Answer over MCP, HTTP and server-sent events, until it is interrupted."""
    from inwit.cli import render
    from inwit.runtime.project import Project
    from inwit.server import lifecycle
    from inwit.server.offers import Offers

    project = Project.find()

    def say(url: str) -> None:
        if as_json:
            render.json({"url": url, "mcp": f"{url}/mcp", "project": str(project.folder)})
        else:
            click.echo(f"inwit answers at {url}, MCP at {url}/mcp", err=True)

    with improving(project) if improve else nullcontext():
        lifecycle.serve(
            project, host=host, port=port, token=token, offers=Offers(graph=graph), on_ready=say
        )


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
