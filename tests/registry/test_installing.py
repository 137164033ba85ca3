from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import inwit
from inwit.errors import (
    ConsentError,
    InstallError,
    InvalidPackageError,
    LockError,
    LookalikeError,
    NamespaceError,
    RegistryError,
    ResolutionError,
    SourceError,
    UnknownPackageError,
)
from inwit.registry.archive import build_archive
from inwit.registry.install.installer import Consent, Installer, Outcome
from inwit.registry.install.lock import Wanted, read_lock
from inwit.registry.packages import PackageIndex, load
from inwit.registry.sources.base import Release
from inwit.registry.sources.configured import Sources
from inwit.registry.sources.local import PathSource
from inwit.runtime.project import Project
from inwit.runtime.store import audit

MANIFEST = """[package]
namespace = "{namespace}"
name = "{name}"
version = "{version}"
kind = "node-library"
description = "Greets people."
authors = ["Ada"]
licence = "MIT"
{more}
[entry_points]
default = "code:greet"
"""
CODE = "def greet(name='you'):\n    return f'{version} greets {{name}}'\n"


def make(
    folder: Path, package: str, version: str = "1.0.0", more: str = "", code: str = ""
) -> Path:
    """Write a package's folder below `folder`."""
    namespace, _, name = package.partition("/")
    place = folder / namespace / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "inwit-package.toml").write_text(
        MANIFEST.format(namespace=namespace, name=name, version=version, more=more)
    )
    (place / "code.py").write_text(code or CODE.format(version=version))
    return place


class Shelf:
    """A source with several versions, each an archive, as a registry has them."""

    origin = "registry"

    def __init__(self, folder: Path, *namespaces: str, name: str = "https://shelf.test") -> None:
        self.name = name
        self.namespaces = frozenset(namespaces)
        self._folder = folder
        self.held: dict[str, list[tuple[Release, bytes]]] = {}
        self.asked: list[str] = []
        self.is_away = False

    def put(self, package: str, version: str = "1.0.0", more: str = "", **told: Any) -> None:
        place = make(self._folder / f"{version}-{len(self.held)}", package, version, more)
        archive = build_archive(place)
        release = Release(
            manifest=archive.manifest, source=self.name, origin="registry",
            sha256=archive.sha256, level="community", **told,
        )  # fmt: skip
        self.held.setdefault(package, []).append((release, archive.content))

    def owns(self, namespace: str) -> bool:
        return namespace in self.namespaces

    def list(self) -> tuple[str, ...]:
        return tuple(self.held)

    def releases(self, package_id: str) -> tuple[Release, ...]:
        if self.is_away:
            raise SourceError(self.name, "no answer")
        self.asked.append(package_id)
        return tuple(release for release, _ in self.held.get(package_id, ()))

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        return next(
            content for one, content in self.held[release.id] if one.sha256 == release.sha256
        )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", "acme", "team")


def installer(*sources: Any, named: tuple[PathSource, ...] = ()) -> Installer:
    return Installer(
        Project.find(),
        Sources(sources, named=named),
        inwit_version=inwit.__version__,
    )


def install(shelf: Shelf, *packages: str, consent: Consent | None = None) -> Outcome:
    wanted = {one.split("@")[0]: Wanted(version="".join(one.split("@")[1:])) for one in packages}
    return installer(shelf).install(wanted, consent=consent)


def versions() -> dict[str, str]:
    return {one.id: one.version for one in read_lock(Project.find()).packages}


def needs(**packages: str) -> str:
    return "[dependencies]\n" + "\n".join(
        f'"acme/{name}" = "{wanted}"' for name, wanted in packages.items()
    )


