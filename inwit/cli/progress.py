"""How far something is, on stderr: a bar where a person watches, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""
STEPS = 10


@contextmanager
def progress() -> Iterator[Tell]:
    """Give a function that shows how far something is."""
    if sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    bars: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as shown:

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = shown.add_task(what, total=total)
            shown.update(bars[what], completed=done, total=total)

        yield tell


def _lines() -> Tell:
    """Ten lines at most for each thing that is done."""
    told: dict[str, int] = {}

    def tell(what: str, done: int, total: int) -> None:
        step = done * STEPS // max(total, 1)
        if step > told.get(what, 0):
            told[what] = step
            click.echo(f"{what}: {done:,} of {total:,}", err=True)

    return tell
