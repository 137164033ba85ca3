"""The event loop that a thread's sync calls run in."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from inwit.runtime.loops import _Runner


def test_a_loop_that_was_collected_before_its_runner_is_not_closed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    runner = _Runner()
    runner.run(asyncio.sleep(0))
    runner.loop.run_until_complete(runner.loop.shutdown_asyncgens())

    runner.loop.close()
    del runner
    gc.collect()

    assert [one.exc_value for one in told] == []
