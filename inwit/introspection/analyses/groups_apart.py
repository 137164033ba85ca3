"""How failed executions differ from good ones: where they went, and what they were called with."""

from __future__ import annotations

import re
from typing import Final

from inwit.introspection import kinds
from inwit.introspection.analyses import differences
from inwit.introspection.analyses.failure_chain import failed_at
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, by_kind, count, graph_uri
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.runtime.views import Execution

_BAD: Final = r"(?:fail(?:ed|ing|s)?|broken?|bad|crash(?:ed|ing)|died|unsuccessful|errored)\b"
_GOOD: Final = (
    r"(?:successful|success(?:es)?|succeed(?:ed|ing|s)?|completed|good|working|worked|made it|went (?:through|well)"
    r"|fine|healthy|did ?n[o']t|do ?n[o']t|the (?:others?|rest))\b"
)
_APART: Final = r"(?:differ\w*|contrast\w*|separat\w*|distinguish\w*|versus|vs|compar\w*|apart|against|unlike|in common|share)\b"
_SEVERAL: Final = r"(?!.*\b(?:execution|run|invocation|last|latest|previous|one)\b)"
_ASKED: Final = (
    rf"^(?=.*\b{_BAD})(?=.*\b{_GOOD})(?=.*\b{_APART})"
    rf"{_SEVERAL}"
    rf"|^{_SEVERAL}\W*(?:what|how) (?:distinguish\w*|separates?|sets?|marks?|is (?:special|different|unusual|peculiar) about)\b.*{_BAD}"
)
"""Two kinds of executions in the plural; of two single ones the ways are compared."""
TOLD: Final = 3


def is_asked(words: str) -> bool:
    """Whether words ask how the executions of two kinds differ."""
    return re.search(_ASKED, words.lower()) is not None


def answer(scene: Scene) -> Draft | None:
    """Tell how many failed, where and how, and which attributes part them from those that completed.

    None where one kind has too few: then one of each says more.
    """
    draft = Draft(data={"causes": [], "values": {}, "differences": []})
    newest = kinds.newest(scene)
    bad = [one for one in newest if one.status == "failed"]
    good = [one for one in newest if one.status == "completed"]
    if not newest:
        return nothing_recorded(scene, draft)
    if bad and good and min(len(bad), len(good)) < differences.BAD_LEAST:
        return None
    about = f" of {scene.scope}" if scene.scope else ""
    draft.data["values"] = {"failed": len(bad), "completed": len(good)}
    draft.say(
        f"Of the last {count(len(newest), 'execution')}{about}, {len(bad)} failed and {len(good)} completed.",
        graph_uri(newest[0].graph_name, "executions"),
    )
    if not bad or not good:
        draft.say("So there are no two kinds to compare.", newest[0].uri)
        return draft
    _say_where(scene, draft, bad)
    differences.say_between(scene, draft, bad, good, ("failed executions", "completed ones"))
    if not draft.data["differences"]:
        draft.admit("No attribute that they were called with parts the one from the other.")
    return draft


def _say_where(scene: Scene, draft: Draft, bad: list[Execution]) -> None:
    """The nodes and errors that the failed ones ended with, the most frequent first."""

    def kind(one: Execution) -> tuple[str, str]:
        return failed_at(scene, one) or "", one.error.type if one.error else ""

    found = by_kind(bad, kind)
    for same in found[:TOLD]:
        at = failed_at(scene, same[0])
        draft.data["causes"].append(
            {"node": at, "kind": "failed", "confirmed": True, "n": len(same)}
            | {"effect": exactly(len(same), "executions")}
        )
        said = {one.error.message if one.error else "" for one in same}
        last = ", the last" if len(said) > 1 else ""
        draft.say(
            f"{len(same)} of {len(bad)} ended {f'in {at}' if at else 'outside the nodes'}{last} with "
            f"{failed_with(same[0].error)}.",
            *(Ref(uri=one.uri, why="failed so") for one in same[:3]),
        )
    draft.data["execution_id"] = found[0][0].execution_id
