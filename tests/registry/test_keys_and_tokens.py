"""Policies, keys, metadata, tokens and releases: what each takes and refuses, case by case."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inwit.errors import (
    ForbiddenError,
    LevelTooLowError,
    MalformedInputError,
    PublishError,
    TrustError,
    UnauthorizedError,
    UnknownPackageError,
    UnsignedPackageError,
)
from inwit.registry import trust, trust_keys
from inwit.registry.serve_tokens import Caller, caller_of, make_token, revoke_token, tokens
from inwit.registry.store_releases import Published, Releases, archive_path
from inwit.registry.store_rows import SqliteRows
from inwit.registry.trust import Policy, Verdict
from inwit.registry.trust_keys import KeyRing, Namespace, PublicKey, entry, make_key, read_key
from inwit.registry.trust_repository import EXPIRY, TrustRepository, namespace_role
from inwit.runtime.project import Project

# Trust


def test_a_policy_refuses_what_is_unsigned_or_under_its_level() -> None:
    def told(level: Any, policy: Policy, *signers: str) -> type[Exception] | None:
        verdict = Verdict(id="acme/rag", version="1", digest="d", level=level, signers=signers)
        try:
            trust.enforce(verdict, policy)
        except (UnsignedPackageError, LevelTooLowError) as exc:
            return type(exc)
        return None

    assert told("community", Policy(), "k") is None
    assert told("unverified", Policy(), "k") is LevelTooLowError
    assert told("verified", Policy(minimum="official"), "k") is LevelTooLowError
    assert told("official", Policy()) is UnsignedPackageError
    assert told("unverified", Policy(allow_unsigned=("acme/rag",))) is None
    assert [trust.rank(one) for one in trust.LEVELS] == [0, 1, 2, 3]
    assert trust.check_level("verified") == "verified"
    with pytest.raises(MalformedInputError, match="No level of trust 'verifed'") as near:
        trust.check_level("verifed")
    assert near.value.hint == "Did you mean 'verified'?"
    levels = [
        Verdict(id="a", version="1", digest="d", level=one) for one in ("verified", "community")
    ]
    assert (trust.weakest(levels), trust.weakest([])) == ("community", "official")


def key(**more: Any) -> PublicKey:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    facts: dict[str, Any] = {
        "id": "a" * 64, "public": "b" * 64, "owner": "ada", "valid_from": at, "expires": at + timedelta(days=10)
    }  # fmt: skip
    return PublicKey(**(facts | more))


def test_a_key_counts_from_its_first_moment_until_its_last_and_not_when_revoked() -> None:
    at, second = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=1)
    span = "the key aaaaaaaaaaaa is valid from 2026-01-01 to 2026-01-11"

    assert key().fault(at) is key().fault(at + timedelta(days=10) - second) is None
    assert key().fault(at - second) == key().fault(at + timedelta(days=10)) == span
    assert key(revoked_at=at + timedelta(days=5)).fault(at) == "the key aaaaaaaaaaaa was revoked"
    assert (
        key(revoked_at=at, revoked_why="stolen").fault(at)
        == "the key aaaaaaaaaaaa was revoked: stolen"
    )


def test_a_ring_grants_namespaces_to_keys_that_it_has() -> None:
    one, two = "a" * 64, "c" * 64
    ring = KeyRing().with_key(key()).with_key(key(id=two))

    with pytest.raises(MalformedInputError, match="No key dddd"):
        ring.with_namespace("acme", Namespace(level="community", keys=("d" * 64,)))
    for level, threshold, keys in (
        ("official", 1, (one, two)),
        ("official", 2, (one,)),
        ("verified", 2, (one,)),
    ):
        with pytest.raises(MalformedInputError) as told:
            ring.with_namespace("acme", Namespace(level=level, threshold=threshold, keys=keys))  # type: ignore[arg-type]
        assert told.value.message == f"{level} with {threshold} of {len(keys)} keys."
        needed = 2 if level == "official" else 1
        assert told.value.hint == (
            f"Level {level} needs a threshold of {needed} or more, and the keys for it."
        )
    granted = ring.with_namespace("acme", Namespace(level="official", threshold=2, keys=(one, two)))
    assert granted.namespaces["acme"].threshold == 2
    assert granted.with_key(key(owner="bob")).keys[one].owner == "bob"
    at = datetime(2026, 2, 1, tzinfo=UTC)
    gone = granted.revoked(one, "lost", at)
    assert (gone.keys[one].revoked_at, gone.keys[one].revoked_why) == (at, "lost")
    assert gone.namespaces == granted.namespaces
    with pytest.raises(MalformedInputError) as none:
        ring.revoked("e" * 64, "x")
    assert none.value.hint == "Give its whole id."


def test_a_key_is_made_once_and_read_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "own.pem"
    made = make_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_key(path).public_key.keyid == made.public_key.keyid
    with pytest.raises(FileExistsError):
        make_key(path)
    path.write_text("no key")
    for wrong in (path, tmp_path / "none"):
        with pytest.raises(MalformedInputError) as told:
            read_key(wrong)
        assert told.value.message.startswith(f"{wrong} is no key: ")
        assert told.value.hint == "`inwit pkg key` makes one."
    now = datetime.now(UTC)
    listed = entry(made, "ada", days=2)
    assert (listed.id, listed.owner) == (made.public_key.keyid, "ada")
    assert listed.expires - listed.valid_from == timedelta(days=2)
    assert abs(listed.valid_from - now) < timedelta(minutes=1)
    assert listed.load().keyid == listed.id
    lasts = entry(made, "ada").expires - listed.valid_from
    assert lasts.days == trust_keys.KEY_DAYS


# The registry's metadata


class Blobs:
    """Files of a registry, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        return self.held.get(name)

    def put(self, name: str, content: bytes) -> None:
        self.held[name] = content

    def delete(self, name: str) -> None:
        self.held.pop(name, None)


