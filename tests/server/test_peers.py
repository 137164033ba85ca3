"""Two and three hosts that know each other, and what tries to come between them."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    MalformedInputError,
    PeerUnreachableError,
    QueueFullError,
    RefusedMessageError,
    UnknownPeerError,
)
from inwit.introspection.others import ask_peers
from inwit.registry import peers_messages, peers_queue
from inwit.registry.contributions import ContributionBook
from inwit.registry.peers import Peer, PeerBook
from inwit.registry.peers_card import read_card
from inwit.registry.peers_client import MESSAGES, PeerClient
from inwit.registry.peers_mdns import Announcement, look
from inwit.registry.peers_messages import Inbox, Message, compose, opened
from inwit.registry.peers_queue import Outbox
from inwit.registry.trust_envelope import sign
from inwit.runtime.project import Project
from inwit.runtime.store import audit
from inwit.runtime.store.database import Database
from inwit.server import lifecycle
from tests.registry.mirror import Mirror

QUESTION = "Is checkpointing on by default?"


class Hosts:
    """Hosts with projects of their own, on ports of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, lifecycle.Running] = {}
        self.clients: dict[str, PeerClient] = {}

    def start(self, name: str, *, port: int = 0, **more: Any) -> str:
        folder = self._folder / name
        (folder / ".inwit").mkdir(parents=True, exist_ok=True)
        project = Project(root=folder, folder=folder / ".inwit")
        self._running[name] = lifecycle.start(project, port=port, **more)
        self.clients[name] = PeerClient(PeerBook(project))
        return self.url(name)

    def url(self, name: str) -> str:
        return self._running[name].url

    def stop(self, name: str) -> None:
        self._running.pop(name).stop()

    def introduce(self, *names: str) -> None:
        """Let each know every other one."""
        for name in names:
            for other in names:
                if other != name:
                    self.clients[name].add(other, self.url(other))

    def peer(self, name: str, of: str) -> Peer:
        return self.clients[of].book.get(name)

    def close(self) -> None:
        for name in list(self._running):
            self.stop(name)
        for client in self.clients.values():
            Database.of(client.book.project).close()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path / "hosts")
    yield made
    made.close()


@pytest.fixture
def pair(hosts: Hosts) -> Hosts:
    """Ada and Ben, who know each other."""
    hosts.start("ada")
    hosts.start("ben")
    hosts.introduce("ada", "ben")
    return hosts


def post(url: str, envelope: str) -> httpx.Response:
    return httpx.post(f"{url}{MESSAGES}", json={"envelope": envelope}, timeout=20)


def test_a_card_says_who_a_host_is_and_is_signed_by_its_key(hosts: Hosts) -> None:
    url = hosts.start("ada")
    served = httpx.get(f"{url}/.well-known/inwit.json", timeout=20)

    card = read_card(served.content)

    key = hosts.clients["ada"].book.signer().public_key
    assert (card.id, card.key) == (key.keyid, key.keyval["public"])
    assert card.name.endswith("/ada")
    forged = msgspec.json.decode(served.content)
    other = CryptoSigner.generate_ed25519().public_key
    said = {**msgspec.to_builtins(card), "key": other.keyval["public"], "id": other.keyid}
    forged["envelope"] = sign(
        said, [CryptoSigner.generate_ed25519()], payload_type="application/vnd.inwit.card+json"
    ).decode()
    with pytest.raises(RefusedMessageError, match="signature"):
        read_card(msgspec.json.encode(forged))


def test_a_card_is_shown_without_the_token_that_everything_else_asks_for(hosts: Hosts) -> None:
    url = hosts.start("ada", token="secret")

    assert httpx.get(f"{url}/.well-known/inwit.json", timeout=20).status_code == 200
    assert httpx.get(f"{url}/mcp/network/peers", timeout=20).status_code == 401


def test_three_hosts_answer_at_once_and_each_answer_says_from_whom(hosts: Hosts) -> None:
    for name in ("ada", "ben", "cy"):
        hosts.start(name)
    hosts.introduce("ada", "ben", "cy")

    answer = ask_peers(hosts.clients["ada"].remote(), QUESTION, deadline_s=30)

    assert "[ben] Yes" in answer.text
    assert "[cy] Yes" in answer.text
    assert {one.uri.split("/")[2] for one in answer.evidence} == {"ben", "cy"}
    assert answer.data["partial"] is False


