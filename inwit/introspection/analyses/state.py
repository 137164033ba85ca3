"""State: what runs, where it is, what the values are, and the figures of now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import Any, get_args

from inwit.events import OPEN_STATUSES, Status
from inwit.introspection import live
from inwit.introspection.analyses import (
    ami,
    children,
    exchanged,
    figures,
    interrupts,
    model_calls,
    tool_calls,
    whatis_app,
    why_failed,
)
from inwit.introspection.analyses.why_cost import price
from inwit.introspection.analyses.why_visits import none_now, nothing_recorded
from inwit.introspection.app import label_of
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
from inwit.introspection.which import (
    HOW_IT_WENT,
    Choice,
    Said,
    choose,
    names_one,
    thread_of,
    with_value,
)
from inwit.runtime.views import Execution, Visit

LISTED = 10
WAY_TOLD = 12
"""Nodes of an execution's way that are told."""
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
_EACH = r".*\b(?:an?|one|each|every|per|single|average|usual\w*|typical\w*|median) (?:\w+ )?(?:execution|run|call|invocation|question|request)\b|on average|usually|.*\b(?:average|typical|median)\b"
_INPUT = r"input|receiv|given|gets?\b|got\b|output|return|produc|result|say\b|answer\b|reply\b|conclude\b"
_HAPPENED = (
    rf"what (?:happened|went on|did it do|was done)\b|walk me through|summar\w+|{HOW_IT_WENT}"
)
_LIST = r"list|recent|last (?:\w+ )?(?:runs|executions)|history of|show (?:me )?(?:the |all )?(?:runs|executions)"
_LIST_FAILED = (
    r"(?:what|which|list|show) (?:errors|exceptions|failures)\b(?! (?:rate|code))|"
    r"(?:which|what|list|show|name|all|give me)\b.*\b(?:failed|failing|crashed|broken|errored)"
    r"|(?:which|what) (?:executions|runs)\b.*\b(?:fail|crash|error)"
    r"|what (?:all )?(?:did|does)(?: not|n['’]?t) (?:work|succeed|finish|complete|go (?:well|through|right))\b"
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
    if scene.node is None and scene.says(r"^\W*how many\b") and with_value(scene) is not None:
        return _rates(scene, draft)
    if scene.named("key"):
        return _keys(scene, draft, scene.named("key"))
    if scene.named("tool") and scene.node is None:
        return tool_calls.answer(scene)
    if scene.node is not None and scene.says(_INPUT):
        return _given(scene, draft)
    if scene.node is None and scene.says(exchanged.ASKED):
        return exchanged.answer(scene, draft)
    return _figures(scene, draft)


def _of_others(scene: Scene) -> Draft | None:
    """What is asked in the words of a state, and answered by another analysis."""
    if scene.says(_AS_BEFORE):
        return ami.answer(scene)
    figure = figures.asked(scene)
    if figure is not None:
        return figure
    if scene.says(_THE_ERROR):
        return why_failed.explain(scene)
    if scene.node is not None and scene.says(r"waits? for|wait on|waiting for"):
        return interrupts.of_node(scene, scene.node) or whatis_app.answer(scene)
    return None


_AS_BEFORE = (
    r"(?:is|are|am|was|were|do|does|did|has|have)\b.*\b(?:more|less|fewer|\w+er) (?:\w+ )?than (?:(?:it|they|we) )?"
    r"(?:used to|before|usual\w*|normal\w*|ever)\b"
)
"""Whether things are as they were: a verdict, and no figure."""
_IN_ALL = (
    r"(?:total|overall) (?:number of |count of )?(?:executions|runs|invocations)|count (?:of )?(?:the |my |our |all )?(?:executions|runs)"
    r"|(?:executions|runs|invocations)\b.*\b(?:in total|in all|total|altogether|overall|all in all|all told)\b"
)
"""How many executions there are at all."""
_CAME = (
    r"how many (?!\w*(?:error|exception|failure)s?\b)\w+ (?:came|arrived|were there|went through|have we had|did (?:we|you|i) (?:have|get|see|serve|handle|process)"
    r"|(?:were|got|have been) (?:handled|processed|served|seen|done))\b"
)
"""The same, by the name of what executions are called with."""
_SHARE = r"(?:share|percent\w*|fraction|proportion|ratio)\b.*\b(?:fail|succe|complete|error|crash)"


def _figures(scene: Scene, draft: Draft) -> Draft:
    several = parse_selection(scene.words)
    if several is not None and several.count > 1 and several.order != "first":
        known = {one for one in get_args(Status) if one == several.status}
        return _recent(scene, draft, next(iter(known), None), several.count)
    is_of_all = scene.says(_IN_ALL) or (scene.node is None and scene.says(rf"{_SHARE}|{_CAME}"))
    if is_of_all and not names_one(scene):
        return _rates(scene, draft)
    if (of_class := _of_class(scene, draft)) is not None:
        return of_class
    if scene.says(_LIST_FAILED):
        return _recent(scene, draft, "failed")
    if scene.says(_RATE):
        is_node = scene.node is not None and scene.says(r"rate|fail|error|.*reliable")
        return figures.failure_rate(scene) if is_node else _rates(scene, draft)
    is_one = names_one(scene) or thread_of(scene) is not None
    lists = scene.says(r"(?:list|show|all|which|what)\b.*\b(?:executions|runs|invocations)\b")
    if scene.says(_LIST) and (not is_one or (lists and not names_one(scene))):
        return _recent(scene, draft, _only_status(scene))
    if not is_one and scene.says(_RUNNING):
        return _open(scene, draft)
    if scene.says(r"(?:how many|number of) (?:\w+ )?(?:executions|runs|invocations)"):
        return _rates(scene, draft)
    if scene.node is not None:
        return _given(scene, draft)
    keys = keys_alike(scene)
    return _keys(scene, draft, keys) if keys else whole(scene)


def _of_class(scene: Scene, draft: Draft) -> Draft | None:
    """Count the executions that failed with an error of the class that the question names."""
    said = re.search(r"\bhow (?:many|often)\b.*?\b(\w+ ?(?:error|exception))s?\b", scene.words)
    if said is None or said[1] in ("error", "exception"):
        return None
    name = said[1].replace(" ", "")
    page = scene.store.executions(graph=scene.scope, status="failed", limit=HISTORY)
    mine = [(one, error) for one in page.items
            if (error := one.error) is not None and error.type.lower() == name]  # fmt: skip
    if not mine:
        return None
    last, error = mine[0]
    draft.data["values"] = {error.type: len(mine)}
    draft.say(
        f"{count(len(mine), 'execution')} of the last {len(page.items)} that failed ended with "
        f"{error.type}, last {last.execution_id}: {failed_with(error)}.",
        *(Ref(uri=one.uri, why="failed so") for one, _ in mine[:4]),
    )
    return draft


def _only_status(scene: Scene) -> Status | None:
    """The one status that the executions of a list are to have."""
    said: list[Status] = [one for one in get_args(Status) if one in scene.named("exec")]
    return said[0] if len(said) == 1 else None


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


def whole(scene: Scene) -> Draft:
    """Tell how the execution that is meant stands, with its state; of what happened, its way too."""
    draft = Draft(data={"values": {}})
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
    if scene.says(_HAPPENED):
        ran = [
            label_of(node)
            for node, _ in groupby(visit.node for visit in scene.visits(one.execution_id))
        ]
        took = "" if one.duration_ms is None else f", in {duration(one.duration_ms)}"
        more = f", and {len(ran) - WAY_TOLD} more" if len(ran) > WAY_TOLD else ""
        draft.say(
            f"It ran {', '.join(ran[:WAY_TOLD]) or 'no node'}{more}{took}.",
            Ref(uri=execution_uri(one.execution_id, "history"), why="every visit"),
        )
        if one.status != "failed":
            why_failed.say_recovered(scene, draft, one)
    told = "; ".join(
        f"{key} = {told_value(value, 80)}" for key, value in list(values.items())[:LISTED]
    )
    told += f"; and {listed(list(values)[LISTED:])}" if len(values) > LISTED else ""
    draft.say(
        f"Its state: {told or 'empty'}.",
        Ref(uri=execution_uri(one.execution_id, "state"), why="the state"),
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
    if totals["failed"]:
        failed = scene.store.executions(
            graph=scene.scope, status="failed", since_ns=since, until_ns=until, limit=1
        ).items[0]
        at = f" in {failed.error_node}" if failed.error_node else ""
        draft.say(
            f"The last that failed is {failed.execution_id} of {failed.graph_name}{at}: "
            f"{failed_with(failed.error)}.",
            failed.uri,
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
