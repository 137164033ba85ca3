"""`inwit registry serve`: a registry of packages over HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from inwit.cli.frame import Command
from inwit.cli.registry_folder import data_option, opened


@click.command(
    "serve",
    cls=Command,
    example="inwit registry serve --data ./packages --port 8799\n"
    "inwit registry token add ada --data ./packages --scope publish:ada --scope contribute",
)
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8799, show_default=True,
    help="The port; 0 takes a free one.",
)  # fmt: skip
@click.option("--storage", help="Keep files in s3://BUCKET/PREFIX?endpoint_url=… instead.")
@click.option("--metadata", help="Keep rows in postgresql://… instead.")
@click.option("--root-keys", type=click.IntRange(1, 16), default=1, help="Root keys of a new one.")
@click.option("--root-threshold", type=click.IntRange(1, 16), default=1, help="How many must sign.")
@click.option("--closed", is_flag=True, help="Namespaces are granted, never claimed by publishing.")
def command(
    data: Path | None,
    host: str,
    port: int,
    storage: str | None,
    metadata: str | None,
    root_keys: int,
    root_threshold: int,
    closed: bool,
    as_json: bool,
) -> None:
    """Serve packages to be found, proved and installed, until it is interrupted."""
    from inwit.cli import render
    from inwit.server.registry_lifecycle import serve_registry

    if root_threshold > root_keys:
        raise click.UsageError(f"{root_threshold} of {root_keys} root keys cannot sign.")
    registry = opened(data, metadata, storage=storage, open_namespaces=not closed)
    registry.initialise(root_keys=root_keys, root_threshold=root_threshold)

    left = registry.trust.root_lasts()
    if left < timedelta(days=30):
        click.echo(
            f"warning: the root expires in {left.days} days; `inwit registry keys rotate root`",
            err=True,
        )

    def say(url: str) -> None:
        fingerprint = registry.trust.fingerprint()
        if as_json:
            render.json({"url": url, "fingerprint": fingerprint, "data": str(registry.folder)})
        else:
            click.echo(f"The registry answers at {url}/api/v1.", err=True)
            click.echo(f"  export INWIT_REGISTRY_URL={url}", err=True)
            click.echo(f"  export INWIT_REGISTRY_FINGERPRINT={fingerprint}", err=True)

    serve_registry(registry, host=host, port=port, on_ready=say)
