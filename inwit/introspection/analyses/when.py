"""When, how long, how often: points and stretches of time from the record."""

from __future__ import annotations

import re
from statistics import median
from time import time_ns
from typing import Any

from inwit import events
from inwit.events import Event, epoch_ns, timestamp
from inwit.introspection.analyses import figures, interrupts, recovered, since
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import (
    Draft,
    Ref,
    capitalised,
    count,
    duration,
    graph_uri,
    node_uri,
    told_value,
)
from inwit.introspection.quotes import being, failed_with
from inwit.introspection.router.selecting import parse_selection
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import BASELINE_MIN, estimate, holds_for_next, quantile
from inwit.introspection.which import Choice, choose, names_one, thread_of, with_value
from inwit.runtime.views import Execution, RegisteredGraph, Visit

ERRORS_TOLD = 5
RUNS_TOLD = 10
_FAIL = r"fail|error|crash|exception|broke|breaks?\b|blew|died?\b|429|500|timed? ?-?out|wrong"
_USUAL = r"usual|typical|average|normal|p\d\d|median|mean|percentile|latenc|on average|generally"
_LONG = r"how long|how many (?:seconds|minutes|ms|milliseconds)|duration|how much time|took|take\b"
_TAKES = r"how (?:long|much time|many (?:seconds|ms|minutes)) (?:does|do|is|are)\b(?!.*\b(?:last|latest|running|been)\b)"
_ADDED = r".*\b(?:added|introduced|exists?|existed|new)\b"
_REGISTERED = r"compil|register|chang|deploy|new version|version"
_ETA = r"will .*(?:finish|end|be done|complete)|eta\b|how much longer|remaining|until it"
_GAP = r"between|gap|passed|elapsed"
_OFTEN = r"how often|how many times|frequen|how frequently"
_WAIT = r"waiting|approv|interrupt|paused"
_PERCENTILE = re.compile(r"\bp(\d\d)\b")


def answer(scene: Scene) -> Draft:
    """Tell times of executions, visits and errors; how long things take; when it will be over."""
    draft = Draft(data={"times": []})
    if scene.says(_ETA):
        return _eta(scene, draft)
    change = _changes(scene, draft)
    if change is not None:
        return change
    figure = figures.asked(scene)
    if figure is not None:
        return figure
    if scene.says(_WAIT):
        return _waiting(scene, draft)
    if scene.graph is not None and scene.says(_REGISTERED) and not scene.named("key"):
        return _registered(scene, scene.graph, draft)
    if scene.says(_FAIL):
        return _errors(scene, draft)
    if len(scene.nodes) > 1 and scene.says(_GAP):
        return _gap(scene, draft)
    if scene.says(_OFTEN):
        return _often(scene, draft)
    if _PERCENTILE.search(scene.words) or scene.says(_USUAL) or scene.says(_TAKES):
        return _usual(scene, draft)
    if scene.node is not None:
        return _node(scene, draft)
    number = parse_selection(scene.plain_words)
    if number is not None and number.count > 1 and number.order != "first":
        return _executions(scene, draft, number.count)
    return _execution(scene, draft)


def _changes(scene: Scene, draft: Draft) -> Draft | None:
    """When something changed, where that is asked: a figure, the graph itself, or anything."""
    graph = scene.graph
    if graph is None:
        return None
    if since.is_asked(scene) and not names_one(scene):
        return since.answer(scene, graph)
    if scene.node is not None and scene.says(_ADDED):
        return _added(scene, graph, scene.node, draft)
    return since.changes(scene, graph) if scene.says(since.CHANGES) else None


