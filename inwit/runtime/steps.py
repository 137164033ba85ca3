"""A step: several nodes run at once, and what they return is merged in the plan's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import InvalidUpdateError
from inwit.runtime.branches import Branch, branches_of, run_branches
from inwit.runtime.checkpoints import join_updates
from inwit.runtime.commands import OVERWRITING, Overwrite, Send
from inwit.runtime.holding import be_late
from inwit.runtime.keeping import pause, save, wrote
from inwit.runtime.program import Edge
from inwit.runtime.record import APPLY
from inwit.runtime.updates import Only, Ready, changed_by, in_order, read_update, ready_of
from inwit.runtime.waits import wait_for_journal
from inwit.runtime.ways import arrive, decide, goto_edge, hold_back

if TYPE_CHECKING:
    from inwit.runtime.checkpoints.saving import Note
    from inwit.runtime.engine import Execution
    from inwit.runtime.state import StateSchema

Read = tuple[list[Mapping[str, Any]], list["Send | str"]]


async def take_step(execution: Execution, ready: Sequence[Ready]) -> list[Ready]:
    """Run the nodes that are ready and give those that follow; none where the execution waits."""
    execution.steps += 1
    if execution.steps > execution.limit:
        raise execution.out_of_steps()
    branches = branches_of(execution, ready)
    execution.resumed = None
    try:
        step = await run_branches(execution, branches)
    except BaseException:
        _keep_done(execution, branches)
        raise
    if step.error is not None:
        _keep_done(execution, branches)
        if step.failed is not None:
            execution.failed_key = step.failed.task_key
        raise step.error
    asking = [branch for branch in branches if branch.waiting is not None]
    if asking:
        asked = [(one.task_key, one.visit, one.waiting or ()) for one in asking]
        await pause(execution, asked, ready, _done_notes(execution, branches))
        _show_done(execution, branches)
        return []
    return await _merge(execution, branches)


def _show_done(execution: Execution, branches: Sequence[Branch]) -> None:
    """Merge what is done for the caller to see; the thread keeps it beside the state."""
    done = [one for one in branches if one.is_done and one.waiting is None]
    for updates, _ in _read_all(execution, done):
        apply(execution, updates)


def _done_notes(execution: Execution, branches: Sequence[Branch]) -> list[Note]:
    """What must be kept of the branches that are done, where it is not kept yet."""
    from inwit.runtime.returned import pack_returned

    if execution.saving is not None and not execution.saving.holds_done:
        return []
    return [
        ("done", one.task_key, "", pack_returned(one.update))
        for one in branches
        if one.is_done and one.waiting is None
    ]


def _keep_done(execution: Execution, branches: Sequence[Branch]) -> None:
    """Keep the branches that were done when a step was cut off, so that they don't run again."""
    if execution.saving is None:
        return
    notes = _done_notes(execution, branches)
    if notes:
        execution.notes = [*execution.notes, *notes]


async def _merge(execution: Execution, branches: Sequence[Branch]) -> list[Ready]:
    reads = _read_all(execution, branches)
    before = execution.state
    for branch in branches:
        if branch.at.routers:
            before = before.copy()
            break
    ready: list[Ready] = []
    applied: list[tuple[Branch, dict[str, Any] | None, Sequence[Edge]]] = []
    for branch, (updates, goto) in zip(branches, reads, strict=True):
        recorded = apply(execution, updates)
        node = branch.at
        edges: Sequence[Edge] = node.edges
        if goto or node.routers:
            following, edges = await _ways(execution, branch, before, (updates, goto))
            ready += following
        else:
            ready += node.targets
            if node.joins:
                ready += arrive(execution, node)
        applied.append((branch, recorded, edges))
    ready = hold_back(execution, in_order(ready))
    step_id = None
    if execution.saving is not None:
        updates_made = [recorded for _, recorded, _ in applied if recorded]
        parts = None
        if execution.saving.is_volatile:
            parts = [
                (one.task_key, wrote(execution, one.update) or recorded or {})
                for one, recorded, _ in applied
            ]
        step_id = await save(execution, join_updates(updates_made), ready, parts=parts)
    last, now = branches[-1], monotonic_ns()
    for branch, recorded, edges in applied:
        record_apply(execution, branch, now, recorded, edges, step_id if branch is last else None)
    if execution.output is not None:
        written = {key for _, recorded, _ in applied for key in recorded or ()}
        await execution.output.merged(execution, written)
    if len(execution.rows) > execution.rows_limit:
        await wait_for_journal(execution)
    if monotonic_ns() > execution.deadline_ns:
        await be_late(execution)
    return ready


