"""`inwit self-improve`: what the traces say should change, and deciding on it."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli.frame import Group


@click.group("self-improve", cls=Group, example="inwit self-improve analyze")
def command() -> None:
    """Read the traces, find what is wrong, propose plans with evidence, apply what is agreed."""


def _print(report: Any, *, as_json: bool) -> None:
    from inwit.cli import render
    from inwit.self_improve.report import to_json, to_markdown

    if as_json:
        render.json(to_json(report))
    else:
        click.echo(render.block(to_markdown(report)))


def _builtins(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


_DEPTHS = ("metrics", "local", "deep")
STATUSES = (
    "proposed", "validated", "approved", "in_progress", "implemented", "rolled_back", "failed",
    "rejected", "superseded", "expired",
)  # fmt: skip
"""Those of `inwit.plans.PlanStatus`, said here too so that help imports none of it."""


@command.command("analyze", example="inwit self-improve analyze --graph librarian --depth deep")
@click.option("--graph", help="Only this graph.")
@click.option(
    "--depth", type=click.Choice(_DEPTHS), default="local", show_default=True,
    help="metrics: figures alone, nothing entered; local: plans too; deep: replayed with the code, "
    "and criticised by models where some are configured.",
)  # fmt: skip
@click.option("--app", "target", metavar="FILE:GRAPH", help="The graph's code, for replaying it.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write the report (.md or .json).")
def analyze(
    graph: str | None, depth: str, target: str | None, output: str | None, as_json: bool
) -> None:
    """Look for what is wrong, and propose plans."""
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.self_improve.analysis import analyze_at
    from inwit.self_improve.report import write

    app = _loaded(target)
    project = Project.find()
    store = Store.of(project)
    name = store.graph(graph).name if graph else None
    report = analyze_at(project, depth=depth, graph=name)
    del app  # it was at hand for the replays until now
    if output:
        write(report, output)
        click.echo(f"Written: {output}", err=True)
    _print(report, as_json=as_json)


def _loaded(target: str | None) -> Any:
    if target is None:
        return None
    from inwit.cli.load import load_graph

    found = load_graph(target)
    if found.journal is not None:
        found.journal.flush()  # it has its name in the project then
    return found


@command.command("plans", example="inwit self-improve plans --status proposed")
@click.option("--status", type=click.Choice(STATUSES), help="Only plans of this status.")
def plans(status: Any, as_json: bool) -> None:
    """List plans, how their predictions held, and which detectors are muted."""
    from inwit.cli import render
    from inwit.self_improve import trials

    book = _book()
    found = book.list(status=status)
    told, precision = trials.calibration(book), book.precision()
    if as_json:
        render.json({
            "plans": found, "total_count": len(found), "calibration": told, "precision": precision,
        })  # fmt: skip
        return
    rows = [
        (one.id, one.status, one.graph_name, f"{one.confidence:.2f}", _gain(one), one.title)
        for one in found
    ]
    nothing = "No plan is on record; `inwit self-improve analyze` looks for some."
    columns = ("PLAN", "STATUS", "GRAPH", "CONFIDENCE", "GAIN", "TITLE")
    render.table(columns, rows, nothing=nothing)
    if told.plans:
        click.echo(f"\n{told.held} of {told.plans} predicted intervals held.")
    for one in precision:
        shown = one.note or f"{one.detector}: {one.correct} of {one.verdicts} plans proved right"
        click.echo(render.plain(shown))


def _gain(plan: Any) -> str:
    gain = plan.expected_gain
    return "" if gain is None else f"{gain.point:.2f} ({gain.low:.2f}-{gain.high:.2f}) {gain.unit}"


def _book() -> Any:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Journal, Store
    from inwit.self_improve.plans import PlanBook

    project = Project.find()
    Journal.of(project).flush()
    return PlanBook.of(Store.of(project))


@command.command("show", example="inwit self-improve show PLAN --json")
@click.argument("plan_id", metavar="PLAN")
def show(plan_id: str, as_json: bool) -> None:
    """Show a plan with its evidence, expected gain, validation and rollback."""
    from inwit.cli import render

    found = _builtins(_book().get(plan_id))
    (render.json if as_json else render.facts)(found)


@command.command("explain", example="inwit self-improve explain PLAN")
@click.argument("plan_id", metavar="PLAN")
@click.option("--app", "target", metavar="FILE:GRAPH", help="The graph's code, for replaying it.")
def explain(plan_id: str, target: str | None, as_json: bool) -> None:
    """Reproduce every number of a plan from the record."""
    from inwit.cli import render
    from inwit.self_improve import explaining

    app = _loaded(target)
    book = _book()
    found = explaining.explain(book, book.get(plan_id), app)
    if as_json:
        render.json(found)
    else:
        click.echo(render.block(explaining.to_markdown(found)))


_REASON = click.option("--reason", default="", help="Why; it stands in the plan's history.")
_REVISION = click.option(
    "--revision", type=int, help="Only if the plan still has this revision."
)  # fmt: skip


def _decide(plan_id: str, action: str, *, as_json: bool, **said: Any) -> None:
    import getpass

    from inwit.cli import render
    from inwit.plans import Principal
    from inwit.runtime.project import Project
    from inwit.self_improve.deciding import decide

    project = Project.find()
    plan = _book().get(plan_id)
    found = decide(project, plan.id, action, Principal("person", getpass.getuser()), **said)
    if as_json:
        render.json(_builtins(found))
        return
    click.echo(render.plain(f"Plan {found.id} is {found.status} (revision {found.revision})."))
    for line in _next(found):
        click.echo(render.plain(line))


def _next(plan: Any) -> list[str]:
    """What follows from where a plan is now."""
    outcome, replay = plan.outcome or {}, plan.replay or {}
    match plan.status:
        case "proposed":
            why = replay.get("reason") or "it was not replayed yet"
            return [f"It stays a hypothesis: {why}"]
        case "validated":
            return [f"{replay.get('passed')} of {replay.get('n')} replays ended as recorded."]
        case "in_progress" if "patch" in outcome:
            return [f"A person reviews and applies {outcome['patch']}"]
        case "in_progress":
            share = outcome.get("share", 1.0)
            return [
                f"On trial for {share:.0%} of the threads; `inwit self-improve evaluate` measures it.",
            ]
        case "implemented" | "rolled_back":
            return [plan.history[-1].reason]
        case _:
            return []


@command.command("approve", example="inwit self-improve approve PLAN --assignee ada")
@click.argument("plan_id", metavar="PLAN")
@click.option("--assignee", help="Who sees to it.")
@_REASON
@_REVISION
def approve(
    plan_id: str, assignee: str | None, reason: str, revision: int | None, as_json: bool
) -> None:
    """Approve a validated plan. Who proposed it cannot."""
    _decide(
        plan_id, "approve", as_json=as_json, assignee=assignee, reason=reason,
        expected_revision=revision,
    )  # fmt: skip


@command.command("reject", example='inwit self-improve reject PLAN --reason "planned outage"')
@click.argument("plan_id", metavar="PLAN")
@_REASON
@_REVISION
def reject(plan_id: str, reason: str, revision: int | None, as_json: bool) -> None:
    """Reject a plan; its finding rests for 30 days, and its detector learns from it."""
    _decide(plan_id, "reject", as_json=as_json, reason=reason, expected_revision=revision)


@command.command("apply", example="inwit self-improve apply PLAN --share 0.5")
@click.argument("plan_id", metavar="PLAN")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True,
    help="The share of the threads to try it on; 1 is all of them.",
)  # fmt: skip
@_REASON
@_REVISION
def apply(plan_id: str, share: float, reason: str, revision: int | None, as_json: bool) -> None:
    """Apply an approved plan, on trial. Source is written as a patch file and not touched."""
    _decide(
        plan_id, "apply", as_json=as_json, share=share, reason=reason, expected_revision=revision
    )


@command.command("rollback", example="inwit self-improve rollback PLAN")
@click.argument("plan_id", metavar="PLAN")
@_REASON
@_REVISION
def rollback(plan_id: str, reason: str, revision: int | None, as_json: bool) -> None:
    """Take an applied plan back."""
    _decide(plan_id, "rollback", as_json=as_json, reason=reason, expected_revision=revision)


@command.command("evaluate", example="inwit self-improve evaluate PLAN --app app.py:graph")
@click.argument("plan_id", metavar="PLAN")
@click.option("--app", "target", metavar="FILE:GRAPH", help="The graph's code, for replaying it.")
def evaluate(plan_id: str, target: str | None, as_json: bool) -> None:
    """Replay a proposed plan on recorded executions, or measure one that is on trial."""
    app = _loaded(target)
    _decide(plan_id, "evaluate", as_json=as_json, app=app)


@command.command("daemon", example="inwit self-improve daemon --interval 60 --app app.py:graph")
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--interval", type=click.FloatRange(1), help="Seconds between looks [300].")
@click.option("--executions", type=click.IntRange(1), help="Look after so many executions [100].")
@click.option("--app", "target", metavar="FILE:GRAPH", help="The graph's code, for replaying it.")
@click.option("--webhook", metavar="URL", help="Send alerts there, signed.")
@click.option("--alerts", metavar="FILE", help="Append alerts to a file.")
def daemon(
    once: bool, interval: float | None, executions: int | None, target: str | None,
    webhook: str | None, alerts: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Read the traces, propose plans, measure those on trial, keep them or take them back."""
    from inwit.runtime.project import Project
    from inwit.self_improve.daemon import Daemon, Settings, sinks_of

    app = _loaded(target)
    project = Project.find()
    settings = Settings.of(
        project, interval_s=interval, executions=executions, webhook=webhook, alerts_file=alerts
    )
    made = Daemon(project, settings, sinks_of(project, settings, None if once else _say))
    if once:
        tick = made.once()
        assert tick.report is not None
        _print(tick.report, as_json=as_json)
        _tell_tick(tick)
        return
    made.run(lambda tick: _told(tick, as_json=as_json))
    del app


