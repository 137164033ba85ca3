import os
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import click
import pytest

from inwit.cli.frame import Command
from inwit.cli.main import inwit as root

HEAVY = (
    "mcp",
    "msgspec",
    "pydantic",
    "httpx",
    "starlette",
    "rich",
    "numpy",
    "faiss",
    "onnxruntime",
    "tantivy",
)


def commands(
    found: click.Command = root, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))
    else:
        yield path, found


ALL = [pytest.param(path, found, id=" ".join(path)) for path, found in commands()]


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_command_takes_json_and_shows_an_example(path, command, inwit) -> None:
    said = inwit(*path, "--help")

    assert said.code == 0
    assert isinstance(command, Command)
    assert "--json" in said.out
    assert all(f"$ {line}" in said.out for line in command.example.splitlines())
    assert f"inwit {' '.join(path)}" in command.example


@pytest.mark.parametrize("name", ["pkg", "mcp", "executions", "introspect", "self-improve"])
def test_a_group_of_commands_shows_one_of_them(name, inwit) -> None:
    said = inwit(name, "--help")

    assert said.code == 0
    assert f"$ inwit {name} " in said.out


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_option_says_what_it_is_for(path, command) -> None:
    options = [param for param in command.params if isinstance(param, click.Option)]

    unexplained = [option.name for option in options if not option.help and not option.show_default]

    assert unexplained == []


def test_help_begins_with_three_lines_that_can_be_typed(inwit) -> None:
    said = inwit("--help")

    assert '\n    inwit ask "Why did the last execution fail?"\n    inwit serve\n' in said.out
    assert "\\b" not in said.out


def test_plans_are_asked_for_by_every_status_that_they_may_have() -> None:
    from inwit.cli.self_improve import STATUSES
    from inwit.plans import PlanStatus

    assert get_args(PlanStatus) == STATUSES


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from inwit.cli.main import main; code = main(['--help'])\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr); sys.exit(code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stderr.strip() == "[]"
    assert "ask" in done.stdout


def test_an_unknown_command_is_answered_by_the_nearest(inwit) -> None:
    said = inwit("exeutions", "list")

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("error: No command 'exeutions'. Did you mean 'executions'?")


def test_an_unknown_command_of_a_group_is_answered_by_the_nearest(inwit) -> None:
    said = inwit("pkg", "serch", "x")

    assert said.code == 2
    assert "Did you mean 'search'?" in said.err


def test_an_unknown_option_is_a_usage_error(inwit) -> None:
    said = inwit("executions", "list", "--colour")

    assert said.code == 2
    assert said.err.startswith("error: No such option")


def test_the_version_is_that_of_the_distribution(inwit) -> None:
    assert inwit("--version").out.split()[0] == "inwit"


def test_a_reader_that_has_left_causes_no_traceback(project) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "inwit", "explain", "--json"],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")
