"""Executions ranked and found by their times and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from inwit.introspection.analyses.failure_chain import failed_at
from inwit.introspection.analyses.why_cost import price
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.changes import milliseconds
from inwit.introspection.claims import Draft, Ref, by_kind, count, duration, graph_uri, listed
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import thread_of
from inwit.runtime.views import Execution

TOLD = 5


def longest(scene: Scene) -> Draft:
    """Rank recorded executions by how long they took."""
    draft, span = Draft(data={"values": {}, "times": []}), scene.window
    page = scene.store.executions(
        graph=scene.scope, thread_id=thread_of(scene), since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=HISTORY,
    )  # fmt: skip
    least = scene.says(r"fastest|shortest|quickest")
    known = [(took, one) for one in page.items if (took := one.duration_ms) is not None]
    known.sort(key=lambda pair: pair[0] if least else -pair[0])
    if not known:
        return nothing_recorded(scene, draft)
    by_thread = scene.says(r"threads?\b")
    draft.say(
        f"Of {count(len(known), 'execution')} these were the {'shortest' if least else 'longest'}:",
        graph_uri(known[0][1].graph_name, "executions"),
    )
    for took, one in known[:TOLD]:
        draft.data["times"].append(shown(one, took))
        where = f" in thread {one.thread_id}" if by_thread and one.thread_id else ""
        draft.say(
            f"{one.execution_id} of {one.graph_name}{where} took {duration(took)} ({one.status}).",
            one.uri,
        )
    draft.data["execution_id"] = known[0][1].execution_id
    draft.data["values"] = {one.execution_id: took for took, one in known[:TOLD]}
    return draft


def costliest(scene: Scene) -> Draft:
    """Rank recorded executions by what their model calls cost, and by tokens where none has a price."""
    draft, span = Draft(data={"values": {}, "times": []}), scene.window
    page = scene.store.executions(
        graph=scene.scope, thread_id=thread_of(scene), since_ns=span.since_ns if span else None,
        until_ns=span.until_ns if span else None, limit=HISTORY,
    )  # fmt: skip
    paid = [one for one in page.items if one.llm_calls]
    sign = 1 if scene.says(r".*(?:cheap|least|fewest)") else -1

    def rank(one: Execution) -> tuple[float, int]:
        return sign * (one.cost_usd or 0.0), sign * (one.input_tokens + one.output_tokens)

    paid.sort(key=rank)
    uri = graph_uri(scene.scope or (page.items[0].graph_name if page.items else ""), "executions")
    if not page.items:
        return nothing_recorded(scene, draft)
    if not paid:
        draft.say(f"No model call is recorded in {count(len(page.items), 'execution')}.", uri)
        return draft
    which = "cheapest" if sign > 0 else "most expensive"
    draft.say(f"Of {count(len(paid), 'execution')} with model calls these were the {which}:", uri)
    for one in paid[:TOLD]:
        money = price(one.cost_usd, one.unpriced_calls)
        draft.data["values"][one.execution_id] = one.cost_usd
        draft.say(
            f"{one.execution_id} of {one.graph_name}: {one.input_tokens + one.output_tokens:,} tokens, "
            f"{money}.",
            one.uri,
        )
    if any(one.unpriced_calls for one in paid):
        draft.admit("Calls without a price count as nothing in this order.")
    return draft


def lasting(scene: Scene) -> Draft:
    """Find the executions that took longer, or less long, than the question says."""
    draft = Draft(data={"values": {}, "times": []})
    bound = milliseconds(scene.plain_words) or 0.0
    page = scene.store.executions(graph=scene.scope, thread_id=thread_of(scene), limit=HISTORY)
    if not page.items:
        return nothing_recorded(scene, draft)
    is_less = scene.says(r".*\b(?:shorter|less|under|faster|below)\b")
    known = [(took, one) for one in page.items if (took := one.duration_ms) is not None]
    mine = [(took, one) for took, one in known if (took < bound if is_less else took > bound)]
    mine.sort(key=lambda pair: pair[0] if is_less else -pair[0])
    draft.data["values"] = {one.execution_id: took for took, one in mine}
    draft.data["times"] = [shown(one, took) for took, one in mine]
    about = f" of {scene.scope}" if scene.scope else ""
    draft.say(
        f"{len(mine)} of the last {count(len(known), 'execution')}{about} took "
        f"{'less' if is_less else 'longer'} than {duration(bound)}.",
        graph_uri(scene.scope or page.items[0].graph_name, "executions"),
    )
    for took, one in mine[: TOLD * 2]:
        draft.say(
            f"{one.execution_id} of {one.graph_name}: {duration(took)} ({one.status}).", one.uri
        )
    return draft


def ran_when(scene: Scene) -> Draft:
    """List the executions of a stretch of time."""
    draft, span = Draft(data={"values": {}, "times": []}), scene.window
    if span is None:
        return nothing_recorded(scene, draft)
    page = scene.store.executions(
        graph=scene.scope, thread_id=thread_of(scene), since_ns=span.since_ns,
        until_ns=span.until_ns, limit=HISTORY,
    )  # fmt: skip
    if not page.items:
        return nothing_recorded(scene, draft)
    by = Counter(one.status for one in page.items)
    told = listed(f"{number} {status.replace('_', ' ')}" for status, number in by.most_common())
    uri = graph_uri(scene.scope or page.items[0].graph_name, "executions")
    newest = f" (of the newest {len(page.items)})" if page.total_count > len(page.items) else ""
    draft.say(f"{count(page.total_count, 'execution')} from {span.words}: {told}{newest}.", uri)
    draft.data["values"] = {"total_count": page.total_count, "by_status": dict(by)}
    _say_summary(scene, draft, page.items)
    for one in page.items[: TOLD * 2]:
        draft.data["times"].append(shown(one, one.duration_ms or 0.0))
        draft.say(
            f"{one.execution_id} of {one.graph_name}, {one.started_at}: {one.status}.", one.uri
        )
    return draft


def _say_summary(scene: Scene, draft: Draft, found: Sequence[Execution]) -> None:
    """Each graph by its executions, what failed and how, and what model calls cost."""
    by_graph: dict[str, list[Execution]] = {}
    for one in found:
        by_graph.setdefault(one.graph_name, []).append(one)
    for name, mine in by_graph.items() if len(by_graph) > 1 else ():
        took = [
            ms for one in mine if one.status == "completed" and (ms := one.duration_ms) is not None
        ]
        lasted = f", {duration(median(took))} at the median where completed" if took else ""
        bad = sum(one.status == "failed" for one in mine)
        draft.say(
            f"{name}: {count(len(mine), 'execution')}, {bad or 'none'} failed{lasted}.",
            graph_uri(name, "executions"),
        )
    _say_failed(scene, draft, [one for one in found if one.status == "failed"])
    paid = [one for one in found if one.llm_calls]
    if paid:
        known = [one.cost_usd for one in paid if one.cost_usd is not None]
        used = sum(one.input_tokens + one.output_tokens for one in paid)
        money = price(sum(known) if known else None, sum(one.unpriced_calls for one in paid))
        calls = count(sum(one.llm_calls for one in paid), "model call")
        draft.data["values"] |= {"tokens": used, "cost_usd": sum(known) if known else None}
        draft.say(f"{calls} used {used:,} tokens, {money}.", paid[0].uri)


def _say_failed(scene: Scene, draft: Draft, bad: Sequence[Execution]) -> None:
    """The kinds of failures, the most frequent first."""

    def kind(one: Execution) -> tuple[str, str, str]:
        return one.graph_name, failed_at(scene, one) or "", one.error.type if one.error else ""

    kinds = by_kind(bad, kind)
    draft.data["failures"] = [
        {"graph": kind(same[0])[0], "node": kind(same[0])[1], "error_type": kind(same[0])[2]}
        | {"executions": [one.execution_id for one in same]}
        for same in kinds
    ]
    for same in kinds[:TOLD]:
        last = max(same, key=lambda one: one.position)
        graph, node, _ = kind(last)
        draft.say(
            f"{len(same)} failed in {f'{node} of ' if node else ''}{graph}, the last, {last.execution_id}, "
            f"with {failed_with(last.error)}.",
            *(Ref(uri=one.uri, why="failed so") for one in same[:3]),
        )


def shown(one: Execution, took: float) -> dict[str, object]:
    """An execution as a time of an answer's data."""
    return {"what": "started", "ts": one.started_at, "uri": one.uri, "duration_ms": took} | {
        "execution_id": one.execution_id
    }
