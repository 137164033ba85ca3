"""Which packages their user lets run without a sandbox where none can be made, on this machine.

It stands in the project's folder, which is not committed, and no backup takes it along: the lock
file goes to other machines, whose users have consented to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from inwit.runtime.files import write_whole
from inwit.runtime.project import Project

FILE = "unsandboxed.json"


def unsandboxed(project: Project) -> frozenset[str]:
    """The ids of the packages; none where the file cannot be read, or holds no list of ids."""
    try:
        return frozenset(msgspec.json.decode((project.folder / FILE).read_bytes(), type=list[str]))
    except (OSError, msgspec.DecodeError):
        return frozenset()


def let_run_unsandboxed(project: Project, ids: Iterable[str]) -> None:
    """Keep which packages may, and no others."""
    path, kept = project.folder / FILE, sorted(set(ids))
    if kept != sorted(unsandboxed(project)):
        write_whole(path, msgspec.json.encode(kept), mode=0o600)
    if not kept:
        path.unlink(missing_ok=True)
