"""State keys that a question means by another form of their word: "cited" for ``citations``."""

from __future__ import annotations

import re

from inwit.introspection.router.words import HARD, parts
from inwit.introspection.scene import Scene

_ENDINGS = (
    "ations", "ation", "itions", "ition", "ions", "ings", "ents", "ion", "ing", "ent", "ies", "ers",
    "ed", "es", "er", "y", "e", "s",
)  # fmt: skip
SHORTEST = 3
"""Letters that a stem has at least."""


def keys_alike(scene: Scene) -> list[str]:
    """The keys of the meant graph's state that share a stem with a word of the question."""
    if scene.graph is None:
        return []
    words = {word for word in re.findall(r"[a-z]+", scene.plain_words) if word not in HARD}
    stems = {stem(word) for word in words}
    names = [field.name for field in scene.graph.manifest.fields]
    return [name for name in names if stems & {stem(word) for word in parts(name)}]


def stem(word: str) -> str:
    """A word without its ending, so that its forms are one.

    Example:
        >>> stem("cited") == stem("citations") == stem("cites")
        True
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST:
            return word.removesuffix(ending)
    return word
