"""How results look: JSON for programs, tables and plain text for people.

Text from graphs, traces and packages is data: control characters are shown, never sent to the
terminal, and no markup in it is followed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inwit.answers import Answer


def json(value: Any) -> None:
    """Print a value as JSON."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def plain(value: Any) -> str:
    """Show a value as one line that cannot move the cursor."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else _visible(char) for char in text)


def block(text: str) -> str:
    """Show text as lines that cannot move the cursor."""
    return "\n".join(plain(line) for line in text.splitlines())


def _visible(char: str) -> str:
    return " " if char in "\n\t\r" else char.encode("unicode_escape").decode()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str = "") -> None:
    """Print rows under their columns; into a pipe unwrapped.

    Where there is no row, `nothing` says on stderr what to do next.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        shown.add_column(name, overflow="fold")
    rows = list(rows)
    if not rows and nothing:
        click.echo(nothing, err=True)
    for row in rows:
        shown.add_row(*(Text(plain(cell)) for cell in row))
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 10_000)
    with console.capture() as captured:
        console.print(shown)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def answer(found: Answer) -> None:
    """Print an answer with what it stands on."""
    click.echo(block(found.text))
    if found.evidence:
        click.echo("\nEvidence")
    for one in found.evidence:
        click.echo(f"  {plain(one.uri)}")
        click.echo(f"    {plain(one.quote)}" + (f"  ({plain(one.why)})" if one.why else ""))
    note = f"{found.level}/{found.intent}, confidence {found.confidence:.2f}"
    click.echo(f"\n{click.style(note, dim=True)}")
    for question in found.follow_ups:
        click.echo(click.style(f"  ask: {plain(question)}", dim=True))


def milliseconds(value: float | None) -> str:
    """Show a duration, empty while there is none."""
    if value is None:
        return ""
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.2f} ms"


def heading(text: str) -> None:
    """Print a line that says what follows."""
    click.echo(click.style(plain(text), bold=True))


def facts(found: Mapping[str, Any], indent: int = 0) -> None:
    """Print names and values, one a line; what is nested is indented."""
    for name, value in found.items():
        _fact(f"{'':{indent}}{plain(name)}", value, indent)


def _fact(name: str, value: Any, indent: int) -> None:
    margin = " " * (indent + 2)
    match value:
        case dict() if value:
            click.echo(f"{name}:")
            facts(value, indent + 2)
        case list() | tuple() if value and any(isinstance(one, dict) for one in value):
            click.echo(f"{name}:")
            for one in value:
                click.echo(f"{margin}- {_inline(one)}")
        case list() | tuple():
            click.echo(f"{name}: {', '.join(_inline(one) for one in value) or '-'}")
        case str() if "\n" in value:
            click.echo(f"{name}:")
            for line in value.splitlines():
                click.echo(f"{margin}{plain(line)}")
        case _:
            click.echo(f"{name}: {_inline(value)}")


def _inline(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            told = [(key, one) for key, one in value.items() if one not in (None, "", [], {})]
            return "  ".join(f"{plain(key)}={_inline(one)}" for key, one in told)
        case list() | tuple():
            return "[" + ", ".join(_inline(one) for one in value) + "]"
        case _:
            return plain(value)
