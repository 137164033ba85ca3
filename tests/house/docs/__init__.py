"""The pages that are made from the code: commands, routes, names, errors, settings, llms.txt, the picture."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
REMAKE = "python -m tests.house.docs"
MADE_BY = f"<!-- Made from the code by `{REMAKE}`. -->\n"


def all_made() -> dict[str, str]:
    """Every made page by its path in the tree."""
    from tests.house.docs import commands, errors, llms, names, rooms, routes, settings, terms

    pages = {
        **commands.pages(),
        **terms.pages(),
        **routes.pages(),
        **names.pages(),
        **errors.pages(),
        **settings.pages(),
    }
    return {**pages, **rooms.pages(), **llms.pages(ROOT)}
