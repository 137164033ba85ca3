"""Peers and their messages: who is known, what is taken, what waits, without a network."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    FetchUrlError,
    MalformedInputError,
    PeerUnreachableError,
    QueueFullError,
    RefusedMessageError,
    UnknownPeerError,
)
from inwit.registry import peers, peers_messages, peers_queue
from inwit.registry.peers import Peer, PeerBook
from inwit.registry.peers_messages import Inbox, compose, opened, sender_of
from inwit.registry.peers_queue import Courier, Outbox
from inwit.registry.trust_envelope import sign
from inwit.runtime.project import Project

pytestmark = pytest.mark.usefixtures("project")
OTHER = CryptoSigner.generate_ed25519()
KEY = str(OTHER.public_key.keyval["public"])


def book() -> PeerBook:
    return PeerBook(Project.find())


def configure(text: str) -> None:
    Project.find().ensure()
    (Project.find().folder / "config.toml").write_text(f"[network]\n{text}\n")


def test_a_peer_is_added_found_changed_and_forgotten() -> None:
    made = book()
    assert made.every() == []
    ada = made.add("ada", "http://a.example/", key=KEY, token="t")
    assert ada == Peer(name="ada", url="http://a.example", key=KEY, token="t")
    bob = made.add("bob", "http://b.example", key="")
    assert made.every() == [ada, bob]
    assert made.get("ada") == made.get("http://a.example") == ada
    assert made.by_key_id(OTHER.public_key.keyid) == ada
    assert bob.key_id == ""
    with pytest.raises(RefusedMessageError, match="the key bbbbbbbbbbbb is no peer's of this host"):
        made.by_key_id("b" * 64)
    assert made.add("bob", "http://c.example", key="").url == made.get("bob").url
    made.remove("bob")
    with pytest.raises(UnknownPeerError):
        made.remove("bob")
    for name in ("", "x" * 101, "a\n"):
        with pytest.raises(MalformedInputError) as told:
            made.add(name, "http://a.example", key="")
        assert told.value.hint == "Give one short line."
    made.add("x" * 100, "http://a.example", key="")
    with pytest.raises(MalformedInputError):
        made.add("eve", "http://e.example", key="no key")


def test_peers_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MOST_PEERS", 2)
    made = book()
    made.add("a", "http://a", key="")
    made.add("b", "http://b", key="")
    made.add("b", "http://c", key="")
    with pytest.raises(MalformedInputError) as told:
        made.add("c", "http://c", key="")
    assert (told.value.message, told.value.hint) == ("There are too many peers.", "At most 2.")


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://a.example", "a.example:80"), ("https://a.example", "a.example:443"), ("http://a.example:9", "a.example:9"),
     ("http://[::1]:8", "[::1]:8"), ("https://[::1]", "[::1]:443")],
)  # fmt: skip
def test_a_peers_address_is_its_host_and_port(url: str, address: str) -> None:
    assert Peer(name="a", url=url).address == address


def test_the_settings_name_peers_and_a_pinned_key_stays_while_the_address_does() -> None:
    made = book()
    made.add("ada", "http://a.example", key=KEY)
    configure('name = "me"\ndiscover = true\npeers = [{name = "ada", url = "http://a.example/"}, '
              '{name = "zoe", url = "http://z", token = "t"}]')  # fmt: skip
    assert made.every() == [
        Peer(name="ada", url="http://a.example", key=KEY), Peer(name="zoe", url="http://z", token="t")
    ]  # fmt: skip
    assert (made.name, peers.discovers(made.project), peers.installs_from_peers(made.project)) == (
        "me",
        True,
        False,
    )
    configure('install = true\npeers = [{name = "ada", url = "http://else"}]')
    assert made.get("ada") == Peer(name="ada", url="http://else")
    assert (peers.discovers(made.project), peers.installs_from_peers(made.project)) == (False, True)
    assert made.name.endswith(f"/{made.project.root.name}")
    configure('peers = [{name = "ada", url = "http://a", key = "' + "c" * 64 + '"}]')
    assert made.get("ada").key == "c" * 64
    configure("peers = 3")
    with pytest.raises(MalformedInputError) as told:
        made.every()
    assert told.value.message.startswith("[network] peers of config.toml: ")
    assert told.value.hint == 'peers = [{name = "ada", url = "http://…"}]'


def me() -> str:
    return str(book().signer().public_key.keyid)


def envelope(**more: Any) -> str:
    """A message of another host, with what is changed of it."""
    message, _ = compose(OTHER, me(), "query", {"q": 1})
    said = msgspec.to_builtins(msgspec.structs.replace(message, **more))
    return sign(said, [OTHER], payload_type=peers_messages.PAYLOAD).decode()


def test_a_message_says_who_sends_it_to_whom_and_how_long_it_lasts() -> None:
    now = datetime.now(UTC)
    message, text = compose(
        OTHER, me(), "suggestion", {"a": 1}, in_reply_to="a" * 16, lasts=timedelta(hours=1)
    )

    assert opened(text, KEY, recipient=me()) == message
    assert sender_of(text) == message.sender == OTHER.public_key.keyid
    assert (message.kind, message.recipient, message.body, message.in_reply_to) == (
        "suggestion", me(), {"a": 1}, "a" * 16
    )  # fmt: skip
    assert message.expires_at - message.sent_at == timedelta(hours=1)
    assert abs(message.sent_at - now) < timedelta(minutes=1)
    lasting, _ = compose(OTHER, me(), "status", {})
    assert lasting.expires_at - lasting.sent_at == timedelta(hours=24)


def test_a_message_that_is_not_for_now_and_here_is_refused() -> None:
    now = datetime.now(UTC)
    day = timedelta(days=1)

    def why(text: str, key: str = KEY) -> str:
        with pytest.raises(RefusedMessageError) as told:
            opened(text, key, recipient=me())
        return str(told.value)

    mine = str(book().signer().public_key.keyval["public"])
    assert "it is for another host" in why(envelope(recipient="b" * 64))
    assert "it names another sender than the key that signed it" in why(envelope(sender="b" * 64))
    assert "its signature is not its sender's" in why(envelope(), mine)
    assert "it is of a time to come; see the clocks" in why(
        envelope(sent_at=now + timedelta(seconds=90), expires_at=now + timedelta(hours=1))
    )
    opened(envelope(sent_at=now + timedelta(seconds=30)), KEY, recipient=me())
    assert "its time is over" in why(
        envelope(sent_at=now - day, expires_at=now - timedelta(seconds=1))
    )
    assert "it is to last longer than 1 day, 0:00:00" in why(
        envelope(sent_at=now, expires_at=now + day + timedelta(seconds=1))
    )
    opened(envelope(sent_at=now, expires_at=now + day), KEY, recipient=me())
    zoneless = now.replace(tzinfo=None)
    assert "its times have no zone" in why(envelope(sent_at=zoneless, expires_at=zoneless))
    assert "it is no message" in why(
        sign({"a": 1}, [OTHER], payload_type=peers_messages.PAYLOAD).decode()
    )
    assert "cannot be read" in why("no envelope")
    twice = sign({"a": 1}, [OTHER, book().signer()], payload_type=peers_messages.PAYLOAD).decode()
    with pytest.raises(RefusedMessageError, match="it has 2 signatures"):
        sender_of(twice)
    with pytest.raises(RefusedMessageError):
        sender_of("no envelope")


def test_a_message_is_taken_once_and_a_question_twice_is_refused() -> None:
    made = book()
    ada = made.add("ada", "http://a.example", key=KEY)
    inbox = Inbox(made)
    assert inbox.messages() == []
    for kind in ("response", "ack"):
        with pytest.raises(RefusedMessageError, match="it answers what was never asked"):
            inbox.receive(envelope(kind=kind))
    question = envelope()
    first = inbox.receive(question)
    assert (first.peer, first.is_duplicate, first.message.body) == (ada, False, {"q": 1})
    with pytest.raises(RefusedMessageError, match="it came before"):
        inbox.receive(question)
    note, later = envelope(kind="suggestion", id="a" * 16), envelope(kind="status", id="b" * 16)
    assert [inbox.receive(one).is_duplicate for one in (note, note, later)] == [False, True, False]
    listed = inbox.messages()
    assert [one["id"] for one in listed] == ["b" * 16, "a" * 16]
    assert (listed[0]["from"], listed[0]["kind"], listed[0]["body"]) == ("ada", "status", {"q": 1})
    assert listed[0]["received_at"].startswith(f"{datetime.now(UTC):%Y-%m-}")
    assert [one["id"] for one in inbox.messages(kind="suggestion")] == ["a" * 16]
    made.remove("ada")
    assert inbox.messages()[0]["from"] == OTHER.public_key.keyid
    kept = made.read("SELECT kind, body FROM inbox ORDER BY kind")
    assert kept == [("query", "{}"), ("status", '{"q":1}'), ("suggestion", '{"q":1}')]


def test_who_sends_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_messages, "INBOX_LIMIT", 2)
    made = book()
    made.add("ada", "http://a.example", key=KEY)
    inbox = Inbox(made)
    inbox.receive(envelope(kind="status", id="1" * 16))
    inbox.receive(envelope(kind="status", id="2" * 16))
    with pytest.raises(QueueFullError):
        inbox.receive(envelope(kind="status", id="3" * 16))
    assert inbox.receive(envelope(kind="status", id="1" * 16)).is_duplicate


class Client:
    """A way to peers that answers as it is told to."""

    def __init__(self) -> None:
        self.book = book()
        self.fails: Exception | None = None
        self.sent: list[tuple[str, str]] = []

    def known(self, peer: Peer) -> Peer:
        return peer

    def deliver(self, peer: Peer, envelope: str, number: str) -> None:
        self.sent.append((peer.name, number))
        assert isinstance(msgspec.json.decode(envelope), dict)
        if self.fails is not None:
            raise self.fails


def outbox() -> tuple[Outbox, Client]:
    client: Any = Client()
    client.book.add("ada", "http://a.example", key=KEY)
    return Outbox(client), client


def due(client: Client, **columns: int) -> None:
    """Change times of what waits."""
    sets = ", ".join(f"{name} = {value}" for name, value in columns.items())
    with client.book.database.transaction() as connection:
        connection.execute(f"UPDATE outbox SET {sets}")


def test_a_message_is_delivered_at_once_where_its_peer_answers() -> None:
    made, client = outbox()

    told = made.post("ada", "status", {"a": 1})

    assert {name: told[name] for name in ("peer", "kind", "status", "attempts", "error")} == {
        "peer": "ada", "kind": "status", "status": "acknowledged", "attempts": 1, "error": ""
    }  # fmt: skip
    begun, ends = (datetime.fromisoformat(told[name]) for name in ("made_at", "expires_at"))
    assert ends - begun == timedelta(hours=24)
    assert told["made_at"].endswith("Z")
    assert client.sent == [("ada", told["id"])]
    assert made.deliver_due() == 0
    assert made.messages() == [made.get(told["id"])]
    with pytest.raises(UnknownPeerError):
        made.post("eve", "status", {})


def test_what_cannot_be_delivered_waits_longer_each_time_then_expires() -> None:
    made, client = outbox()
    client.fails = PeerUnreachableError("ada", "away")
    number = made.post("ada", "status", {})["id"]

    for attempts in range(1, 12):
        ((tried, wait_ns),) = client.book.read("SELECT attempts, next_ns FROM outbox")
        now = datetime.now(UTC).timestamp()
        pause = min(300.0, 2.0 ** (attempts - 1))
        assert tried == attempts
        assert pause * 0.5 - 1.5 <= wait_ns / 1e9 - now <= pause
        if attempts > 3:
            assert made.deliver_due() == 0
            assert len(client.sent) == attempts
        due(client, next_ns=0)
        made.deliver_due()
    told = made.get(number)
    assert (told["status"], told["attempts"]) == ("waiting", 12)
    assert "away" in told["error"]
    due(client, next_ns=0, expires_ns=1)
    assert made.deliver_due() == 0
    told = made.get(number)
    assert (told["status"], told["attempts"], told["error"]) == (
        "expired", 13, "its peer did not answer in time"
    )  # fmt: skip


def test_what_is_refused_is_not_sent_again_and_what_is_due_is_counted() -> None:
    made, client = outbox()
    client.fails = FetchUrlError("u" * 10, "x" * 900)
    told = made.post("ada", "status", {})
    assert (told["status"], told["attempts"], len(told["error"])) == ("refused", 1, 500)
    client.fails = PeerUnreachableError("ada", "away")
    for _ in range(2):
        made.post("ada", "status", {})
    client.fails = None
    due(client, next_ns=0)
    assert made.deliver_due() == 2
    assert [one["status"] for one in made.messages()] == ["acknowledged"] * 2 + ["refused"]


def test_only_so_many_wait_and_only_so_many_that_are_done_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers_queue, "QUEUE_LIMIT", 2)
    monkeypatch.setattr(peers_queue, "KEPT_DONE", 1)
    made, client = outbox()
    client.fails = PeerUnreachableError("ada", "away")
    for _ in range(2):
        made.post("ada", "status", {})
    with pytest.raises(QueueFullError):
        made.post("ada", "status", {})
    client.fails = None
    due(client, next_ns=0)
    made.deliver_due()
    last = made.post("ada", "status", {})
    assert [one["id"] for one in made.messages()] == [last["id"]]


def test_a_courier_ends_after_the_delivery_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, slow, told = threading.Event(), threading.Event(), list[str]()

    class Slow:
        def deliver_due(self) -> int:
            begun.set()
            slow.wait(0.2)
            told.append("delivered")
            return 1

    monkeypatch.setattr(peers_queue, "LOOK_S", 0.0)
    outbox: Any = Slow()
    courier = Courier(outbox)
    courier.start()
    assert begun.wait(10)

    courier.stop()

    assert told
    assert "inwit-courier" not in {thread.name for thread in threading.enumerate()}
