"""What a client believes of a registry, whose files it is handed without a network, and what it refuses."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    BadSignatureError,
    FetchFailedError,
    FetchTooLargeError,
    FetchUrlError,
    LevelTooLowError,
    MetadataError,
    PrivateAddressError,
    RegistryUnreachableError,
    UnsignedPackageError,
    WrongRootError,
)
from inwit.registry import serve_client
from inwit.registry.archive import Archive
from inwit.registry.fetch import Fetched, Fetcher
from inwit.registry.serve import Registry
from inwit.registry.serve_client import Place, RegistrySource
from inwit.registry.sources.base import Release
from inwit.registry.trust import Policy, enforce
from inwit.registry.trust_repository import namespace_role
from inwit.registry.trust_update import Updates
from tests.registry.shelf import ANYONE, package, publish

ADA = CryptoSigner.generate_ed25519()
URL = "https://registry.test"
BASE = f"{URL}/api/v1/tuf"


class Files(Fetcher):
    """Hands over the files of a registry as it would serve them, and keeps what it was asked for."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.registry = registry
        self.asked: list[str] = []
        self.instead: dict[str, bytes | Exception | int] = {}

    def request(
        self, method: str, url: str, *, limit_bytes: int | None = None,
        to: BinaryIO | None = None, **more: Any,
    ) -> Fetched:  # fmt: skip
        path = url.removeprefix(f"{BASE}/")
        self.asked.append(path)
        found = self.instead.get(path)
        if isinstance(found, Exception):
            raise found
        status = found if isinstance(found, int) else 200
        body = found if isinstance(found, bytes) else self.registry.blobs.get(path)
        if body is None:
            status, body = 404, b""
        if limit_bytes is not None and len(body) > limit_bytes:
            raise FetchTooLargeError(url, limit_bytes)
        if to is not None and status == 200:
            to.write(body)
        return Fetched(status=status, headers={}, body=body, url=url)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    made.initialise()
    return made


@pytest.fixture
def files(registry: Registry) -> Files:
    return Files(registry)


def updates(files: Files, folder: Path) -> Updates:
    return Updates(f"{BASE}/metadata/", f"{BASE}/targets/", folder, files)


def source(files: Files, folder: Path, **more: Any) -> RegistrySource:
    told: dict[str, Any] = {"place": Place(url=URL)} | more
    return RegistrySource(told.pop("place"), fetcher=files, folder=folder, **told)


def put(registry: Registry, folder: Path, **more: Any) -> Archive:
    archive = package(folder, **more)
    publish(registry, archive, [ADA], ANYONE)
    return archive


# The first root


def test_a_first_root_is_trusted_as_it_shows_itself_and_said_so(
    files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = updates(files, tmp_path / "state")
    fingerprint = files.registry.trust.fingerprint()

    with caplog.at_level(logging.WARNING):
        assert client.trust_first(None) == fingerprint

    assert f"{URL} is trusted from now on" in caplog.text and fingerprint in caplog.text
    assert client.is_initialised
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert sorted(one.name for one in (tmp_path / "state").iterdir()) == [
        "fingerprint",
        "root.json",
    ]
    caplog.clear()
    assert client.trust_first(None) == client.trust_first(fingerprint) == fingerprint
    assert files.asked == ["metadata/1.root.json"]
    assert not caplog.text


def test_a_root_with_another_fingerprint_is_refused(files: Files, tmp_path: Path) -> None:
    client = updates(files, tmp_path)

    with pytest.raises(WrongRootError) as other:
        client.trust_first("0" * 64)

    assert files.registry.trust.fingerprint()[:8] in str(other.value)
    assert not client.is_initialised
    client.trust_first(files.registry.trust.fingerprint())
    with pytest.raises(WrongRootError):
        client.trust_first("0" * 64)


def test_a_root_that_its_own_keys_did_not_sign_is_refused(files: Files, tmp_path: Path) -> None:
    root = msgspec.json.decode(files.registry.trust.root_bytes(1))
    root["signed"]["version"] = 7
    client = updates(files, tmp_path)

    with pytest.raises(MetadataError, match="its root does not hold"):
        client.initialise(msgspec.json.encode(root))
    assert not client.is_initialised


def test_another_first_root_forgets_what_was_trusted(files: Files, tmp_path: Path) -> None:
    client = updates(files, tmp_path)
    client.trust_first(None)
    client.refresh()
    assert (tmp_path / "timestamp.json").exists()

    client.initialise(files.registry.trust.root_bytes(1))

    left = {one.name for one in tmp_path.iterdir() if one.is_file()}
    assert left == {"root.json", "fingerprint", ".lock"}


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        (404, RegistryUnreachableError), (FetchFailedError(URL, "away"), RegistryUnreachableError),
        (PrivateAddressError("registry.test", "10.0.0.1"), PrivateAddressError),
        (FetchUrlError(URL, "odd"), FetchUrlError), (b"{}", MetadataError),
        (b"x" * 600_000, MetadataError),
    ],
    ids=["missing", "away", "private", "odd", "empty", "large"],
)  # fmt: skip
def test_what_comes_instead_of_a_root_is_told_for_what_it_is(
    files: Files, tmp_path: Path, instead: Any, error: type[Exception]
) -> None:
    files.instead["metadata/1.root.json"] = instead

    with pytest.raises(error):
        updates(files, tmp_path).trust_first(None)


