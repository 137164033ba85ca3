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
from inwit.introspection.analyses import grouped, nodes_ranked, runs, threads, time_shares
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
from inwit.introspection.stats import LEVEL, share_interval
from inwit.introspection.which import Choice, choose, names_one, thread_of, with_value
from inwit.runtime.views import Visit

TOLD = 5
RUNS_TOLD = 40
_RUNS = r"(?:executions?|runs?|invocations?|traces?|threads?)\b"
_TOP = r"(?:slowest|longest|fastest|shortest|quickest|most (?:of the |of its |of my )?time)"
_RANKED_RUNS = rf"(?:{_RUNS}.*{_TOP}|{_TOP}\b.*\b{_RUNS})"
_RANKED_THINGS = re.compile(
    r"^\W*(?:which|what) (?P<what>[a-z]\w+) (?:was|were|is|are|ran|took|takes?|lasted) (?:the |our )?(?:slow|long|fast|quick|short)est\b"
)
"""What executions are about, by any noun: "which dig was slowest"."""
_PARTS = ("node", "nodes", "step", "steps", "stage", "stages", "part", "parts", "tool", "tools", "model",
          "models", "llm", "graph", "graphs", "workflow", "workflows", "pipeline", "agent", "agents", "branch",
          "way", "call", "calls", "package", "version", "thread", "function", "one", "execution", "executions", "run", "runs", "invocation")  # fmt: skip
