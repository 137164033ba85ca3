"""Both sides of borders that lie between machines: sizes, redirects, names, versions, what is signed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ifaddr
import msgspec
import pytest
from securesystemslib.signer import CryptoSigner
from zeroconf import ServiceInfo

from inwit.errors import (
    BadSignatureError,
    InvalidPackageError,
    MalformedIdError,
    MalformedInputError,
)
from inwit.registry import peers_mdns, serve_search
from inwit.registry.contributions import ContributionBook, read_report
from inwit.registry.fetch import Fetcher
from inwit.registry.graphs import compare
from inwit.registry.manifest import parse_manifest
from inwit.registry.origins import DEPTH, package_of
from inwit.registry.packages import PackageIndex
from inwit.registry.serve_client import fetcher_for, signed_by, state_folder
from inwit.registry.serve_resolve import requirement
from inwit.registry.serve_search import ReleaseSearch, Wanted
from inwit.registry.store_blobs import checked_name
from inwit.registry.store_releases import Releases
from inwit.registry.store_rows import SqliteRows
from inwit.registry.templates import start_package
from inwit.registry.trust_envelope import (
    ENVELOPE_LIMIT,
    PAYLOAD,
    is_about,
    read_envelope,
    sign,
    statement,
)
from inwit.registry.trust_keys import KeyRing, Namespace
from inwit.registry.trust_update import Updates, _config
from inwit.runtime.manifest import EdgeFacts
from inwit.runtime.project import Project, user_folder
from tests.registry.shelf import package
from tests.registry.test_contributions import SAID
from tests.registry.test_graphs import first
from tests.registry.test_keys_and_tokens import published

pytestmark = pytest.mark.usefixtures("project")
ADA, BOB = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()


# What is signed


def test_an_archive_is_signed_with_its_sources_and_once_more_by_others(tmp_path: Path) -> None:
    commit = "c" * 40
    traced = package(
        tmp_path, more=f'[lineage]\nrepository = "https://x.test/r"\ncommit = "{commit}"\n'
    )
    half = package(tmp_path / "half", more='[lineage]\nrepository = "https://x.test/r"\n')
    bare = package(tmp_path / "bare")

    def materials(archive: Any) -> Any:
        said = msgspec.json.decode(read_envelope(signed_by(archive, "ada", [ADA])).payload)
        build = said["predicate"]
        assert build["runDetails"]["builder"] == {"id": "inwit pkg publish by ada"}
        assert said["subject"] == [{"name": "acme/rag@1.0.0", "digest": {"sha256": archive.sha256}}]
        return build["buildDefinition"]["resolvedDependencies"]

    assert materials(traced) == [{"uri": "https://x.test/r", "digest": {"gitCommit": commit}}]
    assert materials(half) == materials(bare) == []
    first = signed_by(bare, "ada", [ADA])
    both = read_envelope(signed_by(bare, "ada", [BOB], first))
    assert set(both.signatures) == {ADA.public_key.keyid, BOB.public_key.keyid}
    assert signed_by(bare, "ada", [], first) == first
    with pytest.raises(BadSignatureError, match="signatures of another archive"):
        signed_by(traced, "ada", [BOB], first)


def test_an_envelope_is_of_a_type_and_a_size() -> None:
    held = sign({"a": 1}, [ADA])
    with pytest.raises(BadSignatureError) as kind:
        read_envelope(sign({"a": 1}, [ADA], payload_type="x" * 90))
    assert str(kind.value).count("x" * 80) == 1
    assert "x" * 81 not in str(kind.value)
    padded = held + b" " * (ENVELOPE_LIMIT - len(held))
    assert read_envelope(padded).payload_type == PAYLOAD
    with pytest.raises(BadSignatureError, match="it is over 262144 bytes"):
        read_envelope(padded + b" ")
    for odd in (b"[]", b"1", b"{}", b'{"payload": 1}', b"\xff"):
        with pytest.raises(BadSignatureError, match="it cannot be read"):
            read_envelope(odd)


def test_a_statement_is_about_one_archive_or_is_none() -> None:
    said = statement("acme/rag", "1.0", "a" * 64, builder="b", materials=[{"uri": "u"}])
    what = "acme/rag@1.0"

    def about(changed: dict[str, Any]) -> bool:
        return is_about(sign(said | changed, [ADA]), what, "a" * 64)

    assert about({})
    assert not is_about(sign(said, [ADA]), what, "b" * 64)
    assert not is_about(sign(said, [ADA]), "acme/rag@2.0", "a" * 64)
    assert said["predicate"]["runDetails"]["metadata"]["invocationId"] == "a" * 16
    assert said["predicate"]["runDetails"]["metadata"]["finishedOn"].endswith("Z")
    others: list[dict[str, Any]] = [{"_type": "x"}, {"predicateType": "x"}, {"predicate": []}]
    for odd in others:
        with pytest.raises(BadSignatureError, match="it is no statement of provenance"):
            about(odd)
    unread: list[dict[str, Any]] = [{"subject": [{"name": "x"}]}, {"subject": 1}, {"subject": [1]}]
    for odd in unread:
        with pytest.raises(BadSignatureError, match="its statement cannot be read"):
            about(odd)


# Fetching


@pytest.fixture
def moved() -> Iterator[str]:
    """A host that answers with the status that it is asked for, and says where else to look."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path[1:4]))
            self.send_header("Location", "/299")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_moved_is_followed_and_nothing_else_is(moved: str) -> None:
    fetcher = Fetcher(allow=["127.0.0.1"])

    reached = {
        status: fetcher.get(f"{moved}/{status}").status
        for status in (200, 201, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 404)
    }

    assert {status for status, found in reached.items() if found == 299} == {
        301, 302, 303, 307, 308
    }  # fmt: skip
    assert all(found in (status, 299) for status, found in reached.items())


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [("http://127.0.0.1:8", ["127.0.0.1:8"]), ("http://127.0.0.1", ["127.0.0.1:80"]),
     ("https://localhost", ["localhost:443"]), ("http://[::1]:9", ["[::1]:9"]), ("https://a.example:9", [])],
)  # fmt: skip
def test_a_registry_on_this_machine_is_reached_at_its_very_port(
    url: str, is_allowed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(Fetcher, "of", lambda _project, *, allow: asked.append(list(allow)))

    fetcher_for(Project.find(), url)

    assert asked == [is_allowed]
    assert state_folder(url).parent == user_folder() / "registries"
    assert len(state_folder(url).name) == 16
    assert state_folder(url) != state_folder(url + "/x")


def test_a_root_is_trusted_once_it_holds(tmp_path: Path) -> None:
    updates = Updates("http://r.test/api/v1/tuf/metadata/", "http://r.test/t/", tmp_path, Fetcher())

    assert not updates.is_initialised
    for odd in (b"no root", b"{}", b"[]"):
        with pytest.raises(Exception, match="its root does not hold") as told:
            updates.initialise(odd)
        assert "http://r.test" in str(told.value)
        assert "/api/v1" not in str(told.value)
    assert not updates.is_initialised


# Names


def test_a_files_name_has_five_hundred_characters_at_most() -> None:
    longest = "/".join(["x" * 124] * 4) + "x"
    assert len(longest) == 500
    assert checked_name(longest) == longest
    assert checked_name("a/b-c_d.1+2%3~4") == "a/b-c_d.1+2%3~4"
    for wrong in (longest + "x", "a b", "a\\b", "a:b"):
        with pytest.raises(MalformedIdError):
            checked_name(wrong)


def test_a_requirement_has_an_id_extras_and_a_range() -> None:
    name, wanted = requirement(" acme/rag[web, docs,]>=1,<2 ")
    assert (name, wanted.version, wanted.extras) == ("acme/rag", ">=1,<2", ("web", "docs"))
    assert requirement("acme/rag")[1].extras == ()
    for wrong in ("rag", "acme/rag[", "acme/rag x", "acme/rag>=" + "1" * 300):
        with pytest.raises(MalformedInputError) as told:
            requirement(wrong)
        assert told.value.hint in ('Write it as "acme/rag[web]>=1,<2".', 'Write it as ">=1,<2".')
    longest = "acme/rag>=" + "1" * 290
    assert requirement(longest)[1].version == ">=" + "1" * 290


def test_a_file_belongs_to_the_package_above_it(tmp_path: Path) -> None:
    package(tmp_path)
    folder = tmp_path / "acme-rag-1.0.0"
    deep = folder.joinpath(*["d"] * (DEPTH - 1))

    near = package_of(str(deep / "x.py"))
    assert near is not None
    assert near.id == "acme/rag"
    assert package_of(str(deep / "d" / "x.py")) is None
    (deep / "inwit-package.toml").parent.mkdir(parents=True)
    (deep / "inwit-package.toml").write_text("no manifest")
    assert package_of(str(deep / "y.py")) is None


# The local network


def test_a_host_is_shown_as_it_says_at_its_first_address() -> None:
    def shown(address: bytes, **said: Any) -> dict[str, str]:
        service = "ada._inwit._tcp.local."
        made = ServiceInfo(
            peers_mdns.SERVICE, service, port=8, addresses=[address], properties=said
        )
        return peers_mdns._shown(made)

    four, six = bytes([10, 0, 0, 7]), bytes(15) + b"\x01"
    assert shown(four, name="ada", key="k") == {
        "name": "ada", "url": "http://10.0.0.7:8", "key_id": "k"
    }  # fmt: skip
    assert shown(six, name="x" * 201, key="y" * 65) == {
        "name": "x" * 200, "url": "http://[::1]:8", "key_id": "y" * 64
    }  # fmt: skip
    assert shown(four) == {"name": "", "url": "http://10.0.0.7:8", "key_id": ""}
    assert shown(four, name=b"\xff", key=None)["name"] == "�"


def test_own_addresses_are_those_of_version_four_beyond_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ips = ("127.0.0.1", "10.0.0.7", ("fe80::1", 0, 0), "127.1.2.3", "192.168.1.2")
    adapters = [SimpleNamespace(ips=[SimpleNamespace(ip=one)]) for one in ips]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)

    assert peers_mdns.own_addresses() == ["10.0.0.7", "192.168.1.2"]