def disk(root: Path) -> dict[str, str]:
    """Every file and its content, but the record, which tells of what was done."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
        and not path.name.startswith(("inwit.db", "audit.key", ".gitignore", "lock"))
    }


# Installing and removing


def test_an_installed_package_can_be_used_at_once_and_seen(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter", "1.0.0", needs(words=">=1"))
    shelf.put("acme/words", "1.2.0")

    outcome = install(shelf, "acme/greeter")

    assert load("acme/greeter")("Ada") == "1.0.0 greets Ada"
    assert load("acme/words")("Ada") == "1.2.0 greets Ada"
    assert {one.id for one in outcome.added} == {"acme/greeter", "acme/words"}
    found = PackageIndex.of(Project.find()).get("acme/greeter")
    assert (found.origin, found.level) == ("installed", "community")
    assert PackageIndex.of(Project.find()).search("greets people")[0].package.id == "acme/greeter"
    assert [row.action for row in audit.rows(Project.find())][-2:] == ["pkg.install"] * 2


def test_removing_leaves_the_disk_as_it_was(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter", "1.0.0", needs(words=">=1"))
    shelf.put("acme/words")
    (project / "mine.txt").write_text("mine")
    before = disk(project)

    install(shelf, "acme/greeter")
    load("acme/greeter")
    removed = installer(shelf).uninstall(["acme/greeter"]).removed

    assert {one.id for one in removed} == {"acme/greeter", "acme/words"}
    assert disk(project) == before
    assert not (project / ".inwit/installed").exists()
    with pytest.raises(UnknownPackageError):
        load("acme/greeter")


def test_what_another_package_needs_is_not_removed(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter", "1.0.0", needs(words=">=1"))
    shelf.put("acme/words")
    install(shelf, "acme/greeter")

    with pytest.raises(InstallError, match="acme/greeter needs acme/words"):
        installer(shelf).uninstall(["acme/words"])

    assert set(versions()) == {"acme/greeter", "acme/words"}


def test_nothing_runs_while_installing(project: Path, tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    evil = f"open({str(flag)!r}, 'w')\n"
    place = make(tmp_path / "evil", "acme/evil", code=f"{evil}greet = 1\n")
    for name in ("setup.py", "conftest.py", "sitecustomize.py", "__init__.py"):
        (place / name).write_text(evil)
    source = PathSource(place)

    installer(named=(source,)).install({"acme/evil": Wanted()})
    list(PackageIndex.of(Project.find()))
    installer().verify()

    assert not flag.exists()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter")
    before = disk(project)

    outcome = installer(shelf).install({"acme/greeter": Wanted()}, dry_run=True)

    assert [one.id for one in outcome.added] == ["acme/greeter"] and outcome.is_dry
    assert disk(project) == before and versions() == {}


# Versions


def test_the_newest_that_fits_is_taken_with_backtracking(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/app", "2.0.0", needs(one=">=2", two=">=1"))
    shelf.put("acme/app", "1.0.0", needs(one=">=1", two=">=1"))
    shelf.put("acme/one", "1.0.0", needs(base="<2"))
    shelf.put("acme/one", "2.0.0", needs(base=">=2"))
    shelf.put("acme/two", "1.0.0", needs(base="<2"))
    shelf.put("acme/base", "1.5.0")
    shelf.put("acme/base", "2.5.0")

    install(shelf, "acme/app")

    assert versions() == {
        "acme/app": "1.0.0", "acme/one": "1.0.0", "acme/two": "1.0.0", "acme/base": "1.5.0",
    }  # fmt: skip


def test_a_conflict_is_told_in_words_and_changes_nothing(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/one", "1.0.0", needs(base="<2"))
    shelf.put("acme/two", "1.0.0", needs(base=">=2"))
    shelf.put("acme/base", "1.5.0")
    shelf.put("acme/base", "2.5.0")
    install(shelf, "acme/one")

    with pytest.raises(ResolutionError) as caught:
        install(shelf, "acme/two")

    told = str(caught.value)
    assert "acme/two 1.0.0 needs acme/base >=2" in told.replace("Acme", "acme")
    assert "acme/one 1.0.0 needs acme/base <2" in told.replace("Acme", "acme")
    assert "1.5.0, 2.5.0" in told
    assert versions() == {"acme/one": "1.0.0", "acme/base": "1.5.0"}


def test_extras_bring_what_they_need(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/app", "1.0.0", '[extras.pdf]\n"acme/pdf" = ">=1"')
    shelf.put("acme/pdf")

    installer(shelf).install({"acme/app": Wanted()})
    plain = set(versions())
    installer(shelf).install({"acme/app": Wanted(extras=("pdf",))})

    assert (plain, set(versions())) == ({"acme/app"}, {"acme/app", "acme/pdf"})


def test_yanked_foreign_and_early_versions_are_left_out(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/app", "1.0.0")
    shelf.put("acme/app", "1.1.0", yanked="it deletes files")
    shelf.put("acme/app", "1.2.0rc1")
    place = "[package_]\n"
    assert place
    shelf.put("acme/app", "3.0.0", 'inwit = ">=99"\n')

    install(shelf, "acme/app")
    with pytest.raises(ResolutionError, match=r"1\.1\.0 \(withdrawn: it deletes files\)"):
        install(shelf, "acme/app@>=1.1,<1.2")
    install(shelf, "acme/app@==1.1.0")

    assert versions() == {"acme/app": "1.1.0"}


def test_update_takes_the_newest_and_install_leaves_what_is_there(
    project: Path, shelf: Shelf
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    install(shelf, "acme/greeter")
    shelf.put("acme/greeter", "1.1.0")
    shelf.put("acme/other", "1.0.0", needs(greeter=">=1"))

    install(shelf, "acme/other")
    left = versions()["acme/greeter"]
    [(installed, newest)] = installer(shelf).outdated()
    outcome = installer(shelf).update()

    assert (left, installed.version, newest.version) == ("1.0.0", "1.0.0", "1.1.0")
    assert [(old.version, new.version) for old, new in outcome.changed] == [("1.0.0", "1.1.0")]
    assert load("acme/greeter")("Ada") == "1.1.0 greets Ada"
    assert len(list((project / ".inwit/installed/acme/greeter").iterdir())) == 2  # and its record


def test_a_lock_restores_the_same_bytes_elsewhere(
    project: Path, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    install(shelf, "acme/greeter")
    shelf.put("acme/greeter", "2.0.0")
    (tmp_path / "other/.inwit").mkdir(parents=True)
    (tmp_path / "other/inwit.lock").write_bytes((project / "inwit.lock").read_bytes())
    monkeypatch.chdir(tmp_path / "other")

    installer(shelf).restore()

    assert load("acme/greeter")("Ada") == "1.0.0 greets Ada"
    assert (tmp_path / "other/inwit.lock").read_bytes() == (project / "inwit.lock").read_bytes()


def test_other_bytes_under_a_locked_version_are_refused(
    project: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    install(shelf, "acme/greeter")
    lock = (project / "inwit.lock").read_text()
    digest = json.loads(lock)["packages"][0]["sha256"]
    (project / "inwit.lock").write_text(lock.replace(digest, "0" * 64))

    with pytest.raises(LockError, match="sha256"):
        installer(shelf).restore()


def test_a_lock_cannot_make_a_package_more_trusted_than_its_source_does(
    project: Path, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(tmp_path / "made", "odd/one")
    installer(named=(PathSource(place),)).install({"odd/one": Wanted()})
    told = (project / "inwit.lock").read_text()
    (tmp_path / "other/.inwit").mkdir(parents=True)
    (tmp_path / "other/inwit.lock").write_text(told.replace("unverified", "official"))
    monkeypatch.chdir(tmp_path / "other")

    with pytest.raises(LockError, match="is unverified, and not official"):
        installer(shelf).restore()


def test_what_lies_in_the_user_s_own_folder_stays_the_user_s_own(project: Path) -> None:
    make(Path.home() / ".inwit/packages", "mine/one")
    here = Project.find()
    real = Installer(here, Sources.of(here), inwit_version=inwit.__version__)

    real.install({"mine/one": Wanted()})

    assert PackageIndex.of(here).get("mine/one").level == ""
    assert load("mine/one")("Ada") == "1.0.0 greets Ada"


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"format": 9}',
        '{"packages": [{"id": "../../x", "version": "1", "sha256": "00"}]}',
    ],
)
def test_a_lock_that_is_none_is_refused_and_hides_no_other_package(
    project: Path, content: str
) -> None:
    (project / "inwit.lock").write_text(content)

    with pytest.raises(LockError):
        read_lock(Project.find())
    assert load("inwit/map-reduce") is not None


# Faults and attacks


def test_changed_added_and_removed_files_are_told(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter")
    install(shelf, "acme/greeter")
    place = Path(PackageIndex.of(Project.find()).get("acme/greeter").folder)
    load("acme/greeter")  # leaves a cache, which is none of the package's files
    fine = installer().verify()

    (place / "code.py").write_text("import os\n")
    (place / "more.py").write_text("")

    assert fine == {"acme/greeter": []}
    assert installer().verify() == {"acme/greeter": ["code.py was changed", "more.py was added"]}
    installer(shelf).restore()
    assert installer().verify() == {"acme/greeter": []}


def test_a_namespace_is_never_taken_from_a_second_source(
    project: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    other = Shelf(tmp_path / "other", "acme", name="https://other.test")
    other.put("acme/greeter", "99.0.0")
    other.put("acme/secret", "99.0.0")

    installer(shelf, other).install({"acme/greeter": Wanted()})
    with pytest.raises(UnknownPackageError):
        installer(shelf, other).install({"acme/secret": Wanted()})
    shelf.is_away = True
    with pytest.raises(SourceError):
        installer(shelf, other).update()

    assert versions() == {"acme/greeter": "1.0.0"}
    assert other.asked == []


def test_a_package_that_comes_from_elsewhere_than_before_needs_consent(
    project: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    install(shelf, "acme/greeter")
    other = Shelf(tmp_path / "other", "acme", name="https://other.test")
    other.put("acme/greeter", "1.1.0")

    with pytest.raises(NamespaceError):
        install(other, "acme/greeter@>=1.1")
    install(other, "acme/greeter@>=1.1", consent=Consent(other_source=("acme",)))

    assert versions() == {"acme/greeter": "1.1.0"}


def test_more_permissions_need_consent(project: Path, shelf: Shelf) -> None:
    shelf.put("acme/greeter", "1.0.0", '[permissions]\nnetwork = ["a.test"]')
    install(shelf, "acme/greeter")
    shelf.put(
        "acme/greeter", "1.1.0", '[permissions]\nnetwork = ["a.test", "b.test"]\nprocess = true'
    )

    with pytest.raises(ConsentError, match=r"network b\.test, process"):
        installer(shelf).update()
    left = versions()
    installer(shelf).update(consent=Consent(permissions=True))

    assert (left, versions()) == ({"acme/greeter": "1.0.0"}, {"acme/greeter": "1.1.0"})


def test_a_name_near_to_a_known_one_needs_consent(project: Path, shelf: Shelf) -> None:
    shelf.namespaces = frozenset({"acme", "acrne", "inwlt"})
    shelf.put("acme/greeter", published_s=1.0)
    shelf.put("acrne/greeter", published_s=2.0)
    shelf.put("inwlt/rag")
    known = Shelf(Path("unused"), "inwit", name="shipped")
    known.origin = "local"
    known.held["inwit/rag"] = []

    with pytest.raises(LookalikeError, match="acme/greeter"):
        install(shelf, "acrne/greeter")
    with pytest.raises(LookalikeError, match="inwit/rag"):
        installer(known, shelf).install({"inwlt/rag": Wanted()})
    install(shelf, "acme/greeter")
    install(shelf, "acrne/greeter", consent=Consent(lookalikes=("acrne/greeter",)))

    assert set(versions()) == {"acme/greeter", "acrne/greeter"}


def test_an_archive_that_is_not_what_was_shown_is_refused(
    project: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    shelf.put("acme/greeter", "2.0.0", "[permissions]\nprocess = true")
    (one, _), (_, greedy) = shelf.held["acme/greeter"]
    shelf.held["acme/greeter"] = [(one, greedy)]

    with pytest.raises(LockError, match="sha256"):
        install(shelf, "acme/greeter")

    assert versions() == {} and not (project / ".inwit/installed").exists()


def test_a_broken_archive_is_refused_and_leaves_nothing(project: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b not really")

    with pytest.raises(RegistryError):
        PathSource(tmp_path / "broken.tar.gz").releases("acme/broken")
    with pytest.raises(InvalidPackageError):
        PathSource(tmp_path / "nothing.tar.gz").releases("acme/broken")


# Interruption and company

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.registry.test_installing import Shelf, installer
from inwit.registry.install import installer as module, lock
from inwit.registry.install.lock import Wanted

step = int(sys.argv[1])
def counted(function):
    def call(*args, **kwargs):
        global step
        step -= 1
        if step == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
for holder, name in ((os, "mkdir"), (os, "open"), (os, "fsync"), (os, "rename"), (os, "replace"),
                     (Path, "rename"), (Path, "replace"), (Path, "unlink")):
    setattr(holder, name, counted(getattr(holder, name)))
shelf = Shelf(Path(sys.argv[2]), "acme")
step, wait = 10**9, step
shelf.put("acme/greeter", "1.0.0"); shelf.put("acme/words", "1.0.0")
shelf.put("acme/greeter", "2.0.0", '[dependencies]\\n"acme/words" = ">=2"')
shelf.put("acme/words", "2.0.0")
step = wait
installer(shelf).update()
"""


