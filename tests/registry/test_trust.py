"""Signatures, keys, levels, the policy, and names that imitate."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import (
    BadSignatureError,
    LevelTooLowError,
    MalformedInputError,
    TooFewSignaturesError,
    UnsignedPackageError,
)
from inwit.registry.trust import LEVELS, Policy, Verdict, enforce, policy_of
from inwit.registry.trust_envelope import add_signature, read_envelope, sign, statement, verify
from inwit.registry.trust_keys import (
    KeyRing,
    Namespace,
    PublicKey,
    encode_ring,
    entry,
    make_key,
    own_key,
    read_key,
    read_ring,
)
from inwit.registry.trust_names import lookalike
from inwit.runtime.project import user_folder

ID, VERSION, DIGEST = "acme/rag", "1.0.0", "a" * 64


def key() -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


def ring(*signers: CryptoSigner, level: str = "community", threshold: int = 1) -> KeyRing:
    made = KeyRing()
    for number, signer in enumerate(signers):
        made = made.with_key(entry(signer, f"owner {number}"))
    keys = tuple(signer.public_key.keyid for signer in signers)
    return made.with_namespace("acme", Namespace(level=level, threshold=threshold, keys=keys))  # type: ignore[arg-type]


def signed(*signers: CryptoSigner, digest: str = DIGEST, version: str = VERSION) -> bytes:
    return sign(statement(ID, version, digest, builder="a test"), signers)


def check(envelope: bytes, known: KeyRing, after: timedelta = timedelta(seconds=1)) -> Verdict:
    """What is found of a package that was published so long from now."""
    at = datetime.now(UTC) + after
    return verify(envelope, known, package_id=ID, version=VERSION, digest=DIGEST, published=at)


def test_a_signature_by_a_key_of_the_namespace_gives_its_level() -> None:
    ada = key()

    verdict = check(signed(ada), ring(ada, level="verified"))

    assert verdict.level == "verified"
    assert verdict.signers == (ada.public_key.keyid,)
    assert verdict.owners == ("owner 0",)
    assert verdict.provenance["buildDefinition"]["externalParameters"]["package"] == ID


def test_a_stranger_cannot_sign_for_a_namespace() -> None:
    with pytest.raises(TooFewSignaturesError, match="not one of the namespace's"):
        check(signed(key()), ring(key()))


def test_a_namespace_that_nobody_owns_is_not_believed() -> None:
    ada = key()

    with pytest.raises(BadSignatureError, match="no keys for its namespace"):
        check(signed(ada), KeyRing().with_key(entry(ada, "ada")))


@pytest.mark.parametrize(("digest", "version"), [("b" * 64, VERSION), (DIGEST, "1.0.1")])
def test_a_signature_counts_for_its_own_archive_only(digest: str, version: str) -> None:
    ada = key()

    with pytest.raises(BadSignatureError, match="another archive"):
        check(signed(ada, digest=digest, version=version), ring(ada))


def test_an_altered_statement_does_not_fit_its_signature() -> None:
    ada = key()
    held = read_envelope(signed(ada))
    held.payload = held.payload.replace(b"a test", b"a thief")

    with pytest.raises(TooFewSignaturesError, match="does not fit"):
        check(msgspec.json.encode(held.to_dict()), ring(ada))


@pytest.mark.parametrize(
    "envelope", [b"", b"{}", b"[]", b'{"payload":"","payloadType":"x","signatures":[]}', b"{" * 300_000]
)  # fmt: skip
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    with pytest.raises(BadSignatureError):
        check(envelope, ring(key()))


def test_an_envelope_without_any_signature_is_refused() -> None:
    with pytest.raises(TooFewSignaturesError, match="0 of 1"):
        check(signed(), ring(key()))


def test_official_needs_two_keys_and_one_of_them_twice_is_not_two() -> None:
    ada, ben = key(), key()
    known = ring(ada, ben, level="official", threshold=2)

    with pytest.raises(TooFewSignaturesError, match="1 of 2"):
        check(add_signature(signed(ada), ada), known)

    assert check(add_signature(signed(ada), ben), known).level == "official"


def test_a_namespace_is_not_made_official_with_one_key() -> None:
    with pytest.raises(MalformedInputError, match="official"):
        ring(key(), level="official")


def test_one_key_under_two_ids_is_one_key() -> None:
    ada = key()
    twin = msgspec.structs.replace(entry(ada, "twin"), id="0" * 64)
    known = ring(ada).with_key(twin)
    known = known.with_namespace(
        "acme",
        Namespace(level="official", threshold=2, keys=(ada.public_key.keyid, "0" * 64)),
    )
    doubled = msgspec.json.decode(signed(ada))
    doubled["signatures"].append({**doubled["signatures"][0], "keyid": "0" * 64})

    with pytest.raises(BadSignatureError, match="id is not its own"):
        check(msgspec.json.encode(doubled), known)


def test_an_expired_key_signs_no_more_but_what_it_signed_before_stays() -> None:
    ada = key()
    soon = datetime.now(UTC) + timedelta(hours=1)
    short = msgspec.structs.replace(entry(ada, "ada"), expires=soon)
    known = ring(ada).with_key(short)

    assert check(signed(ada), known).is_signed
    with pytest.raises(TooFewSignaturesError, match="is valid from"):
        check(signed(ada), known, after=timedelta(hours=2))


def test_a_revoked_key_counts_for_nothing_it_ever_signed() -> None:
    ada = key()
    known = ring(ada).revoked(ada.public_key.keyid, "stolen")

    with pytest.raises(TooFewSignaturesError, match="was revoked: stolen"):
        check(signed(ada), known)


def test_a_ring_is_read_as_it_was_written() -> None:
    known = ring(key(), key())

    assert read_ring(encode_ring(known)) == known


def test_a_ring_with_a_key_under_anothers_id_is_refused() -> None:
    ada, ben = entry(key(), "ada"), entry(key(), "ben")
    swapped = KeyRing(keys={ada.id: ben})

    with pytest.raises(BadSignatureError, match="under another's id"):
        read_ring(encode_ring(swapped))


def test_a_key_is_kept_for_its_owner_alone_and_never_made_twice(tmp_path: Path) -> None:
    made = make_key(tmp_path / "keys" / "ada.pem")

    assert stat.S_IMODE((tmp_path / "keys" / "ada.pem").stat().st_mode) == 0o600
    assert read_key(tmp_path / "keys" / "ada.pem").public_key == made.public_key
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "keys" / "ada.pem")
    assert own_key().public_key == own_key().public_key
    assert stat.S_IMODE((user_folder() / "keys" / "publisher.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("public", ["", "zz" * 32, "00" * 31])
def test_what_is_no_key_is_refused(public: str) -> None:
    with pytest.raises((MalformedInputError, msgspec.ValidationError)):
        msgspec.convert(
            {**msgspec.to_builtins(entry(key(), "x")), "public": public}, PublicKey
        ).load()


def test_a_keys_times_have_a_zone() -> None:
    said = {**msgspec.to_builtins(entry(key(), "x")), "expires": "2030-01-01T00:00:00"}

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, PublicKey)


# The policy


def verdict(level: str, *, is_signed: bool = True) -> Verdict:
    signers = ("a" * 64,) if is_signed else ()
    return Verdict(id=ID, version=VERSION, digest=DIGEST, level=level, signers=signers)  # type: ignore[arg-type]


def test_by_default_an_unsigned_package_is_refused_by_name() -> None:
    with pytest.raises(UnsignedPackageError, match=r"acme/rag 1\.0\.0"):
        enforce(verdict("unverified", is_signed=False), Policy())

    enforce(verdict("unverified", is_signed=False), Policy(allow_unsigned=(ID,)))


@pytest.mark.parametrize("minimum", LEVELS)
def test_a_level_below_the_minimum_is_refused(minimum: str) -> None:
    policy = Policy(minimum=minimum)  # type: ignore[arg-type]

    for level in LEVELS[: LEVELS.index(policy.minimum)]:
        with pytest.raises(LevelTooLowError):
            enforce(verdict(level), policy)
    for level in LEVELS[LEVELS.index(policy.minimum) :]:
        enforce(verdict(level), policy)


def test_the_policy_is_read_from_the_settings_and_a_wrong_one_is_named() -> None:
    assert policy_of({"trust": {"minimum": "verified"}}).minimum == "verified"
    assert policy_of({}) == Policy()
    with pytest.raises(MalformedInputError, match="trust"):
        policy_of({"trust": {"minimum": "somewhat"}})


# Names


KNOWN = ("acme/rag-tools", "inwit/map-reduce", "acme/summary", "lab/o1")


@pytest.mark.parametrize(
    ("name", "known", "why"),
    [
        ("acmee/rag-tools", "acme/rag-tools", "one letter differs"),
        ("amce/rag-tools", "acme/rag-tools", "one letter differs"),
        ("аcme/rag-tools", "acme/rag-tools", "letters that look alike"),
        ("acrne/summary", "acme/summary", "letters that look alike"),
        ("inw1t/map-reduce", "inwit/map-reduce", "letters that look alike"),
        ("in-wit/map-reduce", "inwit/map-reduce", "other separators"),
        ("lab/0l", "lab/o1", None),
        ("acme/rag-tool", "acme/rag-tools", None),
        ("other/rag-tools", "acme/rag-tools", None),
        ("acme/rag-tools", "acme/rag-tools", None),
    ],
)
def test_a_name_that_imitates_is_told_and_others_are_not(
    name: str, known: str, why: str | None
) -> None:
    found = lookalike(name, KNOWN)

    assert (found.known, found.why) == (known, why) if found else why is None
