"""A real registry on a real port: publishing, finding, proving, yanking, warning."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    AlreadyPublishedError,
    ForbiddenError,
    NamespaceError,
    RegistryRefusedError,
    TooFewSignaturesError,
    UnauthorizedError,
    UnsignedPackageError,
)
from inwit.registry.fetch import Fetcher
from inwit.registry.search.catalogue import Catalogue
from inwit.registry.search.listed import Listed
from inwit.registry.serve import Registry
from inwit.registry.serve_tokens import Caller, caller_of, make_token, revoke_token, tokens
from inwit.registry.trust_keys import Namespace, entry, own_key
from inwit.registry.trust_repository import TrustRepository
from inwit.registry.trust_update import Updates
from inwit.runtime.store import audit
from tests.registry.shelf import (
    ANYONE,
    LOCAL,
    client,
    envelope,
    package,
    publish,
    served,
    source,
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path / "registry")
    made.initialise()
    yield made
    made.close()


@pytest.fixture
def url(registry: Registry) -> Iterator[str]:
    with served(registry) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/api/v1", timeout=20) as made:
        yield made


def test_what_is_published_is_found_fetched_and_proved(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    ada = client(url, registry, "publish:acme")

    made = ada.publish(archive, owner="ada")

    central = source(url, tmp_path / "trusted", fingerprint=registry.trust.fingerprint())
    (release,) = central.releases("acme/rag")
    assert made["package"]["hash"] == release.sha256 == archive.sha256
    assert (release.level, release.origin, release.source) == ("community", "registry", url)
    assert central.fetch(release, max_bytes=1 << 20) == archive.content
    assert list(central.list()) == ["acme/rag"]
    assert central.owns("acme")
    assert not central.owns("other")
    assert (
        ada.post("/search", {"query": "questions over documents"})["results"][0]["id"] == "acme/rag"
    )


def test_publishing_again_changes_nothing_and_another_content_is_refused(
    registry: Registry, tmp_path: Path
) -> None:
    first, again = package(tmp_path), package(tmp_path)
    other = package(tmp_path / "other", code="def build():\n    return 2\n")
    same_version = package(tmp_path, version="1.0")

    assert publish(registry, first).is_new
    assert not publish(registry, again).is_new
    for archive in (other, same_version):
        with pytest.raises(AlreadyPublishedError):
            publish(registry, archive)


def test_writing_needs_a_token_with_the_scope_of_the_namespace(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    archive = package(tmp_path)

    for scopes, status in (((), 401), (("publish:other",), 403), (("contribute",), 403)):
        who = client(url, registry, *scopes, name=f"with {scopes}")
        with pytest.raises(RegistryRefusedError) as refused:
            who.publish(archive, owner="ada")
        assert refused.value.status == status
    assert registry.releases.ids() == []


def test_an_unsigned_package_is_refused_by_name(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnsignedPackageError, match=r"acme/rag 1\.0\.0"):
        registry.publish(package(tmp_path).content, b"", ANYONE)


def test_a_namespace_belongs_to_who_claimed_it(registry: Registry, tmp_path: Path) -> None:
    publish(registry, package(tmp_path))
    stranger = CryptoSigner.generate_ed25519()

    with pytest.raises(TooFewSignaturesError, match="not one of the namespace's"):
        publish(registry, package(tmp_path, version="2.0.0"), [stranger])


def test_a_key_is_valid_by_the_registrys_clock_and_not_for_ever(
    registry: Registry, tmp_path: Path
) -> None:
    archive, signer = package(tmp_path), own_key()
    now = datetime.now(UTC)
    ahead = msgspec.structs.replace(
        entry(signer, "ada"),
        valid_from=now + timedelta(minutes=5),
        expires=now + timedelta(days=9999),
    )
    over = msgspec.structs.replace(ahead, expires=now - timedelta(days=1))
    signed = envelope(archive, [signer])

    with pytest.raises(ForbiddenError, match="not valid now"):
        registry.publish(archive.content, signed, ANYONE, key=over)
    assert registry.publish(archive.content, signed, ANYONE, key=ahead).is_new

    (kept,) = registry.ring().keys.values()
    assert kept.valid_from <= datetime.now(UTC)
    assert kept.expires < now + timedelta(days=731)


def test_a_namespace_that_looks_like_another_cannot_be_claimed(
    registry: Registry, tmp_path: Path
) -> None:
    publish(registry, package(tmp_path, name="modern/rag"))

    with pytest.raises(NamespaceError, match="look alike"):
        publish(registry, package(tmp_path, name="rnodern/rag"))


def test_the_namespace_of_what_is_shipped_is_granted_and_never_claimed(
    registry: Registry, tmp_path: Path
) -> None:
    archive = package(tmp_path, name="inwit/rag")

    with pytest.raises(NamespaceError):
        publish(registry, archive)
    assert publish(registry, archive, caller=Caller(name="keeper", scopes=("admin",))).is_new


def test_a_closed_registry_lets_nobody_claim(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "closed", open_namespaces=False)
    registry.initialise()

    with pytest.raises(NamespaceError):
        publish(registry, package(tmp_path))


def test_publishing_warns_of_a_name_that_imitates(registry: Registry, tmp_path: Path) -> None:
    publish(registry, package(tmp_path, name="acme/rag-tools"))

    receipt = publish(registry, package(tmp_path, name="acmee/rag-tools"))

    assert receipt.lookalikes == ("acme/rag-tools",)
    assert "one letter differs" in receipt.warnings[0]


def test_a_yank_and_an_advisory_reach_who_has_the_package(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    who = client(url, registry, "publish:acme", "yank:acme")
    who.publish(archive, owner="ada")

    who.yank(archive.sha256, "loses answers")
    said = who.post(
        "/advisories",
        {"package": "acme/rag", "affected": "<1.1", "severity": "high", "summary": "leaks"},
    )

    (release,) = source(url, tmp_path / "trusted").releases("acme/rag")
    assert release.yanked == "loses answers"
    assert [one["id"] for one in release.advisories] == [said["id"]]
    assert who.post("/search", {"query": "rag"})["results"] == []


def test_only_who_holds_the_scope_yanks(registry: Registry, url: str, tmp_path: Path) -> None:
    digest = publish(registry, package(tmp_path)).release.digest

    with pytest.raises(RegistryRefusedError) as refused:
        client(url, registry, "yank:other").yank(digest, "out of spite")

    assert refused.value.status == 403
    assert registry.releases.by_digest(digest).yanked_at is None


def test_a_namespace_that_is_granted_a_level_shows_it_everywhere(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    ada, ben = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    ring = registry.ring().with_key(entry(ada, "ada")).with_key(entry(ben, "ben"))
    keys = (ada.public_key.keyid, ben.public_key.keyid)
    official = Namespace(level="official", threshold=2, keys=keys)
    registry.set_ring(ring.with_namespace("acme", official), "a test")

    with pytest.raises(TooFewSignaturesError, match="1 of 2"):
        publish(registry, package(tmp_path), [ada])
    made = publish(registry, package(tmp_path), [ada, ben])

    assert made.release.level == "official"
    (release,) = source(url, tmp_path / "trusted").releases("acme/rag")
    assert release.level == "official"
    assert registry.verify(made.release.digest).owners == ("ada", "ben")


def test_a_revoked_key_unproves_what_it_signed(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    digest = publish(registry, package(tmp_path)).release.digest
    registry.set_ring(registry.ring().revoked(own_key().public_key.keyid, "stolen"), "a test")

    verdict = registry.verify(digest)
    central = source(url, tmp_path / "trusted")
    (release,) = central.releases("acme/rag")

    assert verdict.level == "unverified"
    assert "revoked" in verdict.faults[0]
    with pytest.raises(TooFewSignaturesError, match="revoked"):
        central.fetch(release, max_bytes=1 << 20)


def test_clients_follow_when_the_registry_rotates_its_keys(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    publish(registry, package(tmp_path))
    source(url, tmp_path / "trusted").releases("acme/rag")

    for role in ("root", "online", "root"):
        registry.rotate(role, "a test")
    publish(registry, package(tmp_path, version="1.1.0"))

    found = source(url, tmp_path / "trusted").releases("acme/rag")
    assert [one.version for one in found] == ["1.0.0", "1.1.0"]


def test_several_root_keys_sign_together_and_too_few_do_not(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    registry.initialise(root_keys=3, root_threshold=2)
    for number in (1, 2):
        (tmp_path / "registry" / "keys" / f"root-{number}.pem").unlink()

    with pytest.raises(ForbiddenError, match="1 of 2 root keys"):
        registry.rotate("root", "a test")


def test_without_the_targets_key_packages_go_on_and_namespaces_wait(
    registry: Registry, tmp_path: Path
) -> None:
    publish(registry, package(tmp_path))
    (registry.folder / "keys" / "targets.pem").unlink()

    assert publish(registry, package(tmp_path, version="1.1.0")).is_new
    with pytest.raises(ForbiddenError, match="targets"):
        publish(registry, package(tmp_path, name="other/rag"))
    assert registry.releases.ids() == ["acme/rag"]


def test_metadata_is_signed_anew_before_it_expires(registry: Registry, tmp_path: Path) -> None:
    publish(registry, package(tmp_path))
    later = datetime.now(UTC) + timedelta(hours=13)
    registry.trust = TrustRepository(registry.blobs, registry.folder / "keys", clock=lambda: later)

    assert registry.trust.is_due()
    registry.keep_fresh()
    assert not registry.trust.is_due()
    with served(registry) as url:
        assert source(url, tmp_path / "trusted").releases("acme/rag")


def test_many_publish_at_once_and_nothing_is_lost(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    archives = [package(tmp_path, version=f"1.{number}.0") for number in range(8)]
    publish(registry, package(tmp_path))
    failed: list[Exception] = []

    def run(archive: Any) -> None:
        try:
            publish(registry, archive)
        except Exception as exc:  # noqa: BLE001 - shown below
            failed.append(exc)

    threads = [threading.Thread(target=run, args=(archive,)) for archive in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    found = source(url, tmp_path / "trusted").releases("acme/rag")
    assert {one.version for one in found} == {f"1.{number}.0" for number in range(8)}


def test_every_write_is_in_the_audit_log(registry: Registry, tmp_path: Path) -> None:
    digest = publish(registry, package(tmp_path)).release.digest
    registry.yank(digest, "wrong", ANYONE)

    rows = audit.rows(registry.project)

    assert [(one.actor, one.action) for one in rows] == [
        ("ada", "package.publish"),
        ("ada", "package.yank"),
    ]
    assert audit.verify(registry.project).is_intact


def test_tokens_expire_are_revoked_and_are_never_shown_again(registry: Registry) -> None:
    lasting = make_token(registry.rows, "ada", ["publish:acme"])
    over = make_token(registry.rows, "ben", ["admin"], days=-1)

    assert caller_of(registry.rows, f"Bearer {lasting}") == Caller(
        name="ada", scopes=("publish:acme",)
    )
    for header in (f"Bearer {over}", "Bearer x", f"Basic {lasting}"):
        with pytest.raises(UnauthorizedError):
            caller_of(registry.rows, header)
    assert lasting not in repr(tokens(registry.rows))
    revoke_token(registry.rows, "ada")
    with pytest.raises(UnauthorizedError):
        caller_of(registry.rows, f"Bearer {lasting}")


# Over HTTP


def test_every_route_of_the_registry_answers_as_it_is_described(
    registry: Registry, url: str, http: httpx.Client, tmp_path: Path
) -> None:
    digest = publish(registry, package(tmp_path)).release.digest
    paths = httpx.get(f"{url}/openapi.json", timeout=20).json()["paths"]
    bodies = {
        "/search": {"query": "documents"},
        "/search/semantic": {"query": "documents"},
        "/search/capability": {"capability": "retrieval"},
        "/trust/verify": {"hash": digest},
        "/batch/download": {"hashes": [digest]},
    }
    checked = 0

    for path, item in paths.items():
        short = path.removeprefix("/api/v1")
        for method in set(item) & {"get", "post"}:
            content = item[method]["responses"]["200"]["content"].get("application/json")
            if content is None or (method == "post" and short not in bodies):
                continue
            if not content or "{name}" in path or "{path}" in path:
                continue
            found = http.request(
                method,
                f"{url}{path.replace('{hash}', digest)}",
                params={"q": "documents"},
                json=bodies.get(short) if method == "post" else None,
            )
            assert found.status_code == 200, (path, found.text)
            jsonschema.validate(found.json(), content["schema"])
            checked += 1

    assert checked >= 13


def test_the_index_is_as_pep_691_has_it_and_a_known_one_is_not_sent_again(
    registry: Registry, http: httpx.Client, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    publish(registry, archive)

    projects = http.get("/simple/")
    files = http.get("/simple/acme/rag/").json()["files"]

    assert projects.json()["projects"] == [{"name": "acme/rag"}]
    assert files[0]["hashes"] == {"sha256": archive.sha256}
    assert files[0]["yanked"] is False
    content = http.get(files[0]["url"].removeprefix("/api/v1"))
    assert hashlib.sha256(content.content).hexdigest() == archive.sha256
    again = http.get("/simple/", headers={"If-None-Match": projects.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    publish(registry, package(tmp_path, name="acme/other"))
    assert http.get("/simple/", headers={"If-None-Match": projects.headers["ETag"]}).is_success


def test_verifying_says_what_is_wrong_with_an_archive(
    registry: Registry, http: httpx.Client, tmp_path: Path
) -> None:
    archive = package(tmp_path)
    publish(registry, archive)
    good = base64.b64encode(archive.content).decode()
    stranger = envelope(archive, [CryptoSigner.generate_ed25519()]).decode()
    own = envelope(archive, [own_key()]).decode()

    def verified(said: str) -> dict[str, Any]:
        body = {"content_base64": good, "envelope": said}
        found: dict[str, Any] = http.post("/trust/verify", json=body).json()
        return found

    assert verified(own)["is_valid"]
    assert verified(stranger)["faults"]
    assert not verified(stranger)["is_valid"]
    assert not verified("")["is_valid"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/packages/xyz", None, 400),
        ("GET", f"/packages/{'0' * 64}", None, 404),
        ("GET", f"/packages/{'0' * 64}/archive", None, 404),
        ("GET", "/tuf/metadata/..%2F..%2Fkeys%2Fonline.pem", None, 400),
        ("GET", "/tuf/targets/..%2F..%2Fkeys%2Fonline.pem", None, 400),
        ("GET", "/tuf/targets/.hidden", None, 400),
        ("GET", "/tuf/metadata/9.root.json", None, 404),
        ("GET", "/simple/no/such/", None, 404),
        ("POST", "/packages", {"content_base64": "?"}, 401),
        ("POST", "/search", {"query": 7}, 400),
        ("POST", "/search", {"query": "x", "limit": 10**9}, 400),
        ("POST", "/search", {"query": "x", "trust": "much"}, 400),
        ("POST", "/search", {"query": "rag", "version": "about 1"}, 400),
        ("POST", "/batch/download", {"hashes": []}, 400),
        ("POST", "/trust/verify", {"hash": ["x"]}, 400),
    ],
)
def test_a_wrong_request_is_a_problem_with_a_code(
    registry: Registry,
    http: httpx.Client,
    tmp_path: Path,
    method: str,
    path: str,
    body: Any,
    status: int,
) -> None:
    publish(registry, package(tmp_path))

    found = http.request(method, path, json=body)

    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    assert found.json()["code"]


def test_an_upload_that_is_no_package_is_refused(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    token = make_token(registry.rows, "ada", ["publish:*"])
    body = {"content_base64": base64.b64encode(b"x" * 100).decode(), "envelope": "{}"}

    found = httpx.post(
        f"{url}/api/v1/packages", json=body, headers={"Authorization": f"Bearer {token}"}
    )

    assert found.status_code == 422
    assert registry.releases.ids() == []


def test_the_updater_asks_the_registry_for_little(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    publish(registry, package(tmp_path))
    updates = Updates(
        f"{url}/api/v1/tuf/metadata",
        f"{url}/api/v1/tuf/targets",
        tmp_path / "t",
        Fetcher(allow=LOCAL),
    )

    assert updates.trust_first(None) == registry.trust.fingerprint()
    updates.refresh()
    assert updates.find("packages/acme/rag-1.0.0.tar.gz") is not None
    assert updates.find("packages/evil/rag-1.0.0.tar.gz") is None


def test_resolving_chooses_versions_that_fit_each_other_or_says_who_needs_what(
    registry: Registry, http: httpx.Client, tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.5.0", "2.0.0"):
        publish(registry, package(tmp_path, name="acme/base", version=version))
    needs = '[dependencies]\n"acme/base" = ">=1,<2"\n'
    publish(registry, package(tmp_path, name="acme/rag", more=needs))

    found = http.post("/packages/resolve", json={"requirements": ["acme/rag"]}).json()
    clash = http.post("/packages/resolve", json={"requirements": ["acme/rag", "acme/base>=2"]})
    many = http.post(
        "/batch/resolve",
        json={"requests": [{"requirements": ["acme/base==1.0.0"]}, {"requirements": ["no/such"]}]},
    ).json()["results"]

    assert [(one["id"], one["version"]) for one in found["packages"]] == [
        ("acme/base", "1.5.0"),
        ("acme/rag", "1.0.0"),
    ]
    assert clash.status_code == 409
    assert "acme/rag 1.0.0 needs acme/base" in clash.text
    assert many[0]["packages"][0]["version"] == "1.0.0"
    assert many[1]["problem"]["status"] == 404


@pytest.mark.parametrize("wrong", [[], ["rag"], ["acme/rag>>1"], ["acme/rag; rm"], [7], "acme/rag"])
def test_what_is_no_requirement_is_refused(http: httpx.Client, wrong: Any) -> None:
    assert http.post("/packages/resolve", json={"requirements": wrong}).status_code == 400


def test_an_imported_list_is_searched_beside_what_is_published(
    registry: Registry, http: httpx.Client, tmp_path: Path
) -> None:
    publish(registry, package(tmp_path, name="acme/rag"))
    listed = [
        Listed(id="pandas", name="pandas", version="3.0", description="Data frames and tables."),
        Listed(id="httpx", name="httpx", version="1.0", description="A client of HTTP."),
    ]
    Catalogue.build(registry.folder / "catalogue", listed).close()

    def ids(query: str) -> list[str]:
        found = http.post("/search", json={"query": query, "limit": 5}).json()["results"]
        return [one["id"] for one in found]

    assert ids("pandas") == ["pandas"]
    assert ids("acme/rag")[0] == "acme/rag"
