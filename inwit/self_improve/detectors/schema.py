"""Schema drift: what a node or tool gives has other fields, or other types, than it had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall, OuterCall
from inwit.self_improve.contents import Shape
from inwit.self_improve.detectors.common import Sides, draft, evidence, restore, sides, tool_name
from inwit.self_improve.findings import Finding, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window

DETECTOR = "schema_drift"
SELDOM = 0.01
"""A form that is seen less often was not there before."""
FORMS_MOST = 200
Giver = NodeCall | OuterCall


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One form that came or went."""

    path: str
    before: str
    after: str
    hits: int
    n: int
    old_hits: int
    old_n: int
    p: float
    pair: Sides[Giver]


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Compare the forms of what each node and each tool gives."""
    looks: list[Look] = []
    for node, subject, old, new in _series(window, baseline):
        best: _Change | None = None
        least = 1.0
        for pair in sides(old, new):
            for change in _changes(pair, limits):
                best = change if best is None or change.p < best.p else best
                least = min(least, change.p)
        finding = None if best is None else _finding(window, baseline, (node, subject), best)
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=node, p_value=least,
                finding=finding, visits=len(new), visits_per_execution=window.rate(len(new)),
                context={"path": best.path if best else ""},
            )
        )  # fmt: skip
    return Seen(looks=tuple(looks))


def _series(
    window: Window, baseline: Window | None
) -> Iterator[tuple[str, str, Sequence[Giver], Sequence[Giver]]]:
    old_nodes = baseline.by_node() if baseline else {}
    for node, calls in window.by_node().items():
        yield node, "", _shaped(old_nodes.get(node, ())), _shaped(calls)
    old_outer = baseline.outer_by_name if baseline else {}
    for key, outer in window.outer_by_name.items():
        if key[1] == "tool":
            yield (
                key[0],
                f"tool:{tool_name(key[2])}",
                _shaped(old_outer.get(key, ())),
                _shaped(outer),
            )


def _shaped(calls: Sequence[Giver]) -> list[Giver]:
    return [
        call for call in calls
        if call.shape is not None and (isinstance(call, OuterCall) or call.status == "completed")
    ]  # fmt: skip


def _changes(pair: Sides[Giver], limits: Thresholds) -> Iterator[_Change]:
    older, newer = _counted(pair.older), _counted(pair.newer)
    old_n, n = len(pair.older), len(pair.newer)
    forms = {form for form in (*older, *newer) if "[]" not in form[0]}
    if len(forms) > FORMS_MOST:
        return  # keys that are data, such as ids: no schema
    for path, kind in sorted(forms):
        hits, old_hits = newer[path, kind], older[path, kind]
        share, before = hits / n, old_hits / old_n
        is_new = before <= SELDOM and share >= limits.drift_least
        is_gone = before >= 1 - SELDOM and share <= 1 - limits.drift_least
        if not (is_new or is_gone):
            continue
        if is_gone:
            p = stats.fisher_greater(n - hits, n, old_n - old_hits, old_n)
        else:
            p = stats.fisher_greater(hits, n, old_hits, old_n)
        others = [
            k
            for (at, k), c in (older if is_new else newer).items()
            if at == path and k != kind and c
        ]
        if is_new and not others and _is_rare_sibling(older, path, old_n):
            continue
        yield _Change(
            path=path, before=kind if is_gone else (others[0] if others else "absent"),
            after=kind if is_new else (others[0] if others else "absent"),
            hits=hits if is_new else n - hits, n=n, old_hits=old_hits if is_new else old_n - old_hits,
            old_n=old_n, p=min(1.0, p * max(len(forms), 1)), pair=pair,
        )  # fmt: skip


def _is_rare_sibling(older: Counter[tuple[str, str]], path: str, n: int) -> bool:
    """Whether what holds a new field was itself not always an object before: then nothing is known."""
    parent = path.rpartition(".")[0]
    return bool(parent) and older[parent, "object"] < n * (1 - SELDOM)


def _counted(calls: Sequence[Giver]) -> Counter[tuple[str, str]]:
    shapes: Counter[Shape] = Counter(call.shape for call in calls if call.shape is not None)
    found: Counter[tuple[str, str]] = Counter()
    for shape, count in shapes.items():
        for form in shape:
            found[form] += count
    return found


def _finding(
    window: Window, baseline: Window | None, place: tuple[str, str], change: _Change
) -> Finding:
    node, subject = place
    kind, _, name = subject.partition(":")
    what = f"{kind} {shown(name)} in node {shown(node)}" if subject else f"node {shown(node)}"
    point, low, high = stats.difference_interval(
        change.hits, change.n, change.old_hits, change.old_n
    )
    path = tool_name(change.path) if change.path else "the output"
    shaped = [call for call in change.pair.newer if _has(call, change)]
    back = (
        restore(window, baseline, node) if change.pair.kind == "version" and not subject else None
    )
    return Finding(
        detector=DETECTOR, graph_name=window.graph_name, graph_version=window.graph_version,
        node=node, subject=subject,
        statement=f"What {what} gives as {path} is {change.after} in {change.hits} of {change.n}, "
        f"which it was in {change.old_hits} of {change.old_n} before ({change.before}).",
        baseline={"path": path, "type": change.before, "of": change.old_n},
        candidate={"path": path, "type": change.after, "in": change.hits, "of": change.n},
        effect=Effect(
            point=point, low=low, high=high, unit="share of outputs, more",
            method="Newcombe 95 % interval of the difference; Fisher's exact test",
        ),
        p_value=change.p,
        evidence=evidence(shaped[-3:], f"{path}: {change.after}", "An output of the newer form.")
        + evidence(change.pair.older[-2:], f"{path}: {change.before}", "An output of the form before."),
        draft=draft(
            title=f"Restore node {shown(node)} of {shown(window.graph_name)} to its code before"
            if back
            else f"Take {path} of {what} of {shown(window.graph_name)} in both forms",
            hypothesis=f"What {what} gives has changed its form"
            + (f" with version {window.graph_version}." if back else ", or what it calls has."),
            expected=f"No schema_drift of {what}.", actions=(back,) if back else (),
            risk="What the newer version was written for is lost until it is mended.",
        ),
    )  # fmt: skip


def _has(call: Giver, change: _Change) -> bool:
    paths = dict(call.shape or ())
    return paths.get(change.path, "absent") == change.after