class Time:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def metadata(blobs: Blobs, name: str) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.json.decode(blobs.held[f"metadata/{name}"])
    return said


def repository(folder: Path) -> tuple[TrustRepository, Blobs, Time]:
    blobs: Any = Blobs()
    time = Time()
    made = TrustRepository(blobs, folder / "keys", clock=time)
    return made, blobs, time


def test_the_first_metadata_is_whole_and_lasts_as_long_as_its_role(tmp_path: Path) -> None:
    trusted, blobs, time = repository(tmp_path)
    assert not trusted.is_initialised()
    with pytest.raises(TrustError) as none:
        trusted.root_bytes()
    assert (none.value.message, none.value.hint) == (
        "The registry has no root.", "`inwit registry init` makes one."
    )  # fmt: skip
    with pytest.raises(TrustError, match="The registry has no metadata"):
        trusted.is_due()

    trusted.initialise(root_keys=2, root_threshold=2)
    held = dict(blobs.held)
    trusted.initialise()

    assert trusted.is_initialised()
    assert blobs.held == held
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "online.pem", "root-1.pem", "root-2.pem", "targets.pem"
    ]  # fmt: skip
    root = metadata(blobs, "1.root.json")
    assert len(root["signatures"]) == 2
    assert root["signed"]["consistent_snapshot"] is True
    assert root["signed"]["roles"]["root"]["threshold"] == 2
    assert len(root["signed"]["roles"]["root"]["keyids"]) == 2
    for role in ("targets", "snapshot", "timestamp"):
        assert len(root["signed"]["roles"][role]["keyids"]) == 1
        name = f"{role}.json" if role == "timestamp" else f"1.{role}.json"
        assert (
            metadata(blobs, name)["signed"]["expires"]
            == f"{time.at + EXPIRY[role]:%Y-%m-%dT%H:%M:%SZ}"
        )
    assert metadata(blobs, "1.registry.json")["signed"]["expires"].startswith("2026-04-01")
    delegated = metadata(blobs, "1.targets.json")["signed"]["delegations"]["roles"]
    assert [
        (one["name"], one["paths"], one["terminating"], one["threshold"]) for one in delegated
    ] == [("registry", ["advisories.json", "names.json"], True, 1)]
    assert trusted.fingerprint() == hashlib.sha256(blobs.held["metadata/1.root.json"]).hexdigest()
    assert trusted.root_lasts() == timedelta(days=365)
    assert trusted.ring() == KeyRing()
    assert trusted.metadata("timestamp.json") == blobs.held["metadata/timestamp.json"]
    assert trusted.metadata("none.json") is None
    assert sorted(metadata(blobs, "1.snapshot.json")["signed"]["meta"]) == [
        "registry.json",
        "targets.json",
    ]


