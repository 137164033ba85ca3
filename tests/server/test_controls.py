"""The table of docs/security.md is what is in the code; and controls that have no test elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from inwit.errors import ForbiddenError, TooLargeError, UnknownPlanError
from inwit.runtime.project import Project
from inwit.server import auth
from inwit.server.asked import check_question
from inwit.server.deciding import decide
from inwit.server.host import Host
from inwit.server.offers import Offers
from inwit.server.problems import Border
from tests.server.controls import PAGE, ROOT, Row, rows, written
from tests.server.test_tenants import ADA, BOB, CI, Two, two

__all__ = ["two"]
ROWS = rows()


def test_the_page_shows_every_row() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == written(page), "python -m tests.server.controls writes it"


@pytest.mark.parametrize("row", ROWS, ids=[row.risk for row in ROWS])
def test_every_control_is_where_the_table_says_and_its_test_is_there(row: Row) -> None:
    code = (ROOT / row.file).read_text(encoding="utf-8")
    tests = row.test_file.read_text(encoding="utf-8")

    assert code.count(row.old) == 1
    assert f"def {row.test_name}(" in tests


@pytest.mark.anyio
async def test_an_unexpected_error_leaves_as_an_id(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("the password is hunter2, in /srv/shop/app.py")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with caplog.at_level(logging.ERROR, logger="inwit.server"):
        await Border(fails)({"type": "http"}, None, send)  # type: ignore[arg-type]

    assert sent[0]["status"] == 500
    assert b"hunter2" not in sent[1]["body"] and b"/srv" not in sent[1]["body"]
    assert "hunter2" in caplog.text


def test_a_question_over_the_limit_is_refused_at_the_door() -> None:
    with pytest.raises(TooLargeError):
        check_question("why " * 4_097)


def test_a_plan_is_decided_on_by_editors_of_its_graph_alone(two: Two, project: Path) -> None:
    host = Host(Project.find(), Offers(allow_write=True), has_tenants=True)

    def rejected(caller: auth.Caller) -> Any:
        with auth.acting(caller):
            return decide(host, "reject", two.acme_plan, {"reason": "no"})

    with pytest.raises(ForbiddenError):
        rejected(ADA)
    with pytest.raises(UnknownPlanError):
        rejected(BOB)
    assert rejected(CI).status == "rejected"