# What is signed below it


def test_what_is_published_is_found_after_a_refresh(files: Files, tmp_path: Path) -> None:
    client = updates(files, tmp_path / "state")
    client.trust_first(None)
    client.refresh()
    path = "packages/acme/rag/1.0.0/acme-rag-1.0.0.tar.gz"
    assert client.find("index/acme/rag.json") is None
    assert client.read(path) is None
    put(files.registry, tmp_path)

    later = updates(files, tmp_path / "state")
    later.refresh()

    index = msgspec.json.decode(later.read("index/acme/rag.json") or b"")
    assert index["id"] == "acme/rag"
    asked = len(files.asked)
    assert later.read("index/acme/rag.json")
    assert len(files.asked) == asked
    kept = tmp_path / "state" / "targets"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert not [one for one in kept.iterdir() if one.name.startswith(".")]


def test_a_target_with_other_bytes_is_refused_and_leaves_nothing(
    files: Files, tmp_path: Path
) -> None:
    put(files.registry, tmp_path)
    client = updates(files, tmp_path / "state")
    client.trust_first(None)
    client.refresh()
    found = client.find("index/acme/rag.json")
    assert found is not None
    place = f"targets/index/acme/{found.hashes['sha256']}.rag.json"
    right = files.registry.blobs.get(place) or b""
    files.instead[place] = b"x" * len(right)

    with pytest.raises(MetadataError):
        client.read("index/acme/rag.json")

    assert list((tmp_path / "state" / "targets").iterdir()) == []
    files.instead.clear()
    assert client.read("index/acme/rag.json") == right


def test_an_older_state_is_refused_and_the_newer_stays(files: Files, tmp_path: Path) -> None:
    before = files.registry.blobs.get("metadata/timestamp.json")
    assert before is not None
    put(files.registry, tmp_path)
    client = updates(files, tmp_path / "state")
    client.trust_first(None)
    client.refresh()
    files.instead["metadata/timestamp.json"] = before

    with pytest.raises(MetadataError) as refused:
        updates(files, tmp_path / "state").refresh()

    assert URL in str(refused.value)
    files.instead.clear()
    updates(files, tmp_path / "state").refresh()


# Packages


def test_releases_are_given_with_their_level_and_what_warns_of_them(
    files: Files, tmp_path: Path
) -> None:
    archive = put(files.registry, tmp_path)
    files.registry.advise("acme/rag", "<2", "high", "It leaks.", ANYONE)
    client = source(files, tmp_path / "state")

    (one,) = client.releases("acme/rag")

    assert client.list() == ("acme/rag",)
    assert (one.sha256, one.size_bytes, one.level) == (
        archive.sha256,
        len(archive.content),
        "community",
    )
    assert one.proof == {"registry": URL, "fingerprint": files.registry.trust.fingerprint()}
    assert (one.source, one.origin, one.yanked) == (URL, "registry", None)
    assert [{**each, "id": ""} for each in one.advisories] == [
        {"id": "", "severity": "high", "summary": "It leaks.", "affected": "<2", "fixed": None}
    ]
    assert client.releases("acme/none") == ()
    assert client.owns("acme") and not client.owns("team")
    assert client.namespaces == frozenset({"acme"})
    assert client.last_ring() == client.ring()
    assert source(files, tmp_path / "new").last_ring().namespaces == {}
    assert client.fetch(one, max_bytes=len(archive.content)) == archive.content
    with pytest.raises(FetchTooLargeError):
        client.fetch(one, max_bytes=len(archive.content) - 1)
    assert client.verify(one, archive.content).level == "community"


def test_a_withdrawn_release_says_why(files: Files, tmp_path: Path) -> None:
    archive = put(files.registry, tmp_path)
    files.registry.yank(archive.sha256, "It leaks.", ANYONE)

    (one,) = source(files, tmp_path / "state").releases("acme/rag")

    assert one.yanked == "It leaks."


