"""Whole reports on made traffic, and the plans made of them, figure by figure."""

from __future__ import annotations

import json

import pytest

from tests.self_improve import golden

RIGHT = json.loads(golden.FILE.read_text("utf-8"))


@pytest.mark.parametrize("name", list(golden.CASES))
def test_each_report_on_known_traffic_is_the_one_that_was_found_right(name: str) -> None:
    assert golden.report(name) == RIGHT[name]
