"""Facts of the network level: packages that can be had, and which hosts are near.

Peers are named here as they are listed; who asks them does so elsewhere, with a deadline.
"""

from __future__ import annotations

import json
import socket
from typing import Any

import msgspec

from inwit.errors import UnknownPackageError
from inwit.introspection.claims import count
from inwit.registry.packages import Package, PackageIndex
from inwit.registry.peers import PeerBook
from inwit.runtime.project import Project


def peers(project: Project) -> dict[str, Any]:
    """Name the host of this project and the peers that its user listed; none is asked."""
    listed = [
        {"name": peer.name, "url": peer.url, "key_id": peer.key_id or None}
        for peer in PeerBook(project).every()
    ]
    return {
        "peers": listed,
        "host": this_host(project),
        "source": socket.gethostname(),
        "total_count": len(listed),
    }


def this_host(project: Project) -> dict[str, Any] | None:
    """The address of this project's running host, from its `host.json`, without its token."""
    try:
        known = json.loads((project.folder / "host.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict):
        return None
    address = known.get("address") or known.get("url")
    return {"address": str(address), "name": socket.gethostname()} if address else None


def packages(
    project: Project, query: str | None = None, kind: str | None = None, limit: int = 20
) -> dict[str, Any]:
    """List the packages that this project can see, or those that fit `query`."""
    index = PackageIndex.of(project)
    if query:
        found = [
            {**package_json(match.package), "score": round(float(match.score), 4), "why": match.why}
            for match in index.search(query, kind=kind, limit=limit)
        ]
        return {"packages": found, "total_count": len(found), "source": "this project"}
    every = index.list(kind)
    return {
        "packages": [package_json(one) for one in every[:limit]],
        "total_count": len(every),
        "source": "this project",
    }


def package(project: Project, package_id: str) -> dict[str, Any]:
    """Describe one package.

    Raises:
        UnknownPackageError: There is none of that id.
    """
    found = PackageIndex.of(project).get(package_id)
    if found.id != package_id:
        raise UnknownPackageError(package_id, [found.id])
    return package_json(found)


def package_ids(project: Project) -> list[str]:
    """The ids of all packages that this project can see."""
    return [one.id for one in PackageIndex.of(project).list()]


def templates(project: Project) -> dict[str, Any]:
    """List the packages that are graph templates."""
    found = PackageIndex.of(project).list("graph-template")
    return {"templates": [package_json(one) for one in found], "total_count": len(found)}


def query(project: Project, text: str, limit: int = 10) -> dict[str, Any]:
    """Search packages for `text`, labelled by where the result comes from."""
    found = packages(project, text, limit=limit)
    names = [one["id"] for one in found["packages"]]
    said = f"{count(len(names), 'package')}: {', '.join(names)}" if names else "No package fits."
    return {"answer": said, **found, "peers": []}


def package_json(found: Package) -> dict[str, Any]:
    """Show a package as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(found)
    shown.pop("folder", None)
    return shown | {"uri": found.source}
