"""A cache in a file, which processes share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence

import apsw

from inwit.runtime.caching.base import BaseCache, FullKey, Namespace, Serializer, V
from inwit.runtime.memory.file import OwnFile
from inwit.runtime.project import Project
from inwit.runtime.serial import pack
from inwit.runtime.store.connection import query

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cached (
    namespace BLOB NOT NULL,
    key TEXT NOT NULL,
    expires REAL,
    data BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cached_by_expiry ON cached (expires) WHERE expires IS NOT NULL
"""


class SqliteCache(BaseCache[V]):
    """A cache that lasts, and that several processes share.

    Args:
        path: The file. Without one, ``cache.db`` in the working directory's project folder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        serde: Serializer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(serde=serde)
        self._clock = clock
        if path is None:
            path = Project.find().ensure() / "cache.db"
        self._file = OwnFile(path, _SCHEMA, durable=False)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; what is not there or has expired is left out."""
        now, sql = self._clock(), "SELECT data, expires FROM cached WHERE namespace = ? AND key = ?"

        def work(connection: apsw.Connection) -> dict[FullKey, bytes]:
            found = {}
            for namespace, key in keys:
                for data, expires in query(connection, sql, (pack(list(namespace)), key)):
                    if expires is None or expires > now:
                        found[tuple(namespace), key] = data
            return found

        return {key: self.load(data) for key, data in self._file.read(work).items()}

    def set(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values, each with the seconds that it lasts, None for ever. What is over goes."""
        now = self._clock()
        rows = [
            (pack(list(namespace)), key, None if ttl is None else now + ttl, self.dump(value))
            for (namespace, key), (value, ttl) in pairs.items()
        ]

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM cached WHERE expires <= ?", (now,))
            connection.executemany("INSERT OR REPLACE INTO cached VALUES (?, ?, ?, ?)", rows)

        self._file.write(work)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""

        def work(connection: apsw.Connection) -> None:
            if namespaces is None:
                connection.execute("DELETE FROM cached")
                return
            rows = [(pack(list(namespace)),) for namespace in namespaces]
            connection.executemany("DELETE FROM cached WHERE namespace = ?", rows)

        self._file.write(work)

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; see `get`."""
        return await asyncio.to_thread(self.get, keys)

    async def aset(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values; see `set`."""
        await asyncio.to_thread(self.set, pairs)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""
        await asyncio.to_thread(self.clear, namespaces)
