"""docs/reference/terms.md: the words, the kinds of things, the statuses and the events."""

from __future__ import annotations

from inwit.introspection import platform
from tests.house.docs import MADE_BY

TOPICS = (
    ("terms", "Words", "Each is used in one sense, in the code, in answers and on these pages."),
    ("node-types", "Kinds of node", ""),
    ("edge-types", "Kinds of edge", ""),
    ("states", "Statuses of an execution", ""),
    ("events", "Events", "What a record holds of an execution, in the order in which it happened."),
)


def pages() -> dict[str, str]:
    """The page, with a table for each topic."""
    text = f"# Words\n\n{MADE_BY}"
    for topic, title, said in TOPICS:
        rows = [f"| {one['name']} | {one['description']} |" for one in platform.entries(topic)]
        opening = f"{said}\n\n" if said else ""
        text += f"\n## {title}\n\n{opening}| name | means |\n|---|---|\n" + "\n".join(rows) + "\n"
    return {"docs/reference/terms.md": text}
