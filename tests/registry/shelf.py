"""Packages to publish, and a registry to publish them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inwit.registry.archive import Archive, build_archive
from inwit.registry.fetch import Fetcher
from inwit.registry.serve import Receipt, Registry
from inwit.registry.serve_client import Place, RegistryClient, RegistrySource
from inwit.registry.serve_tokens import Caller, make_token
from inwit.registry.trust import Policy
from inwit.registry.trust_envelope import sign, statement
from inwit.registry.trust_keys import entry, own_key
from inwit.server.registry_lifecycle import start_registry

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

ANYONE = Caller(name="ada", scopes=("publish:*", "yank:*", "contribute"))
LOCAL = ("127.0.0.1",)


def package(
    folder: Path, *, name: str = "acme/rag", version: str = "1.0.0", more: str = "", code: str = ""
) -> Archive:
    """Build a small package; `more` is added to its manifest."""
    namespace, _, short = name.partition("/")
    place = folder / f"{namespace}-{short}-{version}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "inwit-package.toml").write_text(
        f'[package]\nnamespace = "{namespace}"\nname = "{short}"\nversion = "{version}"\n'
        'kind = "graph-template"\ndescription = "Answer questions over documents."\n'
        'keywords = ["retrieval"]\nauthors = ["Ada"]\nlicence = "MIT"\n'
        f'[entry_points]\ndefault = "graph:build"\n{more}'
    )
    (place / "graph.py").write_text(code or f'def build():\n    return "{name} {version}"\n')
    return build_archive(place)


def envelope(archive: Archive, signers: Sequence[CryptoSigner]) -> bytes:
    """What a publisher signs for an archive."""
    about = archive.manifest.package
    said = statement(archive.manifest.id, about.version, archive.sha256, builder="a test")
    return sign(said, signers)


def publish(
    registry: Registry,
    archive: Archive,
    signers: Sequence[CryptoSigner] = (),
    caller: Caller = ANYONE,
) -> Receipt:
    """Publish without a server, signed by the user's own key where no other is given."""
    keys = list(signers) or [own_key()]
    key = entry(keys[0], caller.name)
    return registry.publish(archive.content, envelope(archive, keys), caller, key=key)


@contextmanager
def served(registry: Registry) -> Iterator[str]:
    """Serve a registry, and give its address."""
    registry.initialise()
    running = start_registry(registry)
    try:
        yield running.url
    finally:
        running.stop()


def source(
    url: str, folder: Path, *, fingerprint: str | None = None, policy: Policy | None = None
) -> RegistrySource:
    """A user's view of a registry, kept in a folder."""
    place = Place(url=url, fingerprint=fingerprint)
    return RegistrySource(place, fetcher=Fetcher(allow=LOCAL), policy=policy, folder=folder)


def client(url: str, registry: Registry, *scopes: str, name: str = "ada") -> RegistryClient:
    """The API for a holder of a new token with these scopes."""
    token = make_token(registry.rows, name, scopes) if scopes else None
    return RegistryClient(Place(url=url, token=token), Fetcher(allow=LOCAL))
