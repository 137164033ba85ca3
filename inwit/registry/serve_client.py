"""A registry as its users meet it: a source of packages that proves what it gives, and its API."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec

from inwit.errors import (
    BadSignatureError,
    FetchError,
    FetchTooLargeError,
    MalformedInputError,
    MetadataError,
    PrivateAddressError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from inwit.ids import new_id
from inwit.registry.addresses import checked_url, is_loopback
from inwit.registry.archive import Archive
from inwit.registry.fetch import Fetched, Fetcher
from inwit.registry.package import PackageManifest
from inwit.registry.peers import installs_from_peers
from inwit.registry.sources.base import Level, Origin, Release
from inwit.registry.store_releases import Advisory, archive_path
from inwit.registry.trust import Policy, Verdict, enforce, policy_of
from inwit.registry.trust_envelope import (
    add_signature,
    digest_of,
    is_about,
    sign,
    statement,
    subject,
    verify,
)
from inwit.registry.trust_keys import RING_PATH, KeyRing, entry, own_key, read_ring
from inwit.registry.trust_repository import ADVISORIES_PATH, NAMES_PATH
from inwit.registry.trust_update import Updates
from inwit.runtime.project import Project, user_folder

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

API = "/api/v1"
FRESH_S = 60.0
"""How long what a registry said is taken for its present word within one process."""
ANSWER_LIMIT = 16 << 20
RING_KEPT = "keys.json"


Nearby = Callable[[Release, int], bytes | None]
"""Gives the archive of a release, at most that many bytes, from where it is nearer; it is proved all the same."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Which registry: its address, the fingerprint of its first root where one is pinned, a token."""

    url: str
    fingerprint: str | None = None
    token: str | None = None

    @classmethod
    def configured(cls, project: Project) -> Place | None:
        """The registry that is set: by ``INWIT_REGISTRY_URL``, else ``[registry]`` of config.toml.

        Raises:
            MalformedInputError: The address is none.
        """
        found = project.settings().get("registry")
        table: Mapping[str, Any] = found if isinstance(found, dict) else {}
        url = os.environ.get("INWIT_REGISTRY_URL") or table.get("url")
        if not url:
            return None
        pinned = os.environ.get("INWIT_REGISTRY_FINGERPRINT") or table.get("fingerprint")
        token = os.environ.get("INWIT_REGISTRY_TOKEN")
        return cls(url=checked_url(str(url)), fingerprint=pinned or None, token=token)


