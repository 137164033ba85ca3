"""What README and docstrings show is run as it stands there."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import inwit

ROOT = Path(__file__).parents[2]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(inwit.__path__, "inwit.")
    if ".__main__" not in name and "._" not in name
]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name, project) -> None:
    module = importlib.import_module(name)

    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test)

    assert runner.failures == 0


def test_the_graph_of_the_readme_runs_and_answers(project) -> None:
    (program,) = blocks(ROOT / "README.md", "python")

    found: dict[str, object] = {"__name__": "readme"}
    exec(compile(program, "readme.py", "exec"), found)

    assert len(program.strip().splitlines()) <= 12
