"""A registry: takes packages in, signs what it says of them, and tells what it has.

Everything that is written goes through one transaction of its rows, which no other process shares;
the signed metadata is written within it, its timestamp last.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from inwit.errors import (
    AlreadyPublishedError,
    BadSignatureError,
    ForbiddenError,
    InwitError,
    MalformedInputError,
    NamespaceError,
    PublishError,
    UnknownPackageError,
    UnsignedPackageError,
    shorten,
)
from inwit.registry.archive import read_archive
from inwit.registry.package import PackageManifest
from inwit.registry.serve_tokens import Caller
from inwit.registry.store_blobs import Blobs, open_blobs
from inwit.registry.store_releases import Advisory, Published, Releases, now
from inwit.registry.store_rows import Rows, Statements, open_rows
from inwit.registry.trust import Verdict
from inwit.registry.trust_envelope import digest_of, read_envelope, verify
from inwit.registry.trust_keys import KeyRing, Namespace, PublicKey
from inwit.registry.trust_names import Lookalike, lookalike
from inwit.registry.trust_repository import (
    ADVISORIES_PATH,
    NAMES_PATH,
    OWN_ROLE,
    TARGETS,
    TrustRepository,
    namespace_role,
)
from inwit.runtime.project import Project
from inwit.runtime.store import audit

REASON_LIMIT = 300
LONGEST_KEY = timedelta(days=2 * 365)
RESERVED = frozenset({"inwit"})
"""Namespaces that are never claimed by publishing: that of what is shipped."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a publication. `lookalikes` are names that it may be taken for."""

    release: Published
    is_new: bool
    warnings: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()


