"""Which tools were called, with what, and what they gave."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from inwit.events import ToolCompleted, ToolFailed, ToolStarted, epoch_ns
from inwit.introspection.analyses import children
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, duration, listed, short, times
from inwit.introspection.quotes import being, failed_with, failure
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import choose, names_one, thread_of
from inwit.runtime.views import Execution

TOLD = 8
LOOKED_AT = 100
_COUNTED = r".*\b(?:most|least|how often|often|altogether|in all|in total|how many times|so far)\b"
_FAILED = r".*\b(?:fail\w*|broke|crash\w*|raised?|error\w*)\b"
_TYPES = ("tool_started", "tool_completed", "tool_failed")


def answer(scene: Scene) -> Draft:
    """List the tool calls of the execution that is meant, those within its subgraphs too."""
    if scene.says(_COUNTED) and not names_one(scene) and thread_of(scene) is None:
        return _counted(scene)
    draft = Draft(data={"values": {}, "calls": []})
    fails = scene.says(_FAILED)
    choice = choose(
        scene,
        fits=lambda one: bool(_failures(scene, one)) if fails else _calls_any(scene, one),
        fitting="in which a tool failed" if fails else "with tool calls",
    )
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    named = names(scene)
    events = [
        event
        for event in children.events(scene, one, _TYPES)
        if scene.node in (None, event.node) and (not named or getattr(event, "tool", None) in named)
    ]
    if fails:
        broken = {(e.execution_id, e.call_id) for e in events if isinstance(e, ToolFailed)}
        if not broken:
            draft.say(f"No tool failed in {choice.words}, nor in the others looked at.", one.uri)
            return draft
        events = [e for e in events if (e.execution_id, getattr(e, "call_id", "")) in broken]
    started = [event for event in events if isinstance(event, ToolStarted)]
    ends = {
        (event.execution_id, event.call_id): event
        for event in events
        if isinstance(event, ToolCompleted | ToolFailed)
    }
    draft.data |= {"execution_id": one.execution_id}
    if not started:
        who = listed(named) if named else "No tool"
        draft.say(f"{who} was {'not ' if named else ''}called in {choice.words}.", one.uri)
        return draft
    ran = Counter(event.tool for event in started)
    draft.data["values"] = dict(ran)
    told = listed(f"{tool} {times(number)}" for tool, number in ran.most_common())
    draft.say(
        f"In {choice.words} these tools {'failed' if fails else 'were called'}: {told}.",
        *(Ref(uri=event.uri, why=f"a call of {event.tool}") for event in started[:TOLD]),
    )
    for event in started:
        end = ends.get((event.execution_id, event.call_id))
        draft.data["calls"].append(_shown(event, end))
    for event in started[:TOLD]:
        _say_call(draft, event, ends.get((event.execution_id, event.call_id)))
    if len(started) > TOLD:
        draft.admit(f"The other {count(len(started) - TOLD, 'call')} are in the data.")
    return draft


def why_failed(scene: Scene, tools: set[str]) -> Draft | None:
    """Tell the last failures of tools and how often they fail; None where none of them failed."""
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=LOOKED_AT)
    calls = [
        (begun, end)
        for one in page.items
        if one.tool_calls
        for tool in sorted(tools)
        for begun, end in _paired(scene, one, tool)
    ]
    broken = [(begun, end) for begun, end in calls if isinstance(end, ToolFailed)]
    if not broken or names_one(scene):
        return None
    last = broken[0][1].execution_id
    draft = Draft(data={"execution_id": last, "causes": []})
    draft.say(
        f"{listed(sorted(tools))} failed in {len(broken)} of {count(len(calls), 'call')} in the last "
        f"{count(len(page.items), 'execution')}.",
        *(Ref(uri=end.uri, why="a failure") for _, end in broken[:3]),
    )
    for begun, end in broken[:TOLD]:
        _say_call(draft, begun, end)
        ended = scene.store.execution(end.execution_id)
        went_on = "its execution failed with it" if ended.status == "failed" else (
            f"its execution {being(ended)} all the same"
        )  # fmt: skip
        draft.say(f"That was in {end.execution_id} of {ended.graph_name}: {went_on}.", ended.uri)
        if isinstance(end, ToolFailed):
            draft.data["causes"].append(
                {"node": end.node, "kind": "tool_error", "tool": end.tool, "uri": end.uri,
                 "effect": exactly(1, "executions"), "confirmed": True,
                 "error": failure(end.error)}
            )  # fmt: skip
    return draft


def names(scene: Scene) -> set[str]:
    """The tools that a question names: of manifests, and those that the record alone knows."""
    known = set(scene.named("tool"))
    if known:
        return known
    words = set(scene.query.unknown) | {one.strip("?.,!'\"`") for one in scene.words.split()}
    words = {one for one in words if "_" in one or one in scene.query.unknown}
    if not words:
        return set()
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    called = {
        event.tool
        for one in page.items
        if one.tool_calls
        for event in scene.store.events(one.execution_id, types=("tool_started",))
        if isinstance(event, ToolStarted)
    }
    return {tool for tool in called if tool in words or tool.lower() in words}


def lasting(scene: Scene, tools: set[str]) -> Draft:
    """Tell how long calls of a tool took, and how often it was called."""
    draft = Draft(data={"times": [], "values": {}})
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    for tool in sorted(tools):
        calls = [
            (begun, end)
            for one in page.items
            if one.tool_calls
            for begun, end in _paired(scene, one, tool)
        ]
        took = [ms for begun, end in calls if (ms := _took(begun, end)) is not None]
        draft.data["values"][tool] = {
            "calls": len(calls),
            "median_ms": median(took) if took else None,
        }
        told = f" and took {duration(median(took))} at the median" if took else ""
        draft.say(
            f"{tool} was called {times(len(calls))} in the last {count(len(page.items), 'execution')}"
            f"{told}.",
            *(Ref(uri=end.uri, why="the end of a call") for _, end in calls[:3]),
        )
    return draft


def _paired(
    scene: Scene, one: Execution, tool: str
) -> list[tuple[ToolStarted, ToolCompleted | ToolFailed]]:
    """The calls of a tool with their ends: by their id, each start with the next end of that id."""
    open_calls: dict[str, ToolStarted] = {}
    found: list[tuple[ToolStarted, ToolCompleted | ToolFailed]] = []
    for event in scene.store.events(one.execution_id, types=_TYPES):
        if isinstance(event, ToolStarted) and event.tool == tool:
            open_calls[event.call_id] = event
        elif isinstance(event, ToolCompleted | ToolFailed) and event.call_id in open_calls:
            found.append((open_calls.pop(event.call_id), event))
    return found


def _took(begun: ToolStarted, end: ToolCompleted | ToolFailed) -> float | None:
    if end.duration_ms is not None:
        return end.duration_ms
    return max((epoch_ns(end.ts) - epoch_ns(begun.ts)) / 1e6, 0.0)


def _failures(scene: Scene, one: Execution) -> list[ToolFailed]:
    found = scene.store.events(one.execution_id, types=("tool_failed",))
    return [event for event in found if isinstance(event, ToolFailed)]


def _calls_any(scene: Scene, execution: Execution) -> bool:
    return children.any_within(scene, execution, lambda one: one.tool_calls > 0)


def _counted(scene: Scene) -> Draft:
    """Count the tool calls of the last executions, tool by tool."""
    draft = Draft(data={"values": {}, "calls": []})
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    if not page.items:
        return nothing_recorded(scene, draft)
    held = [one for one in page.items if one.tool_calls]
    named = names(scene)
    calls = [
        event
        for one in held
        for event in scene.store.events(one.execution_id, types=("tool_started",))
        if isinstance(event, ToolStarted)
        and (not named or event.tool in named)
        and scene.node in (None, event.node)
    ]
    ran = Counter(event.tool for event in calls)
    draft.data["values"] = dict(ran.most_common())
    where = f"the last {count(len(page.items), 'execution')}"
    if not ran:
        draft.say(f"{listed(named) or 'No tool'} was not called in {where}.", page.items[0].uri)
    for tool, number in ran.most_common(TOLD):
        mine = [event for event in calls if event.tool == tool]
        by = listed(dict.fromkeys(str(event.node) for event in mine))
        draft.say(
            f"{tool} was called {times(number)} in {where}, by {by}.",
            *(Ref(uri=event.uri, why=f"a call of {tool}") for event in mine[:3]),
        )
    return draft


def _say_call(draft: Draft, started: ToolStarted, end: ToolCompleted | ToolFailed | None) -> None:
    by = f" by {started.node} (visit {started.visit})" if started.node else ""
    match end:
        case ToolCompleted():
            outcome = f"gave {short(end.output, 120)}"
        case ToolFailed():
            outcome = f"failed: {failed_with(end.error)}"
        case _:
            outcome = "has not ended on record"
    draft.say(
        f"{started.tool}, called{by} with {short(started.input, 120)}, {outcome}.",
        Ref(uri=started.uri, why="the call"),
        Ref(uri=end.uri, why="how it ended") if end is not None else None,
    )


def _shown(started: ToolStarted, end: ToolCompleted | ToolFailed | None) -> dict[str, Any]:
    shown = {"tool": started.tool, "node": started.node, "visit": started.visit, "uri": started.uri}
    shown |= {"input": started.input}
    if isinstance(end, ToolCompleted):
        return shown | {"outcome": "completed", "output": end.output}
    if isinstance(end, ToolFailed):
        return shown | {"outcome": "failed", "error": failure(end.error)}
    return shown | {"outcome": "open"}
