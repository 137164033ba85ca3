"""The servers that ours is measured beside, each a process of its own.

    python benchmarks/server_peers.py {guarded,bare,json,stdio} [BODY]

`guarded` is an echo tool of the bare SDK behind our middleware, `bare` the same without it, `json` a
Starlette route that answers with BODY, and `stdio` the echo tool over standard input and output. The
first three print their address.
"""

from __future__ import annotations

import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def echo_server() -> Any:
    """The SDK's server with one tool."""
    from mcp.server import MCPServer

    server = MCPServer("echo")

    @server.tool()
    def echo(text: str) -> str:
        """Give back a text."""
        return text

    return server


def mcp_app(*, is_guarded: bool) -> Any:
    """The SDK's routes, served as our host serves its own, with its middleware or without."""
    from starlette.applications import Starlette

    server = echo_server()
    spliced = server.streamable_http_app(streamable_http_path="/mcp")

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    middleware = [*_ours(), *spliced.user_middleware] if is_guarded else spliced.user_middleware
    return Starlette(routes=spliced.routes, middleware=middleware, lifespan=lifespan)


def _ours() -> list[Any]:
    """What our host puts before its routes."""
    import tempfile
    from pathlib import Path

    from inwit.runtime.project import Project
    from inwit.server.app import create_app

    folder = Path(tempfile.mkdtemp())
    project = Project(root=folder, folder=folder / ".inwit")
    project.ensure()
    return list(create_app(project).user_middleware)


def json_app(body: bytes) -> Any:
    """A route that does nothing but answer."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(_request: Any) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/", answer)])


def serve(app: Any) -> None:
    """Serve as our host does: one process, one loop, the same parser."""
    import uvicorn

    listening = socket.socket(
        proto=socket.IPPROTO_TCP
    )  # else every answer waits for the last one's receipt
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app, http="h11", loop="asyncio", ws="none", lifespan="on", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["guarded" | "bare" as kind]:
            serve(mcp_app(is_guarded=kind == "guarded"))
        case ["json", body]:
            serve(json_app(body.encode()))
        case ["stdio"]:
            echo_server().run("stdio")
        case _:
            sys.exit(__doc__)