class RegistrySource:
    """Packages of one registry, each proved before it is given. One for each process is enough."""

    origin: Origin = "registry"

    def __init__(
        self,
        place: Place,
        *,
        fetcher: Fetcher,
        policy: Policy | None = None,
        folder: Path | None = None,
        nearby: Nearby | None = None,
    ) -> None:
        self.name = place.url
        self._nearby = nearby
        self.namespaces: frozenset[str] | None = None
        self._place = place
        self._fetcher = fetcher
        self._policy = policy or Policy()
        self._folder = folder or state_folder(place.url)
        self._lock = threading.RLock()
        self._held: tuple[float, Updates, KeyRing] | None = None
        self._fingerprint = ""

    @classmethod
    def of(cls, project: Project) -> RegistrySource | None:
        """The source that the project's settings name; None where they name none."""
        place = Place.configured(project)
        if place is None:
            return None
        policy, fetcher = policy_of(project.settings()), fetcher_for(project, place.url)
        nearby = None
        if installs_from_peers(project):
            from inwit.registry.peers_source import nearby_of

            nearby = nearby_of(project)
        return cls(place, fetcher=fetcher, policy=policy, nearby=nearby)

    def owns(self, namespace: str) -> bool:
        """Whether the registry vouches for keys of the namespace."""
        return namespace in self.ring().namespaces

    def list(self) -> Iterable[str]:
        """The ids of all packages, as the registry signed them."""
        found = self._json(NAMES_PATH)
        return tuple(str(one) for one in found.get("ids", ()))

    def releases(self, package_id: str) -> Sequence[Release]:
        """All versions of a package, as the role of its namespace signed them."""
        found = self._json(f"index/{package_id}.json")
        if not found:
            return ()
        if found.get("id") != package_id:
            raise MetadataError(self.name, f"the index of {package_id} is about another package")
        warned = [one for one in self.advisories() if one.package == package_id]
        return tuple(self._release(package_id, one, warned) for one in found["releases"])

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """The archive of a release, after its bytes, its signatures and the policy were checked."""
        path = archive_path(release.id, release.version)
        with self._lock, tempfile.TemporaryDirectory() as folder:
            updates, ring = self._trusted()
            found = updates.find(path)
            if found is None or found.hashes.get("sha256") != release.sha256:
                raise MetadataError(self.name, f"{release.id} {release.version} is not what it was")
            if found.length > max_bytes:
                raise FetchTooLargeError(f"{self.name}/{path}", max_bytes)
            content = self._nearby(release, max_bytes) if self._nearby else None
            if content is None:
                content = updates.download(found, Path(folder) / "archive").read_bytes()
            envelope = updates.read(f"{path}.dsse.json")
        enforce(self._verdict(release, content, envelope, ring), self._policy)
        return content

    def verify(self, release: Release, content: bytes) -> Verdict:
        """The verdict on an archive that may have come from elsewhere: from a peer, or a disk.

        Raises:
            TrustError: Its signatures do not hold.
        """
        with self._lock:
            updates, ring = self._trusted()
            envelope = updates.read(f"{archive_path(release.id, release.version)}.dsse.json")
        return self._verdict(release, content, envelope, ring)

    def advisories(self) -> tuple[Advisory, ...]:
        """All warnings of the registry."""
        found = self._json(ADVISORIES_PATH)
        return tuple(msgspec.convert(one, Advisory) for one in found.get("advisories", ()))

    def ring(self) -> KeyRing:
        """The keys and namespaces that the registry vouches for."""
        with self._lock:
            return self._trusted()[1]

    def last_ring(self) -> KeyRing:
        """The keys as they were when the registry last answered; none where it never did."""
        kept = self._folder / RING_KEPT
        return read_ring(kept.read_bytes()) if kept.exists() else KeyRing()

    def _verdict(
        self, release: Release, content: bytes, envelope: bytes | None, ring: KeyRing
    ) -> Verdict:
        name = f"{release.id} {release.version}"
        if digest_of(content) != release.sha256:
            raise BadSignatureError(name, "its bytes are not those that were announced")
        if envelope is None:  # whether that will do is for the policy to say
            return Verdict(
                id=release.id, version=release.version, digest=str(release.sha256),
                level="unverified", source=self.name,
            )  # fmt: skip
        made = verify(
            envelope, ring, package_id=release.id, version=release.version,
            digest=release.sha256, published=_time(release.published_s),
        )  # fmt: skip
        return msgspec.structs.replace(made, source=self.name)

    def _release(
        self, package_id: str, one: Mapping[str, Any], warned: Sequence[Advisory]
    ) -> Release:
        try:
            manifest = msgspec.convert(one["manifest"], PackageManifest)
            published = datetime.fromisoformat(one["published_at"]).timestamp()
        except (msgspec.ValidationError, KeyError, ValueError) as exc:
            raise MetadataError(self.name, f"the index of {package_id}: {exc}") from exc
        if manifest.id != package_id or manifest.package.version != one["version"]:
            raise MetadataError(self.name, f"the index of {package_id} holds another package")
        return Release(
            manifest=manifest, source=self.name, origin=self.origin, sha256=one["sha256"],
            size_bytes=one["size_bytes"], level=self._level(manifest.package.namespace),
            proof={"registry": self.name, "fingerprint": self._fingerprint}, yanked=one["yanked"],
            published_s=published,
            advisories=tuple(
                {"id": a.id, "severity": a.severity, "summary": a.summary,
                 "affected": a.affected, "fixed": None}
                for a in warned
            ),
        )  # fmt: skip

    def _level(self, namespace: str) -> Level:
        known = self.ring().namespaces.get(namespace)
        return known.level if known else "unverified"

    def _json(self, path: str) -> dict[str, Any]:
        with self._lock:
            content = self._trusted()[0].read(path)
        if content is None:
            return {}
        try:
            found = msgspec.json.decode(content)
        except msgspec.DecodeError as exc:
            raise MetadataError(self.name, f"{path}: {exc}") from exc
        return found if isinstance(found, dict) else {}

    def _trusted(self) -> tuple[Updates, KeyRing]:
        if self._held is None or time.monotonic() - self._held[0] > FRESH_S:
            base = f"{self._place.url}{API}/tuf"
            updates = Updates(f"{base}/metadata", f"{base}/targets", self._folder, self._fetcher)
            self._fingerprint = updates.trust_first(self._place.fingerprint)
            updates.refresh()
            found = updates.read(RING_PATH)
            ring = KeyRing() if found is None else read_ring(found)
            self.namespaces = frozenset(ring.namespaces)
            if found is not None:
                draft = self._folder / f".{new_id()}"
                draft.write_bytes(found)
                draft.replace(self._folder / RING_KEPT)
            self._held = (time.monotonic(), updates, ring)
        return self._held[1], self._held[2]