def test_a_host_that_is_away_is_named_and_the_rest_is_said_to_be_partial(pair: Hosts) -> None:
    with httpx.Client(base_url=pair.url("ada"), timeout=20) as ada:
        whole = ada.get("/mcp/network/query", params={"q": "retrieval"}).json()
        pair.stop("ben")
        partial = ada.get("/mcp/network/query", params={"q": "retrieval"}).json()
        met = ada.get("/mcp/network/peers").json()["peers"]

    assert {one["source"] for one in whole["packages"]} == {"this project", "ben"}
    assert (whole["partial"], partial["partial"]) == (False, True)
    assert {one["source"] for one in partial["packages"]} == {"this project"}
    assert "no answer of ben" in partial["answer"]
    assert [(one["name"], one["status"]) for one in met] == [("ben", "failed")]


def test_a_host_that_hangs_is_given_up_at_the_deadline(hosts: Hosts) -> None:
    hosts.start("ada")
    book = hosts.clients["ada"].book
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        book.add("slow", url, key=book.signer().public_key.keyval["public"])
        began = time.monotonic()
        answer = ask_peers(hosts.clients["ada"].remote(), QUESTION, deadline_s=0.5)
        took_s = time.monotonic() - began

    assert 0.4 < took_s < 20
    assert answer.data["partial"] is True
    assert "[slow]" in answer.text


def test_a_stranger_is_told_nothing(hosts: Hosts) -> None:
    hosts.start("ada")
    hosts.start("ben")
    hosts.clients["ada"].add("ben", hosts.url("ben"))

    with pytest.raises(RefusedMessageError, match="no peer"):
        hosts.clients["ada"].send(hosts.peer("ben", "ada"), "query", {"ask": QUESTION})


def test_an_unknown_peer_is_an_error_that_names_the_known(pair: Hosts) -> None:
    with pytest.raises(UnknownPeerError, match="Did you mean 'ben'"):
        pair.clients["ada"].remote(["benn"])


# Messages


@pytest.mark.parametrize("kind", ["suggestion", "bug_report", "status"])
def test_a_message_is_acknowledged_kept_and_audited(pair: Hosts, kind: str) -> None:
    sent = Outbox(pair.clients["ada"]).post("ben", kind, {"text": "hello"})  # type: ignore[arg-type]

    (kept,) = Inbox(pair.clients["ben"].book).messages()
    assert sent["status"] == "acknowledged"
    assert (kept["from"], kept["kind"], kept["body"]) == ("ada", kind, {"text": "hello"})
    (row,) = audit.rows(pair.clients["ben"].book.project)
    assert (row.actor, row.action) == ("peer:ada", f"peer.{kind}")


def test_a_bug_report_of_a_peer_becomes_a_contribution(pair: Hosts) -> None:
    report = {
        "kind": "bug", "package": "acme/rag", "title": "loses citations",
        "reporter": {"kind": "ai", "name": "a model", "version": "5"},
    }  # fmt: skip

    Outbox(pair.clients["ada"]).post("ben", "bug_report", {"report": report})

    (found,) = ContributionBook.of(pair.clients["ben"].book.project).list()
    assert found.report.title == "loses citations"