def test_namespaces_are_delegated_once_and_published_in_one_step(tmp_path: Path) -> None:
    trusted, blobs, _ = repository(tmp_path)
    trusted.initialise()
    ring = (
        KeyRing()
        .with_key(key())
        .with_namespace("acme", Namespace(level="community", keys=("a" * 64,)))
    )

    trusted.set_ring(ring)
    trusted.set_ring(ring.with_key(key(id="c" * 64)))

    assert trusted.ring() == ring.with_key(key(id="c" * 64))
    delegated = metadata(blobs, "3.targets.json")["signed"]["delegations"]["roles"]
    assert [(one["name"], one["paths"]) for one in delegated][1:] == [
        ("ns-acme", ["packages/acme/*", "index/acme/*"])
    ]
    assert "metadata/2.ns-acme.json" not in blobs.held
    trusted.publish(
        {"ns-acme": {"index/acme/rag.json": b"{}", "index/acme/x.json": b"1"}, "registry": {}}
    )
    assert trusted.target("index/acme/rag.json", "ns-acme") == b"{}"
    assert trusted.target("index/acme/none.json", "ns-acme") is None
    assert blobs.held[f"targets/index/acme/{hashlib.sha256(b'{}').hexdigest()}.rag.json"] == b"{}"
    assert "metadata/2.ns-acme.json" in blobs.held
    assert "metadata/2.registry.json" not in blobs.held
    assert metadata(blobs, "timestamp.json")["signed"]["version"] == 4
    with pytest.raises(PublishError) as none:
        trusted.publish({"ns-none": {"x": b""}})
    assert (none.value.message, none.value.hint) == (
        "The registry has no role 'ns-none'.", "Grant the namespace first."
    )  # fmt: skip
    assert namespace_role("acme") == "ns-acme"


def test_metadata_is_due_after_half_its_time_and_signed_anew_where_its_key_is(
    tmp_path: Path,
) -> None:
    trusted, blobs, time = repository(tmp_path)
    trusted.initialise()

    time.at += timedelta(hours=12)
    assert not trusted.is_due()
    time.at += timedelta(seconds=1)
    assert trusted.is_due()
    trusted.refresh()
    assert not trusted.is_due()
    assert "metadata/2.registry.json" not in blobs.held
    assert "metadata/2.snapshot.json" in blobs.held
    time.at += timedelta(days=46)
    trusted.refresh()
    assert "metadata/2.registry.json" in blobs.held
    assert "metadata/2.targets.json" not in blobs.held
    (tmp_path / "keys" / "targets.pem").rename(tmp_path / "away.pem")
    time.at += timedelta(days=50)
    trusted.refresh()
    assert "metadata/2.targets.json" not in blobs.held
    with pytest.raises(ForbiddenError) as away:
        trusted.set_ring(KeyRing())
    assert away.value.message == "The key 'targets' of the registry is not here."
    assert away.value.hint == (
        f"Put it at {tmp_path / 'keys' / 'targets.pem'} for this one act, as whoever keeps it."
    )
    (tmp_path / "away.pem").rename(tmp_path / "keys" / "targets.pem")
    trusted.refresh()
    assert "metadata/2.targets.json" in blobs.held


def test_ten_versions_of_a_role_are_kept(tmp_path: Path) -> None:
    trusted, blobs, _ = repository(tmp_path)
    trusted.initialise()
    for number in range(12):
        trusted.publish({"registry": {"names.json": str(number).encode()}})

    def kept(role: str) -> list[int]:
        names = (
            one.removeprefix("metadata/") for one in blobs.held if one.endswith(f".{role}.json")
        )
        return sorted(int(one.partition(".")[0]) for one in names)

    assert kept("registry") == kept("snapshot") == list(range(4, 14))
    assert kept("targets") == [1]
    blobs.held.pop("metadata/13.snapshot.json")
    with pytest.raises(TrustError) as gone:
        trusted.refresh()
    assert (gone.value.message, gone.value.hint) == (
        "13.snapshot.json is gone.", "Restore the registry's files."
    )  # fmt: skip


