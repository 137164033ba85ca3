"""What peers are asked and what of their answers counts; what a new package starts with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    InvalidPackageError,
    MalformedInputError,
    PeerUnreachableError,
    RefusedMessageError,
    UnknownPeerError,
)
from inwit.registry import templates
from inwit.registry.package import KINDS
from inwit.registry.peers import Peer, PeerBook
from inwit.registry.peers_card import OFFERS, PAYLOAD, Card, make_card, read_card
from inwit.registry.peers_client import PeerClient, RemotePeer
from inwit.registry.peers_messages import compose, opened
from inwit.registry.trust_envelope import digest_of, sign
from inwit.runtime.project import Project

pytestmark = pytest.mark.usefixtures("project")
OTHER = CryptoSigner.generate_ed25519()
KEY, KEY_ID = str(OTHER.public_key.keyval["public"]), str(OTHER.public_key.keyid)


def book() -> PeerBook:
    return PeerBook(Project.find())


def mine() -> str:
    return str(book().signer().public_key.keyid)


class Wire:
    """A host that answers as it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        self.reply: dict[str, Any] | None = None
        """What it answers to whatever message comes, signed as a host does."""
        self.url = ""

    def peer(self, **more: Any) -> Peer:
        return Peer(**({"name": "ada", "url": self.url, "key": KEY} | more))

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self.reply is None:
            return self.answers.pop(0)
        asked = opened(msgspec.json.decode(body)["envelope"], mine_key(), recipient=KEY_ID)
        told = {"in_reply_to": asked.id} | self.reply
        _, text = compose(OTHER, asked.sender, "response", told.pop("body"), **told)
        return 200, msgspec.json.encode({"envelope": text})


def mine_key() -> str:
    return str(book().signer().public_key.keyval["public"])


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            made.asked.append((self.command, self.path, self.headers.get("authorization"), body))
            status, said = made.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def card(signer: CryptoSigner = OTHER, **more: Any) -> bytes:
    """The card of a host, as it serves it."""
    facts: dict[str, Any] = {
        "name": "ada", "id": KEY_ID, "key": KEY, "version": "1", "offers": OFFERS, "registry": "f" * 64
    }  # fmt: skip
    said = msgspec.to_builtins(Card(**(facts | more)))
    return msgspec.json.encode(
        said | {"envelope": sign(said, [signer], payload_type=PAYLOAD).decode()}
    )


# Cards


def test_a_card_says_who_a_host_is_and_is_believed_by_its_own_key() -> None:
    made = make_card(book(), "1.2", "r" * 64)

    assert read_card(msgspec.json.encode(made)) == Card(
        name=book().name, id=mine(), key=mine_key(), version="1.2", offers=OFFERS, registry="r" * 64
    )
    # What stands beside the envelope is for readers; what is signed counts.
    assert read_card(msgspec.json.encode(made | {"name": "eve"})).name == book().name


@pytest.mark.parametrize(
    ("data", "why"),
    [(card(CryptoSigner.generate_ed25519()), "the card's signature does not fit"),
     (b"{}", "the card's signature does not fit"), (b"no card", "what the host gave is no card"),
     (b"[]", "what the host gave is no card"), (b'{"a": "\xff"}', "what the host gave is no card"),
     (b"[" * 100_000, "what the host gave is no card"), (card(name="x" * 301), "what the host gave is no card"),
     (card(id="b" * 64), "the card's id is not that of its key")],
    ids=["another key", "no envelope", "no JSON", "a list", "no UTF-8", "deep", "a long name", "another id"],
)  # fmt: skip
def test_what_is_no_card_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(RefusedMessageError) as told:
        read_card(data)

    assert why in told.value.message


def test_a_peer_is_met_and_its_key_pinned_by_the_first_card(wire: Wire) -> None:
    client = PeerClient(book())
    wire.answers = [(200, card())] * 3

    peer, shown = client.add("ada", wire.url + "/", token="t")

    assert peer == Peer(name="ada", url=wire.url, key=KEY, token="t") == client.book.get("ada")
    assert shown == read_card(card())
    assert client.known(peer) == peer
    assert client.known(Peer(name="bob", url=wire.url, token="t")) == Peer(
        name="bob", url=wire.url, key=KEY, token="t"
    )
    assert wire.asked == [("GET", "/.well-known/inwit.json", "Bearer t", b"")] * 2
    with pytest.raises(RefusedMessageError) as other:
        client.meet(wire.peer(key=mine_key(), token=""))
    assert "ada has another key than the one that is pinned" in other.value.message
    assert wire.asked[2][2] is None