def _executions(scene: Scene, draft: Draft, number: int) -> Draft:
    """Tell the times of the last executions, as many as are asked for."""
    span = scene.window
    page = scene.store.executions(
        graph=scene.scope, thread_id=thread_of(scene), since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=min(number, HISTORY),
    )  # fmt: skip
    took = [ms for one in page.items if (ms := one.duration_ms) is not None]
    if not page.items:
        return nothing_recorded(scene, draft)
    middle = f", {duration(median(took))} at the median" if took else ""
    of = f" of {scene.scope}" if scene.scope else ""
    draft.say(
        f"The last {count(len(page.items), 'execution')}{of} took {duration(sum(took))} in all{middle}.",
        graph_uri(scene.scope or page.items[0].graph_name, "executions"),
    )
    for one in page.items:
        _time(draft, "started", one.started_at, one.uri, one.duration_ms)
    for one in page.items[:RUNS_TOLD]:
        lasted = f"took {duration(one.duration_ms)}" if one.duration_ms is not None else being(one)
        draft.say(f"{one.execution_id} of {one.graph_name}, {one.started_at}: {lasted}.", one.uri)
    return draft


def _execution(scene: Scene, draft: Draft) -> Draft:
    choice = choose(scene, status="cancelled") if scene.says(r"cancel") else choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data["execution_id"] = one.execution_id
    _time(draft, "started", one.started_at, one.uri)
    text = f"{capitalised(choice.words)} started at {one.started_at}"
    if one.ended_at is None:
        elapsed = (time_ns() - epoch_ns(one.started_at)) / 1e6
        draft.data["elapsed_ms"] = round(elapsed, 3)
        draft.say(f"{text} and {being(one)}, for {duration(elapsed)} by now.", one.uri)
        return draft
    _time(draft, "ended", one.ended_at, one.uri, one.duration_ms)
    draft.say(
        f"{text}, took {duration(one.duration_ms)} and ended at {one.ended_at}: it {being(one)}.",
        one.uri,
    )
    return draft


def _node(scene: Scene, draft: Draft) -> Draft:
    if scene.graph is None or scene.node is None:
        return nothing_recorded(scene, draft)
    found = _visits(scene, scene.graph.name, scene.node)
    if not found:
        uri = node_uri(scene.graph.name, scene.node)
        draft.say(f"No visit of {scene.node} is on record{_span(scene)}.", uri)
        return draft
    first, last = found[0], found[-1]
    told = first if scene.says(r"first|begin|began|earliest") else last
    which = "" if first is last else "first " if told is first else "last "
    draft.data["execution_id"] = told.execution_id
    _time(draft, f"{which}visit", timestamp(told.started_ns), told.uri, told.duration_ms)
    took = f" and took {duration(told.duration_ms)}" if told.duration_ms is not None else ""
    draft.say(
        f"{scene.node} {which}ran at {timestamp(told.started_ns)}{took} "
        f"(visit {told.visit} of execution {told.execution_id}; {count(len(found), 'visit')} "
        f"looked at).",
        told.uri,
    )
    return draft


def _visits(scene: Scene, graph: str, node: str) -> list[Visit]:
    """The visits of a node that the question is about, oldest first."""
    if names_one(scene):
        choice = choose(scene)
        every = scene.visits(choice.execution.execution_id) if choice else []
        return [visit for visit in every if visit.node == node]
    thread, said, span = thread_of(scene), with_value(scene), scene.window
    if thread is not None or said is not None:
        page = scene.store.executions(graph=graph, thread_id=thread, limit=HISTORY)
        meant = [one for one in page.items if said is None or said.holds(one)]
        found = [
            visit for one in meant for visit in scene.store.visits_of(one)
            if visit.node == node and (span is None or span.holds(visit.started_ns))
        ]  # fmt: skip
    else:
        found = scene.recent_visits(graph, node)
    return sorted(found, key=lambda one: one.started_ns)


def _errors(scene: Scene, draft: Draft) -> Draft:
    fits = _at_node(scene)
    choice = choose(scene, status="failed", fits=fits, fitting=f"in {scene.node}")
    if fits is not None and choice is not None and not fits(choice.execution):
        choice = None  # what is meant is a failure of the node, not any
    if choice is None:
        return _no_errors(scene, draft)
    failed = _failed(scene, choice)
    if scene.says(r"first|begin|began|start|since when"):
        failed.reverse()
    for one in failed[:ERRORS_TOLD]:
        end = _end_of(scene, one)
        first = _first_error(scene, one)
        at = end.ts if end else (one.ended_at or one.started_at)
        _time(draft, "failed", at, end.uri if end else one.uri, one=one)
        where = f" in {one.error_node}" if one.error_node else ""
        text = f"Execution {one.execution_id} failed{where} at {at}"
        refs = [Ref(uri=end.uri if end else one.uri, why="the failure")]
        if first is not None and first.ts != at:
            text += f"; its first error was at {first.ts}"
            refs.append(Ref(uri=first.uri, why="the first error"))
            _time(draft, "first error", first.ts, first.uri, one=one)
        draft.say(f"{text}: {failed_with(one.error)}.", *refs)
    draft.data["execution_id"] = failed[0].execution_id
    draft.data["failed_count"] = len(failed)
    if len(failed) > ERRORS_TOLD:
        draft.admit(f"{len(failed) - ERRORS_TOLD} more failed executions are on record.")
    if scene.node is not None and scene.graph is not None:
        recovered.say_attempts(scene, draft, scene.graph.name, scene.node)
    return draft


def _at_node(scene: Scene) -> Any:
    node = scene.node
    return None if node is None else (lambda one: one.error_node == node)


def _failed(scene: Scene, choice: Choice) -> list[Execution]:
    """The failed executions that are asked for, newest first; one where one is named."""
    says_one = scene.says(r"the (?:error|failure|exception)|last|latest|most recent")
    if names_one(scene) or (says_one and not scene.window):
        return [choice.execution]
    page = scene.store.executions(
        graph=scene.scope,
        status="failed",
        since_ns=scene.window.since_ns if scene.window else None,
        until_ns=scene.window.until_ns if scene.window else None,
        limit=HISTORY,
    )
    fits = _at_node(scene)
    return [one for one in page.items if fits is None or fits(one)] or [choice.execution]


def _end_of(scene: Scene, one: Execution) -> Event | None:
    ends = scene.store.events(one.execution_id, types=("execution_failed",))
    return ends[-1] if ends else None


def _first_error(scene: Scene, one: Execution) -> Event | None:
    types = ("node_failed", "tool_failed")
    found = scene.store.events(one.execution_id, types=types)
    return next((event for event in found if one.error_node in (None, event.node)), None)


def _no_errors(scene: Scene, draft: Draft) -> Draft:
    last = scene.store.last_execution(graph=scene.scope)
    if last is None:
        return nothing_recorded(scene, draft)
    about = f" of {scene.scope}" if scene.scope else ""
    node, graph = scene.node, scene.graph
    if node is not None and graph is not None:
        draft.say(
            f"No execution of {graph.name}{_span(scene)} ended by a failure of {node}.",
            graph_uri(graph.name, "executions"),
        )
        if not recovered.say_attempts(scene, draft, graph.name, node):
            draft.say(f"No attempt of it failed{_span(scene)}.", node_uri(graph.name, node))
        return draft
    draft.say(
        f"No execution{about}{_span(scene)} failed; the last one {being(last)}.",
        last.uri,
        graph_uri(last.graph_name, "executions"),
    )
    return draft


def _gap(scene: Scene, draft: Draft) -> Draft:
    first, second = scene.nodes[:2]
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    visits = scene.visits(choice.execution.execution_id)
    one = next(
        (visit for visit in visits if visit.node == first and visit.duration_ms is not None), None
    )
    two = next(
        (
            visit
            for visit in visits
            if visit.node == second and one and visit.entry_seq > one.entry_seq
        ),
        None,
    )
    draft.data["execution_id"] = choice.execution.execution_id
    if one is None or two is None:
        draft.say(f"{second} did not run after {first} in {choice.words}.", choice.execution.uri)
        return draft
    end_ns = one.started_ns + int((one.duration_ms or 0) * 1e6)
    between = (two.started_ns - end_ns) / 1e6
    _time(draft, f"{first} ended", timestamp(end_ns), one.uri)
    _time(draft, f"{second} started", timestamp(two.started_ns), two.uri)
    draft.data["elapsed_ms"] = between
    draft.say(
        f"{duration(between)} passed between the end of {first} and the start of {second} in "
        f"{choice.words}.",
        Ref(uri=one.uri, why=f"the end of {first}"),
        Ref(uri=two.uri, why=f"{second}"),
    )
    return draft


