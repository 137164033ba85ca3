"""Installing, updating and removing packages of one project.

Everything is made ready beside what is there: fetched, checked against its sha256, unpacked within
limits into a folder named by its content. Then the lock file is renamed into its place, and with
that all of it happens at once. Whatever interrupts before leaves the old state; what was left
over is cleaned up by whoever comes next. Nothing of a package runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from inwit.errors import (
    ConsentError,
    InstallError,
    LockError,
    LookalikeError,
    NamespaceError,
    UnknownPackageError,
)
from inwit.registry.archive import File, Limits, read_archive, unpack
from inwit.registry.install.consents import let_run_unsandboxed, unsandboxed
from inwit.registry.install.kept import kept_sources
from inwit.registry.install.lock import (
    Lock,
    Locked,
    Wanted,
    installed_folder,
    locked,
    read_lock,
    write_lock,
)
from inwit.registry.install.resolving import Resolved, resolve
from inwit.registry.install.used import used_by
from inwit.registry.sources.base import Release
from inwit.registry.sources.configured import Sources
from inwit.registry.trust import policy_of, rank
from inwit.registry.trust_names import Lookalike, lookalike
from inwit.runtime.files import sync_folder
from inwit.runtime.project import Project
from inwit.runtime.store import audit

LOCK_TIMEOUT_S = 120.0
Progress = Callable[[str, int, int], None]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What the user agreed to."""

    permissions: bool = False
    """Updates may ask for more than before."""
    lookalikes: tuple[str, ...] = ()
    """Ids that may be near to known ones."""
    other_source: tuple[str, ...] = ()
    """Namespaces that may come from another source than the lock file says."""
    unsandboxed: bool = False
    """Code of unverified packages may run without a sandbox where none can be made."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or would be: packages that came, changed (before, after) and went."""

    added: tuple[Locked, ...] = ()
    changed: tuple[tuple[Locked, Locked], ...] = ()
    removed: tuple[Locked, ...] = ()
    kept: tuple[Locked, ...] = ()
    missing_python: tuple[str, ...] = ()
    """Python distributions that installed packages need and that are not here."""
    is_dry: bool = False


