"""What README and docstrings show is run as it stands there."""

import doctest
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import inwit
from inwit.cli.main import inwit as inwit_command
from inwit.cli.main import main

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ID = re.compile(r"\b[0-9a-f]{16}\b")
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


def test_the_graph_of_the_readme_prints_what_the_readme_shows(project) -> None:
    (program,) = blocks(README, "python")
    (shown,) = blocks(README, "text")
    (project / "notes.py").write_text(program)

    printed = subprocess.run(
        [sys.executable, "notes.py"], capture_output=True, text=True, check=True
    ).stdout

    assert len(program.splitlines()) <= 12
    assert ID.sub("ID", printed).strip() == ID.sub("ID", shown).strip()


def test_the_client_configurations_of_the_readme_are_what_the_command_prints(
    project, capsys
) -> None:
    shown = [json.loads(block) for block in blocks(README, "json")]
    printed = []
    for client in ("claude-code", "claude-desktop", "vscode"):
        assert main(["mcp", "config", client]) == 0
        printed.append(json.loads(capsys.readouterr().out))

    for entry in (next(iter(one.values()))["inwit"] for one in printed):
        assert entry["args"][:2] == ["-m", "inwit"]
        entry.update(command="inwit", args=[*entry["args"][2:-1], "/path/to/project"])
    assert printed == shown


def test_the_commands_of_the_readme_are_there() -> None:
    targets = re.findall(r"^    make (\w+)", README.read_text(), re.MULTILINE)
    named = re.findall(r"`inwit ([a-z-]+)", README.read_text())

    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
    assert set(named) <= set(inwit_command.list_commands(click.Context(inwit_command)))
