"""What is: hands a question of structure to the level that it is about."""

from __future__ import annotations

from inwit.introspection.analyses import whatis_app, whatis_network, whatis_platform
from inwit.introspection.claims import Draft
from inwit.introspection.scene import Scene


def answer(scene: Scene) -> Draft:
    """Say what there is and what it is made of."""
    if scene.query.level == "platform":
        return whatis_platform.answer(scene)
    if scene.query.level == "network":
        return whatis_network.answer(scene)
    return whatis_app.answer(scene)
