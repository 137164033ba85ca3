"""All that is told of small graphs of every kind is as it was found right, to every field."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.records import CASES, KEPT, told


@cache
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text("utf-8"))
    return found


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", CASES)
def test_all_that_is_told_of_an_execution_is_as_it_was_found_right(
    name: str, is_async: bool, project: Path
) -> None:
    assert told(name, is_async=is_async) == kept()[name]
