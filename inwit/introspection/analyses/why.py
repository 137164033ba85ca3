"""Why: finds which why is asked, and hands on to the analysis that answers it."""

from __future__ import annotations

import re

from inwit.introspection.analyses import (
    raised,
    whatis_node,
    why_branch,
    why_cost,
    why_failed,
    why_retried,
    why_slow,
    why_value,
    why_visits,
)
from inwit.introspection.claims import Draft, limit
from inwit.introspection.router.words import COMMON
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose, unheld, with_value

UNNAMED = 0.5
"""How far what stands out answers a question whose words are not understood."""
_COMPILES = r"compil|valid|refus|reject|register|build|error|fail|unreachable"
_RUNS = r"fail|crash|broken?\b|died?\b|abort"
_RETRY = r"retr(?:y|ies|ied|ying)|attempts?\b|tried again"
_FAIL = (
    r"fail|crash|error|exception|break|broke|broken|blew|blow|died?\b|dead\b|abort|raise[sd]?\b"
    r"|went wrong|go wrong|not (?:work|finish|complete|succeed)|timed? ?-?out|cancel|500s?\b|429"
)
_NAMED_ERROR = r"\w+(?:error|exception)\b"
_COUNT = (
    r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|many|multiple|so many) ?(?:x\b|times)"
    r"|twice|thrice|again\b|repeat|re-?execut|re-?run|loop|over and over|more than once|endless|circles"
)
_STOP = r"stop|end(?:ed|s)?\b|terminat|halt|quit\b"
_COST = r"cost|expensive|tokens?|bill|spend|spent|money|price|pricey|\$"
_SKIP = r"skip|never|(?:\w+n['’]?t|\bnot) (?:run|reach|execut|call|fire|get)|bypass"
_BRANCH = (
    r"chose|choose|choice|pick|route|routed|branch|path\b|went|go (?:from|to|down|into)|instead|decid"
    r"|select|prefer|(?:was|is|were|been|get|got)\s+taken\b|rather than|end up|ended up|take the|took the|fallback"
)
_SLOW = (
    r"slow|long|latenc|seconds?|crawl|lag|delay|sluggish|p9\d|p50|perform|took|take|minutes?|stuck"
    r"|hang|wait"
)


def answer(scene: Scene) -> Draft:
    """Say why: why it failed, ran so often, took that branch, was slow, cost so much."""
    draft = _answer(scene)
    said = unheld(scene) if scene.query.level == "live" else None
    if said is not None and draft.data.get("execution_id"):
        draft.claims.insert(
            0,
            limit(
                f"None of the executions looked at was called with {said}; this is about another."
            ),
        )
        draft.certainty *= UNNAMED
    return draft


def _answer(scene: Scene) -> Draft:
    if scene.query.level == "app":
        if scene.nodes and scene.says(_SKIP):
            return why_branch.explain(scene, skipped=True)
        if scene.nodes and scene.graph is not None and not scene.says(_COMPILES):
            draft = Draft(data={"causes": []})
            several = whatis_node.of_several if len(scene.nodes) > 1 else None
            told = several(scene, scene.graph, draft) if several else None
            return told or whatis_node.of_one(scene, scene.graph, draft, scene.nodes[0])
        is_of_value = scene.named("key") and not scene.says(_COMPILES)
        is_of_run = scene.says(_RUNS) and not scene.says(r"compil|valid|regist|build|built")
        if not is_of_value and not is_of_run:
            return why_failed.not_compiling(scene)
    return why_value.asked(scene) or _of_run(scene)


def _of_run(scene: Scene) -> Draft:
    """Say why an execution went as it did, by the kind of why."""
    if scene.says(_RETRY):
        return why_retried.explain(scene)
    if scene.says(_STOP) and not scene.says(_FAIL) and (ended := why_branch.stopped(scene)):
        return ended
    is_failure = scene.says(_FAIL) or scene.says(_NAMED_ERROR) or raised.is_asked(scene.words)
    if is_failure or (scene.says(_STOP) and _was_cut_short(scene)):
        return why_failed.explain(scene)
    if scene.says(_COUNT):
        return _visits(scene)
    if scene.says(_COST):
        return why_cost.explain(scene)
    if scene.says(_SKIP):
        return why_branch.explain(scene, skipped=True)
    if scene.says(_BRANCH):
        return why_branch.explain(scene, skipped=False)
    if scene.says(_SLOW):
        return why_slow.explain(scene)
    return _open(scene)


def _was_cut_short(scene: Scene) -> bool:
    choice = choose(scene)
    return choice is not None and choice.execution.status in ("failed", "cancelled")


def _visits(scene: Scene) -> Draft:
    """Count the visits; where there are none, say also what led past the node."""
    draft = why_visits.explain(scene)
    if scene.node is None or draft.data.get("visits") != {scene.node: 0}:
        return draft
    past = why_branch.explain(scene, skipped=True)
    if past.data.get("execution_id") == draft.data["execution_id"]:
        draft.claims += past.claims[1:]
        draft.data |= {"causes": past.data["causes"]}
    return draft


def _inflected(scene: Scene) -> str | None:
    """The node that a word is the participle of: "why was it quarantined" means `quarantine`."""
    graph = scene.graph_or_none
    for word in re.findall(r"[a-z_]{5,}ed\b", scene.plain_words):
        forms = (word[:-2], word[:-1], word[:-3])
        for node in graph.manifest.nodes if graph else ():
            if node.name.lower() in forms:
                return node.name
    return None


def _open(scene: Scene) -> Draft:
    """Answer a why that names no kind: by what is named, else by what stands out."""
    if scene.named("key"):
        return why_value.explain(scene)
    if scene.nodes:
        return _visits(scene)
    if (node := _inflected(scene)) is not None:
        scene.nodes = [node]
        return _visits(scene)
    choice = choose(scene)
    has_failed = choice is not None and choice.execution.status == "failed"
    draft = why_failed.explain(scene) if has_failed else why_slow.explain(scene)
    strange = any(word not in COMMON for word in re.findall(r"[a-z]{3,}", scene.plain_words))
    if strange and with_value(scene) is None:
        draft.claims.insert(
            0,
            limit(
                "What is asked names no node, key or way of this graph; what stands out is this."
            ),
        )
        draft.certainty *= UNNAMED
    return draft
