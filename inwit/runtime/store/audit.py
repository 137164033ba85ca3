"""The audit log: who did what to what, as a hash chain whose head is signed.

Each row's hash covers the row and the hash before it, as canonical JSON; the last one is signed
with the project's ed25519 key (`audit.key`, for the owner alone). Whoever changes the file without
that key breaks the chain or its signature. Who can read the key can forge the log: to notice that
too, keep a head elsewhere and give it to `verify`.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import apsw
import msgspec

from inwit.errors import MalformedInputError, StoreError, shorten
from inwit.runtime.project import Project
from inwit.runtime.store.redact import Redactor
from inwit.runtime.store.schema import migrate_room

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from inwit.runtime.store.database import Database

T = TypeVar("T")
ROOM: Final = "audit"
MIGRATIONS: Final = (
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, actor TEXT NOT NULL,
        action TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL, details TEXT NOT NULL,
        prev_hash TEXT NOT NULL, hash TEXT NOT NULL
    );
    CREATE TABLE audit_head (
        one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL,
        signature BLOB NOT NULL
    );
    """,
)
KEY: Final = "audit.key"
TEXT_LIMIT: Final = 500
"""Characters of an actor, an action, a target or an outcome; more is cut."""
DETAILS_LIMIT: Final = 16_384
"""Characters of the details' JSON; of longer ones the digest and the beginning are kept."""
_SEED_BYTES = 32
_COLUMNS = "seq, ts_ns, actor, action, target, outcome, details, prev_hash, hash"


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `details` are without secrets; a long one is cut, with its digest beside it."""

    seq: int
    ts_ns: int
    actor: str
    action: str
    target: str
    outcome: str
    details: dict[str, Any]
    prev_hash: str
    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the chain. Kept elsewhere, it shows later that nothing before it was lost."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the chain found; `fault` names the first thing that is wrong."""

    is_intact: bool
    entries: int
    head: Head | None
    fault: str = ""
    at_seq: int | None = None


class HasDatabase(Protocol):
    """A journal or a store: what writes to the record's file."""

    @property
    def database(self) -> Database: ...


Where = apsw.Connection | Project | HasDatabase
"""What an entry is written through: an open transaction's connection, or a holder of the record."""


def append(
    where: Where | Database,
    *,
    actor: str,
    action: str,
    target: str,
    outcome: str,
    details: Mapping[str, Any] | None = None,
) -> AuditRow:
    """Add an entry and sign the new head. Secrets in the details are redacted.

    Given the connection of an open transaction, or within one of the same database and thread,
    the entry is committed or rolled back with it; otherwise it is durable on return.

    Raises:
        StoreError: The record cannot be written; what is not in the log must not be done.
    """
    entry = tuple(_text(value) for value in (actor, action, target, outcome))

    def write(connection: apsw.Connection) -> AuditRow:
        return _append(connection, entry, details or {})

    if isinstance(where, apsw.Connection):
        return write(where)
    database = _database(where)
    with database._lock:  # noqa: SLF001 - reentrant, so an open transaction is this thread's own
        writer = database._writer  # noqa: SLF001
        if writer is not None and writer.in_transaction:
            return write(writer)
        return database.write(write)


def rows(where: Where | Database, *, after: int = 0, limit: int = 100) -> list[AuditRow]:
    """Entries in their order, from the one after `after` on; details as they were written."""
    return _read(where, partial(_rows, after=after, limit=limit))


def latest(
    where: Where | Database, *, limit: int = 100, before: int | None = None
) -> list[AuditRow]:
    """The newest entries first, those before `before` only."""
    return _read(where, partial(_latest, limit=limit, before=before))


def head(where: Where | Database) -> Head | None:
    """The end of the chain as it is signed; None while nothing was logged."""
    return _read(where, _head)


def verify(where: Where | Database, *, expected: Head | None = None) -> Verdict:
    """Check every row, the links between them and the signature of the head.

    `expected` is a head that was noted earlier, outside of the project; with it, a log that was
    forged with the key or put back to an older state is noticed too.
    """
    folder = _folder(where)
    return _read(where, partial(_verify, folder=folder, expected=expected))


