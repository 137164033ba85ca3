"""The routes of the host, by level; each is described by an `Endpoint` or refused with 501."""

from __future__ import annotations

from inwit.server.endpoint import Endpoint
from inwit.server.routes import (
    ask,
    contributions,
    graph,
    live,
    network,
    packages,
    plans,
    platform,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *graph.ENDPOINTS,
    *ask.ENDPOINTS,
    *platform.ENDPOINTS,
    *live.ENDPOINTS,
    *network.ENDPOINTS,
    *plans.ENDPOINTS,
    *packages.ENDPOINTS,
    *contributions.ENDPOINTS,
)