# Versions of graphs


def test_edges_that_came_went_and_changed_are_told_apart() -> None:
    def edge(target: str, condition: str = "") -> EdgeFacts:
        return EdgeFacts(source="a", target=target, condition=condition)

    held = first().manifest()
    before = [edge("gone"), edge("same"), edge("other"), edge("b")]
    after = [edge("same"), edge("other", "if"), edge("new"), edge("b", "if")]

    told = compare(
        msgspec.structs.replace(held, edges=tuple(before)),
        msgspec.structs.replace(held, edges=tuple(after), name="desk"),
    )

    assert (told.name, told.before, told.after) == ("desk", held.version, held.version)
    assert (told.edges_added, told.edges_removed) == (("a -> new",), ("a -> gone",))
    assert [(one.name, one.facts) for one in told.edges_changed] == [
        ("a -> b", {"condition": ("", "if")}), ("a -> other", {"condition": ("", "if")})
    ]  # fmt: skip
    assert (told.nodes_added, told.nodes_changed) == ((), ())
    assert (told.fields_removed, told.fields_changed) == ((), ())


# Searching


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(SqliteRows(Project(root=tmp_path, folder=tmp_path / "registry")))


def put(releases: Releases, package_id: str, about: str, **more: Any) -> None:
    manifest = {"package": {"keywords": []}, "capabilities": {"provides": ["reads"]}}
    one = published(package_id, "1.0", description=about, manifest=manifest, **more)
    with releases._rows.transaction() as run:
        releases.add(run, one)


