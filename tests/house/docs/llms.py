"""llms.txt: what a model needs to find its way, made from the order of docs/README.md."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)\)")


def pages(root: Path) -> dict[str, str]:
    """The file, with each page in the order in which a newcomer reads them."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = f"# {project['name']}\n\n> {project['description']}\n\n{_opening(root)}\n"
    for title, links in sections(root):
        lines = [f"- [{name}]({path}): {said}" for name, path, said in links]
        text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    return {"llms.txt": text}


def sections(root: Path) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The headings of docs/README.md, each with the pages below it: name, path in the tree, said."""
    found = []
    written = (root / "docs" / "README.md").read_text(encoding="utf-8")
    for section in written.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = re.split(r"^- ", body, flags=re.MULTILINE)[1:]
        found.append((title, [_entry(root, row) for row in rows]))
    return found


def _entry(root: Path, row: str) -> tuple[str, str, str]:
    linked = LINK.search(row)
    assert linked is not None, row
    path = (root / "docs" / linked[2]).resolve().relative_to(root.resolve()).as_posix()
    said = LINK.sub(r"\1", row[linked.end() :]).strip(" :.\n")
    return linked[1], path, " ".join(said.split())


def _opening(root: Path) -> str:
    """What the index says before its first heading."""
    written = (root / "docs" / "README.md").read_text(encoding="utf-8")
    body = written.partition("\n## ")[0].partition("\n")[2]
    return LINK.sub(r"\1", body).strip()
