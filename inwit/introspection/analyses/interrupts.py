"""Waiting for a person: what waits, why, what it asks, what was answered and what followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inwit.events import (
    EdgeTaken,
    InterruptRaised,
    InterruptResumed,
    Status,
    StatusChanged,
    epoch_ns,
)
from inwit.introspection.analyses.why_visits import lead_words, none_now, nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.claims import (
    Draft,
    Ref,
    capitalised,
    count,
    duration,
    graph_uri,
    listed,
    node_uri,
    quoted,
    short,
    times,
)
from inwit.introspection.lineage import decisions, leads
from inwit.introspection.quotes import being
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose, names_one, thread_of
from inwit.runtime.program import END
from inwit.runtime.views import Execution, Visit

LISTED = 10
VISITS_TOLD = 12
WAITING: tuple[Status, ...] = ("waiting_for_input", "paused")
_EVENTS = ("interrupt_raised", "interrupt_resumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an execution asked a person, and the answer if there is one."""

    raised: InterruptRaised
    resumed: InterruptResumed | None

    @property
    def text(self) -> str:
        """The question as it is quoted: what an approval asks, or the value."""
        value = self.raised.value
        if isinstance(value, dict) and "question" in value:
            risk = f", at {value['risk']} risk" if "risk" in value else ""
            return f"{short(value['question'], 200)!r}{risk}"
        return repr(value) if not isinstance(value, str) else repr(short(value, 200))

    def to_json(self) -> dict[str, Any]:
        """As an answer's data shows it."""
        shown = {
            "interrupt_id": self.raised.interrupt_id,
            "node": self.raised.node,
            "visit": self.raised.visit,
            "value": self.raised.value,
            "raised_at": self.raised.ts,
            "uri": self.raised.uri,
        }
        if self.resumed is not None:
            shown |= {"answer": self.resumed.value, "answered_at": self.resumed.ts}
        return shown


def questions(scene: Scene, execution_id: str) -> list[Question]:
    """Every question of an execution in the order in which they were asked.

    A question that is asked again under the same id, by another call of its node, counts once.
    """
    found = scene.store.events(execution_id, types=_EVENTS)
    answers = {one.interrupt_id: one for one in found if isinstance(one, InterruptResumed)}
    raised = {one.interrupt_id: one for one in found if isinstance(one, InterruptRaised)}
    return [Question(raised=one, resumed=answers.get(key)) for key, one in raised.items()]


def asks_any(scene: Scene) -> bool:
    """Whether the execution that is meant asked a person anything."""
    choice = _choose_asked(scene)
    return choice is not None and bool(questions(scene, choice.execution.execution_id))


def waiting(scene: Scene) -> Draft:
    """List the executions that wait for a person, with what each asks."""
    draft = Draft(data={"values": {}})
    found = _waiting(scene)
    shown = found[:LISTED]
    asked = {one.execution_id: _open(scene, one) for one in shown}
    draft.data["values"] = {
        "active_count": len(found),
        "executions": [
            {
                "execution_id": one.execution_id, "graph_name": one.graph_name,
                "status": one.status, "current_node": one.current_node,
                "thread_id": one.thread_id, "started_at": one.started_at,
                "interrupts": [question.to_json() for question in asked[one.execution_id]],
            }
            for one in shown
        ],
    }  # fmt: skip
    about = f" of {scene.scope}" if scene.scope else ""
    if not found:
        says = f"No execution{about} waits for a person now; the last"
        return none_now(scene, draft, says)
    verb = "waits" if len(found) == 1 else "wait"
    draft.say(
        f"{count(len(found), 'execution')}{about} {verb} for a person now.",
        *(Ref(uri=one.uri, why=one.status) for one in shown),
    )
    for one in shown:
        _say_waiting(draft, one, asked[one.execution_id])
    first = shown[0]
    draft.say(
        f"It is answered by `inwit executions resume {first.execution_id} --value …`, or by "
        f"Command(resume=…) in thread {short(first.thread_id or first.execution_id, 80)}.",
        first.uri,
    )
    return draft


