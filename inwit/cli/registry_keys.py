"""`inwit registry keys`: whose keys a registry vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inwit.cli.frame import Group
from inwit.cli.pkg_publish import user_name
from inwit.cli.registry_folder import data_option, opened


@click.group("keys", cls=Group, example="inwit registry keys list --data ./packages")
def command() -> None:
    """List keys and namespaces, add and revoke keys, grant namespaces, rotate the registry's own."""


@command.command("list", example="inwit registry keys list --data ./packages")
@data_option
def list_(data: Path | None, as_json: bool) -> None:
    """List the keys and the namespaces that they sign for."""
    from inwit.cli import render
    from inwit.registry.trust_keys import ring_json

    registry = opened(data)
    ring = registry.ring()
    if as_json:
        render.json({**ring_json(ring), "fingerprint": registry.trust.fingerprint()})
        return
    render.table(
        ("NAMESPACE", "LEVEL", "THRESHOLD", "KEYS"),
        [
            (name, one.level, one.threshold, " ".join(key[:12] for key in one.keys))
            for name, one in sorted(ring.namespaces.items())
        ],
        nothing="No namespace is claimed or granted.",
    )
    rows = [
        (one.id[:12], one.owner, one.expires.date(), one.revoked_why if one.revoked_at else "")
        for one in ring.keys.values()
    ]
    render.table(("KEY", "OWNER", "EXPIRES", "REVOKED"), rows)


@command.command("add", example="inwit registry keys add 9f86d0… --owner ada --data ./packages")
@click.argument("public")
@click.option("--owner", required=True, help="Whose key it is.")
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), default=365, show_default=True,
    help="How long it may sign.",
)  # fmt: skip
@data_option
def add(public: str, owner: str, days: float, data: Path | None, as_json: bool) -> None:
    """Add a publisher's ed25519 key, of 64 hexadecimal digits; `inwit pkg key` shows it."""
    from datetime import UTC, datetime, timedelta

    from inwit.cli import render
    from inwit.registry.trust_keys import PublicKey, public_key

    now = datetime.now(UTC).replace(microsecond=0)
    key = PublicKey(
        id=public_key(public).keyid, public=public, owner=owner, valid_from=now,
        expires=now + timedelta(days=days),
    )  # fmt: skip
    registry = opened(data)
    registry.set_ring(registry.ring().with_key(key), user_name())
    if as_json:
        render.json({"key": key})
    else:
        click.echo(key.id)


@command.command(
    "grant", example="inwit registry keys grant acme --level verified --key 4f53cd --data D"
)
@click.argument("namespace")
@click.option(
    "--level", type=click.Choice(["community", "verified", "official"]), required=True,
    help="What a signature is worth; official needs two keys or more.",
)  # fmt: skip
@click.option("--key", "keys", multiple=True, help="The beginning of a key's id; may be repeated.")
@click.option(
    "--threshold", type=click.IntRange(1, 16), default=1, show_default=True,
    help="How many of the keys must sign.",
)  # fmt: skip
@data_option
def grant(
    namespace: str,
    level: str,
    keys: tuple[str, ...],
    threshold: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Say whose keys sign for a namespace, how many must, and what that is worth."""
    from inwit.cli import render
    from inwit.registry.trust import check_level
    from inwit.registry.trust_keys import Namespace

    registry = opened(data)
    ring = registry.ring()
    held = ring.namespaces.get(namespace)
    chosen = tuple(_whole(ring.keys, key) for key in keys) or (held.keys if held else ())
    made = Namespace(level=check_level(level), threshold=threshold, keys=chosen)
    registry.set_ring(ring.with_namespace(namespace, made), user_name())
    if as_json:
        render.json(
            {"namespace": namespace, "level": level, "threshold": threshold, "keys": chosen}
        )
    else:
        click.echo(f"{namespace} is {level}: {threshold} of {len(chosen)} keys sign.", err=True)


@command.command("revoke", example='inwit registry keys revoke 4f53cd --why "stolen" --data D')
@click.argument("key")
@click.option("--why", required=True, help="The reason; it is shown to who installs.")
@data_option
def revoke(key: str, why: str, data: Path | None, as_json: bool) -> None:
    """Let a key count for nothing, not for what it signed before either."""
    from inwit.cli import render

    registry = opened(data)
    ring = registry.ring()
    whole = _whole(ring.keys, key)
    registry.set_ring(ring.revoked(whole, why), user_name())
    if as_json:
        render.json({"revoked": whole, "why": why})
    else:
        click.echo(f"{whole[:12]} counts for nothing now.", err=True)


@command.command("rotate", example="inwit registry keys rotate online --data ./packages")
@click.argument("role", type=click.Choice(["root", "online"]))
@data_option
def rotate(role: str, data: Path | None, as_json: bool) -> None:
    """Replace the registry's own keys; clients follow, since the old ones sign for the new."""
    from inwit.cli import render

    registry = opened(data)
    registry.rotate(role, user_name())
    if as_json:
        render.json({"rotated": role})
    else:
        click.echo(f"The {role} keys are new.", err=True)


def _whole(keys: Any, beginning: str) -> str:
    found = [key for key in keys if key.startswith(beginning)]
    if len(found) != 1 or not beginning:
        raise click.UsageError(f"{beginning!r} begins {len(found)} keys; `keys list` shows them.")
    return str(found[0])
