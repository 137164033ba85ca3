"""How often, in what order, and what took longest: figures that are counted from visits.

They are asked for in the words of several intents, so each fills both `values` and `times`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import groupby
from operator import eq, ge, gt, le, lt
from statistics import median

from inwit.events import timestamp
from inwit.introspection import schedule
from inwit.introspection.analyses import runs, threads
from inwit.introspection.analyses.failure_chain import CUT_OFF
from inwit.introspection.analyses.why_visits import asked_count, nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    execution_uri,
    graph_uri,
    listed,
    node_uri,
    short,
    times,
)
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import Choice, choose, names_one, thread_of, with_value
from inwit.runtime.views import Execution, Visit

TOLD = 5
RUNS_TOLD = 40
_RUNS = r"(?:executions?|runs?|invocations?|traces?|threads?)\b"
_TOP = r"(?:slowest|longest|fastest|shortest|quickest|most (?:of the |of its |of my )?time)"
_RANKED_RUNS = rf"(?:{_RUNS}.*{_TOP}|{_TOP}\b.*\b{_RUNS})"
_WITHIN_RUN = (
    rf"{_TOP}.*\b(?:in|of|during) (?:the |this |that |my )?(?:last |latest |previous )?{_RUNS}"
)
_RANKED_GRAPHS = (
    rf"which graphs?\b.*(?:{_TOP}|fail|error|often|most (?:often|executions|runs|failures)|slowest)"
)
_THAN = r"(?:fast|slow|quick|long|short|fail|error|reliable|often|more|less)\w*\b.*\b(?:than|or)\b"
_RANKED_NODES = rf"(?:(?:which|what|where)\b.*{_TOP}|bottle ?necks?|critical path|hot ?spots?)"
_TIME_GOES = (
    r"where (?:does|did|do|is|has) (?:the|all|all the|my|most of the|its) time (?:go|gone|spent)"
)
_ORDER = (
    r"(?:what|which|in what|in which) order\b|(?:order|sequence) (?:of|did|were|in which)"
    r"|(?:what|which) (?:nodes|steps) (?:ran|were (?:run|visited|executed))|(?:what|which) path did"
)
_MOST_FAILED = (
    r"(?:which|what) (?:node|step|stage)s?\b.*(?:fail|error|crash|break|raise|unreliable)\w*\b.*"
    r"(?:most|least|often|frequent)|(?:most|least) (?:unreliable|fragile|flaky|error-prone) (?:node|step)"
)
_MOST_VISITED = (
    r"(?:which|what) (?:node|step|stage)s?\b.*(?:most often|least often|most frequent|more than once"
    r"|(?:ran|run|visited|executed|called)\b.*\b(?:the )?(?:most|least)\b)"
)
_RANKED_COSTS = (
    rf"(?:which|what)\b.*{_RUNS}.*(?:expensive|cheap|costl|cost (?:the )?(?:most|least)"
    r"|(?:most|fewest|least) tokens)|(?:most expensive|costliest|cheapest) (?:execution|run)"
)
_RUNS_LASTING = (
    r"(?:which|what|list|show|how many)\b.*\b(?:executions|runs|invocations)\b.*"
    r"(?:longer|more|over|slower|above|shorter|less|under|faster|below)\b.*\d ?(?:ms|milli|s\b|sec|min)"
)
_WHAT_RAN = (
    r"what (?:ran|happened|was (?:run|executed|done)|has (?:run|happened)|executed|went on)\b"
)
_BRANCHES = (
    r"(?:which|what) (?:branch|way|route|path|decision)\w*\b.*\b(?:most|least|often|usual\w*|common\w*)"
    r"|how often\b.*\b(?:decid\w*|branch\w*|chose\w*)|how (?:are|do|is)\b.*\bdecisions?\b"
)
_THREADS = r"(?:(?:how many|which|what|list|show)\b.*\bthreads?\b|threads are)"
_OFTEN = (
    r"how (?:many times|often|frequently)|how many (?:visits|rounds|iterations|loops|calls|passes)"
    r"|(?:number|count) of (?:times|visits|rounds|iterations)"
)
_TRIES = r"(?:which|what|how many) (?:executions|runs)\b.*(?:retr|tried again)|(?:was|were|is|are) there (?:any |a )?retr(?:y|ies)|(?:was|were|did|get|got)\b.*(?:retried|tried again)|how many (?:retries|attempts|tries)|how often .*(?:retried|tried again)|(?:number|count) of (?:retries|attempts)"
_NOT_COUNTED = r"model|llm|tools?\b|tokens?|usual|typical|interrupt|waiting|will\b"
_RUNS_WHERE = rf"(?:which|what|list|show|find|how many)\b.*{_RUNS}"
_BOUND = re.compile(
    r"\b(more than|over|at least|fewer than|less than|under|at most|exactly|only)\b"
)
_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "more than": gt, "over": gt, "at least": ge, "fewer than": lt, "less than": lt, "under": lt,
    "at most": le, "exactly": eq, "only": eq,
}  # fmt: skip
_FAILS = r"fail|error|crash|exception|raise|timed? ?-?out"


def asked(scene: Scene) -> Draft | None:
    """Answer a question for a figure; None where it asks for none."""
    if scene.says(_RUNS_WHERE) and (by_visits := _by_visits(scene)) is not None:
        return by_visits
    kinds: tuple[tuple[str, Callable[[Scene], Draft]], ...] = (
        (_RANKED_GRAPHS, _graphs),
        (_WITHIN_RUN, _longest_nodes),
        (_RANKED_RUNS, runs.longest), (rf"{_TIME_GOES}|{_RANKED_NODES}", _longest_nodes),
        (_RANKED_COSTS, runs.costliest), (_MOST_FAILED, _most_failed), (_MOST_VISITED, _most_visited), (_ORDER, _order), (_BRANCHES, _branches), (_THREADS, threads.listed_of),
        (_TRIES, _tries), (_OFTEN, _often),
    )  # fmt: skip
    tell = next((tell for said, tell in kinds if scene.says(said)), None)
    if scene.window is not None and scene.node is None and scene.says(_WHAT_RAN):
        return runs.ran_when(scene)
    if tell is runs.costliest:
        return tell(scene)
    if scene.says(_RUNS_LASTING):
        return runs.lasting(scene)
    if len(scene.named("graph")) > 1 and scene.says(_THAN):
        return _graphs(scene)
    if tell is None or scene.says(_NOT_COUNTED):
        return None
    if tell is threads.listed_of and (scene.named("thread") or scene.named("key") or scene.node):
        return None
    if tell is _often and (scene.says(_FAILS) or not _counts_visits(scene)):
        return _failures(scene) if scene.node is not None and scene.says(_FAILS) else None
    return tell(scene)


def _counts_visits(scene: Scene) -> bool:
    return scene.node is not None or scene.says(
        r"how many (?:rounds|iterations|loops|passes|visits)"
    )


def _draft() -> Draft:
    return Draft(data={"values": {}, "times": []})


def _chosen(scene: Scene) -> Choice | None:
    if scene.node is None or scene.graph is None:
        return choose(scene)
    recent = scene.store.recent_visits(scene.graph.name, node=scene.node, executions=HISTORY)
    held = {visit.execution_id for visit in recent}
    return choose(
        scene, fits=lambda one: one.execution_id in held, fitting=f"that visited {scene.node}"
    )


def _often(scene: Scene) -> Draft:
    """Count a node's visits in the execution that is meant, and in all where none is named."""
    draft, choice = _draft(), _chosen(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    ran = Counter(visit.node for visit in scene.visits(one.execution_id))
    node = scene.node
    shown = {node: ran[node]} if node is not None else dict(ran.most_common())
    draft.data |= {"execution_id": one.execution_id, "visits": shown}
    draft.data["values"] = dict(shown)
    if node is None:
        told = listed(f"{name} {times(number)}" for name, number in ran.most_common())
        draft.say(f"In {choice.words} ran {told or 'no node'}.", one.uri)
        return draft
    mine = [visit for visit in scene.visits(one.execution_id) if visit.node == node]
    draft.data["count"] = len(mine)
    draft.say(
        f"{node} ran {times(len(mine)) if mine else 'not at all'} in {choice.words}.",
        *(Ref(uri=visit.uri, why=f"visit {visit.visit} of {node}") for visit in mine[:12]),
        one.uri,
    )
    for visit in mine[:TOLD]:
        _time(draft, visit)
    is_one = names_one(scene) or thread_of(scene) is not None or with_value(scene) is not None
    if not is_one and not scene.says(r"last|latest"):
        _say_altogether(scene, draft, node)
    return draft


def _say_altogether(scene: Scene, draft: Draft, node: str) -> None:
    if scene.graph is None:
        return
    found = scene.store.recent_visits(scene.graph.name, node=node, executions=HISTORY)
    span = scene.window
    if span is not None:
        found = [one for one in found if span.since_ns <= one.started_ns <= span.until_ns]
    held = {visit.execution_id for visit in found}
    draft.data |= {"count": len(found), "executions": len(held)}
    about = f" ({span.words})" if span else f" (of the last {HISTORY})"
    draft.say(
        f"Altogether it ran {times(len(found)) if found else 'not at all'} in "
        f"{count(len(held), 'execution')}{about}.",
        node_uri(scene.graph.name, node),
    )


def _tries(scene: Scene) -> Draft:
    """Count attempts and retries in the execution that is meant, or in all where none is named."""
    is_one = names_one(scene) or thread_of(scene) or scene.says(r"last|latest|previous|this\b|it\b")
    if scene.node is None and not is_one:
        return _tries_of_all(scene)
    draft, choice = _draft(), _chosen(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    visits = [v for v in scene.visits(one.execution_id) if scene.node in (None, v.node)]
    again = [visit for visit in visits if visit.attempts > 1]
    retries = sum(visit.attempts - 1 for visit in visits)
    attempts = sum(visit.attempts for visit in visits)
    draft.data |= {"execution_id": one.execution_id}
    draft.data["values"] = {"retries": retries, "attempts": attempts, "visits": len(visits)}
    who = scene.node or "A node"
    told = (
        f"{who} was tried again {times(retries)}"
        if retries
        else f"{scene.node or 'No node'} was {'not ' if scene.node else ''}tried again"
    )
    draft.say(
        f"{told} in {choice.words}: {count(attempts, 'attempt')} in {count(len(visits), 'visit')}.",
        *(Ref(uri=visit.uri, why=f"{visit.attempts} attempts") for visit in again[:TOLD]),
        one.uri,
    )
    return draft


def _tries_of_all(scene: Scene) -> Draft:
    """Sum the retries of the recorded executions."""
    draft, span = _draft(), scene.window
    found = scene.store.executions(
        graph=scene.scope, since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=HISTORY,
    ).items  # fmt: skip
    if not found:
        return nothing_recorded(scene, draft)
    again = [one for one in found if one.retries]
    retries = sum(one.retries for one in again)
    draft.data["values"] = {"retries": retries, "executions": len(found)}
    about = f" of {scene.scope}" if scene.scope else ""
    named = listed((f"{one.execution_id} ({one.retries})" for one in again), most=TOLD)
    told = (
        f"{count(retries, 'retry', 'retries')}, in {count(len(again), 'execution')}: {named}"
        if retries
        else "no retry"
    )
    draft.say(
        f"The last {count(len(found), 'execution')}{about} had {told}.",
        *(Ref(uri=one.uri, why=f"{one.retries} retries") for one in again[:TOLD]),
        graph_uri(scene.scope or found[0].graph_name, "executions"),
    )
    return draft


def _by_visits(scene: Scene) -> Draft | None:
    """Find the executions in which a node ran as often as the question says."""
    bound = _BOUND.search(scene.plain_words)
    number = asked_count(scene.plain_words)
    node, graph = scene.node, scene.graph
    if bound is None or number is None or node is None or graph is None:
        return None
    draft = _draft()
    ran: dict[str, int] = defaultdict(int)
    for visit in scene.store.recent_visits(graph.name, node=node, executions=HISTORY):
        ran[visit.execution_id] += 1
    found = scene.store.executions(graph=graph.name, limit=HISTORY).items
    fits = _BOUNDS[bound[1]]
    mine = [one for one in found if fits(ran[one.execution_id], number)]
    draft.data["values"] = {
        "executions": [{"execution_id": o.execution_id, "visits": ran[o.execution_id]} for o in mine],
        "total_count": len(mine),
    }  # fmt: skip
    told = listed((f"{o.execution_id} ({times(ran[o.execution_id])})" for o in mine), most=TOLD)
    draft.say(
        f"{node} ran {bound[1]} {times(number)} in {len(mine)} of the last "
        f"{count(len(found), 'execution')} of {graph.name}{': ' + told if told else ''}.",
        *(one.uri for one in mine[:TOLD]),
        graph_uri(graph.name, "executions"),
    )
    return draft


def _failures(scene: Scene) -> Draft:
    """Count the executions in which a node failed."""
    draft, node, graph = _draft(), scene.node, scene.graph
    if node is None or graph is None:
        return nothing_recorded(scene, draft)
    recent = scene.store.recent_visits(graph.name, node=node, executions=HISTORY)
    if not recent:
        return nothing_recorded(scene, draft)
    held = {visit.execution_id for visit in recent}
    bad = [visit for visit in recent if visit.status == "failed"]
    failed = {visit.execution_id for visit in bad}
    draft.data["values"] = {
        "failed": len(failed), "executions": len(held), "failure_rate": len(failed) / len(held),
    }  # fmt: skip
    draft.say(
        f"{node} failed in {len(failed)} of the last {count(len(held), 'execution')} that visited "
        f"it, {len(failed) / len(held):.1%}.",
        *(Ref(uri=visit.uri, why="a visit that failed") for visit in bad[:TOLD]),
        node_uri(graph.name, node),
    )
    own = [visit for visit in bad if visit.error is None or visit.error.type != CUT_OFF]
    kinds = Counter(failed_with(visit.error) for visit in own)
    if kinds:
        draft.data["errors"] = dict(kinds)
        told = listed(
            f"{short(kind, 160)} ({times(number)})" for kind, number in kinds.most_common(TOLD)
        )
        draft.say(f"It raised {told}.", *(visit.uri for visit in bad[:TOLD]))
    for visit in bad[:TOLD]:
        _time(draft, visit)
    return draft


def failure_rate(scene: Scene) -> Draft:
    """Tell how often the named node fails."""
    return _failures(scene)


def _order(scene: Scene) -> Draft:
    """Tell the visits of an execution in the order in which they began."""
    draft, choice = _draft(), choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    visits = scene.visits(one.execution_id)
    draft.data |= {"execution_id": one.execution_id, "order": [visit.node for visit in visits]}
    draft.data["values"] = {"order": draft.data["order"]}
    for visit in visits:
        _time(draft, visit)
    grouped = [(name, len(list(same))) for name, same in groupby(visit.node for visit in visits)]
    told = [name if number == 1 else f"{name} ×{number}" for name, number in grouped[:RUNS_TOLD]]
    more = f", and {len(grouped) - RUNS_TOLD} more in the data" if len(grouped) > RUNS_TOLD else ""
    draft.say(
        f"In {choice.words} these began one after another: {', '.join(told) or 'no node'}{more}.",
        execution_uri(one.execution_id, "history"),
    )
    return draft


def _most_visited(scene: Scene) -> Draft:
    """Rank nodes by how often they ran: in one execution, or in all that are recorded."""
    draft, graph = _draft(), scene.graph
    if graph is None:
        return nothing_recorded(scene, draft)
    choice = choose(scene)
    is_one = names_one(scene) or thread_of(scene) or scene.says(rf"(?:last|latest) {_RUNS}")
    if is_one and choice is not None:
        found, where = scene.visits(choice.execution.execution_id), choice.words
        uri = execution_uri(choice.execution.execution_id, "history")
    else:
        found = scene.store.recent_visits(graph.name, executions=HISTORY)
        number = len({visit.execution_id for visit in found})
        where = f"the last {count(number, 'execution')} of {graph.name}"
        uri = graph_uri(graph.name, "metrics")
    ran = Counter(visit.node for visit in found)
    if not ran:
        return nothing_recorded(scene, draft)
    ranked = sorted(
        ran, key=lambda name: (ran[name] if scene.says(r"\w.*least") else -ran[name], name)
    )
    draft.data["values"] = {name: ran[name] for name in ranked}
    told = listed((f"{name} {times(ran[name])}" for name in ranked), most=TOLD * 2)
    draft.say(f"In {where} there were {count(len(found), 'visit')}: {told}.", uri)
    return draft


def _branches(scene: Scene) -> Draft:
    """Count the ways that decisions took over the last executions."""
    draft, graph = _draft(), scene.graph
    if graph is None:
        return nothing_recorded(scene, draft)
    visits = scene.store.recent_visits(graph.name, node=scene.node, executions=HISTORY)
    taken: dict[str, Counter[str]] = defaultdict(Counter)
    for visit in visits:
        for edge in visit.edges:
            if edge.get("conditional"):
                taken[visit.node][label_of(str(edge.get("target")))] += 1
    draft.data["values"] = {node: dict(ways) for node, ways in taken.items()}
    uri = graph_uri(graph.name, "executions")
    if not taken:
        draft.say(f"No decision of {graph.name} is on record.", uri)
    for node, ways in taken.items():
        whole = sum(ways.values())
        told = listed(f"{way} {times(n)} ({n / whole:.0%})" for way, n in ways.most_common())
        draft.say(f"After {node} the way led to {told}.", node_uri(graph.name, node), uri)
    return draft


def _most_failed(scene: Scene) -> Draft:
    """Rank nodes by how many of their visits failed or were tried again."""
    draft, graph = _draft(), scene.graph
    if graph is None:
        return nothing_recorded(scene, draft)
    found = scene.store.recent_visits(graph.name, executions=HISTORY)
    ran = Counter(visit.node for visit in found)
    failed = Counter(visit.node for visit in found if visit.status == "failed")
    again = Counter(visit.node for visit in found if visit.attempts > 1)
    if not ran:
        return nothing_recorded(scene, draft)
    draft.data["values"] = {
        name: {"failed": failed[name], "tried_again": again[name], "visits": ran[name]}
        for name in sorted(ran, key=lambda name: (-failed[name], -again[name], name))
        if failed[name] or again[name]
    }
    metrics = graph_uri(graph.name, "metrics")
    if not draft.data["values"]:
        draft.say(f"No node of {graph.name} failed in {count(len(found), 'visit')}.", metrics)
    for name, one in list(draft.data["values"].items())[:TOLD]:
        again_too = f", and was tried again in {one['tried_again']}" if one["tried_again"] else ""
        draft.say(
            f"{name} failed in {one['failed']} of {count(one['visits'], 'visit')}{again_too}.",
            node_uri(graph.name, name),
            metrics,
        )
    return draft


def _graphs(scene: Scene) -> Draft:
    """Compare the project's graphs by their executions, failures and durations."""
    draft, rows = _draft(), []
    wanted = scene.named("graph")
    for graph in scene.graphs:
        if len(wanted) > 1 and graph.name not in wanted:
            continue
        page = scene.store.executions(graph=graph.name, limit=HISTORY)
        took = [ms for one in page.items if (ms := one.duration_ms) is not None]
        failed = sum(one.status == "failed" for one in page.items)
        if page.items:
            rows.append((graph.name, len(page.items), failed, median(took) if took else 0.0))
    if not rows:
        return nothing_recorded(scene, draft)
    by = 1 if scene.says(r"fail|error") else 2 if scene.says(_TOP) else 0
    least = scene.says(r"fastest|shortest|quickest|least|fewest")
    rows.sort(key=lambda row: (row[1], row[2], row[3])[by], reverse=not least)
    for name, number, failed, ms in rows:
        draft.data["values"][name] = {"executions": number, "failed": failed, "median_ms": ms}
        draft.say(
            f"{name}: {count(number, 'execution')}, {failed} of them failed, {duration(ms)} at the "
            f"median.",
            graph_uri(name, "executions"),
        )
    return draft


def _longest_nodes(scene: Scene) -> Draft:
    """Rank nodes by their time on the critical path: of one execution, or usually."""
    draft, choice = _draft(), choose(scene, fits=lambda one: one.duration_ms is not None)
    if choice is None:
        return nothing_recorded(scene, draft)
    is_one = (
        names_one(scene) or thread_of(scene) or scene.says(rf"(?:last|latest|previous) {_RUNS}")
    )
    if is_one:
        pairs = [(choice.execution, scene.visits(choice.execution.execution_id))]
    else:
        pairs = scene.history(choice.execution.graph_name, None)
    pairs = pairs or [(choice.execution, scene.visits(choice.execution.execution_id))]
    took, own = _on_paths(pairs)
    ranked = sorted(took, key=lambda name: -median(took[name]))
    draft.data["values"] = {name: round(median(took[name]), 4) for name in ranked}
    draft.data["execution_id"] = choice.execution.execution_id
    where = (
        choice.words if is_one else f"{count(len(pairs), 'execution')} of {pairs[0][0].graph_name}"
    )
    how = "" if is_one else " at the median"
    told = listed((f"{name} {duration(median(took[name]))}" for name in ranked), most=8)
    uri = execution_uri(choice.execution.execution_id, "history")
    metrics = graph_uri(pairs[0][0].graph_name, "metrics")
    draft.say(
        f"On the critical path of {where} the time goes to {told or 'no node'}{how}.", uri, metrics
    )
    off = sorted((name for name in own if name not in took), key=lambda name: -median(own[name]))
    if off:
        told = listed((f"{name} ({duration(median(own[name]))})" for name in off), most=8)
        draft.say(f"Off the critical path, so that they delay nothing: {told}.", uri, metrics)
    draft.data["off_path"] = {name: round(median(own[name]), 4) for name in off}
    return draft


def _on_paths(
    pairs: list[tuple[Execution, list[Visit]]],
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The times of nodes on the critical paths, and of all their visits, by execution."""
    took: dict[str, list[float]] = defaultdict(list)
    own: dict[str, list[float]] = defaultdict(list)
    for one, visits in pairs:
        on_path: dict[str, float] = defaultdict(float)
        for task in schedule.build(one, visits).critical_path():
            on_path[task.visit.node] += task.duration
        whole: dict[str, float] = defaultdict(float)
        for visit in visits:
            whole[visit.node] += visit.duration_ms or 0.0
        for node, ms in on_path.items():
            took[node].append(ms)
        for node, ms in whole.items():
            own[node].append(ms)
    return took, own


def _time(draft: Draft, visit: Visit) -> None:
    shown = {"what": f"visit {visit.visit} of {visit.node}", "ts": timestamp(visit.started_ns)}
    shown |= {"uri": visit.uri, "node": visit.node}
    took = {} if visit.duration_ms is None else {"duration_ms": visit.duration_ms}
    draft.data["times"].append(shown | took)
