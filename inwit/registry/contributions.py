"""Contributions to packages: bugs, improvements, requests and fixes, with what shows them.

Their text is somebody's word: it is shown as quoted, and nothing in it is followed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from inwit.errors import (
    BadSignatureError,
    MalformedInputError,
    UnknownContributionError,
    nearest,
    shorten,
)
from inwit.ids import new_id
from inwit.registry.store_releases import now
from inwit.registry.store_rows import CONTRIBUTIONS, Rows, SqliteRows
from inwit.registry.trust_envelope import read_envelope, sign
from inwit.registry.trust_keys import own_key, public_key
from inwit.runtime.project import Project

ContributionKind = Literal["bug", "improvement", "request", "fix"]
KINDS: tuple[ContributionKind, ...] = get_args(ContributionKind)
Status = Literal["open", "accepted", "rejected", "duplicate", "resolved"]
STATUSES: tuple[Status, ...] = get_args(Status)
PAYLOAD = "application/vnd.inwit.contribution+json"
ROOM = "contributions"

_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\r\n]+$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\s]+$")]


class Reporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who says it: a person or an AI, by name, an AI with its version."""

    kind: Literal["ai", "person"]
    name: _Line
    version: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a contributor says and signs. `diff` is a fix's change; `evidence` is of its execution."""

    kind: ContributionKind
    package: _Name
    title: _Line
    reporter: Reporter
    description: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    severity: Literal["low", "moderate", "high", "critical"] = "moderate"
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    package_version: Annotated[str, msgspec.Meta(max_length=80)] = ""
    execution_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    evidence: dict[str, Any] = {}
    diff: Annotated[str, msgspec.Meta(max_length=200_000)] = ""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody made of a contribution."""

    by: str
    verdict: Status
    comment: str
    at: str


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it is kept. `signed_by` is the id of the key that signed it, None where none did."""

    id: str
    report: Report
    status: Status
    created_at: str
    signed_by: str | None = None
    envelope: str = ""
    reviews: tuple[Review, ...] = ()
    plan_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything in one object, without the envelope."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        report = shown.pop("report")
        shown.pop("envelope")
        return {**report, **shown}


class ContributionBook:
    """The contributions of a registry or of a project."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @classmethod
    def of(cls, project: Project) -> ContributionBook:
        """Those that the project keeps itself."""
        return cls(SqliteRows(project, ROOM, CONTRIBUTIONS))

    def add(self, report: Report, *, envelope: str = "", key: str = "") -> Contribution:
        """Enter a report. With an `envelope` it must be the very report, signed by `key`.

        Raises:
            BadSignatureError: The envelope is for something else, or the key did not sign it.
        """
        signed_by = _signer(report, envelope.encode(), key) if envelope else None
        made = Contribution(
            id=new_id(), report=report, status="open", created_at=now(), signed_by=signed_by,
            envelope=envelope,
        )  # fmt: skip
        with self._rows.transaction() as run:
            run(
                "INSERT INTO contributions VALUES (?, ?, ?, ?, ?, ?)",
                made.id, report.kind, report.package, made.status, made.created_at,
                msgspec.json.encode(made).decode(),
            )  # fmt: skip
        return made

    def list(
        self, *, kind: str | None = None, package: str | None = None, status: str | None = None
    ) -> list[Contribution]:
        """Contributions, the newest first."""
        wanted = {"kind": kind, "package": package, "status": status}
        given = {name: value for name, value in wanted.items() if value}
        where = " AND ".join(f"{name} = ?" for name in given)
        found = self._rows.read(
            f"SELECT json FROM contributions {'WHERE ' + where if where else ''}"
            " ORDER BY created_at DESC, id",
            *given.values(),
        )
        return [_read(row[0]) for row in found]

    def get(self, contribution_id: str) -> Contribution:
        """One contribution.

        Raises:
            UnknownContributionError: There is none of that id.
        """
        found = self._rows.read("SELECT json FROM contributions WHERE id = ?", contribution_id)
        if not found:
            raise UnknownContributionError(contribution_id)
        return _read(found[0][0])

    def review(self, contribution_id: str, *, by: str, verdict: str, comment: str) -> Contribution:
        """Say what is made of it. Who reported it cannot review it.

        Raises:
            UnknownContributionError: There is none of that id.
            MalformedInputError: The verdict is none, or the reviewer its reporter.
        """
        decided = _status(verdict)
        if len(comment) > 20_000:
            raise MalformedInputError("The comment is too long.", hint="At most 20,000 characters.")
        one = self.get(contribution_id)
        if by == one.report.reporter.name:
            raise MalformedInputError(
                f"{shorten(by)} reported it.", hint="Somebody else reviews a contribution."
            )
        review = Review(by=by, verdict=decided, comment=comment, at=now())
        reviews = (*one.reviews, review)
        return self._put(msgspec.structs.replace(one, reviews=reviews, status=decided))

    def link(self, contribution_id: str, plan_id: str) -> Contribution:
        """Name the plan that came of it."""
        return self._put(msgspec.structs.replace(self.get(contribution_id), plan_id=plan_id))

    def _put(self, one: Contribution) -> Contribution:
        with self._rows.transaction() as run:
            run(
                "UPDATE contributions SET status = ?, json = ? WHERE id = ?",
                one.status, msgspec.json.encode(one).decode(), one.id,
            )  # fmt: skip
        return one


def read_report(given: dict[str, Any]) -> Report:
    """Check what was sent as a report.

    Raises:
        MalformedInputError: A field does not hold what it must.
    """
    try:
        return msgspec.convert(given, Report)
    except msgspec.ValidationError as exc:
        raise MalformedInputError(
            f"The contribution: {exc}.",
            hint="It has kind, package, title and reporter {kind: ai|person, name, version}.",
        ) from exc


def sign_report(report: Report) -> tuple[str, str]:
    """Sign a report by the user's own key: the envelope, and the key in hexadecimal digits."""
    signer = own_key()
    said = msgspec.to_builtins(report)
    envelope = sign(said, [signer], payload_type=PAYLOAD).decode()
    return envelope, signer.public_key.keyval["public"]


def _signer(report: Report, envelope: bytes, key: str) -> str:
    from securesystemslib.exceptions import VerificationError

    held, known = read_envelope(envelope, PAYLOAD), public_key(key)
    try:
        held.verify([known], 1)
        said = msgspec.json.decode(held.payload, type=Report)
    except (VerificationError, msgspec.MsgspecError) as exc:
        raise BadSignatureError("The contribution", "its signature does not fit") from exc
    if said != report:
        raise BadSignatureError("The contribution", "the signature is under another one")
    return known.keyid


def _status(verdict: str) -> Status:
    for status in STATUSES:
        if verdict == status:
            return status
    raise MalformedInputError(f"No verdict {shorten(verdict)}.", hint=nearest(verdict, STATUSES))


def _read(text: str) -> Contribution:
    return msgspec.json.decode(text, type=Contribution)
