"""Contributions: kept, signed, listed, reviewed, linked to plans; here and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from inwit.errors import BadSignatureError, MalformedInputError, RegistryRefusedError
from inwit.registry.contributions import (
    PAYLOAD,
    ContributionBook,
    Report,
    read_report,
    sign_report,
)
from inwit.registry.serve import Registry
from inwit.registry.trust_envelope import sign
from inwit.registry.trust_keys import own_key
from inwit.runtime.project import Project
from tests.registry.shelf import client, served

SAID = {
    "kind": "bug", "package": "acme/rag", "title": "loses citations", "severity": "high",
    "reporter": {"kind": "ai", "name": "a model", "version": "5"}, "execution_id": "4f53cda18c2baa0c",
}  # fmt: skip


@pytest.fixture
def book(project: Path) -> ContributionBook:
    return ContributionBook.of(Project.find())


def report(**more: Any) -> Report:
    return read_report({**SAID, **more})


def test_what_was_contributed_is_kept_with_who_signed_it(book: ContributionBook) -> None:
    envelope, key = sign_report(report())

    made = book.add(report(), envelope=envelope, key=key)

    (found,) = book.list(kind="bug", package="acme/rag", status="open")
    assert found == book.get(made.id) == made
    assert found.signed_by == own_key().public_key.keyid
    assert found.report.execution_id == SAID["execution_id"]
    assert book.list(kind="fix") == []


def test_a_signature_under_another_report_is_refused(book: ContributionBook) -> None:
    envelope, key = sign_report(report(title="something else"))

    with pytest.raises(BadSignatureError, match="another one"):
        book.add(report(), envelope=envelope, key=key)
    assert book.list() == []


def test_a_signature_by_another_key_is_refused(book: ContributionBook) -> None:
    _, key = sign_report(report())
    stranger = CryptoSigner.generate_ed25519()
    forged = sign(msgspec.to_builtins(report()), [stranger], payload_type=PAYLOAD).decode()

    with pytest.raises(BadSignatureError, match="does not fit"):
        book.add(report(), envelope=forged, key=key)


def test_a_review_decides_and_reporters_do_not_review_their_own(book: ContributionBook) -> None:
    made = book.add(report())

    reviewed = book.review(made.id, by="ada", verdict="accepted", comment="seen it too")

    assert (reviewed.status, reviewed.reviews[0].by) == ("accepted", "ada")
    with pytest.raises(MalformedInputError, match="reported it"):
        book.review(made.id, by="a model", verdict="resolved", comment="")
    with pytest.raises(MalformedInputError, match="Did you mean 'accepted'"):
        book.review(made.id, by="ada", verdict="acepted", comment="")


def test_a_contribution_names_the_plan_that_came_of_it(book: ContributionBook) -> None:
    made = book.add(report())

    assert book.link(made.id, "8c2baa0c4f53cda1").plan_id == "8c2baa0c4f53cda1"
    assert book.get(made.id).plan_id == "8c2baa0c4f53cda1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "praise"},
        {"title": "two\nlines"},
        {"title": ""},
        {"reporter": {"kind": "crowd", "name": "x"}},
        {"reporter": "me"},
        {"severity": "dire"},
        {"more": 1},
        {"diff": "x" * 300_000},
    ],
)
def test_what_is_no_report_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedInputError):
        report(**wrong)


def test_contributions_go_to_a_registry_with_the_scope_and_are_reviewed_there(
    tmp_path: Path,
) -> None:
    registry = Registry(tmp_path / "registry")
    with served(registry) as url:
        who = client(url, registry, "contribute")
        reviewer = client(url, registry, "review", name="ben")
        stranger = client(url, registry, "publish:acme", name="cy")
        envelope, key = sign_report(report())
        said = {**msgspec.to_builtins(report()), "envelope": envelope, "key": key}

        made = who.post("/contributions/bug", said)
        with pytest.raises(RegistryRefusedError) as refused:
            stranger.post("/contributions/bug", said)
        reviewed = reviewer.post(
            f"/contributions/{made['id']}/review", {"verdict": "accepted", "comment": "yes"}
        )
        with pytest.raises(RegistryRefusedError):
            who.post(f"/contributions/{made['id']}/review", {"verdict": "rejected"})
        listed = httpx.get(
            f"{url}/api/v1/contributions?kind=bug&status=accepted", timeout=20
        ).json()

    registry.close()
    assert refused.value.status == 403
    assert made["signed_by"] == own_key().public_key.keyid
    assert reviewed["reviews"][0]["by"] == "ben"
    assert [one["id"] for one in listed["contributions"]] == [made["id"]]
