"""What models were sent, and how long their calls took beside those of tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

from inwit.events import (
    Event,
    LlmCompleted,
    LlmStarted,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    epoch_ns,
)
from inwit.introspection.analyses import children
from inwit.introspection.analyses.model_calls import LOOKED_AT, with_calls
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, quoted, short, times
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose, thread_of
from inwit.runtime.views import Execution

TOLD = 6
_CALLS = ("llm_started", "llm_completed", "tool_started", "tool_completed", "tool_failed")
_MODEL = r"(?:models?|llms?|gpt[\w.-]*|claude[\w.-]*)\b"
SENT = (
    rf"\b(?:which|what|show)\b.*\bprompts?\b.*\b(?:sent|send|did|was|were|used|got|get|given|saw|see|received)\b"
    rf"|\b(?:which|what|show)\b.*\b(?:sent|send|passed|given|said|told)\b(?: \w+)? to (?:the |my |a )?{_MODEL}"
    rf"|\b(?:which|what)\b.*\b{_MODEL} (?:get|got|see|saw|receive[ds]?|given|told)\b"
)
LASTING = (
    rf"\bhow (?:long|slow|fast|quick\w*)\b.*\b(?:{_MODEL}.*\bcalls?\b|calls? (?:of|to) (?:the |a )?{_MODEL})"
    rf"|\bhow (?:long|slow|fast|quick\w*) (?:does|do|did|is|are|was|were) (?:the |my |a )?{_MODEL}"
    r"|\b(?:which|what) (?:models?|llms?) (?:is|are|was|were|takes?|took|has|answers?)\b.*\b(?:slow|fast|quick|long)\w*"
    r"|\b(?:slowest|fastest|quickest) (?:model|llm)s?\b"
    rf"|\btime\b.*\b{_MODEL}.*\btools?\b|\btime\b.*\btools?\b.*\b{_MODEL}"
)


def sent(scene: Scene) -> Draft:
    """Tell the messages of the first model call of the execution that is meant."""
    draft = Draft(data={"values": {}, "messages": []})
    choice = choose(scene, fits=lambda one: with_calls(scene, one), fitting="with model calls")
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data["execution_id"] = one.execution_id
    calls = [
        event
        for event in children.events(scene, one, ("llm_started",))
        if isinstance(event, LlmStarted) and scene.node in (None, event.node)
    ]
    if not calls:
        draft.say(f"No model was called in {choice.words}.", one.uri)
        return draft
    known = {key: value for call in calls for key, value in call.new_messages.items()}
    first = calls[0]
    messages = [known.get(key, key) for key in first.messages]
    draft.data["messages"] = messages
    more = f", the first of {count(len(calls), 'call')}" if len(calls) > 1 else ""
    draft.say(
        f"{first.node} sent {first.model} {count(len(messages), 'message')} in {choice.words}{more}.",
        Ref(uri=first.uri, why="the call"),
    )
    for message in messages[:TOLD]:
        draft.say(_told(message), Ref(uri=first.uri, why="what was sent"))
    if len(messages) > TOLD:
        draft.admit(f"The other {count(len(messages) - TOLD, 'message')} are in the data.")
    return draft


def _told(message: Any) -> str:
    if not isinstance(message, dict):
        return f"{quoted(short(message, 300))}."
    role = short(message.get("role") or message.get("type") or "message", 40)
    text = message.get("content") or message.get("tool_calls") or ""
    return f"{role}: {quoted(short(text, 300))}."


def lasting(scene: Scene) -> Draft:
    """Tell how long model calls took, by model, and what part of the time models and tools had."""
    draft = Draft(data={"times": [], "values": {}})
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=LOOKED_AT)
    called = [one for one in page.items if one.llm_calls and one.duration_ms is not None]
    took: dict[str, list[tuple[Event, float]]] = defaultdict(list)
    tools = 0.0
    for event, ms in (pair for one in called for pair in _timed(scene, one)):
        if isinstance(event, LlmCompleted):
            took[event.model].append((event, ms))
        else:
            tools += ms
    if not took:
        draft.say("No model call that has ended is on record.", *(one.uri for one in called[:1]))
        return draft if called else nothing_recorded(scene, draft)
    for model, calls in took.items():
        middle = median([ms for _, ms in calls])
        draft.data["values"][model] = {"calls": len(calls), "median_ms": middle}
        draft.say(
            f"{model} was called {times(len(calls))} in {count(len(called), 'execution')} and took "
            f"{duration(middle)} at the median.",
            *(Ref(uri=call.uri, why="the end of a call") for call, _ in calls[:3]),
        )
    whole = sum(one.duration_ms or 0.0 for one in called)
    models = sum(ms for calls in took.values() for _, ms in calls)
    draft.data["values"] |= {"models_ms": models, "tools_ms": tools, "executions_ms": whole}
    draft.say(
        f"Of the {duration(whole)} of these executions model calls took {models / whole:.0%} and tool "
        f"calls {tools / whole:.0%}, those side by side each counted.",
        graph_uri(called[0].graph_name, "executions"),
    )
    return draft


def _timed(scene: Scene, one: Execution) -> Iterator[tuple[Event, float]]:
    """The ends of an execution's calls of models and tools, each with the milliseconds it took."""
    begun: dict[str, LlmStarted | ToolStarted] = {}
    for event in scene.store.events(one.execution_id, types=_CALLS):
        if scene.node not in (None, event.node):
            continue
        if isinstance(event, LlmStarted | ToolStarted):
            begun[event.call_id] = event
        elif isinstance(event, LlmCompleted | ToolCompleted | ToolFailed) and (
            start := begun.pop(event.call_id, None)
        ):
            yield event, max((epoch_ns(event.ts) - epoch_ns(start.ts)) / 1e6, 0.0)
