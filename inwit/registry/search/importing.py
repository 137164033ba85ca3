"""Reading a tab-separated list with a header line into entries of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from inwit.errors import MalformedInputError, nearest, shorten
from inwit.registry.search.catalogue import prior_of_rank
from inwit.registry.search.listed import Listed

FIELDS = ("id", "name", "version", "summary", "kind", "licence", "rank", "downloads")
MAX_LINE = 20_000
MAX_TEXT = 1_000
"""Characters of a summary that are taken."""


def read_list(path: Path, columns: Mapping[str, str] | None = None) -> tuple[list[Listed], int]:
    """Read the entries of a list, and how many lines were left out for having no name.

    `columns` says which column a field is taken from; without it, that of the field's name. Of
    ``rank`` the smallest is the most used, of ``downloads`` the largest; both are optional.

    Raises:
        MalformedInputError: The file has no such column, or is no list.
    """
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            header = file.readline().lstrip("\ufeff").rstrip("\r\n").split("\t")
            places = _places(path, header, columns or {})
            rows = [line.rstrip("\r\n")[:MAX_LINE].split("\t") for line in file]
    except OSError as exc:
        message = f"{path} cannot be read: {exc.strerror or exc}."
        raise MalformedInputError(message, hint="Give a list with tabs.") from exc
    fields = {field: [_cell(row, place) for row in rows] for field, place in places.items()}
    priors = _priors(fields, len(rows))
    empty = [""] * len(rows)
    taken = zip(
        fields.get("id", fields["name"]), fields["name"], fields.get("version", empty),
        fields.get("summary", empty), fields.get("kind", empty), fields.get("licence", empty),
        priors, strict=True,
    )  # fmt: skip
    seen: dict[str, Listed] = {}
    for entry_id, name, version, summary, kind, licence, prior in taken:
        if name:
            seen[entry_id or name] = Listed(
                id=entry_id or name, name=name, version=version, description=summary[:MAX_TEXT],
                kind=kind, licence=licence, prior=prior,
            )  # fmt: skip
    return list(seen.values()), len(rows) - len(seen)


def _places(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    for field, column in columns.items():
        if field not in FIELDS:
            raise MalformedInputError(f"No field {shorten(field)}.", hint=nearest(field, FIELDS))
        if column not in header:
            message = f"{path.name} has no column {shorten(column)}."
            raise MalformedInputError(message, hint=nearest(column, header))
    named = {field: columns.get(field, field) for field in FIELDS}
    if named["name"] not in header:
        message = f"{path.name} has no column 'name'; its first line is {shorten(header)}."
        raise MalformedInputError(message, hint="Say which: --map name=COLUMN.")
    # Usage is taken only where it was asked for: a column may happen to be called so.
    optional = {"rank", "downloads"} - columns.keys()
    return {
        field: header.index(column)
        for field, column in named.items()
        if column in header and field not in optional
    }


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _priors(fields: Mapping[str, Sequence[str]], count: int) -> list[float]:
    if "rank" in fields:
        ranks = [_number(cell) for cell in fields["rank"]]
    elif "downloads" in fields:
        ranks = _ranks([_number(cell) for cell in fields["downloads"]])
    else:
        return [0.0] * count
    return [0.0 if rank is None else round(prior_of_rank(rank, count), 4) for rank in ranks]


def _ranks(downloads: Sequence[float | None]) -> list[float | None]:
    """The place of each when the most downloaded is first; none for what was never downloaded."""
    order = sorted(
        (row for row, found in enumerate(downloads) if found),
        key=lambda row: -(downloads[row] or 0.0),
    )
    ranks: list[float | None] = [None] * len(downloads)
    for place, row in enumerate(order, 1):
        ranks[row] = float(place)
    return ranks


def _number(cell: str) -> float | None:
    try:
        found = float(cell.replace(",", "")) if cell else None
    except ValueError:
        return None
    return found if found is not None and 0 <= found < float("inf") else None
