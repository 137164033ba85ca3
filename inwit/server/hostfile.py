"""`host.json`: where the running host of a project is, for its owner's eyes only."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from inwit.runtime.files import write_whole
from inwit.runtime.project import Project

NAME = "host.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """Where a host listens, in which process, and the token that it asks for.

    It asks for it before it changes anything; of everyone, where it was started so.
    """

    address: str
    pid: int
    token: str | None
    asks_everyone: bool = False

    def write(self, project: Project) -> None:
        """Write it whole or not at all, readable by nobody else."""
        path = project.ensure() / NAME
        write_whole(path, json.dumps(asdict(self)).encode(), mode=0o600)

    def remove(self, project: Project) -> None:
        """Remove it, unless another host has taken its place."""
        if read(project) == self:
            with suppress(OSError):  # the disk may have become read-only
                (project.folder / NAME).unlink(missing_ok=True)


def read(project: Project) -> HostFile | None:
    """Read who serves the project; None where nobody does, or the file is of another form."""
    return _read(project.folder / NAME)


def _read(path: Path) -> HostFile | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return HostFile(
            address=found["address"],
            pid=found["pid"],
            token=found["token"],
            asks_everyone=bool(found.get("asks_everyone", False)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
