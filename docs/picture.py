"""Draw `docs/picture.svg` from what `inwit` really prints; run it again when that changes.

In a project whose last graph is the librarian, as `make demo` leaves it::

    .venv/bin/python docs/picture.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

QUESTIONS = ("Why did search run 3 times?", "How can I be faster?")
WIDTH = 110


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=WIDTH, file=sys.stderr)
    for question in QUESTIONS:
        asked = [sys.executable, "-m", "inwit", "ask", question]
        printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        console.print(Text.assemble(("$ ", "green"), (f'inwit ask "{question}"', "bold")))
        for line in printed.splitlines():
            console.print(Text(line, style=_style(line)))
        console.print()
    svg = console.export_svg(title="inwit", code_format=_without_fonts())
    Path(__file__).with_name("picture.svg").write_text(svg)


def _style(line: str) -> str:
    if line.startswith("  ask: "):
        return "bright_black"
    return "cyan" if line.startswith("  ") and "://" in line.partition("  (")[0] else ""


def _without_fonts() -> str:
    """Rich's own template, less the fonts that it would fetch."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    return re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
        "<!-- Generated with Rich https://www.textualize.io -->", ""
    )


if __name__ == "__main__":
    main()
