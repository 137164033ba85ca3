"""Peers: other hosts that this project's user has named, and the key by which each is known.

A peer is added by hand, from `config.toml` or the terminal; what is found on the local network is
shown and asked nothing before it is added. Its key is pinned when it is first met.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from inwit.errors import MalformedInputError, RefusedMessageError, UnknownPeerError, shorten
from inwit.registry.addresses import checked_url
from inwit.runtime.project import Project
from inwit.runtime.store.database import Database

if TYPE_CHECKING:
    import apsw
    from securesystemslib.signer import CryptoSigner

Row = tuple[Any, ...]
ROOM = "network"
KEY = "peer.key"
MOST_PEERS = 256
MIGRATIONS = (
    """
    CREATE TABLE peers (
        name TEXT PRIMARY KEY, url TEXT NOT NULL, key TEXT NOT NULL, token TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE inbox (
        sender TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, received_ns INTEGER NOT NULL,
        expires_ns INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (sender, id)
    ) WITHOUT ROWID;
    CREATE TABLE outbox (
        id TEXT PRIMARY KEY, peer TEXT NOT NULL, kind TEXT NOT NULL, envelope TEXT NOT NULL,
        made_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL, error TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    CREATE INDEX outbox_due ON outbox (next_ns) WHERE status = 'waiting';
    """,
)


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One other host."""

    name: str
    """What it is called here."""
    url: str
    """Where it answers."""
    key: str = ""
    """Its ed25519 key in hexadecimal digits, empty until it was met."""
    token: str = ""
    """The token that it asks for."""

    @property
    def address(self) -> str:
        """Its host and port: the one private address that may be reached to ask it."""
        place = urlsplit(self.url)
        port = place.port or (443 if place.scheme == "https" else 80)
        host = place.hostname or ""
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def key_id(self) -> str:
        """The id of its key; empty until it was met."""
        from inwit.registry.trust_keys import public_key

        return str(public_key(self.key).keyid) if self.key else ""


class PeerBook:
    """The peers of one project, and who this project is to them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.database = Database.of(project)

    @property
    def name(self) -> str:
        """What this host calls itself: ``[network] name`` of config.toml, else the machine's name."""
        table = _table(self.project)
        return str(table.get("name") or f"{socket.gethostname()}/{self.project.root.name}")

    def signer(self) -> CryptoSigner:
        """This project's own key, made when it is first needed."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from securesystemslib.signer import CryptoSigner

        return CryptoSigner(Ed25519PrivateKey.from_private_bytes(self.project.secret(KEY)))

    def every(self) -> list[Peer]:
        """All peers, by name; those of config.toml go before those that were added."""
        found = {peer.name: peer for peer in self._added()}
        for peer in _configured(self.project):
            pinned = found.get(peer.name)
            known = pinned.key if pinned and pinned.url == peer.url else ""
            found[peer.name] = peer if peer.key else msgspec.structs.replace(peer, key=known)
        return sorted(found.values(), key=lambda peer: peer.name)

    def get(self, name: str) -> Peer:
        """The peer of that name, or of that address.

        Raises:
            UnknownPeerError: There is none.
        """
        every = self.every()
        for peer in every:
            if name in (peer.name, peer.url):
                return peer
        raise UnknownPeerError(name, [peer.name for peer in every])

    def by_key_id(self, key_id: str) -> Peer:
        """The peer whose key has that id.

        Raises:
            RefusedMessageError: There is none: a stranger speaks.
        """
        for peer in self.every():
            if peer.key and peer.key_id == key_id:
                return peer
        raise RefusedMessageError(f"the key {key_id[:12]} is no peer's of this host")

    def add(self, name: str, url: str, *, key: str, token: str = "") -> Peer:
        """Name a peer, or change what is known of it.

        Raises:
            MalformedInputError: The name, address or key cannot be one, or there are too many.
        """
        from inwit.registry.trust_keys import public_key

        if not name or len(name) > 100 or not name.isprintable():
            raise MalformedInputError(f"{shorten(name)} is no name.", hint="Give one short line.")
        if key:
            public_key(key)
        peer = Peer(name=name, url=checked_url(url), key=key, token=token)
        if len({one.name for one in self.every()} | {name}) > MOST_PEERS:
            raise MalformedInputError("There are too many peers.", hint=f"At most {MOST_PEERS}.")
        self.declare()
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)",
                (peer.name, peer.url, peer.key, peer.token),
            )
        return peer

    def remove(self, name: str) -> None:
        """Forget a peer that was added.

        Raises:
            UnknownPeerError: There is none of that name.
        """
        peer = self.get(name)
        self.declare()
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM peers WHERE name = ?", (peer.name,))

    def declare(self) -> None:
        """See to it that the tables are there."""
        self.database.declare(ROOM, MIGRATIONS)

    def read(self, sql: str, *values: Any) -> list[Row]:
        """Read rows of these tables; none where no peer was ever named. Reading makes no table."""
        made = "SELECT 1 FROM rooms WHERE name = ?"
        if not self.database.read(lambda connection: rows(connection, made, ROOM)):
            return []
        self.declare()
        return self.database.read(lambda connection: rows(connection, sql, *values))

    def _added(self) -> list[Peer]:
        found = self.read("SELECT name, url, key, token FROM peers")
        return [Peer(name=name, url=url, key=key, token=token) for name, url, key, token in found]


def rows(connection: apsw.Connection, sql: str, *values: Any) -> list[Row]:
    """Run a statement and give its rows."""
    found: list[Row] = connection.execute(sql, values).fetchall()
    return found


def _configured(project: Project) -> list[Peer]:
    listed = _table(project).get("peers", [])
    try:
        found = msgspec.convert(listed, list[Peer])
    except msgspec.ValidationError as exc:
        raise MalformedInputError(
            f"[network] peers of config.toml: {exc}.",
            hint='peers = [{name = "ada", url = "http://…"}]',
        ) from exc
    return [msgspec.structs.replace(peer, url=checked_url(peer.url)) for peer in found]


def discovers(project: Project) -> bool:
    """Whether hosts are looked for on the local network: ``[network] discover = true``."""
    return _table(project).get("discover") is True


def installs_from_peers(project: Project) -> bool:
    """Whether packages are taken from peers: ``[network] install = true``."""
    return _table(project).get("install") is True


def _table(project: Project) -> Mapping[str, Any]:
    found = project.settings().get("network")
    return found if isinstance(found, dict) else {}
