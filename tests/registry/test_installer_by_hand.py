"""What an installation says and leaves: every field of it, each refusal word by word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inwit.errors import (
    ConsentError,
    InstallError,
    LockError,
    LookalikeError,
    NamespaceError,
    SourceError,
    UnknownPackageError,
)
from inwit.registry.archive import Limits
from inwit.registry.install import installer as made
from inwit.registry.install.consents import FILE, unsandboxed
from inwit.registry.install.installer import Consent, Installer, Outcome
from inwit.registry.install.kept import KeptSource, kept_sources
from inwit.registry.install.lock import (
    Lock,
    Locked,
    Wanted,
    lock_path,
    locked,
    read_lock,
    write_lock,
)
from inwit.registry.package import Permissions
from inwit.registry.sources.base import Release
from inwit.registry.sources.configured import Sources
from inwit.registry.sources.local import PathSource
from inwit.runtime.project import Project
from inwit.runtime.store import Store, audit
from tests.registry.test_installing import Shelf, make

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", "acme", "team")


def here(*sources: Any, **more: Any) -> Installer:
    return Installer(Project.find(), Sources(sources), inwit_version="2.0.0", **more)


def install(shelf: Shelf, *ids: str, version: str = "", **more: Any) -> Outcome:
    wanted = {one: Wanted(version=version) for one in ids}
    return here(shelf).install(wanted, **more)


def entry(package_id: str = "acme/app", **more: Any) -> Locked:
    facts: dict[str, Any] = {
        "version": "1.0.0", "sha256": "a" * 64, "source": "https://shelf.test",
        "origin": "registry", "level": "community",
    }  # fmt: skip
    return Locked(**({"id": package_id} | facts | more))


def names(packages: Any) -> list[str]:
    return [f"{one.id} {one.version}" for one in packages]


def logged() -> list[tuple[Any, ...]]:
    rows = audit.rows(Store.of(Project.find()))
    return [(row.actor, row.action, row.target, row.outcome, row.details) for row in rows
            if row.action.startswith("pkg.")]  # fmt: skip


def test_an_outcome_says_what_came_changed_went_and_stayed(shelf: Shelf) -> None:
    for package in ("acme/app", "acme/lib", "team/tool"):
        shelf.put(package)
    told: list[tuple[Any, ...]] = []
    worker = here(shelf, actor="person:ada", progress=lambda *one: told.append(one))

    first = worker.install({"acme/app": Wanted(), "acme/lib": Wanted()})

    assert names(first.added) == ["acme/app 1.0.0", "acme/lib 1.0.0"]
    assert (first.changed, first.removed, first.kept, first.is_dry) == ((), (), (), False)
    assert told == [("packages", 0, 2), ("packages", 1, 2), ("packages", 2, 2)]
    release = shelf.releases("acme/app")[0]
    assert read_lock(Project.find()).get("acme/app") == Locked(
        id="acme/app", version="1.0.0", sha256=str(release.sha256), source="https://shelf.test",
        origin="registry", level="community",
    )  # fmt: skip
    assert logged() == [
        ("person:ada", "pkg.install", f"package://{one.id}", "done",
         {"version": "1.0.0", "sha256": one.sha256, "source": one.source, "level": "community"})
        for one in first.added
    ]  # fmt: skip
    shelf.put("acme/app", "1.1.0")
    second = install(shelf, "acme/app", version=">1", dry_run=True)
    assert [names(pair) for pair in second.changed] == [["acme/app 1.0.0", "acme/app 1.1.0"]]
    assert names(second.kept) == ["acme/lib 1.0.0"]
    assert (second.added, second.removed, second.is_dry) == ((), (), True)
    shelf.put("acme/app", "0.9.0")
    older = install(shelf, "acme/app", version="<1", dry_run=True)
    assert [names(pair) for pair in older.changed] == [["acme/app 1.0.0", "acme/app 0.9.0"]]
    gone = worker.uninstall(["acme/lib"], dry_run=True)
    assert (names(gone.removed), names(gone.kept), gone.is_dry) == (
        ["acme/lib 1.0.0"], ["acme/app 1.0.0"], True
    )  # fmt: skip
    assert len(logged()) == 2
    worker.uninstall(["acme/app", "acme/lib"])
    assert [row[1:3] for row in logged()[2:]] == [
        ("pkg.uninstall", "package://acme/app"), ("pkg.uninstall", "package://acme/lib")
    ]  # fmt: skip
    assert not lock_path(Project.find()).exists()


def test_what_is_needed_no_more_goes_with_an_update(shelf: Shelf) -> None:
    shelf.put("acme/app", more='[dependencies]\n"acme/lib" = ""')
    shelf.put("acme/lib")
    install(shelf, "acme/app")
    shelf.put("acme/app", "2.0.0")

    with pytest.raises(UnknownPackageError, match="acme/non"):
        here(shelf).update(["acme/non"])
    outcome = here(shelf).update(["acme/app"])

    assert names(outcome.removed) == ["acme/lib 1.0.0"]
    assert [names(pair) for pair in outcome.changed] == [["acme/app 1.0.0", "acme/app 2.0.0"]]
    assert [row[1] for row in logged()] == ["pkg.install"] * 3 + ["pkg.uninstall"]


def test_an_update_of_one_leaves_the_others(shelf: Shelf) -> None:
    for version in ("1.0.0", "1.1.0"):
        shelf.put("acme/app", version)
        shelf.put("acme/lib", version)
        if version == "1.0.0":
            install(shelf, "acme/app", "acme/lib")

    assert [one.id for one, _ in here(shelf).outdated()] == ["acme/app", "acme/lib"]
    assert names(here(shelf).update(["acme/lib"]).kept) == ["acme/app 1.0.0"]
    ((old, newest),) = here(shelf).outdated()
    assert (old.version, newest.version) == ("1.0.0", "1.1.0")
    assert names(here(shelf).update().kept) == ["acme/lib 1.1.0"]
    assert here(shelf).outdated() == []


def test_outdated_passes_over_withdrawn_and_early_versions(shelf: Shelf) -> None:
    shelf.put("acme/app")
    install(shelf, "acme/app")
    shelf.put("acme/app", "1.5.0", yanked="bad")
    shelf.put("acme/app", "2.0.0rc1")
    assert here(shelf).outdated() == []
    shelf.put("acme/app", "1.2.0")
    shelf.put("acme/app", "1.10.0")
    assert [newest.version for _, newest in here(shelf).outdated()] == ["1.10.0"]
    install(shelf, "acme/app", version="==2.0.0rc1")
    shelf.put("acme/app", "2.0.0rc2")
    assert [newest.version for _, newest in here(shelf).outdated()] == ["2.0.0rc2"]


def test_advisories_are_told_of_the_version_that_is_installed(shelf: Shelf) -> None:
    known = ({"id": "A1", "severity": "high", "summary": "leaks", "affected": "<1.5"},
             {"id": "A2", "severity": "low", "summary": "old", "affected": ">=2"},
             {"id": "A3", "severity": "low", "summary": "all"},
             {"id": "A4", "severity": "low", "summary": "odd", "affected": "no range"})  # fmt: skip
    shelf.put("acme/app", advisories=known, yanked="it leaks")
    shelf.put("acme/app", "2.0.0", advisories=known)
    shelf.put("acme/user", more='[dependencies]\n"acme/app" = "==1.0.0"')
    install(shelf, "acme/user")

    told = here(shelf).advisories()

    assert [one["id"] for one in told] == ["A1", "A3", "A4", "withdrawn"]
    assert told[0] == {
        "package": "acme/app",
        "version": "1.0.0",
        "used_by": ["package acme/user"],
        **known[0],
    }
    assert told[3] == {
        "package": "acme/app", "version": "1.0.0", "id": "withdrawn", "severity": "",
        "summary": "it leaks", "used_by": ["package acme/user"],
    }  # fmt: skip
    assert here(shelf).users(entry("acme/app")) == ["package acme/user"]


def test_a_restored_project_has_what_the_lock_says_and_a_dry_one_only_says_it(shelf: Shelf) -> None:
    with pytest.raises(LockError) as none:
        here(shelf).restore()
    assert (none.value.message, none.value.hint) == (
        "The lock file names no package.", "Install one first."
    )  # fmt: skip
    shelf.put("acme/app")
    shelf.put("acme/lib")
    ((app, lib), worker) = (install(shelf, "acme/app", "acme/lib").added, here(shelf))
    place = Project.find().folder / "installed" / lib.place
    (place / "code.py").unlink()
    (place.parent / "left").mkdir()

    assert names(worker.restore(dry_run=True).added) == ["acme/lib 1.0.0"]
    assert worker.verify(["acme/lib"]) == {"acme/lib": ["code.py is gone"]}
    assert worker.restore(dry_run=True).is_dry
    found = worker.restore()
    assert (names(found.added), found.is_dry) == (["acme/lib 1.0.0"], False)
    assert worker.verify() == {app.id: [], lib.id: []}
    assert not (place.parent / "left").exists()
    assert logged()[-1][1:3] == ("pkg.restore", "package://acme/lib")
    assert worker.restore().added == ()


def test_faults_of_files_are_told_one_by_one(shelf: Shelf) -> None:
    shelf.put("acme/app")
    (app,) = install(shelf, "acme/app").added
    place = Project.find().folder / "installed" / app.place
    worker = here(shelf)
    (place / "code.py").write_text("other")
    (place / "new.py").write_text("")
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.pyc").write_text("")

    assert worker.faults(app) == ["code.py was changed", "new.py was added"]
    content = (place / "inwit-package.toml").read_bytes()
    (place / "copy").write_bytes(content)
    (place / "inwit-package.toml").unlink()
    (place / "inwit-package.toml").symlink_to(place / "copy")
    assert "inwit-package.toml was changed" in worker.faults(app)
    record = Path(f"{place}.json")
    for text in ("no json", ""):
        record.write_text(text)
        assert worker.faults(app) == [
            "it is not installed here; `inwit pkg install --frozen` restores it"
        ]
    with pytest.raises(UnknownPackageError):
        worker.verify(["acme/none"])


def test_what_another_needs_is_not_removed_and_it_says_so(shelf: Shelf) -> None:
    shelf.put("acme/lib")
    for name in ("acme/one", "acme/two"):
        shelf.put(name, more='[dependencies]\n"acme/lib" = ""')
    install(shelf, "acme/one", "acme/two", "acme/lib")

    with pytest.raises(InstallError) as needed:
        here(shelf).uninstall(["acme/lib"])

    assert needed.value.message == "acme/one, acme/two needs acme/lib."
    assert needed.value.hint == "Uninstall acme/one, acme/two too, or first."
    assert names(here(shelf).uninstall(["acme/lib", "acme/one", "acme/two"]).kept) == []


def test_bytes_that_differ_from_what_was_locked_or_shown_are_refused(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("acme/app")
    ((release, content),) = shelf.held["acme/app"]
    wrong = msgspec.structs.replace(release, sha256="b" * 64)
    shelf.held["acme/app"] = [(wrong, content)]
    with pytest.raises(LockError) as other:
        install(shelf, "acme/app")
    found = hashlib.sha256(content).hexdigest()
    assert other.value.message == f"acme/app 1.0.0 has sha256 {found[:16]}… and not {'b' * 16}…."
    assert other.value.hint == "It was changed on the way or at its source; it was not installed."

    shown = msgspec.structs.replace(
        release.manifest, package=msgspec.structs.replace(release.manifest.package, description="y")
    )
    shelf.held["acme/app"] = [(msgspec.structs.replace(release, manifest=shown), content)]
    with pytest.raises(InstallError) as differs:
        install(shelf, "acme/app")
    assert differs.value.message == "The manifest of acme/app differs from its archive's."
    assert differs.value.hint == ("What was shown is not what would be installed; tell its source.")

    shelf.put("acme/lib", "3.0.0")
    ((_, inner),) = shelf.held["acme/lib"]
    sha = hashlib.sha256(inner).hexdigest()
    shelf.held["acme/app"] = [(msgspec.structs.replace(release, sha256=sha), inner)]
    with pytest.raises(InstallError) as holds:
        install(shelf, "acme/app")
    assert (holds.value.message, holds.value.hint) == (
        "acme/app 1.0.0 holds acme/lib 3.0.0.", "Tell its source."
    )  # fmt: skip
    assert not lock_path(Project.find()).exists()


def test_a_package_whose_bytes_no_source_knows_keeps_those_that_were_fetched(shelf: Shelf) -> None:
    shelf.put("acme/app")
    ((release, content),) = shelf.held["acme/app"]

    class Unread(Shelf):
        def fetch(self, release: Release, *, max_bytes: int) -> bytes:
            assert max_bytes == Limits().archive_bytes
            return content

    source = Unread(Path("unused"), "acme")
    source.held["acme/app"] = [
        (msgspec.structs.replace(release, sha256=None, proof={"n": 1}), content)
    ]
    dry = here(source).install({"acme/app": Wanted()}, dry_run=True)
    assert dry.added[0].sha256 == "0" * 64
    (app,) = here(source).install({"acme/app": Wanted()}).added
    assert app.sha256 == hashlib.sha256(content).hexdigest()
    again = here(source).install({"acme/app": Wanted()}, dry_run=True)
    assert again.kept == (app,)
    source.held["acme/app"] = [
        (msgspec.structs.replace(release, sha256=None, proof={"n": 2}), content)
    ]
    assert here(source).update(dry_run=True).changed[0][1].sha256 == "0" * 64


def test_growing_permissions_near_names_and_other_sources_need_consent(shelf: Shelf) -> None:
    shelf.put("acme/app")
    install(shelf, "acme/app")
    shelf.put("acme/app", "2.0.0", '[permissions]\nnetwork = ["a.example"]\n')
    with pytest.raises(ConsentError, match=r"acme/app 2\.0\.0"):
        here(shelf).update()
    assert here(shelf).update(consent=Consent(permissions=True)).changed

    shelf.put("team/app-tool")
    near = Shelf(Path(shelf._folder) / "near", "tearn")
    near.put("tearn/app-tool")
    install(shelf, "team/app-tool")
    both = here(shelf, near)
    with pytest.raises(LookalikeError) as alike:
        both.install({"tearn/app-tool": Wanted()})
    assert "team/app-tool" in str(alike.value)
    assert both.install(
        {"tearn/app-tool": Wanted()}, consent=Consent(lookalikes=("tearn/app-tool",))
    ).added

    moved = Shelf(Path(shelf._folder) / "moved", "acme", name="https://else.test")
    moved.put("acme/app", "2.0.0")
    with pytest.raises(NamespaceError) as other:
        here(moved, shelf, near).update(["acme/app"])
    assert "https://shelf.test" in str(other.value)
    assert "https://else.test" in str(other.value)
    taken = here(moved, shelf, near).update(["acme/app"], consent=Consent(other_source=("acme",)))
    assert taken.changed[0][1].source == "https://else.test"


@pytest.mark.parametrize(("own", "other", "is_near"), [(5.0, 1.0, True), (1.0, 5.0, False), (5.0, 5.0, False),
                                                       (None, 1.0, False), (5.0, None, False)])  # fmt: skip
def test_a_near_name_that_nobody_uses_counts_where_it_was_there_first(
    shelf: Shelf, own: float | None, other: float | None, is_near: bool
) -> None:
    near = Shelf(Path(shelf._folder) / "near", "tearn")
    near.put("tearn/app-tool", published_s=own)
    shelf.put("team/app-tool", published_s=other)
    worker = here(shelf, near)

    if is_near:
        with pytest.raises(LookalikeError):
            worker.install({"tearn/app-tool": Wanted()})
    else:
        assert worker.install({"tearn/app-tool": Wanted()}).added


def test_consent_to_run_outside_a_sandbox_is_kept_until_the_package_goes(shelf: Shelf) -> None:
    shelf.put("acme/app")

    install(shelf, "acme/app")
    assert unsandboxed(Project.find()) == set()
    install(shelf, "acme/app", consent=Consent(unsandboxed=True))
    assert unsandboxed(Project.find()) == {"acme/app"}
    install(shelf, "acme/app")
    assert unsandboxed(Project.find()) == {"acme/app"}
    here(shelf).uninstall(["acme/app"])
    install(shelf, "acme/app")
    assert unsandboxed(Project.find()) == set()


def test_a_lock_file_consents_for_no_machine(shelf: Shelf) -> None:
    shelf.put("acme/app")
    install(shelf, "acme/app", consent=Consent(unsandboxed=True))
    file = lock_path(Project.find())
    assert b"unsandboxed" not in file.read_bytes()
    (Project.find().folder / FILE).unlink()  # a checkout has the lock file alone
    file.write_bytes(file.read_bytes().replace(b'"id":', b'"allow_unsandboxed": true, "id":', 1))

    here(shelf).restore()
    assert unsandboxed(Project.find()) == set()
    here(shelf).restore(consent=Consent(unsandboxed=True))
    assert unsandboxed(Project.find()) == {"acme/app"}


def test_what_a_lock_claims_is_what_its_source_says(shelf: Shelf) -> None:
    shelf.put("acme/app")
    (release,) = shelf.releases("acme/app")
    good = locked(release, str(release.sha256), ())
    hint = "The lock file was changed; install the package anew."

    made._check_claims(good, release)
    made._check_claims(msgspec.structs.replace(good, level="unverified"), release)
    with pytest.raises(LockError) as level:
        made._check_claims(msgspec.structs.replace(good, level="verified"), release)
    assert (level.value.message, level.value.hint) == (
        "acme/app is community, and not verified.",
        hint,
    )
    with pytest.raises(LockError) as more:
        made._check_claims(
            msgspec.structs.replace(good, permissions=Permissions(process=True)), release
        )
    assert more.value.message == "acme/app asks for other permissions than its lock says."
    assert more.value.hint == hint


def test_a_locked_release_that_its_source_has_no_more_is_told(shelf: Shelf) -> None:
    shelf.put("acme/app")
    worker = here(shelf)

    assert worker._release_of(entry()) == shelf.releases("acme/app")[0]
    with pytest.raises(LockError) as gone:
        worker._release_of(entry(version="9.0.0"))
    assert gone.value.message == "https://shelf.test no longer has acme/app 9.0.0."
    assert gone.value.hint == "Update it."
    with pytest.raises(NamespaceError):
        worker._release_of(entry(source="https://else.test"))
    with pytest.raises(NamespaceError):
        worker._release_of(entry(origin="git", version="9.0.0"))


@pytest.mark.parametrize(
    ("affected", "version", "told"),
    [("<2", "1.0", True), ("<2", "2.0", False), ("", "9", True), (None, "9", True), ("odd", "9", True),
     (">=2", "2.0rc1", False), ("<2", "2.0rc1", False), ("<=2", "1.9rc1", True)],
)  # fmt: skip
def test_an_advisory_is_about_the_versions_of_its_range(
    affected: str | None, version: str, told: bool
) -> None:
    about: Mapping[str, Any] = {} if affected is None else {"affected": affected}

    assert made._affects(about, version) is told


def test_python_packages_that_are_not_here_are_named_once(shelf: Shelf) -> None:
    needs = '["msgspec", "msgspec<0.1", "no-such-thing-here>=1", "no-such-thing-here>=1"]'
    place = make(Path(shelf._folder), "acme/app")
    text = (place / "inwit-package.toml").read_text()
    (place / "inwit-package.toml").write_text(
        text.replace("\n[entry", f"requires = {needs}\n[entry", 1)
    )
    (release,) = PathSource(place).releases("acme/app")

    assert made.missing_python([release, release]) == ("msgspec<0.1", "no-such-thing-here>=1")
    assert made.missing_python([]) == ()


# The lock file


def test_a_lock_names_what_stands_on_what() -> None:
    lock = Lock(
        wanted={"acme/a": Wanted(), "acme/d": Wanted(version=">=1")},
        packages=(
            entry("acme/a", dependencies=("acme/b",)), entry("acme/b", dependencies=("acme/c", "acme/a")),
            entry("acme/c"), entry("acme/d", dependencies=("acme/c",)),
        ),
    )  # fmt: skip

    assert lock.needed_by("acme/c") == ("acme/b", "acme/d")
    assert lock.get("acme/none") is None
    assert [one.id for one in lock.without({"acme/a"}).packages] == ["acme/c", "acme/d"]
    assert [one.id for one in lock.without({"acme/d"}).packages] == ["acme/a", "acme/b", "acme/c"]
    assert lock.without({"acme/a"}).wanted == {"acme/d": Wanted(version=">=1")}
    assert lock.without({"acme/a", "acme/d"}) == Lock()
    assert lock.packages[0].place == f"acme/a/1.0.0-{'a' * 16}"


def test_a_lock_is_read_as_it_was_written_in_one_order() -> None:
    project = Project.find()
    lock = Lock(
        wanted={"acme/b": Wanted(extras=("x",))}, packages=(entry("acme/b"), entry("acme/a"))
    )

    write_lock(project, lock)

    text = lock_path(project).read_text()
    assert text.endswith("}\n")
    assert '\n  "format": 1,' in text
    assert [one["id"] for one in json.loads(text)["packages"]] == ["acme/a", "acme/b"]
    assert read_lock(project).wanted == lock.wanted
    assert read_lock(project).packages == lock.packages[::-1]
    write_lock(project, Lock(wanted=lock.wanted))
    assert read_lock(project).packages == ()
    write_lock(project, Lock())
    write_lock(project, Lock())
    assert read_lock(project) == Lock()


@pytest.mark.parametrize(
    ("more", "is_refused"),
    [({}, False), ({"id": "acme"}, True), ({"id": "../x"}, True), ({"sha256": "A" * 64}, True),
     ({"sha256": "a" * 63}, True), ({"version": "../1"}, True), ({"version": ""}, True),
     ({"version": "1" * 80}, False), ({"version": "1" * 81}, True), ({"version": "1!2.0+x-y_z"}, False)],
)  # fmt: skip
def test_a_lock_that_names_another_place_is_refused(more: dict[str, Any], is_refused: bool) -> None:
    one = entry(**{"package_id" if name == "id" else name: value for name, value in more.items()})
    good = entry("acme/zoo")
    write_lock(Project.find(), Lock(packages=(good, one)))

    if not is_refused:
        assert len(read_lock(Project.find()).packages) == 2
        return
    with pytest.raises(LockError) as told:
        read_lock(Project.find())
    path = lock_path(Project.find())
    assert told.value.message == f"{path} names no package with {one.id!r} {one.version!r}."
    assert told.value.hint == "Restore it, or remove it and install again."


@pytest.mark.parametrize(("text", "said", "hint"), [
    ("no", "is no lock file", "Restore it, or remove it and install again."),
    ('{"format": 2}', "has format 2.", "A newer inwit wrote it."),
    ("[" * 100_000, "is no lock file", "Restore it, or remove it and install again."),
])  # fmt: skip
def test_what_is_no_lock_is_refused(text: str, said: str, hint: str) -> None:
    lock_path(Project.find()).write_text(text)

    with pytest.raises(LockError) as told:
        read_lock(Project.find())

    assert said in told.value.message
    assert told.value.hint == hint


def test_a_lock_that_cannot_be_read_is_told() -> None:
    lock_path(Project.find()).mkdir()

    with pytest.raises(LockError) as told:
        read_lock(Project.find())

    assert told.value.message.endswith("cannot be read: Is a directory.")
    assert told.value.hint == "Make it readable."


# Packages from paths


def test_a_package_from_a_path_is_known_from_what_is_installed(tmp_path: Path) -> None:
    place = make(tmp_path / "src", "acme/app")
    worker = Installer(
        Project.find(), Sources([], named=[PathSource(place)]), inwit_version="2.0.0"
    )
    (app,) = worker.install({"acme/app": Wanted()}).added
    lock, folder = read_lock(Project.find()), Project.find().folder / "installed" / app.place

    (source,) = kept_sources(Project.find(), lock, ())
    assert kept_sources(Project.find(), lock, [app.source]) == []
    assert (source.name, source.list(), source.owns("acme")) == (app.source, ("acme/app",), False)
    (release,) = source.releases("acme/app")
    assert (release.sha256, release.source, release.origin, release.proof) == (
        app.sha256, app.source, "local", app.proof
    )  # fmt: skip
    assert source.releases("acme/other") == ()
    assert hashlib.sha256(source.fetch(release, max_bytes=10**6)).hexdigest() == app.sha256
    (folder / "inwit-package.toml").unlink()
    assert KeptSource(app, folder).releases("acme/app")[0].version == "1.0.0"
    for file in sorted(place.rglob("*"), reverse=True):
        file.unlink()
    place.rmdir()
    with pytest.raises(SourceError, match="acme/app is there no longer"):
        source.fetch(release, max_bytes=10**6)