def why(scene: Scene) -> Draft | None:
    """Say what an execution waits for; None where the one that is meant does not wait."""
    choice = _choose_waiting(scene)
    if choice is None:
        return None
    draft = Draft(data={"causes": []})
    one = choice.execution
    draft.data |= {"execution_id": one.execution_id, "status": one.status}
    asked = _open(scene, one)
    stopped = _stopped(scene, one)
    if not asked:
        ahead = _before(scene, one)
        before = f" before {listed(ahead)}" if ahead else ""
        draft.say(
            f"{capitalised(choice.words)} {being(one)}{before}: nobody is asked anything, it was to "
            f"stop there.",
            stopped or one.uri,
        )
        draft.data["causes"] = [_cause(node, one.status, 1) for node in ahead or [""]]
        return draft
    draft.say(f"{capitalised(choice.words)} waits for a person's answer.", stopped or one.uri)
    visits = scene.visits(one.execution_id)
    for question in asked:
        _say_raised(draft, question, visits)
    thread = f" in thread {one.thread_id}" if one.thread_id else ""
    draft.admit(f"It goes on when Command(resume=...) is given to {one.graph_name}{thread}.")
    nodes = dict.fromkeys(str(question.raised.node) for question in asked)
    draft.data["causes"] = [
        _cause(node, "interrupt", sum(question.raised.node == node for question in asked))
        for node in nodes
    ]
    draft.data["interrupts"] = [question.to_json() for question in asked]
    return draft


def question(scene: Scene) -> Draft:
    """Tell what an execution asks, or what the last one to ask had asked."""
    draft = Draft(data={"values": {}})
    choice = _choose_waiting(scene) or _choose_asked(scene)
    if choice is None:
        return _never_asked(scene, draft)
    asked = _open(scene, choice.execution) or questions(scene, choice.execution.execution_id)
    draft.data |= {"execution_id": choice.execution.execution_id}
    draft.data["interrupts"] = [one.to_json() for one in asked]
    draft.data["values"] = {one.raised.interrupt_id: one.raised.value for one in asked}
    if not asked:
        return _never_asked(scene, draft)
    for one in asked:
        verb = "asks" if one.resumed is None else "asked"
        draft.say(
            f"{one.raised.node} {verb} {one.text} in {choice.words}.",
            Ref(uri=one.raised.uri, why="the question"),
        )
        _say_answer(draft, one)
    return draft


def answered(scene: Scene) -> Draft:
    """Tell what a person answered."""
    draft = Draft(data={"values": {}})
    choice = _choose_asked(scene)
    if choice is None:
        return _never_asked(scene, draft)
    asked = questions(scene, choice.execution.execution_id)
    draft.data |= {"execution_id": choice.execution.execution_id}
    draft.data["interrupts"] = [one.to_json() for one in asked]
    draft.data["values"] = {
        one.raised.interrupt_id: one.resumed.value for one in asked if one.resumed is not None
    }
    if not asked:
        return _never_asked(scene, draft)
    for one in asked:
        draft.say(
            f"{one.raised.node} asked {one.text} in {choice.words}.",
            Ref(uri=one.raised.uri, why="the question"),
        )
        _say_answer(draft, one)
    if scene.says(r"who\b") and not any(_names_who(one) for one in asked):
        draft.admit("Who answered is on record only where the answer says it, under `by`.")
    return draft


def counted(scene: Scene) -> Draft | None:
    """Count the answers that persons gave over the last executions; None where nobody was asked."""
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=HISTORY)
    asked = [one for each in page.items for one in questions(scene, each.execution_id)]
    given = Counter(short(one.resumed.value, 60) for one in asked if one.resumed is not None)
    if not asked:
        return None
    draft = Draft(data={"values": {"asked": len(asked), "answers": dict(given)}})
    told = listed(f"{quoted(answer)} {times(number)}" for answer, number in given.most_common())
    open_ = len(asked) - sum(given.values())
    draft.say(
        f"Of {count(len(asked), 'question')} to persons in the last {count(len(page.items), 'execution')}, "
        f"{sum(given.values())} {'was' if sum(given.values()) == 1 else 'were'} answered"
        f"{': ' + told if told else ''}; {open_} {'waits' if open_ == 1 else 'wait'}.",
        *(
            Ref(uri=one.resumed.uri, why="an answer")
            for one in asked[:4]
            if one.resumed is not None
        ),
        graph_uri(page.items[0].graph_name, "executions"),
    )
    return draft


