"""Every backend and wrapper does what the protocol says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inwit.testing import Check, checkpointer_suite
from inwit.testing.rows import checkpoint, put, seqs
from tests.runtime.checkpoints.backends import BACKENDS, UNSHARED

CASES = [
    pytest.param(backend, check, id=f"{backend}: {check.name}")
    for backend in BACKENDS
    for check in checkpointer_suite(is_shared=backend not in UNSHARED)
]


@pytest.mark.parametrize(("backend", "check"), CASES)
def test_a_backend_keeps_the_protocol(
    backend: str, check: Check, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    make = BACKENDS[backend](request, tmp_path)

    check(make)


@pytest.mark.parametrize("backend", ["s3", "dynamodb"])
def test_a_thread_that_was_deleted_begins_anew_wherever_it_stood(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    saver: Any = BACKENDS[backend](request, tmp_path)("anew")
    put(saver, [checkpoint(1)])
    saver.delete_thread("t")  # what the saver remembers of the thread is out of date

    put(saver, [checkpoint(2)])

    assert seqs(saver.load("t")) == [2]
    saver.close()