class Installer:
    """The packages of one project."""

    def __init__(
        self,
        project: Project,
        sources: Sources,
        *,
        inwit_version: str,
        actor: str = "person:unknown",
        limits: Limits | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._project = project
        self._sources = sources
        self._inwit = inwit_version
        self._actor = actor
        self._limits = limits or Limits()
        self._tell = progress or _silent
        self._folder = installed_folder(project)

    def install(
        self,
        wanted: Mapping[str, Wanted],
        *,
        consent: Consent | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Install packages with what they stand on; what is installed stays where it can.

        Raises:
            RegistryError: It cannot be done; everything is as it was.
        """
        with self._alone():
            before = self._lock()
            asked = {**before.wanted, **wanted}
            kept = {one.id: one.version for one in before.packages if one.id not in wanted}
            resolved = self._resolve(asked, kept)
            return self._change(before, asked, resolved, consent or Consent(), dry_run)

    def update(
        self,
        ids: Iterable[str] = (),
        *,
        consent: Consent | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Take the newest versions that fit, of these packages or of all.

        Raises:
            UnknownPackageError: One is not installed.
            RegistryError: It cannot be done; everything is as it was.
        """
        with self._alone():
            before = self._lock()
            named = set(ids)
            self._check_installed(before, named)
            kept = {one.id: one.version for one in before.packages if named and one.id not in named}
            resolved = self._resolve(before.wanted, kept)
            return self._change(before, before.wanted, resolved, consent or Consent(), dry_run)

    def restore(self, *, consent: Consent | None = None, dry_run: bool = False) -> Outcome:
        """Make what is installed equal to the lock file, and change nothing in it (``--frozen``).

        Raises:
            LockError: What the lock file names cannot be had with the same bytes.
        """
        with self._alone():
            lock = self._lock()
            if not lock.packages:
                raise LockError("The lock file names no package.", hint="Install one first.")
            missing = [one for one in lock.packages if not self._is_whole(one)]
            if not dry_run:
                for one in missing:
                    release = self._release_of(one)
                    _check_claims(one, release)
                    self._place(release, one.sha256)
                self._clean(lock)
                self._audit("pkg.restore", [], missing)
                self._consent(lock, consent or Consent())
            return Outcome(added=tuple(missing), is_dry=dry_run)

    def uninstall(self, ids: Iterable[str], *, dry_run: bool = False) -> Outcome:
        """Remove packages, and what came with them alone.

        Raises:
            UnknownPackageError: One is not installed.
            InstallError: Another installed package needs one of them.
        """
        with self._alone():
            before, gone = self._lock(), set(ids)
            self._check_installed(before, gone)
            after = before.without(gone)
            for package_id in sorted(gone):
                if after.get(package_id) is not None:
                    needed = ", ".join(after.needed_by(package_id))
                    hint = f"Uninstall {needed} too, or first."
                    raise InstallError(f"{needed} needs {package_id}.", hint=hint)
            removed = tuple(one for one in before.packages if after.get(one.id) is None)
            if not dry_run:
                self._audit("pkg.uninstall", removed, [])
                self._consent(after, Consent())
                write_lock(self._project, after)
                self._clean(after)
            return Outcome(removed=removed, kept=after.packages, is_dry=dry_run)

    def outdated(self) -> list[tuple[Locked, Release]]:
        """The installed packages of which their source has a newer version, with that version."""
        from packaging.version import Version

        found = []
        for one in self._lock().packages:
            newer = [
                release
                for release in self._sources.releases(one.id)
                if release.yanked is None
                and Version(release.version) > Version(one.version)
                and (
                    not Version(release.version).is_prerelease or Version(one.version).is_prerelease
                )
            ]
            if newer:
                found.append((one, max(newer, key=lambda release: Version(release.version))))
        return found

    def advisories(self) -> list[dict[str, Any]]:
        """What is known against installed packages: advisories, and versions withdrawn since.

        Each says who uses the package.
        """
        found, lock = [], self._lock()
        for one in lock.packages:
            for release in self._sources.releases(one.id):
                if release.version != one.version:
                    continue
                told = [dict(each) for each in release.advisories if _affects(each, one.version)]
                if release.yanked is not None:
                    told.append({"id": "withdrawn", "severity": "", "summary": release.yanked})
                found += [
                    {
                        "package": one.id, "version": one.version, **each,
                        "used_by": used_by(self._project, lock, one.id, self._folder / one.place),
                    }
                    for each in told
                ]  # fmt: skip
        return found

    def users(self, one: Locked) -> list[str]:
        """Who uses an installed package, or used it until it was removed."""
        return used_by(self._project, self._lock(), one.id, self._folder / one.place)

    def verify(self, ids: Iterable[str] = ()) -> dict[str, list[str]]:
        """Compare installed files with what was unpacked; each package with its faults.

        Raises:
            UnknownPackageError: One is not installed.
        """
        lock, named = self._lock(), set(ids)
        self._check_installed(lock, named)
        packages = (one for one in lock.packages if not named or one.id in named)
        return {one.id: self.faults(one) for one in packages}

    def faults(self, one: Locked) -> list[str]:
        """What differs from what was unpacked: files that changed, went or came."""
        try:
            record = msgspec.json.decode(self._record(one).read_bytes(), type=list[File])
        except (OSError, msgspec.DecodeError):
            return ["it is not installed here; `inwit pkg install --frozen` restores it"]
        place = self._folder / one.place
        known = {file.path: file for file in record}
        found = []
        for path in sorted(known):
            try:
                same = hashlib.sha256((place / path).read_bytes()).hexdigest() == known[path].sha256
            except OSError:
                found.append(f"{path} is gone")
                continue
            if not same or (place / path).is_symlink():
                found.append(f"{path} was changed")
        for file in sorted(place.rglob("*")):
            name = file.relative_to(place).as_posix()
            if not file.is_dir() and name not in known and "__pycache__" not in name:
                found.append(f"{name} was added")
        return found

    # How it is done

    def _lock(self) -> Lock:
        """What is installed; packages that came from paths are known by it."""
        lock = read_lock(self._project)
        self._sources.keep(kept_sources(self._project, lock, self._sources.names))
        return lock

    def _resolve(self, asked: Mapping[str, Wanted], kept: Mapping[str, str]) -> Resolved:
        return resolve(asked, self._sources, inwit_version=self._inwit, kept=kept)

    def _change(
        self,
        before: Lock,
        asked: Mapping[str, Wanted],
        resolved: Resolved,
        consent: Consent,
        dry_run: bool,
    ) -> Outcome:
        """Make everything ready, then rename the lock file."""
        releases = [
            one for one in resolved.releases.values() if one.source != self._sources.shipped
        ]
        self._check(before, releases, consent)
        after = []
        for number, release in enumerate(sorted(releases, key=lambda one: one.id)):
            self._tell("packages", number, len(releases))
            after.append(self._ready(before, release, resolved.needs[release.id], dry_run))
        self._tell("packages", len(releases), len(releases))
        outcome = self._compared(before, after, releases, dry_run)
        if not dry_run:
            lock = Lock(wanted=dict(asked), packages=tuple(after))
            self._audit("pkg.install", outcome.removed, after)
            self._consent(lock, consent)
            write_lock(self._project, lock)
            self._clean(lock)
        return outcome

    def _check(self, before: Lock, releases: Iterable[Release], consent: Consent) -> None:
        """What is refused unless the user agreed, before anything is fetched."""
        policy = policy_of(self._project.settings())
        allowed = {*consent.lookalikes, *policy.allow_lookalikes}
        for release in releases:
            installed = before.get(release.id)
            if installed is None:
                near = self._taken_for(release, before)
                if near is not None and release.id not in allowed:
                    raise LookalikeError(release.id, near.known, near.why)
                continue
            namespace = release.id.partition("/")[0]
            moved = installed.source != release.source and "local" not in {
                installed.origin, release.origin
            }  # fmt: skip
            if moved and namespace not in consent.other_source:
                raise NamespaceError(namespace, installed.source, release.source)
            growth = release.manifest.permissions.growth(installed.permissions)
            if growth and not consent.permissions:
                raise ConsentError(f"{release.id} {release.version}", growth)

    def _taken_for(self, release: Release, before: Lock) -> Lookalike | None:
        """A known name that this one is near to: one in use here, or one that was there first."""
        used = {one.id for one in before.packages} | set(self._sources.own_ids)
        for known in sorted({*used, *self._sources.ids} - {release.id}):
            near = lookalike(release.id, [known])
            if near is not None and (known in used or self._was_first(known, release)):
                return near
        return None

    def _was_first(self, known: str, release: Release) -> bool:
        own, other = (
            [one.published_s for one in self._sources.releases(package_id) if one.published_s]
            for package_id in (release.id, known)
        )
        return bool(own and other) and min(other) < min(own)

    def _ready(self, before: Lock, release: Release, needs: Iterable[str], dry_run: bool) -> Locked:
        old = before.get(release.id)
        digest = release.sha256
        same = old is not None and old.version == release.version and old.proof == release.proof
        if digest is None and same and old is not None:
            digest = old.sha256
        if not dry_run:
            digest = self._place(release, digest)
        return locked(release, digest or "0" * 64, needs)

    def _consent(self, lock: Lock, consent: Consent) -> None:
        """Keep that what is installed may run without a sandbox; what goes may no longer."""
        ids = {one.id for one in lock.packages}
        kept = ids if consent.unsandboxed else ids & unsandboxed(self._project)
        let_run_unsandboxed(self._project, kept)

    def _place(self, release: Release, sha256: str | None) -> str:
        """Fetch, check and unpack a package into the folder of its content; give its sha256."""
        if sha256 is not None:
            made = locked(release, sha256, ())
            if self._is_whole(made):
                return sha256
        content = self._sources.fetch(release, max_bytes=self._limits.archive_bytes)
        found = hashlib.sha256(content).hexdigest()
        if sha256 is not None and found != sha256:
            hint = "It was changed on the way or at its source; it was not installed."
            raise LockError(
                f"{release.id} {release.version} has sha256 {found[:16]}… and not {sha256[:16]}….",
                hint=hint,
            )
        archive = read_archive(content, self._limits)
        if (archive.manifest.id, archive.manifest.package.version) != (release.id, release.version):
            told = f"{archive.manifest.id} {archive.manifest.package.version}"
            raise InstallError(
                f"{release.id} {release.version} holds {told}.", hint="Tell its source."
            )
        if archive.manifest != release.manifest:
            hint = "What was shown is not what would be installed; tell its source."
            raise InstallError(
                f"The manifest of {release.id} differs from its archive's.", hint=hint
            )
        self._unpacked(content, locked(release, found, ()))
        return found

    def _unpacked(self, content: bytes, made: Locked) -> None:
        place = self._folder / made.place
        staging = self._folder / f".new-{os.getpid()}-{secrets.token_hex(4)}"
        self._project.ensure()
        staging.mkdir(parents=True, mode=0o755)
        try:
            files = unpack(io.BytesIO(content), staging, self._limits)
            place.parent.mkdir(parents=True, exist_ok=True)
            record = self._record(made)
            record.with_suffix(".new").write_bytes(msgspec.json.encode(files))
            record.with_suffix(".new").replace(record)
            if place.exists():  # damaged, or left by an interrupted installation
                shutil.rmtree(place)
            staging.rename(place)
            sync_folder(place.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _record(self, one: Locked) -> Path:
        return self._folder / f"{one.place}.json"

    def _is_whole(self, one: Locked) -> bool:
        return self._record(one).exists() and not self.faults(one)

    def _release_of(self, one: Locked) -> Release:
        """The very release that a lock file names, with its proof."""
        same = [
            release for release in self._sources.releases(one.id) if release.version == one.version
        ]
        if not same and one.origin != "git":
            raise LockError(
                f"{one.source} no longer has {one.id} {one.version}.", hint="Update it."
            )
        if one.origin == "git":
            return self._pinned(one)
        if same[0].source != one.source:
            raise NamespaceError(one.id.partition("/")[0], same[0].source, one.source)
        return same[0]

    def _pinned(self, one: Locked) -> Release:
        from inwit.registry.sources.git import GitSource

        owner = self._sources.owner(one.id)
        if not isinstance(owner, GitSource) or owner.name != one.source:
            raise NamespaceError(one.id.partition("/")[0], owner.name, one.source)
        found = owner.at(str(one.proof.get("commit"))).releases(one.id)
        if not found:
            raise LockError(f"{one.source} has no {one.id} at that commit.", hint="Update it.")
        return found[0]

    def _compared(
        self, before: Lock, after: list[Locked], releases: Iterable[Release], dry_run: bool
    ) -> Outcome:
        pairs = [(before.get(one.id), one) for one in after]
        ids = {one.id for one in after}
        return Outcome(
            added=tuple(new for old, new in pairs if old is None),
            changed=tuple((old, new) for old, new in pairs if old and _moved(old, new)),
            removed=tuple(one for one in before.packages if one.id not in ids),
            kept=tuple(new for old, new in pairs if old and not _moved(old, new)),
            missing_python=missing_python(releases),
            is_dry=dry_run,
        )

    @staticmethod
    def _check_installed(lock: Lock, ids: Iterable[str]) -> None:
        for package_id in sorted(ids):
            if lock.get(package_id) is None:
                raise UnknownPackageError(package_id, [one.id for one in lock.packages])

    def _clean(self, lock: Lock) -> None:
        """Take away what the lock file does not name; what cannot go stays for the next."""
        if not self._folder.is_dir():
            return
        kept = {str(self._folder / one.place) for one in lock.packages}
        kept |= {str(self._record(one)) for one in lock.packages}
        for left in self._folder.glob(".new-*"):
            shutil.rmtree(left, ignore_errors=True)
        for path in self._folder.glob("*/*/*"):
            if str(path) not in kept:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        for folder in (*self._folder.glob("*/*"), *self._folder.glob("*"), self._folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _audit(self, action: str, before: Iterable[Locked], after: Iterable[Locked]) -> None:
        for name, packages in ((action, after), ("pkg.uninstall", before)):
            for one in packages:
                audit.append(
                    self._project, actor=self._actor, action=name, target=f"package://{one.id}",
                    outcome="done", details={"version": one.version, "sha256": one.sha256,
                                             "source": one.source, "level": one.level},
                )  # fmt: skip

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the project against other installers, waiting for them."""
        folder = self._project.ensure()
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as exc:
                    if time.monotonic() > deadline:
                        hint = "Wait for it, or end it."
                        raise InstallError(
                            "Another process is installing here.", hint=hint
                        ) from exc
                    time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)


def _affects(advisory: Mapping[str, Any], version: str) -> bool:
    """Whether an advisory is about a version; one that names no range is about all."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(str(advisory.get("affected") or "")).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def missing_python(releases: Iterable[Release]) -> tuple[str, ...]:
    """The Python distributions that packages need and that are not installed in this version."""
    from importlib import metadata

    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, None] = {}
    for release in releases:
        for text in release.manifest.package.requires:
            try:
                wanted = Requirement(text)
                here = metadata.version(wanted.name)
            except InvalidRequirement:
                continue
            except metadata.PackageNotFoundError:
                found[text] = None
                continue
            if not wanted.specifier.contains(here, prereleases=True):
                found[text] = None
    return tuple(found)


def _check_claims(one: Locked, release: Release) -> None:
    """A lock file comes from anywhere: it may not call a package more trusted than its source does.

    Nor may it hide what the package reaches.
    """
    hint = "The lock file was changed; install the package anew."
    if rank(one.level) > rank(release.level):
        raise LockError(f"{one.id} is {release.level}, and not {one.level}.", hint=hint)
    if one.permissions != release.manifest.permissions:
        raise LockError(f"{one.id} asks for other permissions than its lock says.", hint=hint)


def _moved(old: Locked, new: Locked) -> bool:
    return (old.version, old.sha256) != (new.version, new.sha256)


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""