_WITHIN_RUN = (
    rf"{_TOP}.*\b(?:in|of|during) (?:the |this |that |my )?(?:last |latest |previous )?{_RUNS}"
)
_DEAR = r"(?:costs?|(?:most |least )?expensive|costl\w+|cheap\w*|priciest|dearest|tokens?|money|spen[dt]s?)\b"
_UNSTEADY = r"flakiest|worst|shakiest|least (?:reliable|stable)|most (?:fragile|unreliable)"
_RANKED_GRAPHS = (
    rf"which (?:of (?:my|our|the|these) )?(?:graph|workflow|pipeline|agent)s?\b.*(?:{_TOP}|fail|error|often|most (?:often|executions|runs|failures)|slowest|busiest|{_UNSTEADY}|{_DEAR})"
    r"|which (?:of (?:my|our|the|these) )?(?:graph|workflow|pipeline|agent)s?\b.*\b(?:ran|runs?|used|called|executed)\b.*\b(?:most|least)\b"
    r"|how (?:many|often|long|much)\b.*\b(?:per|by|each|every|of every) (?:graph|workflow|pipeline|agent)\b"
    rf"|what(?: is|'s| was) (?:the |our |my )?(?:{_TOP}|{_DEAR}|worst|flakiest|busiest|most \w+|least \w+) (?:graph|workflow|pipeline)\b"
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
_RANKED_COSTS = (
    rf"(?:which|what)\b.*{_RUNS}.*(?:expensive|cheap|costl|cost (?:the )?(?:most|least)"
    r"|(?:most|fewest|least) tokens)|(?:most expensive|costliest|cheapest) (?:execution|run)"
)
_RUNS_LASTING = (
    r"(?:which|what|list|show|how many)\b.*\b(?:executions|runs|invocations)\b.*"
    r"(?:longer|more|over|slower|above|shorter|less|under|faster|below)\b.*\d ?(?:ms|milli|s\b|sec|min)"
)
_WHAT_RAN = (
    r"what (?:ran|happened|was (?:run|executed|done)|has (?:run|happened)|executed|went on|did (?:we|i|they|it) (?:do|run|miss))\b"
    r"|summar\w+|sum (?:it |things |everything |this |that )?up\b|recap\w*|round ?up|overview|report\b|digest of"
    r"|how (?:did|was|has|is|were) (?:\w+ ){0,3}(?:today|yesterday|morning|afternoon|evening|night|day|week|month|hours?|it go|things go|everything go)\b"
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
_TRIES = r"(?:which|what|how many) (?:executions|runs)\b.*(?:retr|tried again)|(?:was|were|is|are) there (?:any |a )?retr(?:y|ies)|(?:was|were|did|get|got)\b.*(?:retried|tried again)|how many (?:retries|attempts|tries)|how often .*(?:retried|tried again|(?:second|another|further) (?:try|attempt))|(?:number|count) of (?:retries|attempts)"
_SHARE = (
    r"(?:share|percent\w*|fraction|proportion|ratio)\b|how many\b.*\b(?:reach\w*|visit\w*|pass\w*"
    r"|(?:get|gets|got|go|goes|went|came|come) (?:to|through|into)|end(?:s|ed)? (?:up )?(?:in|at|with))\b"
)
_SHARE_OF_TIME = r"(?:share|percent\w*|fraction|proportion|portion|part|how much) of (?:the |its |all |all the |our |my |total |whole |run |running )*(?:time|duration|latency)\b"
_CAME_TO = r".*\b(?:went|goes|go|got|came|come|comes|led|sent|ended|ended up) (?:to|into|at|in|through|by)\W*$"
_NO_VISIT = r"times?\b|duration|spent|spend|token|cost|money|retr|attempt|wait|cache"
_ONE = r"last|latest|previous|this\b|it\b"
"""One execution is meant, although none is named."""
_NOT_COUNTED = r"model|llm|tools?\b|tokens?|usual|typical|interrupt|waiting|will\b"
_RUNS_WHERE = rf"(?:which|what|list|show|find|how many)\b.*{_RUNS}"
_BOUND = re.compile(
    r"\b(more than|over|at least|fewer than|less than|under|at most|exactly|only)\b"
)
_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "more than": gt, "over": gt, "at least": ge, "fewer than": lt, "less than": lt, "under": lt,
    "at most": le, "exactly": eq, "only": eq,
}  # fmt: skip
_TRUST = (
    r"trust\b|(?:can|could|may|should|do) (?:i|we|you|one|they) (?:\w+ )?(?:rely|depend|count) on\b|.*\b(?:flaky|dependable|trustworthy|unreliable|reliable|reliability)\b"
    r"|.*\b(?:ever|sometimes)\b.*\bfail|.*\bfail\w* (?:ever|sometimes)\b"
)
"""Words of a question for how far a node can be relied on."""
_ROUND = re.compile(
    r"\b(?:(second|third|fourth) (?:round|visit|time|pass|try|attempt|turn|iteration)|(more than once|again|twice))\b"
)
_ROUNDS = {"second": 2, "third": 3, "fourth": 4}
_FAILS = r"fail|error|crash|exception|raise|timed? ?-?out"


RANKED_NODES: tuple[tuple[str, Callable[[Scene], Draft]], ...] = (
    (nodes_ranked.MOST_RETRIED, nodes_ranked.retried),
    (nodes_ranked.MOST_FAILED, nodes_ranked.failing),
    (nodes_ranked.MOST_VISITED, nodes_ranked.visited),
)


def asked(scene: Scene) -> Draft | None:
    """Answer a question for a figure; None where it asks for none."""
    if scene.says(_RUNS_WHERE) and (by_visits := _by_visits(scene)) is not None:
        return by_visits
    if scene.node is not None and scene.says(_SHARE) and not scene.says(_NO_VISIT):
        return _failures(scene) if scene.says(_FAILS) else _reached(scene)
    if is_of_trust(scene):
        return _failures(scene)
    if _tells_way(scene):
        return _reached(scene)
    if ranks_things(scene):
        return runs.costliest(scene) if scene.says(rf".*{_DEAR}") else runs.longest(scene)
    kinds: tuple[tuple[str, Callable[[Scene], Draft]], ...] = (
        (_RANKED_GRAPHS, _graphs),
        (_WITHIN_RUN, time_shares.told),
        (_RANKED_RUNS, runs.longest), (rf"{_TIME_GOES}|{_RANKED_NODES}", time_shares.told),
        (_RANKED_COSTS, runs.costliest), *RANKED_NODES, (_ORDER, _order), (_BRANCHES, _branches), (_THREADS, threads.listed_of),
        (_TRIES, _tries), (_SHARE_OF_TIME, time_shares.told), (_OFTEN, _often),
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


def is_of_trust(scene: Scene) -> bool:
    """Whether a question asks how far a node can be relied on."""
    return (
        scene.says(_TRUST)
        and scene.graph_or_none is not None
        and scene.node is not None
        and not scene.says(r"why|how (?:can|do|could)")
    )


def ranks_things(scene: Scene) -> bool:
    """Whether what a graph works on is to be ranked: "the slowest three invoices"."""
    top = rf"(?:{_TOP}|costliest|priciest|cheapest|(?:most|least) expensive)"
    few = r"(?:\d+ |few |two |three |four |five |ten )?"
    if (said := _RANKED_THINGS.search(scene.plain_words)) and said["what"] not in _PARTS:
        return not grouped.is_asked(scene)
    return any(
        one.kind == "graph"
        and re.search(rf"\b(?:{top} {few}|{few}{top} ){re.escape(one.text.lower())}", scene.words)
        and one.text.lower().endswith("s")
        for one in scene.query.entities
    )


def _tells_way(scene: Scene) -> bool:
    """Whether executions are asked for that came to a node, by its participle: "how many were parked"."""
    if not scene.says(r"^\W*(?:how many|which|what|list|show|name)\b(?!.*\b(?:nodes?|steps?)\b)"):
        return False
    if scene.node is not None and scene.says(_CAME_TO):
        return True
    return any(
        one.kind == "node" and re.search(rf"\b(?:was|were|got|get|been|be|are|is)(?: \w+ly)? {re.escape(one.text.lower())}\b", scene.words)
        and one.text.lower() != one.value.lower() and one.text.lower().endswith("ed")
        for one in scene.query.entities
    )  # fmt: skip


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
    found, span = scene.recent_visits(scene.graph.name, node), scene.window
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
    is_one = names_one(scene) or thread_of(scene) or scene.says(_ONE)
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
    if scene.node is not None and not is_one:
        _say_retried_altogether(scene, draft, scene.node)
    return draft


def _say_retried_altogether(scene: Scene, draft: Draft, node: str) -> None:
    if scene.graph is None:
        return
    found = scene.store.recent_visits(scene.graph.name, node=node, executions=HISTORY)
    again = [visit for visit in found if visit.attempts > 1]
    retries = sum(visit.attempts - 1 for visit in again)
    draft.data["values"]["retries_altogether"] = retries
    draft.say(
        f"Altogether it was {f'tried again {times(retries)}' if retries else 'not tried again'} in "
        f"{count(len(found), 'visit')} (of the last {HISTORY} executions).",
        *(Ref(uri=visit.uri, why=f"{visit.attempts} attempts") for visit in again[:TOLD]),
        node_uri(scene.graph.name, node),
    )


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
    low, high = share_interval(len(failed), len(held))
    draft.data["values"] |= {"low": round(low, 4), "high": round(high, 4)}
    draft.say(
        f"If others fail as these did, {low:.1%} to {high:.1%} of them do ({LEVEL:.0%} interval).",
        node_uri(graph.name, node),
    )
    again = [visit for visit in recent if visit.attempts > 1]
    if again:
        draft.data["values"]["tried_again"] = len(again)
        draft.say(
            f"It was tried again in {len(again)} of {count(len(recent), 'visit')}.",
            *(Ref(uri=visit.uri, why=f"{visit.attempts} attempts") for visit in again[:TOLD]),
        )
    kinds = Counter(failed_with(visit.error) for visit in bad)
    if (
        len(kinds) > TOLD and kinds.most_common(1)[0][1] == 1
    ):  # each has its own words: tell the classes
        of_class = Counter(visit.error.type if visit.error else "an error" for visit in bad)
        draft.data["errors"] = dict(of_class)
        told = listed(
            f"{short(kind, 80)} {times(number)}" for kind, number in of_class.most_common(TOLD)
        )
        draft.say(
            f"It raised {told}, last {failed_with(bad[-1].error)}.",
            *(visit.uri for visit in bad[-TOLD:]),
        )
    elif kinds:
        draft.data["errors"] = dict(kinds)
        told = listed(
            f"{short(kind, 160)} ({times(number)})" for kind, number in kinds.most_common(TOLD)
        )
        draft.say(f"It raised {told}.", *(visit.uri for visit in bad[:TOLD]))
    for visit in bad[:TOLD]:
        _time(draft, visit)
    return draft


def _reached(scene: Scene) -> Draft:
    """Tell the share of the last executions that came to a node."""
    draft, node, graph = _draft(), scene.node, scene.graph
    if node is None or graph is None:
        return nothing_recorded(scene, draft)
    span = scene.window
    found = scene.store.executions(
        graph=graph.name, since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=HISTORY,
    ).items  # fmt: skip
    if not found:
        return nothing_recorded(scene, draft)
    said = _ROUND.search(scene.plain_words)
    least = 1 if said is None else _ROUNDS.get(said[1] or "", 2)
    came = [one for one in found
            if sum(visit.node == node for visit in scene.store.visits_of(one)) >= least]  # fmt: skip
    share = len(came) / len(found)
    often = "" if least == 1 else f" at least {times(least)}"
    draft.data["values"] = {"reached": len(came), "executions": len(found), "share": share}
    draft.say(
        f"{len(came)} of the last {count(len(found), 'execution')} of {graph.name} came to {node}{often}, "
        f"{share:.1%}.",
        *(Ref(uri=one.uri, why=f"visited {node}") for one in came[:TOLD]),
        graph_uri(graph.name, "executions"),
    )
    if came and scene.says(r"^\W*(?:which|list|show|name)\b"):
        draft.data["values"]["which"] = [one.execution_id for one in came]
        named = listed(one.execution_id for one in came)
        draft.say(f"They are {named}.", *(one.uri for one in came[:TOLD]))
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


def _graphs(scene: Scene) -> Draft:
    """Compare the project's graphs by their executions, failures, durations and costs."""
    draft, rows = _draft(), []
    wanted = scene.named("graph")
    for graph in scene.graphs:
        if len(wanted) > 1 and graph.name not in wanted:
            continue
        page = scene.store.executions(graph=graph.name, limit=HISTORY)
        took = [ms for one in page.items if (ms := one.duration_ms) is not None]
        failed = sum(one.status == "failed" for one in page.items)
        spent = sum(one.cost_usd or 0.0 for one in page.items)
        tokens = sum(one.input_tokens + one.output_tokens for one in page.items)
        if page.items:
            middle = median(took) if took else 0.0
            rows.append((graph.name, len(page.items), failed, middle, spent, tokens))
    if not rows:
        return nothing_recorded(scene, draft)
    is_of_cost = scene.says(_DEAR)
    money = 5 if scene.says(r"tokens?\b") or not any(row[4] for row in rows) else 4
    by = (
        money
        if is_of_cost
        else 2
        if scene.says(rf"fail|error|{_UNSTEADY}")
        else 3
        if scene.says(_TOP)
        else 1
    )
    least = scene.says(r"fastest|shortest|quickest|least|fewest|cheapest")
    rows.sort(key=lambda row: row[by], reverse=not least)
    for name, number, failed, ms, spent, tokens in rows:
        draft.data["values"][name] = {"executions": number, "failed": failed, "median_ms": ms}
        paid = f"{tokens:,} tokens and ${spent:.6f} in all" if tokens else "no model call"
        cost = f", {paid}" if is_of_cost else ""
        draft.data["values"][name] |= {"tokens": tokens, "cost_usd": spent} if is_of_cost else {}
        draft.say(
            f"{name}: {count(number, 'execution')}, {failed} of them failed, {duration(ms)} at the "
            f"median{cost}.",
            graph_uri(name, "executions"),
        )
    return draft


def _time(draft: Draft, visit: Visit) -> None:
    shown = {"what": f"visit {visit.visit} of {visit.node}", "ts": timestamp(visit.started_ns)}
    shown |= {"uri": visit.uri, "node": visit.node}
    took = {} if visit.duration_ms is None else {"duration_ms": visit.duration_ms}
    draft.data["times"].append(shown | took)