def test_releases_are_found_without_an_encoder_by_name_words_and_capability(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_search, "default_encoder", lambda: None)
    put(releases, "acme/pdf", "Reads invoices.", installs=3)
    put(releases, "acme/web", "Fetches pages.", installs=9)
    put(releases, "acme/csv", "Reads tables.", installs=3)
    search = ReleaseSearch(releases, tmp_path / "registry")

    def ids(found: list[dict[str, Any]]) -> list[str]:
        return [one["id"] for one in found]

    assert ids(search.capability("reads", wanted=Wanted(), limit=5)) == [
        "acme/web", "acme/csv", "acme/pdf"
    ]  # fmt: skip
    (first,) = search.capability("reads", wanted=Wanted(), limit=1)
    assert (first["id"], first["score"], first["why"]) == ("acme/web", 1.0, "provides 'reads'")
    assert search.capability("flies", wanted=Wanted(), limit=5) == []
    found = search.keyword("invoices", wanted=Wanted(), limit=5)
    assert [(one["id"], one["why"]) for one in found] == [("acme/pdf", "words")]
    assert ids(search.search("pdf", wanted=Wanted(), limit=5))[0] == "acme/pdf"
    scores = [one["score"] for one in search.search("reads tables", wanted=Wanted(), limit=5)]
    assert scores == sorted(scores, reverse=True)
    assert search.semantic("invoices", wanted=Wanted(), limit=5) == []
    put(releases, "acme/new", "Sends invoices.")
    assert set(ids(search.keyword("invoices", wanted=Wanted(), limit=5))) == {
        "acme/pdf",
        "acme/new",
    }
    assert len(search.keyword("invoices", wanted=Wanted(), limit=1)) == 1


