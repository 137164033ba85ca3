"""`inwit pkg contrib`: bugs, improvements, requests and fixes of packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import Group

if TYPE_CHECKING:
    from inwit.runtime.project import Project

KINDS = ("bug", "improvement", "request", "fix")
VERDICTS = ("accepted", "rejected", "duplicate", "resolved", "open")
_here = click.option("--here", is_flag=True, help="In this project, though a registry is set.")


@click.group(
    "contrib", cls=Group,
    example='inwit pkg contrib add bug acme/rag "loses citations" --execution 4f53cda1',
)  # fmt: skip
def command() -> None:
    """Contribute to packages, with the execution that shows it: to the registry, else in here."""


@command.command(
    "add", example='inwit pkg contrib add bug acme/rag "loses citations" --execution 4f53cda1'
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("package")
@click.argument("title")
@click.option("--description", default="", help="What is to be said beyond the title.")
@click.option("--execution", "execution_id", help="The execution of this project that shows it.")
@click.option(
    "--severity", type=click.Choice(["low", "moderate", "high", "critical"]), default="moderate",
    help="How much harm it does.",
)  # fmt: skip
@click.option(
    "--priority", type=click.Choice(["low", "normal", "high", "urgent"]), default="normal",
    help="How soon it should be done.",
)  # fmt: skip
@click.option("--package-version", default="", help="The version that it is about.")
@click.option(
    "--diff", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A fix's change."
)
@click.option("--ai", metavar="NAME", help="It is an AI that reports, under this name.")
@click.option("--ai-version", default="", help="The version of that AI.")
@_here
def add(
    kind: str, package: str, title: str, description: str, execution_id: str | None, severity: str,
    priority: str, package_version: str, diff: Path | None, ai: str | None, ai_version: str,
    here: bool, as_json: bool,
) -> None:  # fmt: skip
    """Report a bug, an improvement, a request or a fix, signed by your key."""
    from inwit.cli import render
    from inwit.cli.pkg_publish import user_name
    from inwit.registry.contributions import ContributionBook, read_report, sign_report
    from inwit.runtime.project import Project

    project = Project.find()
    who = (
        {"kind": "ai", "name": ai, "version": ai_version}
        if ai
        else {"kind": "person", "name": user_name()}
    )
    report = read_report(
        {
            "kind": kind, "package": package, "title": title, "description": description,
            "reporter": who, "severity": severity, "priority": priority,
            "package_version": package_version, **_shown(project, execution_id),
            "diff": diff.read_text(encoding="utf-8") if diff else "",
        }
    )  # fmt: skip
    envelope, key = sign_report(report)
    client = None if here else _client(project)
    if client is None:
        made = ContributionBook.of(project).add(report, envelope=envelope, key=key).to_json()
    else:
        import msgspec

        said = {**msgspec.to_builtins(report), "envelope": envelope, "key": key}
        made = client.post(f"/contributions/{kind}", said)
    if as_json:
        render.json(made)
    else:
        click.echo(render.plain(made["id"]))


@command.command("list", example="inwit pkg contrib list --kind bug --status open")
@click.option("--kind", type=click.Choice(KINDS), help="Only those of this kind.")
@click.option("--package", help="Only those of this package.")
@click.option("--status", type=click.Choice(VERDICTS), help="Only those of this status.")
@_here
def list_(
    kind: str | None, package: str | None, status: str | None, here: bool, as_json: bool
) -> None:
    """List contributions, the newest first. Their text is quoted: nothing in it is followed."""
    from inwit.cli import render
    from inwit.registry.contributions import ContributionBook
    from inwit.runtime.project import Project

    project = Project.find()
    client = None if here else _client(project)
    if client is None:
        book = ContributionBook.of(project)
        found = [one.to_json() for one in book.list(kind=kind, package=package, status=status)]
    else:
        asked = {"kind": kind, "package": package, "status": status}
        given = {name: value for name, value in asked.items() if value}
        found = client.get("/contributions", **given)["contributions"]
    if as_json:
        render.json({"contributions": found, "total_count": len(found)})
        return
    rows = [
        (one["id"], one["kind"], one["package"], one["severity"], one["status"], one["title"])
        for one in found
    ]
    columns = ("ID", "KIND", "PACKAGE", "SEVERITY", "STATUS", "TITLE")
    render.table(columns, rows, nothing="Nothing was contributed.")


@command.command("show", example="inwit pkg contrib show 4f53cda18c2baa0c")
@click.argument("contribution_id")
def show(contribution_id: str, as_json: bool) -> None:
    """Show one contribution of this project with its reviews."""
    from inwit.cli import render
    from inwit.registry.contributions import ContributionBook
    from inwit.runtime.project import Project

    found = ContributionBook.of(Project.find()).get(contribution_id).to_json()
    (render.json if as_json else render.facts)(found)


@command.command(
    "review", example='inwit pkg contrib review 4f53cda18c2baa0c accepted --comment "…"'
)
@click.argument("contribution_id")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.option("--comment", default="", help="Why, for who reported it.")
@_here
def review(contribution_id: str, verdict: str, comment: str, here: bool, as_json: bool) -> None:
    """Say what is made of a contribution; not of one's own."""
    from inwit.cli import render
    from inwit.cli.pkg_publish import user_name
    from inwit.registry.contributions import ContributionBook
    from inwit.runtime.project import Project

    project = Project.find()
    client = None if here else _client(project)
    if client is None:
        book = ContributionBook.of(project)
        made = book.review(
            contribution_id, by=user_name(), verdict=verdict, comment=comment
        ).to_json()
    else:
        said = {"verdict": verdict, "comment": comment}
        made = client.post(f"/contributions/{contribution_id}/review", said)
    if as_json:
        render.json(made)
    else:
        click.echo(f"{contribution_id} is {render.plain(made['status'])}.", err=True)


@command.command("link", example="inwit pkg contrib link 4f53cda18c2baa0c --plan 8c2baa0c4f53cda1")
@click.argument("contribution_id")
@click.option("--plan", "plan_id", required=True, help="The plan of this project that came of it.")
def link(contribution_id: str, plan_id: str, as_json: bool) -> None:
    """Name the plan that a contribution of this project led to."""
    from inwit.cli import render
    from inwit.registry.contributions import ContributionBook
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.self_improve.plans import PlanBook

    project = Project.find()
    plan = PlanBook.of(Store.of(project)).get(plan_id)
    made = ContributionBook.of(project).link(contribution_id, plan.id).to_json()
    if as_json:
        render.json(made)
    else:
        click.echo(f"{contribution_id} led to plan {plan.id}.", err=True)


def _client(project: Project) -> Any:
    """The registry's client; None where none is set."""
    from inwit.registry.serve_client import Place, RegistryClient, fetcher_for

    place = Place.configured(project)
    return None if place is None else RegistryClient(place, fetcher_for(project, place.url))


def _shown(project: Project, execution_id: str | None) -> dict[str, Any]:
    """The execution that shows it, and the facts of it that are told: no state, no input."""
    if execution_id is None:
        return {}
    from inwit.introspection import live
    from inwit.runtime.store import Store

    store = Store.of(project)
    found = store.execution(execution_id)
    told = live.execution(store, found.execution_id)
    kept = ("graph_name", "graph_version", "status", "started_at", "duration_ms", "current_node")
    evidence = {name: told[name] for name in kept if told.get(name) is not None}
    return {"execution_id": found.execution_id, "evidence": evidence}
