"""Validating a plan: its changes checked, its gain foretold, recorded executions replayed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import InapplicableError, PlanChangedError
from inwit.plans import DAEMON, Effect, Plan, Principal
from inwit.runtime import at_hand
from inwit.self_improve import foretelling, life, shadow, tables
from inwit.self_improve.actions import Changes, changes_of, check_against
from inwit.self_improve.foretelling import Foretold
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.shadow import Shadow

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.compiled import CompiledGraph


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a plan before anyone is asked."""

    shadow: Shadow
    gain: Effect | None = None
    foretold_from: tuple[str, ...] = ()
    """The executions that were laid out again."""
    why_no_gain: str = ""


def look(
    book: PlanBook, plan: Plan, app: CompiledGraph[Any] | None = None,
    ids: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
) -> Checked:  # fmt: skip
    """Check, foretell and replay; nothing is entered.

    `ids` are the executions to foretell from and to replay, to reproduce what was said before.
    """
    store = book.store
    try:
        changes = changes_of(plan)
        manifest = store.graph(plan.graph_name).manifest
        check_against(plan, changes, manifest)
    except InapplicableError as exc:
        return Checked(shadow=Shadow(reason=str(exc)))
    sample = foretelling.sample(store, plan.graph_name)
    used, replayed = sample, sample
    if ids is not None:
        known = {one.execution_id: one for one in sample}
        used, replayed = ([known.get(i) or store.execution(i) for i in part] for part in ids)
    foretold: Foretold = foretelling.foretell(store, changes, manifest, used)
    found = _replayed(book, plan, changes, replayed, app)
    gain = foretold.effect
    if not found.reason and gain is not None and _costs(gain, plan):
        reason = f"it would cost {-gain.point:.2f} ms an execution, and gain nothing"
        found = msgspec.structs.replace(found, reason=reason)
    return Checked(shadow=found, gain=gain, foretold_from=foretold.ids, why_no_gain=foretold.reason)


def _costs(gain: Effect, plan: Plan) -> bool:
    """Whether a plan that promises time would take more of it."""
    promises = plan.expected_gain is not None and plan.expected_gain.unit.startswith("ms")
    return promises and gain.point < 0 and gain.high < 0


def _replayed(
    book: PlanBook, plan: Plan, changes: Changes, executions: Any,
    app: CompiledGraph[Any] | None,
) -> Shadow:  # fmt: skip
    code = app or at_hand.find(book.store.project, plan.graph_name)
    is_same = (
        code is not None and bool(executions) and code.version() == executions[-1].graph_version
    )
    return shadow.replay(book.store, changes, executions, code if is_same else None)


def validate(
    book: PlanBook, plan_id: str, *, by: Principal = DAEMON, app: CompiledGraph[Any] | None = None
) -> Plan:
    """Look at a proposed plan, and make it validated where replay proves it.

    Its gain becomes the foretold one where there is one. A plan that cannot be replayed stays
    proposed, and its `replay` says why.

    Raises:
        UnknownPlanError: There is none.
        ExpiredPlanError: What it is about is gone.
    """
    plan = book.get(plan_id)
    life.ensure_alive(book, plan)
    if plan.status != "proposed":
        return plan
    found = look(book, plan, app)
    fields: dict[str, Any] = {"replay": told(found)}
    _keep_ids(book, plan, found)
    if found.gain is not None:
        fields["expected_gain"] = found.gain
    if found.shadow.is_proof:
        reason = f"{found.shadow.passed} of {found.shadow.n} recorded executions ended as they did"
        try:
            return life.move(
                book, plan.id, "validated", by, reason=reason, expected_revision=plan.revision,
                **fields,
            )  # fmt: skip
        except PlanChangedError:  # somebody has decided meanwhile
            return book.get(plan.id)
    return _note(book, plan, fields)


def _keep_ids(book: PlanBook, plan: Plan, found: Checked) -> None:
    """Keep which executions the figures stand on, beside the plan: they would swell it."""
    ids = (found.foretold_from, found.shadow.executions)
    if ids != kept_ids(book, plan):
        tables.keep(book.store, f"executions:{plan.id}", ids)


def kept_ids(book: PlanBook, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The executions that a plan's gain was foretold from, and those that were replayed."""
    return tables.kept(book.store, f"executions:{plan.id}", tuple[tuple[str, ...], tuple[str, ...]])


def told(found: Checked) -> dict[str, Any]:
    """What a plan's `replay` says."""
    shown: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(
            {
                **msgspec.to_builtins(found.shadow),
                "executions": len(found.shadow.executions),
                "measured_gain": found.gain,
                "foretold_from": len(found.foretold_from),
                "why_no_gain": found.why_no_gain,
                "is_hypothesis": not found.shadow.is_proof,
            }
        )
    )
    return shown


def _note(book: PlanBook, plan: Plan, fields: dict[str, Any]) -> Plan:
    """Set fields of a plan that stays where it is."""

    def write(connection: apsw.Connection) -> Plan:
        kept = life.read(connection, plan.id)
        if kept.revision != plan.revision:
            return kept
        noted = msgspec.structs.replace(kept, **fields)
        if noted != kept:
            tables.save_plan(connection, noted)
        return noted

    return book.store.write(write)
