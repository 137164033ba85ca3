"""Which models were called, by which nodes, with how many tokens and at what cost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from inwit.events import LlmCompleted, LlmStarted
from inwit.introspection.analyses import children, why_cost
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
_MODEL_LIKE = re.compile(r"(?<![\w./:-])[a-z](?=[\w.:/-]*[\d-])[\w.:/-]*\w")
"""A word that may be the name of a model: with a digit or a hyphen in it."""
LOOKED_AT = 100
IN_USE = (
    r"^\W*(?:which|what|list|show|name)\b.*\b(?:models?|llms?)\b.*\b(?:(?:do|does|are|is) (?:we|i|you|they|it|this)\b.*\b(?:us(?:e|ing)|call(?:ing)?|pay(?:ing)? for)"
    r"|(?:is|are) (?:being |currently |usually )?(?:in use|used|called)|have (?:we|i) (?:ever )?used)\b"
    r"|^\W*(?:do|does|did|are|have|has) (?:we|i|you|they|any\w*|it|this)\b.*\b(?:us(?:e|es|ed|ing)|call\w*)\b.*\b(?:gpt|claude|gemini|llama|mistral|haiku|sonnet|opus)"
)
"""A question for the models that are in use, and not for those of one execution."""
MONEY_GOES = (
    r"where (?:does|did|do|is|has) (?:\w+ ){0,3}(?:money|budget|cash|dollars|tokens) (?:go|gone|spent)\b"
    r"|who (?:spends|burns|eats(?: up)?|uses up) (?:\w+ ){0,2}(?:money|budget|tokens)\b"
    r"|(?:what|who) (?:costs?|cost) (?:us |me |you )?(?:the )?(?:most|more)\b"
    r"|what (?:do|did|are|is|have) (?:we|i|you) (?:spen[dt]|pay|paid|spending|paying) (?:the )?(?:most|more)"
    r"|what (?:is|are|was) (?:the |our |my )?(?:most expensive|biggest (?:cost|expense|spender)|costliest|priciest)(?! (?:execution|run))"
)
"""A question for what money is spent on, by no name."""
_TYPES = ("llm_started", "llm_completed")


def answer(scene: Scene) -> Draft:
    """List the model calls of the execution that is meant, those within its subgraphs too."""
    draft = Draft(data={"values": {}, "calls": []})
    choice = choose(scene, fits=lambda one: with_calls(scene, one), fitting="with model calls")
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data |= {"execution_id": one.execution_id}
    calls = [
        event
        for event in children.events(scene, one, _TYPES)
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
    for one in children.with_inner(scene, page.items):
        for event in _called(scene, one) if one.llm_calls else ():
            if event.model.lower() in words:
                return event.model
    return None


def of_model(scene: Scene, model: str) -> Draft:
    """Tell who called a model in which executions, and what it answered last."""
    draft = Draft(data={"values": {}})
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=LOOKED_AT)
    every = children.with_inner(scene, page.items)
    every.sort(key=lambda one: one.position, reverse=True)
    calls = {
        one.execution_id: found
        for one in every
        if one.llm_calls and (found := [c for c in _called(scene, one) if c.model == model])
    }
    if not calls:
        thread = thread_of(scene)
        where = f"thread {short(thread, 60)}" if thread else "what is meant"
        newest = page.items[0].uri if page.items else platform_uri("project")
        draft.say(f"{model} was not called in {where}.", newest)
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
        f"{count(len(calls), 'execution')} of the last {len(every)}: {spent.tokens:,} tokens, "
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
    """Rank nodes or models by what their calls cost; None where neither is asked about.

    By tokens where some call has no price, or where tokens are asked for. Where no graph is meant,
    those of all graphs are ranked.
    """
    graph, parts = scene.graph, r"nodes?\b|steps?\b|stages?\b|models?\b|llms?\b"
    in_use = re.search(IN_USE, scene.words) is not None
    if graph is None or not (scene.node or in_use or scene.says(parts) or scene.says(MONEY_GOES)):
        return None
    by_model = scene.node is None and (in_use or scene.says(r"models?\b|llms?\b"))
    spent, paid = _spent(scene, by_model=by_model)
    draft, of = Draft(data={"values": {}}), listed(one.name for one in scene.meant_graphs)
    if not spent:
        who = f"{scene.node} of {graph.name}" if scene.node else f"a node of {of}"
        uris = (graph_uri(one.name, "executions") for one in scene.meant_graphs)
        draft.say(f"No model call by {who} is on record.", *uris)
        return draft
    ranked, measure = why_cost.ranked(spent, by_tokens=scene.says(r"tokens?\b"))
    whole = sum(one.of(measure) for one in spent.values())
    draft.data |= {"measure": measure}
    draft.data["values"] = {
        name: {"tokens": one.tokens, "calls": one.calls, "cost_usd": one.cost}
        | {"unpriced_calls": one.unpriced}
        for name in ranked
        for one in [spent[name]]
    }
    number = count(paid, "execution")
    if by_model:
        _say_unused(scene, draft, spent)
    for name in ranked[:TOLD]:
        used = spent[name]
        share = f" {used.of(measure) / whole:.0%} of the {measure}," if len(spent) > 1 else ""
        draft.say(
            f"{name}: {used.tokens:,} tokens in {count(used.calls, 'model call')}, {used.money},{share} "
            f"in the last {number} of {of} with model calls.",
            used.uri,
        )
    return draft


def _say_unused(scene: Scene, draft: Draft, spent: Mapping[str, Spent]) -> None:
    """Say of a model that is named by its family, and that no call is recorded of, that it is so."""
    for name in re.findall(
        r"(?<![\w.-])(?:gpt|claude|gemini|llama|mistral)-[\w.-]*\w", scene.words
    ):
        if not any(name in model.lower() for model in spent):
            uris = (graph_uri(one.name, "executions") for one in scene.meant_graphs)
            of = listed((one.name for one in scene.meant_graphs), last="or")
            draft.say(f"No call of {name} by a node of {of} is on record.", *uris)


def _spent(scene: Scene, *, by_model: bool) -> tuple[dict[str, Spent], int]:
    """What each model or node spent, and in how many executions."""
    spent: dict[str, Spent] = defaultdict(Spent)
    several, number = len(scene.meant_graphs) > 1, 0
    for graph in scene.meant_graphs:
        paid = [one for one in _meant(scene, graph.name) if one.llm_calls]
        number += len(paid)
        for event in (event for one in paid for event in _called(scene, one)):
            node = f"{event.node} of {graph.name}" if several else str(event.node)
            if scene.node in (None, event.node):
                spent[event.model if by_model else node].add(event)
    return dict(spent), number


def callers(scene: Scene, graph: str) -> dict[str, Spent]:
    """The nodes of a graph that called models in its newest executions, with what they spent."""
    found: dict[str, Spent] = defaultdict(Spent)
    for one in scene.store.newest(LOOKED_AT, graph=graph):
        for event in _called(scene, one) if one.llm_calls else ():
            found[str(event.node)].add(event)
    return dict(found)


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


def with_calls(scene: Scene, execution: Execution) -> bool:
    """Whether an execution called a model, itself or within."""
    return children.any_within(scene, execution, lambda one: one.llm_calls > 0)


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
