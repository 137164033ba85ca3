"""One look at the traces: read windows, run detectors, adjust for all that was tested, propose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from inwit.answers import Evidence
from inwit.errors import UnknownExecutionError, UnknownUriError
from inwit.introspection import asked_questions, quotes
from inwit.self_improve.as_of import AsOf, position_of
from inwit.self_improve.entering import enter, make_plan
from inwit.self_improve.examining import DETECTORS, Pair, examine
from inwit.self_improve.filling import with_packages
from inwit.self_improve.findings import Thresholds
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.reading import graph_names, read_windows
from inwit.self_improve.report import Report

if TYPE_CHECKING:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store


def analyze(
    store: Store,
    *,
    graph: str | None = None,
    window: int = 400,
    thresholds: Thresholds | None = None,
) -> Report:
    """Look at the newest executions of one graph or of all, and enter plans for what is found.

    Args:
        window: How many executions are read of each graph's newest version, and of the one before.

    Raises:
        UnknownGraphError: Nothing of that name was ever registered or executed.
    """
    # What comes in meanwhile is for the next look, so that this one can be taken again.
    until = AsOf(store, position_of(store))
    pairs = windows(until, graph, window)  # type: ignore[arg-type]
    questions = asked_questions.newest(store) if graph is None else ()
    report = examine(pairs, thresholds or Thresholds(), window=window, questions=questions)
    report = with_packages(store.project, quoted(store, report))
    return enter(PlanBook.of(store), report, until.position)


def analyze_at(project: Project, *, depth: str = "local", graph: str | None = None) -> Report:
    """Look at the newest executions of one graph or of all.

    Args:
        depth: "metrics" enters nothing; "local" enters and validates plans; "deep" also reads
            longer windows, and lets models criticise what is new where some are configured.

    Raises:
        UnknownGraphError: Nothing of that name was ever registered or executed.
    """
    from inwit.runtime.store import Journal, Store
    from inwit.self_improve import critique

    Journal.of(project).flush()
    store = Store.of(project)
    if depth == "metrics":
        pairs = windows(store, graph, 400)
        return quoted(store, examine(pairs, Thresholds(), window=400))
    if depth == "local":
        return analyze(store, graph=graph)
    report = analyze(store, graph=graph, window=2000)
    return critique.criticise(project, report)


def windows(store: Store, graph: str | None, executions: int) -> Iterator[Pair]:
    """Read each graph's newest executions and those of the version before, graph after graph.

    Raises:
        UnknownGraphError: Nothing of that name was ever registered or executed.
    """
    for name in [graph] if graph is not None else graph_names(store):
        newest, before = read_windows(store, name, executions)
        if newest is not None:
            yield newest, before
        elif graph is not None:
            store.graph(graph)


def quoted(store: Store, report: Report) -> Report:
    """Quote each finding's evidence as a reader finds it where its uri leads.

    An event that retention has taken away meanwhile is evidence no more.
    """

    def again(one: Evidence) -> Iterator[Evidence]:
        if not one.uri.startswith("execution://"):
            yield one
            return
        execution_id, _, seq = one.uri.removeprefix("execution://").split("/")
        try:
            event = store.event(execution_id, int(seq))
        except (UnknownExecutionError, UnknownUriError):
            return
        yield msgspec.structs.replace(one, quote=quotes.event(event))

    return msgspec.structs.replace(
        report,
        findings=tuple(
            msgspec.structs.replace(
                finding, evidence=tuple(shown for one in finding.evidence for shown in again(one))
            )
            for finding in report.findings
        ),
    )


__all__ = ["DETECTORS", "analyze", "analyze_at", "examine", "make_plan", "quoted"]
