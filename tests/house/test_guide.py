"""Every example of the guide runs as it stands there, and prints what the page says that it prints."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
BLOCK = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
MARK = "=== example ==="
ID = re.compile(r"\b[0-9a-f]{16}\b")


def program_of(page: Path) -> tuple[str, list[str | None]]:
    """The page's examples as one program, and what each is said to print."""
    program, said = "", list[str | None]()
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "python":
            program += f"{text}\nprint({MARK!r}, flush=True)\n"
            said.append(None)
        elif kind == "text" and said:
            said[-1] = text
    return program, said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page: Path, project: Path) -> None:
    program, said = program_of(page)
    (project / "example.py").write_text(program)

    ran = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        check=False, capture_output=True, text=True, timeout=500,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    printed = ran.stdout.split(f"{MARK}\n")[:-1]
    assert len(printed) == len(said) > 0
    same = doctest.OutputChecker().check_output
    for shown, found in zip(said, printed, strict=True):
        if shown is not None:
            wanted, given = ID.sub("ID", shown), ID.sub("ID", found)
            assert same(wanted, given, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE), found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    local = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in local if not (page.parent / link).exists()] == []
