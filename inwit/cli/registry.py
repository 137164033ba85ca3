"""`inwit registry`: a registry of packages, its tokens and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from inwit.cli.frame import LazyGroup


class Commands(LazyGroup):
    """Each command in a module of its own."""

    modules: ClassVar[Mapping[str, str]] = {
        "import": "registry_import:import_",
        "index": "registry_import:index",
        "serve": "registry_serve",
        "token": "registry_token",
        "keys": "registry_keys",
    }


@click.group("registry", cls=Commands, example="inwit registry serve --data ./packages")
def command() -> None:
    """Keep a registry: serve it, say who may publish, vouch for keys."""
