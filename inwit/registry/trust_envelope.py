"""What a publisher signs: an in-toto statement of SLSA provenance in a DSSE envelope.

The statement names the archive by its digest, so the envelope is worth nothing beside another one.
Signatures are ed25519. Bundles of sigstore are not read in this version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import BadSignatureError, TooFewSignaturesError
from inwit.registry.trust import Verdict
from inwit.registry.trust_keys import KeyRing, owners

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
PAYLOAD = "application/vnd.in-toto+json"
BUILD = "https://inwit.dev/package-archive/v1"
ENVELOPE_LIMIT = 256 * 1024


def digest_of(content: bytes) -> str:
    """The sha256 of an archive, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def subject(package_id: str, version: str) -> str:
    """What a statement calls a package."""
    return f"{package_id}@{version}"


def statement(
    package_id: str, version: str, digest: str, *, builder: str, materials: Iterable[Any] = ()
) -> dict[str, Any]:
    """Say which archive was built, by whom, from what. `materials` are digests of its sources."""
    now = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return {
        "_type": STATEMENT,
        "subject": [{"name": subject(package_id, version), "digest": {"sha256": digest}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {"package": package_id, "version": version},
                "resolvedDependencies": list(materials),
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {"invocationId": digest[:16], "finishedOn": now},
            },
        },
    }


def sign(
    said: dict[str, Any], signers: Iterable[CryptoSigner], *, payload_type: str = PAYLOAD
) -> bytes:
    """Put a statement into an envelope that each of the keys signs."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(msgspec.json.encode(said, order="sorted"), payload_type, {})
    for signer in signers:
        envelope.sign(signer)
    return msgspec.json.encode(envelope.to_dict())


def add_signature(data: bytes, signer: CryptoSigner) -> bytes:
    """Sign an envelope once more, by another key.

    Raises:
        BadSignatureError: It is no envelope.
    """
    envelope = read_envelope(data)
    envelope.sign(signer)
    return msgspec.json.encode(envelope.to_dict())


def read_envelope(data: bytes, payload_type: str = PAYLOAD) -> Envelope:
    """Read an envelope, without trusting it.

    Raises:
        BadSignatureError: It is none, or of another type.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import FormatError

    if len(data) > ENVELOPE_LIMIT:
        raise BadSignatureError("The envelope", f"it is over {ENVELOPE_LIMIT} bytes")
    try:
        envelope = Envelope.from_dict(msgspec.json.decode(data))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        FormatError,
        msgspec.MsgspecError,
    ) as exc:
        raise BadSignatureError("The envelope", f"it cannot be read ({exc})") from exc
    if envelope.payload_type != payload_type:
        raise BadSignatureError("The envelope", f"its payload is {envelope.payload_type[:80]!r}")
    return envelope


def verify(
    data: bytes, ring: KeyRing, *, package_id: str, version: str, digest: str, published: datetime
) -> Verdict:
    """Check an envelope for one archive against the keys of its namespace.

    `published` is the time at which the registry says that it took the package in.

    Raises:
        BadSignatureError: It is for another archive, or the namespace is nobody's.
        TooFewSignaturesError: Fewer keys of the namespace signed than it asks for.
    """
    what = subject(package_id, version)
    envelope = read_envelope(data)
    namespace = ring.namespaces.get(package_id.partition("/")[0])
    if namespace is None:
        raise BadSignatureError(what, "the registry has no keys for its namespace")
    named, predicate = _statement_of(envelope, what)
    if named.get(what) != digest:
        raise BadSignatureError(what, "the statement is about another archive")
    counted, faults = _count(envelope, ring, namespace.keys, published)
    if len(counted) < namespace.threshold:
        raise TooFewSignaturesError(what, len(counted), namespace.threshold, faults)
    return Verdict(
        id=package_id,
        version=version,
        digest=digest,
        level=namespace.level,
        signers=counted,
        owners=owners(ring, counted),
        faults=tuple(faults),
        provenance=predicate,
    )


def is_about(data: bytes, what: str, digest: str) -> bool:
    """Whether an envelope's statement names that archive; its signatures are not looked at.

    Raises:
        BadSignatureError: It is no envelope of a statement.
    """
    return _statement_of(read_envelope(data), what)[0].get(what) == digest


def _count(
    envelope: Envelope, ring: KeyRing, allowed: tuple[str, ...], published: datetime
) -> tuple[tuple[str, ...], list[str]]:
    """The keys whose signatures count, and why others do not."""
    from securesystemslib.exceptions import UnverifiedSignatureError

    counted: list[str] = []
    faults: list[str] = []
    pae = envelope.pae()
    for key_id, signature in envelope.signatures.items():
        key = ring.keys.get(key_id) if key_id in allowed else None
        if key is None:
            faults.append(f"the key {key_id[:12]} is not one of the namespace's")
            continue
        fault = key.fault(published)
        if fault is None:
            try:
                key.load().verify_signature(signature, pae)
                counted.append(key_id)
                continue
            except UnverifiedSignatureError:
                fault = f"the signature of {key_id[:12]} does not fit"
        faults.append(fault)
    return tuple(counted), faults


def _statement_of(envelope: Envelope, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The digests that a statement names, by their subjects, and what it says of them."""
    try:
        said = msgspec.json.decode(envelope.payload)
        named = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
        is_ours = said["_type"] == STATEMENT and said["predicateType"] == PROVENANCE
        predicate = said["predicate"]
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as exc:
        raise BadSignatureError(what, "its statement cannot be read") from exc
    if not is_ours or not isinstance(predicate, dict):
        raise BadSignatureError(what, "it is no statement of provenance")
    return named, predicate
