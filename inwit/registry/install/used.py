"""What stands on an installed package: other packages, and the graphs whose nodes are of it."""

from __future__ import annotations

from pathlib import Path

from inwit.registry.install.lock import Lock
from inwit.runtime.project import Project
from inwit.runtime.store import Store


def used_by(project: Project, lock: Lock, package_id: str, place: Path) -> list[str]:
    """Who uses a package that is installed at `place`, as `package NAME` and `graph NAME (FILE)`.

    Of graphs, those on record whose current version has a node that is written in the package.
    """
    packages = [f"package {name}" for name in lock.needed_by(package_id)]
    graphs = []
    for graph in Store.of(project).graphs():
        files = {node.source.file for node in graph.manifest.nodes if node.source is not None}
        if any(Path(file).is_relative_to(place) for file in files):
            source = graph.manifest.source
            graphs.append(f"graph {graph.name}" + (f" ({source.file})" if source else ""))
    return [*packages, *graphs]
