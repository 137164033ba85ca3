"""The pages of the guide on messages and patterns, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


@pytest.mark.parametrize("page", ["messages", "patterns"])
def test_what_the_page_shows_runs(page: str, project: Any) -> None:
    text = (GUIDE / f"{page}.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": f"guide_{page}"}

    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}.md, block {number}", "exec"), names)

    assert len(blocks) > 3