class RegistryClient:
    """The API of a registry: what is written there, and what is asked beyond packages."""

    def __init__(self, place: Place, fetcher: Fetcher) -> None:
        self._place = place
        self._fetcher = fetcher

    @classmethod
    def of(cls, project: Project) -> RegistryClient:
        """The client of the registry that the project's settings name.

        Raises:
            MalformedInputError: They name none.
        """
        place = Place.configured(project)
        if place is None:
            raise MalformedInputError(
                "No registry is set.",
                hint="Set INWIT_REGISTRY_URL, or [registry] url in config.toml.",
            )
        return cls(place, fetcher_for(project, place.url))

    def publish(
        self,
        archive: Archive,
        *,
        owner: str,
        signers: Sequence[CryptoSigner] = (),
        envelope: bytes | None = None,
    ) -> dict[str, Any]:
        """Publish an archive, signed by the user's own key, or the given ones, or as it is already."""
        keys = list(signers) or [own_key()]
        signed = signed_by(archive, owner, keys) if envelope is None else envelope
        return self.post(
            "/packages",
            {
                "content_base64": base64.b64encode(archive.content).decode(),
                "envelope": signed.decode(),
                "key": msgspec.to_builtins(entry(keys[0], owner)),
            },
        )

    def yank(self, digest: str, why: str) -> dict[str, Any]:
        """Say that nobody should take a release anew."""
        return self._asked("DELETE", f"/packages/{digest}?{urlencode({'why': why})}", None)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read something of the API."""
        return self._asked("GET", path + (f"?{urlencode(query)}" if query else ""), None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write something by the API."""
        return self._asked("POST", path, msgspec.json.encode(body))

    def _asked(self, method: str, path: str, content: bytes | None) -> dict[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._place.token:
            headers["authorization"] = f"Bearer {self._place.token}"
        url = f"{self._place.url}{API}{path}"
        try:
            found = self._fetcher.request(
                method, url, content=content, headers=headers, limit_bytes=ANSWER_LIMIT
            )
        except PrivateAddressError:
            raise
        except FetchError as exc:
            raise RegistryUnreachableError(self._place.url, exc.message) from exc
        return _answer(self._place.url, found)


def signed_by(
    archive: Archive, builder: str, signers: Sequence[CryptoSigner], before: bytes | None = None
) -> bytes:
    """The envelope of an archive, signed by each key, beside the signatures that it had `before`.

    Raises:
        BadSignatureError: What was there before is of another archive.
    """
    about, lineage = archive.manifest.package, archive.manifest.lineage
    name = subject(archive.manifest.id, about.version)
    if before is not None:
        if not is_about(before, name, archive.sha256):
            raise BadSignatureError(name, "the file holds signatures of another archive")
        for signer in signers:
            before = add_signature(before, signer)
        return before
    made_from = []
    if lineage.repository and lineage.commit:
        made_from.append({"uri": lineage.repository, "digest": {"gitCommit": lineage.commit}})
    said = statement(
        archive.manifest.id,
        about.version,
        archive.sha256,
        builder=f"inwit pkg publish by {builder}",
        materials=made_from,
    )
    return sign(said, signers)


def fetcher_for(project: Project, url: str) -> Fetcher:
    """A fetcher that may reach the registry on this machine, where that is what was set.

    Only that very address and port: a redirect to another private place is refused all the same.
    """
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    return Fetcher.of(project, allow=[f"{shown}:{port}"] if is_loopback(host) else ())


def state_folder(url: str) -> Path:
    """Where the user keeps what is trusted of a registry."""
    return user_folder() / "registries" / hashlib.sha256(url.encode()).hexdigest()[:16]


def _answer(url: str, found: Fetched) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(found.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RegistryUnreachableError(url, f"status {found.status}, and no JSON") from exc
    if not isinstance(said, dict):
        raise RegistryUnreachableError(url, f"status {found.status}, and no object")
    if not found.is_success:
        why = str(said.get("detail") or said.get("title") or "")
        raise RegistryRefusedError(url, found.status, str(said.get("code", "")), why)
    return said


def _time(at: float | None) -> datetime:
    return datetime.fromtimestamp(at or time.time(), UTC)
