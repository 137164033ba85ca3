"""The platform's facts cannot drift from the package: symbols, examples and pages are looked up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import inwit
from inwit.cli.main import inwit as root
from inwit.introspection import platform

FEATURES = platform.features()["features"]
EXAMPLES = platform.examples()["examples"]


@pytest.mark.parametrize(
    "feature", [one for one in FEATURES if one["implemented"]], ids=lambda one: one["name"]
)
def test_an_implemented_feature_names_what_proves_it(feature: dict[str, str]) -> None:
    assert feature["proof"] and platform.proven(feature["proof"])
    assert feature["since"]


def test_a_feature_names_what_the_public_api_has() -> None:
    public = {one["name"] for one in platform.entries("api")}

    named = [name for feature in FEATURES for name in feature["api"]]

    assert named and set(named) <= public


@pytest.mark.parametrize(
    "feature", [one for one in FEATURES if not one["implemented"]], ids=lambda one: one["name"]
)
def test_a_missing_feature_names_what_is_near_to_it(feature: dict[str, list[str]]) -> None:
    there = {one["name"] for one in FEATURES if one["implemented"]}

    assert feature["near"] and set(feature["near"]) <= there


def test_a_proof_that_does_not_exist_proves_nothing() -> None:
    assert not platform.proven("inwit:StateGraph.add_wormhole")
    assert not platform.proven("inwit.wormholes")


def test_what_the_package_exports_is_not_called_missing() -> None:
    missing = {name for one in FEATURES if not one["implemented"] for name in one["also"]}

    assert not missing & set(inwit.__all__)


def test_what_is_on_by_default_has_its_way_out() -> None:
    app = {"checkpointing", "retries", "limits", "metrics", "introspection"}

    outs = {one["name"]: one["opt_out_method"] for one in FEATURES if one["name"] in app}

    assert outs == {name: f"without_{name}()" for name in app}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["name"])
def test_every_example_runs(project: Path, example: dict[str, str]) -> None:
    script = project / "example.py"
    script.write_text(example["code"], encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_api_is_read_from_the_package() -> None:
    names = {one["name"] for one in platform.api()["api"]}

    assert {"StateGraph", "StateGraph.add_node", "CompiledGraph.ask"} <= names
    assert names & set(inwit.__all__)


def test_errors_are_listed_by_their_codes() -> None:
    codes = {one["name"] for one in platform.errors()["errors"]}

    assert {"graph.unknown_node", "request.too_large"} <= codes


def test_every_topic_counts_what_it_lists() -> None:
    for topic, facts in platform.TOPICS.items():
        page = facts()
        if topic != "version":
            assert page["total_count"] == len(platform.entries(topic)), topic


def test_commands_are_read_from_their_source() -> None:
    names = {one["name"] for one in platform.commands()["cli"]}

    assert {"ask", "mcp serve", "executions list"} <= names


def commands(found: click.Command, path: str = "") -> Iterator[str]:
    if path:
        yield path
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}".strip())


def test_every_command_is_known_and_no_other() -> None:
    names = [one["name"] for one in platform.commands()["cli"]]

    assert sorted(names) == sorted(commands(root))