def _often(scene: Scene, draft: Draft) -> Draft:
    if scene.graph is not None and scene.node is not None:
        found = _visits(scene, scene.graph.name, scene.node)
        held = {visit.execution_id for visit in found}
        draft.data["count"] = len(found)
        draft.say(
            f"{scene.node} ran {count(len(found), 'time')} in {count(len(held), 'execution')}"
            f"{_span(scene) or f' (of the last {HISTORY})'}.",
            *(Ref(uri=one.uri) for one in found[-3:]),
            node_uri(scene.graph.name, scene.node),
        )
        for one in found[-ERRORS_TOLD:]:
            _time(draft, "visit", timestamp(one.started_ns), one.uri, one.duration_ms)
        return draft
    span = scene.window
    page = scene.store.executions(
        graph=scene.scope,
        since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None,
        limit=ERRORS_TOLD,
    )
    if not page.items:
        return nothing_recorded(scene, draft)
    draft.data["count"] = page.total_count
    for ran in page.items:
        _time(draft, "started", ran.started_at, ran.uri, ran.duration_ms)
    about = scene.scope or "The project's graphs"
    if not scene.says(
        r".*\b(?:run|runs|ran|execut\w*|invok\w*|call\w*|us(?:e|ed)|start\w*|ask\w*|fail\w*|it)\b"
    ):
        draft.admit("What is asked names no node of the graph; this is about whole executions.")
    draft.say(
        f"{about} ran {count(page.total_count, 'time')}{_span(scene)}, last at "
        f"{page.items[0].started_at}.",
        page.items[0].uri,
        graph_uri(page.items[0].graph_name, "executions"),
    )
    return draft


def _usual(scene: Scene, draft: Draft) -> Draft:
    graph = scene.graph
    if graph is None:
        return nothing_recorded(scene, draft)
    if scene.node is not None:
        took = [one.duration_ms for one in _visits(scene, graph.name, scene.node)]
        what, uri = scene.node, node_uri(graph.name, scene.node)
    else:
        page = scene.store.executions(graph=graph.name, status="completed", limit=HISTORY)
        took = [one.duration_ms for one in page.items]
        what, uri = graph.name, graph_uri(graph.name, "executions")
    known = [value for value in took if value is not None]
    if not known:
        return nothing_recorded(scene, draft)
    asked = [int(found) for found in _PERCENTILE.findall(scene.words)]
    shown = {f"p{q}": round(quantile(known, q / 100), 3) for q in asked or [50, 95, 99]}
    draft.data |= {"latency_ms": shown, "n": len(known), "usual": estimate(known).to_json()}
    told = ", ".join(f"{name} {duration(value)}" for name, value in shown.items())
    draft.say(
        f"{what} takes {duration(median(known))} at the median ({told}), over the last "
        f"{count(len(known), 'visit' if scene.node else 'execution')}.",
        uri,
        graph_uri(graph.name, "metrics"),
    )
    if len(known) < BASELINE_MIN:
        draft.admit(f"With {len(known)} values the high percentiles say little.")
    return draft


def _registered(scene: Scene, graph: RegisteredGraph, draft: Draft) -> Draft:
    """Tell when each version of a graph was compiled first."""
    found = scene.store.graphs(graph.name, all_versions=True)
    found = sorted(found, key=lambda one: one.registered_at)
    uri = graph_uri(graph.name, "versions")
    for one in found:
        _time(draft, f"version {one.version} registered", one.registered_at, uri)
    told = ", ".join(f"{one.version} at {one.registered_at}" for one in found[-ERRORS_TOLD:])
    draft.say(f"{graph.name} has {count(len(found), 'version')}, first compiled: {told}.", uri)
    return draft


