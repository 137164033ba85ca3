"""What the extra `auth` brings is asked for by name where it is missing, and by nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
for name in ("cedarpy", "joserfc"):
    sys.modules[name] = None  # as where the extra is not installed
from inwit.errors import MissingLibraryError
from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.offers import Offers
import httpx

project = Project.find()
running = lifecycle.start(project, port=0, offers=Offers(allow_write=True))
print(httpx.get(running.url + "/mcp/live/executions").status_code)
running.stop()
(project.folder / "config.toml").write_text(
    '[auth]\\nissuer = "https://i.example"\\naudience = "https://inwit.example/mcp"\\n'
)
try:
    lifecycle.start(project, port=0)
except MissingLibraryError as exc:
    print(exc)
"""


def test_a_host_without_an_issuer_needs_no_extra(project: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=project, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip

    first, second = told.stdout.splitlines()
    assert first == "200"
    assert "pip install 'inwit[auth]'" in second
