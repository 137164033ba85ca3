from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import inwit
from inwit.errors import (
    MalformedInputError,
    RegistryError,
    ResolutionError,
    SourceError,
)
from inwit.registry.install.installer import Installer
from inwit.registry.install.lock import Wanted, read_lock
from inwit.registry.packages import load
from inwit.registry.sources.configured import Sources
from inwit.registry.sources.git import GitSource
from inwit.runtime.project import Project
from tests.registry.test_installing import make


def git(*args: str, at: Path) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = (
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        "-c",
        "init.defaultBranch=main",
    )
    return subprocess.run(
        ["git", *who, *args], cwd=at, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    make(root, "team/greeter", "1.0.0")
    git("init", "--quiet", at=root)
    git("add", ".", at=root)
    git("commit", "--quiet", "-m", "One", at=root)
    return root


def settings(project: Path, repository: Path, rev: str = "main") -> None:
    (project / ".inwit/config.toml").write_text(
        f'[[sources]]\ngit = "{repository}"\nrev = "{rev}"\nnamespaces = ["team"]\n'
    )


def real() -> Installer:
    project = Project.find()
    return Installer(project, Sources.of(project), inwit_version=inwit.__version__)


def test_a_team_s_package_is_pinned_to_a_commit(project: Path, repository: Path) -> None:
    settings(project, repository)
    real().install({"team/greeter": Wanted()})
    first = git("rev-parse", "HEAD", at=repository)
    make(repository, "team/greeter", "1.1.0")
    git("commit", "--quiet", "-am", "Two", at=repository)

    [one] = read_lock(Project.find()).packages
    kept = real().restore().added
    [(installed, newest)] = real().outdated()
    real().update()
    [two] = read_lock(Project.find()).packages

    assert (one.proof["commit"], one.level, one.origin) == (first, "community", "git")
    assert kept == () and (installed.version, newest.version) == ("1.0.0", "1.1.0")
    assert two.proof["commit"] == git("rev-parse", "HEAD", at=repository)
    assert load("team/greeter")("Ada") == "1.1.0 greets Ada"


def test_a_clone_gets_the_locked_commit_after_the_branch_went_on(
    project: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(project, repository)
    real().install({"team/greeter": Wanted()})
    make(repository, "team/greeter", "1.1.0")
    git("commit", "--quiet", "-am", "Two", at=repository)
    clone = tmp_path / "clone"
    (clone / ".inwit").mkdir(parents=True)
    (clone / "inwit.lock").write_bytes((project / "inwit.lock").read_bytes())
    settings(clone, repository)
    monkeypatch.chdir(clone)
    monkeypatch.setenv("HOME", str(tmp_path / "another"))

    real().restore()

    assert load("team/greeter")("Ada") == "1.0.0 greets Ada"


def test_a_link_in_a_repository_is_refused(project: Path, repository: Path) -> None:
    (repository / "team/greeter/link").symlink_to("/etc/passwd")
    git("add", ".", at=repository)
    git("commit", "--quiet", "-m", "Link", at=repository)
    settings(project, repository)

    with pytest.raises(RegistryError, match="link"):
        real().install({"team/greeter": Wanted()})


def test_only_its_namespaces_are_taken_from_a_repository(project: Path, repository: Path) -> None:
    make(repository, "inwit/rag", "99.0.0")
    git("add", ".", at=repository)
    git("commit", "--quiet", "-m", "More", at=repository)
    settings(project, repository)

    with pytest.raises(ResolutionError):
        real().install({"inwit/rag": Wanted(version=">=99")})


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% /tmp/pwned", "--upload-pack=touch /tmp/pwned", "http://plain.test/x", "-x",
     "https://a.test/\nb", "fd::17"],
)  # fmt: skip
def test_addresses_that_run_programs_are_refused(url: str) -> None:
    with pytest.raises(MalformedInputError, match="No git repository"):
        GitSource(url, namespaces=["team"])


def test_a_repository_that_is_away_leaves_the_old_state(project: Path, repository: Path) -> None:
    settings(project, repository)
    real().install({"team/greeter": Wanted()})
    repository.rename(repository.with_name("gone"))

    with pytest.raises(SourceError):
        real().update()

    assert load("team/greeter")("Ada") == "1.0.0 greets Ada"
