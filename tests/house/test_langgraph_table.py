"""docs/langgraph.md names everything that the installed LangGraph's graph API has, and nothing untrue."""

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import inwit

PAGE = Path(__file__).parents[2] / "docs" / "langgraph.md"
ROOTS = ("graph", "types", "prebuilt", "func", "checkpoint", "store", "cache", "config", "errors",
         "constants", "runtime")  # fmt: skip
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def section(title: str, level: int = 2) -> str:
    """What stands under a heading."""
    marks = "#" * level
    found = re.search(rf"^{marks} {re.escape(title)}$(.*?)(?=^#{{2,{level}}} |\Z)",
                      PAGE.read_text(), re.MULTILINE | re.DOTALL)  # fmt: skip
    assert found is not None, title
    return found[1]


def rows(text: str) -> dict[str, str]:
    return {name: here for name, here, _ in ROW.findall(text)}


def whole(root: str) -> str:
    """A section with those within it, but for the tables of methods."""
    found = re.search(rf"^## langgraph\.{root}$(.*?)(?=^##|\Z)", PAGE.read_text(),
                      re.MULTILINE | re.DOTALL)  # fmt: skip
    assert found is not None, root
    return found[1]


def names_of(root: str) -> Iterator[str]:
    """The public names of a module and of those within it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is deprecated there is named all the same
        module = importlib.import_module(f"langgraph.{root}")
        modules = [module.__name__]
        if hasattr(module, "__path__"):
            found = pkgutil.walk_packages(module.__path__, f"{module.__name__}.")
            modules += [one.name for one in found if "._" not in one.name]
        for name in modules:
            yield from public(name)


def public(name: str) -> list[str]:
    try:
        module = importlib.import_module(name)
    except ImportError:  # a backend whose server's library is not installed
        return []
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    own = vars(module).items()
    return [key for key, value in own if key[0] != "_" and getattr(value, "__module__", "") == name]


@pytest.mark.parametrize("root", ROOTS)
def test_every_name_of_langgraph_is_in_the_table(root: str) -> None:
    assert set(names_of(root)) - set(rows(whole(root))) == set()


@pytest.mark.parametrize("kind", ["StateGraph", "CompiledStateGraph"])
def test_every_method_is_in_the_table(kind: str) -> None:
    theirs = getattr(importlib.import_module("langgraph.graph.state"), kind)
    bases = [base for base in theirs.__mro__ if base.__module__.startswith("langgraph")]
    named = {name for base in bases for name in vars(base) if not name.startswith("_")}

    assert named - set(rows(section(kind, 3))) == set()


@pytest.mark.parametrize("kind", ["StateGraph", "CompiledStateGraph"])
def test_the_methods_that_the_table_says_are_here_are_here(kind: str) -> None:
    ours = inwit.StateGraph if kind == "StateGraph" else inwit.CompiledGraph
    told = rows(section(kind, 3))
    set_when_made = {"config", "name"}

    here = {name for name in told if hasattr(ours, name) or name in set_when_made}
    assert {name for name, word in told.items() if word == "yes"} - here == set()
    missing = {name for name, word in told.items() if word != "yes"}
    assert {name for name in missing & here if kind == "CompiledStateGraph"} == set()


def test_what_the_table_points_to_is_there() -> None:
    places = re.findall(r"`(inwit(?:\.\w+)+)`", PAGE.read_text())

    for place in places:
        module, _, name = place.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, name), place


@pytest.mark.parametrize("root", ROOTS)
def test_what_is_here_under_the_same_name_is_said_to_be(root: str) -> None:
    absent = {name for name, here in rows(whole(root)).items() if here == "–"}

    assert absent & set(inwit.__all__) == set()
