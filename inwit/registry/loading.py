"""Running a package's code: nothing of it runs before someone loads it."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from inwit.errors import InvalidPackageError, nearest
from inwit.registry.manifest import FILE_NAME, Package

_lock = threading.Lock()


def load_entry_point(package: Package, entry_point: str = "default") -> Any:
    """Import a package's module, once per process, and return what its entry point names.

    Raises:
        InvalidPackageError: It has no such entry point, its module cannot be imported (the cause
            is chained), or the module has no such attribute.
    """
    file = str(Path(package.folder) / FILE_NAME)
    target = package.entry_points.get(entry_point)
    if target is None:
        hint = nearest(entry_point, package.entry_points)
        raise InvalidPackageError(file, "entry_points", entry_point, hint)
    name, _, attribute = target.partition(":")
    module = _imported(package, name, file, f"entry_points.{entry_point}")
    if not attribute:
        return module
    try:
        return getattr(module, attribute)
    except AttributeError as exc:
        known = [one for one in vars(module) if not one.startswith("_")]
        raise InvalidPackageError(
            file, f"entry_points.{entry_point}", target, nearest(attribute, known)
        ) from exc


def _imported(package: Package, name: str, file: str, field: str) -> ModuleType:
    parent = _parent(package)
    try:
        return importlib.import_module(f"{parent}.{name}")
    except ModuleNotFoundError as exc:
        wanted = " ".join(f"'{one}'" for one in package.requires)
        hint = f"No module {exc.name!r}. It requires: pip install {wanted}." if wanted else str(exc)
        raise InvalidPackageError(file, field, name, hint) from exc
    except Exception as exc:
        # The border to code that is not ours.
        hint = f"Importing it raised {type(exc).__name__}: {exc}"
        raise InvalidPackageError(file, field, name, hint) from exc


def _parent(package: Package) -> str:
    """Make the module under which a package's own modules are imported, named by its folder."""
    slug = re.sub(r"\W", "_", package.id)
    digest = hashlib.sha256(package.folder.encode()).hexdigest()[:8]
    name = f"inwit_package_{slug}_{digest}"
    with _lock:
        if name not in sys.modules:
            module = ModuleType(name, package.description)
            module.__path__ = [package.folder]
            sys.modules[name] = module
    return name
