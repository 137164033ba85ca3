"""`inwit registry token`: who may write to a registry."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Group
from inwit.cli.pkg_publish import user_name
from inwit.cli.registry_folder import data_option, opened

_metadata = click.option("--metadata", help="Where its rows are, if not in the folder.")


@click.group(
    "token", cls=Group, example="inwit registry token add ada --data D --scope publish:ada"
)
def command() -> None:
    """Make, list and revoke the tokens that writing asks for."""


@command.command(
    "add", example="inwit registry token add ada --data ./packages --scope publish:ada"
)
@click.argument("name")
@data_option
@_metadata
@click.option(
    "--scope", "scopes", multiple=True, required=True,
    help="publish:NAMESPACE, yank:NAMESPACE (or :*), contribute, review or admin; may be repeated.",
)  # fmt: skip
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="How long it lasts.")
def add(
    name: str,
    data: Path | None,
    metadata: str | None,
    scopes: tuple[str, ...],
    days: float | None,
    as_json: bool,
) -> None:
    """Make a token. It is shown once and kept nowhere."""
    from inwit.cli import render
    from inwit.registry.serve_tokens import make_token

    registry = opened(data, metadata)
    token = make_token(registry.rows, name, scopes, days=days)
    registry.note(user_name(), "token.make", name, {"scopes": list(scopes)})
    if as_json:
        render.json({"name": name, "scopes": list(scopes), "token": token})
    else:
        click.echo(token)


@command.command("list", example="inwit registry token list --data ./packages")
@data_option
@_metadata
def list_(data: Path | None, metadata: str | None, as_json: bool) -> None:
    """List the tokens, never what they are."""
    from inwit.cli import render
    from inwit.registry.serve_tokens import tokens

    found = tokens(opened(data, metadata).rows)
    if as_json:
        render.json({"tokens": found, "total_count": len(found)})
        return
    rows = [(one.name, " ".join(one.scopes), one.made_at, one.expires_at or "") for one in found]
    render.table(("NAME", "SCOPES", "MADE", "EXPIRES"), rows, nothing="There is no token.")


@command.command("revoke", example="inwit registry token revoke ada --data ./packages")
@click.argument("name")
@data_option
@_metadata
def revoke(name: str, data: Path | None, metadata: str | None, as_json: bool) -> None:
    """Take a token back."""
    from inwit.cli import render
    from inwit.registry.serve_tokens import revoke_token

    registry = opened(data, metadata)
    revoke_token(registry.rows, name)
    registry.note(user_name(), "token.revoke", name, {})
    if as_json:
        render.json({"revoked": name})
    else:
        click.echo(f"{name} may write no longer.", err=True)