def _added(scene: Scene, graph: RegisteredGraph, node: str, draft: Draft) -> Draft:
    """Tell which version of a graph had a node first."""
    found = scene.store.graphs(graph.name, all_versions=True)
    found = sorted(found, key=lambda one: one.registered_at)
    first = next((one for one in found if one.manifest.node(node) is not None), graph)
    uri = graph_uri(graph.name, "versions")
    _time(draft, f"version {first.version} registered", first.registered_at, uri)
    which = "the first version" if first is found[0] else "version"
    draft.say(
        f"{node} is in {graph.name} since {which} {first.version}, compiled first at "
        f"{first.registered_at}.",
        uri,
        node_uri(graph.name, node),
    )
    return draft


def _eta(scene: Scene, draft: Draft) -> Draft:
    choice = choose(scene, status="running")
    waits = choose(scene) if choice is None else None
    if waits is not None and waits.execution.status in interrupts.WAITING:
        draft.say(
            f"{capitalised(waits.words)} waits for a person's answer, so its end cannot be told.",
            waits.execution.uri,
        )
        return draft
    if choice is None:
        last = scene.store.last_execution(graph=scene.scope)
        if last is None:
            return nothing_recorded(scene, draft)
        draft.say(f"Nothing is running; the last execution {being(last)}.", last.uri)
        return draft
    one = choice.execution
    page = scene.store.executions(graph=one.graph_name, status="completed", limit=HISTORY)
    took = [value for past in page.items if (value := past.duration_ms) is not None]
    _time(draft, "started", one.started_at, one.uri)
    at = f" at {one.current_node}" if one.current_node else ""
    draft.say(f"{capitalised(choice.words)} is running{at} since {one.started_at}.", one.uri)
    if not took:
        draft.admit("No execution of this graph has been completed, so its end cannot be told.")
        return draft
    usual = estimate(took)
    started = epoch_ns(one.started_at)
    _time(draft, "expected end", timestamp(started + int(usual.point * 1e6)), one.uri)
    draft.certainty = holds_for_next(usual.n)
    draft.say(
        f"Completed ones took {duration(usual.point)} at the median ({usual.n} of them), so it would "
        f"end about {timestamp(started + int(usual.point * 1e6))}.",
        graph_uri(one.graph_name, "metrics"),
    )
    return draft


def _waiting(scene: Scene, draft: Draft) -> Draft:
    choice = choose(scene, status="waiting_for_input")
    if choice is None:
        choice = choose(scene)
        if choice is None:
            return nothing_recorded(scene, draft)
    types = ("interrupt_raised", "interrupt_resumed", "status_changed")
    found = scene.store.events(choice.execution.execution_id, types=types)
    asked = [
        one for one in found if isinstance(one, events.InterruptRaised | events.InterruptResumed)
    ]
    draft.data["execution_id"] = choice.execution.execution_id
    if not asked:
        draft.say(f"Nothing waits or waited for a person in {choice.words}.", choice.execution.uri)
        return draft
    for one in asked[-ERRORS_TOLD:]:
        is_raised = isinstance(one, events.InterruptRaised)
        _time(draft, "asked" if is_raised else "answered", one.ts, one.uri)
        where = f" in {one.node}" if one.node else ""
        told = "asked for input" if is_raised else "was answered"
        draft.say(
            f"{capitalised(choice.words)} {told}{where} at {one.ts}: {told_value(one.value)}.",
            one.uri,
        )
    return draft


def _time(
    draft: Draft, what: str, ts: str, uri: str, took: float | None = None, *,
    one: Execution | None = None,
) -> None:  # fmt: skip
    shown: dict[str, Any] = {"what": what, "ts": ts, "uri": uri}
    if took is not None:
        shown["duration_ms"] = took
    if one is not None:
        shown |= {"execution_id": one.execution_id, "node": one.error_node}
    draft.data["times"].append(shown)


def _span(scene: Scene) -> str:
    return f" ({scene.window.words})" if scene.window else ""
