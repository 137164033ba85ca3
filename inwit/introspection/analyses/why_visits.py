"""Why did a node run so often: each visit, what led to it, and the values that decided."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from inwit.events import EdgeTaken, Event, InterruptRaised, InterruptResumed, StatusChanged
from inwit.introspection.claims import (
    Draft,
    Ref,
    alike,
    count,
    event_uri,
    graph_uri,
    listed,
    platform_uri,
    short,
    times,
)
from inwit.introspection.lineage import Lead, Place, decision_before, leads, place, writer
from inwit.introspection.quotes import being, decision
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose, names_one
from inwit.runtime.program import START
from inwit.runtime.views import Visit

ALIKE_LEAST = 3
"""Neighbouring visits with the same reason that are told together."""
VISITS_TOLD = 12
"""Visits that the text tells one by one; all are in the data."""
_WORDS = {
    "once": 1, "twice": 2, "thrice": 3, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_SUBJECT = re.compile(
    r"\b(?:did|does|has|was|is)(?: the)?(?: node| step)? ([\w.:-]+) (?:run|ran|get|keep|loop|execute"
    r"|executed|visited|called|repeat|running|looping)\b"
)
_PRONOUNS = frozenset(
    [
        "it",
        "this",
        "that",
        "they",
        "everything",
        "something",
        "execution",
        "graph",
        "run",
        "loop",
        "node",
        "step",
        "one",
        "program",
        "app",
        "agent",
        "flow",
        "we",
        "the",
        "my",
        "a",
        "an",
        "same",
    ]
)
_TIMES = re.compile(rf"\b(\d+|{'|'.join(_WORDS)}) ?(?:times|x\b)|\b(once|twice|thrice)\b")


def explain(scene: Scene) -> Draft:
    """Count a node's visits in the execution that is meant, and say what led to each."""
    draft = Draft()
    asked = asked_count(scene.words)
    if scene.node is None and scene.named("node"):
        draft.admit(f"No graph here has a node {scene.named('node')[0]!r}.")
        return draft
    stranger = _stranger(scene)
    if stranger is not None and scene.graph is not None:
        known = listed(one.name for one in scene.graph.manifest.nodes)
        draft.say(
            f"{scene.graph.name} has no node {stranger!r}; its nodes are {known}.",
            graph_uri(scene.graph.name, "nodes"),
        )
        draft.data |= {"causes": [], "visits": {}}
        return draft
    choice = _choose(scene, scene.node, asked)
    if choice is None:
        return nothing_recorded(scene, draft)
    visits = scene.visits(choice.execution.execution_id)
    node = scene.node or _busiest(visits)
    if node is None:
        draft.say(f"No node was visited in {choice.words}.", choice.execution.uri)
        return draft
    _say_not_the_last(scene, draft, choice, node)
    _tell(draft, choice, node, visits, asked)
    mine = [visit for visit in visits if visit.node == node]
    led = leads(visits)
    _say_visits(scene, draft, mine, led, visits=visits)
    draft.data["decisions"] = [_told(visit, led, visits) for visit in mine]
    draft.data["causes"] = causes(mine, led)
    return draft


def _entry(scene: Scene, execution_id: str, node: str) -> EdgeTaken | None:
    """The decision by which the execution began at a node, where one did."""
    taken = scene.store.events(execution_id, types=("edge_taken",), node=START)
    return next((one for one in taken if isinstance(one, EdgeTaken) and one.target == node), None)


def _stranger(scene: Scene) -> str | None:
    """The word that stands where a node's name would, when it names none."""
    found = _SUBJECT.search(scene.words)
    if scene.nodes or found is None or found[1] in _PRONOUNS or scene.named("graph"):
        return None
    return short(found[1], 60)


def asked_count(words: str) -> int | None:
    """Read how often the question says that it ran."""
    found = _TIMES.search(words)
    if found is None:
        return None
    word = found[1] or found[2]
    return int(word) if word.isdecimal() else _WORDS[word]


def nothing_recorded(scene: Scene, draft: Draft) -> Draft:
    """Say that there is no execution to answer from."""
    about = f" of {scene.scope}" if scene.scope else ""
    thread = next(iter(scene.named("thread")), None)
    about += f" in thread {short(thread, 60)}" if thread else ""
    span = f" from {scene.window.words}" if scene.window else ""
    uri = scene.graph_uri("executions") or platform_uri("project")
    draft.say(f"No execution{about}{span} is on record.", uri)
    draft.data.setdefault("causes", [])
    return draft


def none_now(scene: Scene, draft: Draft, says: str) -> Draft:
    """Say that none is what was asked for now, and how the last one is."""
    last = scene.store.last_execution(graph=scene.scope)
    if last is None:
        return nothing_recorded(scene, draft)
    draft.say(
        f"{says}, {last.execution_id} of {last.graph_name}, {being(last)}.",
        last.uri,
    )
    return draft