# Asking


def test_peers_are_asked_by_name_or_all_of_them() -> None:
    client = PeerClient(book())
    for name in ("ada", "bob"):
        client.book.add(name, f"http://{name}", key="")

    def names(*asked: Any) -> list[str]:
        return [one.name for one in client.remote(*asked)]

    assert names() == ["ada", "bob"]
    assert names(["bob"]) == ["bob"]
    assert names([]) == []
    with pytest.raises(UnknownPeerError):
        names(["eve"])


def test_a_question_is_answered_by_the_peer_that_it_was_for(wire: Wire) -> None:
    remote = RemotePeer(PeerClient(book()), wire.peer())
    wire.reply = {"body": {"text": "Yes"}}

    assert remote.ask("why?", level="app", graph="g", deadline_s=30) == {"text": "Yes"}
    _, path, _, body = wire.asked[0]
    asked = opened(msgspec.json.decode(body)["envelope"], mine_key(), recipient=KEY_ID)
    assert path == "/mcp/network/messages"
    assert (asked.kind, asked.body) == ("query", {"ask": "why?", "level": "app", "graph": "g"})
    assert 0 < (asked.expires_at - asked.sent_at).total_seconds() < 3600
    wire.reply["in_reply_to"] = "c" * 16
    with pytest.raises(RefusedMessageError, match="ada answers another message"):
        remote.ask("why?", level=None, graph=None, deadline_s=30)


def test_packages_of_a_peer_are_objects_and_no_more_than_were_asked_for(wire: Wire) -> None:
    remote = RemotePeer(PeerClient(book()), wire.peer())
    wire.reply = {"body": {"packages": [{"id": "a"}, "odd", {"id": "b"}, {"id": "c"}]}}

    found = remote.packages("rag", kind="tool-pack", limit=3, deadline_s=30)

    assert found == [{"id": "a"}, {"id": "b"}]
    asked = opened(msgspec.json.decode(wire.asked[0][3])["envelope"], mine_key(), recipient=KEY_ID)
    assert asked.body == {"search": "rag", "kind": "tool-pack", "limit": 3}
    for odd in ({}, {"packages": {"id": "a"}}):
        wire.reply = {"body": odd}
        with pytest.raises(PeerUnreachableError, match="what it sent is no list of packages"):
            remote.packages("rag", kind=None, limit=3, deadline_s=30)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [(401, b'{"detail": "who?"}', RefusedMessageError, "ada: 'who?'"), (403, b"{}", RefusedMessageError, "ada: ''"),
     (429, b"no JSON", RefusedMessageError, "ada: status 429"), (429, b"\xff", RefusedMessageError, "ada: status 429"),
     (404, b'{"detail": "none"}', PeerUnreachableError, "status 404: 'none'"),
     (500, b"[" * 100_000, PeerUnreachableError, "status 500: status 500"),
     (400, b"[]", PeerUnreachableError, "status 400: status 400"),
     (200, b"no JSON", PeerUnreachableError, "what it sent is no JSON"),
     (200, b"[]", PeerUnreachableError, "what it sent is no JSON"),
     (200, b"[" * 100_000, PeerUnreachableError, "what it sent is no JSON"),
     (200, b'{"envelope": "none"}', RefusedMessageError, "cannot be read")],
)  # fmt: skip
def test_what_a_peer_says_instead_of_an_answer_is_told(
    wire: Wire, status: int, body: bytes, kind: type[Exception], said: str
) -> None:
    wire.answers = [(status, body)]

    with pytest.raises(kind) as told:
        PeerClient(book()).deliver(wire.peer(), "{}", "a" * 16, deadline_s=30)

    assert said in str(told.value)


def test_a_long_reason_is_cut_and_a_peer_that_is_away_is_named(wire: Wire) -> None:
    client = PeerClient(book())
    wire.answers = [(401, msgspec.json.encode({"detail": "x" * 500}))]
    with pytest.raises(RefusedMessageError) as told:
        client.deliver(wire.peer(), "{}", "a" * 16)
    assert len(told.value.message) < 300
    with pytest.raises(PeerUnreachableError, match="ada"):
        client.deliver(wire.peer(url="http://127.0.0.1:1"), "{}", "a" * 16, deadline_s=30)


