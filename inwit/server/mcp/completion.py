"""Completion: what the variables of templates and the arguments of prompts can be."""

from __future__ import annotations

from mcp_types import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ResourceTemplateReference,
)

from inwit.introspection import app
from inwit.registry.packages import PackageIndex
from inwit.server.host import Host
from inwit.server.mcp.resources import EXECUTION_TOPICS, PLATFORM_TOPICS

MOST = 100
EXECUTIONS = 500


def complete(host: Host, params: CompleteRequestParams) -> CompleteResult:
    """Offer the values that begin with what is typed, or hold it where none begins so."""
    typed = params.argument.value.casefold()
    values = _values(host, params)
    fitting = [value for value in values if value.casefold().startswith(typed)]
    fitting = fitting or [value for value in values if typed in value.casefold()]
    return CompleteResult(
        completion=Completion(
            values=fitting[:MOST],
            total=len(fitting) if len(values) < EXECUTIONS else None,
            has_more=len(fitting) > MOST,
        )
    )


def _values(host: Host, params: CompleteRequestParams) -> list[str]:
    name = params.argument.name
    scheme = ""
    if isinstance(params.ref, ResourceTemplateReference):
        scheme = str(params.ref.uri).partition("://")[0]
    resolved = (params.context.arguments if params.context else None) or {}
    if name == "topic":
        return list(_topics(scheme))
    if name in ("name", "graph"):
        return [graph.name for graph in host.store.graphs()]
    if name == "node":
        return [node.name for node in host.graph(resolved.get("name")).manifest.nodes]
    if name == "plan_id" or scheme == "plan":
        return [plan.id for plan in host.plans.list()]
    if scheme == "package":
        return [package.id for package in PackageIndex.of(host.project).list()]
    if name in ("execution_id", "first", "second") or scheme == "execution":
        page = host.store.executions(limit=EXECUTIONS)
        return [execution.execution_id for execution in page.items]
    return []


def _topics(scheme: str) -> tuple[str, ...]:
    known = {
        "graph": tuple(app.TOPICS), "execution": EXECUTION_TOPICS, "platform": PLATFORM_TOPICS,
    }  # fmt: skip
    return known.get(scheme, ())
