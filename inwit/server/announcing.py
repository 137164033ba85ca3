"""Saying on the local network that a host is here, where its project's settings want that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from inwit.errors import MissingLibraryError
from inwit.registry.peers import PeerBook, discovers
from inwit.runtime.project import Project
from inwit.server.heads import is_loopback

logger = logging.getLogger("inwit.server")


@contextmanager
def announced(project: Project, host: str, port: int) -> Iterator[None]:
    """Announce a host by mDNS while it serves: opt-in, and never one of this machine alone."""
    if is_loopback(host) or ":" in host or not discovers(project):
        yield
        return
    from inwit.registry.peers_mdns import Announcement, own_addresses

    book = PeerBook(project)
    addresses = own_addresses() if host == "0.0.0.0" else [host]  # noqa: S104 - compared, not bound
    try:
        made = Announcement(book.name, book.signer().public_key.keyid, port, addresses)
    except (MissingLibraryError, OSError) as exc:  # it can be asked all the same
        logger.warning("inwit: warning: This host is not announced: %s", exc)
        yield
        return
    try:
        yield
    finally:
        made.close()
