"""A registry asked for whatever its description allows, and one that holds many packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inwit.registry.serve import Registry
from inwit.registry.serve_tokens import make_token
from tests.registry.shelf import package, publish, served, source
from tests.server.fuzzing import faults


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path / "registry")
    made.initialise()
    yield made
    made.close()


def test_no_route_of_a_registry_fails_whatever_its_description_allows(
    registry: Registry, tmp_path: Path
) -> None:
    digest = publish(registry, package(tmp_path)).release.digest
    token = make_token(registry.rows, "keeper", ["admin"])
    known = {
        "hash": [digest], "namespace": ["acme"], "name": ["rag", "1.root.json"], "q": ["rag"],
    }  # fmt: skip

    with served(registry) as url:
        asked, failed = faults(url, {"Authorization": f"Bearer {token}"}, 40, known)

    assert asked > 800
    assert failed == []


def test_a_thousand_releases_of_one_namespace_are_served_and_proved(
    registry: Registry, tmp_path: Path
) -> None:
    for number in range(1000):
        name = f"acme/p{number % 50}"
        publish(registry, package(tmp_path, name=name, version=f"1.{number}.0"))

    with served(registry) as url:
        central = source(url, tmp_path / "trusted")
        assert len(list(central.list())) == 50
        found = central.releases("acme/p7")
        assert len(found) == 20
        assert central.fetch(found[-1], max_bytes=1 << 20)
