"""Limits, thresholds and defaults are what they were when they were reviewed."""

from __future__ import annotations

import pytest

from tests.house import numbers


@pytest.mark.parametrize("module", numbers.kept("self_improve"))
def test_a_module_s_numbers_are_those_that_were_reviewed(module: str) -> None:
    numbers.check("self_improve", module)