def test_what_a_neighbour_hands_over_is_proved_all_the_same(files: Files, tmp_path: Path) -> None:
    archive = put(files.registry, tmp_path)

    def near(content: bytes | None) -> tuple[RegistrySource, Release]:
        client = source(files, tmp_path / "state", nearby=lambda release, most: content)
        return client, client.releases("acme/rag")[0]

    client, one = near(b"other bytes")
    with pytest.raises(BadSignatureError, match="not those that were announced"):
        client.fetch(one, max_bytes=10**6)
    files.asked.clear()
    client, one = near(archive.content)
    assert client.fetch(one, max_bytes=10**6) == archive.content
    assert not [path for path in files.asked if path.endswith(".tar.gz")]
    client, one = near(None)
    assert client.fetch(one, max_bytes=10**6) == archive.content


def test_a_release_is_what_it_was_or_none(files: Files, tmp_path: Path) -> None:
    put(files.registry, tmp_path)
    client = source(files, tmp_path / "state")
    (one,) = client.releases("acme/rag")

    odd = msgspec.structs.replace(one, sha256="0" * 64)
    with pytest.raises(MetadataError, match=r"acme/rag 1\.0\.0 is not what it was"):
        client.fetch(odd, max_bytes=10**6)


def test_the_policy_judges_what_was_fetched(files: Files, tmp_path: Path) -> None:
    put(files.registry, tmp_path)
    strict = source(files, tmp_path / "state", policy=Policy(minimum="official"))
    (one,) = strict.releases("acme/rag")

    with pytest.raises(LevelTooLowError):
        strict.fetch(one, max_bytes=10**6)
    allowed = Policy(minimum="official", allow_unsigned=("acme/rag",))
    assert source(files, tmp_path / "state", policy=allowed).fetch(one, max_bytes=10**6)


def test_an_archive_without_its_envelope_is_unsigned(files: Files, tmp_path: Path) -> None:
    archive = put(files.registry, tmp_path)
    client = source(files, tmp_path / "state")
    (one,) = client.releases("acme/rag")

    verdict = client._verdict(one, archive.content, None, client.ring())

    assert (verdict.level, verdict.source, verdict.digest) == ("unverified", URL, archive.sha256)
    assert not verdict.is_signed
    with pytest.raises(UnsignedPackageError):
        enforce(verdict, Policy())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda said: said | {"id": "acme/other"}, "is about another package"),
        (lambda said: said | {"releases": [said["releases"][0] | {"version": "2.0.0"}]}, "holds another package"),
        (lambda said: said | {"releases": [said["releases"][0] | {"published_at": "x"}]}, "the index of acme/rag: "),
        (lambda said: said | {"releases": [{}]}, "the index of acme/rag: "),
    ],
)  # fmt: skip
def test_an_index_is_of_its_package_and_whole(
    files: Files, tmp_path: Path, change: Callable[[Any], Any], why: str
) -> None:
    put(files.registry, tmp_path)
    role, path = namespace_role("acme"), "index/acme/rag.json"
    said = msgspec.json.decode(files.registry.trust.target(path, role) or b"")
    files.registry.trust.publish({role: {path: msgspec.json.encode(change(said))}})

    with pytest.raises(MetadataError, match=why):
        source(files, tmp_path / "state").releases("acme/rag")


def test_an_index_that_is_no_json_is_refused_and_one_that_is_no_object_is_empty(
    files: Files, tmp_path: Path
) -> None:
    put(files.registry, tmp_path)
    role, path = namespace_role("acme"), "index/acme/rag.json"
    files.registry.trust.publish({role: {path: b"<html>"}})
    with pytest.raises(MetadataError, match=r"index/acme/rag\.json"):
        source(files, tmp_path / "state").releases("acme/rag")
    files.registry.trust.publish({role: {path: b"[1]"}})

    assert source(files, tmp_path / "state").releases("acme/rag") == ()


def test_a_minute_passes_before_a_registry_is_asked_again(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr(serve_client, "time", clock)
    client = source(files, tmp_path / "state")

    def asks() -> int:
        before = files.asked.count("metadata/timestamp.json")
        client.ring()
        return files.asked.count("metadata/timestamp.json") - before

    assert asks() == 1
    now[0] += serve_client.FRESH_S
    assert asks() == 0
    now[0] += 0.001
    assert asks() == 1


def test_a_fingerprint_that_is_pinned_holds_for_a_source(files: Files, tmp_path: Path) -> None:
    right = hashlib.sha256(files.registry.trust.root_bytes(1)).hexdigest()
    place = Place(url=URL, fingerprint=right)

    assert source(files, tmp_path / "a", place=place).ring().namespaces == {}
    with pytest.raises(WrongRootError):
        source(files, tmp_path / "b", place=Place(url=URL, fingerprint="0" * 64)).ring()
