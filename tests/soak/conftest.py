"""Campaigns that are too long for every day: `make soak`."""

from __future__ import annotations

from tests.runtime.checkpoints.conftest import postgres

__all__ = ["postgres"]
