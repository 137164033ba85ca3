"""A project's names, and the router with and without an encoder."""

from __future__ import annotations

import pytest

from inwit.introspection.router import Catalogue, Router
from inwit.registry.encoder import default_encoder


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        graphs=("librarian", "checkoutFlow"),
        nodes={
            "librarian": ("plan", "search", "rerank", "judge", "answer", "why", "run"),
            "checkoutFlow": ("loadCart", "price_items", "charge_card", "поиск", "检索"),
        },
        state_keys=("query", "answer", "passages"),
        tools=("web_lookup",),
        packages=("inwit/rag", "acme/pdf-toolkit"),
        versions=("3f2a9c01d4e5",),
    )


@pytest.fixture(scope="session")
def semantic() -> Router:
    return Router.load(default_encoder())


@pytest.fixture(scope="session")
def lexical() -> Router:
    return Router.load(None)


@pytest.fixture(params=["semantic", "lexical"])
def router(request: pytest.FixtureRequest) -> Router:
    loaded = request.getfixturevalue(request.param)
    assert isinstance(loaded, Router)
    return loaded