def waited(scene: Scene) -> Draft | None:
    """Tell how long an execution waited for each answer; None where it never asked."""
    choice = _choose_asked(scene)
    asked = questions(scene, choice.execution.execution_id) if choice is not None else []
    if choice is None or not asked:
        return None
    draft = Draft(data={"values": {}, "execution_id": choice.execution.execution_id})
    for one in asked:
        if one.resumed is None:
            draft.say(
                f"{one.raised.node} waits in {choice.words} since {one.raised.ts}.", one.raised.uri
            )
            continue
        ms = (epoch_ns(one.resumed.ts) - epoch_ns(one.raised.ts)) / 1e6
        draft.data["values"][one.raised.interrupt_id] = ms
        draft.say(
            f"{one.raised.node} waited {duration(ms)} for the answer in {choice.words}, from "
            f"{one.raised.ts} to {one.resumed.ts}.",
            Ref(uri=one.raised.uri, why="the question"),
            Ref(uri=one.resumed.uri, why="the answer"),
        )
    return draft


def after(scene: Scene) -> Draft:
    """Tell what an execution did after a person's answer."""
    draft = Draft(data={"values": {}})
    choice = _choose_asked(scene)
    if choice is None:
        return _never_asked(scene, draft)
    one = choice.execution
    asked = questions(scene, one.execution_id)
    resumed = [question for question in asked if question.resumed is not None]
    draft.data |= {"execution_id": one.execution_id}
    draft.data["interrupts"] = [question.to_json() for question in asked]
    if not asked:
        return _never_asked(scene, draft)
    if not resumed:
        return _not_answered(scene, draft, choice, asked)
    last = resumed[-1]
    assert last.resumed is not None
    seq = last.resumed.seq
    draft.say(
        f"In {choice.words} {last.raised.node} asked {last.text}, and the answer was "
        f"{short(last.resumed.value, 200)}.",
        Ref(uri=last.raised.uri, why="the question"),
        Ref(uri=last.resumed.uri, why="the answer"),
    )
    followed = [visit for visit in scene.visits(one.execution_id) if visit.entry_seq > seq]
    _say_followed(scene, draft, one, followed)
    return draft


def of_node(scene: Scene, node: str) -> Draft | None:
    """Say what a node asks; None where it waits for nobody."""
    choice = _choose_waiting(scene)
    asked = _open(scene, choice.execution) if choice else []
    if choice is None or all(one.raised.node != node for one in asked):
        return None
    return why(scene)


def _say_followed(scene: Scene, draft: Draft, one: Execution, followed: Sequence[Visit]) -> None:
    draft.data["values"] = {"order": [visit.node for visit in followed], "status": one.status}
    if followed:
        told = listed((f"{v.node} (visit {v.visit})" for v in followed), most=VISITS_TOLD)
        draft.say(
            f"After that ran {told}.",
            *(Ref(uri=visit.uri, why="a visit after it") for visit in followed[:VISITS_TOLD]),
        )
    visits = scene.visits(one.execution_id)
    for lead in decisions(followed)[:LISTED]:
        target = label_of(str(lead.edge.get("target")))
        draft.say(f"It went to {target}: {lead_words(lead, visits)}.", lead.uri)
    draft.say(f"The execution {being(one)}.", one.uri)


def _not_answered(scene: Scene, draft: Draft, choice: Choice, asked: Sequence[Question]) -> Draft:
    """Nothing followed yet: say what is asked, and what comes by the edges."""
    one = choice.execution
    draft.say(
        f"{capitalised(choice.words)} {being(one)}: it was not answered, so nothing followed yet.",
        one.uri,
    )
    graph = scene.store.graph(one.graph_name, one.graph_version)
    for question in asked:
        _say_raised(draft, question, scene.visits(one.execution_id))
        node = str(question.raised.node)
        edges = [edge for edge in graph.manifest.edges if edge.source == node]
        if edges:
            ways = listed(dict.fromkeys(label_of(edge.target) for edge in edges), last="or")
            draft.say(f"After {node} comes {ways}.", node_uri(graph.name, node))
    return draft


def _waiting(scene: Scene) -> list[Execution]:
    """The executions that wait, the newest first; of nested ones the outermost."""
    found: list[Execution] = []
    for status in WAITING:
        found += scene.store.executions(graph=scene.scope, status=status, limit=200).items
    ids = {one.execution_id for one in found}
    outer = [one for one in found if one.parent_execution_id not in ids]
    return sorted(outer, key=lambda one: one.position, reverse=True)


def _open(scene: Scene, execution: Execution) -> list[Question]:
    """The questions of an execution that nobody has answered, those of its subgraphs too.

    What a subgraph asks is asked, and answered, by the graph around it as well.
    """
    every = questions(scene, execution.execution_id)
    found = [one for one in every if one.resumed is None]
    if found or execution.status not in WAITING:
        return found
    answered = {one.raised.interrupt_id for one in every}
    inner = scene.store.executions(parent_id=execution.execution_id, limit=LISTED).items
    asked = (one for child in inner for one in _open(scene, child))
    return [one for one in asked if one.raised.interrupt_id not in answered]


