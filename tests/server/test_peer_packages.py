"""Packages that go from host to host, each proved as if it had come from its registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.errors import (
    RefusedMessageError,
    RegistryUnreachableError,
    WrongRootError,
)
from inwit.registry.peers_client import PeerClient
from inwit.registry.peers_source import PeerSource, peer_sources, transfer
from inwit.registry.serve import Registry
from inwit.registry.trust import Policy
from inwit.runtime.project import Project
from tests.registry.mirror import Mirror
from tests.registry.shelf import package, publish, served, source
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


def test_a_peer_whose_registry_is_another_than_its_card_names_is_refused(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    shelf = shelf_of(hosts, "ben")
    publish(shelf, package(tmp_path))
    (ben,) = peer_sources(opted_in(hosts, "ada"))
    assert ben.releases("acme/rag")
    (shelf.folder / "files").rename(tmp_path / "files-of-before")
    (shelf.folder / "keys").rename(tmp_path / "keys-of-before")
    shelf_of(hosts, "ben")

    (again,) = peer_sources(opted_in(hosts, "ada"))

    with pytest.raises(WrongRootError):
        again.releases("acme/rag")
    shelf.close()


def test_an_archive_is_taken_from_a_peer_by_its_hash_and_proved_by_its_registry(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    archive = package(tmp_path)
    central = Registry(tmp_path / "central")
    shelf = shelf_of(hosts, "ben")
    publish(shelf, archive)
    ada = hosts.clients["ada"]
    with served(central) as url:
        publish(central, archive)
        trusted = source(url, tmp_path / "trusted")
        (release,) = trusted.releases("acme/rag")

        found = transfer(ada, ada.book.every(), release, trusted, policy=Policy(), max_bytes=MIB)

        assert found == archive.content
        hosts.stop("ben")
        with pytest.raises(RegistryUnreachableError, match="no peer has"):
            transfer(ada, ada.book.every(), release, trusted, policy=Policy(), max_bytes=MIB)
    central.close()
    shelf.close()


def test_a_peer_that_hands_over_other_bytes_is_passed_by(hosts: Hosts, tmp_path: Path) -> None:
    hosts.start("ada")
    ada = hosts.clients["ada"]
    archive = package(tmp_path)
    evil = Mirror(files={f"/api/v1/packages/{archive.sha256}/archive": b"other bytes"})
    with evil.served() as url:
        ada.book.add("mallory", url, key=ada.book.signer().public_key.keyval["public"])

        with pytest.raises(RefusedMessageError, match="other bytes"):
            ada.archive(ada.book.get("mallory"), archive.sha256, max_bytes=MIB)


def test_a_peer_without_a_registry_owns_nothing(hosts: Hosts) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    client: PeerClient = hosts.clients["ada"]

    ben = PeerSource(client, client.book.get("ben"), Policy())

    assert ben.owns("acme") is False
