"""What a connection leaves behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import httpx
import pytest

from inwit.server.connection import Connection


@pytest.fixture
def without_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> int:
    return sum(isinstance(one, Connection) for one in gc.get_objects())


@pytest.mark.usefixtures("without_collection")
def test_a_connection_that_has_ended_is_freed_without_a_garbage_collection(url: str) -> None:
    before = held()

    for _ in range(5):
        with httpx.Client(base_url=url) as client:
            assert client.get("/healthz").status_code == 200
    end = time.monotonic() + 10
    while held() > before and time.monotonic() < end:
        time.sleep(0.01)

    assert held() == before
