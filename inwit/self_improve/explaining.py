"""Every number of a plan, reproduced from the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import InwitError
from inwit.introspection import quotes
from inwit.plans import Plan
from inwit.self_improve import trials, validating
from inwit.self_improve.analysis import windows
from inwit.self_improve.as_of import AsOf
from inwit.self_improve.entering import look_of, make_plan
from inwit.self_improve.examining import examine
from inwit.self_improve.plans import PlanBook

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph


class Reproduced(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a plan states, and what the record says of it now."""

    what: str
    stated: Any
    found: Any
    is_same: bool
    how: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and what the record says of each of its numbers."""

    plan_id: str
    title: str
    status: str
    hypothesis: str
    numbers: tuple[Reproduced, ...]
    history: tuple[dict[str, Any], ...]

    @property
    def is_reproduced(self) -> bool:
        """Whether everything is as it was stated."""
        return all(one.is_same for one in self.numbers)


def explain(book: PlanBook, plan: Plan, app: CompiledGraph[Any] | None = None) -> Explanation:
    """Recompute what a plan states, from the executions that it names."""
    numbers = (
        *_evidence(book, plan),
        *_figures(book, plan),
        *_history(book, plan),
        *_replay(book, plan, app),
        *_outcome(book, plan),
    )
    return Explanation(
        plan_id=plan.id, title=plan.title, status=plan.status, hypothesis=plan.hypothesis,
        numbers=numbers, history=tuple(msgspec.to_builtins(one) for one in plan.history),
    )  # fmt: skip


def _evidence(book: PlanBook, plan: Plan) -> Iterator[Reproduced]:
    for one in plan.evidence:
        try:
            execution_id, _, seq = one.uri.removeprefix("execution://").split("/")
            found = quotes.event(book.store.event(execution_id, int(seq)))
        except (InwitError, ValueError) as exc:
            found = f"gone: {exc}"
        yield Reproduced(
            what=f"evidence {one.uri}", stated=one.quote, found=found, is_same=found == one.quote,
            how="the event that the uri names",
        )  # fmt: skip


def _figures(book: PlanBook, plan: Plan) -> Iterator[Reproduced]:
    """Take the look again that the finding's figures are from."""
    look = look_of(book, plan)
    if look is None:
        return
    until = AsOf(book.store, look.position)
    pairs = [pair for name in look.graphs for pair in windows(until, name, look.window)]  # type: ignore[arg-type]
    report = examine(pairs, look.thresholds, window=look.window)
    finding = next((one for one in report.findings if one.fingerprint == plan.fingerprint), None)
    again = None if finding is None else make_plan(finding)
    for name in ("baseline", "candidate", "effect", "confidence"):
        stated = _plain(getattr(plan, name))
        found = None if again is None else _plain(getattr(again, name))
        yield Reproduced(
            what=name, stated=stated, found=found, is_same=stated == found,
            how=f"the same executions looked at again, of {', '.join(look.graphs)}",
        )  # fmt: skip


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=repr))


def _history(book: PlanBook, plan: Plan) -> Iterator[Reproduced]:
    found = book.audited_history(plan.id)
    yield Reproduced(
        what="history", stated=[one.target for one in plan.history],
        found=[one.target for one in found], is_same=found == plan.history,
        how="the entries of the audit log",
    )  # fmt: skip


def _replay(book: PlanBook, plan: Plan, app: CompiledGraph[Any] | None) -> Iterator[Reproduced]:
    said, ids = plan.replay, validating.kept_ids(book, plan)
    if said is None or ids is None or not ids[1]:
        return
    try:
        found = validating.told(validating.look(book, plan, app, ids))
    except InwitError as exc:
        yield Reproduced(
            what="replay", stated=said.get("n"), found=f"gone: {exc}", is_same=False,
            how="the recorded executions",
        )  # fmt: skip
        return
    for name, how in (
        ("n", "the executions that were replayed, replayed again"),
        ("passed", "those that ended in the recorded state"),
        ("measured_gain", "the same executions laid out again with the change"),
    ):
        yield Reproduced(
            what=f"replay.{name}", stated=said.get(name), found=found[name],
            is_same=said.get(name) == found[name], how=how,
        )  # fmt: skip
    if plan.expected_gain is not None and said.get("measured_gain") is not None:
        stated = _plain(plan.expected_gain)
        yield Reproduced(
            what="expected_gain", stated=stated, found=found["measured_gain"],
            is_same=stated == found["measured_gain"], how="the same executions laid out again",
        )  # fmt: skip


def _outcome(book: PlanBook, plan: Plan) -> Iterator[Reproduced]:
    said = plan.outcome or {}
    if "measured" not in said:
        return
    found = trials.outcome(plan, trials.measure(book, plan, until=said.get("as_of") or ""))
    for name in ("measured", "executions", "failed", "e_harm", "e_gain", "held"):
        yield Reproduced(
            what=f"outcome.{name}", stated=said.get(name), found=found[name],
            is_same=said.get(name) == found[name],
            how="the executions of both arms between its being applied and its end",
        )  # fmt: skip


def to_markdown(found: Explanation) -> str:
    """Write it for people."""
    lines = [f"# {found.title}", "", found.hypothesis, "", f"Status: {found.status}", ""]
    for one in found.history:
        said = f": {one['reason']}" if one["reason"] else ""
        lines.append(
            f"- {one['at']} {one['actor']}: {one['from'] or 'nothing'} to {one['to']}{said}"
        )
    lines += ["", "## Every number, from the record", ""]
    for number in found.numbers:
        mark = "same" if number.is_same else "DIFFERS"
        lines.append(f"- {number.what}: {_shown(number.stated)} ({mark}; {number.how})")
        if not number.is_same:
            lines.append(f"  now: {_shown(number.found)}")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and {"point", "low", "high", "unit"} <= value.keys():
        return f"{value['point']} ({value['low']} to {value['high']}) {value['unit']}"
    return " ".join(str(value).split())