def _choose(scene: Scene, node: str | None, asked: int | None) -> Choice | None:
    if node is None or scene.graph is None:
        return choose(scene)
    ran: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for visit in scene.store.recent_visits(scene.graph.name, node=node, executions=HISTORY):
        ran[visit.execution_id] += 1
        attempts[visit.execution_id] += visit.attempts
    words = f"in which {node} ran" + (f" {times(asked)}" if asked else "")
    if asked is None:
        return choose(scene, fits=lambda one: ran[one.execution_id] > 0, fitting=words)
    return choose(
        scene,
        fits=lambda one: asked in (ran[one.execution_id], attempts[one.execution_id]),
        fitting=words,
    )


def _say_not_the_last(scene: Scene, draft: Draft, choice: Choice, node: str) -> None:
    """Say that the last execution, which the question speaks of, did not visit the node."""
    if names_one(scene) or not scene.says(r"(?:last|latest|newest)\b") or scene.named("exec"):
        return
    newest = scene.store.last_execution(graph=choice.execution.graph_name)
    if newest is None or newest.position <= choice.execution.position:
        return
    if any(visit.node == node for visit in scene.visits(newest.execution_id)):
        return
    draft.say(
        f"The last execution of {newest.graph_name}, {newest.execution_id}, did not visit {node}; "
        f"this is about the last one that did.",
        newest.uri,
    )


def _busiest(visits: list[Visit]) -> str | None:
    ran = Counter(visit.node for visit in visits)
    return ran.most_common(1)[0][0] if ran else None


def _tell(draft: Draft, choice: Choice, node: str, visits: list[Visit], asked: int | None) -> None:
    mine = [visit for visit in visits if visit.node == node]
    execution = choice.execution
    attempts = sum(visit.attempts for visit in mine)
    draft.data |= {
        "execution_id": execution.execution_id,
        "visits": {node: len(mine)},
        "attempts": {node: attempts},
        "causes": [],
    }
    often = times(len(mine)) if mine else "not at all"
    text = f"{node} ran {often} in {choice.words}"
    if asked is not None and asked not in (len(mine), attempts):
        text += f", not {times(asked)}"
    if attempts > len(mine):
        text += f", with {attempts} attempts in all because of retries"
    draft.say(
        f"{text}.",
        *(Ref(uri=visit.uri, why=f"visit {visit.visit} of {node}") for visit in mine[:VISITS_TOLD]),
        None if mine else execution.uri,
        None if mine else graph_uri(execution.graph_name, "nodes"),
    )


def _told(visit: Visit, led: dict[Place, list[Lead]], visits: list[Visit]) -> dict[str, Any]:
    led_by = []
    for lead in led[place(visit)]:
        chosen = decision_before(lead, led)
        by = {"decided_by": _told_lead(chosen, visits)} if chosen not in (None, lead) else {}
        led_by.append(_told_lead(lead, visits) | by)
    return {"node": visit.node, "visit": visit.visit, "uri": visit.uri, "led_by": led_by}


def _told_lead(lead: Lead, visits: list[Visit]) -> dict[str, Any]:
    return {
        "node": lead.source.node,
        "visit": lead.source.visit,
        "label": lead.edge.get("label"),
        "read": lead.edge.get("read"),
        "unread": lead.edge.get("unread"),
        "uri": lead.uri,
        "writers": _writers(lead, visits),
    }


def _say_unled(scene: Scene, draft: Draft, visit: Visit) -> None:
    """Tell a visit to which no edge led: an execution began there, or went on there."""
    resumed = _resumed(scene, visit)
    entry = _entry(scene, visit.execution_id, visit.node)
    entered = event_uri(visit.execution_id, visit.entry_seq)
    number = f"Visit {visit.visit}"
    if isinstance(resumed, InterruptResumed):
        answer = short(resumed.value, 120)
        text = f"it was called again after the answer {answer} to its question"
        draft.say(f"{number}: {text}.", resumed.uri, entered)
    elif resumed is not None:
        draft.say(f"{number}: the execution went on there.", resumed.uri, entered)
    elif entry is not None:
        read = decision({"read": entry.read, "unread": entry.unread})
        having = f", having read {read}" if read else ""
        text = f"the execution began there by the decision {entry.label!r}{having}"
        draft.say(f"{number}: {text}.", entry.uri)
    else:
        draft.say(f"{number}: it was where the execution began.", entered)


def _resumed(scene: Scene, visit: Visit) -> Event | None:
    """What the execution went on with, where it did so with this visit: the answer, or nothing."""
    types = ("interrupt_resumed", "status_changed", "interrupt_raised")
    events = [
        e for e in scene.store.events(visit.execution_id, types=types) if e.seq < visit.entry_seq
    ]
    again = [e for e in events if isinstance(e, StatusChanged) and e.status == "running"]
    if not again:
        return None
    asked = {
        e.interrupt_id for e in events if isinstance(e, InterruptRaised) and e.node == visit.node
    }
    answers = [e for e in events if isinstance(e, InterruptResumed) and e.interrupt_id in asked]
    return answers[-1] if answers else again[-1]


def _say_visits(
    scene: Scene, draft: Draft, mine: list[Visit], led: dict[Place, list[Lead]], *,
    visits: list[Visit],
) -> None:  # fmt: skip
    """Tell what led to each visit; neighbours that were led to for the same reason together."""
    told = 0
    for same in alike(mine, key=lambda visit: _reason(visit, led, visits)):
        if told >= VISITS_TOLD:
            draft.admit(f"The other {count(len(mine) - told, 'visit')} are in the data.")
            return
        if not led[place(same[0])]:
            for visit in same:
                _say_unled(scene, draft, visit)
        else:
            _say_led(draft, same, led, visits)
        told += len(same) if len(same) < ALIKE_LEAST else 1


def _reason(visit: Visit, led: dict[Place, list[Lead]], visits: list[Visit]) -> object:
    """What led to a visit, without the numbers of visits in it; a visit that nothing led to is alone."""
    if not led[place(visit)]:
        return visit.visit
    return [re.sub(r"\(visit \d+\)", "", words) for words, _ in _led_by(visit, led, visits)]


def _led_by(
    visit: Visit, led: dict[Place, list[Lead]], visits: list[Visit]
) -> list[tuple[str, list[str]]]:
    found = []
    for lead in led[place(visit)]:
        words, uris = lead_words(lead, visits), [lead.uri or visit.uri]
        chosen = decision_before(lead, led)
        if chosen is not None and chosen is not lead:
            words += f", since {lead_words(chosen, visits)}"
            uris.append(chosen.uri or visit.uri)
        found.append((words, uris))
    return found


def _say_led(
    draft: Draft, same: list[Visit], led: dict[Place, list[Lead]], visits: list[Visit]
) -> None:
    if len(same) < ALIKE_LEAST:
        for visit in same:
            for words, uris in _led_by(visit, led, visits):
                draft.say(f"Visit {visit.visit}: {words}.", *(Ref(uri=uri) for uri in uris))
        return
    refs = [
        Ref(uri=uri) for visit in same for _, uris in _led_by(visit, led, visits) for uri in uris
    ]
    for words, _ in _led_by(same[0], led, visits):
        draft.say(
            f"Visits {same[0].visit} to {same[-1].visit}, each for the same reason: {words}.",
            *refs[:VISITS_TOLD],
        )


def lead_words(lead: Lead, visits: list[Visit]) -> str:
    """Say in words what an edge was taken for."""
    source = f"{lead.source.node} (visit {lead.source.visit})"
    if not lead.is_decision:
        return f"it follows {source}"
    label = lead.edge.get("label")
    if lead.is_command:
        return f"{source} returned Command(goto={str(lead.edge.get('target'))!r})"
    text = f"after {source} the decision"
    text += f" was {short(label, 60)!r}" if label is not None else f" led to {lead.edge['target']}"
    read = decision(lead.edge)
    if read:
        text += f", having read {read}"
    wrote = [
        f"{key} was written by {by['node']} (visit {by['visit']})"
        for key, by in _writers(lead, visits).items()
        if by
    ]
    return f"{text}; {', '.join(wrote)}" if wrote else text


def _writers(lead: Lead, visits: list[Visit]) -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = {}
    for key in lead.edge.get("read") or {}:
        by = writer(visits, key, lead.seq)
        found[key] = {"node": by.node, "visit": by.visit, "uri": by.uri} if by else None
    return found


def _cause(way: Lead) -> tuple[str, str, str]:
    kind = "edge"
    if way.is_decision:
        kind = "command" if way.is_command else "branch_decision"
    return way.source.node, kind, str(way.edge.get("label") or "")


def causes(mine: list[Visit], led: dict[Place, list[Lead]]) -> list[dict[str, Any]]:
    """The decisions that led to the visits, the most frequent first, then retries."""
    chosen: Counter[tuple[str, str, str]] = Counter()
    for visit in mine:
        ways = (decision_before(lead, led) or lead for lead in led[place(visit)])
        chosen.update({_cause(way) for way in ways})
    found: list[dict[str, Any]] = [
        {"node": node, "kind": kind, "label": label, "confirmed": True}
        | {"effect": exactly(number, "visits")}
        for (node, kind, label), number in sorted(
            chosen.items(), key=lambda item: (item[0][1] == "edge", -item[1])
        )
    ]
    again = sum(visit.attempts - 1 for visit in mine)
    if again:
        retried = {"node": mine[0].node, "kind": "retries", "confirmed": True}
        found.append(retried | {"effect": exactly(again, "attempts")})
    return found