def _say(alert: Any) -> None:
    from inwit.cli import render

    click.echo(render.plain(f"{alert.at} plan {alert.plan_id} {alert.text}"), err=True)


def _told(tick: Any, *, as_json: bool) -> None:
    from inwit.cli import render

    if as_json:
        render.json(_builtins(tick))
        return
    report = tick.report
    count = 0 if report is None else len(report.plans)
    found = f"{count} new plan{'' if count == 1 else 's'}" if count else "nothing new"
    click.echo(render.plain(f"{tick.at} {tick.trigger or 'plans on trial'}: {found}"))
    _tell_tick(tick)


def _tell_tick(tick: Any) -> None:
    from inwit.cli import render

    for plan in (*tick.settled, *tick.expired):
        said = plan.history[-1].reason if plan.history else ""
        click.echo(render.plain(f"Plan {plan.id} is {plan.status}: {said}"), err=True)
    limits, used = tick.budget, tick.spent
    click.echo(
        f"Spent today: {used.seconds:.1f} of {limits.seconds} s, {used.tokens} of {limits.tokens} "
        f"tokens, {used.usd:.2f} of {limits.usd} USD, {used.plans} of {limits.plans} plans.",
        err=True,
    )


@command.command(
    "generate-tests", example="inwit self-improve generate-tests app.py:graph --limit 10"
)
@click.argument("target", metavar="FILE:GRAPH", required=False)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Tests at most."
)
@click.option(
    "--output", type=click.Path(file_okay=False), default="tests/traces", show_default=True,
    help="The folder for the tests.",
)  # fmt: skip
@click.option("--update", is_flag=True, help="Renew what the golden files there expect.")
def generate_tests(
    target: str | None, limit: int, output: str, update: bool, as_json: bool
) -> None:
    """Write pytest files that run recorded executions again, with recorded replies."""
    from pathlib import Path

    from inwit.cli import render
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.self_improve import generating

    folder = Path(output)
    if update:
        found = generating.update(folder)
    else:
        if target is None:
            raise click.UsageError("Say which graph: FILE:GRAPH.")
        app = _loaded(target)
        named = target if ":" in target else f"{target}:{_variable(app)}"
        found = generating.generate(Store.of(Project.find()), app, named, folder, limit=limit)
    if as_json:
        render.json(_builtins(found))
        return
    if update:
        click.echo(f"{len(found.changed)} of {len(found.golden)} golden files are others now.")
    elif found.file:
        click.echo(render.plain(f"{len(found.golden)} executions in {found.file}"))
    else:
        click.echo("No execution can be made a test.", err=True)
    for line in found.left_out:
        click.echo(render.plain(f"left out: {line}"), err=True)


def _variable(app: Any) -> str:
    """The name under which a file has a graph, or what makes it."""
    import sys

    from inwit.cli.load import FACTORIES

    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is app and not name.startswith("_"):
                return str(name)
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == app.options.source.file:
            found = next((name for name in FACTORIES if hasattr(module, name)), None)
            if found is not None:
                return found
    raise click.UsageError("Say which graph of the file: FILE:GRAPH.")
