"""`inwit explain`: what an error code means."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command, NotFound

if TYPE_CHECKING:
    from inwit.errors import InwitError


@click.command("explain", cls=Command, example="inwit explain execution.recursion_limit")
@click.argument("code", required=False)
def command(code: str | None, as_json: bool) -> None:
    """Say what an error code means; without one, list all codes."""
    from inwit.cli import render
    from inwit.errors import InwitError, nearest

    known = {cls.code: cls for cls in reversed(list(_tree(InwitError)))}
    if code is None:
        _list(known, as_json=as_json)
        return
    found = known.get(code)
    if found is None:
        raise NotFound(f"No error code {code!r}. {nearest(code, known)}")
    doc = inspect.getdoc(found) or ""
    if as_json:
        render.json({"code": code, "error": found.__name__, "status": found.status, "text": doc})
    else:
        render.heading(f"{code}  {found.__name__}, HTTP {found.status}")
        click.echo(doc)


def _list(known: dict[str, type[InwitError]], *, as_json: bool) -> None:
    from inwit.cli import render

    rows = [(code, (inspect.getdoc(cls) or "").partition("\n")[0]) for code, cls in known.items()]
    if as_json:
        render.json([{"code": code, "text": text} for code, text in sorted(rows)])
    else:
        render.table(("CODE", "MEANS"), sorted(rows))


def _tree(cls: type[InwitError]) -> Iterator[type[InwitError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)
