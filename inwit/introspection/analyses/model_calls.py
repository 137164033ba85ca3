"""Which models were called, by which nodes, with how many tokens and at what cost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from inwit.events import LlmCompleted, LlmStarted
from inwit.introspection.analyses import children
from inwit.introspection.analyses.why_cost import Spent
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import (
    Draft,
    Ref,
    alike,
    count,
    graph_uri,
    listed,
    platform_uri,
    quoted,
    short,
    times,
)
from inwit.introspection.quotes import failed_with, failure
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose, names_one, thread_of
from inwit.runtime.views import Execution

TOLD = 6
DEEPEST = 5
_MODEL_LIKE = re.compile(r"(?<![\w./:-])[a-z](?=[\w.:/-]*[\d-])[\w.:/-]*\w")
"""A word that may be the name of a model: with a digit or a hyphen in it."""
LOOKED_AT = 100
_TYPES = ("llm_started", "llm_completed")


def answer(scene: Scene) -> Draft:
    """List the model calls of the execution that is meant, those within its subgraphs too."""
    draft = Draft(data={"values": {}, "calls": []})
    choice = choose(scene, fits=lambda one: _calls(scene, one), fitting="with model calls")
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data |= {"execution_id": one.execution_id}
    calls = [
        event
        for event in children.events(scene, one, _TYPES, DEEPEST)
        if scene.node in (None, event.node) and isinstance(event, LlmStarted | LlmCompleted)
    ]
    ended = {(c.execution_id, c.call_id): c for c in calls if isinstance(c, LlmCompleted)}
    started = [call for call in calls if isinstance(call, LlmStarted)]
    if not started:
        by = f"{scene.node} called no model" if scene.node else "No model was called"
        draft.say(f"{by} in {choice.words}.", one.uri)
        return draft
    spent: dict[tuple[str, str], Spent] = defaultdict(Spent)
    for call in started:
        end = ended.get((call.execution_id, call.call_id))
        draft.data["calls"].append(_shown(call, end))
        if end is not None:
            spent[call.model, str(call.node)].add(end)
    draft.data["values"] = _sums(started)
    _say_models(draft, choice.words, started, spent)
    ends = [(call, ended.get((call.execution_id, call.call_id))) for call in started]
    for same in alike(ends, key=_ended)[:TOLD]:
        _say_end(draft, *same[0], times_more=len(same) - 1)
    return draft


def _ended(call: tuple[LlmStarted, LlmCompleted | None]) -> object:
    """How a call ended, by which like ones are told together."""
    end = call[1]
    return call[0].call_id if end is None else (end.model, repr(end.output), repr(end.error))


def named(scene: Scene) -> str | None:
    """The recorded model that a word of the question is the name of."""
    words = {match[0] for match in _MODEL_LIKE.finditer(scene.words)}
    words -= {one.text.lower() for one in scene.query.entities}
    if not words:
        return None
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    for one in page.items:
        for event in _called(scene, one) if one.llm_calls else ():
            if event.model.lower() in words:
                return event.model
    return None


def of_model(scene: Scene, model: str) -> Draft:
    """Tell who called a model in which executions, and what it answered last."""
    draft = Draft(data={"values": {}})
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=LOOKED_AT)
    calls = {
        one.execution_id: found
        for one in page.items
        if one.llm_calls and (found := [c for c in _called(scene, one) if c.model == model])
    }
    if not calls:
        draft.say(f"{model} was not called in what is meant.", platform_uri("project"))
        return draft
    spent = Spent()
    for call in (call for found in calls.values() for call in found):
        spent.add(call)
    last = next(iter(calls.values()))[-1]
    draft.data["values"] = {name: len(found) for name, found in calls.items()}
    draft.data["execution_id"] = last.execution_id
    nodes = dict.fromkeys(str(call.node) for found in calls.values() for call in found)
    draft.say(
        f"{model} was called {times(spent.calls)} by {listed(nodes)}, in "
        f"{count(len(calls), 'execution')} of the last {len(page.items)}: {spent.tokens:,} tokens, "
        f"{spent.money}.",
        *(Ref(uri=found[-1].uri, why="a call") for found in list(calls.values())[:TOLD]),
    )
    draft.say(f"The executions: {listed(calls, most=TOLD)}.", last.uri)
    _say_end_of(draft, last)
    return draft


def _called(scene: Scene, execution: Execution) -> list[LlmCompleted]:
    found = scene.store.events(execution.execution_id, types=("llm_completed",))
    return [event for event in found if isinstance(event, LlmCompleted)]


def spenders(scene: Scene) -> Draft | None:
    """Rank nodes by the tokens that their model calls used; None where no node is asked about."""
    graph = scene.graph
    if graph is None or (scene.node is None and not scene.says(r"nodes?\b|steps?\b|models?\b")):
        return None
    draft = Draft(data={"values": {}})
    found = _meant(scene, graph.name)
    by_model = scene.says(r"models?\b")
    spent: dict[str, Spent] = defaultdict(Spent)
    paid = [one for one in found if one.llm_calls]
    for one in paid:
        for event in scene.store.events(one.execution_id, types=("llm_completed",)):
            if isinstance(event, LlmCompleted) and scene.node in (None, event.node):
                spent[event.model if by_model else str(event.node)].add(event)
    if not spent:
        who = f"{scene.node} of {graph.name}" if scene.node else f"a node of {graph.name}"
        draft.say(f"No model call by {who} is on record.", graph_uri(graph.name, "executions"))
        return draft
    ranked = sorted(spent.items(), key=lambda pair: -pair[1].tokens)
    draft.data["values"] = {
        name: {"tokens": one.tokens, "calls": one.calls, "cost_usd": one.cost}
        | {"unpriced_calls": one.unpriced}
        for name, one in ranked
    }
    number = count(len(paid), "execution")
    for name, used in ranked[:TOLD]:
        draft.say(
            f"{name}: {used.tokens:,} tokens in {count(used.calls, 'model call')}, {used.money}, in the "
            f"last {number} of {graph.name} with model calls.",
            used.uri,
        )
    return draft


def _meant(scene: Scene, graph: str) -> Sequence[Execution]:
    """The executions that are asked about: one, those of a thread, or the last ones."""
    if names_one(scene) or scene.says(r"(?:last|latest|previous|first) (?:execution|run|one)\b"):
        choice = choose(scene, fits=lambda one: one.llm_calls > 0, fitting="with model calls")
        return [choice.execution] if choice is not None else []
    page = scene.store.executions(graph=graph, thread_id=thread_of(scene), limit=LOOKED_AT)
    return page.items


def _say_models(
    draft: Draft, where: str, started: list[LlmStarted], spent: dict[tuple[str, str], Spent]
) -> None:
    for (model, node), number in _counted(started).items():
        used = spent.get((model, node))
        cost = f": {count(used.tokens, 'token')}, {used.money}" if used is not None else ""
        draft.say(
            f"{node} called {model} {times(number)} in {where}{cost}.",
            *(
                Ref(uri=call.uri, why="the call")
                for call in started
                if (call.model, str(call.node)) == (model, node)
            ),
        )


def _say_end(
    draft: Draft, call: LlmStarted, end: LlmCompleted | None, *, times_more: int = 0
) -> None:
    if end is None:
        draft.say(f"Its call of {call.model} has not ended on record.", call.uri)
    else:
        _say_end_of(draft, end, times_more=times_more)


def _say_end_of(draft: Draft, end: LlmCompleted, *, times_more: int = 0) -> None:
    again = f", and {times(times_more)} more so" if times_more else ""
    if end.error is not None:
        draft.say(f"It failed: {failed_with(end.error)}.", end.uri)
    elif end.output is not None:
        draft.say(
            f"{end.model} answered {quoted(short(_text(end.output), 160))}{again}.",
            Ref(uri=end.uri, why="how it ended"),
        )


def _text(output: object) -> object:
    """The words of an answer, where it is a message with words."""
    return output.get("content") or output if isinstance(output, dict) else output


def _counted(started: list[LlmStarted]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = defaultdict(int)
    for call in started:
        found[call.model, str(call.node)] += 1
    return found


def _sums(started: list[LlmStarted]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for call in started:
        found[call.model] += 1
    return dict(found)


def _calls(scene: Scene, execution: Execution) -> bool:
    return execution.llm_calls > 0 or any(
        one.llm_calls > 0 for one in children.inner(scene, execution)
    )


def _shown(call: LlmStarted, end: LlmCompleted | None) -> dict[str, object]:
    shown: dict[str, object] = {"model": call.model, "node": call.node, "visit": call.visit}
    shown |= {"uri": call.uri, "outcome": "open"}
    if end is None:
        return shown
    if end.error is not None:
        return shown | {"outcome": "failed", "error": failure(end.error)}
    return shown | {
        "outcome": "completed",
        "input_tokens": end.input_tokens,
        "output_tokens": end.output_tokens,
        "cost_usd": end.cost_usd,
    }
