"""The registry's side of The Update Framework: root, targets, snapshot, timestamp, namespaces.

Each namespace is a role of its own, delegated by the top-level targets with a terminating path, so
that nothing of a namespace is ever taken from another role. The keys of root and targets may be
moved off the machine: only granting namespaces and rotating keys needs them. The online key signs
namespaces, snapshots and timestamps.

The timestamp is written last: whatever is interrupted before it leaves the state of before.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from inwit.errors import ForbiddenError, PublishError, TrustError
from inwit.registry.store_blobs import Blobs
from inwit.registry.trust_keys import RING_PATH, KeyRing, encode_ring, make_key, read_key, read_ring

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import (
        Metadata,
        Root,
        Signed,
        Snapshot,
        TargetFile,
        Targets,
        Timestamp,
    )

METADATA, TARGETS = "metadata/", "targets/"
OWN_ROLE = "registry"
"""What the registry itself says of packages: advisories, and the list of their names."""
ADVISORIES_PATH, NAMES_PATH = "advisories.json", "names.json"
EXPIRY = {
    "root": timedelta(days=365),
    "targets": timedelta(days=180),
    "snapshot": timedelta(days=7),
    "timestamp": timedelta(days=1),
}
NAMESPACE_EXPIRY = timedelta(days=90)
KEPT_VERSIONS = 10
"""How many versions of a role are kept, its current one too, for clients amid a refresh."""

Clock = Callable[[], datetime]


class TrustRepository:
    """The signed metadata of one registry. The caller sees to it that one writes at a time."""

    def __init__(self, blobs: Blobs, keys: Path, *, clock: Clock | None = None) -> None:
        self._blobs = blobs
        self._keys = keys
        self._clock = clock or (lambda: datetime.now(UTC))
        self._lock = threading.RLock()

    # Reading

    def is_initialised(self) -> bool:
        """Whether there is a root."""
        return self._blobs.get(f"{METADATA}1.root.json") is not None

    def metadata(self, name: str) -> bytes | None:
        """A file of the metadata, such as ``timestamp.json`` or ``3.root.json``."""
        return self._blobs.get(METADATA + name)

    def fingerprint(self) -> str:
        """The sha256 of the first root, by which a registry is pinned."""
        return hashlib.sha256(self.root_bytes(1)).hexdigest()

    def root_bytes(self, version: int | None = None) -> bytes:
        """A root as it is served; the current one by default.

        Raises:
            TrustError: There is none.
        """
        wanted = version or self._root_version()
        found = self._blobs.get(f"{METADATA}{wanted}.root.json")
        if found is None:
            raise TrustError("The registry has no root.", hint="`inwit registry init` makes one.")
        return found

    def root_key_ids(self) -> list[str]:
        """The ids of the keys that sign the root."""
        return list(cast("Root", self._open("root").signed).roles["root"].keyids)

    def root_lasts(self) -> timedelta:
        """How long the current root is valid still. It is never renewed by itself."""
        left: timedelta = self._open("root").signed.expires - self._clock()
        return left

    def ring(self) -> KeyRing:
        """The keys and namespaces that the targets role vouches for."""
        data = self.target(RING_PATH)
        return KeyRing() if data is None else read_ring(data)

    def target(self, path: str, role: str = "targets") -> bytes | None:
        """The current content of a target."""
        found = self._targets(role).targets.get(path)
        return None if found is None else self._blobs.get(_blob_of(path, found.hashes["sha256"]))

    # Writing

    def initialise(self, *, root_keys: int = 1, root_threshold: int = 1) -> None:
        """Make keys and the first metadata, unless there are some."""
        from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

        with self._lock:
            if self.is_initialised():
                return
            roots = [self._make(f"root-{number}") for number in range(1, root_keys + 1)]
            online, targets_key = self._make("online"), self._make("targets")
            root = Root(consistent_snapshot=True)
            for signer in roots:
                root.add_key(signer.public_key, "root")
            root.add_key(targets_key.public_key, "targets")
            for role in ("snapshot", "timestamp"):
                root.add_key(online.public_key, role)
            root.roles["root"].threshold = root_threshold
            targets = Targets()
            self._put_role("root", Metadata(root))
            _add(targets, RING_PATH, self._store(RING_PATH, encode_ring(KeyRing())))
            _delegate(targets, OWN_ROLE, [ADVISORIES_PATH, NAMES_PATH], [online])
            self._put_role("targets", Metadata(targets))
            self._put_role(OWN_ROLE, Metadata(Targets()))
            snapshot = Snapshot()
            self._snapshot(Metadata(snapshot), {"targets": 1, OWN_ROLE: 1})
            self._timestamp(Metadata(Timestamp()), snapshot.version)

    def set_ring(self, ring: KeyRing) -> None:
        """Vouch for keys and namespaces. Needs the key of the targets role.

        Raises:
            ForbiddenError: That key is kept elsewhere.
        """
        with self._lock:
            held = self._open("targets")
            targets = cast("Targets", held.signed)
            _add(targets, RING_PATH, self._store(RING_PATH, encode_ring(ring)))
            online = self._signer("online")
            new = []
            for name in sorted(ring.namespaces):
                role = namespace_role(name)
                if targets.delegations is None or role not in (targets.delegations.roles or {}):
                    paths = [f"packages/{name}/*", f"index/{name}/*"]
                    _delegate(targets, role, paths, [online])
                    new.append(role)
            self._commit({"targets": held}, new)

    def publish(self, files: Mapping[str, Mapping[str, bytes]]) -> None:
        """Put files under their roles, all in one step: ``{role: {path: content}}``.

        Raises:
            PublishError: The registry has no such role.
        """
        with self._lock:
            opened = {role: self._open(role) for role, put in files.items() if put}
            for role, held in opened.items():
                for path, content in files[role].items():
                    _add(cast("Targets", held.signed), path, self._store(path, content))
            self._commit(opened)

    def rotate_root(self, *, drop: Iterable[str] = (), add: int = 1) -> None:
        """Give the root new keys, signed by the old ones too, so that clients follow.

        `drop` are ids of keys that are to count no longer.
        """
        with self._lock:
            held = self._open("root")
            root = cast("Root", held.signed)
            old = self._signers_of(root, "root")
            first = 1 + sum(1 for _ in self._keys.glob("root-*.pem"))
            for number in range(first, first + add):
                root.add_key(self._make(f"root-{number}").public_key, "root")
            for key_id in drop:
                root.revoke_key(key_id, "root")
            held.signed.version += 1
            signers = {one.public_key.keyid: one for one in (*old, *self._signers_of(root, "root"))}
            self._put_role("root", held, signers=list(signers.values()))

    def rotate_online(self) -> None:
        """Replace the key that signs snapshots, timestamps and namespaces. Needs root and targets."""
        with self._lock:
            old = self._signer("online").public_key.keyid
            opened = {role: self._open(role) for role in self._snapshot_roles()}
            (self._keys / "online.pem").replace(self._keys / f"online-{old[:12]}.pem.retired")
            new = self._make("online")
            held = self._open("root")
            root = cast("Root", held.signed)
            for role in ("snapshot", "timestamp"):
                root.revoke_key(old, role)
                root.add_key(new.public_key, role)
            targets = cast("Targets", opened["targets"].signed)
            for role in (targets.delegations.roles or {}) if targets.delegations else ():
                targets.add_key(new.public_key, role)
                targets.revoke_key(old, role)
            held.signed.version += 1
            self._put_role("root", held)
            self._commit(opened)

    def is_due(self) -> bool:
        """Whether the timestamp has used half of its time: the shortest one tells for all."""
        return self._is_due(self._open("timestamp"), "timestamp")

    def refresh(self) -> None:
        """Sign anew what has used half of its time, where its key is here; the timestamp always."""
        with self._lock:
            opened = {role: self._open(role) for role in self._snapshot_roles()}
            self._commit(
                {
                    role: held
                    for role, held in opened.items()
                    if self._is_due(held, role) and self._can_sign(role)
                }
            )

    # Metadata

    def _commit(self, changed: Mapping[str, Metadata[Any]], new: Iterable[str] = ()) -> None:
        from tuf.api.metadata import Metadata, Targets

        versions = {}
        for role, held in changed.items():
            held.signed.version += 1
            self._put_role(role, held)
            versions[role] = held.signed.version
        for role in new:
            self._put_role(role, Metadata(Targets()))
            versions[role] = 1
        snapshot = self._open("snapshot")
        snapshot.signed.version += 1
        self._snapshot(snapshot, versions)
        timestamp = self._open("timestamp")
        timestamp.signed.version += 1
        self._timestamp(timestamp, snapshot.signed.version)
        for role in (*versions, "snapshot"):
            self._prune(role, versions.get(role, snapshot.signed.version))

    def _snapshot(self, held: Metadata[Snapshot], versions: Mapping[str, int]) -> None:
        for role, version in versions.items():
            held.signed.meta[f"{role}.json"] = self._meta(role, version)
        self._put_role("snapshot", held)

    def _timestamp(self, held: Metadata[Timestamp], version: int) -> None:
        held.signed.snapshot_meta = self._meta("snapshot", version)
        self._put_role("timestamp", held)

    def _meta(self, role: str, version: int) -> Any:
        from tuf.api.metadata import MetaFile

        data = self._blobs.get(_metadata_blob(role, version))
        assert data is not None
        return MetaFile.from_data(version, data, ["sha256"])

    def _put_role(
        self, role: str, held: Metadata[Any], signers: list[CryptoSigner] | None = None
    ) -> None:
        from tuf.api.serialization.json import JSONSerializer

        signed: Signed = held.signed
        signed.expires = (self._clock() + _lasts(role)).replace(microsecond=0)
        held.signatures.clear()
        if signers is None:
            is_root = role == "root"
            signers = (
                self._signers_of(cast("Root", signed), "root") if is_root else [self._of(role)]
            )
        for signer in signers:
            held.sign(signer, append=True)
        data = held.to_bytes(JSONSerializer(compact=True))
        if role != "timestamp":
            self._blobs.put(_metadata_blob(role, signed.version), data)
        else:
            self._blobs.put(f"{METADATA}timestamp.json", data)

    def _open(self, role: str) -> Metadata[Any]:
        from tuf.api.metadata import Metadata

        if role == "root":
            return Metadata[Any].from_bytes(self.root_bytes())
        data = self._blobs.get(f"{METADATA}timestamp.json")
        if data is None:
            raise TrustError(
                "The registry has no metadata.", hint="`inwit registry init` makes it."
            )
        if role == "timestamp":
            return Metadata[Any].from_bytes(data)
        timestamp = cast("Timestamp", Metadata[Any].from_bytes(data).signed)
        snapshot = self._at("snapshot", timestamp.snapshot_meta.version)
        if role == "snapshot":
            return snapshot
        meta = cast("Snapshot", snapshot.signed).meta.get(f"{role}.json")
        if meta is None:
            raise PublishError(
                f"The registry has no role {role!r}.", hint="Grant the namespace first."
            )
        return self._at(role, meta.version)

    def _at(self, role: str, version: int) -> Metadata[Any]:
        from tuf.api.metadata import Metadata

        data = self._blobs.get(_metadata_blob(role, version))
        if data is None:
            raise TrustError(
                f"{version}.{role}.json is gone.", hint="Restore the registry's files."
            )
        return Metadata[Any].from_bytes(data)

    def _targets(self, role: str) -> Targets:
        return cast("Targets", self._open(role).signed)

    def _snapshot_roles(self) -> list[str]:
        snapshot = cast("Snapshot", self._open("snapshot").signed)
        return [name.removesuffix(".json") for name in snapshot.meta]

    def _root_version(self) -> int:
        version = 1
        while self._blobs.get(f"{METADATA}{version + 1}.root.json") is not None:
            version += 1
        return version

    def _is_due(self, held: Metadata[Any], role: str) -> bool:
        left: timedelta = held.signed.expires - self._clock()
        return left < _lasts(role) / 2

    def _prune(self, role: str, version: int) -> None:
        if version > KEPT_VERSIONS:
            self._blobs.delete(_metadata_blob(role, version - KEPT_VERSIONS))

    # Files and keys

    def _store(self, path: str, content: bytes) -> Any:
        from tuf.api.metadata import TargetFile

        found = TargetFile.from_data(path, content, ["sha256"])
        name = _blob_of(path, found.hashes["sha256"])
        if self._blobs.get(name) is None:
            self._blobs.put(name, content)
        return found

    def _make(self, name: str) -> CryptoSigner:
        return make_key(self._keys / f"{name}.pem")

    def _can_sign(self, role: str) -> bool:
        return role != "targets" or (self._keys / "targets.pem").exists()

    def _of(self, role: str) -> CryptoSigner:
        return self._signer("targets" if role == "targets" else "online")

    def _signer(self, name: str) -> CryptoSigner:
        path = self._keys / f"{name}.pem"
        if not path.exists():
            raise ForbiddenError(
                f"The key {name!r} of the registry is not here.",
                hint=f"Put it at {path} for this one act, as whoever keeps it.",
            )
        return read_key(path)

    def _signers_of(self, root: Root, role: str) -> list[CryptoSigner]:
        found = [read_key(path) for path in sorted(self._keys.glob("root-*.pem"))]
        allowed = root.roles[role].keyids
        signers = [one for one in found if one.public_key.keyid in allowed]
        if len(signers) < root.roles[role].threshold:
            raise ForbiddenError(
                f"{len(signers)} of {root.roles[role].threshold} root keys are here.",
                hint=f"Bring them to {self._keys} for this one act.",
            )
        return signers


def namespace_role(namespace: str) -> str:
    """The role of a namespace; the prefix keeps it apart from the top-level ones."""
    return f"ns-{namespace}"


def _lasts(role: str) -> timedelta:
    return EXPIRY.get(role, NAMESPACE_EXPIRY)


def _add(targets: Targets, path: str, found: TargetFile) -> None:
    targets.targets[path] = found


def _delegate(targets: Targets, role: str, paths: list[str], signers: list[CryptoSigner]) -> None:
    from tuf.api.metadata import DelegatedRole, Delegations

    if targets.delegations is None:
        targets.delegations = Delegations({}, {})
    assert targets.delegations.roles is not None
    targets.delegations.roles[role] = DelegatedRole(role, [], 1, terminating=True, paths=paths)
    for signer in signers:
        targets.add_key(signer.public_key, role)


def _metadata_blob(role: str, version: int) -> str:
    return f"{METADATA}{version}.{quote(role, '')}.json"


def _blob_of(path: str, digest: str) -> str:
    folder, separator, name = path.rpartition("/")
    return f"{TARGETS}{folder}{separator}{digest}.{name}"
