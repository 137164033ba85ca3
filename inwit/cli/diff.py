"""`inwit diff`: what differs between two executions, or two checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command

if TYPE_CHECKING:
    from inwit.runtime.diff import Diff


@click.command("diff", cls=Command, example="inwit diff 3f2a 91bc --json")
@click.argument("before", metavar="[A", required=False)
@click.argument("after", metavar="B]", required=False)
@click.option("--thread", "thread_id", help="The thread of the checkpoints.")
@click.option("--checkpoint1", help="Compare this checkpoint of the thread …")
@click.option("--checkpoint2", help="… with this one.")
def command(
    before: str | None, after: str | None, thread_id: str | None, checkpoint1: str | None,
    checkpoint2: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare two executions: path, visits, state and result; or two checkpoints' states.

    A and B are ids of executions; their first 4 digits are enough.
    """
    from inwit.cli import render
    from inwit.runtime.diff import between, checkpoint_side, execution_side
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    store = Store.of(Project.find())
    if checkpoint1 and checkpoint2 and before is None:
        found = between(
            checkpoint_side(store, checkpoint1, thread_id),
            checkpoint_side(store, checkpoint2, thread_id),
        )
    elif before and after and not (checkpoint1 or checkpoint2):
        found = between(execution_side(store, before), execution_side(store, after))
    else:
        raise click.UsageError("Give two executions, or --checkpoint1 and --checkpoint2.")
    if as_json:
        render.json(found.to_json())
    else:
        _print(found)


def _print(found: Diff) -> None:
    from inwit.cli import render

    if found.is_same:
        click.echo("No difference.")
        return
    facts = {"status": found.status, "error": found.error}
    for name, pair in facts.items():
        if pair is not None:
            click.echo(f"{name}: {render.plain(pair[0])} → {render.plain(pair[1])}")
    for change in found.path:
        one, two = (" → ".join(side) or "nothing" for side in (change.before, change.after))
        click.echo(f"path at {change.step}: {render.plain(one)}  instead  {render.plain(two)}")
    for node, (one_count, two_count) in found.visits.items():
        click.echo(f"visits of {render.plain(node)}: {one_count} → {two_count}")
    for op in found.state:
        value = f" = {render.plain(op['value'])}" if "value" in op else ""
        click.echo(f"state {op['op']} {render.plain(op['path'])}{value}")