def _choose_waiting(scene: Scene) -> Choice | None:
    if names_one(scene):
        choice = choose(scene)
        return choice if choice is not None and choice.execution.status in WAITING else None
    last = choose(scene)
    if last is not None and last.execution.status in WAITING:
        return last
    if scene.says(r"why\b.*\b(?:stop|halt)"):  # what is over has stopped too
        return None
    return choose(scene, status="waiting_for_input") or choose(scene, status="paused")


def _choose_asked(scene: Scene) -> Choice | None:
    return choose(
        scene,
        fits=lambda one: bool(questions(scene, one.execution_id)),
        fitting="in which a person was asked",
    )


def _stopped(scene: Scene, execution: Execution) -> str | None:
    found = scene.store.events(execution.execution_id, types=("status_changed",))
    last = [one for one in found if isinstance(one, StatusChanged) and one.status in WAITING]
    return last[-1].uri if last else None


def _before(scene: Scene, execution: Execution) -> list[str]:
    """The nodes that an execution stopped before, its own or those of its subgraphs.

    Edges led to them, all that they wait for, and they were not visited since.
    """
    entered = {END: execution.last_seq + 1}
    entered |= {visit.node: visit.entry_seq for visit in scene.visits(execution.execution_id)}
    led: dict[str, set[str]] = {}
    for one in scene.store.events(execution.execution_id, types=("edge_taken",)):
        if isinstance(one, EdgeTaken) and entered.get(one.target, 0) < one.seq:
            led.setdefault(one.target, set()).add(str(one.node))
    edges = scene.store.graph(execution.graph_name, execution.graph_version).manifest.edges
    joins = {(edge.source, edge.target): set(edge.joins) for edge in edges}
    ahead = [
        node for node, sources in led.items()
        if any(joins.get((source, node), set()) <= sources for source in sources)
    ]  # fmt: skip
    if not ahead and execution.status in WAITING:
        inner = scene.store.executions(parent_id=execution.execution_id, limit=LISTED).items
        ahead = [node for child in inner for node in _before(scene, child)]
    return list(dict.fromkeys(ahead))


def _say_waiting(draft: Draft, one: Execution, asked: Sequence[Question]) -> None:
    at = f" at {one.current_node}" if one.current_node else ""
    thread = f", thread {one.thread_id}" if one.thread_id else ""
    head = f"Execution {one.execution_id} of {one.graph_name}{thread}, {being(one)}{at}"
    if not asked:
        draft.say(f"{head}, since {one.started_at}.", one.uri)
    for question in asked:
        draft.say(
            f"{head}: {question.raised.node} asks {question.text}, since {question.raised.ts}.",
            Ref(uri=question.raised.uri, why="the question"),
        )


def _say_raised(draft: Draft, question: Question, visits: list[Visit]) -> None:
    raised = question.raised
    led = leads(visits)
    ways = led.get((str(raised.node), raised.visit or 0), [])
    since = f"; {lead_words(ways[-1], visits)}" if ways else ""
    draft.say(
        f"{raised.node} (visit {raised.visit}) asks {question.text}{since}.",
        Ref(uri=raised.uri, why="the question"),
        Ref(uri=ways[-1].uri, why="what led there") if ways and ways[-1].uri else None,
    )


def _say_answer(draft: Draft, question: Question) -> None:
    if question.resumed is None:
        draft.say("It is not answered yet.", question.raised.uri)
        return
    draft.say(
        f"The answer was {short(question.resumed.value, 200)}, at {question.resumed.ts}.",
        Ref(uri=question.resumed.uri, why="the answer"),
    )


def _names_who(question: Question) -> bool:
    value = question.resumed.value if question.resumed is not None else None
    return isinstance(value, dict) and bool(value.get("by"))


def _never_asked(scene: Scene, draft: Draft) -> Draft:
    last = scene.store.last_execution(graph=scene.scope)
    if last is None:
        return nothing_recorded(scene, draft)
    thread = thread_of(scene)
    about = f" in thread {thread}" if thread else f" of {scene.scope}" if scene.scope else ""
    draft.say(f"No execution{about} on record has asked a person anything.", last.uri)
    return draft


def _cause(node: str, kind: str, number: int) -> dict[str, Any]:
    effect = exactly(number, "interrupts")
    return {"node": node, "kind": kind, "effect": effect, "confirmed": True}
