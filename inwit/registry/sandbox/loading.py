"""Loading a package into a sandbox; one process for each package, kept for its later calls."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from inwit.errors import InvalidPackageError, PackageCodeError, SandboxError, nearest
from inwit.registry.manifest import FILE_NAME, Package
from inwit.registry.sandbox import bubble
from inwit.registry.sandbox.process import Worker
from inwit.registry.sandbox.standins import fetch

logger = logging.getLogger("inwit")
_kept: dict[tuple[str, Path], Worker] = {}
_lock = threading.Lock()


def load_sandboxed(
    package: Package, entry_point: str, root: Path, *, allow_unsandboxed: bool = False
) -> Any:
    """What an entry point names, standing in for what runs in the sandbox.

    Raises:
        SandboxError: bubblewrap is absent, and the user did not consent to go without.
        InvalidPackageError: It cannot be imported, or has no such entry point.
    """
    file = str(Path(package.folder) / FILE_NAME)
    if entry_point not in package.entry_points:
        hint = nearest(entry_point, package.entry_points)
        raise InvalidPackageError(file, "entry_points", entry_point, hint)
    worker = _worker(package, root, allow_unsandboxed)
    try:
        return fetch(worker, (("entry", entry_point),))
    except PackageCodeError as exc:
        target = package.entry_points[entry_point]
        hint = f"Importing it raised {exc.message}"
        raise InvalidPackageError(file, f"entry_points.{entry_point}", target, hint) from exc


def _worker(package: Package, root: Path, allow_unsandboxed: bool) -> Worker:
    is_sandboxed = bubble.is_available()
    if not is_sandboxed:
        if not allow_unsandboxed:
            message = f"{package.id} is unverified, and there is no bubblewrap to keep it in."
            hint = (
                "Install bubblewrap, or install the package here with --allow-unsandboxed: "
                "inwit.lock consents for no machine."
            )
            raise SandboxError(message, hint=hint)
        logger.warning("%s runs without a sandbox, as was consented to.", package.id)
    key = (package.folder, root)
    with _lock:
        if key not in _kept:
            _kept[key] = Worker(
                package.id,
                Path(package.folder),
                package.permissions,
                root,
                is_sandboxed=is_sandboxed,
            )
        return _kept[key]
