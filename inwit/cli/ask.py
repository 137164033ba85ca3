"""`inwit ask`: a question in plain words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import Command, Failure
from inwit.errors import InwitError

if TYPE_CHECKING:
    from inwit.answers import Answer
    from inwit.plans import Plan
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.project import Project

LEVELS = ("platform", "app", "live", "network")


def question(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make the command that asks, under this name; `introspect ask` is the same one."""

    def make(function: Callable[..., Any]) -> click.Command:
        for option in (
            click.argument("question", nargs=-1, required=True),
            click.option("--execution", "execution_id", help="Ask about this execution."),
            click.option("--graph", help="Ask about this graph; the last compiled by default."),
            click.option("--level", type=click.Choice(LEVELS), help="Answer on this level only."),
            click.option(
                "--peer",
                "peers",
                multiple=True,
                help="Ask this peer instead; repeated, each of them, or `all`.",
            ),
            click.option(
                "--within",
                "within_s",
                type=click.FloatRange(min=0, min_open=True),
                default=10.0,
                metavar="SECONDS",
                help="How long peers have to answer; 10 by default.",
            ),
            click.option(
                "--verify",
                is_flag=True,
                help="Try a what-if: run nodes that are declared pure again, with the change.",
            ),
            click.option(
                "--conversation",
                "conversation_id",
                metavar="ID",
                help='Go on with this conversation, so that "and before?" is understood.',
            ),
            click.option(
                "--propose",
                type=click.IntRange(1),
                metavar="N",
                help='Make a plan of the Nth thing that a "how can I" offers.',
            ),
        ):
            function = option(function)
        return click.command(name, cls=Command, example=example)(function)

    return make


def put(
    question: tuple[str, ...], *, level: Any, graph: str | None, execution_id: str | None,
    verify: bool, propose: int | None, as_json: bool, peers: tuple[str, ...] = (),
    within_s: float = 10.0,
    conversation_id: str | None = None,
) -> None:  # fmt: skip
    """Ask the project of the working directory and print the answer."""
    from inwit import answers
    from inwit.cli import render
    from inwit.introspection import Introspector
    from inwit.runtime.project import Project

    project = Project.find()
    if peers:
        _put_to_peers(
            project, " ".join(question), peers, level, graph, within_s=within_s, as_json=as_json
        )
        return
    found = Introspector.of(project, graph=graph, code=partial(code, project)).ask(
        " ".join(question), level=level, graph=graph, execution_id=execution_id, verify=verify,
        conversation_id=conversation_id,
    )  # fmt: skip
    plan = None if propose is None else _proposed(project, found, propose)
    if as_json:
        render.json(answers.to_json(found) | ({"plan": plan.id} if plan else {}))
        return
    render.answer(found)
    if plan is not None:
        click.echo(f"plan {plan.id}: {render.plain(plan.title)} ({plan.status})")


def _put_to_peers(
    project: Project, question: str, names: tuple[str, ...], level: Any, graph: str | None,
    *, within_s: float, as_json: bool,
) -> None:  # fmt: skip
    from inwit import answers
    from inwit.cli import render
    from inwit.introspection.others import ask_peers
    from inwit.registry.peers import PeerBook
    from inwit.registry.peers_client import PeerClient

    remotes = PeerClient(PeerBook(project)).remote(None if "all" in names else names)
    found = ask_peers(remotes, question, level=level, graph=graph, deadline_s=within_s)
    if as_json:
        render.json(answers.to_json(found))
    else:
        render.answer(found)


def _proposed(project: Project, found: Answer, number: int) -> Plan:
    from inwit.introspection.proposing import propose
    from inwit.runtime.store import Store
    from inwit.self_improve.plans import PlanBook

    return propose(found, number, PlanBook.of(Store.of(project)), actor="introspection")


def code(project: Project, name: str) -> CompiledGraph[Any] | None:
    """The compiled graph of a name, by running the file that it is written in; None without one."""
    from inwit.cli.replay import graph_of
    from inwit.runtime.store import Store

    store = Store.of(project)
    try:
        return graph_of(store, name, store.graph(name).version, None)
    except (Failure, InwitError) as exc:
        click.echo(f"The code of {name} cannot be run: {exc}", err=True)
        return None


@question("ask", 'inwit ask "Why did search run 3 times?"')
def command(**asked: Any) -> None:
    """Ask anything about your graphs, their executions, inwit itself or its packages."""
    put(**asked)
