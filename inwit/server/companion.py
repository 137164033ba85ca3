"""What this room does for a compiled graph: `app.serve()`."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.lifecycle import Running
from inwit.server.offers import Offers


def serve(
    project: Project,
    *,
    host: str = "127.0.0.1",
    port: int = lifecycle.PORT,
    token: str | None = None,
    background: bool = False,
    allow_write: bool = False,
    tools: Literal["run"] | None = None,
    confirm: bool = True,
) -> Running | None:
    """Serve `project` until it is interrupted, or with `background` in a daemon thread."""
    offers = Offers(
        allow_write=allow_write or tools == "run", graph_tools=tools == "run", confirms=confirm
    )
    if background:
        return lifecycle.start(project, host=host, port=port, token=token, offers=offers)
    try:
        if _is_in_loop():
            # A loop cannot be entered twice, so the host gets a thread with its own.
            running = lifecycle.start(project, host=host, port=port, token=token, offers=offers)
            _tell(running.url)
            running.wait()
        else:
            lifecycle.serve(
                project, host=host, port=port, token=token, offers=offers, on_ready=_tell
            )
    except KeyboardInterrupt:
        _note("The host has stopped.")
    return None


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _tell(url: str) -> None:
    _note(f"inwit serves at {url} (MCP at {url}/mcp). Stop it with Ctrl-C.")


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - stdout is for data
