"""Packages that go from host to host, each proved as if it had come from its registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from inwit.errors import BadSignatureError, RefusedMessageError, WrongRootError
from inwit.registry.fetch import Fetcher
from inwit.registry.install.installer import Installer
from inwit.registry.install.lock import Wanted
from inwit.registry.peers_card import CARD
from inwit.registry.peers_client import PeerClient
from inwit.registry.peers_source import PeerSource, installed_archive, nearby_of, peer_sources
from inwit.registry.serve import Registry
from inwit.registry.serve_client import Place, RegistrySource
from inwit.registry.serve_tokens import Caller
from inwit.registry.sources.configured import Sources
from inwit.registry.sources.local import PathSource
from inwit.registry.trust import Policy
from inwit.runtime.project import Project
from tests.registry.mirror import Mirror
from tests.registry.shelf import LOCAL, package, publish, served
from tests.server.test_peers import Hosts

MIB = 1 << 20


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path / "hosts")
    yield made
    made.close()


def shelf_of(hosts: Hosts, name: str) -> Registry:
    """The registry that a host serves, made where there is none."""
    made = Registry(hosts.clients[name].book.project.folder / "registry")
    made.initialise()
    return made


def opted_in(hosts: Hosts, name: str) -> Project:
    """A project that installs from its peers."""
    project = hosts.clients[name].book.project
    (project.folder / "config.toml").write_text("[network]\ninstall = true\n")
    return project


def test_a_peers_packages_are_proved_by_its_own_registry(hosts: Hosts, tmp_path: Path) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    shelf = shelf_of(hosts, "ben")
    archive = package(tmp_path)
    publish(shelf, archive)
    assert peer_sources(hosts.clients["ada"].book.project) == []

    (ben,) = peer_sources(opted_in(hosts, "ada"))
    (release,) = ben.releases("acme/rag")

    assert (release.origin, release.sha256) == ("peer", archive.sha256)
    assert ben.fetch(release, max_bytes=MIB) == archive.content
    hosts.stop("ben")
    away = peer_sources(opted_in(hosts, "ada"))[0]
    assert away.owns("acme") and not away.owns("other")
    shelf.close()


def test_a_package_is_installed_from_a_peer_and_another_is_not_taken_from_it(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    shelf = shelf_of(hosts, "ben")
    publish(shelf, package(tmp_path))
    keeper = Caller(name="ben", scopes=("admin",))
    publish(shelf, package(tmp_path, name="inwit/rag", version="99.0.0"), caller=keeper)
    project = opted_in(hosts, "ada")
    sources = Sources.of(project)

    done = Installer(project, sources, inwit_version="0.1.0").install({"acme/rag": Wanted()})

    assert [(one.id, one.origin, one.level) for one in done.added] == [
        ("acme/rag", "peer", "community")
    ]
    # The namespace of what is shipped is not the peer's, however high its version is.
    assert [one.origin for one in sources.releases("inwit/rag")] == ["local"]
    shelf.close()


def test_a_registry_that_the_peers_card_does_not_name_is_refused(
    hosts: Hosts, tmp_path: Path
) -> None:
    """Whoever sits at Ben's address shows his card, and packages of their own."""
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    shelf = shelf_of(hosts, "ben")
    card = httpx.get(hosts.url("ben") + CARD, timeout=20).content
    evil = Registry(tmp_path / "evil")
    evil.initialise()
    publish(evil, package(tmp_path, version="9.0.0"))
    between = Mirror.of(evil.folder / "files")
    between.files[CARD] = card
    client = hosts.clients["ada"]

    with between.served() as url:
        moved = msgspec.structs.replace(client.book.get("ben"), url=url)
        with pytest.raises(WrongRootError):
            PeerSource(client, moved, Policy()).releases("acme/rag")
    shelf.close()
    evil.close()


def installed_from(url: str, hosts: Hosts, name: str) -> None:
    """Let a host's project install acme/rag from a registry."""
    project = hosts.clients[name].book.project
    central = RegistrySource(Place(url=url), fetcher=Fetcher(allow=LOCAL))
    Installer(project, Sources([central]), inwit_version="0.1.0").install({"acme/rag": Wanted()})


def test_an_archive_is_taken_from_a_peer_that_has_it_installed_and_proved_by_its_registry(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    archive = package(tmp_path)
    central = Registry(tmp_path / "central")
    with served(central) as url:
        publish(central, archive)
        installed_from(url, hosts, "ben")
        nearby = nearby_of(hosts.clients["ada"].book.project)
        place, fetcher = Place(url=url), Fetcher(allow=LOCAL)
        trusted = RegistrySource(place, fetcher=fetcher, folder=tmp_path / "t", nearby=nearby)
        (release,) = trusted.releases("acme/rag")

        assert trusted.fetch(release, max_bytes=MIB) == archive.content
        assert central.releases.by_digest(archive.sha256).installs == 1  # Ben's alone

        hosts.stop("ben")
        assert trusted.fetch(release, max_bytes=MIB) == archive.content
        assert central.releases.by_digest(archive.sha256).installs == 2
    central.close()


def test_what_came_from_a_folder_is_not_handed_on(hosts: Hosts, tmp_path: Path) -> None:
    hosts.start("ben")
    project = hosts.clients["ben"].book.project
    archive = package(tmp_path)
    mine = PathSource(tmp_path / "acme-rag-1.0.0")
    Installer(project, Sources([], named=[mine]), inwit_version="0.1.0").install(
        {"acme/rag": Wanted()}
    )

    assert (project.folder / "installed").is_dir()
    assert installed_archive(project, archive.sha256) is None


def test_a_peer_that_hands_over_other_bytes_is_passed_by(hosts: Hosts, tmp_path: Path) -> None:
    hosts.start("ada")
    ada = hosts.clients["ada"]
    archive = package(tmp_path)
    evil = Mirror(files={f"/api/v1/packages/{archive.sha256}/archive": b"other bytes"})
    central = Registry(tmp_path / "central")
    with evil.served() as url, served(central) as trusted_url:
        publish(central, archive)
        ada.book.add("mallory", url, key=ada.book.signer().public_key.keyval["public"])
        place, fetcher = Place(url=trusted_url), Fetcher(allow=LOCAL)
        trusted = RegistrySource(
            place, fetcher=fetcher, folder=tmp_path / "t", nearby=nearby_of(ada.book.project)
        )
        (release,) = trusted.releases("acme/rag")

        with pytest.raises(RefusedMessageError, match="other bytes"):
            ada.archive(ada.book.get("mallory"), archive.sha256, max_bytes=MIB)
        assert trusted.fetch(release, max_bytes=MIB) == archive.content
    central.close()


def test_bytes_that_a_source_nearby_gives_are_proved_like_any(tmp_path: Path) -> None:
    central = Registry(tmp_path / "central")
    with served(central) as url:
        publish(central, package(tmp_path))
        lying = RegistrySource(
            Place(url=url), fetcher=Fetcher(allow=LOCAL), folder=tmp_path / "t",
            nearby=lambda _release, _most: b"other bytes",
        )  # fmt: skip
        (release,) = lying.releases("acme/rag")

        with pytest.raises(BadSignatureError, match="not those that were announced"):
            lying.fetch(release, max_bytes=MIB)
    central.close()


def test_a_peer_without_a_registry_owns_nothing(hosts: Hosts) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    client: PeerClient = hosts.clients["ada"]

    ben = PeerSource(client, client.book.get("ben"), Policy())

    assert ben.owns("acme") is False
