"""A repository of The Update Framework whose every rule can be broken, served on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from tests.conformance import tuf_client

SOON = timedelta(days=30)
Signed = Metadata[Any]


class Simulator:
    """The metadata of a repository, in memory; `publish` makes it what clients are served."""

    def __init__(self) -> None:
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.root: Metadata[Root] = Metadata(Root(expires=_soon(), consistent_snapshot=True))
        self.targets: dict[str, Metadata[Targets]] = {"targets": Metadata(Targets(expires=_soon()))}
        self.snapshot: Metadata[Snapshot] = Metadata(Snapshot(expires=_soon()))
        self.timestamp: Metadata[Timestamp] = Metadata(Timestamp(expires=_soon()))
        self.served: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.endless: set[str] = set()
        self.with_hashes = True
        for role in ("root", "targets", "snapshot", "timestamp"):
            self.add_key(role)
        self.publish_root()
        self.publish()

    # Changing

    def add_key(self, role: str) -> CryptoSigner:
        """Let one key more sign for a top-level role."""
        signer = CryptoSigner.generate_ed25519()
        self.root.signed.add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def rotate(self, role: str) -> None:
        """Let a new key sign for a role, and none of the old ones."""
        old = self.signers[role]
        self.signers[role] = []
        self.add_key(role)
        for signer in old:
            self.root.signed.revoke_key(signer.public_key.keyid, role)

    def add_target(self, path: str, content: bytes, role: str = "targets") -> TargetFile:
        """Put a file under a role, and serve it."""
        found = TargetFile.from_data(path, content, ["sha256"])
        self.targets[role].signed.targets[path] = found
        folder, separator, name = path.rpartition("/")
        self.served[f"targets/{folder}{separator}{found.hashes['sha256']}.{name}"] = content
        return found

    def delegate(
        self, role: str, paths: list[str], *, by: str = "targets", terminating: bool = False
    ) -> None:
        """Let another role speak for some paths."""
        signer = self.signers.setdefault(role, [CryptoSigner.generate_ed25519()])[0]
        self.targets.setdefault(role, Metadata(Targets(expires=_soon())))
        signed = self.targets[by].signed
        if signed.delegations is None:
            signed.delegations = Delegations({}, {})
        assert signed.delegations.roles is not None
        made = DelegatedRole(role, [], 1, terminating=terminating, paths=paths)
        signed.delegations.roles[role] = made
        signed.add_key(signer.public_key, role)

    # Publishing

    def publish_root(self, *, signers: list[CryptoSigner] | None = None) -> None:
        """Serve the root as it is now, as a version of its own."""
        data = sign(self.root, self.signers["root"] if signers is None else signers)
        self.served[f"metadata/{self.root.signed.version}.root.json"] = data

    def next_root(self, *, signers: list[CryptoSigner] | None = None) -> None:
        """Serve the root as one version more."""
        self.root.signed.version += 1
        self.publish_root(signers=signers)

    def publish(self, *roles: str) -> None:
        """Serve these targets roles as new versions (all at first), and what stands above them."""
        for role in roles:
            self.targets[role].signed.version += 1
        for role, held in self.targets.items():
            data = sign(held, self.signers[role])
            self.served[f"metadata/{held.signed.version}.{quote(role, '')}.json"] = data
            self.snapshot.signed.meta[f"{role}.json"] = self.meta(held.signed.version, data)
        if self.timestamp.signed.snapshot_meta.version == self.snapshot.signed.version and roles:
            self.snapshot.signed.version += 1
        self.publish_snapshot()

    def publish_snapshot(self) -> None:
        """Serve the snapshot as it is now, and a timestamp for it."""
        data = sign(self.snapshot, self.signers["snapshot"])
        self.served[f"metadata/{self.snapshot.signed.version}.snapshot.json"] = data
        self.timestamp.signed.snapshot_meta = self.meta(self.snapshot.signed.version, data)
        if "metadata/timestamp.json" in self.served:
            self.timestamp.signed.version += 1
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        """Serve the timestamp as it is now."""
        self.served["metadata/timestamp.json"] = sign(self.timestamp, self.signers["timestamp"])

    def meta(self, version: int, data: bytes) -> MetaFile:
        """What the role above says of a file."""
        return (
            MetaFile.from_data(version, data, ["sha256"]) if self.with_hashes else MetaFile(version)
        )

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve it, and give its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()
        thread.join()


class Client:
    """The command line of the client under test, over one folder."""

    def __init__(self, url: str, folder: Path, run: Callable[[list[str]], int]) -> None:
        self.url = url
        self.metadata = folder / "metadata"
        self.files = folder / "targets"
        self._run = run
        self.files.mkdir(parents=True)
        self.metadata.mkdir()

    def init(self, root: bytes) -> int:
        path = self.metadata.parent / "trusted.json"
        path.write_bytes(root)
        return self._run(["--metadata-dir", str(self.metadata), "init", str(path)])

    def refresh(self) -> int:
        return self._run([*self._where(), "refresh"])

    def download(self, path: str) -> int:
        named = ["--target-name", path, "--target-base-url", f"{self.url}/targets"]
        return self._run([*self._where(), *named, "--target-dir", str(self.files), "download"])

    def version(self, role: str) -> int | None:
        """The version of a role that is trusted; None where none is."""
        path = self.metadata / f"{quote(role, '')}.json"
        return Metadata.from_file(str(path)).signed.version if path.exists() else None

    def _where(self) -> list[str]:
        return ["--metadata-dir", str(self.metadata), "--metadata-url", f"{self.url}/metadata"]


def in_process(arguments: list[str]) -> int:
    """Run the client within this process, which takes a tenth of the time."""
    return tuf_client.main(arguments)


def sign(held: Signed, signers: list[CryptoSigner]) -> bytes:
    """The bytes of metadata, signed by each of the keys."""
    held.signatures.clear()
    for signer in signers:
        held.sign(signer, append=True)
    return held.to_bytes(JSONSerializer())


def _soon() -> datetime:
    return (datetime.now(UTC) + SOON).replace(microsecond=0)


def _handler(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path.lstrip("/"))
            raw = self.path.lstrip("/")
            simulator.asked.append(raw)
            found = simulator.served.get(raw, simulator.served.get(path))
            if found is None:
                self.send_error(404)
                return
            self.send_response(200)
            if raw in simulator.endless:
                self.end_headers()
                self._pour()
                return
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def _pour(self) -> None:
            try:
                for _ in range(4096):  # 256 MiB: more than any limit, and yet an end
                    self.wfile.write(b" " * 65536)
            except OSError:
                pass

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler
