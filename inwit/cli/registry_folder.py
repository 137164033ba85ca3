"""Which registry a command is about: that of a folder, by default the project's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from inwit.registry.serve import Registry

data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the registry; by default `registry` in the project's.",
)  # fmt: skip


def opened(
    data: Path | None,
    metadata: str | None = None,
    *,
    storage: str | None = None,
    open_namespaces: bool = True,
) -> Registry:
    """Open the registry; one that is not there yet is not made by that."""
    from inwit.registry.serve import Registry
    from inwit.runtime.project import Project

    folder = data.resolve() if data else Project.find().folder / "registry"
    return Registry(folder, storage=storage, metadata=metadata, open_namespaces=open_namespaces)
