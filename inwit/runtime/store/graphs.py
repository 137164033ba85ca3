"""The registry's rows: every graph that was compiled in the project, and its versions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw
import msgspec

from inwit.runtime.manifest import GraphManifest
from inwit.runtime.store.connection import query


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """How a registration went: the name it got, and whether the version is new here."""

    manifest: GraphManifest
    is_new: bool


def register(
    connection: apsw.Connection, manifest: GraphManifest, root: Path | None = None
) -> Registered:
    """Write a graph's manifest. Needs a transaction.

    A graph of the same name from another file that is still there gets the name ``name~2``, and so
    on; the same file's next structure is a new version. The same file of a project that was copied
    to `root` is the same file.
    """
    file = manifest.source.file if manifest.source is not None else ""
    name = _free_name(connection, manifest.name, file, root)
    manifest = msgspec.structs.replace(manifest, name=name)
    now = time.time_ns()
    is_new = not query(
        connection, "SELECT 1 FROM graphs WHERE name = ? AND version = ?", (name, manifest.version)
    )
    connection.execute(
        "INSERT INTO graphs (name, version, file, manifest, registered_ns, seen_ns, seen)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5, (SELECT coalesce(max(seen), 0) + 1 FROM graphs))"
        " ON CONFLICT (name, version) DO UPDATE SET file = excluded.file,"
        " manifest = excluded.manifest, seen_ns = excluded.seen_ns, seen = excluded.seen",
        (name, manifest.version, file, msgspec.msgpack.encode(_packable(manifest)), now),
    )
    return Registered(manifest=manifest, is_new=is_new)


def _free_name(connection: apsw.Connection, name: str, file: str, root: Path | None) -> str:
    number = 1
    while True:
        candidate = name if number == 1 else f"{name}~{number}"
        files = query(connection, "SELECT DISTINCT file FROM graphs WHERE name = ?", (candidate,))
        if not files or any(_is_same(found, file, root) for (found,) in files):
            return candidate
        number += 1


def _is_same(found: str, file: str, root: Path | None) -> bool:
    """Whether two files are one, the older one was moved away, or its project was copied."""
    if found == file or not found or not file or not Path(found).exists():
        return True
    if (
        root is not None
        and Path(file).is_relative_to(root)
        and not Path(found).is_relative_to(root)
    ):
        return Path(found).match(str(Path(file).relative_to(root)))
    return Path(found).parent.match(
        "inwit/prebuilt"
    )  # Once agents were of the file that makes them.


def _packable(manifest: GraphManifest) -> Any:
    """The manifest as builtin values; what a user's metadata holds beside them is shown as text."""
    return msgspec.to_builtins(manifest, enc_hook=repr)
