"""Frames that no client should send are answered by errors of the protocol; `make soak` sends more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.auth_setup import host_token
from inwit.server.offers import Offers
from tests.server.conftest import Ran
from tests.server.frames import frames
from tests.server.fuzzed import OverHttp, no_tracebacks, over_stdio

COUNT = 250


@pytest.fixture
def host(ran: Ran) -> Iterator[OverHttp]:
    offers = Offers(allow_write=True, graph_tools=True)
    running = lifecycle.start(Project.find(), port=0, offers=offers)
    client = OverHttp(running.url, host_token(Project.find()))
    yield client
    client.close()
    running.stop()


def test_odd_frames_over_http_are_answered_by_errors_of_the_protocol(host: OverHttp) -> None:
    host.begin()

    with no_tracebacks():
        for frame in frames(seed=1, count=COUNT):
            host.send(frame)


def test_odd_frames_over_stdio_are_answered_by_errors_of_the_protocol(
    ran: Ran, project: Path
) -> None:
    answered = over_stdio(project, frames(seed=2, count=COUNT))

    assert answered > COUNT / 4


def test_equal_seeds_give_equal_frames() -> None:
    assert list(frames(seed=3, count=50)) == list(frames(seed=3, count=50))
