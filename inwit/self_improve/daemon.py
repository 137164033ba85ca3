"""The daemon: looks at a project's traces and enters plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inwit.self_improve import life, trials
from inwit.self_improve.analysis import analyze
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.report import Report

if TYPE_CHECKING:
    from inwit.runtime.project import Project


def run_once(project: Project) -> Report:
    """Look once at all that was recorded up to now.

    A second look at the same traces enters nothing new, also while another process looks.
    """
    from inwit.runtime.store import Journal, Store

    Journal.of(project).flush()
    store = Store.of(project)
    book = PlanBook.of(store)
    life.expire(book)
    for plan in book.list(status="in_progress"):
        trials.settle(book, plan.id)
    return analyze(store)
