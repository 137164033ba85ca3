"""The releases and advisories of a registry, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from inwit.errors import MalformedInputError, UnknownPackageError, shorten
from inwit.ids import new_id
from inwit.registry.package import PackageManifest
from inwit.registry.store_rows import Row, Rows, Statements
from inwit.registry.trust import Level, check_level

SEVERITIES = ("low", "moderate", "high", "critical")
_COLUMNS = (
    "digest, id, version, kind, description, manifest, envelope, size_bytes, level, publisher,"
    " published_at, yanked_at, yanked_why, installs"
)


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One release as the registry holds it. `envelope` is the text of its DSSE envelope."""

    digest: str
    id: str
    version: str
    kind: str
    description: str
    manifest: dict[str, Any]
    envelope: str
    size_bytes: int
    level: Level
    publisher: str
    published_at: str
    yanked_at: str | None = None
    yanked_why: str = ""
    installs: int = 0

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def path(self) -> str:
        """The target of the archive."""
        return archive_path(self.id, self.version)

    def checked_manifest(self) -> PackageManifest:
        """The manifest as its type."""
        return msgspec.convert(self.manifest, PackageManifest)

    def to_json(self) -> dict[str, Any]:
        """What routes and tools show."""
        return {
            "id": self.id, "version": self.version, "kind": self.kind,
            "description": self.description, "hash": self.digest, "size_bytes": self.size_bytes,
            "level": self.level, "publisher": self.publisher, "published_at": self.published_at,
            "yanked": self.yanked_why or (None if self.yanked_at is None else "yanked"),
            "installs": self.installs, "manifest": self.manifest,
        }  # fmt: skip


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """A warning about versions of a package; `affected` is a range by PEP 440."""

    id: str
    package: str
    affected: str
    severity: str
    summary: str
    published_at: str