class Registry:
    """The registry in a folder, or with its files in S3 and its rows in PostgreSQL.

    Args:
        folder: Keeps the keys, the audit log, and all else that is kept nowhere else.
        storage: ``s3://bucket/prefix``; by default the folder.
        metadata: ``postgresql://…``; by default ``inwit.db`` in the folder.
        open_namespaces: Whether who may publish can claim a namespace that nobody has.
    """

    def __init__(
        self,
        folder: Path,
        *,
        storage: str | None = None,
        metadata: str | None = None,
        open_namespaces: bool = True,
    ) -> None:
        self.folder = folder
        self.project = Project(root=folder, folder=folder)
        self.rows: Rows = open_rows(self.project, metadata)
        self.blobs: Blobs = open_blobs(storage or folder / "files")
        self.trust = TrustRepository(self.blobs, folder / "keys")
        self.releases = Releases(self.rows)
        self._open_namespaces = open_namespaces
        self._lock = threading.RLock()

    @property
    def exists(self) -> bool:
        """Whether there is one yet; reading makes none."""
        return self.trust.is_initialised()

    def initialise(self, *, root_keys: int = 1, root_threshold: int = 1) -> None:
        """Make its folder and keys, unless they are there."""
        self.project.ensure()
        with self._lock, self.rows.transaction():
            self.trust.initialise(root_keys=root_keys, root_threshold=root_threshold)

    def note(self, actor: str, action: str, target: str, details: dict[str, Any]) -> None:
        """Enter into the registry's audit log what was done at its terminal."""
        self.project.ensure()
        self._audit(Caller(name=actor), action, target, details)

    def keep_fresh(self) -> None:
        """Sign anew what will expire; call it before metadata is served."""
        if self.exists and self.trust.is_due():
            with self._lock, self.rows.transaction():
                self.trust.refresh()

    def close(self) -> None:
        """Close its files."""
        self.rows.close()

    # Packages

    def publish(
        self, content: bytes, envelope: bytes, caller: Caller, *, key: PublicKey | None = None
    ) -> Receipt:
        """Take a package in: its archive, and the envelope that its publisher signed.

        `key` is the publisher's, for a namespace that nobody has: it is claimed with it. Sent once
        more, the same archive is published already, which is no error.

        Raises:
            UnsignedPackageError: There is no envelope.
            TrustError: The signature does not fit, or another owns the namespace.
            AlreadyPublishedError: The version is there, with another content.
            InvalidPackageError: The archive holds no package.
            ForbiddenError: The token has no such scope.
        """
        manifest = read_archive(content).manifest
        about = manifest.package
        caller.need("publish", about.namespace)
        if not envelope:
            raise UnsignedPackageError(f"{manifest.id} {about.version}", caller.name)
        with self._lock, self.rows.transaction() as run:
            digest, version = digest_of(content), Version(about.version)
            for one in self.releases.within(run, manifest.id):
                if one.digest == digest:
                    return Receipt(release=one, is_new=False)
                if Version(one.version) == version:  # 1.0 and 1.0.0 are one
                    raise AlreadyPublishedError(manifest.id, about.version)
            near = self._lookalike(manifest.id)
            ring = self._owned(about.namespace, caller, key)
            made = _release(manifest, content, envelope, ring, caller)
            self.releases.add(run, made)
            self._sign(run, made, content)
            self._audit(caller, "package.publish", f"{made.id} {made.version}", {"sha256": digest})
        return Receipt(release=made, is_new=True, **_warned(near))

    def content(self, digest: str, *, count: bool = True) -> bytes:
        """The archive of that sha256.

        Raises:
            UnknownPackageError: There is none.
        """
        one = self.releases.by_digest(digest)
        found = self.blobs.get(_blob(one.path, digest))
        if found is None:
            raise UnknownPackageError(digest, ())
        if count:
            self.releases.count_install(digest)
        return found

    def yank(self, digest: str, why: str, caller: Caller) -> Published:
        """Say that nobody should take a release anew. Who has it keeps it, and is told by `audit`.

        Raises:
            UnknownPackageError: There is none.
            ForbiddenError: The token has no such scope.
        """
        one = self.releases.by_digest(digest)
        caller.need("yank", one.namespace)
        why = _reason(why)
        with self._lock, self.rows.transaction() as run:
            self.releases.yank(run, digest, why)
            self.trust.publish({namespace_role(one.namespace): self._index(run, one.id)})
            self._audit(caller, "package.yank", f"{one.id} {one.version}", {"why": why})
        return self.releases.by_digest(digest)

    def advise(
        self, package: str, affected: str, severity: str, summary: str, caller: Caller
    ) -> Advisory:
        """Warn of versions of a package.

        Raises:
            UnknownPackageError: There is none.
            ForbiddenError: The token has no such scope.
            MalformedInputError: The range or the severity is none.
        """
        caller.need("yank", package.partition("/")[0])
        if package not in self.releases.ids():
            raise UnknownPackageError(package, self.releases.ids())
        with self._lock, self.rows.transaction() as run:
            made = self.releases.advise(run, package, affected, severity, _reason(summary))
            every = self.releases.advisories(run=run)
            content = msgspec.json.encode({"schema_version": "1", "advisories": every})
            self.trust.publish({OWN_ROLE: {ADVISORIES_PATH: content}})
            self._audit(caller, "package.advise", package, {"advisory": made.id})
        return made

    # Trust

    def ring(self) -> KeyRing:
        """Whose keys count for what; empty while there is no registry."""
        return self.trust.ring() if self.exists else KeyRing()

    def set_ring(self, ring: KeyRing, actor: str) -> None:
        """Vouch for keys and namespaces, as whoever holds the key of the targets role."""
        with self._lock, self.rows.transaction() as run:
            before = self.trust.ring()
            self.trust.set_ring(ring)
            for name, namespace in ring.namespaces.items():
                if before.namespaces.get(name) != namespace:
                    self.releases.relevel(run, name, namespace.level)
            self._audit(Caller(name=actor), "trust.set_ring", "trust/keys.json", {})

    def rotate(self, role: str, actor: str) -> None:
        """Replace the keys of ``root``, or the ``online`` one that signs what changes often."""
        with self._lock, self.rows.transaction():
            if role == "root":
                before = tuple(self.trust.root_key_ids())
                self.trust.rotate_root(drop=before, add=len(before))
            else:
                self.trust.rotate_online()
            self._audit(Caller(name=actor), "trust.rotate", role, {})

    def verify(self, digest: str) -> Verdict:
        """Check a release again, as it lies here: its bytes, its envelope, its keys as they are now.

        Raises:
            UnknownPackageError: There is none.
        """
        one = self.releases.by_digest(digest)
        return self.check(self.content(digest, count=False), one.envelope.encode(), one)

    def check(self, content: bytes, envelope: bytes, one: Published | None = None) -> Verdict:
        """The verdict on an archive and an envelope; what does not hold stands in its faults.

        Raises:
            InvalidPackageError: The archive holds no package.
        """
        manifest = read_archive(content).manifest
        digest, at = digest_of(content), datetime.now(UTC)
        published = datetime.fromisoformat(one.published_at) if one else at
        version = manifest.package.version
        try:
            if one is not None and one.digest != digest:
                raise BadSignatureError(f"{one.id} {one.version}", "its bytes were changed")
            return verify(
                envelope, self.ring(), package_id=manifest.id, version=version, digest=digest,
                published=published,
            )  # fmt: skip
        except InwitError as exc:
            return Verdict(
                id=manifest.id, version=version, digest=digest, level="unverified",
                faults=(str(exc),),
            )  # fmt: skip

    def lineage(self, digest: str) -> dict[str, Any]:
        """Where a release comes from: what it was built from, by whom, and what it derives from.

        Raises:
            UnknownPackageError: There is none.
        """
        one = self.releases.by_digest(digest)
        said = msgspec.json.decode(read_envelope(one.envelope.encode()).payload)
        versions = [
            {"version": held.version, "hash": held.digest, "published_at": held.published_at}
            for held in self.releases.of(one.id)
        ]
        return {
            "id": one.id, "version": one.version, "hash": digest, "publisher": one.publisher,
            "lineage": one.manifest.get("lineage", {}), "provenance": said.get("predicate", {}),
            "versions": versions,
        }  # fmt: skip

    # Within a transaction

    def _owned(self, namespace: str, caller: Caller, key: PublicKey | None) -> KeyRing:
        """The ring in which the namespace has an owner: claimed now where nobody has it."""
        ring = self.trust.ring()
        if namespace in ring.namespaces:
            return ring
        if not caller.may("admin") and (namespace in RESERVED or not self._open_namespaces):
            raise NamespaceError(namespace, "nobody yet, and is granted", caller.name)
        if key is None:
            raise PublishError(
                f"Nobody has the namespace {namespace!r}.", hint="Send your public key to claim it."
            )
        self._check_claim(namespace, key, ring)
        claimed = Namespace(level="community", keys=(key.id,))
        known = ring.keys.get(key.id) or _dated(key)
        ring = ring.with_key(known).with_namespace(namespace, claimed)
        self.trust.set_ring(ring)
        return ring

    def _check_claim(self, namespace: str, key: PublicKey, ring: KeyRing) -> None:
        key.load()
        known = ring.keys.get(key.id) or _dated(key)
        if known.fault(datetime.now(UTC)):
            raise ForbiddenError(f"The key {key.id[:12]} is not valid now.", hint="Make another.")
        near = lookalike(f"{namespace}/x", [f"{name}/x" for name in ring.namespaces])
        if near is not None and near.why == "letters that look alike":
            raise NamespaceError(
                namespace, f"who may have {near.known[:-2]!r} ({near.why})", key.owner
            )

    def _lookalike(self, package_id: str) -> Lookalike | None:
        return lookalike(package_id, self.releases.ids())

    def _sign(self, run: Statements, made: Published, content: bytes) -> None:
        files = self._index(run, made.id)
        files |= {made.path: content, f"{made.path}.dsse.json": made.envelope.encode()}
        signed = {namespace_role(made.namespace): files}
        if len(self.releases.within(run, made.id)) == 1:
            ids = [row[0] for row in run("SELECT DISTINCT id FROM releases ORDER BY id")]
            signed[OWN_ROLE] = {
                NAMES_PATH: msgspec.json.encode({"schema_version": "1", "ids": ids})
            }
        self.trust.publish(signed)

    def _index(self, run: Statements, package_id: str) -> dict[str, bytes]:
        """What the namespace's role says of a package: its releases, the oldest first."""
        listed = [
            {
                "version": one.version, "sha256": one.digest, "size_bytes": one.size_bytes,
                "published_at": one.published_at, "manifest": one.manifest,
                "yanked": None if one.yanked_at is None else one.yanked_why,
            }
            for one in self.releases.within(run, package_id)
        ]  # fmt: skip
        said = {"schema_version": "1", "id": package_id, "releases": listed}
        return {f"index/{package_id}.json": msgspec.json.encode(said)}

    def _audit(self, caller: Caller, action: str, target: str, details: dict[str, Any]) -> None:
        audit.append(
            self.project, actor=caller.name or "nobody", action=action, target=target,
            outcome="done", details=details,
        )  # fmt: skip