def test_keys_are_rotated_and_the_old_ones_sign_the_change(tmp_path: Path) -> None:
    trusted, blobs, _ = repository(tmp_path)
    trusted.initialise()
    (old,) = trusted.root_key_ids()
    trusted.rotate_root(drop=[old])
    (new,) = trusted.root_key_ids()
    root = metadata(blobs, "2.root.json")
    assert new != old
    assert {one["keyid"] for one in root["signatures"]} == {old, new}
    assert root["signed"]["version"] == 2
    trusted.rotate_root(add=2)
    assert len(trusted.root_key_ids()) == 3
    assert len(metadata(blobs, "3.root.json")["signatures"]) == 3
    assert (tmp_path / "keys" / "root-4.pem").exists()

    online = metadata(blobs, "3.root.json")["signed"]["roles"]["timestamp"]["keyids"]
    trusted.rotate_online()
    roles = metadata(blobs, "4.root.json")["signed"]["roles"]
    assert roles["timestamp"] == roles["snapshot"]
    assert roles["timestamp"]["keyids"] != online
    assert (tmp_path / "keys" / f"online-{online[0][:12]}.pem.retired").exists()
    targets = metadata(blobs, "2.targets.json")["signed"]["delegations"]["roles"]
    assert [one["keyids"] for one in targets] == [roles["timestamp"]["keyids"]]
    assert (
        metadata(blobs, "timestamp.json")["signatures"][0]["keyid"]
        == roles["timestamp"]["keyids"][0]
    )
    for path in (tmp_path / "keys").glob("root-*.pem"):
        path.unlink()
    with pytest.raises(ForbiddenError) as few:
        trusted.rotate_root()
    assert few.value.message == "0 of 1 root keys are here."
    assert few.value.hint == f"Bring them to {tmp_path / 'keys'} for this one act."


# Tokens and releases


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[SqliteRows]:
    made = SqliteRows(Project(root=tmp_path, folder=tmp_path))
    made._database.path.parent.mkdir(exist_ok=True)
    yield made
    made.close()


def test_scopes_are_for_one_namespace_for_all_or_for_everything() -> None:
    one, every, admin = (
        Caller(name="a", scopes=("publish:acme",)),
        Caller(scopes=("publish:*",)),
        Caller(scopes=("admin",)),
    )

    assert [one.may("publish", "acme"), one.may("publish", "team"), one.may("yank", "acme"), one.may("publish")] == [
        True, False, False, False
    ]  # fmt: skip
    assert every.may("publish", "acme")
    assert every.may("publish")
    assert admin.may("yank", "acme")
    assert Caller(scopes=("contribute",)).may("contribute")
    assert not Caller(scopes=("contribute",)).may("contribute", "acme")
    one.need("publish", "acme")
    with pytest.raises(UnauthorizedError):
        Caller().need("publish", "acme")
    with pytest.raises(ForbiddenError) as told:
        one.need("yank", "acme")
    assert told.value.message == "The token 'a' has no scope 'yank:acme'."
    assert told.value.hint == "It has publish:acme; `inwit registry token` makes others."
    with pytest.raises(ForbiddenError, match="no scope 'review'"):
        Caller(name="b").need("review")
    assert (str(one.principal), str(Caller().principal)) == ("client:a", "client:nobody")


def test_tokens_are_made_listed_used_and_taken_back(rows: SqliteRows) -> None:
    assert tokens(rows) == []
    token = make_token(rows, "ada", ["publish:acme", "yank:*"], days=2)
    forever = make_token(rows, "bob", ["admin"])

    assert token.startswith("inwit_")
    assert len(token) == 6 + 43
    listed, other = tokens(rows)
    assert (listed.name, listed.scopes, other.name, other.expires_at) == (
        "ada", ("publish:acme", "yank:*"), "bob", None
    )  # fmt: skip
    made, ends = (datetime.fromisoformat(str(one)) for one in (listed.made_at, listed.expires_at))
    assert ends - made == timedelta(days=2)
    assert caller_of(rows, f"BEARER  {token} ") == Caller(name="ada", scopes=listed.scopes)
    assert caller_of(rows, None) == caller_of(rows, "") == Caller()
    over = make_token(rows, "over", ["admin"], days=0)
    for wrong in (f"Basic {token}", "Bearer x", f"Bearer {over}", "Bearer"):
        with pytest.raises(UnauthorizedError):
            caller_of(rows, wrong)
    for name, scopes, said in (("x", ["fly"], "No scope 'fly'"), ("x", [], "A token has a name and scopes."),
                               (" ", ["admin"], "A token has a name and scopes."), ("ada", ["admin"], "There is a token 'ada'.")):  # fmt: skip
        with pytest.raises(MalformedInputError, match=said):
            make_token(rows, name, scopes)
    revoke_token(rows, "bob")
    assert [one.name for one in tokens(rows)] == ["ada", "over"]
    with pytest.raises(UnauthorizedError):
        caller_of(rows, f"Bearer {forever}")
    with pytest.raises(MalformedInputError) as none:
        revoke_token(rows, "bob")
    assert (none.value.message, none.value.hint) == ("No token 'bob'.", "Its name is meant.")


