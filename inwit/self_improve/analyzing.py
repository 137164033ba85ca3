"""Looking at a project as deep as one wants: figures alone, plans too, or with all that helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from inwit.errors import MalformedInputError
from inwit.self_improve import analysis
from inwit.self_improve.findings import Thresholds
from inwit.self_improve.report import Report, to_json, to_markdown

if TYPE_CHECKING:
    from inwit.runtime.project import Project

Depth = Literal["metrics", "local", "deep"]


def analyze_at(project: Project, *, depth: str = "local", graph: str | None = None) -> Report:
    """Look at the newest executions of one graph or of all.

    Args:
        depth: "metrics" enters nothing; "local" enters and validates plans; "deep" also reads
            longer windows, and lets models criticise what is new where some are configured.

    Raises:
        UnknownGraphError: Nothing of that name was ever registered or executed.
    """
    from inwit.runtime.store import Journal, Store

    Journal.of(project).flush()
    store = Store.of(project)
    if depth == "metrics":
        if graph is not None:
            store.graph(graph)
        pairs = analysis.windows(store, graph, 400)
        return analysis.quoted(store, analysis.examine(pairs, Thresholds(), window=400))
    if depth == "local":
        return analysis.analyze(store, graph=graph)
    report = analysis.analyze(store, graph=graph, window=2000)
    from inwit.self_improve import critique

    return critique.criticise(project, report)


def write(report: Report, path: str) -> None:
    """Write a report to a file: JSON where its name ends so, else Markdown.

    Raises:
        MalformedInputError: It cannot be written there.
    """
    text = to_markdown(report)
    if path.endswith(".json"):
        text = msgspec.json.format(msgspec.json.encode(to_json(report)), indent=2).decode() + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise MalformedInputError(
            f"{path} cannot be written: {exc}.", hint="Give another."
        ) from exc
