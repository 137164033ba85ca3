"""A graph written for LangGraph runs here by changing its import: every scenario gives equal data."""

from __future__ import annotations

import asyncio
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.langgraph import scenarios
from tests.langgraph.comparing import Comparable
from tests.langgraph.libraries import INWIT, LANGGRAPH, Library

Scenario = Callable[[Library], Any]


def found_scenarios() -> Iterator[Any]:
    """Every public function of the scenarios' modules whose one parameter is `lib`."""
    for module in pkgutil.iter_modules(scenarios.__path__):
        contents = vars(import_module(f"{scenarios.__name__}.{module.name}"))
        for name, value in contents.items():
            if _is_scenario(name, value):
                yield pytest.param(value, id=f"{module.name}.{name}")


def _is_scenario(name: str, value: Any) -> bool:
    if name.startswith("_") or not inspect.isfunction(value):
        return False
    return [*inspect.signature(value).parameters] == ["lib"]


def played(scenario: Scenario, lib: Library) -> Any:
    found = scenario(lib)
    if inspect.iscoroutine(found):
        found = asyncio.run(found)
    return Comparable().plain(found)


@pytest.mark.parametrize("scenario", [*found_scenarios()])
def test_a_scenario_gives_what_it_gives_in_langgraph(scenario: Scenario) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangGraph's own deprecations
        expected = played(scenario, LANGGRAPH)

    found = played(scenario, INWIT)

    assert found == expected