def published(package_id: str, version: str, **more: Any) -> Published:
    facts: dict[str, Any] = {
        "digest": hashlib.sha256(f"{package_id}{version}".encode()).hexdigest(), "kind": "node-library",
        "description": "d", "manifest": {"a": 1}, "envelope": "e", "size_bytes": 3, "level": "community",
        "publisher": "ada", "published_at": f"2026-01-0{len(version)}",
    }  # fmt: skip
    return Published(**({"id": package_id, "version": version} | facts | more))


def test_releases_are_kept_found_ordered_yanked_and_counted(rows: SqliteRows) -> None:
    releases = Releases(rows)
    assert (releases.count(), releases.ids(), releases.all()) == ((0, ""), [], [])
    every = [published("acme/rag", one) for one in ("1.9", "1.10", "2.0rc1")] + [
        published("acme/agent", "1.0", kind="tool-pack", level="verified", installs=7),
        published("team/early", "1.0rc1"), published("team/early", "1.0rc2"),
    ]  # fmt: skip
    with rows.transaction() as run:
        for one in every:
            releases.add(run, one)
        assert [one.version for one in releases.within(run, "acme/rag")] == [
            "1.9",
            "1.10",
            "2.0rc1",
        ]

    assert [one.version for one in releases.of("acme/rag")] == ["2.0rc1", "1.10", "1.9"]
    assert releases.by_digest(every[3].digest) == every[3]
    with pytest.raises(UnknownPackageError):
        releases.by_digest("0")
    assert [(one.id, one.version) for one in releases.all()] == [
        ("acme/agent", "1.0"), ("acme/rag", "2.0rc1"), ("acme/rag", "1.10"), ("acme/rag", "1.9"),
        ("team/early", "1.0rc2"), ("team/early", "1.0rc1"),
    ]  # fmt: skip
    assert releases.all(kind="tool-pack") == releases.latest(kind="tool-pack") == [every[3]]
    assert [(one.id, one.version) for one in releases.latest()] == [
        ("acme/agent", "1.0"), ("acme/rag", "1.10"), ("team/early", "1.0rc2")
    ]  # fmt: skip
    assert releases.ids() == ["acme/agent", "acme/rag", "team/early"]
    assert releases.count() == (6, "2026-01-06/0")
    with rows.transaction() as run:
        releases.yank(run, every[1].digest, "bad")
        releases.relevel(run, "acme", "official")
    releases.count_install(every[0].digest)
    releases.count_install(every[0].digest)
    assert releases.count() == (6, "2026-01-06/1")
    assert releases.by_digest(every[0].digest).installs == 2
    assert [one.level for one in releases.all()] == ["official"] * 4 + ["community"] * 2
    yanked = releases.by_digest(every[1].digest)
    assert (yanked.yanked_why, yanked.to_json()["yanked"]) == ("bad", "bad")
    assert [one.version for one in releases.latest() if one.id == "acme/rag"] == ["1.9"]
    assert every[3].to_json() == {
        "id": "acme/agent", "version": "1.0", "kind": "tool-pack", "description": "d", "installs": 7,
        "hash": every[3].digest, "size_bytes": 3, "level": "verified", "publisher": "ada",
        "published_at": "2026-01-03", "yanked": None, "manifest": {"a": 1},
    }  # fmt: skip
    assert published("a/b", "1", yanked_at="t").to_json()["yanked"] == "yanked"
    assert (every[0].namespace, every[0].path) == ("acme", "packages/acme/rag-1.9.tar.gz")
    assert archive_path("acme/rag", "1!2") == "packages/acme/rag-1~2.tar.gz"


def test_warnings_are_of_a_package_a_range_and_a_severity(rows: SqliteRows) -> None:
    releases = Releases(rows)
    with rows.transaction() as run:
        one = releases.advise(run, "acme/rag", "<2", "high", "it leaks")
        other = releases.advise(run, "team/x", "", "low", "old")
        assert releases.advisories(run=run) == [one, other]
        for affected, severity, said, hint in (
            ("odd", "high", "'odd' is no range.", 'Write it as ">=1,<1.4".'),
            ("<2", "bad", "No severity 'bad'.", "One of low, moderate, high, critical."),
        ):
            with pytest.raises(MalformedInputError) as told:
                releases.advise(run, "acme/rag", affected, severity, "x")
            assert (told.value.message, told.value.hint) == (said, hint)

    assert one.id.startswith("INWIT-")
    assert (one.package, one.affected, one.severity, one.summary) == (
        "acme/rag",
        "<2",
        "high",
        "it leaks",
    )
    assert releases.advisories("acme/rag") == [one]
    assert releases.advisories() == [one, other]
