"""Every backend and wrapper does what the protocol says."""

from __future__ import annotations

from pathlib import Path

import pytest

from inwit import InMemoryCheckpointer
from inwit.testing import checkpointer_suite
from tests.runtime.checkpoints.backends import BACKENDS, UNSHARED

NAMES = {
    is_shared: [
        check.name
        for check in checkpointer_suite(lambda name: InMemoryCheckpointer(), is_shared=is_shared)
    ]
    for is_shared in (True, False)
}
CASES = [(backend, name) for backend in BACKENDS for name in NAMES[backend not in UNSHARED]]


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_a_backend_keeps_the_protocol(
    backend: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    make = BACKENDS[backend](request, tmp_path)
    checks = {check.name: check for check in checkpointer_suite(make)}

    checks[name]()
