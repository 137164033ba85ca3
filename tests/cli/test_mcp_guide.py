"""The configurations that the guide shows are what the command prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Inwit

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "mcp.md"
CLIENTS = ("claude-code", "claude-desktop", "cursor", "vscode")


def plain(configuration: dict[str, Any]) -> dict[str, Any]:
    """The same, started by its name, for a project that a reader may have."""
    for servers in configuration.values():
        entry = servers["inwit"]
        assert entry["args"][:2] == ["-m", "inwit"]
        entry.update(command="inwit", args=[*entry["args"][2:-1], "/path/to/project"])
    return configuration


@pytest.mark.parametrize(("number", "client"), list(enumerate(CLIENTS)))
def test_the_guide_shows_what_is_printed_for_a_client(
    inwit: Inwit, number: int, client: str
) -> None:
    shown = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    printed = inwit("mcp", "config", client, "--json").json

    assert json.loads(shown[number]) == plain(printed)
