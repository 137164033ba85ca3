"""What the executions that failed as this one did have in common, beside those that completed."""

from __future__ import annotations

from inwit.introspection.analyses import differences
from inwit.introspection.claims import Draft
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.views import Execution


def say(scene: Scene, draft: Draft, execution: Execution) -> None:
    """Tell the attributes by which failures like that of `execution` part from what went well."""
    newest = scene.store.newest(HISTORY, graph=execution.graph_name)
    bad = [one for one in newest if _is_alike(one, execution)]
    good = [one for one in newest if one.status == "completed"]
    words = ("executions that failed so", "those that completed")
    differences.say_between(scene, draft, bad, good, words)


def _is_alike(one: Execution, failed: Execution) -> bool:
    if one.status != failed.status or one.error_node != failed.error_node:
        return False
    return (one.error and one.error.type) == (failed.error and failed.error.type)
