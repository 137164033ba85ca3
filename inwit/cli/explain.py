"""`inwit explain`: what an error code means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command, NotFound

if TYPE_CHECKING:
    from inwit.introspection.error_pages import ErrorPage

SHOWN = 6
"""How many of an error's messages are printed; `--json` gives all."""


@click.command("explain", cls=Command, example="inwit explain execution.recursion_limit")
@click.argument("code", required=False)
def command(code: str | None, as_json: bool) -> None:
    """Say what an error code means, and the way out; without one, list all codes.

    A class's name, such as GraphRecursionError, is as good as its code.
    """
    from inwit.errors import nearest
    from inwit.introspection import error_pages

    if code is None:
        _list(as_json=as_json)
        return
    found = error_pages.find(code)
    if found is None:
        raise NotFound(f"No error code {code!r}. {nearest(code, error_pages.classes())}")
    _show(error_pages.page(found), as_json=as_json)


def _show(page: ErrorPage, *, as_json: bool) -> None:
    from inwit.cli import render
    from inwit.introspection import error_pages

    if as_json:
        render.json(error_pages.to_json(page))
        return
    render.heading(f"{page.code}  {page.name}, HTTP {page.status}")
    click.echo(page.meaning)
    for one in page.said[:SHOWN]:
        click.echo(f"\n  says: {one.message}")
        if one.hint:
            click.echo(f"  then: {one.hint}")
    if len(page.said) > SHOWN:
        click.echo(f"\n  and {len(page.said) - SHOWN} more; --json gives all")


def _list(*, as_json: bool) -> None:
    import inspect

    from inwit.cli import render
    from inwit.introspection import error_pages

    known = error_pages.classes().items()
    rows = [(code, (inspect.getdoc(cls) or "").partition("\n")[0]) for code, cls in known]
    if as_json:
        render.json([{"code": code, "text": text} for code, text in rows])
    else:
        render.table(("CODE", "MEANS"), rows)
