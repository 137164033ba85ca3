"""Why do executions fail: the failures of several, grouped by where and with which error."""

from __future__ import annotations

import re
from typing import Final

from inwit.introspection import kinds
from inwit.introspection.analyses import failed_alike
from inwit.introspection.analyses.failure_chain import cause, failed_at, failures, innermost
from inwit.introspection.claims import Draft, by_kind, count, execution_uri, graph_uri
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.which import names_one, thread_of, with_value
from inwit.runtime.views import Execution

TOLD: Final = 4
"""Kinds of failures that are told."""
_SEVERAL: Final = (
    r"in common|share\b|alike|(?:do|did|are|were|have) (?:the |these |those |all |my |our |so many )*"
    r"(?:\S+ )?(?:failed |failing )?(?:executions|runs|invocations|calls|failures)\b"
    r"|most (?:common|frequent|usual) (?:error|failure|exception|reason|cause)|(?:error|failure|exception)s? (?:happens?|occurs?|comes?) (?:the )?most"
    r"|does\s+(?:\S+\s+)?(?:keep |always |often |so often )*fail|keeps? (?:on )?failing|so often"
)

_DO_FAIL: Final = r"^\W*(?:so |and )?(?:why|how come) (?:do|are|did|have|were) (?:\S+ )*?(?P<what>[a-z_]\w+s) (?:\w+ ){0,2}(?:fail|crash|break|error)"
"""That things of a kind fail, by whatever name: "why do BR orders keep failing"."""
_SINGULAR: Final = frozenset({"thi", "it", "alway", "u", "doe", "wa", "ha", "process", "status"})


def is_meant(scene: Scene) -> bool:
    """Whether a question is about failures in general, not about one of them."""
    if names_one(scene) or thread_of(scene) is not None or scene.node is not None:
        return False
    if scene.says(r"last\b|latest\b"):
        return False
    if (said := re.search(_DO_FAIL, scene.words)) is not None:
        is_of_kind = with_value(scene) is None or len(kinds.kinds(scene)) == 1
        return is_of_kind and said["what"].removesuffix("es").removesuffix("s") not in _SINGULAR
    return with_value(scene) is None and scene.says(_SEVERAL)


def tell(scene: Scene, draft: Draft) -> Draft | None:
    """Tell the kinds of failures among the newest executions; None where there are fewer than two."""
    newest = kinds.newest(scene)
    named = kinds.kinds(scene)
    kind = named[0] if len(named) == 1 else None
    if kind is not None:
        newest = list(kind.executions)
    failed = [one for one in newest if one.status == "failed"]
    if len(failed) < 2:
        return None
    ways = by_kind(failed, lambda one: _kind(scene, one))
    about = f" of {scene.scope}" if scene.scope else ""
    about += f" with {kind.words}" if kind is not None else ""
    draft.say(
        f"{len(failed)} of the last {count(len(newest), 'execution')}{about} failed, "
        f"{'all alike' if len(ways) == 1 else f'in {len(ways)} ways'}.",
        graph_uri(failed[0].graph_name, "executions"),
        *(execution_uri(one.execution_id) for one in failed[:3]),
    )
    draft.data["execution_id"] = ways[0][0].execution_id
    for same in ways[:TOLD]:
        _tell_kind(scene, draft, same, len(failed))
    return draft


def _kind(scene: Scene, one: Execution) -> tuple[str, str | None, str | None]:
    return one.graph_name, failed_at(scene, one), one.error.type if one.error else None


def _tell_kind(scene: Scene, draft: Draft, same: list[Execution], of: int) -> None:
    """One kind by its newest: where it failed, with what, and what its executions share."""
    newest = same[0]
    at = failed_at(scene, newest)
    where = f"in {at}" if at else "outside its nodes"
    draft.say(
        f"{len(same)} of {of} failed {where}, the last, {newest.execution_id}, with "
        f"{failed_with(newest.error)}.",
        *(execution_uri(one.execution_id) for one in same[:3]),
    )
    root = innermost(scene, newest)
    draft.data["causes"].append({**cause(root, failures(scene, root)), "n": len(same)})
    shared = draft.data.get("differences", [])
    failed_alike.say(scene, draft, newest)
    draft.data["differences"] = [*shared, *draft.data["differences"]]
