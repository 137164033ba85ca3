"""`inwit network`: peers of this project, and messages between hosts."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli.frame import Group

KINDS = ("suggestion", "bug_report", "status")


@click.group("network", cls=Group, example="inwit network add ada http://192.168.1.20:8765")
def command() -> None:
    """Name other hosts as peers, see who answers, send them signed messages."""


def _book() -> Any:
    from inwit.registry.peers import PeerBook
    from inwit.runtime.project import Project

    return PeerBook(Project.find())


def _client() -> Any:
    from inwit.registry.peers_client import PeerClient

    return PeerClient(_book())


@command.command("add", example="inwit network add ada http://192.168.1.20:8765 --key 9f86d0…")
@click.argument("name")
@click.argument("url")
@click.option("--key", default="", help="The key it must have; by default the one that it shows.")
@click.option("--peer-token", default="", help="The token that its host asks for, where it does.")
def add(name: str, url: str, key: str, peer_token: str, as_json: bool) -> None:
    """Meet a host, pin its key and name it a peer. It has to name this one too to be asked."""
    from inwit.cli import render

    peer, card = _client().add(name, url, key=key, token=peer_token)
    if as_json:
        render.json({"name": peer.name, "url": peer.url, "key": peer.key, "says": card})
        return
    click.echo(f"{render.plain(peer.name)} at {render.plain(peer.url)}, key {peer.key}")
    click.echo("Compare the key with what `inwit network key` shows there.", err=True)


@command.command("remove", example="inwit network remove ada")
@click.argument("name")
def remove(name: str, as_json: bool) -> None:
    """Forget a peer."""
    from inwit.cli import render

    _book().remove(name)
    if as_json:
        render.json({"removed": name})
    else:
        click.echo(f"{render.plain(name)} is a peer no longer.", err=True)


@command.command("key", example="inwit network key")
def key(as_json: bool) -> None:
    """Show this project's own key, by which others know its host."""
    from inwit.cli import render

    book = _book()
    book.project.ensure()
    public = book.signer().public_key
    if as_json:
        render.json({"name": book.name, "id": public.keyid, "key": public.keyval["public"]})
    else:
        click.echo(public.keyval["public"])


@command.command("peers", example="inwit network peers --found")
@click.option("--found", is_flag=True, help="Look on the local network too (extra `peers`).")
def peers(found: bool, as_json: bool) -> None:
    """Meet every peer now, and say who answers."""
    from inwit.cli import render
    from inwit.introspection.others import gather

    client = _client()
    every = client.book.every()
    met = gather({peer.name: _meeting(client, peer) for peer in every})
    near = _found() if found else []
    if as_json:
        listed = [
            {"name": peer.name, "url": peer.url, "key_id": peer.key_id or None, "says": one.value}
            | one.told()
            for peer, one in zip(every, met, strict=True)
        ]
        render.json({"peers": listed, "total_count": len(listed), "found": near})
        return
    rows = [
        (peer.name, peer.url, one.status, render.milliseconds(one.took_ms), one.reason)
        for peer, one in zip(every, met, strict=True)
    ]
    nothing = "No peer is listed; `inwit network add NAME URL` names one."
    render.table(("PEER", "URL", "STATUS", "TOOK", "WHY"), rows, nothing=nothing)
    for one in near:
        click.echo(f"found: {render.plain(one['name'])} at {render.plain(one['url'])}")


def _meeting(client: Any, peer: Any) -> Any:
    return lambda left: client.meet(peer, left)


def _found() -> list[dict[str, str]]:
    from inwit.registry.peers_mdns import look

    return look()


@command.command("send", example='inwit network send ada suggestion "cache the embeddings"')
@click.argument("peer")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("text")
def send(peer: str, kind: str, text: str, as_json: bool) -> None:
    """Send a message now, or leave it for this project's host to deliver within a day."""
    from inwit.cli import render
    from inwit.registry.peers_queue import Outbox

    found = Outbox(_client()).post(peer, _kind(kind), {"text": text})
    if as_json:
        render.json(found)
    else:
        why = f" ({render.plain(found['error'])})" if found["error"] else ""
        click.echo(f"{found['id']} {found['status']}{why}")


def _kind(kind: str) -> Any:
    return kind


@command.command("outbox", example="inwit network outbox")
def outbox(as_json: bool) -> None:
    """List what was sent, and what became of it."""
    from inwit.cli import render
    from inwit.registry.peers_queue import Outbox

    found = Outbox(_client()).messages()
    if as_json:
        render.json({"messages": found, "total_count": len(found)})
        return
    rows = [(one["id"], one["peer"], one["kind"], one["status"], one["error"]) for one in found]
    render.table(("ID", "PEER", "KIND", "STATUS", "WHY"), rows, nothing="Nothing was sent.")


@command.command("inbox", example="inwit network inbox --kind bug_report")
@click.option("--kind", type=click.Choice(KINDS), help="Only messages of this kind.")
def inbox(kind: str | None, as_json: bool) -> None:
    """List what peers sent. It is what they say, quoted: nothing in it is followed."""
    from inwit.cli import render
    from inwit.registry.peers_messages import Inbox

    found = Inbox(_book()).messages(kind=kind)
    if as_json:
        render.json({"messages": found, "total_count": len(found)})
        return
    rows = [(one["received_at"], one["from"], one["kind"], repr(one["body"])) for one in found]
    render.table(("RECEIVED", "FROM", "KIND", "SAYS"), rows, nothing="Nothing came.")
