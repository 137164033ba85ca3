"""A graph written for LangGraph runs here by changing its import: scenarios give equal data.

Each is played in LangGraph, here, and here with ``compile(defaults="langgraph")``. Where the results
may differ, they do: the differences are listed, and explained in docs/langgraph.md.
"""

from __future__ import annotations

import asyncio
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.langgraph import scenarios
from tests.langgraph.comparing import Comparable
from tests.langgraph.differences import ALWAYS, BY_DEFAULT
from tests.langgraph.libraries import AS_LANGGRAPH, INWIT, LANGGRAPH, Library

Scenario = Callable[[Library], Any]
PAGE = Path(__file__).parents[2] / "docs/langgraph.md"


def scenarios_found() -> Iterator[tuple[str, Scenario]]:
    """Every public function of the scenarios' modules whose one parameter is `lib`, by name."""
    for module in pkgutil.iter_modules(scenarios.__path__):
        contents = vars(import_module(f"{scenarios.__name__}.{module.name}"))
        for name, value in contents.items():
            if _is_scenario(name, value):
                yield f"{module.name}.{name}", value


def _is_scenario(name: str, value: Any) -> bool:
    if name.startswith("_") or not inspect.isfunction(value):
        return False
    return [*inspect.signature(value).parameters] == ["lib"]


def played(scenario: Scenario, lib: Library) -> Any:
    found = scenario(lib)
    if inspect.iscoroutine(found):
        found = asyncio.run(found)
    return Comparable().plain(found)


@cache
def played_in_langgraph(scenario: Scenario) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangGraph's own deprecations
        return played(scenario, LANGGRAPH)


SCENARIOS = dict(scenarios_found())


def check(name: str, lib: Library, differences: Mapping[str, str]) -> None:
    expected = played_in_langgraph(SCENARIOS[name])
    try:
        found = played(SCENARIOS[name], lib)
    except Exception as error:
        if name not in differences:
            raise
        found = error

    if name in differences:
        assert found != expected, "It is equal now: it no longer belongs among the differences."
    else:
        assert found == expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_what_it_gives_in_langgraph(name: str) -> None:
    check(name, INWIT, {**BY_DEFAULT, **ALWAYS})


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_the_same_by_langgraphs_defaults(name: str) -> None:
    check(name, AS_LANGGRAPH, ALWAYS)


def test_every_difference_is_one_of_a_scenario_and_a_row_of_the_page() -> None:
    listed = {**BY_DEFAULT, **ALWAYS}
    rows = {line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if "|" in line}

    assert [name for name in listed if name not in SCENARIOS] == []
    assert {reason for reason in listed.values() if reason not in rows} == set()
