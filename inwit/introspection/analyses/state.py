"""State: what runs, where it is, what the values are, and the figures of now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any, get_args

from inwit.events import OPEN_STATUSES, Status
from inwit.introspection import live
from inwit.introspection.analyses import (
    children,
    figures,
    interrupts,
    model_calls,
    tool_calls,
    whatis_app,
    why_failed,
)
from inwit.introspection.analyses.why_cost import price
from inwit.introspection.analyses.why_visits import none_now, nothing_recorded
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    execution_uri,
    graph_uri,
    listed,
    platform_uri,
    short,
    times,
    told_value,
)
from inwit.introspection.keys_alike import keys_alike
from inwit.introspection.lineage import is_sent, writer
from inwit.introspection.ordinals import visit_number
from inwit.introspection.quotes import being, failed_with, returned
from inwit.introspection.router.selecting import parse_selection
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import Choice, Said, choose, names_one, thread_of, with_value
from inwit.runtime.views import Execution, Visit

LISTED = 10
_RUNNING = (
    r"running|active|in progress|ongoing|in flight|currently|right now|atm\b|at the moment|doing"
    r"|happening|live\b"
)
_WAITING = r"waiting|pending|approval|approv|blocked|paused|needs? (?:a person|input)"
_RATE = (
    r"how reliable|fail\w* more|success rate|error rate|fail(?:ure)? rate|success|errors?\b|failures?|failed|how many fail|(?:share|percentage|percent|proportion|part|how many) of (?:\w+ )*(?:executions|runs)"
    r"|(?:did|has|have|does|do) (?:any|some|a|an|one|every|all|it)\w*\b.*\b(?:fail|crash)"
)
_TOKENS = r"tokens?|cost|spent|spend|money|bill|price"
_EACH = r".*\b(?:an?|one|each|every|per|single|average|usual\w*|typical\w*|median) (?:\w+ )?(?:execution|run|call|invocation|question|request)\b|on average|usually"
_INPUT = r"input|receiv|given|gets?\b|got\b|output|return|produc|result"
_CALLED_WITH = r"inputs?\b|(?:call|start|invok)(?:ed)? with|arguments?\b"
_RETURNED = r"outputs?\b|return(?:s|ed)?\b|(?:final )?results?\b"
_LIST = r"list|recent|last (?:\w+ )?(?:runs|executions)|history of|show (?:me )?(?:the |all )?(?:runs|executions)"
_LIST_FAILED = (
    r"(?:what|which|list|show) (?:errors|exceptions|failures)\b(?! (?:rate|code))|"
    r"(?:which|what|list|show|name|all|give me)\b.*\b(?:failed|failing|crashed|broken|errored)"
    r"|(?:which|what) (?:executions|runs)\b.*\b(?:fail|crash|error)"
)
_THE_ERROR = (
    r"what (?:was|is|were|went)\b.*\b(?:error|exception|failure|wrong)\b(?! rate)"
    r"|(?:error|exception) (?:message|text)|what broke|what failed"
)
_OPEN_WORDS: tuple[tuple[Status, str, str], ...] = (
    ("running", "is running", "are running"),
    ("waiting_for_input", "waits for input", "wait for input"),
    ("paused", "is paused", "are paused"),
)
_COUNT = re.compile(r"\b(\d{1,3}|two|ten|five|twenty|three)\b")
_WORDS = {"two": 2, "three": 3, "five": 5, "ten": 10, "twenty": 20}


def answer(scene: Scene) -> Draft:
    """Tell values: of running executions, of keys, of figures."""
    draft = Draft(data={"values": {}})
    of_others = _of_others(scene)
    if of_others is not None:
        return of_others
    if scene.says(_WAITING) and not scene.nodes:
        return interrupts.waiting(scene)
    if scene.says(_TOKENS):
        of_node = model_calls.spenders(scene) if scene.node is not None else None
        return of_node or _tokens(scene, draft)
    if scene.named("key"):
        return _keys(scene, draft, scene.named("key"))
    if scene.named("tool") and scene.node is None:
        return tool_calls.answer(scene)
    if scene.node is not None and scene.says(_INPUT):
        return _given(scene, draft)
    if scene.node is None and scene.says(rf"{_CALLED_WITH}|{_RETURNED}"):
        return _exchanged(scene, draft)
    return _figures(scene, draft)


def _of_others(scene: Scene) -> Draft | None:
    """What is asked in the words of a state, and answered by another analysis."""
    figure = figures.asked(scene)
    if figure is not None:
        return figure
    if scene.says(_THE_ERROR):
        return why_failed.explain(scene)
    if scene.node is not None and scene.says(r"waits? for|wait on|waiting for"):
        return interrupts.of_node(scene, scene.node) or whatis_app.answer(scene)
    return None


def _figures(scene: Scene, draft: Draft) -> Draft:
    several = parse_selection(scene.words)
    if several is not None and several.count > 1 and several.order != "first":
        known = {one for one in get_args(Status) if one == several.status}
        return _recent(scene, draft, next(iter(known), None), several.count)
    if scene.says(_LIST_FAILED):
        return _recent(scene, draft, "failed")
    if scene.says(_RATE):
        is_node = scene.node is not None and scene.says(r"rate|fail|error|.*reliable")
        return figures.failure_rate(scene) if is_node else _rates(scene, draft)
    is_one = names_one(scene) or thread_of(scene) is not None
    lists = scene.says(r"(?:list|show|all|which|what)\b.*\b(?:executions|runs|invocations)\b")
    if scene.says(_LIST) and (not is_one or (lists and not names_one(scene))):
        return _recent(scene, draft)
    if not is_one and scene.says(_RUNNING):
        return _open(scene, draft)
    if scene.says(r"(?:how many|number of) (?:\w+ )?(?:executions|runs|invocations)"):
        return _rates(scene, draft)
    if scene.node is not None:
        return _given(scene, draft)
    keys = keys_alike(scene)
    return _keys(scene, draft, keys) if keys else _whole(scene, draft)


def _open(scene: Scene, draft: Draft) -> Draft:
    found: list[Execution] = []
    for status in OPEN_STATUSES:
        found += scene.store.executions(graph=scene.scope, status=status, limit=HISTORY).items
    found.sort(key=lambda one: one.position, reverse=True)
    draft.data["values"] = {
        "active_count": len(found),
        "executions": [_shown(one) for one in found[:LISTED]],
    }
    about = f" of {scene.scope}" if scene.scope else ""
    if not found:
        return none_now(scene, draft, f"Nothing{about} is running now; the last execution")
    draft.say(
        f"{_by_status(found, about)} now.",
        *(Ref(uri=one.uri, why=one.status) for one in found[:LISTED]),
    )
    for one in found[:LISTED]:
        at = f" at node {one.current_node}" if one.current_node else ""
        draft.say(
            f"Execution {one.execution_id} of {one.graph_name} {being(one)}{at}, after "
            f"{count(one.iteration, 'visit')}, since {one.started_at}.",
            one.uri,
        )
    return draft


def _by_status(found: list[Execution], about: str = "") -> str:
    """Count executions that are not over: those that run apart from those that wait."""
    ran = Counter(one.status for one in found)
    parts = [
        f"{count(ran[status], 'execution')}{about} {one if ran[status] == 1 else several}"
        for status, one, several in _OPEN_WORDS
        if ran[status]
    ]
    text = listed(parts)
    return text if ran["running"] else f"Nothing is running; {text}"


def _shown(one: Execution) -> dict[str, Any]:
    return {
        "execution_id": one.execution_id,
        "graph_name": one.graph_name,
        "status": one.status,
        "current_node": one.current_node,
        "iteration": one.iteration,
        "started_at": one.started_at,
        "duration_ms": one.duration_ms,
    }


def _whole(scene: Scene, draft: Draft) -> Draft:
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    values = scene.store.state_at(one.execution_id)
    where = live.node(scene.store, one.execution_id)
    draft.data |= {"values": values, "execution": _shown(one), **where}
    at = f" at node {one.current_node}" if one.current_node else ""
    text = f"{choice.words[:1].upper()}{choice.words[1:]} {being(one)}{at}"
    if one.error is not None:
        text += f": {failed_with(one.error)}"
    if scene.says(r"version"):
        text += f"; it ran version {one.graph_version} of {one.graph_name}"
    draft.say(f"{text}.", one.uri)
    told = "; ".join(
        f"{key} = {told_value(value, 80)}" for key, value in list(values.items())[:LISTED]
    )
    told += f"; and {listed(list(values)[LISTED:])}" if len(values) > LISTED else ""
    draft.say(
        f"Its state: {told or 'empty'}.",
        Ref(uri=execution_uri(one.execution_id, "state"), why="the state"),
    )
    return draft


def _exchanged(scene: Scene, draft: Draft) -> Draft:
    """What an execution was called with, or what it returned."""
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    is_input = scene.says(_CALLED_WITH)
    wanted = "execution_started" if is_input else "execution_completed"
    found = next(iter(scene.store.events(one.execution_id, types=(wanted,))), None)
    draft.data["execution_id"] = one.execution_id
    if found is None:
        draft.say(
            f"{choice.words[:1].upper()}{choice.words[1:]} {being(one)}: it returned nothing.",
            one.uri,
        )
        return draft
    value = getattr(found, "input" if is_input else "output")
    draft.data["values"] = value if isinstance(value, dict) else {"value": value}
    verb = "was called with" if is_input else "returned"
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} {verb} {told_value(value, 400)}.",
        Ref(uri=found.uri, why=wanted),
    )
    return draft


def _keys(scene: Scene, draft: Draft, keys: Sequence[str]) -> Draft:
    choice = _visited(scene) if scene.node is not None else choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    visits = scene.visits(one.execution_id)
    draft.data["execution_id"] = one.execution_id
    number = visit_number(scene.words)
    for key in keys:
        moment = _after(scene, visits, key, number)
        if number is not None and moment is None:
            draft.say(f"No node that writes {key} had a visit {number} in {choice.words}.", one.uri)
            continue
        seq = moment.exit_seq if moment else None
        state = scene.store.state_at(one.execution_id, _settled(visits, moment))
        draft.data["values"][key] = state.get(key)
        by = writer(visits, key, None if seq is None else seq + 1)
        when = f" after visit {moment.visit} of {moment.node}" if moment else ""
        if key not in state:
            draft.say(
                f"{key} holds nothing in {choice.words}.", execution_uri(one.execution_id, "state")
            )
            continue
        source = f"written by {by.node} (visit {by.visit})" if by else "given as input"
        draft.say(
            f"{key} {'was' if when else 'is'} {told_value(state[key], 200)}{when} in {choice.words}, "
            f"{source}.",
            Ref(uri=execution_uri(one.execution_id, "state"), why=f"the value of {key}"),
            Ref(uri=by.uri, why=f"the visit that wrote {key}") if by else None,
        )
    return draft


def _after(scene: Scene, visits: list[Visit], key: str, number: int | None) -> Visit | None:
    """The visit after which a value is asked for: the numbered or last one of the node that is named.

    Without a node it is the numbered one of the last that wrote the key; None for the end.
    """
    if number is None:
        mine = [one for one in visits if one.node == scene.node]
        return mine[-1] if mine and scene.says(r".*\b(?:after|following|once)\b") else None
    by = writer(visits, key)
    node = scene.node or (by.node if by else None)
    return next((v for v in visits if v.node == node and v.visit == number), None)


def _settled(visits: list[Visit], moment: Visit | None) -> int | None:
    """The seq by which a visit's update is in the state: the last one before the next entry."""
    if moment is None or moment.exit_seq is None:
        return None
    later = [one.entry_seq for one in visits if one.entry_seq > moment.exit_seq]
    return min(later) - 1 if later else None


