"""`inwit network` between this project and a host that runs: name it, meet it, write to it, forget it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.registry.peers import PeerBook
from inwit.runtime.project import Project
from tests.cli.conftest import Inwit
from tests.server.test_peers import Hosts


@pytest.fixture
def ben(tmp_path: Path) -> Iterator[Hosts]:
    """A host of another project, which knows this one by its key."""
    hosts = Hosts(tmp_path / "hosts")
    hosts.start("ben")
    yield hosts
    hosts.close()


def known(inwit: Inwit, ben: Hosts) -> str:
    """Let each name the other; gives the address of the other host."""
    own = inwit("network", "key", "--json").json
    ben.clients["ben"].book.add(own["name"], "http://127.0.0.1:9", key=own["key"])
    added = inwit("network", "add", "ben", ben.url("ben"))
    assert (added.code, added.out.startswith(f"ben at {ben.url('ben')}, key ")) == (0, True)
    return ben.url("ben")


def test_a_key_is_the_one_by_which_others_know_the_host(inwit: Inwit, project: Path) -> None:
    shown = inwit("network", "key").out.strip()

    assert shown == PeerBook(Project.find()).signer().public_key.keyval["public"]


def test_a_peer_that_answers_is_told_with_its_address(inwit: Inwit, ben: Hosts) -> None:
    url = known(inwit, ben)

    table = inwit("network", "peers").out
    (met,) = inwit("network", "peers", "--json").json["peers"]

    assert "answered" in table and url in table
    assert (met["name"], met["url"], met["status"], met["says"]["name"][-4:]) == ("ben", url, "answered", "/ben")  # fmt: skip


def test_a_peer_that_has_gone_is_told_with_the_reason(inwit: Inwit, ben: Hosts) -> None:
    known(inwit, ben)
    ben.stop("ben")

    told = inwit("network", "peers")

    assert told.code == 0
    assert "failed" in told.out and "answered" not in told.out


def test_a_message_is_delivered_now_or_left_for_later(inwit: Inwit, ben: Hosts) -> None:
    known(inwit, ben)

    now = inwit("network", "send", "ben", "suggestion", "cache the embeddings", "--json").json
    ben.stop("ben")
    later = inwit("network", "send", "ben", "status", "all is well")

    assert (now["status"], now["error"]) == ("acknowledged", "")
    assert later.code == 0
    assert " waiting (" in later.out


def test_a_peer_is_forgotten_and_an_unknown_one_is_refused(inwit: Inwit, ben: Hosts) -> None:
    known(inwit, ben)

    removed = inwit("network", "remove", "ben")
    again = inwit("network", "remove", "ben")

    assert "ben is a peer no longer." in removed.err
    assert "No peer is listed" in inwit("network", "peers").err
    assert again.code == 3 and "ben" in again.err


def test_a_host_that_is_not_there_is_no_peer(inwit: Inwit) -> None:
    added = inwit("network", "add", "ada", "http://127.0.0.1:9")

    assert added.code == 4
    assert "127.0.0.1:9" in added.err
