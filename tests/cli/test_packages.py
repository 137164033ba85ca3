from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inwit.registry.package import KINDS
from tests.cli.conftest import Inwit
from tests.registry.test_git_sources import git, settings
from tests.registry.test_installing import make


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_each_kind_is_started_checked_built_and_used(
    project: Path, inwit: Inwit, kind: str
) -> None:
    made = inwit("pkg", "init", "acme/first-one", "--kind", kind, "--json").json
    checked = inwit("pkg", "check", "first-one", "--json").json
    built = inwit("pkg", "build", "first-one", "--out", "dist", "--json").json
    again = inwit("pkg", "build", "first-one", "--out", "dist", "--json").json
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "first-one"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert len(made["files"]) == 4
    assert checked["permissions"] == [] and "keywords" in checked["advice"][0]
    assert built == again and built["archive"] == "dist/acme.first-one-0.1.0.tar.gz"
    assert tested.returncode == 0, tested.stdout


def test_nothing_that_is_there_is_overwritten(project: Path, inwit: Inwit) -> None:
    inwit("pkg", "init", "acme/one")
    (project / "one/nodes.py").write_text("mine = 1\n")

    refused = inwit("pkg", "init", "acme/one")

    assert refused.code == 2 and "is there already" in refused.err
    assert (project / "one/nodes.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize(("name", "hint"), [("one", "name"), ("A/b", "namespace"), ("a/B", "name")])
def test_an_id_that_is_none_is_refused(project: Path, inwit: Inwit, name: str, hint: str) -> None:
    refused = inwit("pkg", "init", name)

    assert refused.code == 1 and hint in refused.err
    assert [path.name for path in project.iterdir()] == [".inwit"]


def test_a_new_project_runs(project: Path, inwit: Inwit) -> None:
    inwit("new", "graph", "helper")

    done = inwit("run", "helper/app.py:app", "--input", '{"question": "why"}', "--json")

    assert "You asked: why" in done.out


def test_a_new_project_takes_a_template_s_code(project: Path, inwit: Inwit) -> None:
    files = inwit("new", "inwit/map-reduce", "counts", "--json").json["files"]
    refused = inwit("new", "inwit/text-tools", "tools")

    assert {"counts/graph.py", "counts/README.md", "counts/app.py"} <= set(files)
    assert refused.code == 2 and "no graph template" in refused.err


def test_an_archive_is_installed_listed_verified_and_removed(project: Path, inwit: Inwit) -> None:
    inwit("pkg", "init", "acme/one")
    archive = inwit("pkg", "build", "one", "--json").json["archive"]

    tried = inwit("pkg", "install", f"./{archive}", "--dry-run", "--json").json
    done = inwit("pkg", "install", f"./{archive}", "--json").json
    listed = [one["id"] for one in inwit("pkg", "list", "--json").json["packages"]]
    fine = inwit("pkg", "verify", "--json")
    module = next(project.glob(".inwit/installed/acme/one/*/nodes.py"))
    module.write_text("")
    changed = inwit("pkg", "verify", "--json")
    gone = inwit("pkg", "uninstall", "acme/one", "--json").json

    assert tried["dry_run"] and [one["id"] for one in tried["installed"]] == ["acme/one"]
    assert done["installed"][0]["level"] == "unverified"
    assert "acme/one" in listed
    assert (fine.code, changed.code) == (0, 1)
    assert changed.json["packages"][0]["faults"] == ["nodes.py was changed"]
    assert [one["id"] for one in gone["removed"]] == ["acme/one"]
    assert not (project / "inwit.lock").exists()


def test_what_is_not_there_is_not_removed_and_what_is_no_id_is_not_asked_for(
    project: Path, inwit: Inwit
) -> None:
    assert inwit("pkg", "uninstall", "acme/one").code == 3
    assert inwit("pkg", "install", "acme").code == 2
    assert inwit("pkg", "install", "acme/one>>2").code == 2
    assert inwit("pkg", "install", "nobody/one").code == 3
    assert inwit("pkg", "install", "--frozen").code == 1


def test_a_team_s_package_is_told_of_installed_and_followed(
    project: Path, inwit: Inwit, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    make(team, "team/greeter", "1.0.0", '[permissions]\nnetwork = ["a.test"]')
    git("init", "--quiet", at=team)
    git("add", ".", at=team)
    git("commit", "--quiet", "-m", "One", at=team)
    settings(project, team)

    offered = inwit("pkg", "info", "team/greeter", "--json").json
    shown = inwit("pkg", "install", "team/greeter>=1").out
    make(team, "team/greeter", "1.1.0", '[permissions]\nnetwork = ["a.test", "b.test"]')
    git("commit", "--quiet", "-am", "Two", at=team)
    newer = inwit("pkg", "outdated", "--json").json["packages"]
    refused = inwit("pkg", "update")
    updated = inwit("pkg", "update", "--accept-permissions", "--json").json["changed"]

    assert (offered["versions"], offered["level"]) == (["1.0.0"], "community")
    assert "may reach: network a.test" in shown and "commit" in shown
    assert [(one["version"], one["newest"]) for one in newer] == [("1.0.0", "1.1.0")]
    assert refused.code == 1 and "network b.test" in refused.err
    assert [(one["from"], one["version"]) for one in updated] == [("1.0.0", "1.1.0")]
    assert inwit("pkg", "audit", "--json").json["total_count"] == 0
