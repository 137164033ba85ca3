"""What a registry keeps and signs of each release, whom it lets in, and how it is searched: no server."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    ForbiddenError,
    MalformedInputError,
    NamespaceError,
    PublishError,
    UnknownPackageError,
)
from inwit.registry.archive import Archive
from inwit.registry.search import Entry
from inwit.registry.serve import LONGEST_KEY, Receipt, Registry
from inwit.registry.serve_search import Wanted, _entry, _reach, _shown, checked
from inwit.registry.serve_tokens import Caller
from inwit.registry.store_releases import Published
from inwit.registry.trust_keys import Namespace, entry
from inwit.registry.trust_repository import namespace_role
from inwit.runtime.store import audit
from tests.registry.shelf import ANYONE, envelope, package, publish
from tests.registry.test_keys_and_tokens import published

ADA = CryptoSigner.generate_ed25519()
ADMIN = Caller(name="root", scopes=("admin",))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    made.initialise()
    return made


def put(registry: Registry, archive: Archive, caller: Caller = ANYONE) -> Receipt:
    return publish(registry, archive, [ADA], caller)


def signed(registry: Registry, role: str, path: str) -> Any:
    """What the newest metadata of a role says of a target, read by the digest that it signs."""
    folder = registry.folder / "files"
    version = max(int(one.name.partition(".")[0]) for one in folder.glob(f"metadata/*.{role}.json"))
    held = msgspec.json.decode((folder / f"metadata/{version}.{role}.json").read_bytes())
    digest = held["signed"]["targets"][path]["hashes"]["sha256"]
    place, _, name = path.rpartition("/")
    content = (folder / "targets" / place / f"{digest}.{name}").read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    return version, content if name.endswith(".gz") else msgspec.json.decode(content)


def plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def logged(registry: Registry) -> list[tuple[Any, ...]]:
    rows = audit.rows(registry.project)
    return [(row.actor, row.action, row.target, row.outcome, row.details) for row in rows]


def test_a_release_is_kept_and_signed_with_all_that_is_said_of_it(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path)

    made = put(registry, archive)

    one = made.release
    assert made == Receipt(release=one, is_new=True)
    assert msgspec.to_builtins(one) == {
        "digest": archive.sha256, "id": "acme/rag", "version": "1.0.0", "kind": "graph-template",
        "description": "Answer questions over documents.", "installs": 0, "yanked_why": "",
        "manifest": msgspec.to_builtins(archive.manifest), "envelope": one.envelope,
        "size_bytes": len(archive.content), "level": "community", "publisher": "ada",
        "published_at": one.published_at, "yanked_at": None,
    }  # fmt: skip
    assert plain(registry.releases.of("acme/rag")) == [plain(one)]
    role = namespace_role("acme")
    assert signed(registry, role, one.path)[1] == archive.content
    assert signed(registry, role, f"{one.path}.dsse.json")[1] == msgspec.json.decode(one.envelope)
    assert signed(registry, role, "index/acme/rag.json")[1] == {
        "schema_version": "1", "id": "acme/rag", "releases": [{
            "version": "1.0.0", "sha256": archive.sha256, "size_bytes": len(archive.content),
            "published_at": one.published_at, "manifest": plain(one.manifest), "yanked": None,
        }],
    }  # fmt: skip
    assert logged(registry)[-1] == (
        "ada", "package.publish", "acme/rag 1.0.0", "done", {"sha256": archive.sha256}
    )  # fmt: skip
    again = put(registry, archive)
    assert (plain(again.release), again.is_new) == (plain(one), False)


def test_names_are_signed_anew_with_the_first_release_of_each_alone(
    registry: Registry, tmp_path: Path
) -> None:
    def names() -> tuple[int, list[str]]:
        version, said = signed(registry, "registry", "names.json")
        return version, said["ids"]

    put(registry, package(tmp_path))
    first = names()
    put(registry, package(tmp_path, version="1.1.0"))
    again = names()
    put(registry, package(tmp_path, name="acme/agent"))

    assert first == again
    assert first[1] == ["acme/rag"]
    assert names()[1] == ["acme/agent", "acme/rag"]


def test_content_is_counted_only_where_somebody_takes_it(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    put(registry, archive)

    assert registry.content(archive.sha256, count=False) == archive.content
    assert registry.releases.by_digest(archive.sha256).installs == 0
    assert registry.content(archive.sha256) == archive.content
    assert registry.releases.by_digest(archive.sha256).installs == 1
    for blob in (registry.folder / "files" / "targets").rglob("*.tar.gz"):
        blob.unlink()
    with pytest.raises(UnknownPackageError):
        registry.content(archive.sha256)
    assert registry.releases.by_digest(archive.sha256).installs == 1


def test_what_is_yanked_or_warned_of_is_signed_with_its_reason(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    put(registry, archive)

    gone = registry.yank(archive.sha256, "it leaks", ANYONE)
    warned = registry.advise("acme/rag", "<2", "high", "it leaks", ANYONE)

    assert gone.yanked_why == "it leaks"
    assert (
        signed(registry, namespace_role("acme"), "index/acme/rag.json")[1]["releases"][0]["yanked"]
        == "it leaks"
    )
    assert signed(registry, "registry", "advisories.json")[1] == {
        "schema_version": "1", "advisories": [msgspec.to_builtins(warned)]
    }  # fmt: skip
    assert [row[1:] for row in logged(registry)[-2:]] == [
        ("package.yank", "acme/rag 1.0.0", "done", {"why": "it leaks"}),
        ("package.advise", "acme/rag", "done", {"advisory": warned.id}),
    ]
    with pytest.raises(UnknownPackageError):
        registry.advise("acme/none", "<2", "high", "x", ANYONE)
    other = Caller(name="eve", scopes=("yank:other", "publish:*"))
    with pytest.raises(ForbiddenError):
        registry.yank(archive.sha256, "x", other)
    with pytest.raises(ForbiddenError):
        registry.advise("acme/rag", "<2", "high", "x", other)


@pytest.mark.parametrize("why", ["", "  ", "x" * 301, "two\nlines"])
def test_a_reason_is_one_line_of_three_hundred_characters(
    registry: Registry, tmp_path: Path, why: str
) -> None:
    archive = package(tmp_path)
    put(registry, archive)

    with pytest.raises(MalformedInputError) as told:
        registry.yank(archive.sha256, why, ANYONE)

    assert told.value.hint == "Say in one line of at most 300 characters why."
    assert registry.yank(archive.sha256, "x" * 300, ANYONE).yanked_why == "x" * 300


def test_a_namespace_is_claimed_by_a_key_that_lasts_two_years_at_most(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    long = entry(ADA, "ada", days=5000)
    with pytest.raises(PublishError) as keyless:
        registry.publish(archive.content, envelope(archive, [ADA]), ANYONE)
    assert keyless.value.hint == "Send your public key to claim it."

    registry.publish(archive.content, envelope(archive, [ADA]), ANYONE, key=long)

    kept = registry.ring().keys[long.id]
    assert kept.expires - kept.valid_from == LONGEST_KEY
    assert abs(kept.valid_from - datetime.now(UTC)) < timedelta(minutes=1)
    assert registry.ring().namespaces == {"acme": Namespace(level="community", keys=(long.id,))}
    late = msgspec.structs.replace(
        entry(CryptoSigner.generate_ed25519(), "bob"), expires=datetime.now(UTC) - timedelta(1)
    )
    other = package(tmp_path, name="other/x")
    with pytest.raises(ForbiddenError, match="is not valid now"):
        registry.publish(other.content, envelope(other, [ADA]), ANYONE, key=late)


def test_a_reserved_or_closed_namespace_is_granted_by_an_admin_alone(tmp_path: Path) -> None:
    closed = Registry(tmp_path / "closed", open_namespaces=False)
    opened = Registry(tmp_path / "open")
    for registry in (closed, opened):
        registry.initialise()
    ours, theirs = package(tmp_path, name="inwit/x"), package(tmp_path)

    for registry, archive in ((closed, theirs), (closed, ours), (opened, ours)):
        with pytest.raises(NamespaceError):
            put(registry, archive)
        assert put(registry, archive, ADMIN).is_new
    assert put(opened, theirs).is_new


def test_a_registry_without_keys_knows_none_and_keeps_nothing_fresh(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "none")

    registry.keep_fresh()

    assert not registry.exists
    assert registry.ring().keys == {}
    assert not (tmp_path / "none").exists()


def test_one_role_is_rotated_at_a_time(registry: Registry) -> None:
    roots, online = tuple(registry.trust.root_key_ids()), registry.folder / "keys" / "online.pem"
    key = online.read_bytes()

    registry.rotate("root", "ada")
    rooted = tuple(registry.trust.root_key_ids())
    assert (len(rooted), set(rooted) & set(roots)) == (len(roots), set())
    assert online.read_bytes() == key

    registry.rotate("online", "ada")
    assert tuple(registry.trust.root_key_ids()) == rooted
    assert online.read_bytes() != key
    assert [row[:3] for row in logged(registry)] == [
        ("ada", "trust.rotate", "root"), ("ada", "trust.rotate", "online")
    ]  # fmt: skip


def test_a_release_is_checked_again_by_the_keys_as_they_are_now(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path, more='[lineage]\nderived_from = ["acme/old"]\n')
    one = put(registry, archive).release

    good = registry.verify(archive.sha256)
    assert (good.id, good.version, good.digest) == ("acme/rag", "1.0.0", archive.sha256)
    assert (good.level, good.signers, good.faults) == ("community", (ADA.public_key.keyid,), ())
    assert registry.releases.by_digest(archive.sha256).installs == 0
    other = package(tmp_path, version="2.0.0")
    changed = registry.check(other.content, one.envelope.encode(), one)
    assert (changed.level, changed.digest, changed.version) == (
        "unverified", other.sha256, "2.0.0"
    )  # fmt: skip
    assert "its bytes were changed" in changed.faults[0]
    assert "about another archive" in registry.check(other.content, one.envelope.encode()).faults[0]
    traced = registry.lineage(archive.sha256)
    assert traced["lineage"] == plain(archive.manifest.lineage)
    assert traced["lineage"]["derived_from"] == ["acme/old"]
    assert traced["versions"] == [
        {"version": "1.0.0", "hash": archive.sha256, "published_at": one.published_at}
    ]
    assert (traced["id"], traced["version"], traced["publisher"]) == ("acme/rag", "1.0.0", "ada")
    assert traced["provenance"]["buildDefinition"]["externalParameters"] == {
        "package": "acme/rag", "version": "1.0.0"
    }  # fmt: skip


def test_a_changed_level_shows_in_the_namespaces_that_changed(
    registry: Registry, tmp_path: Path
) -> None:
    put(registry, package(tmp_path))
    put(registry, package(tmp_path, name="team/tool"))
    ring = registry.ring()
    acme = msgspec.structs.replace(ring.namespaces["acme"], level="verified")

    registry.set_ring(ring.with_namespace("acme", acme), "ada")

    assert [(one.id, one.level) for one in registry.releases.all()] == [
        ("acme/rag", "verified"), ("team/tool", "community")
    ]  # fmt: skip
    assert logged(registry)[-1][:3] == ("ada", "trust.set_ring", "trust/keys.json")


# Searching


def found(**more: Any) -> Published:
    manifest = {
        "package": {"licence": "MIT", "keywords": ["docs"]},
        "capabilities": {"provides": ["retrieval"]}, "provides": {"nodes": ["search"]},
    }  # fmt: skip
    facts: dict[str, Any] = {"kind": "tool-pack", "level": "community", "manifest": manifest}
    return published("acme/rag", "1.5", **(facts | more))


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [({}, True), ({"kind": "tool-pack"}, True), ({"kind": "graph-template"}, False),
     ({"capability": "retrieval"}, True), ({"capability": "search"}, True), ({"capability": "x"}, False),
     ({"trust": "unverified"}, True), ({"trust": "community"}, True), ({"trust": "verified"}, False),
     ({"licence": "MIT"}, True), ({"licence": "GPL"}, False), ({"version": ">=1.5,<2"}, True),
     ({"version": ">1.5"}, False), ({"trust": "verified", "licence": "MIT"}, False)],
)  # fmt: skip
def test_each_filter_alone_leaves_a_package_out(wanted: dict[str, str], is_found: bool) -> None:
    shown = _shown([(found(), 0.66666, "words")], Wanted(**wanted), 5)

    assert len(shown) == is_found
    for one in shown:
        assert one == {**found().to_json(), "score": 0.6667, "why": "words"}


def test_so_many_are_shown_and_more_are_looked_at_where_a_filter_takes_some() -> None:
    rows = [(found(), 1.0 - at / 10, "words") for at in range(5)]

    assert [one["score"] for one in _shown(rows, Wanted(), 3)] == [1.0, 0.9, 0.8]
    assert _reach(Wanted(), 7) == _reach(Wanted(kind="tool-pack"), 7) == 7
    assert (_reach(Wanted(trust="verified"), 7), _reach(Wanted(licence="MIT"), 30)) == (100, 150)


def test_a_release_is_found_by_its_words_and_by_its_use() -> None:
    one = found(description="Reads documents.", installs=250)

    assert _entry(one) == Entry(
        "acme/rag", "rag", "Reads documents. tool pack. docs, retrieval, search", "tool-pack", 0.25
    )
    assert _entry(found(installs=1000)).prior == _entry(found(installs=5000)).prior == 1.0
    assert _entry(found(manifest={"package": {}})).text == "d tool pack. "


def test_what_can_be_wanted_is_a_level_and_a_range() -> None:
    assert checked(Wanted(trust="verified", version=">=1")).trust == "verified"
    with pytest.raises(MalformedInputError, match="No level of trust"):
        checked(Wanted(trust="some"))
    with pytest.raises(MalformedInputError, match="is no range") as told:
        checked(Wanted(version="x"))
    assert told.value.hint == 'As ">=1,<2".'
