"""What a client of The Update Framework must refuse, each beside what it must accept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from tests.conformance import tuf_client
from tests.conformance.tuf_simulator import Client, Simulator, in_process, sign

PAST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
TOP = ("timestamp", "snapshot", "targets")


@pytest.fixture
def repository() -> Simulator:
    return Simulator()


@pytest.fixture
def client(repository: Simulator, tmp_path: Path) -> Iterator[Client]:
    """A client that trusts the first root."""
    with repository.running() as url:
        made = Client(url, tmp_path / "client", in_process)
        assert made.init(repository.served["metadata/1.root.json"]) == 0
        yield made


def refused(client: Client, *, kept: dict[str, int | None]) -> None:
    """The refresh fails, and what was trusted stays."""
    assert client.refresh() == 1
    assert {role: client.version(role) for role in kept} == kept


def test_the_client_speaks_the_suites_command_line_as_a_program(
    repository: Simulator, tmp_path: Path
) -> None:
    repository.add_target("a/b.txt", b"content")
    repository.publish("targets")

    def run(arguments: list[str]) -> int:
        program = [sys.executable, tuf_client.__file__, *arguments]
        return subprocess.run(program, check=False, timeout=60).returncode

    with repository.running() as url:
        client = Client(url, tmp_path / "client", run)
        codes = [client.init(repository.served["metadata/1.root.json"]), client.download("a/b.txt")]

    assert codes == [0, 0]
    assert [path.read_bytes() for path in client.files.iterdir()] == [b"content"]


def test_a_refresh_asks_for_nothing_before_it_is_told_to(
    repository: Simulator, client: Client
) -> None:
    assert repository.asked == []
    assert client.refresh() == 0
    assert repository.asked == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
        "metadata/1.snapshot.json",
        "metadata/1.targets.json",
    ]
    assert client.version("root") == 1


def test_what_is_trusted_already_is_not_fetched_again(
    repository: Simulator, client: Client
) -> None:
    client.refresh()
    repository.asked.clear()

    assert client.refresh() == 0
    assert repository.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_an_invalid_first_root_is_not_trusted(repository: Simulator, client: Client) -> None:
    data = sign(repository.root, [CryptoSigner.generate_ed25519()])

    assert client.init(data) == 1


def test_a_download_refreshes_first(repository: Simulator, client: Client) -> None:
    assert client.download("nowhere") == 1
    assert [client.version(role) for role in ("root", *TOP)] == [1, 1, 1, 1]


def test_without_a_root_nothing_is_asked(repository: Simulator, tmp_path: Path) -> None:
    with repository.running() as url:
        client = Client(url, tmp_path / "other", in_process)
        assert client.init(b'{"signed": {}, "signatures": []}') == 1
        assert client.refresh() == 1

    assert repository.asked == []


def test_fields_that_are_not_known_are_kept_under_the_signature(
    repository: Simulator, client: Client
) -> None:
    signed = repository.root.signed
    signed.unrecognized_fields["more"] = {"a": [1, "ü"]}
    signed.roles["root"].unrecognized_fields["more"] = "value"
    repository.next_root()

    assert client.refresh() == 0
    assert client.version("root") == 2


@pytest.mark.parametrize(
    "make", [CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa, CryptoSigner.generate_ed25519]
)
def test_keys_of_every_usual_kind_are_verified(
    repository: Simulator, client: Client, make: Callable[[], CryptoSigner]
) -> None:
    signer = make()
    repository.root.signed.add_key(signer.public_key, "timestamp")
    for old in repository.signers["timestamp"]:
        repository.root.signed.revoke_key(old.public_key.keyid, "timestamp")
    repository.next_root()
    assert client.refresh() == 1

    repository.signers["timestamp"] = [signer]
    repository.publish("targets")
    assert client.refresh() == 0


def test_a_timestamp_of_the_same_version_changes_nothing(
    repository: Simulator, client: Client
) -> None:
    client.refresh()
    trusted = (client.metadata / "timestamp.json").read_bytes()
    repository.timestamp.signed.snapshot_meta.version = 100
    repository.publish_timestamp()

    client.refresh()

    assert (client.metadata / "timestamp.json").read_bytes() == trusted


def test_roots_are_followed_one_by_one(repository: Simulator, client: Client) -> None:
    for _ in range(4):
        repository.next_root()

    assert client.refresh() == 0
    assert client.version("root") == 5
    assert [name for name in repository.asked if "root" in name] == [
        f"metadata/{version}.root.json" for version in range(2, 7)
    ]


# Keys and thresholds


@pytest.mark.parametrize("role", ["root", *TOP])
def test_metadata_under_a_wrong_key_is_refused(
    repository: Simulator, client: Client, role: str
) -> None:
    assert client.refresh() == 0
    repository.signers[role] = [CryptoSigner.generate_ed25519()]
    if role == "root":
        repository.next_root()
    else:
        repository.publish("targets")

    refused(client, kept={"root": 1, "targets": 1})


def test_a_new_root_needs_the_old_key_as_well_as_its_own(
    repository: Simulator, client: Client
) -> None:
    old = list(repository.signers["root"])
    repository.rotate("root")
    repository.next_root()
    refused(client, kept={"root": 1})

    repository.publish_root(signers=old)
    refused(client, kept={"root": 1})

    repository.publish_root(signers=[*old, *repository.signers["root"]])
    assert client.refresh() == 0
    assert client.version("root") == 2


@pytest.mark.parametrize("role", TOP)
def test_one_signature_given_twice_does_not_reach_a_threshold_of_two(
    repository: Simulator, client: Client, role: str
) -> None:
    second = repository.add_key(role)
    repository.root.signed.roles[role].threshold = 2
    repository.next_root()
    repository.signers[role].remove(second)
    repository.publish("targets")

    assert client.refresh() == 1

    repository.signers[role].append(second)
    repository.publish("targets")
    assert client.refresh() == 0


@pytest.mark.parametrize("role", TOP)
def test_a_key_that_is_rotated_out_counts_no_longer(
    repository: Simulator, client: Client, role: str
) -> None:
    client.refresh()
    old = list(repository.signers[role])
    repository.rotate(role)
    repository.next_root()
    new, repository.signers[role] = repository.signers[role], old
    repository.publish("targets")
    assert client.refresh() == 1

    repository.signers[role] = new
    repository.publish("targets")
    assert client.refresh() == 0


# Rollback, freeze, mix and match, fast-forward, expiry, endless data


def test_an_older_timestamp_is_refused(repository: Simulator, client: Client) -> None:
    repository.timestamp.signed.version = 5
    repository.publish_timestamp()
    client.refresh()
    repository.timestamp.signed.version = 4
    repository.publish_timestamp()

    refused(client, kept={"timestamp": 5})


def test_a_timestamp_of_an_older_snapshot_is_refused(repository: Simulator, client: Client) -> None:
    repository.publish("targets")
    client.refresh()
    repository.snapshot.signed.version -= 1
    repository.publish_snapshot()

    refused(client, kept={"snapshot": 2})


@pytest.mark.parametrize("with_hashes", [True, False])
def test_a_snapshot_with_older_targets_is_refused(
    repository: Simulator, client: Client, with_hashes: bool
) -> None:
    repository.with_hashes = with_hashes
    repository.publish("targets")
    client.refresh()
    repository.targets["targets"].signed.version = 1
    data = sign(repository.targets["targets"], repository.signers["targets"])
    repository.snapshot.signed.meta["targets.json"] = repository.meta(1, data)
    repository.snapshot.signed.version += 1
    repository.publish_snapshot()

    refused(client, kept={"targets": 2})


def test_targets_that_a_snapshot_knew_may_not_vanish_from_it(
    repository: Simulator, client: Client
) -> None:
    repository.delegate("team", ["team/*"])
    repository.publish("targets")
    client.refresh()
    del repository.snapshot.signed.meta["team.json"]
    repository.snapshot.signed.version += 1
    repository.publish_snapshot()

    refused(client, kept={"snapshot": 2})


@pytest.mark.parametrize("role", TOP)
def test_an_expired_role_is_refused_so_that_nothing_can_be_frozen(
    repository: Simulator, client: Client, role: str
) -> None:
    roles: dict[str, Metadata[Any]] = {
        "timestamp": repository.timestamp,
        "snapshot": repository.snapshot,
        "targets": repository.targets["targets"],
    }
    roles[role].signed.expires = PAST
    repository.publish("targets")

    assert client.refresh() == 1


def test_an_expired_last_root_is_refused_but_not_one_on_the_way(
    repository: Simulator, client: Client
) -> None:
    lasting = repository.root.signed.expires
    repository.root.signed.expires = PAST
    repository.next_root()
    assert client.refresh() == 1

    repository.root.signed.expires = lasting
    repository.next_root()
    assert client.refresh() == 0


def test_an_expired_delegated_role_is_refused(repository: Simulator, client: Client) -> None:
    repository.delegate("team", ["team/*"])
    repository.add_target("team/a", b"a", "team")
    repository.targets["team"].signed.expires = PAST
    repository.publish("targets", "team")

    assert client.download("team/a") == 1


@pytest.mark.parametrize(("role", "file"), [("snapshot", "1.snapshot"), ("targets", "1.targets")])
def test_metadata_of_two_states_is_not_mixed(
    repository: Simulator, client: Client, role: str, file: str
) -> None:
    other = Simulator()
    other.signers = repository.signers
    other.add_target("evil", b"evil")
    held = other.snapshot if role == "snapshot" else other.targets["targets"]
    held.signed.version = 1
    repository.served[f"metadata/{file}.json"] = sign(held, repository.signers[role])

    assert client.refresh() == 1


@pytest.mark.parametrize(("role", "file"), [("snapshot", "1.snapshot"), ("targets", "1.targets")])
def test_a_version_that_is_not_the_announced_one_is_refused(
    repository: Simulator, client: Client, role: str, file: str
) -> None:
    repository.with_hashes = False
    repository.publish_snapshot()
    held = repository.snapshot if role == "snapshot" else repository.targets["targets"]
    held.signed.version = 99
    repository.served[f"metadata/{file}.json"] = sign(held, repository.signers[role])

    assert client.refresh() == 1


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_fast_forward_is_recovered_from_by_new_keys(
    repository: Simulator, client: Client, role: str
) -> None:
    held = repository.timestamp if role == "timestamp" else repository.snapshot
    held.signed.version = 99_999
    repository.publish_snapshot()
    assert client.refresh() == 0
    held.signed.version = 1
    if role == "timestamp":
        repository.publish_timestamp()
    else:
        repository.publish_snapshot()
    assert client.refresh() == 1

    for each in ("timestamp", "snapshot"):
        repository.rotate(each)
    repository.next_root()
    repository.snapshot.signed.version = repository.timestamp.signed.version = 1
    repository.served.pop("metadata/timestamp.json")
    repository.publish_snapshot()
    assert client.refresh() == 0
    assert client.version(role) == 1


@pytest.mark.parametrize(
    "name", ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
)
def test_endless_metadata_is_given_up(repository: Simulator, client: Client, name: str) -> None:
    repository.served.setdefault(f"metadata/{name}", b" ")
    repository.endless.add(f"metadata/{name}")

    assert client.refresh() == 1


def test_an_endless_target_is_given_up(repository: Simulator, client: Client) -> None:
    found = repository.add_target("a.txt", b"content")
    repository.publish("targets")
    repository.endless.add(f"targets/{found.hashes['sha256']}.a.txt")

    assert client.download("a.txt") == 1
    assert list(client.files.iterdir()) == []


@pytest.mark.parametrize("content", [b"altered", b"content and more", b"", b"con"])
def test_a_target_of_another_content_is_refused(
    repository: Simulator, client: Client, content: bytes
) -> None:
    found = repository.add_target("a.txt", b"content")
    repository.publish("targets")
    repository.served[f"targets/{found.hashes['sha256']}.a.txt"] = content

    assert client.download("a.txt") == 1
    assert list(client.files.iterdir()) == []


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[", b'{"signed": null, "signatures": []}'])
def test_what_is_no_metadata_is_refused(
    repository: Simulator, client: Client, name: str, content: bytes
) -> None:
    repository.with_hashes = False
    repository.publish_snapshot()
    repository.served[f"metadata/{name}"] = content

    assert client.refresh() == 1


def test_a_root_that_skips_a_version_is_refused(repository: Simulator, client: Client) -> None:
    repository.root.signed.version = 3
    repository.served["metadata/2.root.json"] = sign(repository.root, repository.signers["root"])

    refused(client, kept={"root": 1})


# Files and delegations


def test_a_target_is_downloaded_once_and_again_when_it_changed(
    repository: Simulator, client: Client
) -> None:
    found = repository.add_target("a.txt", b"one")
    repository.publish("targets")
    assert [client.download("a.txt"), client.download("a.txt")] == [0, 0]
    assert repository.asked.count(f"targets/{found.hashes['sha256']}.a.txt") == 1

    repository.add_target("a.txt", b"two")
    repository.publish("targets")
    assert client.download("a.txt") == 0
    assert [path.read_bytes() for path in client.files.iterdir()] == [b"two"]


def test_a_target_that_nobody_speaks_for_is_no_target(
    repository: Simulator, client: Client
) -> None:
    repository.served["targets/a.txt"] = b"unsigned"

    assert client.download("a.txt") == 1


def test_a_role_speaks_for_its_own_paths_only(repository: Simulator, client: Client) -> None:
    repository.delegate("team", ["team/*"])
    repository.add_target("team/a", b"a", "team")
    repository.add_target("other/b", b"b", "team")
    repository.publish("targets", "team")

    assert client.download("team/a") == 0
    assert client.download("other/b") == 1


def test_a_terminating_role_is_the_last_word_on_its_paths(
    repository: Simulator, client: Client
) -> None:
    repository.delegate("owner", ["ns/*"], terminating=True)
    repository.delegate("stranger", ["*/*"])
    repository.add_target("ns/a", b"a", "owner")
    repository.add_target("ns/b", b"b", "stranger")
    repository.publish("targets", "owner", "stranger")

    assert client.download("ns/a") == 0
    assert client.download("ns/b") == 1


def test_the_first_role_that_has_a_target_wins(repository: Simulator, client: Client) -> None:
    repository.delegate("first", ["*"])
    repository.delegate("second", ["*"])
    repository.add_target("a", b"of the second", "second")
    repository.add_target("a", b"of the first", "first")
    repository.publish("targets", "first", "second")

    assert client.download("a") == 0
    assert [path.read_bytes() for path in client.files.iterdir()] == [b"of the first"]


def test_roles_that_delegate_in_a_circle_come_to_an_end(
    repository: Simulator, client: Client
) -> None:
    repository.delegate("one", ["*"])
    repository.delegate("two", ["*"], by="one")
    repository.delegate("one", ["*"], by="two")
    repository.publish("targets", "one", "two")

    assert client.download("nowhere") == 1
    assert repository.asked.count("metadata/2.one.json") == 1


def test_a_delegated_role_under_a_wrong_key_is_refused(
    repository: Simulator, client: Client
) -> None:
    repository.delegate("team", ["team/*"])
    repository.add_target("team/a", b"a", "team")
    repository.signers["team"] = [CryptoSigner.generate_ed25519()]
    repository.publish("targets", "team")

    assert client.download("team/a") == 1


@pytest.mark.parametrize("role", ["?", "#", "/delegatedrole", "ü", ".", "%"])
def test_a_roles_name_is_quoted_and_stays_in_its_folder(
    repository: Simulator, client: Client, role: str
) -> None:
    repository.delegate(role, ["*"])
    repository.add_target("a", b"a", role)
    repository.publish("targets", role)
    before = {path.name for path in client.metadata.parent.iterdir()}

    assert client.download("a") == 0
    assert {path.name for path in client.metadata.parent.iterdir()} == before


def test_the_roots_that_were_trusted_are_signed_metadata(client: Client) -> None:
    client.refresh()

    assert isinstance(Metadata.from_file(str(client.metadata / "root.json")).signed, Root)
