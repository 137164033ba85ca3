"""The rows of docs/security.md: each risk, what stands against it, and how that is taken out.

python -m tests.server.controls      writes the table of docs/security.md anew
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- controls -->", "<!-- end of controls -->"


@dataclass(frozen=True)
class Row:
    """One risk. Without its control, which `old` to `new` in `file` takes out, `test` fails."""

    risk: str
    lists: str
    control: str
    file: str
    old: str
    new: str
    test: str

    @property
    def test_file(self) -> Path:
        return ROOT / self.test.partition("::")[0]

    @property
    def test_name(self) -> str:
        return self.test.partition("::")[2]


def rows() -> list[Row]:
    """All rows, in their order."""
    told = tomllib.loads((Path(__file__).parent / "controls.toml").read_text(encoding="utf-8"))
    return [Row(**row) for row in told["row"]]


def table() -> str:
    """The table of the page."""
    lines = ["| risk | named in | control | where | test |", "|---|---|---|---|---|"]
    for row in rows():
        where = row.file.removeprefix("inwit/")
        test = f"`{row.test_name}` ({row.test_file.relative_to(ROOT / 'tests')})"
        lines.append(f"| {row.risk} | {row.lists} | {row.control} | `{where}` | {test} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """A page with the table that it should have."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
