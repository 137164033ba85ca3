"""Ten thousand frames that no client should send, over HTTP and over standard input."""

from __future__ import annotations

from pathlib import Path

from tests.server.conftest import Ran, ran
from tests.server.frames import frames
from tests.server.fuzzed import OverHttp, no_tracebacks, over_stdio
from tests.server.test_frames import host

__all__ = ["host", "ran"]
COUNT = 10_000


def test_ten_thousand_odd_frames_over_http(host: OverHttp) -> None:
    host.begin()

    with no_tracebacks():
        for number, frame in enumerate(frames(seed=11, count=COUNT)):
            if number % 1000 == 999:
                host.begin()
            host.send(frame)


def test_ten_thousand_odd_frames_over_stdio(ran: Ran, project: Path) -> None:
    answered = over_stdio(project, frames(seed=12, count=COUNT))

    assert answered > COUNT / 4
