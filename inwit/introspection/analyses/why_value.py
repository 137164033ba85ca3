"""Why does a key hold that value: which visits wrote it, and what they read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    event_uri,
    execution_uri,
    graph_uri,
    listed,
    node_uri,
    short,
    told_value,
)
from inwit.introspection.lineage import writer
from inwit.introspection.quotes import being, failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose
from inwit.runtime.views import Execution, Visit

LOOKED_AT = 30
"""Executions that are looked through for one in which the key has the value that is said."""
READ_TOLD = 6
"""Values that a visit read which are told."""
_HOLDING = re.compile(
    r"^(?:\W*\b(?:is|are|was|were|be|been|being|become|became|equals?|equal to|has|have|had|hold|holds|contain"
    r"|contains|ended?|ends?|up|come|comes|came|out|back|as|says?|set|to|the|value|always|still|now|so"
    r"|stay|stays|stayed|by|at|with|just|only|suddenly)\b)*[\s:=,]*"
)
_VALUE = re.compile(
    r"['\"`“‘](?P<quoted>[^'\"`”’]{0,200})['\"`”’]|(?P<bare>\[\]|\{\}|-?\d+(?:\.\d+)?|[^\W_][\w.-]*)"
)
_PICKS = re.compile(
    r"\b(?:with|for|of|whose|where|from|by|in|having)\s+(?:the\s+|an?\s+|its\s+)?$", re.IGNORECASE
)
"""What stands before a key that tells which executions are meant: "the last run with the country BR"."""
_WENT = re.compile(
    r"\b(?:fail|crash|error|broke|break|abort|slow|long|took|take|cost|expensive|tokens?|retr|wait|stop|stuck|hang|hung"
    r"|(?:went|go|gone|going) wrong|tried again)",
    re.IGNORECASE,
)
_NOTHING = frozenset(
    {"none", "null", "nothing", "empty", "blank", "missing", "absent", "[]", "{}", ""}
)


def _say_absent(scene: Scene, draft: Draft, choice: Choice, key: str) -> Draft:
    """Say that nobody gave or wrote a key, and what became of the nodes that write it."""
    one = choice.execution
    graph = scene.store.graph(one.graph_name, one.graph_version)
    writers = [node.name for node in graph.manifest.nodes if key in node.writes]
    ran = {visit.node: visit for visit in scene.visits(one.execution_id)}
    draft.say(
        f"{key} holds nothing in {choice.words}: it was not given, and no node wrote it.",
        execution_uri(one.execution_id, "state"),
    )
    for name in writers:
        visit = ran.get(name)
        how = "did not run" if visit is None else f"ran and has {visit.status}"
        draft.say(
            f"{name}, which writes {key}, {how}.",
            visit.uri if visit is not None else execution_uri(one.execution_id, "history"),
        )
    if one.error is not None:
        draft.say(f"The execution {being(one)}: {failed_with(one.error)}.", one.uri)
    return draft


def asked(scene: Scene) -> Draft | None:
    """Explain why a key has the value that the question says; None where it says none."""
    said = _said(scene)
    if said is None or _picks_one(scene):
        return None
    key, value, is_quoted = said
    page = scene.store.executions(graph=scene.scope, limit=LOOKED_AT)
    ids = {one.execution_id for one in page.items if _holds(scene, one, key, value)}
    choice = choose(
        scene, fits=lambda one: one.execution_id in ids, fitting=f"in which {key} is that"
    )
    if choice is None:
        return None
    if _holds(scene, choice.execution, key, value):
        return _told(scene, Draft(data={"causes": []}), choice, key)
    if not is_quoted:
        return None
    draft = Draft(data={"causes": []})
    draft.say(
        f"{key} is not {value!r} in {choice.words}, nor in any other of the last "
        f"{count(len(page.items), 'execution')}.",
        graph_uri(choice.execution.graph_name, "executions"),
    )
    return _told(scene, draft, choice, key)


def _said(scene: Scene) -> tuple[str, str, bool] | None:
    """The key, the value that the question says it has, and whether that is quoted."""
    key = next((one for one in scene.entities if one.kind == "key"), None)
    if key is None:
        return None
    rest = scene.query.text[key.end :]
    holding = _HOLDING.match(rest)
    found = _VALUE.match(rest, holding.end() if holding else 0)
    if found is None:
        return None
    quoted = found["quoted"]
    return key.value, quoted if quoted is not None else found["bare"], quoted is not None


def _picks_one(scene: Scene) -> bool:
    """Whether the key and its value only say which execution is meant, and how it went is asked."""
    key = next(one for one in scene.entities if one.kind == "key")
    before, after = scene.query.text[: key.start], scene.query.text[key.end :]
    return bool(_PICKS.search(before)) and bool(_WENT.search(f"{before} {after}"))


def _holds(scene: Scene, one: Execution, key: str, value: str) -> bool:
    """Whether a key has a value at the end of an execution, as it would be written."""
    held = scene.final(one).get(key)
    if not held and held is not False and held != 0:
        return value.lower() in _NOTHING
    return value.casefold() in (str(held).casefold(), repr(held).casefold()) or _is_number(
        held, value
    )


def _is_number(held: Any, value: str) -> bool:
    if isinstance(held, bool) or not isinstance(held, int | float):
        return False
    try:
        return abs(float(value) - held) <= 0.005 * max(1.0, abs(held))
    except ValueError:
        return False


def explain(scene: Scene) -> Draft:
    """Trace the value of the key that the question names to the visits that wrote it."""
    draft = Draft(data={"causes": []})
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    return _told(scene, draft, choice, scene.named("key")[0])


def _told(scene: Scene, draft: Draft, choice: Choice, key: str) -> Draft:
    """Tell who wrote a key last in an execution, and from which values."""
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    state = scene.store.state_at(execution.execution_id)
    draft.data["values"] = {key: state.get(key)}
    wrote = [
        visit
        for visit in scene.visits(execution.execution_id)
        if isinstance(visit.update, dict) and key in visit.update
    ]
    if key not in state:
        return _say_absent(scene, draft, choice, key)
    if not wrote:
        first = event_uri(execution.execution_id, 1)
        draft.say(f"No node wrote {key} in {choice.words}; its value is the input's.", first)
        return draft
    last = wrote[-1]
    draft.say(
        f"{key} is {short(state.get(key))} in {choice.words}, last written by {last.node} "
        f"(visit {last.visit}).",
        Ref(uri=last.uri, why=f"the visit that wrote {key}"),
    )
    graph = scene.store.graph(execution.graph_name, execution.graph_version)
    facts = graph.manifest.node(last.node)
    if facts is not None and facts.reads:
        read = [name for name in facts.reads if name != key]
        _say_read(scene, draft, last, read, node_uri(graph.name, last.node))
    draft.data["causes"] = [
        {"node": visit.node, "kind": "wrote", "visit": visit.visit, "confirmed": True}
        | {"effect": exactly(1, "writes")}
        for visit in reversed(wrote)
    ]
    return draft


def _say_read(
    scene: Scene, draft: Draft, visit: Visit, keys: Sequence[str], node: str
) -> None:  # fmt: skip
    """Tell the values that a visit read, and who wrote each; else the keys that its node reads."""
    before = scene.store.state_at(visit.execution_id, visit.entry_seq)
    known = [name for name in keys if name in before][:READ_TOLD]
    if not known:
        draft.say(f"{visit.node} reads {listed(keys) or 'nothing else'}.", node)
        return
    visits = scene.visits(visit.execution_id)
    wrote = {name: writer(visits, name, visit.entry_seq) for name in known}
    told = [
        f"{name} = {told_value(before[name], 80)} "
        f"(of {source.node if (source := wrote[name]) is not None else 'the input'})"
        for name in known
    ]
    refs = [
        Ref(uri=one.uri, why="wrote what was read") for one in wrote.values() if one is not None
    ]
    draft.say(
        f"{visit.node} read {listed(told)}.", Ref(uri=visit.uri, why="what it read"), *refs, node
    )
