"""Reads a question: its level and intent, and the entities that it names."""

from inwit.introspection.router.records import (
    Catalogue,
    Entity,
    EntityKind,
    Reading,
    Routing,
)
from inwit.introspection.router.routing import Router
from inwit.introspection.router.selecting import Selection, parse_selection
from inwit.introspection.router.timing import parse_time

__all__ = [
    "Catalogue",
    "Entity",
    "EntityKind",
    "Reading",
    "Router",
    "Routing",
    "Selection",
    "parse_selection",
    "parse_time",
]
