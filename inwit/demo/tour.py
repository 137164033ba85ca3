"""The demo's steps: index and measure, ask, look for plans, serve, connect."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inwit import answers
from inwit.cli import render
from inwit.cli.clients import CLIENTS, configuration, file_of, over_stdio
from inwit.cli.load import load_module
from inwit.cli.progress import progress
from inwit.demo.questions import questions
from inwit.errors import AddressInUseError, InwitError
from inwit.introspection import Introspector
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve.daemon import run_once
from inwit.self_improve.report import to_json as report_to_json

if TYPE_CHECKING:
    from inwit.server.lifecycle import Running

ROUTES = ("/mcp/about", "/mcp/architecture", "/mcp/live/executions")


class Told:
    """What the demo tells a person as it goes, or a program at its end."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.steps: dict[str, Any] = {}

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[dict[str, Any]]:
        """Head a step, and say how long it took."""
        begun = time.perf_counter()
        found: dict[str, Any] = {}
        if not self.as_json:
            click.echo()
            render.heading(f"── {what}")
        yield found
        found["seconds"] = round(time.perf_counter() - begun, 2)
        self.steps[name] = found
        if not self.as_json:
            click.echo(click.style(f"({found['seconds']:.1f} s)", dim=True))

    def line(self, text: str) -> None:
        """Tell a person one thing."""
        if not self.as_json:
            click.echo(render.plain(text))


def tour(example: Path, *, graph: str, stop: bool = True, as_json: bool = False) -> None:
    """Go through everything once; on a terminal the host then stays until it is interrupted.

    `example` is a folder whose `evaluate.py` runs `graph` over its golden set.
    """
    told = Told(as_json=as_json)
    project = Project.find()
    with told.step("evaluation", f"The {graph} answers its golden set") as found:
        found.update(_evaluate(told, example))
    Journal.of(project).flush()
    with told.step("questions", "One question for each level and intent") as found:
        found["answers"] = _ask(told, project, graph)
    with told.step("daemon", "The daemon looks at the traces once") as found:
        found.update(_look(told, project))
    host = _start(project, graph)
    try:
        with told.step("host", f"The host answers at {host.url}") as found:
            found.update(_visit(told, host.url))
        with told.step("clients", "How clients connect") as found:
            found.update(_connect(told, host.url))
        if as_json:
            render.json(told.steps)
        elif not stop and sys.stdin.isatty() and sys.stdout.isatty():
            _stay(host)
    finally:
        host.stop()


def _evaluate(told: Told, example: Path) -> dict[str, Any]:
    evaluate = load_module(str(example), "evaluate").evaluate
    with progress() as tell:
        figures: dict[str, Any] = evaluate(tell)
    for name, value in figures.items():
        told.line(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")
    return figures


def _ask(told: Told, project: Project, graph: str) -> list[dict[str, Any]]:
    store = Store.of(project)
    introspector = Introspector.of(project, graph=graph)
    given = []
    for question in questions(store, store.graph(graph)):
        answer = introspector.ask(question.text, execution_id=question.execution_id)
        for one in answer.evidence:
            introspector.resolve(one.uri)
        given.append({"question": question.text, **answers.to_json(answer)})
        if not told.as_json:
            click.echo()
            render.heading(f"? {question.text}")
            render.answer(answer)
    return given


def _look(told: Told, project: Project) -> dict[str, Any]:
    report = run_once(project)
    seen = report.looked_at
    told.line(
        f"{seen.executions:,} executions, {seen.visits:,} visits of {seen.nodes} nodes, "
        f"{seen.outer_calls:,} tool and model calls; {seen.tests} tests"
    )
    for plan in (*report.plans, *report.known):
        told.line(f"plan {plan.id}: {plan.title}")
    if not report.plans and not report.known:
        told.line("no plan: the traces are healthy")
    return report_to_json(report)


def _start(project: Project, graph: str) -> Running:
    from inwit.server import lifecycle
    from inwit.server.offers import Offers

    offers = Offers(graph=graph)
    try:
        return lifecycle.start(project, offers=offers)
    except AddressInUseError:
        return lifecycle.start(project, offers=offers, port=0)


def _visit(told: Told, url: str) -> dict[str, Any]:
    import httpx

    from inwit.server import probe

    routes = {}
    with httpx.Client(base_url=url, trust_env=False, timeout=10.0) as http:
        for route in ROUTES:
            answer = http.get(route).raise_for_status()
            routes[route] = answer.json()
            told.line(f"GET {route}: {answer.status_code}, {len(answer.content):,} bytes")
    seen = probe.look(
        f"{url}/mcp",
        [
            ("introspect_ask", {"question": "What happened in the last execution?"}),
            ("list_executions", {"limit": 3}),
        ],
    )
    told.line(f"MCP {seen.protocol}: {', '.join(seen.tools)}")
    for reply in seen.replies:
        if reply.is_error:
            raise InwitError(f"{reply.tool} answered: {reply.text}")
        told.line(f"{reply.tool}: {reply.text.splitlines()[0] if reply.text else ''}")
    replies = [reply.text for reply in seen.replies]
    return {"url": url, "routes": routes, "tools": seen.tools, "replies": replies}


def _connect(told: Told, url: str) -> dict[str, Any]:
    """The configuration that starts inwit over standard input and output, and the host's url."""
    root = Project.find().root
    told.line(f"claude mcp add --transport http inwit {url}/mcp")
    configured = {name: configuration(name, over_stdio(root, name)) for name in CLIENTS}
    for name in CLIENTS:
        file = file_of(name, root, is_user=False)
        told.line(f"{file} for {name} (inwit mcp config {name}):")
        told.line(f"  {json.dumps(configured[name])}")
    return configured


def _stay(host: Running) -> None:
    click.echo(f"\nThe host stays at {host.url}; Ctrl-C ends it.", err=True)
    try:
        host.wait()
    except KeyboardInterrupt:
        click.echo("The host has stopped.", err=True)
