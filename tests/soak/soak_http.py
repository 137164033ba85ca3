"""The campaign of `tests/server/test_fuzz.py`, longer."""

from __future__ import annotations

from pathlib import Path

from inwit.runtime.project import Project
from inwit.server import hostfile, lifecycle
from inwit.server.offers import Offers
from tests.server.conftest import Ran, ran
from tests.server.fuzzing import faults

__all__ = ["ran"]
EXAMPLES = 1_000


def test_no_route_fails_in_many_thousand_requests(project: Path, ran: Ran) -> None:
    running = lifecycle.start(Project.find(), port=0, offers=Offers(allow_write=True))
    told = hostfile.read(Project.find())
    assert told is not None
    names = {"id": [ran.completed, ran.failed], "name": ["search"], "graph": ["seeker"]}
    try:
        asked, failed = faults(
            running.url, {"Authorization": f"Bearer {told.token}"}, EXAMPLES, names
        )
    finally:
        running.stop()

    assert asked > 10 * EXAMPLES
    assert failed == []
