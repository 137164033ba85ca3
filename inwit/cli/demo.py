"""`inwit demo`: the whole product on real input."""

from __future__ import annotations

import click

from inwit.cli.frame import Command


@click.command("demo", cls=Command, example="inwit demo --stop")
@click.option("--stop", is_flag=True, help="Stop the host at the end, on a terminal too.")
def command(stop: bool, as_json: bool) -> None:
    """Index real text, run a graph on it, ask it everything, serve it, and say how to connect."""
    from inwit.demo.librarian import folder
    from inwit.demo.tour import tour

    tour(folder(), graph="librarian", stop=stop, as_json=as_json)
