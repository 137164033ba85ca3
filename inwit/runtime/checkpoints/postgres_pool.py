"""A few connections to PostgreSQL, made when they are needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from inwit.errors import StoreLockedError

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_S = 5
WAIT_S = 30.0
"""How long one waits for a connection that another thread uses."""


class Pool:
    """Lends connections in autocommit mode, at most `size` at once.

    psycopg's own pool waits longer and longer between its tries to connect; whoever waits for a
    commit wants the next try at once.
    """

    def __init__(self, conninfo: str, size: int) -> None:
        self._conninfo = conninfo
        self._size = size
        self._left_behind: list[object] = []
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._free = threading.Semaphore(self._size)
        self._idle: list[Connection] = []

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection. One that breaks is closed, and with it those that lie idle."""
        if self._process != os.getpid():
            # A forked child; to use or close its parent's connections would harm the parent.
            self._left_behind += [self._idle]
            self._reset()
        if not self._free.acquire(timeout=WAIT_S):
            raise StoreLockedError("A connection to PostgreSQL", WAIT_S)
        try:
            yield from self._lend()
        finally:
            self._free.release()

    def _lend(self) -> Iterator[Connection]:
        from psycopg.pq import TransactionStatus

        connection = self._take()
        try:
            yield connection
        finally:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                self._idle.append(connection)
            else:
                connection.close()
                self.close()

    def _take(self) -> Connection:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if not connection.closed:
                    return connection
        return self._connect()

    def _connect(self) -> Connection:
        from psycopg import connect

        connection = connect(self._conninfo, autocommit=True, connect_timeout=CONNECT_S)
        # An acknowledged commit is on the disk, whatever the server's default is.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        return connection

    def close(self) -> None:
        """Close the connections that lie idle."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()