# Contributions


def test_a_comment_has_twenty_thousand_characters_at_most() -> None:
    book = ContributionBook.of(Project.find())
    made = book.add(read_report(SAID))

    kept = book.review(made.id, by="ada", verdict="duplicate", comment="x" * 20_000)
    with pytest.raises(MalformedInputError) as told:
        book.review(made.id, by="ada", verdict="resolved", comment="x" * 20_001)

    assert told.value.hint == "At most 20,000 characters."
    assert kept.status == book.get(made.id).status == "duplicate"
    assert [(one.by, one.verdict) for one in book.get(made.id).reviews] == [("ada", "duplicate")]
    shown = kept.to_json()
    assert (shown["title"], shown["status"], shown["id"]) == (
        "loses citations",
        "duplicate",
        made.id,
    )
    assert not {"report", "envelope"} & shown.keys()
    later = book.add(read_report(SAID | {"kind": "fix", "package": "acme/other"}))
    assert [one.id for one in book.list()] == [later.id, made.id]
    assert [one.id for one in book.list(status="open")] == [later.id]
    assert [one.id for one in book.list(package="acme/rag", kind="bug")] == [made.id]
    assert book.list(package="acme/rag", kind="fix") == []


# What packages and keys say of themselves


def test_a_new_package_s_test_calls_what_it_has_also_in_a_folder_below_none(tmp_path: Path) -> None:
    calls = {
        "graph-template": ("graph", "build"), "node-library": ("nodes", "shorten"), "tool-pack": ("tools", "word_count"),
        "checkpointer-backend": ("saver", "open_saver"), "model-connector": ("model", "chat"),
        "prompt-library": ("prompts", "PROMPTS"),
    }  # fmt: skip
    for kind, (module, name) in calls.items():
        folder = tmp_path / "a" / kind
        start_package(folder, "acme/new", kind, author="A")

        text = (folder / "test_new.py").read_text("utf-8")
        assert text.startswith(f"from {module} import {name}\n\n\ndef test_it_does_what_it_says()")


def test_text_that_is_no_utf_8_is_shown_by_eight_bytes() -> None:
    with pytest.raises(InvalidPackageError) as told:
        parse_manifest(b"[package]\n\xff123456789")

    assert told.value.value == b"\xff1234567"
    assert told.value.hint == "Save it as UTF-8."


def test_the_first_unknown_key_is_named() -> None:
    with pytest.raises(MalformedInputError, match=f"No key {'a' * 64}"):
        KeyRing().with_namespace("acme", Namespace(level="community", keys=("a" * 64, "b" * 64)))


def test_a_registry_s_metadata_is_read_within_limits() -> None:
    held = _config()

    assert (held.max_root_rotations, held.max_delegations) == (256, 64)
    assert (held.root_max_length, held.snapshot_max_length, held.targets_max_length) == (
        512_000, 16 << 20, 32 << 20
    )  # fmt: skip


def test_installed_packages_come_once_after_the_project_s_and_before_the_user_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = PackageIndex.of(Project.find())
    for folder in (Project.find().folder / "packages", user_folder() / "packages"):
        (folder / "acme" / "x").mkdir(parents=True)
        (folder / "acme" / "x" / "inwit-package.toml").write_text("")
    monkeypatch.setattr(index, "_locked", lambda: {Path("installed"): None})

    origins = [origin for origin, _ in index._folders()]

    assert origins[:3] == ["project", "installed", "user"]
    assert set(origins[3:]) == {"shipped"}