class Releases:
    """All releases of one registry."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def of(self, package_id: str) -> list[Published]:
        """The versions of a package, newest first."""
        found = self._find("WHERE id = ?", package_id)
        return sorted(found, key=lambda one: Version(one.version), reverse=True)

    def by_digest(self, digest: str) -> Published:
        """The release whose archive has that sha256.

        Raises:
            UnknownPackageError: There is none.
        """
        found = self._find("WHERE digest = ?", digest)
        if not found:
            raise UnknownPackageError(digest, ())
        return found[0]

    def all(self, *, kind: str | None = None) -> list[Published]:
        """Every release, by id and then newest first."""
        found = self._find("WHERE kind = ?", kind) if kind else self._find("")
        found.sort(key=lambda one: Version(one.version), reverse=True)
        return sorted(found, key=lambda one: one.id)

    def latest(self, *, kind: str | None = None) -> list[Published]:
        """For each package its newest release that is not yanked, final ones before others."""
        best: dict[str, Published] = {}
        for one in self.all(kind=kind):
            held = best.get(one.id)
            if one.yanked_at is None and (held is None or _is_better(one, held)):
                best[one.id] = one
        return list(best.values())

    def ids(self) -> list[str]:
        """The ids of all packages."""
        return [row[0] for row in self._rows.read("SELECT DISTINCT id FROM releases ORDER BY id")]

    def count(self) -> tuple[int, str]:
        """What changes when anything does: how many releases, and the newest move."""
        found = self._rows.read(
            "SELECT count(*), coalesce(max(published_at), ''), count(yanked_at) FROM releases"
        )
        return (int(found[0][0]), f"{found[0][1]}/{found[0][2]}") if found else (0, "")

    def add(self, run: Statements, one: Published) -> None:
        """Enter a release, within a transaction."""
        run(
            f"INSERT INTO releases ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            one.digest, one.id, one.version, one.kind, one.description,
            msgspec.json.encode(one.manifest).decode(), one.envelope, one.size_bytes, one.level,
            one.publisher, one.published_at, one.yanked_at, one.yanked_why, one.installs,
        )  # fmt: skip

    def yank(self, run: Statements, digest: str, why: str) -> None:
        """Say that nobody should take a release anew, within a transaction."""
        run(
            "UPDATE releases SET yanked_at = ?, yanked_why = ? WHERE digest = ?",
            now(), why, digest,
        )  # fmt: skip

    def relevel(self, run: Statements, namespace: str, level: Level) -> None:
        """Show all releases of a namespace at its new level."""
        run("UPDATE releases SET level = ? WHERE id LIKE ?", level, f"{namespace}/%")

    def count_install(self, digest: str) -> None:
        """Count one more download."""
        with self._rows.transaction() as run:
            run("UPDATE releases SET installs = installs + 1 WHERE digest = ?", digest)

    def advise(
        self, run: Statements, package: str, affected: str, severity: str, summary: str
    ) -> Advisory:
        """Enter a warning, within a transaction.

        Raises:
            MalformedInputError: The range or the severity is none.
        """
        try:
            SpecifierSet(affected)
        except InvalidSpecifier as exc:
            raise MalformedInputError(
                f"{shorten(affected)} is no range.", hint='Write it as ">=1,<1.4".'
            ) from exc
        if severity not in SEVERITIES:
            raise MalformedInputError(
                f"No severity {shorten(severity)}.", hint=f"One of {', '.join(SEVERITIES)}."
            )
        made = Advisory(
            id=f"INWIT-{new_id()}", package=package, affected=affected, severity=severity,
            summary=summary, published_at=now(),
        )  # fmt: skip
        run(
            "INSERT INTO advisories VALUES (?, ?, ?, ?, ?, ?)",
            made.id, made.package, made.affected, made.severity, made.summary, made.published_at,
        )  # fmt: skip
        return made

    def advisories(
        self, package: str | None = None, run: Statements | None = None
    ) -> list[Advisory]:
        """The warnings about a package, or all."""
        ask = run or self._rows.read
        columns = "id, package, versions, severity, summary, published_at"
        where, values = ("WHERE package = ? ", (package,)) if package else ("", ())
        found = ask(f"SELECT {columns} FROM advisories {where}ORDER BY published_at, id", *values)
        return [
            Advisory(
                id=number,
                package=name,
                affected=affected,
                severity=severity,
                summary=said,
                published_at=at,
            )
            for number, name, affected, severity, said, at in found
        ]

    def _find(self, where: str, *values: Any, run: Statements | None = None) -> list[Published]:
        ask = run or self._rows.read
        return [_published(row) for row in ask(f"SELECT {_COLUMNS} FROM releases {where}", *values)]

    def within(self, run: Statements, package_id: str) -> Sequence[Published]:
        """The versions of a package as a transaction sees them, oldest first."""
        found = self._find("WHERE id = ?", package_id, run=run)
        return sorted(found, key=lambda one: Version(one.version))


def archive_path(package_id: str, version: str) -> str:
    """The target of an archive: below its namespace, which a role of its own signs for."""
    namespace, _, name = package_id.partition("/")
    return f"packages/{namespace}/{name}-{version.replace('!', '~')}.tar.gz"


def now() -> str:
    """This moment, as RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _is_better(one: Published, held: Published) -> bool:
    new, old = Version(one.version), Version(held.version)
    return (not new.is_prerelease, new) > (not old.is_prerelease, old)


def _published(row: Row) -> Published:
    digest, package_id, version, kind, description, manifest, envelope, size, level, *rest = row
    publisher, published_at, yanked_at, yanked_why, installs = rest
    return Published(
        digest=digest, id=package_id, version=version, kind=kind, description=description,
        manifest=msgspec.json.decode(manifest), envelope=envelope, size_bytes=size,
        level=check_level(level), publisher=publisher, published_at=published_at,
        yanked_at=yanked_at, yanked_why=yanked_why, installs=installs,
    )  # fmt: skip
