"""Choosing versions among the packages of a registry."""

from __future__ import annotations

from typing import Any

from inwit.errors import NotInThisVersionError
from inwit.registry.serve import Registry


def resolve(registry: Registry, requirements: list[str]) -> dict[str, Any]:  # noqa: ARG001
    """Choose versions that fit the requirements and each other."""
    raise NotInThisVersionError("Resolving by a registry", hint="`inwit pkg install` resolves.")