def _dated(key: PublicKey) -> PublicKey:
    """A key that is new here: valid from now on by this clock, and not for longer than any."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires = min(key.expires, now + LONGEST_KEY)
    return msgspec.structs.replace(key, valid_from=now, expires=expires)


def _release(
    manifest: PackageManifest, content: bytes, envelope: bytes, ring: KeyRing, caller: Caller
) -> Published:
    about, at = manifest.package, now()
    made = verify(
        envelope, ring, package_id=manifest.id, version=about.version, digest=digest_of(content),
        published=datetime.fromisoformat(at),
    )  # fmt: skip
    return Published(
        digest=made.digest, id=manifest.id, version=about.version, kind=about.kind,
        description=about.description, manifest=msgspec.to_builtins(manifest),
        envelope=envelope.decode(), size_bytes=len(content), level=made.level,
        publisher=", ".join(made.owners) or caller.name, published_at=at,
    )  # fmt: skip


def _warned(near: Lookalike | None) -> dict[str, tuple[str, ...]]:
    if near is None:
        return {}
    said = f"{near.name!r} looks like {near.known!r} ({near.why}); installing it asks for consent"
    return {"warnings": (said,), "lookalikes": (near.known,)}


def _reason(text: str) -> str:
    if not text.strip() or len(text) > REASON_LIMIT or not text.isprintable():
        raise MalformedInputError(
            f"The reason is {shorten(text)}.",
            hint=f"Say in one line of at most {REASON_LIMIT} characters why.",
        )
    return text


def _blob(path: str, digest: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{TARGETS}{folder}/{digest}.{name}"
