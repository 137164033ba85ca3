"""A plugin of pytest that tells coverage which test runs, also in the processes that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tests.mutants.places import CONFIG


def pytest_configure(config: pytest.Config) -> None:
    os.environ["COVERAGE_PROCESS_START"] = str(CONFIG)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    os.environ["COVERAGE_TEST"] = item.nodeid  # pyproject.toml makes it a child's context
    measuring = coverage.Coverage.current()
    assert measuring is not None
    measuring.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    with Path(os.environ["COVERAGE_TIMES"]).open("a", encoding="utf-8") as times:
        times.write(f"{report.nodeid}\t{report.outcome}\t{report.duration:.4f}\n")
