"""What `inwit pkg search` asks, and whom: this project, an imported list, or a registry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from inwit.cli.frame import NotFound


class Asked(NamedTuple):
    """One of a query, a package and a plan; how many results; what narrows them."""

    query: str | None
    similar_to: str | None
    for_plan: str | None
    limit: int
    filters: Mapping[str, str | None]


def find(asked: Asked, registry: str | None) -> dict[str, Any]:
    """The results as JSON; `took_ms` is the search alone, without reading the index."""
    if asked.for_plan is not None:
        asked = asked._replace(query=_lack(asked.for_plan))
    if registry is None:
        found = _with_registry(asked, _here(asked))
    elif registry.startswith(("http://", "https://")):
        found = _there(asked, registry)
    else:
        found = _listed(asked, Path(registry))
    extra = {"query": asked.query} if asked.for_plan is not None else {}
    return {**extra, **found, "total_count": len(found["results"])}


def _with_registry(asked: Asked, here: dict[str, Any]) -> dict[str, Any]:
    """What is here beside what the registry offers that is set; without it where it is away."""
    from inwit.errors import InwitError
    from inwit.registry.serve_client import Place
    from inwit.runtime.project import Project

    place = Place.configured(Project.find())
    if place is None or asked.query is None:
        return here
    try:
        there = _there(asked, place.url)
    except InwitError as exc:
        click.echo(f"note: {place.url} was not asked: {exc}", err=True)
        return here
    known = {one["id"] for one in here["results"]}
    offered = [{**one, "origin": "registry"} for one in there["results"] if one["id"] not in known]
    every = sorted([*here["results"], *offered], key=lambda one: -one["score"])
    took_ms = round(here["took_ms"] + there["took_ms"], 3)
    return {"results": every[: asked.limit], "took_ms": took_ms}


def _here(asked: Asked) -> dict[str, Any]:
    from inwit.registry.packages import PackageIndex
    from inwit.registry.search.filters import Filters
    from inwit.runtime.project import Project

    index = PackageIndex.of(Project.find())
    filters = Filters(**asked.filters)
    started = time.perf_counter()
    if asked.similar_to is not None:
        matches = index.similar(asked.similar_to, filters=filters, limit=asked.limit)
    else:
        matches = index.search(asked.query or "", filters=filters, limit=asked.limit)
    took_ms = (time.perf_counter() - started) * 1000
    results = [
        {
            "id": one.package.id, "name": one.package.name, "version": one.package.version,
            "kind": one.package.kind, "description": one.package.description,
            "score": one.score, "why": one.why, "origin": one.package.origin,
        }
        for one in matches
    ]  # fmt: skip
    return {"results": results, "took_ms": round(took_ms, 3)}


def _listed(asked: Asked, folder: Path) -> dict[str, Any]:
    import msgspec

    from inwit.registry.search.catalogue import Catalogue
    from inwit.registry.search.filters import Filters

    if not folder.is_dir():
        raise NotFound(f"No folder {str(folder)!r}. `inwit registry import` makes one.")
    catalogue = Catalogue(folder / "catalogue")
    filters = Filters(**asked.filters)
    catalogue.warm_up()
    started = time.perf_counter()
    if asked.similar_to is not None:
        hits = catalogue.similar(asked.similar_to, limit=asked.limit, filters=filters)
    else:
        hits = catalogue.search(asked.query or "", limit=asked.limit, filters=filters)
    took_ms = (time.perf_counter() - started) * 1000
    catalogue.close()
    return {"results": msgspec.to_builtins(hits), "took_ms": round(took_ms, 3)}


def _there(asked: Asked, url: str) -> dict[str, Any]:
    from inwit.registry.addresses import checked_url
    from inwit.registry.serve_client import Place, RegistryClient, fetcher_for
    from inwit.runtime.project import Project

    if asked.similar_to is not None:
        raise click.UsageError("A registry over HTTP is asked by a query.")
    project = Project.find()
    checked = checked_url(url)
    client = RegistryClient(Place(url=checked), fetcher_for(project, checked))
    given = {name: value for name, value in asked.filters.items() if value is not None}
    started = time.perf_counter()
    found = client.post("/search", {"query": asked.query, "limit": asked.limit, **given})
    took_ms = (time.perf_counter() - started) * 1000
    return {"results": found.get("results", []), "took_ms": round(took_ms, 3)}


def _lack(plan_id: str) -> str:
    """What a plan says is lacking, in its own words."""
    from inwit.introspection.plan_rows import plan
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    found = plan(Store.of(Project.find()), plan_id)
    return f"{found.title}. {found.hypothesis}"