def test_killed_at_any_point_the_old_state_or_the_new_one_is_there(
    project: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/greeter", "1.0.0")
    shelf.put("acme/words", "1.0.0")
    script = KILLED.format(path=[str(Path(inwit.__file__).parents[1])])
    old = {"acme/greeter": "1.0.0", "acme/words": "1.0.0"}
    new = {"acme/greeter": "2.0.0", "acme/words": "2.0.0"}
    seen = []
    for step in (1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 50, 500):
        install(shelf, "acme/greeter", "acme/words")
        done = subprocess.run(
            [sys.executable, "-c", script, str(step), str(tmp_path / f"shelf{step}")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        assert versions() in (old, new)
        assert all(faults == [] for faults in installer().verify().values())
        seen.append(versions() == new)
        installer(shelf).uninstall(versions())
        assert not (project / ".inwit/installed").exists()
    assert seen[0] is False and seen[-1] is True


def test_several_processes_install_one_after_the_other(project: Path, tmp_path: Path) -> None:
    names = ["one", "two", "six", "ten"]
    for name in names:
        make(tmp_path / "packages", f"acme/{name}")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "inwit", "pkg", "install", str(tmp_path / "packages/acme" / name)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for name in names
    ]  # fmt: skip

    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said

    assert set(versions()) == {f"acme/{name}" for name in names}