def _read_all(execution: Execution, branches: Sequence[Branch]) -> list[Read]:
    """Read what all branches returned.

    Raises:
        InvalidUpdateError: Two of them wrote a key that has no reducer.
    """
    schema, state = execution.graph.schema, execution.state
    named = [(one.key or one.at.name, read(schema, state, one)) for one in branches]
    return checked(schema, named)


def read(schema: StateSchema, state: Mapping[str, Any], branch: Branch) -> Read:
    """Read what a branch returned that was given `state`."""
    if type(branch.update) is dict and not schema.is_root:
        return [branch.update], []
    return read_update(schema, branch.at.name, changed_by(schema, state, branch.update))


def checked(schema: StateSchema, named: Sequence[tuple[str, Read]]) -> list[Read]:
    """The updates of one step's tasks, of each that which counts.

    Raises:
        InvalidUpdateError: Two of them wrote a key that has no reducer.
    """
    writers: dict[str, str] = {}
    overwritten: dict[str, list[int]] = {}
    shared = schema.shared
    for number, (task, (updates, _)) in enumerate(named):
        for update in updates:
            for key, value in update.items():
                if key in shared:
                    if type(value) in OVERWRITING and Overwrite.of(value) is not None:
                        overwritten.setdefault(key, []).append(number)
                elif writers.setdefault(key, task) != task:
                    raise InvalidUpdateError(
                        f"{writers[key]!r} and {task!r} both wrote {key!r} in one step.",
                        hint=f"At key {key!r} one value a step is kept: give it a reducer, Annotated[…, reducer].",
                    )
    reads = [one for _, one in named]
    return _overwritten(reads, overwritten) if overwritten else reads


def _overwritten(reads: Sequence[Read], found: Mapping[str, Sequence[int]]) -> list[Read]:
    """Leave out what others wrote to keys that one branch overwrites.

    Raises:
        InvalidUpdateError: Two overwrite one key.
    """
    for key, numbers in found.items():
        if len(numbers) > 1:
            raise InvalidUpdateError(
                f"Can receive only one Overwrite value per super-step: {key!r} is overwritten by"
                f" {len(numbers)} nodes.",
                hint="Overwrite it in one of them.",
            )
    return [
        (
            [
                {key: value for key, value in one.items() if found.get(key, (number,))[0] == number}
                for one in updates
            ],
            goto,
        )
        for number, (updates, goto) in enumerate(reads)
    ]


def apply(execution: Execution, updates: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Merge a branch's updates into the state; give them as the record keeps them."""
    schema, strict = execution.graph.schema, execution.saving is not None
    if len(updates) == 1:
        return schema.apply(execution.state, updates[0], strict=strict)
    recorded = [schema.apply(execution.state, one, strict=strict) for one in updates]
    return join_updates(recorded) if recorded else None


async def _ways(
    execution: Execution, branch: Branch, before: dict[str, Any], read: Read
) -> tuple[list[Ready], Sequence[Edge]]:
    """Where a branch leads to: by its edges, its routers and its commands."""
    node, (updates, goto) = branch.at, read
    seen = before
    if node.routers:
        # A branch's router reads the step's state with the branch's own update.
        seen = before.copy()
        for update in updates:
            execution.graph.schema.apply(seen, update)
    following: list[Ready] = []
    edges: list[Edge] = []
    if not isinstance(goto, Only):
        following, edges = await _decided(execution, branch, seen)
    for one in goto:
        edges.append(goto_edge(one))
    return [*ready_of(execution.program, node.name, goto), *following], edges


async def _decided(
    execution: Execution, branch: Branch, seen: dict[str, Any]
) -> tuple[list[Ready], list[Edge]]:
    node = branch.at
    following: list[Ready] = list(node.targets)
    edges = list[Edge](node.edges)
    for router in node.routers:
        for item, edge in await decide(branch, router, seen, seen):
            edges.append(edge)
            following.append(item)
    return [*following, *arrive(execution, node)], edges


def record_apply(  # noqa: PLR0917 - a row's parts
    execution: Execution,
    branch: Branch,
    now_ns: int,
    recorded: dict[str, Any] | None,
    edges: Sequence[Edge],
    step_id: Any,
) -> None:
    """Record what a branch changed, and where it leads to."""
    seq = execution.seq
    execution.rows.append((
        APPLY, seq + 1, branch.at.name, branch.visit, branch.attempt, now_ns, recorded, edges, step_id,
    ))  # fmt: skip
    execution.seq = seq + (1 if recorded else 0) + len(edges) + (step_id is not None)