def test_an_archive_of_a_peer_is_of_the_digest_and_within_its_limit(wire: Wire) -> None:
    client, digest = PeerClient(book()), digest_of(b"x" * 100)
    wire.answers = [(200, b"x" * 100), (200, b"y"), (200, b"x" * 100)]

    assert client.archive(wire.peer(), digest, max_bytes=100) == b"x" * 100
    assert wire.asked[0][:2] == ("GET", f"/api/v1/packages/{digest}/archive")
    with pytest.raises(RefusedMessageError, match="ada hands over other bytes"):
        client.archive(wire.peer(), digest, max_bytes=100)
    with pytest.raises(PeerUnreachableError):
        client.archive(wire.peer(), digest, max_bytes=99)


# Templates


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_has_four_files_and_nothing_to_be_told_but_its_keywords(
    tmp_path: Path, kind: str
) -> None:
    made = templates.start_package(tmp_path / "p", "acme/new-one", kind, author='A "B"')

    module = templates._TEMPLATES[kind].module  # type: ignore[index]
    assert made == [
        tmp_path / "p" / name
        for name in ("inwit-package.toml", f"{module}.py", "README.md", "test_new_one.py")
    ]
    archive, advice = templates.check_package(tmp_path / "p")
    about = archive.manifest.package
    assert (archive.manifest.id, about.kind, about.authors) == ("acme/new-one", kind, ("A 'B'",))
    assert about.description == "What new-one does, in a sentence."
    assert advice == ["package.keywords is empty: it is found by them."]
    with pytest.raises(MalformedInputError) as there:
        templates.start_package(tmp_path / "p", "acme/new-one", kind, author="A")
    assert there.value.message == f"{tmp_path / 'p' / 'inwit-package.toml'} is there already."
    assert there.value.hint == "Take an empty folder."


def test_what_can_be_no_package_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(MalformedInputError, match="No kind of packages 'tool'") as kind:
        templates.start_package(tmp_path / "p", "acme/x", "tool", author="A")
    assert "tool-pack" in (kind.value.hint or "")
    with pytest.raises(InvalidPackageError, match="the package's id"):
        templates.start_package(tmp_path / "p", "acme/No Name", "tool-pack", author="A")
    assert not (tmp_path / "p").exists()


def test_a_project_is_started_with_a_graph_or_with_a_template_s_code(tmp_path: Path) -> None:
    (own,) = templates.start_project(tmp_path / "own", "flow")
    templates.start_package(tmp_path / "p", "acme/new", "graph-template", author="A")

    files = templates.start_from(tmp_path / "from", tmp_path / "p", "acme/new", "mine")

    assert own == tmp_path / "own" / "app.py"
    text = own.read_text("utf-8")
    assert text.startswith('"""flow: a graph of its own."""\n')
    assert text.endswith('\n\napp = build().compile(name="flow")\n')
    assert sorted(path.name for path in files) == ["README.md", "app.py", "graph.py"]
    assert (tmp_path / "from" / "app.py").read_text("utf-8") == (
        '"""mine: made from acme/new 0.1.0.\n\nREADME.md says what `build` takes.\n"""\n\n'
        'from graph import build\n\n__all__ = ["build"]\n'
    )
    assert (tmp_path / "from" / "graph.py").read_text("utf-8") == templates._GRAPH


def test_what_a_package_lacks_is_said(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "inwit-package.toml").write_text(
        '[package]\nnamespace = "acme"\nname = "x"\nversion = "1.0.0"\nkind = "tool-pack"\n'
        'description = "d"\nlicence = "MIT"\nauthors = ["A"]\n[permissions]\nread = ["/"]\n'
        'write = ["~", "data"]\nnetwork = ["a.example"]\n[entry_points]\ndefault = "tools"\n'
    )
    (tmp_path / "p" / "tools.py").write_text("TOOLS = []\n")

    assert templates.check_package(tmp_path / "p")[1] == [
        "README.md is missing: it is what people read first.",
        "There is no test: test_*.py shows that it works.",
        "package.keywords is empty: it is found by them.",
        "[provides] is empty: say which nodes, tools or prompts it has.",
        "permissions.read asks for everything: users will refuse it.",
        "permissions.write asks for everything: users will refuse it.",
    ]
