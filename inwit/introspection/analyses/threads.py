"""Which threads there are: executions that share memory, grouped."""

from __future__ import annotations

from collections import defaultdict

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, count, graph_uri
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

LOOKED_AT = 1000
TOLD = 8


def listed_of(scene: Scene) -> Draft:
    """Count the threads of the recorded executions, and name those that were used last."""
    draft = Draft(data={"values": {}, "times": []})
    span = scene.window
    page = scene.store.executions(
        graph=scene.scope, since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=LOOKED_AT,
    )  # fmt: skip
    grouped: dict[str, list[Execution]] = defaultdict(list)
    for one in page.items:
        # What runs within another execution shares its thread, and is no turn of its own.
        if one.thread_id and one.parent_execution_id is None:
            grouped[one.thread_id].append(one)
    if not grouped:
        return nothing_recorded(scene, draft)
    draft.data["values"] = {
        "total_count": len(grouped),
        "threads": [
            {
                "thread_id": name,
                "executions": len(turns),
                "last_execution_id": turns[0].execution_id,
            }
            | {"status": turns[0].status}
            for name, turns in grouped.items()
        ],
    }
    number = sum(len(turns) for turns in grouped.values())
    about = f" of {scene.scope}" if scene.scope else ""
    first = next(iter(grouped.values()))[0]
    # An execution without a thread_id has a thread of its own, which has its name.
    named = {name: turns for name, turns in grouped.items() if name != turns[-1].execution_id}
    own = len(grouped) - len(named)
    alone = f", of which {own:,} hold one execution each that was given no thread_id" if own else ""
    draft.say(
        f"{count(number, 'execution')}{about} on record {'is' if number == 1 else 'are'} in "
        f"{count(len(grouped), 'thread')}{alone}.",
        graph_uri(scene.scope or first.graph_name, "executions"),
    )
    if scene.says(r"fail|crash|error|broke"):
        named = {n: turns for n, turns in named.items() if any(t.status == "failed" for t in turns)}
        draft.say(
            f"{count(len(named), 'thread')} with a thread_id hold an execution that failed.",
            graph_uri(scene.scope or first.graph_name, "executions"),
        )
    if scene.says(r".*\b(?:most|many|busiest|longest)\b"):
        named = dict(sorted(named.items(), key=lambda pair: -len(pair[1])))
    for name, turns in list(named.items())[:TOLD]:
        draft.say(
            f"{name}: {count(len(turns), 'execution')}, the last, {turns[0].execution_id} of "
            f"{turns[0].graph_name}, {being(turns[0])}.",
            turns[0].uri,
        )
    if len(named) > TOLD:
        draft.admit(f"The other {count(len(named) - TOLD, 'thread')} are in the data.")
    return draft
