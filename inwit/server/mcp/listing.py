"""The tools that list: what a search finds, executions, plans, packages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from mcp_types import CallToolResult

from inwit.errors import MalformedInputError, shorten
from inwit.events import Failure, epoch_ns
from inwit.introspection.claims import count
from inwit.introspection.finding import SearchHit
from inwit.plans import Plan
from inwit.registry.packages import PackageIndex, PackageMatch
from inwit.runtime.views import Execution
from inwit.server.cursor import bind, page, unbind, unpack
from inwit.server.host import Host
from inwit.server.mcp import arguments as args
from inwit.server.mcp import reply
from inwit.server.mcp.bounds import DEFAULT_CHARS, clip, size
from inwit.server.mcp.reply import Reply, quoted

SEARCH_DEPTH = 100
ROWS = 50
NAMED = 20
"""Packages that are named where none fits."""
_NO_PLANS = " A person looks for some by `inwit self-improve analyze`."
Listed = tuple[list[str], dict[str, Any], str | None]
"""Prose, one line for all and one for each row; content; the cursor of the next page."""
_AGE = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def search(host: Host, given: args.Search) -> CallToolResult:
    wanted = min(unpack(given.cursor or None) + given.limit + 1, SEARCH_DEPTH)
    hits = host.introspector.search(given.query, kind=given.kind or None, limit=wanted)

    def listed(limit: int) -> Listed:
        shown, cursor = page(hits, limit, given.cursor or None)
        lines = [f"{len(shown)} found for {quoted(given.query)}."]
        lines += [f"- {hit.uri} {hit.title}: {quoted(hit.text)}" for hit in shown]
        return lines, {"results": [_hit(hit) for hit in shown]}, cursor

    return _listing(given.limit, listed)


def _hit(hit: SearchHit) -> dict[str, Any]:
    return {
        "uri": hit.uri,
        "title": hit.title,
        "kind": hit.kind,
        "text": clip(hit.text, 300),
        "score": round(float(hit.score), 4),
    }


def list_executions(host: Host, given: args.ListExecutions) -> CallToolResult:
    graph = host.graph(given.graph).name if given.graph else None
    since_ns = _since(given.since) if given.since else None

    def listed(limit: int) -> Listed:
        found = host.store.executions(
            graph=graph,
            status=given.status or None,
            since_ns=since_ns,
            limit=limit,
            cursor=unbind(given.cursor) if given.cursor else None,
        )
        lines = [f"{len(found.items)} of {found.total_count} executions, newest first."]
        lines += [_execution_line(one) for one in found.items]
        rows = [_execution(one) for one in found.items]
        return (
            lines,
            {"executions": rows, "total_count": found.total_count},
            (bind(found.cursor) if found.cursor else None),
        )

    return _listing(given.limit, listed)


def _since(text: str) -> int:
    """Read a moment, or an age that ends now, as nanoseconds since 1970."""
    age = _AGE.fullmatch(text.strip())
    if age:
        return time.time_ns() - int(age[1]) * _UNIT_S[age[2]] * 1_000_000_000
    try:
        return epoch_ns(text)
    except (ValueError, OverflowError) as exc:
        raise MalformedInputError(
            f"since is {shorten(text)}.", hint="Give RFC 3339, or an age such as 90s, 2h or 7d."
        ) from exc


def _execution(one: Execution) -> dict[str, Any]:
    shown = {
        "execution_id": one.execution_id,
        "graph_name": one.graph_name,
        "status": one.status,
        "started_at": one.started_at,
        "duration_ms": one.duration_ms,
        "current_node": one.current_node,
        "iteration": one.iteration,
        "error": clip(_error(one.error), 200) if one.error else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _error(error: Failure) -> str:
    return f"{error.type}: {error.message}"


def _execution_line(one: Execution) -> str:
    took = "" if one.duration_ms is None else f", {one.duration_ms:.1f} ms"
    error = f", {quoted(_error(one.error), 80)}" if one.error else ""
    return f"- {one.execution_id} {one.graph_name}: {one.status}, {one.started_at}{took}{error}"


def list_plans(host: Host, given: args.ListPlans) -> CallToolResult:
    found = host.plans.list(status=given.status or None)

    def listed(limit: int) -> Listed:
        shown, cursor = page(found, limit, given.cursor or None)
        lines = [f"{count(len(found), 'plan')}.{'' if found else _NO_PLANS}"]
        lines += [
            f"- plan://{one.id} {one.status}, revision {one.revision}: {quoted(one.title)}"
            for one in shown
        ]
        return lines, {"plans": [_plan(one) for one in shown], "total_count": len(found)}, cursor

    return _listing(ROWS, listed)


def _plan(one: Plan) -> dict[str, Any]:
    return {
        "id": one.id,
        "uri": f"plan://{one.id}",
        "title": one.title,
        "status": one.status,
        "graph_name": one.graph_name,
        "category": one.category,
        "confidence": one.confidence,
        "risk": one.risk,
        "revision": one.revision,
    }


def search_packages(host: Host, given: args.SearchPackages) -> CallToolResult:
    index = PackageIndex.of(host.project)
    found = index.search(given.query, kind=given.kind or None)

    def listed(limit: int) -> Listed:
        shown, cursor = page(found, limit, given.cursor or None)
        many = "1 package fits" if len(found) == 1 else f"{len(found)} packages fit"
        lines = [f"{many} {quoted(given.query)}.{'' if found else _all(index)}"]
        lines += [f"- package://{m.package.id} {quoted(m.package.description)}" for m in shown]
        return lines, {"packages": [_package(match) for match in shown]}, cursor

    return _listing(ROWS, listed)


def _all(index: PackageIndex) -> str:
    """What there is, where nothing fits: a query in other words may."""
    ids = [package.id for package in index.list()]
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f" Here are {', '.join(ids[:NAMED])}{more}."


def _package(match: PackageMatch) -> dict[str, Any]:
    one = match.package
    return {
        "uri": f"package://{one.id}",
        "kind": one.kind,
        "version": one.version,
        "description": one.description,
        "score": round(float(match.score), 4),
    }


def _listing(limit: int, listed: Callable[[int], Listed]) -> CallToolResult:
    """Give as many rows as fit, and the cursor of what follows them."""
    while True:
        lines, data, cursor = listed(limit)
        prose = "\n".join(lines)
        fits = len(prose) < reply.PROSE_CHARS - 100 and size(data) < DEFAULT_CHARS * 2 // 3
        if limit == 1 or fits:
            break
        limit //= 2
    if cursor is not None:
        prose += f"\nMore: cursor={cursor!r}."
    return reply.result(Reply(prose=prose, data={**data, "cursor": cursor}))
