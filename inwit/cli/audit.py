"""`inwit audit`: the log of who did what, and whether it is whole."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli.frame import Failure, Group


@click.group("audit", cls=Group, example="inwit audit verify")
def command() -> None:
    """Look into the log of everything that changed something."""


def _database() -> Any:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Database

    return Database.of(Project.find())


@command.command("verify", example="inwit audit verify --expect 12:9f86d081884c7d65…")
@click.option("--expect", metavar="HEAD", help="A head noted earlier; it must be in the chain.")
def verify(expect: str | None, as_json: bool) -> None:
    """Check that no entry was changed, removed or moved, and that the head is signed.

    Note the head that this prints somewhere else: given back with --expect, it shows whether the
    log was put back to an older state, or written anew by someone who has the key.
    """
    from inwit.cli import render
    from inwit.runtime.store import audit

    expected = audit.parse_head(expect) if expect else None
    found = audit.verify(_database(), expected=expected)
    if as_json:
        render.json(found)
    elif found.is_intact:
        click.echo(f"{found.entries:,} entries, intact." if found.entries else "No entry yet.")
        if found.head:
            click.echo(f"head: {found.head}")
    if not found.is_intact:
        raise Failure(f"The audit log is not intact. {found.fault}")


@command.command("list", example="inwit audit list --limit 20")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--before", type=click.IntRange(1), help="Only entries before this number.")
def list_(limit: int, before: int | None, as_json: bool) -> None:
    """List what was done, newest first."""
    from inwit.cli import render
    from inwit.events import timestamp
    from inwit.runtime.store import audit

    found = audit.latest(_database(), limit=limit, before=before)
    if as_json:
        render.json({"entries": found, "cursor": found[-1].seq if len(found) == limit else None})
        return
    rows = [
        (
            one.seq, timestamp(one.ts_ns), one.actor, one.action, one.target, one.outcome,
            "  ".join(f"{key}={value}" for key, value in one.details.items()),
        )
        for one in found
    ]  # fmt: skip
    columns = ("NO", "TIME", "WHO", "DID", "TO", "OUTCOME", "DETAILS")
    render.table(columns, rows, nothing="Nothing was logged yet.")
