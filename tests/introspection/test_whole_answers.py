"""Whole answers to known records, word by word and figure by figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.introspection import fixed


@pytest.mark.parametrize("name", list(fixed.WORLDS))
def test_each_answer_to_a_known_record_is_the_one_that_was_found_right(
    project: Path, name: str
) -> None:
    fixed.check(name)
