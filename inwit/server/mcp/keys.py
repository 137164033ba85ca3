"""The key that seals what clients hand back to us; it is kept with the project.

With a key per process, a host that is started again would refuse what it gave out before.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from inwit.errors import StoreError
from inwit.runtime.project import Project

NAME = "seal.key"
SIZE = 32


def seal_key(project: Project) -> bytes:
    """The project's key, made when it is first asked for; where nothing can be kept, a new one."""
    path = project.folder / NAME
    with suppress(OSError):
        if (found := path.read_bytes()) and len(found) == SIZE:
            return found
    made = secrets.token_bytes(SIZE)
    try:
        project.ensure()
        draft = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(made)
        try:
            os.link(draft, path)  # unlike a rename, it does not take another process's place
        except FileExistsError:
            made = path.read_bytes()
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, StoreError):
        return made
    return made if len(made) == SIZE else secrets.token_bytes(SIZE)
