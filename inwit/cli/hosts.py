"""Which host runs for a project, by the `host.json` that it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from inwit.cli.frame import Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a host listens, and the token that it asks for."""

    url: str
    token: str | None


def running_host(folder: Path) -> Host:
    """Read the address of the project's host.

    Raises:
        Unreachable: No host has left its address.
    """
    try:
        told = json.loads((folder / "host.json").read_text(encoding="utf-8"))
        address = str(told.get("url") or told["address"])
    except (OSError, ValueError, KeyError, AttributeError) as exc:
        raise Unreachable("No host runs for this project. Start one: inwit serve.") from exc
    url = address if "://" in address else f"http://{address}"
    return Host(url=url.rstrip("/"), token=told.get("token"))
