"""`inwit backup`: a whole copy of the project's folder, while it is in use."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Command


@click.command("backup", cls=Command, example="inwit backup /backups/inwit-2026-01-31")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path, as_json: bool) -> None:
    """Copy the project's record, keys, settings and packages to FOLDER, also while it is written.

    To restore, stop what runs, move `.inwit` aside and put FOLDER in its place. It holds the
    project's keys: keep it as private as the project.
    """
    from inwit.cli import render
    from inwit.runtime.project import Project
    from inwit.runtime.store.backup import back_up

    done = back_up(Project.find(), folder.expanduser().absolute())
    if as_json:
        render.json(done)
        return
    told = f"{done.executions:,} executions, {done.size_bytes / 1e6:.1f} MB, whole, in {done.path}"
    click.echo(render.plain(told))
