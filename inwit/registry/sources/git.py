"""Packages of a team: a git repository at a pinned commit, which is the proof of its contents.

git runs with a configuration of ours: no hooks, no prompts, no transport that runs programs, no
submodules. Nothing of the repository is checked out; single trees are read as archives.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from inwit.errors import ArchiveError, InvalidPackageError, MalformedInputError, SourceError
from inwit.registry.archive import Limits, build_archive, unpack
from inwit.registry.manifest import parse_manifest
from inwit.registry.package import FILE_NAME, MAX_BYTES
from inwit.registry.sources.base import Level, Origin, Release
from inwit.runtime.project import user_folder

TIMEOUT_S = 120.0
DEPTH = 4
"""How many folders below its root a repository may keep a package."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PLACE = re.compile(r"(https://|ssh://|file:///|/|\./|\.\./|[\w.-]+@[\w.-]+:).+")


class GitSource:
    """One repository. `rev` is a branch, a tag or a commit; the lock file keeps the commit.

    Raises:
        MalformedInputError: The address or the revision is none that is allowed.
    """

    origin: Origin = "git"

    def __init__(
        self,
        url: str,
        *,
        rev: str = "HEAD",
        namespaces: Iterable[str],
        level: Level = "community",
        cache: Path | None = None,
    ) -> None:
        if not _PLACE.fullmatch(url) or re.search(r"[\x00-\x1f\x7f]", url):
            hint = "Allowed: https://, ssh://, file:///, user@host:path and paths."
            raise MalformedInputError(f"No git repository {url!r}.", hint=hint)
        if rev.startswith("-") or not re.fullmatch(r"[\w./+-]{1,200}", rev) or ".." in rev:
            hint = "Give a branch, a tag or a commit."
            raise MalformedInputError(f"No revision {rev!r}.", hint=hint)
        self.name = f"git+{url}"
        self.namespaces: frozenset[str] | None = frozenset(namespaces)
        self._url, self._rev, self._level = url, rev, level
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._cache = (cache or user_folder() / "git") / digest

    def owns(self, namespace: str) -> bool:
        """Whether the namespace was given to this repository."""
        return namespace in (self.namespaces or ())

    def at(self, commit: str) -> GitSource:
        """The same repository at the commit that a lock file names."""
        return GitSource(
            self._url, rev=commit, namespaces=self.namespaces or (), level=self._level,
            cache=self._cache.parent,
        )  # fmt: skip

    @cached_property
    def commit(self) -> str:
        """The commit that the revision is now, fetched.

        Raises:
            SourceError: The repository cannot be reached, or has no such revision.
        """
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._cache / "HEAD").exists():
            self._git("init", "--bare", "--quiet", ".")
        if not (_COMMIT.fullmatch(self._rev) and self._has(self._rev)):
            self._fetch()
        found = self._rev if _COMMIT.fullmatch(self._rev) else ""
        return found or self._git("rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()

    def list(self) -> Iterable[str]:
        """The ids of the packages of its namespaces."""
        return sorted(self._folders)

    def releases(self, package_id: str) -> Sequence[Release]:
        """The one version that the commit holds."""
        if package_id not in self._folders:
            return ()
        folder = self._folders[package_id]
        return (
            Release(
                manifest=parse_manifest(self._manifest(folder), f"{self.name}/{folder}"),
                source=self.name,
                origin="git",
                level=self._level,
                proof={"commit": self.commit, "folder": folder},
            ),
        )

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """Its archive, built from the tree of the commit."""
        import io
        import tempfile

        folder = self._folders[release.id]
        tree = f"{self.commit}:{folder}" if folder else self.commit
        content = self._git("archive", "--format=tar.gz", tree, limit=max_bytes)
        with tempfile.TemporaryDirectory() as place:
            unpack(io.BytesIO(content), Path(place), Limits(archive_bytes=max_bytes))
            return build_archive(Path(place)).content

    @cached_property
    def _folders(self) -> Mapping[str, str]:
        """Where in the repository each package is."""
        listed = self._git("ls-tree", "-r", "-z", "--name-only", self.commit).decode(
            "utf-8", "replace"
        )
        found: dict[str, str] = {}
        for path in listed.split("\0"):
            folder, _, name = path.rpartition("/")
            if name != FILE_NAME or path.count("/") > DEPTH:
                continue
            manifest = self._read(folder)
            if manifest is not None and manifest.partition("/")[0] in (self.namespaces or ()):
                found.setdefault(manifest, folder)
        return found

    def _read(self, folder: str) -> str | None:
        """The id of the package in a folder; None where the manifest is at fault."""
        try:
            return parse_manifest(self._manifest(folder), folder).id
        except InvalidPackageError:
            return None

    def _manifest(self, folder: str) -> bytes:
        path = f"{folder}/{FILE_NAME}" if folder else FILE_NAME
        return self._git("cat-file", "blob", f"{self.commit}:{path}", limit=MAX_BYTES + 1)

    def _has(self, commit: str) -> bool:
        try:
            self._git("cat-file", "-e", f"{commit}^{{commit}}")
        except SourceError:
            return False
        return True

    def _fetch(self) -> None:
        options = ("--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules")
        try:
            self._git("fetch", *options, "--", self._url, self._rev)
        except SourceError:
            if not _COMMIT.fullmatch(self._rev):
                raise
            # Not every server hands out single commits: take its branches and look there.
            self._git("fetch", "--quiet", "--no-tags", "--", self._url, "+refs/heads/*:refs/team/*")
            if not self._has(self._rev):
                raise

    def _git(self, *args: str, limit: int = 64 << 20) -> bytes:
        command = ["git", *_SAFE, *args]
        try:
            with subprocess.Popen(  # noqa: S603 - no shell; what may be an option was refused
                command, cwd=self._cache, env=_environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            ) as process:  # fmt: skip
                try:
                    out, said = process.communicate(timeout=TIMEOUT_S)
                except subprocess.TimeoutExpired as exc:
                    process.kill()
                    why = f"git took over {TIMEOUT_S:.0f} s"
                    raise SourceError(self.name, why) from exc
        except FileNotFoundError as exc:
            raise SourceError(self.name, "git is not installed") from exc
        if process.returncode:
            raise SourceError(self.name, said.decode("utf-8", "replace").strip()[-300:])
        if len(out) > limit:
            raise ArchiveError(self.name, "size in bytes", len(out), limit)
        return out


_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always",
    "-c", "protocol.ssh.allow=always", "-c", "protocol.file.allow=always", "-c", "gc.auto=0",
    "-c", "core.fsmonitor=false", "-c", "transfer.fsckObjects=true", "-c", "safe.directory=*",
)  # fmt: skip


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
