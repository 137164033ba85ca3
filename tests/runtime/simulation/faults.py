"""Faults to plant: what the simulation must notice, or it proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from inwit import InMemoryCheckpointer
from inwit.runtime import branches, dataflow, memos, steps
from inwit.runtime.arrivals import Arrivals
from inwit.runtime.checkpoints import Checkpoint, Row


class Forgetful(InMemoryCheckpointer):
    """Takes it that a branch is done, and forgets it."""

    def load(self, *args: Any, **options: Any) -> Sequence[Row]:
        rows = super().load(*args, **options)
        return [row for row in rows if isinstance(row, Checkpoint) or row.kind != "done"]


class Lossy(InMemoryCheckpointer):
    """Forgets what a step has changed, where the checkpoint is not whole."""

    def load(self, *args: Any, **options: Any) -> Sequence[Row]:
        rows = super().load(*args, **options)
        return [
            replace(row, update={}) if isinstance(row, Checkpoint) and row.state is None else row
            for row in rows
        ]


def drop_updates(patch: pytest.MonkeyPatch) -> None:
    """Let every third update of a step of several go."""
    kept, calls = steps.apply, [0]

    def apply(execution: Any, updates: Any) -> Any:
        calls[0] += 1
        return kept(execution, [] if calls[0] % 3 == 0 else updates)

    patch.setattr(steps, "apply", apply)
    patch.setattr(dataflow, "apply", apply)


def apply_updates_twice(patch: pytest.MonkeyPatch) -> None:
    """Merge every third update of a step of several once more."""
    kept, calls = steps.apply, [0]

    def apply(execution: Any, updates: Any) -> Any:
        calls[0] += 1
        return kept(execution, [*updates, *updates] if calls[0] % 3 == 0 else updates)

    patch.setattr(steps, "apply", apply)
    patch.setattr(dataflow, "apply", apply)


def run_branches_twice(patch: pytest.MonkeyPatch) -> None:
    """Run a branch again that has just returned."""
    kept = branches.run_branch

    async def run_branch(execution: Any, step: Any, branch: Any) -> None:
        alone = branches.Step([branch])
        await kept(execution, alone, branch)
        if branch.is_done and branch.waiting is None and alone.error is None:
            branch.is_done = branch.is_closed = False
        await kept(execution, step, branch)

    patch.setattr(branches, "run_branch", run_branch)


def forget_arrivals(patch: pytest.MonkeyPatch) -> None:
    """Keep no arrivals at joins."""
    patch.setattr(Arrivals, "until", lambda self, step: None)
    patch.setattr("inwit.runtime.resume.arrived_at", lambda program, last: None)


def leave_branches_alone(patch: pytest.MonkeyPatch) -> None:
    """Cancel branches without waiting for them."""

    async def give_up(step: Any) -> None:
        for task in step.tasks:
            task.cancel()

    patch.setattr(branches, "give_up", give_up)


def hang_when_cancelled(patch: pytest.MonkeyPatch) -> None:
    """Wait without end for branches that were cancelled."""
    kept = branches.give_up

    async def give_up(step: Any) -> None:
        while any(not task.done() for task in step.tasks):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await kept(step)

    patch.setattr(branches, "give_up", give_up)


def lose_an_end(patch: pytest.MonkeyPatch) -> None:
    """Let nobody know that the last of several branches has ended."""
    kept = branches.Step.end

    def end(self: Any, branch: Any, error: Any) -> None:
        if self.left != 1 or error is not None:
            kept(self, branch, error)

    patch.setattr(branches.Step, "end", end)


def keep_no_memos(patch: pytest.MonkeyPatch) -> None:
    """Tell a node that a step of its own is kept, which is not."""
    patch.setattr(memos, "note", lambda *args: None)