def _given(scene: Scene, draft: Draft) -> Draft:
    """What a node was given and what it returned, at its last visit."""
    node = scene.node
    if node is None or scene.graph is None:
        return nothing_recorded(scene, draft)
    choice = _visited(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    mine = [visit for visit in scene.visits(one.execution_id) if visit.node == node]
    draft.data["execution_id"] = one.execution_id
    if not mine:
        draft.say(f"{node} did not run in {choice.words}.", one.uri)
        return draft
    number = visit_number(scene.words)
    last = mine[-1] if number is None else next((v for v in mine if v.visit == number), None)
    if last is None:
        ran = times(len(mine))
        draft.say(f"{node} ran {ran} in {choice.words}; it had no visit {number}.", mine[-1].uri)
        return draft
    facts = scene.store.graph(one.graph_name, one.graph_version).manifest.node(node)
    state = scene.store.state_at(one.execution_id, last.entry_seq)
    given = {key: state.get(key) for key in facts.reads} if facts and facts.reads else state
    sent = is_sent(scene.visits(one.execution_id), node)
    draft.data["values"] = {
        "input": None if sent else given, "output": returned(last.update), "status": last.status,
    }  # fmt: skip
    what = "what Send gave it, which is not in the record" if sent else short(given, 200)
    draft.say(
        f"At visit {last.visit} in {choice.words}, {node} was given {what}.",
        Ref(
            uri=f"execution://{one.execution_id}/events/{last.entry_seq}", why="when it was entered"
        ),
    )
    if last.status == "running":
        draft.say(f"It is still running, for {count(last.attempts, 'attempt')}.", last.uri)
    elif last.status == "failed":
        draft.say(f"It failed: {failed_with(last.error)}.", last.uri)
    else:
        took = duration(last.duration_ms)
        tried = f" and {last.attempts} attempts" if last.attempts > 1 else ""
        draft.say(f"It returned {short(returned(last.update), 200)} after {took}{tried}.", last.uri)
    return draft


def _visited(scene: Scene) -> Choice | None:
    """The execution that is meant, among those that visited the node that is named."""
    if scene.graph is None or scene.node is None:
        return choose(scene)
    recent = scene.store.recent_visits(scene.graph.name, node=scene.node, executions=HISTORY)
    holders = {visit.execution_id for visit in recent}
    return choose(
        scene, fits=lambda one: one.execution_id in holders, fitting=f"that visited {scene.node}"
    )


def _rates(scene: Scene, draft: Draft) -> Draft:
    span = scene.window
    since = span.since_ns if span else None
    until = span.until_ns if span else None
    if scene.says(r".*\b(?:each|per|every|by) version\b"):
        return _by_version(scene, draft)
    said = with_value(scene)
    if said is not None:
        return _rates_of(scene, draft, said)
    totals: dict[str, int] = {}
    for status in (None, "completed", "failed", "cancelled"):
        page = scene.store.executions(
            graph=scene.scope, status=status, since_ns=since, until_ns=until, limit=1
        )
        totals[status or "total"] = page.total_count
    over = totals["completed"] + totals["failed"]
    draft.data["values"] = dict(totals)
    if not totals["total"]:
        return nothing_recorded(scene, draft)
    rate = totals["failed"] / over if over else None
    success = 1 - rate if rate is not None else None
    draft.data["values"] |= {"error_rate": rate, "success_rate": success}
    about = scene.scope or "all graphs"
    words = f" ({span.words})" if span else ""
    told = f", a success rate of {success:.1%}" if success is not None else ""
    if rate is not None and scene.says(r"error|fail"):
        told = f", an error rate of {rate:.1%}"
    last = scene.store.last_execution(graph=scene.scope)
    graph = scene.scope or (last.graph_name if last else None)
    draft.say(
        f"Of {count(totals['total'], 'execution')} of {about}{words}, {totals['completed']} completed "
        f"and {totals['failed']} failed{told}.",
        graph_uri(graph, "executions") if graph else platform_uri("project"),
    )
    return draft


def _rates_of(scene: Scene, draft: Draft, said: Said) -> Draft:
    """Count the executions that were called with a value, beside the others."""
    span = scene.window
    found = scene.store.executions(
        graph=scene.scope, since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=HISTORY,
    ).items  # fmt: skip
    sides = [one for one in found if said.holds(one)], [one for one in found if not said.holds(one)]
    draft.data["values"] = {"with": said.words}
    told = []
    for name, side in zip(("those", "others"), sides, strict=True):
        bad = sum(one.status == "failed" for one in side)
        rate = bad / len(side) if side else None
        draft.data["values"][name] = {"total": len(side), "failed": bad, "error_rate": rate}
        told.append(
            f"{count(len(side), 'execution')}, {bad} failed" + (f" ({rate:.1%})" if side else "")
        )
    draft.say(
        f"Called with {said.words}: {told[0]}. Others of the last {len(found)}: {told[1]}.",
        *(Ref(uri=one.uri, why=f"called with {said.words}") for one in sides[0][:4]),
        graph_uri(found[0].graph_name, "executions") if found else None,
    )
    return draft


def _by_version(scene: Scene, draft: Draft) -> Draft:
    graph = scene.graph
    if graph is None:
        return nothing_recorded(scene, draft)
    found = scene.store.newest(HISTORY * 5, graph=graph.name)
    ran = Counter(one.graph_version for one in found)
    draft.data["values"] = dict(ran)
    told = listed(f"{version} {count(number, 'execution')}" for version, number in ran.items())
    draft.say(
        f"Of the last {count(len(found), 'execution')} of {graph.name}: {told or 'none'}.",
        graph_uri(graph.name, "executions"),
        graph_uri(graph.name, "versions"),
    )
    return draft


def _tokens(scene: Scene, draft: Draft) -> Draft:
    thread = thread_of(scene)
    said = with_value(scene)
    if said is not None:
        page = scene.store.executions(graph=scene.scope, thread_id=thread, limit=HISTORY)
        found = [one for one in page.items if said.holds(one)]
        draft.data["with"] = said.words
    elif names_one(scene) or scene.says(r"last|current"):
        choice = choose(scene)
        found = [choice.execution] if choice else []
    else:
        span = scene.window
        found = list(
            scene.store.executions(
                graph=scene.scope,
                thread_id=thread,
                since_ns=span.since_ns if span else None,
                until_ns=span.until_ns if span else None,
                limit=HISTORY * 5,
            ).items
        )
    if not found:
        return nothing_recorded(scene, draft)
    every = children.with_inner(scene, found)
    costs = [one.cost_usd for one in every if one.cost_usd is not None]
    unpriced = sum(one.unpriced_calls for one in every)
    sums = {
        "llm_calls": sum(one.llm_calls for one in every),
        "input_tokens": sum(one.input_tokens for one in every),
        "output_tokens": sum(one.output_tokens for one in every),
        "cost_usd": sum(costs) if costs else None,
        "unpriced_calls": unpriced,
        "executions": len(found),
    }
    draft.data["values"] = sums
    used = sums["input_tokens"], sums["output_tokens"]
    money = price(sum(costs) if costs else None, unpriced)
    refs = [Ref(uri=one.uri, why="its figures") for one in found[:3]]
    if not sums["llm_calls"]:
        draft.say(f"No model call is recorded in {count(len(found), 'execution')}.", *refs)
        return draft
    if scene.says(_EACH):
        _say_each(draft, found, refs)
    draft.say(
        f"{count(len(found), 'execution')}{f' in thread {thread}' if thread else ''}"
        f"{f' called with {said.words}' if said else ''} used {used[0]:,} input and {used[1]:,} output tokens in "
        f"{count(int(sums['llm_calls'] or 0), 'model call')}, {money}.",
        *refs,
    )
    return draft


def _say_each(draft: Draft, found: Sequence[Execution], refs: list[Ref]) -> None:
    """What one execution uses and costs at the median, of those with model calls."""
    paid = [one for one in found if one.llm_calls]
    tokens = median(one.input_tokens + one.output_tokens for one in paid) if paid else 0
    costs = [one.cost_usd for one in paid if one.cost_usd is not None and not one.unpriced_calls]
    draft.data["each"] = {"tokens": tokens, "cost_usd": median(costs) if costs else None}
    money = price(median(costs), 0) if costs else "at a cost that is not known"
    if paid:
        draft.say(f"An execution uses {tokens:,.0f} tokens at the median, {money}.", *refs)


def _recent(
    scene: Scene, draft: Draft, status: Status | None = None, number: int | None = None
) -> Draft:
    words = scene.plain_words
    for said in scene.named("time"):  # "since 3 days" counts no executions
        words = words.replace(said, " ")
    found = _COUNT.search(words)
    if number is None:
        number = int(_WORDS.get(found[1], 0) or found[1]) if found else LISTED
    span = scene.window
    page = scene.store.executions(
        graph=scene.scope,
        status=status,
        thread_id=thread_of(scene),
        since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None,
        limit=max(1, min(number, 100)),
    )
    if not page.items and status is not None:
        draft.data["values"] = {"executions": [], "total_count": 0}
        return _rates(scene, draft)
    if not page.items:
        return nothing_recorded(scene, draft)
    draft.data["values"] = {
        "executions": [_shown(one) for one in page.items],
        "total_count": page.total_count,
    }
    draft.say(
        f"The last {count(len(page.items), 'execution')} of {page.total_count}"
        f"{' that ' + status if status else ''}:",
        graph_uri(page.items[0].graph_name, "executions"),
    )
    for one in page.items[:LISTED]:
        took = f", {duration(one.duration_ms)}" if one.duration_ms is not None else ""
        error = f": {failed_with(one.error)}" if one.error is not None else ""
        draft.say(
            f"{one.execution_id} of {one.graph_name}: {one.status}{took}, {one.started_at}{error}.",
            one.uri,
        )
    return draft