def test_a_message_waits_for_a_host_that_is_away_and_is_delivered_once(
    pair: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_queue, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(peers_queue, "LONGEST_PAUSE_S", 0.02)
    port = int(pair.url("ben").rpartition(":")[2])
    pair.stop("ben")
    outbox = Outbox(pair.clients["ada"])
    waiting = outbox.post("ben", "status", {"text": "are you there"})
    assert (waiting["status"], waiting["attempts"]) == ("waiting", 1)

    pair.start("ben", port=port)
    until(lambda: outbox.deliver_due() or outbox.get(waiting["id"])["status"] == "acknowledged")

    assert len(Inbox(pair.clients["ben"].book).messages()) == 1


def test_the_host_itself_delivers_what_waits(pair: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_queue, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(peers_queue, "LOOK_S", 0.05)
    port = int(pair.url("ben").rpartition(":")[2])
    pair.stop("ben")
    outbox = Outbox(pair.clients["ada"])
    waiting = outbox.post("ben", "status", {"text": "are you there"})
    pair.stop("ada")

    pair.start("ben", port=port)
    pair.start("ada")

    until(lambda: outbox.get(waiting["id"])["status"] == "acknowledged")


def test_a_message_that_waits_too_long_expires(
    pair: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_queue, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(peers_queue, "LASTS", timedelta(0))
    outbox = Outbox(pair.clients["ada"])

    assert outbox.post("ben", "status", {})["status"] == "expired"


def test_as_many_messages_wait_as_may(pair: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_queue, "QUEUE_LIMIT", 2)
    pair.stop("ben")
    outbox = Outbox(pair.clients["ada"])
    for _ in range(2):
        outbox.post("ben", "status", {})

    with pytest.raises(QueueFullError):
        outbox.post("ben", "status", {})


def test_a_peer_cannot_fill_the_inbox(pair: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_messages, "INBOX_LIMIT", 2)
    outbox = Outbox(pair.clients["ada"])

    found = [outbox.post("ben", "status", {"n": n})["status"] for n in range(3)]

    assert found == ["acknowledged", "acknowledged", "refused"]


# Attacks


def message(pair: Hosts, kind: str = "query", **more: Any) -> str:
    """A message of Ada's for Ben, as she would send it."""
    ada, ben = pair.clients["ada"].book, pair.peer("ben", "ada")
    _, envelope = compose(ada.signer(), ben.key_id, kind, {"ask": QUESTION}, **more)  # type: ignore[arg-type]
    return envelope


def test_a_question_that_is_sent_again_by_whoever_saw_it_is_refused(pair: Hosts) -> None:
    envelope = message(pair)

    assert post(pair.url("ben"), envelope).status_code == 200
    again = post(pair.url("ben"), envelope)

    assert (again.status_code, again.json()["code"]) == (403, "peer.refused")
    assert "came before" in again.text


def test_another_message_that_comes_again_is_taken_once(pair: Hosts) -> None:
    envelope = message(pair, "suggestion")

    codes = [post(pair.url("ben"), envelope).status_code for _ in range(3)]

    assert codes == [200, 200, 200]
    assert len(Inbox(pair.clients["ben"].book).messages()) == 1
    assert len(audit.rows(pair.clients["ben"].book.project)) == 1


def altered(envelope: str, **changes: Any) -> str:
    """The same envelope with other words in it."""
    held = msgspec.json.decode(envelope)
    said = msgspec.json.decode(base64.b64decode(held["payload"]))
    held["payload"] = base64.b64encode(msgspec.json.encode({**said, **changes})).decode()
    return msgspec.json.encode(held).decode()


def by(signer: CryptoSigner, pair: Hosts, **changes: Any) -> str:
    """A message of Ada's with other words, signed by some key."""
    held = msgspec.json.decode(message(pair))
    said = msgspec.json.decode(base64.b64decode(held["payload"]))
    return sign({**said, **changes}, [signer], payload_type=peers_messages.PAYLOAD).decode()


def at(moment: timedelta) -> str:
    return (datetime.now(UTC) + moment).isoformat()


FORGERIES: dict[str, tuple[Callable[[Hosts], str], str]] = {
    "other words": (lambda pair: altered(message(pair), body={"ask": "x"}), "its sender's"),
    "a stranger's key": (lambda pair: by(CryptoSigner.generate_ed25519(), pair), "no peer's"),
    "for another host": (
        lambda pair: by(pair.clients["ada"].book.signer(), pair, recipient="0" * 64),
        "for another host",
    ),
    "in another's name": (
        lambda pair: by(pair.clients["ada"].book.signer(), pair, sender="0" * 64),
        "another sender",
    ),
    "over": (
        lambda pair: by(
            pair.clients["ada"].book.signer(), pair,
            sent_at=at(timedelta(hours=-2)), expires_at=at(timedelta(hours=-1)),
        ),
        "its time is over",
    ),
    "of tomorrow": (
        lambda pair: by(
            pair.clients["ada"].book.signer(), pair,
            sent_at=at(timedelta(hours=20)), expires_at=at(timedelta(hours=21)),
        ),
        "a time to come",
    ),
    "for ever": (
        lambda pair: by(
            pair.clients["ada"].book.signer(), pair, expires_at=at(timedelta(days=400))
        ),
        "last longer",
    ),
    "without a zone": (
        lambda pair: by(
            pair.clients["ada"].book.signer(), pair,
            sent_at="2026-01-01T00:00:00", expires_at="2026-01-01T00:00:00",
        ),
        "no zone",
    ),
    "with more fields": (
        lambda pair: by(pair.clients["ada"].book.signer(), pair, admin=True),
        "no message",
    ),
    "an answer that nobody asked for": (
        lambda pair: by(pair.clients["ada"].book.signer(), pair, kind="response"),
        "never asked",
    ),
    "nothing": (lambda _pair: "", "cannot be read"),
    "no signature": (
        lambda pair: msgspec.json.encode(
            {**msgspec.json.decode(message(pair)), "signatures": []}
        ).decode(),
        "0 signatures",
    ),
    "too much": (lambda _pair: "x" * 300_000, "over"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_message_is_refused(pair: Hosts, forgery: str) -> None:
    make, why = FORGERIES[forgery]

    found = post(pair.url("ben"), make(pair))

    assert (found.status_code, found.json()["code"]) == (403, "peer.refused"), found.text
    assert why in found.text
    assert post(pair.url("ben"), message(pair)).status_code == 200


def test_an_answer_of_another_time_is_no_answer_to_this_question(pair: Hosts) -> None:
    """What Ben once answered is sent back by whoever sits between."""
    old = post(pair.url("ben"), message(pair)).content
    between = Mirror(files={MESSAGES: old})
    ada, ben = pair.clients["ada"], pair.peer("ben", "ada")

    with between.served() as url:
        moved = msgspec.structs.replace(ben, url=url)
        with pytest.raises((RefusedMessageError, PeerUnreachableError), match="another message"):
            ada.send(moved, "query", {"ask": QUESTION})


def test_an_answer_that_somebody_else_signed_is_refused(pair: Hosts) -> None:
    ada, ben = pair.clients["ada"], pair.peer("ben", "ada")
    thief = CryptoSigner.generate_ed25519()
    _, forged = compose(thief, ada.book.signer().public_key.keyid, "response", {"answer": "No."})
    between = Mirror(files={MESSAGES: msgspec.json.encode({"envelope": forged})})

    with between.served() as url, pytest.raises(RefusedMessageError, match="its sender's"):
        ada.send(msgspec.structs.replace(ben, url=url), "query", {"ask": QUESTION})


def test_a_host_with_another_key_under_the_same_address_is_refused(pair: Hosts) -> None:
    port = int(pair.url("ben").rpartition(":")[2])
    pair.stop("ben")
    pair.start("mallory", port=port)

    with pytest.raises(RefusedMessageError, match="another key"):
        pair.clients["ada"].meet(pair.peer("ben", "ada"))
    with pytest.raises(RefusedMessageError):
        pair.clients["ada"].send(pair.peer("ben", "ada"), "query", {"ask": QUESTION})


def test_an_answer_is_for_who_asked_alone(pair: Hosts) -> None:
    answer = post(pair.url("ben"), message(pair)).json()["envelope"]
    ben_key = pair.peer("ben", "ada").key
    ada_id = pair.clients["ada"].book.signer().public_key.keyid

    assert isinstance(opened(answer, ben_key, recipient=ada_id), Message)
    with pytest.raises(RefusedMessageError, match="another host"):
        opened(answer, ben_key, recipient="0" * 64)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ask": 7},
        {"ask": ""},
        {"search": 7},
        {"search": "x", "kind": "y"},
        {"ask": "x", "level": "z"},
    ],
)
def test_a_question_that_is_none_is_answered_by_a_problem(pair: Hosts, body: Any) -> None:
    answer = pair.clients["ada"].send(pair.peer("ben", "ada"), "query", body)

    assert answer.body["problem"]["status"] == 400


def test_peers_are_read_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / ".inwit").mkdir()
    config = tmp_path / ".inwit" / "config.toml"
    config.write_text(
        '[network]\nname = "lab"\npeers = [{name = "ben", url = "http://10.0.0.2:80/"}]\n'
    )
    book = PeerBook(Project(root=tmp_path, folder=tmp_path / ".inwit"))

    assert book.name == "lab"
    assert [(one.name, one.url, one.address) for one in book.every()] == [
        ("ben", "http://10.0.0.2:80", "10.0.0.2:80")
    ]
    config.write_text('[network]\npeers = [{name = "ben"}]\n')
    with pytest.raises(MalformedInputError, match="peers"):
        book.every()


def test_reading_peers_leaves_no_trace(tmp_path: Path) -> None:
    book = PeerBook(Project(root=tmp_path, folder=tmp_path / ".inwit"))

    assert book.every() == []
    assert Inbox(book).messages() == []
    assert not (tmp_path / ".inwit").exists()


def test_a_host_that_announces_itself_is_found_and_not_trusted(tmp_path: Path) -> None:
    announced = Announcement("ada\x1b", "ab" * 32, 8765, ["127.0.0.1"], interfaces=["127.0.0.1"])
    try:
        found = look(10, interfaces=["127.0.0.1"], enough=1)
    finally:
        announced.close()

    assert [(one["url"], one["key_id"]) for one in found] == [("http://127.0.0.1:8765", "ab" * 32)]
    assert PeerBook(Project(root=tmp_path, folder=tmp_path / ".inwit")).every() == []


def until(is_so: Callable[[], Any], within_s: float = 20.0) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends, "it did not come to be"
        time.sleep(0.01)
