"""Every backend and wrapper does what the protocol says."""

from __future__ import annotations

from pathlib import Path

import pytest

from inwit.testing import Check, checkpointer_suite
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
