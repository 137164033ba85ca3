"""docs/rooms.svg: the rooms of the package, their sizes, and who imports whom."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from dataclasses import dataclass
from html import escape
from math import log2
from pathlib import Path

from tests.house.docs import REMAKE, ROOT

PACKAGE = ROOT / "inwit"
ROW, BOX, LEFT, TOP, WIDTH = 76, 58, 24, 64, 900
BOXES = 620
"""The width of a row of rooms, in pixels; arcs take what is left."""
STYLE = """
svg { font: 13px ui-sans-serif, system-ui, sans-serif; color: #1d2733 }
.back { fill: #fbfcfd } .box { fill: #eef3f8; stroke: #9fb3c8 } .name { font-weight: 650; font-size: 15px }
.size, .parts, .note { fill: #52667a } .parts, .note { font-size: 11.5px } text { fill: currentColor }
.arc { fill: none; stroke: #3b76b0; stroke-opacity: .55 } .head { fill: #3b76b0 }
@media (prefers-color-scheme: dark) {
 svg { color: #e4ebf2 } .back { fill: #12181f } .box { fill: #1d2833; stroke: #4a6076 }
 .size, .parts, .note { fill: #9fb3c8 } .arc { stroke: #7fb2e5 } .head { fill: #7fb2e5 }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room: a package, or a module that stands alone."""

    name: str
    lines: int
    files: int
    parts: tuple[str, ...]
    """The packages within it, the largest first."""


def layers() -> list[list[str]]:
    """The rooms from top to bottom, as import-linter holds them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    rows = [
        [name.strip() for name in layer.replace("|", ":").split(":")]
        for layer in contract["layers"]
    ]
    return [row for row in rows if row != ["__main__"]]


def measured() -> dict[str, Room]:
    """Every room as it is."""
    return {name: _room(name) for row in layers() for name in row}


def imports() -> Counter[tuple[str, str]]:
    """How many modules of one room import another room."""
    found: Counter[tuple[str, str]] = Counter()
    for room in measured():
        for path in _files(room):
            found.update((room, other) for other in _imported(path) if other != room)
    return found


def pages() -> dict[str, str]:
    """The picture."""
    return {"docs/rooms.svg": _drawn(layers(), measured(), imports())}


def _room(name: str) -> Room:
    files = _files(name)
    folder = PACKAGE / name
    inner = (
        [one for one in folder.iterdir() if (one / "__init__.py").exists()]
        if folder.is_dir()
        else []
    )
    by_size = sorted(inner, key=lambda one: -sum(map(_lines, one.rglob("*.py"))))
    return Room(
        name=name, lines=sum(map(_lines, files)), files=len(files),
        parts=tuple(one.name for one in by_size),
    )  # fmt: skip


def _files(name: str) -> list[Path]:
    folder = PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{name}.py"]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _imported(path: Path) -> set[str]:
    """The rooms that a module imports, anywhere in it."""
    known = {name for row in layers() for name in row}
    named: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
    return {one.split(".")[1] for one in named if one.startswith("inwit.")} & known


def _drawn(rows: list[list[str]], rooms: dict[str, Room], arrows: Counter[tuple[str, str]]) -> str:
    height = TOP + ROW * len(rows) + 34
    at = {name: number for number, row in enumerate(rows) for name in row}
    boxes = "".join(_row(number, [rooms[name] for name in row]) for number, row in enumerate(rows))
    between: Counter[tuple[int, int]] = Counter()
    for (source, target), many in arrows.items():
        if at[source] < at[target]:
            between[at[source], at[target]] += many
    arcs = "".join(_arc(*pair, many, rows) for pair, many in sorted(between.items()))
    total = sum(room.lines for room in rooms.values())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>The rooms of inwit and who imports whom</title><style>{STYLE}</style>"
        f'<rect class="back" width="{WIDTH}" height="{height}" rx="10"/>'
        f'<text x="{LEFT}" y="30" class="name">The rooms of inwit</text>'
        f'<text x="{LEFT}" y="48" class="note">{_about(total)} lines of Python. Imports lead downwards; '
        "the thicker an arc, the more modules import.</text>"
        f"{boxes}{arcs}"
        f'<text x="{LEFT}" y="{height - 14}" class="note">Made from the code by {REMAKE}</text></svg>\n'
    )


def _row(number: int, rooms: list[Room]) -> str:
    width = (BOXES - 10 * (len(rooms) - 1)) / len(rooms)
    drawn = ""
    for index, room in enumerate(rooms):
        x, y = LEFT + index * (width + 10), TOP + number * ROW
        parts = escape(", ".join(room.parts))
        drawn += (
            f'<g data-room="{room.name}" data-lines="{room.lines}">'
            f'<rect class="box" x="{x:g}" y="{y}" width="{width:g}" height="{BOX}" rx="7"/>'
            f'<text class="name" x="{x + 12:g}" y="{y + 23}">{room.name}</text>'
            f'<text class="size" x="{x + 12:g}" y="{y + 43}">{_size(room)}</text>'
            f'<text class="parts" x="{x + 190:g}" y="{y + 23}">{parts}</text></g>'
        )
    return drawn


def _size(room: Room) -> str:
    files = f", {room.files} files" if room.files > 1 else ""
    return f"{_about(room.lines)} lines{files}"


def _about(lines: int) -> str:
    """A number of lines to two figures, which a small change leaves as it is."""
    step = 10 ** max(len(str(lines)) - 2, 0)
    return f"{round(lines / step) * step:,}"


def _arc(source: int, target: int, many: int, rows: list[list[str]]) -> str:
    x = LEFT + BOXES
    start, end = TOP + source * ROW + BOX * 0.62, TOP + target * ROW + BOX * 0.38
    far = x + 26 + 26 * (target - source)
    thick = 1 + log2(many) * 0.7
    told = f"{' and '.join(rows[source])} → {', '.join(rows[target])}: {many} imports"
    return (
        f'<g data-from="{"+".join(rows[source])}" data-to="{"+".join(rows[target])}">'
        f"<title>{escape(told)}</title>"
        f'<path class="arc" stroke-width="{thick:.1f}" d="M{x} {start:g}C{far} {start:g} {far} {end:g} {x + 7} {end:g}"/>'
        f'<path class="head" d="M{x} {end:g}l9 -4.5v9z"/></g>'
    )
