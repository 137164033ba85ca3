"""How many executions come in a second, a minute, an hour or a day, and when most did."""

from __future__ import annotations

from collections import Counter
from typing import Final

from inwit.events import epoch_ns, timestamp
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, count, graph_uri
from inwit.introspection.scene import HISTORY, Scene

LOOKED_AT: Final = HISTORY * 5
"""The newest executions that are counted."""
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_UNIT: Final = r"(?:second|sec|minute|min|hour|day)"
_RUNS: Final = r"(?:executions|runs|requests|invocations|calls)"
ASKED: Final = (
    rf"\bhow (?:many|much)\b.*\b{_RUNS}\b.*\b(?:an?|per|each|every) {_UNIT}\b"
    rf"|\bhow many \w+ (?:an?|per|each|every) {_UNIT} (?:do|does|did|are|were|is|was|come|came|run|ran|get|have)\b"
    rf"|\b(?:busiest|quietest|peak) {_UNIT}\b|\b{_RUNS} (?:an?|per|each|every|/) ?{_UNIT}\b|\bthroughput\b"
    rf"|\b(?:which|what) {_UNIT}s?\b.*\b(?:most|fewest) (?:{_RUNS}|failures|errors)"
    r"|\bwhen (?:do|did|were|are) (?:the )?most (?:failures|errors|executions|runs)\b"
)
_TOLD_OTHERWISE: Final = r"tokens?|cost\w*|money|spen[dt]|retr|rate limit|allowed|may\b|can\b"


def answer(scene: Scene) -> Draft | None:
    """Count the newest executions by the unit that is asked for; None where another figure is meant."""
    if scene.says(rf".*\b(?:{_TOLD_OTHERWISE})"):
        return None
    unit = next((name for name in _UNITS if scene.says(rf".*\b{name[:3]}")), "minute")
    span, size_ns = scene.window, _UNITS[unit] * 10**9
    newest = scene.store.newest(LOOKED_AT, graph=scene.scope)
    is_bad = scene.says(r".*\b(?:fail\w*|errors?)\b")
    starts = [(epoch_ns(one.started_at), one) for one in newest
              if one.parent_execution_id is None and (one.status == "failed" or not is_bad)]  # fmt: skip
    starts = [(at, one) for at, one in starts
              if span is None or span.holds(at)]  # fmt: skip
    draft = Draft(data={"values": {}, "times": []})
    if not starts:
        return nothing_recorded(scene, draft)
    by_unit = Counter(at // size_ns for at, _ in starts)
    first, last = starts[-1], starts[0]
    units = last[0] // size_ns - first[0] // size_ns + 1
    average = len(starts) / units
    draft.data["values"] = {
        "executions": len(starts),
        "unit": unit,
        "units": units,
        "average": round(average, 3),
    }
    about = f" of {scene.scope}" if scene.scope else ""
    about += " that failed" if is_bad else ""
    within = f" ({span.words})" if span else ""
    draft.say(
        f"The last {count(len(starts), 'execution')}{about}{within} started in {count(units, unit)}, from "
        f"{first[1].started_at} to {last[1].started_at}: {average:.3g} a {unit} on average.",
        first[1].uri, last[1].uri, graph_uri(last[1].graph_name, "executions"),
    )  # fmt: skip
    least = scene.says(r".*\b(?:quietest|slowest|fewest)")
    place, most = (min if least else max)(by_unit.items(), key=lambda pair: (pair[1], -pair[0]))
    at = timestamp(place * size_ns)
    draft.data["times"].append({"what": f"most in a {unit}", "ts": at, "count": most})
    one = next(one for begun, one in starts if begun // size_ns == place)
    draft.say(
        f"{'Fewest' if least else 'Most'} started in the {unit} from {at}: {count(most, 'execution')}.",
        one.uri,
    )
    return draft
