"""`inwit registry import` and `index`: make a long list searchable."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Command

FOLDER = "catalogue"
"""Where in a registry's folder the searchable list lies."""


@click.command(
    "import",
    cls=Command,
    example="inwit registry import packages.tsv --data ./lists --map rank=popularity\n"
    'inwit pkg search "parse html" --registry ./lists',
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="The folder to keep it in; what was imported there before is replaced.",
)  # fmt: skip
@click.option(
    "--map", "maps", multiple=True, metavar="FIELD=COLUMN",
    help="Which column a field is in: name, version, summary, kind, licence, id; "
    "rank (smaller is better) or downloads (larger is better).",
)  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Return when words are searchable; go on behind.")
def import_(file: Path, data: Path, maps: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Make a tab-separated list with a header line searchable by name, word and meaning."""
    from inwit.cli import render
    from inwit.cli.progress import progress
    from inwit.registry.search.catalogue import Catalogue
    from inwit.registry.search.importing import read_list

    entries, left_out = read_list(file, _columns(maps))
    data.mkdir(parents=True, exist_ok=True)
    with progress() as tell:
        made = Catalogue.build(data / FOLDER, entries, progress=tell)
        if not no_wait:
            made.make_vectors(tell)
    if no_wait:
        _go_on_behind(data)
    facts = {**made.facts(), "left_out": left_out}
    (render.json if as_json else render.facts)(facts)


@click.command("index", cls=Command, example="inwit registry index --data ./lists")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), required=True,
    help="The folder of an imported list.",
)  # fmt: skip
def index(data: Path, as_json: bool) -> None:
    """Make the vectors that an imported list still lacks; it goes on where it was left."""
    from inwit.cli import render
    from inwit.cli.progress import progress
    from inwit.registry.search.catalogue import Catalogue

    found = Catalogue(data / FOLDER)
    with progress() as tell:
        found.make_vectors(tell)
    (render.json if as_json else render.facts)(found.facts())


def _columns(maps: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in maps]
    for field, sign, column in pairs:
        if not (field and sign and column):
            raise click.UsageError(f"--map takes FIELD=COLUMN and not {field + sign + column!r}.")
    return {field: column for field, _, column in pairs}


def _go_on_behind(data: Path) -> None:
    """Start a process of its own that makes the vectors, and leave it."""
    import os
    import sys

    log = data / "index.log"
    command = [sys.executable, "-m", "inwit", "registry", "index", "--data", str(data.resolve())]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(log), flags, 0o600),
    ]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