# Writing


def _append(
    connection: apsw.Connection, entry: tuple[str, ...], details: Mapping[str, Any]
) -> AuditRow:
    if not connection.in_transaction:
        raise RuntimeError("An audit entry needs an open transaction.")
    folder = Path(connection.filename).parent if connection.filename else None
    migrate_room(connection, connection.filename, ROOM, MIGRATIONS)
    last = _head(connection)
    seq, before = (last.seq + 1, last.hash) if last else (1, _genesis(folder))
    actor, action, target, outcome = entry
    told = _told(details, folder)
    ts_ns = time.time_ns()
    digest = _hash((seq, ts_ns, actor, action, target, outcome, told, before))
    row = (seq, ts_ns, actor, action, target, outcome, told, before, digest)
    connection.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row)
    signature = _key(folder).sign(_signed(seq, digest))
    connection.execute(
        "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)", (seq, digest, signature)
    )
    return _row(row)


def _text(value: str) -> str:
    """A text that UTF-8 can hold, cut to its limit."""
    return str(value).encode("utf-8", "backslashreplace").decode()[:TEXT_LIMIT]


def _told(details: Mapping[str, Any], folder: Path | None) -> str:
    project = _project(folder)
    redactor = Redactor(partial(project.secret, "redaction.key") if project else _process_key)
    told = canonical(redactor.value(_plain(details)))
    if len(told) <= DETAILS_LIMIT:
        return told
    digest = hashlib.sha256(told.encode()).hexdigest()
    return canonical({"cut": told[: DETAILS_LIMIT // 2], "sha256": digest, "length": len(told)})


def canonical(value: Any) -> str:
    """JSON in the one form that is hashed: keys sorted, no spaces, all ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """A copy made of JSON's types alone."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


# Checking


def _verify(connection: apsw.Connection, *, folder: Path | None, expected: Head | None) -> Verdict:
    last = _head(connection)
    count, fault, at_seq = 0, "", None
    before = ""
    found: dict[int, str] = {}
    for raw in _stored(connection):
        fault = _fault_of(raw, count + 1, before or _genesis(folder, make=False))
        if fault:
            at_seq = int(raw[0])
            break
        count, before = count + 1, str(raw[8])
        if expected is not None and count == expected.seq:
            found[count] = before
    if not fault:
        fault = _end_fault(connection, folder, count, before) or _lost(expected, found)
        at_seq = count if fault else None
    return Verdict(
        is_intact=not fault, entries=count, head=last, fault=fault, at_seq=at_seq
    )  # fmt: skip


def _fault_of(raw: tuple[Any, ...], seq: int, before: str) -> str:
    """What is wrong with a row that should be number `seq` and follow `before`."""
    if raw[0] != seq:
        return f"Entry {seq} is missing: {raw[0]} follows."
    if raw[7] != before:
        return f"Entry {seq} does not follow the one before it."
    if raw[8] != _hash(raw[:8]):
        return f"Entry {seq} was changed."
    return ""


def _end_fault(connection: apsw.Connection, folder: Path | None, count: int, last: str) -> str:
    signed = _signed_head(connection)
    if signed is None:
        if count:
            return "The head of the chain is not signed."
        has_key = folder is not None and (folder / KEY).exists()
        return "There is a key but no entry: the log was removed." if has_key else ""
    seq, digest, signature = signed
    if not _is_signed(folder, seq, digest, signature):
        return "The head's signature is not of this project's key."
    if (seq, digest) != (count, last):
        return f"The chain ends at entry {count}; {seq} was signed."
    return ""


def _lost(expected: Head | None, found: Mapping[int, str]) -> str:
    if expected is None or found.get(expected.seq) == expected.hash:
        return ""
    return f"The head that was noted, {expected.seq}, is not in the chain."


def _is_signed(folder: Path | None, seq: int, digest: str, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _key(folder).public_key().verify(bytes(signature), _signed(seq, digest))
    except (InvalidSignature, AttributeError, TypeError, ValueError):
        return False
    return True


def parse_head(text: str) -> Head:
    """Read a head as `str` writes it: its number and its hash with a colon between.

    Raises:
        MalformedInputError: It is none.
    """
    seq, _, digest = text.strip().partition(":")
    if not (seq.isdecimal() and seq.isascii() and len(seq) < 16 and len(digest) == 64):
        raise MalformedInputError(
            f"{shorten(text)} is no head of the log.", hint="`inwit audit verify` prints one."
        )
    return Head(seq=int(seq), hash=digest.lower())


# Rows


def _rows(connection: apsw.Connection, *, after: int, limit: int) -> list[AuditRow]:
    if not _is_there(connection):
        return []
    sql = f"SELECT {_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"
    return [_row(raw) for raw in connection.execute(sql, (after, limit)).fetchall()]


def _latest(connection: apsw.Connection, *, limit: int, before: int | None) -> list[AuditRow]:
    if not _is_there(connection):
        return []
    sql = f"SELECT {_COLUMNS} FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?"
    end = (1 << 62) if before is None else before
    return [_row(raw) for raw in connection.execute(sql, (end, limit)).fetchall()]


def _stored(connection: apsw.Connection) -> Iterator[tuple[Any, ...]]:
    if _is_there(connection):
        yield from connection.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY seq")


def _head(connection: apsw.Connection) -> Head | None:
    found = _signed_head(connection)
    return Head(seq=found[0], hash=found[1]) if found else None


def _signed_head(connection: apsw.Connection) -> tuple[int, str, bytes] | None:
    if not _is_there(connection):
        return None
    found: list[Any] = connection.execute("SELECT seq, hash, signature FROM audit_head").fetchall()
    return found[0] if found else None


def _is_there(connection: apsw.Connection) -> bool:
    sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('audit', 'audit_head')"
    return bool(connection.execute(sql).fetchall()[0][0] == 2)


def _row(raw: tuple[Any, ...]) -> AuditRow:
    seq, ts_ns, actor, action, target, outcome, told, before, digest = raw
    try:
        details = json.loads(told)
    except ValueError:  # someone changed it; verifying says so
        details = {"unreadable": str(told)}
    return AuditRow(
        seq=seq, ts_ns=ts_ns, actor=actor, action=action, target=target, outcome=outcome,
        details=details, prev_hash=before, hash=digest,
    )  # fmt: skip


def _hash(fields: tuple[Any, ...]) -> str:
    """The digest of a row: of its canonical JSON, in which the hash before it stands."""
    names = _COLUMNS.split(", ")[:-1]
    shown = {name: _plain(value) for name, value in zip(names, fields, strict=True)}
    return hashlib.sha256(canonical(shown).encode()).hexdigest()


# The key


def _genesis(folder: Path | None, *, make: bool = True) -> str:
    """What stands before the first row: the digest of the key that signs."""
    if not make and folder is not None and not (folder / KEY).exists():
        return ""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _key(folder).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(b"inwit audit\0" + public).hexdigest()


def _signed(seq: int, digest: str) -> bytes:
    return b"inwit audit head\0%d:%s" % (seq, digest.encode())


def _key(folder: Path | None) -> Ed25519PrivateKey:
    project = _project(folder)
    return _loaded(project.secret(KEY) if project else _process_key())


@lru_cache(maxsize=16)
def _loaded(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(seed) != _SEED_BYTES:
        raise StoreError(f"{KEY} is damaged: it has {len(seed)} bytes.", hint="Restore it.")
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=1)
def _process_key() -> bytes:
    import secrets

    return secrets.token_bytes(32)


def _project(folder: Path | None) -> Project | None:
    return Project(root=folder, folder=folder) if folder is not None else None


# Places


def _database(where: Project | HasDatabase | Database) -> Database:
    from inwit.runtime.store.database import Database

    if isinstance(where, Database):
        return where
    return Database.of(where) if isinstance(where, Project) else where.database


def _folder(where: Where | Database) -> Path | None:
    if isinstance(where, apsw.Connection):
        return Path(where.filename).parent if where.filename else None
    return _database(where).path.parent


def _read(where: Where | Database, work: Callable[[apsw.Connection], T]) -> T:
    return work(where) if isinstance(where, apsw.Connection) else _database(where).read(work)
