"""Why did it fail: the chain of errors and retries, back to the first failure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from inwit import events
from inwit.events import Event
from inwit.introspection.analyses import (
    failed_alike,
    failed_many,
    interrupts,
    raised,
    recovered,
    tool_calls,
)
from inwit.introspection.analyses.budgets import ran_out, say_spent
from inwit.introspection.analyses.failure_chain import (
    cause,
    failed_at,
    failures,
    innermost,
    link,
)
from inwit.introspection.analyses.why_visits import lead_words, nothing_recorded
from inwit.introspection.claims import Draft, Ref, capitalised, count, graph_uri, short, times
from inwit.introspection.lineage import decisions
from inwit.introspection.quotes import being, failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import Choice, choose, names_one, thread_of, with_value
from inwit.runtime.views import Execution

CHAIN_TOLD = 8
_CLASS = re.compile(r"\b[a-z_]\w*(?:error|exception)\b")
"""A class of errors, in lower case."""
_QUOTED = re.compile(r"['\"“]([^'\"“”]{2,80})['\"”]")


def explain(scene: Scene) -> Draft:
    """Follow the failure of the execution that is meant to where it began."""
    draft = Draft(data={"causes": []})
    if failed_many.is_meant(scene) and (several := failed_many.tell(scene, draft)):
        return several
    if (tools := tool_calls.names(scene)) and scene.node is None:
        of_tool = tool_calls.why_failed(scene, tools)
        if of_tool is not None:
            return of_tool
    choice = _choose(scene)
    if scene.node is not None and not _failed_at(scene, choice, scene.node):
        return recovered.answer(scene, draft, choice)
    if choice is None:
        return _nothing_failed(scene, draft)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    if execution.status not in ("failed", "cancelled"):
        return _did_not_fail(scene, draft, choice)
    return told(scene, draft, choice)


def _failed_at(scene: Scene, choice: Choice | None, node: str) -> bool:
    """Whether the chosen execution ended by a failure of a node, itself or within it."""
    if choice is None or scene.says(r"cancel"):
        return choice is not None
    one = choice.execution
    return one.status in ("failed", "cancelled") and node in (one.error_node, failed_at(scene, one))


def out_of_budget(scene: Scene) -> Draft:
    """Name the budget that ended the execution that is meant, or say that none did."""
    draft = Draft(data={"causes": []})
    choice = choose(scene, fits=lambda one: bool(ran_out(one)), fitting="whose budget ran out")
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data["execution_id"] = one.execution_id
    if ran_out(one):
        return told(scene, draft, choice)
    others = f", nor of the {count(choice.others, 'other')} looked at" if choice.others else ""
    draft.say(
        f"No budget of {choice.words} ran out{others}; it {being(one)}.",
        one.uri,
        graph_uri(one.graph_name, "executions"),
    )
    return draft


def told(scene: Scene, draft: Draft, choice: Choice) -> Draft:
    """Tell the failure of an execution that failed or was cancelled."""
    execution = choice.execution
    _say_newer(scene, draft, choice)
    root = innermost(scene, execution)
    chain = failures(scene, root)
    _say_end(scene, draft, choice)
    if root is not execution:
        draft.say(
            f"The failure came from inside: {root.graph_name} failed in execution "
            f"{root.execution_id}, which {execution.graph_name} had called.",
            root.uri,
        )
    _say_chain(draft, chain)
    raised.say(scene, draft, root)
    draft.data["chain"] = [link(event) for event in chain]
    draft.data["causes"] = [cause(root, chain)]
    if ran_out(root):
        say_spent(scene, draft, root)
    _say_loop(scene, draft, root)
    _say_habit(scene, draft, root)
    failed_alike.say(scene, draft, execution)
    return draft


def not_compiling(scene: Scene) -> Draft:
    """Say what is known of a graph that does not compile: only that others do."""
    draft = Draft(data={"causes": []})
    if scene.graph is None:
        draft.admit("No graph of this project has been compiled yet.")
        return draft
    graph = scene.graph
    draft.say(
        f"{graph.name} did compile: version {graph.version} was registered {graph.registered_at}.",
        graph_uri(graph.name, "versions"),
    )
    draft.admit(
        "A compilation that fails leaves no record; its InvalidGraphError lists every fault at once."
    )
    return draft


def _choose(scene: Scene) -> Choice | None:
    node = scene.node
    if scene.says(r"cancel"):
        return choose(scene, status="cancelled") or choose(scene, status="failed")
    if scene.says(r"stop|end(?:ed|s)?\b|terminat|halt|quit\b"):
        return choose(scene, fits=lambda one: one.status in ("failed", "cancelled"))
    if node is None:
        said = _said_error(scene)
        if said is None:
            return choose(scene, status="failed")
        return choose(scene, status="failed", fits=said, fitting="with that error")
    return choose(
        scene,
        status="failed",
        fits=lambda one: node in (one.error_node, failed_at(scene, one)),
        fitting=f"in which {node} failed",
    )


def _said_error(scene: Scene) -> Callable[[Execution], bool] | None:
    """Whether an execution failed with the class, or the words, of the error that is named."""
    kinds = set(_CLASS.findall(scene.words))
    texts = [one for one in _QUOTED.findall(scene.words) if one]
    if not kinds and not texts:
        return None

    def fits(one: Execution) -> bool:
        if one.error is None or (kinds and one.error.type.lower() not in kinds):
            return False
        return all(text in one.error.message.lower() for text in texts)

    return fits


def _nothing_failed(scene: Scene, draft: Draft) -> Draft:
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    if choice.execution.status in interrupts.WAITING and (waits := interrupts.why(scene)):
        return waits
    number = choice.others + 1
    about = f" of {scene.scope}" if scene.scope else ""
    draft.say(
        f"No execution{about} failed among {count(number, 'execution')}; "
        f"the last, {choice.execution.execution_id}, {being(choice.execution)}.",
        choice.execution.uri,
        graph_uri(choice.execution.graph_name, "executions"),
    )
    draft.data["execution_id"] = choice.execution.execution_id
    say_recovered(scene, draft, choice.execution)
    return draft


def _did_not_fail(scene: Scene, draft: Draft, choice: Choice) -> Draft:
    draft.say(f"It did not fail: {choice.words} {being(choice.execution)}.", choice.execution.uri)
    say_recovered(scene, draft, choice.execution)
    return draft


def say_recovered(scene: Scene, draft: Draft, execution: Execution) -> None:
    """Tell the attempts that failed in an execution which did not."""
    recovered = [
        event
        for event in scene.events(execution.execution_id)
        if isinstance(event, events.NodeFailed)
    ]
    if recovered:
        where = ", ".join(dict.fromkeys(str(event.node) for event in recovered))
        draft.say(
            f"{count(len(recovered), 'attempt')} failed on the way, in {where}, "
            f"first with {failed_with(recovered[0].error)}.",
            *(event.uri for event in recovered[:CHAIN_TOLD]),
        )


def _say_newer(scene: Scene, draft: Draft, choice: Choice) -> None:
    if names_one(scene) or thread_of(scene) is not None or with_value(scene) is not None:
        return
    newest = scene.store.last_execution(graph=scene.scope)
    if newest is not None and newest.parent_execution_id == choice.execution.execution_id:
        return
    if newest is not None and newest.position > choice.execution.position:
        at = f" in {newest.error_node}" if newest.error_node else ""
        about = (
            f"in which {scene.node} failed" if scene.node else f"that {_ended(choice.execution)}"
        )
        draft.say(
            f"The last execution, {newest.execution_id}, {being(newest)}{at}; this is about the "
            f"last one {about}.",
            newest.uri,
        )


def _ended(execution: Execution) -> str:
    return "was cancelled" if execution.status == "cancelled" else "failed"


def _say_end(scene: Scene, draft: Draft, choice: Choice) -> None:
    execution = choice.execution
    end = next(
        (
            event
            for event in scene.events(execution.execution_id)[::-1]
            if isinstance(event, events.ExecutionFailed | events.ExecutionCancelled)
        ),
        None,
    )
    at = failed_at(scene, execution)
    where = f" in {at}" if at else ""
    uri = end.uri if end else execution.uri
    if execution.status == "cancelled":
        draft.say(f"{capitalised(choice.words)} was cancelled{_because(execution.reason)}.", uri)
    elif execution.reason == "host lost":
        at = f" while it was at {execution.current_node}" if execution.current_node else ""
        draft.say(f"{capitalised(choice.words)} failed: its process died{at} (host lost).", uri)
    else:
        text = f"{capitalised(choice.words)} failed{where}: {failed_with(execution.error)}"
        draft.say(f"{text}.", uri)


def _because(reason: str) -> str:
    return f": {short(reason, 120)}" if reason else "; no reason was given"


def _say_chain(draft: Draft, chain: list[Event]) -> None:
    errors = [event for event in chain if not isinstance(event, events.ExecutionFailed)]
    if not errors:
        return
    first = errors[0]
    attempts = sum(isinstance(event, events.NodeFailed) for event in chain)
    tried = f" It was tried {times(attempts)}." if attempts > 1 else ""
    what = failed_with(getattr(first, "error", None))
    draft.say(
        f"The first failure is event {first.seq}, {first.type} of {_subject(first)}: "
        f"{what}.{tried}",
        *(Ref(uri=event.uri, why=event.type) for event in errors[:CHAIN_TOLD]),
    )


def _subject(event: Event) -> str:
    match event:
        case events.ToolFailed():
            return f"tool {event.tool} in {event.node}"
        case events.LlmCompleted():
            return f"model {event.model} in {event.node}"
        case _:
            return f"{event.node}"


def _say_loop(scene: Scene, draft: Draft, root: Execution) -> None:
    if root.error is None or "Recursion" not in root.error.type:
        return
    visits = scene.visits(root.execution_id)
    ran = Counter(visit.node for visit in visits)
    taken = decisions(visits)
    if not ran:
        return
    node, number = ran.most_common(1)[0]
    text = f"It went round a loop: {node} ran {times(number)}"
    if number == 1:
        text = "The limit of steps ended it before any node ran twice: its way is longer"
    if not taken:
        draft.say(f"{text}.", visits[-1].uri)
        return
    last = taken[-1]
    draft.say(f"{text}. The last decision: {lead_words(last, visits)}.", last.uri)
    draft.data["causes"][0]["node"] = last.source.node


def _say_habit(scene: Scene, draft: Draft, root: Execution) -> None:
    node = root.error_node
    if node is None:
        return
    recent = scene.store.recent_visits(root.graph_name, node=node, executions=HISTORY)
    bad = {visit.execution_id for visit in recent if visit.status == "failed"}
    every = {visit.execution_id for visit in recent}
    draft.data["failed_executions"] = {"node": node, "failed": len(bad), "of": len(every)}
    if len(every) > 1:
        draft.say(
            f"{node} failed in {len(bad)} of the last {count(len(every), 'execution')} "
            f"that visited it.",
            graph_uri(root.graph_name, "metrics"),
        )
