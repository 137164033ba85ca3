"""MCP over standard input and output, for clients that start the server themselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.stdio import stdio_server

from inwit.runtime.project import Project
from inwit.server.host import Host
from inwit.server.mcp import create_server
from inwit.server.offers import Offers


def serve(project: Project, offers: Offers | None = None) -> None:
    """Answer on standard output until standard input ends, or until nobody reads any more.

    While it serves, what anything prints goes to standard error: the protocol has the output alone.
    """
    try:
        anyio.run(_serve, project, offers or Offers())
    except* (BrokenPipeError, ConnectionResetError):
        # What is still in the buffer would be written, and fail again, when the interpreter ends.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


async def _serve(project: Project, offers: Offers) -> None:
    host = Host(project, offers)
    server = create_server(host)
    try:
        async with stdio_server() as (incoming, outgoing):
            options = server.lowlevel.create_initialization_options()
            await server.lowlevel.run(incoming, outgoing, options)
    finally:
        host.hub.close()
