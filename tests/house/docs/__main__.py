"""Make the pages anew: `python -m tests.house.docs`."""

from __future__ import annotations

from tests.house.docs import ROOT, all_made


def main() -> None:
    """Write what has changed, and take away the pages of errors that are gone."""
    made = all_made()
    for name, text in made.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(name)  # noqa: T201 - what a person who runs it looks for
    for path in (ROOT / "docs" / "reference").rglob("*.md"):
        if path.relative_to(ROOT).as_posix() not in made:
            path.unlink()


main()
