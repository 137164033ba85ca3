"""Am I: verdicts on the last executions against the graph's own history."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from math import comb, log
from statistics import median
from typing import Any

from inwit import events
from inwit.events import OPEN_STATUSES
from inwit.introspection.analyses import drift, edited, figures, progress, slo
from inwit.introspection.analyses.why_cost import price
from inwit.introspection.analyses.why_visits import lead_words, nothing_recorded
from inwit.introspection.baseline import FLOOR
from inwit.introspection.changepoint import shifts
from inwit.introspection.claims import (
    Draft,
    Ref,
    claim,
    count,
    duration,
    execution_uri,
    graph_uri,
    listed,
    short,
    times,
)
from inwit.introspection.lineage import decisions
from inwit.introspection.quotes import being
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import BASELINE_MIN, blocks, dealt_p, spread
from inwit.introspection.which import choose
from inwit.runtime.views import Execution, RegisteredGraph, Visit

RECENT = 20
"""Executions that "lately" means where no time is named."""
GRAPHS = 12
"""How many graphs are judged where none is named."""
ALPHA = 0.01
EFFECT = 1.2
"""The least ratio of medians that is called a change."""
APART_MIN, APART_WHOLE = 3, 8
"""The least figures on each side, and on both, of a difference that is told though nothing is proved."""
FAILING = 0.1
"""A share of failures that is not well, however usual it is. An objective may ask for less."""
LOOP_VISITS = 3
LATELY_NS = 60 * 10**9
"""A stretch of time that ended longer ago is past: what is asked is how things are since."""
_OF_ANY = r".*\b(?:any\w*|some\w*|ever|executions|runs|which|how many|often)\b"
_LOOP = r"twice|repeatedly|loop|circles|repeat|stuck|progress|same (?:tool|call|arg)|again|already"
_SPEED = r"slow\w*|fast\w*|quick\w*|latenc\w*|speed\w*|durations?\b|taking longer"
_ERRORS = r"fail\w*|error\w*|crash\w*|reliab\w*|success\w*"
_COST = r"token|cost|(?<!error )budget|spend|money|expensive|bills?\b"
_COMPARED = r".*\b(?:more|less|worse|better|fewer|higher|lower)\b.*\b(?:than|lately|recently|now|since|used to)\b|.*\bgetting (?:worse|better)\b"
"""Whether failures are more than before is asked, and not whether there are any."""
_NARROW = f"{_SPEED}|{_ERRORS}|{_COST}|{slo.ASKED}|{drift.ASKED}"


def answer(scene: Scene) -> Draft:
    """Judge latency, errors, retries, tokens and loops; each verdict says what it stands on."""
    if len(scene.named("graph")) > 1 and (ranked := figures.asked(scene)) is not None:
        return ranked
    graphs = scene.meant_graphs
    if not graphs:
        draft = Draft(data={"verdicts": []})
        draft.admit("This project has no graph yet, so there is nothing to judge.")
        return draft
    if scene.says(_LOOP):
        graphs = graphs[:1]
    found = {one.name: _of_one(scene, one) for one in graphs[:GRAPHS]}
    judged = {name: draft for name, draft in found.items() if draft is not None}
    if not judged:
        return nothing_recorded(scene, Draft(data={"verdicts": []}))
    if len(graphs) == 1:
        return judged[graphs[0].name]
    draft = _of_all(judged, is_narrow=scene.says(rf".*\b(?:{_NARROW})"))
    if len(graphs) > GRAPHS:
        draft.admit(f"{GRAPHS} of {len(graphs)} graphs were judged; name another to hear of it.")
    return draft


def _of_all(judged: dict[str, Draft], *, is_narrow: bool) -> Draft:
    """Join what was judged of each graph: all of those that are not well, a line of each other.

    Where one thing is asked about, all that is said of it is told of each.
    """
    bad = [name for name, one in judged.items() if one.data["healthy"] is False]
    unknown = any(one.data["healthy"] is None for one in judged.values())
    draft = Draft(data={"verdicts": [], "healthy": False if bad else None if unknown else True})
    draft.data["graphs"] = {
        name: {key: value for key, value in one.data.items() if key != "verdicts"}
        for name, one in judged.items()
    }
    of, verb = f"Of {count(len(judged), 'graph')} that ran", "is" if len(bad) == 1 else "are"
    uris = [graph_uri(name, "metrics") for name in judged]
    if bad:
        draft.say(f"{of}, {listed(bad)} {verb} not well.", *uris)
    elif not is_narrow:
        draft.say(f"{of}, none is unusual, as far as they can be judged.", *uris)
    for name, one in sorted(judged.items(), key=lambda item: item[0] not in bad):
        told = one.claims if is_narrow or name in bad else one.claims[:1]
        draft.claims += [said for said in told if said not in draft.claims]
        draft.data["verdicts"] += [{"graph": name, **verdict} for verdict in one.data["verdicts"]]
    return draft


def _of_one(scene: Scene, graph: RegisteredGraph) -> Draft | None:
    """Judge a graph; None where it has not run, or not in the stretch of time that is named."""
    draft = Draft(data={"verdicts": []})
    page = scene.store.executions(graph=graph.name, limit=HISTORY)
    if not page.items:
        return None
    if scene.says(rf".*\b(?:{slo.ASKED})"):
        slo.judge(scene, draft, graph)
        _sum_up(draft, graph.name, list(page.items)[:1])
        return draft
    recent, past = _split(scene, list(page.items))
    is_open = scene.window is None and not scene.says(r".*\bversions?\b")
    if is_open and (parts := edited.split(scene, graph.name, page.items)):
        recent, past, edits = parts
        edited.say_split(draft, graph.name, recent, past, edits)
    if not recent and scene.window is not None:
        return None
    draft.data |= {"recent_n": len(recent), "baseline_n": len(past)}
    _judge(scene, draft, graph, recent, past)
    _sum_up(draft, graph.name, recent)
    return draft


def _judge(
    scene: Scene, draft: Draft, graph: RegisteredGraph, recent: list[Execution],
    past: list[Execution],
) -> None:  # fmt: skip
    """Judge what is asked about, or everything where nothing certain is."""
    if scene.says(rf".*\b(?:{drift.ASKED})"):
        drift.judge(scene, draft, recent, past)
    elif scene.says(_LOOP):
        _judge_loop(scene, draft)
        if scene.says(_OF_ANY):
            _judge_endless(scene, draft)
        _say_waiting(scene, draft)
    elif scene.says(_COST):
        _judge_tokens(draft, graph.name, recent, past)
        slo.judge(scene, draft, graph)
    else:
        _judge_doing(scene, draft, graph, recent, past)


def _judge_doing(
    scene: Scene, draft: Draft, graph: RegisteredGraph, recent: list[Execution],
    past: list[Execution],
) -> None:  # fmt: skip
    asks_speed, asks_errors = (scene.says(rf".*\b(?:{said})") for said in (_SPEED, _ERRORS))
    if asks_errors or not asks_speed:
        _judge_errors(draft, graph.name, recent, past, is_compared=scene.says(_COMPARED))
    if asks_speed and scene.node is not None:
        _judge_node(scene, draft, graph.name, scene.node, recent, past)
    elif asks_speed or not asks_errors:
        _judge_latency(draft, graph.name, recent, past)
    if asks_speed or asks_errors:
        return
    _judge_retries(draft, recent, past)
    _judge_tokens(draft, graph.name, recent, past)
    slo.judge(scene, draft, graph)
    drift.judge(scene, draft, recent, past)


def _split(scene: Scene, found: list[Execution]) -> tuple[list[Execution], list[Execution]]:
    """What is judged and what it is judged against, newest first."""
    versions = list(dict.fromkeys(one.graph_version for one in found))
    if scene.says(r".*\bversions?\b") and len(versions) > 1:
        recent = [one for one in found if one.graph_version == versions[0]]
        return recent, [one for one in found if one.graph_version == versions[1]]
    span = scene.window
    if span is not None:
        since = events.timestamp(span.since_ns)
        until = events.timestamp(span.until_ns)
        is_past = span.until_ns < time.time_ns() - LATELY_NS
        if is_past and scene.says(r"(?:better|worse|slower|faster|than|compared|vs|versus)"):
            current = [one for one in found if one.started_at > until]
            return current, [one for one in found if since <= one.started_at <= until]
        current = [one for one in found if since <= one.started_at <= until]
        return current, [one for one in found if one.started_at < since]
    size = min(RECENT, max(1, len(found) // 2))
    return found[:size], found[size:]


def _judge_errors(
    draft: Draft, graph: str, recent: Sequence[Execution], past: Sequence[Execution], *,
    is_compared: bool = False,
) -> None:  # fmt: skip
    bad = [one for one in recent if one.status == "failed"]
    before = sum(one.status == "failed" for one in past)
    rate = len(bad) / len(recent) if recent else 0.0
    usual = before / len(past) if past else None
    verdict = "ok" if not bad else "failing"
    if bad and usual is not None and len(past) >= BASELINE_MIN:
        p = permutation_rate(len(bad), len(recent), before, len(past))
        is_worse = rate > usual and p <= ALPHA
        is_failing = rate >= FAILING and not is_compared
        verdict = "worse" if is_worse else "failing" if is_failing else "usual"
    _add(draft, "error_rate", verdict, rate, usual, n=len(past))
    were = f"; of the {len(past)} before, {before} did" if past else ""
    draft.say(
        f"Errors: of the last {count(len(recent), 'execution')} of {graph} {len(bad)} failed{were}.",
        Ref(uri=graph_uri(graph, "executions"), why="executions by status"),
        *(Ref(uri=one.uri, why="a failed execution") for one in bad[:3]),
    )


def permutation_rate(hits: int, n: int, before: int, m: int) -> float:
    """The chance of `hits` or more of `n` where hits are dealt at random (Fisher's exact tail)."""
    total, whole = hits + before, n + m
    ways = comb(whole, n)
    tail = sum(comb(total, k) * comb(whole - total, n - k) for k in range(hits, min(n, total) + 1))
    return tail / ways


def _judge_latency(
    draft: Draft, graph: str, recent: Sequence[Execution], past: Sequence[Execution]
) -> None:
    _judge_figure(
        draft, graph, "latency", recent, past, figure=lambda one: one.duration_ms, unit="ms",
        words=duration,
    )  # fmt: skip


def _judge_node(  # noqa: PLR0917
    scene: Scene, draft: Draft, graph: str, node: str, recent: Sequence[Execution],
    past: Sequence[Execution],
) -> None:  # fmt: skip
    """Judge how long one node's visits take in each execution, all of them together."""
    took: defaultdict[str, float] = defaultdict(float)
    for visit in scene.store.recent_visits(graph, node=node, executions=HISTORY):
        if visit.duration_ms is not None:
            took[visit.execution_id] += visit.duration_ms
    _judge_figure(
        draft, graph, f"latency of {node}", recent, past, unit="ms", words=duration,
        figure=lambda one: took.get(one.execution_id),
    )  # fmt: skip


def _judge_tokens(
    draft: Draft, graph: str, recent: Sequence[Execution], past: Sequence[Execution]
) -> None:
    if not any(one.llm_calls for one in (*recent, *past)):
        _add(draft, "tokens", "unknown", None, None, n=len(past))
        draft.say(f"Tokens: no model call of {graph} is recorded.", graph_uri(graph, "executions"))
        return
    _judge_figure(
        draft, graph, "tokens", recent, past, unit="tokens",
        figure=lambda one: float(one.input_tokens + one.output_tokens),
        words=lambda value: f"{value:,.0f} tokens",
    )  # fmt: skip
    _say_cost(draft, graph, recent)


def _say_cost(draft: Draft, graph: str, recent: Sequence[Execution]) -> None:
    """Tell what the last executions cost, as far as their calls have a price."""
    paid = [one for one in recent if one.llm_calls]
    known = [one.cost_usd for one in paid if one.cost_usd is not None]
    unpriced = sum(one.unpriced_calls for one in paid)
    if not paid:
        return
    cost = sum(known) if known else None
    _add(draft, "cost", "unknown" if unpriced or cost is None else "told", cost, None,
         n=len(paid), unit="USD")  # fmt: skip
    draft.say(
        f"Cost: the last {count(len(paid), 'execution')} with model calls came "
        f"{'' if cost is None else 'to '}{price(cost, unpriced)}. What would be too much is said "
        f"nowhere; compile(budget=Budget(...)) says it.",
        Ref(uri=graph_uri(graph, "metrics"), why="cost on record"),
        *(one.uri for one in paid[:3]),
    )


def _judge_figure(
    draft: Draft, graph: str, metric: str, recent: Sequence[Execution],
    past: Sequence[Execution], *, figure: Callable[[Execution], float | None], unit: str,
    words: Callable[[float], str],
) -> None:  # fmt: skip
    now = [
        value for one in recent if one.status == "completed" and (value := figure(one)) is not None
    ]
    was = [
        value for one in past if one.status == "completed" and (value := figure(one)) is not None
    ]
    refs = [Ref(uri=graph_uri(graph, "metrics"), why=f"{metric} on record")]
    name = metric.capitalize()
    if not now:
        _add(draft, metric, "unknown", None, median(was) if was else None, n=len(was), unit=unit)
        draft.say(f"{name}: none of the last executions is completed.", *refs)
        return
    if len(was) < BASELINE_MIN:
        _add(
            draft,
            metric,
            "unknown",
            median(now),
            median(was) if was else None,
            n=len(was),
            unit=unit,
        )
        draft.say(
            f"{name}: {words(median(now))} at the median"
            f"{f' against {words(median(was))} before' if was else ''}; "
            f"{count(len(was), 'earlier execution')} {'is' if len(was) == 1 else 'are'} too few to "
            f"compare with, {BASELINE_MIN} are needed.",
            *refs,
        )
        if was and (apart := _apart([*now, *was])) is not None:
            _say_apart(draft, [*now, *was], apart, words, refs)
        return
    every = [*now, *was]
    verdict, changed = compare(now[::-1], was[::-1]), None
    if verdict == "usual" and (changed := _changed_within(now, was)) is not None:
        now, was = every[:changed], every[changed:]
        verdict = "worse" if median(now) > median(was) else "better"
    last = "" if changed is None else f" in the last {changed}"
    ratio = median(now) / median(was) if median(was) else 1.0
    is_near = verdict != "usual" or 1 / EFFECT < ratio < EFFECT
    _add(draft, metric, verdict, median(now), median(was), n=len(was), unit=unit)
    draft.say(
        f"{name}: {verdict if is_near else 'no change is confirmed'}, {words(median(now))} at the "
        f"median{last} against {words(median(was))} "
        f"over the {len(was)} before.",
        *refs,
    )
    if (apart := _apart(every)) is not None:
        _say_apart(draft, every, apart, words, refs)


def _say_apart(
    draft: Draft, newest: Sequence[float], apart: tuple[int, int], words: Callable[[float], str],
    refs: Sequence[Ref],
) -> None:  # fmt: skip
    """Tell of a difference that is seen and not proved, such as just after something was mended."""
    size, before = apart
    last, earlier = newest[:size], newest[size : size + before]
    is_above, judged = last[0] > earlier[0], draft.data["verdicts"][-1]
    if judged["verdict"] == ("worse" if is_above else "better"):
        return
    if judged["verdict"] == "usual":
        judged["verdict"] = "unknown"
    draft.say(
        f"The last {size} are all {'above' if is_above else 'below'} the {before} before "
        f"them, {words(median(last))} at the median against {words(median(earlier))}: too few to "
        f"call it a change.",
        *refs,
    )


def _changed_within(now: Sequence[float], was: Sequence[float]) -> int | None:
    """Since how many figures a confirmed change holds that came among `now`; newest are first."""
    found = shifts([*was[::-1], *now[::-1]])
    since = len(now) + len(was) - found[-1].at if found else 0
    return since if 0 < since <= len(now) else None


def _apart(newest: Sequence[float]) -> tuple[int, int] | None:
    """How many of the newest figures all lie clearly on one side of how many right before them."""
    best: tuple[int, int] | None = None
    for size in range(APART_MIN, min(len(newest), RECENT)):
        low, high = min(newest[:size]) / EFFECT, max(newest[:size]) * EFFECT
        earlier = newest[size : size + 2 * RECENT]
        before = max(
            _leading(one < low for one in earlier), _leading(one > high for one in earlier)
        )
        if min(size, before) >= APART_MIN and size + before >= APART_WHOLE and (
            best is None or min(size, before) > min(best)
        ):  # fmt: skip
            best = size, before
    return best


def _leading(fits: Iterable[bool]) -> int:
    return sum(1 for _ in takewhile(bool, fits))


def compare(now: Sequence[float], was: Sequence[float]) -> str:
    """Say whether figures got ``worse`` (higher), ``better`` or are ``usual``.

    Neighbours in a burst count as one: medians of blocks are compared where there are enough.
    """
    before, after = median(was), median(now)
    ratio = after / before if before else 1.0
    if 1 / EFFECT < ratio < EFFECT:
        return "usual"
    if len(now) >= 15 and len(was) >= 15:
        is_far = dealt_p(_logs(blocks(was)), _logs(blocks(now))) <= max(ALPHA, 0.05 / 2)
    else:
        is_far = abs(after - before) > max(3 * spread(was), FLOOR * before)
    return ("worse" if ratio > 1 else "better") if is_far else "usual"


def _logs(values: Sequence[float]) -> list[float]:
    """Logarithms, so that a burst among them weighs no more than what is as much faster."""
    return [log(max(one, 1e-9)) for one in values]


def _judge_retries(draft: Draft, recent: Sequence[Execution], past: Sequence[Execution]) -> None:
    now = sum(one.retries for one in recent)
    was = sum(one.retries for one in past)
    rate, usual = now / max(len(recent), 1), was / len(past) if past else None
    is_more = usual is not None and rate > EFFECT * usual + 0.1
    verdict = "ok" if not now else "worse" if is_more else "usual"
    _add(draft, "retries", verdict, rate, usual, n=len(past), unit="per execution")
    if now:
        found = [one for one in recent if one.retries]
        draft.say(
            f"Retries: {now} in the last {count(len(recent), 'execution')}.",
            *(Ref(uri=one.uri, why=f"{one.retries} retries") for one in found[:3]),
        )


def _judge_loop(scene: Scene, draft: Draft) -> None:
    """Look at the execution that is not over, else at the last one, for going round in place."""
    choice = next(
        (found for status in OPEN_STATUSES if (found := choose(scene, status=status))), None
    ) or choose(scene)
    if choice is None:
        return
    execution = choice.execution
    visits = scene.visits(execution.execution_id)
    draft.data["execution_id"] = execution.execution_id
    repeats = same_calls(scene, execution)
    ran = Counter(visit.node for visit in visits)
    looping = [node for node, number in ran.items() if number >= LOOP_VISITS]
    still = [node for node in looping if _without_progress(visits, node)]
    now = [visit for visit in visits if visit.status == "running"]
    for visit in now[:LOOP_VISITS]:
        standing = progress.say_standing(scene, draft, visit)
        _add(draft, "standing", standing, draft.data["elapsed_ms"], None, n=len(visits), unit="ms")
    is_over = execution.status in ("completed", "cancelled")
    verdict = (
        "looped" if looping and is_over else "stuck" if still else "looping" if looping else "ok"
    )
    if is_over:
        draft.say(f"Not stuck: {choice.words} {being(execution)}.", execution.uri)
    _add(draft, "loop", verdict, max(ran.values(), default=0), None, n=len(visits), unit="visits")
    refs = [Ref(uri=execution_uri(execution.execution_id, "history"), why="every visit")]
    if not looping:
        draft.say(f"No node of {choice.words} ran {LOOP_VISITS} times or more.", *refs)
    else:
        told = listed(f"{node} ran {times(ran[node])}" for node in looping)
        alike = "" if len(still) == len(looping) else f"{listed(still)} "
        how = f"{alike}with the same result each time" if still else "with other results each time"
        draft.say(f"In {choice.words} {told}, {how}.", *refs)
        taken = decisions(visits)
        if taken:
            draft.say(f"The last decision: {lead_words(taken[-1], visits)}.", taken[-1].uri)
    _add(
        draft, "repeated_calls", "repeating" if repeats else "ok", len(repeats), None, n=len(visits)
    )
    for tool, uris in list(repeats.items())[:3]:
        draft.say(f"{short(tool, 120)} was called {times(len(uris))} with equal input.", *uris[:4])


def _judge_endless(scene: Scene, draft: Draft) -> None:
    """Tell of executions that went round until the limit of steps ended them."""
    page = scene.store.executions(graph=scene.scope, status="failed", limit=HISTORY)
    round_and_round = [one for one in page.items if one.error and "Recursion" in one.error.type]
    number = len(round_and_round)
    _add(
        draft,
        "endless loops",
        "failing" if number else "ok",
        number,
        None,
        n=len(page.items),
        unit="",
    )
    if number:
        last = round_and_round[0]
        ran = Counter(visit.node for visit in scene.visits(last.execution_id))
        draft.say(
            f"{count(number, 'execution')} went round until the limit of steps ended "
            f"{'it' if number == 1 else 'them'}, of the last {len(page.items)} that failed; the last is "
            f"{last.execution_id}, in which {listed(f'{node} ran {times(n)}' for node, n in ran.most_common(3))}.",
            *(Ref(uri=one.uri, why="ended at the limit of steps") for one in round_and_round[:4]),
        )


def _say_waiting(scene: Scene, draft: Draft) -> None:
    """Tell apart what waits for a person: it stands still, and is not stuck."""
    page = scene.store.executions(graph=scene.scope, status="waiting_for_input", limit=HISTORY)
    if page.items:
        verb = "waits" if page.total_count == 1 else "wait"
        draft.say(
            f"{count(page.total_count, 'execution')} {verb} for a person's answer.",
            *(Ref(uri=one.uri, why="waiting_for_input") for one in page.items[:3]),
        )


def _without_progress(visits: list[Visit], node: str) -> bool:
    """Whether the last visits of a node gave the same update."""
    last = [repr(visit.update) for visit in visits if visit.node == node][-LOOP_VISITS:]
    return len(last) == LOOP_VISITS and len(set(last)) == 1


def same_calls(scene: Scene, execution: Execution) -> dict[str, list[str]]:
    """Tool and model calls that were made more than once with equal input, with their events."""
    found: dict[str, list[str]] = {}
    for event in scene.events(execution.execution_id):
        if isinstance(event, events.ToolStarted):
            given = json.dumps(event.input, sort_keys=True, default=repr)
            found.setdefault(f"{event.tool}({given})", []).append(event.uri)
        elif isinstance(event, events.LlmStarted) and event.messages:
            found.setdefault(f"{event.model}({' '.join(event.messages)})", []).append(event.uri)
    return {call: uris for call, uris in found.items() if len(uris) > 1}


def _add(
    draft: Draft, metric: str, verdict: str, current: float | None, baseline: float | None, *,
    n: int, unit: str = "",
) -> None:  # fmt: skip
    one: dict[str, Any] = {"metric": metric, "verdict": verdict, "current": current}
    draft.data["verdicts"].append(one | {"baseline": baseline, "n": n, "unit": unit})


def _sum_up(draft: Draft, graph: str, recent: Sequence[Execution]) -> None:
    draft.data["healthy"] = None
    if not draft.data["verdicts"]:
        return
    bad = [
        one["metric"].replace("_", " ")
        for one in draft.data["verdicts"]
        if one["verdict"]
        in ("worse", "failing", "stuck", "repeating", "broken", "drifted", "overdue")
    ]
    unknown = [one for one in draft.data["verdicts"] if one["verdict"] == "unknown"]
    draft.data["healthy"] = None if unknown and not bad and len(unknown) > 1 else not bad
    told = f"{graph} is not well: {listed(bad)}" if bad else f"Nothing about {graph} is unusual"
    if not bad and all(one["metric"].startswith("slo_") for one in draft.data["verdicts"]):
        told = f"{graph} keeps its objectives, as far as they can be judged"
    elif not bad and unknown:
        told = f"Nothing that can be judged about {graph} is unusual"
    first = recent[0].uri if recent else graph_uri(graph, "executions")
    draft.claims.insert(0, claim(f"{told}.", graph_uri(graph, "metrics"), first))
