"""No request that can be made from /openapi.json makes a host fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from inwit.runtime.project import Project
from inwit.server import hostfile, lifecycle, openapi
from inwit.server.app import create_app
from inwit.server.offers import Offers
from inwit.server.routes import later
from tests.server.conftest import Ran
from tests.server.fuzzing import faults


@pytest.fixture
def writing(project: Path) -> Iterator[str]:
    """A host that may change things."""
    running = lifecycle.start(Project.find(), port=0, offers=Offers(allow_write=True))
    yield running.url
    running.stop()


def test_no_route_fails_whatever_its_description_allows(
    writing: str, ran: Ran, caplog: pytest.LogCaptureFixture
) -> None:
    told = hostfile.read(Project.find())
    assert told is not None
    names = {
        "id": [ran.completed, ran.failed, ran.failed[:6]], "name": ["search", "write"],
        "graph": ["seeker"], "q": ["Why was search slow?", "What is seeker?"],
        "uri": [f"execution://{ran.failed}/events/3", "graph://seeker/about"],
    }  # fmt: skip

    with caplog.at_level(logging.ERROR, logger="inwit"):
        asked, failed = faults(writing, {"Authorization": f"Bearer {told.token}"}, 6, names)

    assert asked > 250
    assert failed == []
    assert not [one.getMessage() for one in caplog.records]
    assert httpx.get(f"{writing}/readyz").status_code == 200


@pytest.mark.parametrize("has_issuer", [False, True])
def test_the_document_describes_every_route_that_there_is(project: Path, has_issuer: bool) -> None:
    if has_issuer:
        (project / ".inwit" / "config.toml").write_text(
            '[auth]\nissuer = "https://i.example"\naudience = "https://inwit.example/mcp"\n'
        )
    app = create_app(Project.find())
    absent = {(path, method) for path, methods, _ in later.LATER for method in methods}
    routes = [one for one in app.routes if isinstance(one, Route)]
    (document,) = [one for one in routes if one.path == "/openapi.json"]
    described = json.loads(document.endpoint(None).body)["paths"]

    undescribed = {
        (path, method)
        for route in routes
        for path in [openapi.public_path(route.path)]
        for method in (route.methods or {"POST"}) - {"HEAD"}
        if method.lower() not in described.get(path, {})
    }

    assert undescribed == absent
