"""`inwit completion`: the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from inwit.cli.frame import Command


@click.command("completion", cls=Command, example='eval "$(inwit completion bash)"')
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def command(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print the completion script of a shell."""
    completer = get_completion_class(shell)
    assert completer is not None
    source = completer(ctx.find_root().command, {}, "inwit", "_INWIT_COMPLETE").source()
    if as_json:
        from inwit.cli import render

        render.json({"shell": shell, "script": source})
    else:
        click.echo(source)
