"""docs/reference/errors/: one page for each code, and one that lists them."""

from __future__ import annotations

from inwit.introspection import error_pages
from inwit.introspection.error_pages import ErrorPage
from tests.house.docs import MADE_BY

FAMILIES = {
    "graph": "What is written",
    "execution": "What happens while running",
    "memory": "Long-term memory",
    "store": "The record and checkpoints",
    "request": "What came from outside",
    "host": "Starting and running a host",
    "fetch": "What other machines are asked for",
    "registry": "Packages",
    "trust": "Where a package comes from",
    "peer": "Other hosts",
    "plan": "Plans",
    "inwit": "The base",
}
HEAD = f"""# Errors

{MADE_BY}
Every error is an `InwitError` with a `code` that stays, a message with the value that is wrong, and a `hint` with
the way out. Python raises it; HTTP answers with it as `application/problem+json` under its status; a tool of MCP
gives code, message and hint; a command prints `error: …` and ends with its exit code. `inwit explain CODE` and
`inwit ask "What does CODE mean?"` say what these pages say.
"""


def pages() -> dict[str, str]:
    """All pages by their paths."""
    known = {code: error_pages.page(cls) for code, cls in error_pages.classes().items()}
    strangers = {code.partition(".")[0] for code in known} - set(FAMILIES)
    assert not strangers, f"Name these families of errors: {strangers}"
    listed = HEAD
    for family, title in FAMILIES.items():
        rows = [_row(one) for code, one in known.items() if code.partition(".")[0] == family]
        listed += f"\n## {title}\n\n| code | means |\n|---|---|\n" + "\n".join(rows) + "\n"
    made = {
        f"docs/reference/errors/{code}.md": error_pages.to_markdown(one)
        for code, one in known.items()
    }
    return {"docs/reference/errors/README.md": listed, **made}


def _row(page: ErrorPage) -> str:
    first = page.meaning.partition("\n")[0]
    return f"| [`{page.code}`]({page.code}.md) | {first} |"
