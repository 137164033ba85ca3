"""One process's hold on the record's file: its writing connection, its readers, its recovery."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from inwit.errors import StoreCorruptError, StoreLockedError, StoreReadOnlyError
from inwit.runtime.project import Project
from inwit.runtime.store.coming import Coming
from inwit.runtime.store.connection import BUSY_MS, open_reader, open_writer, store_errors
from inwit.runtime.store.recovery import is_emptied, move_aside, say_if_empty
from inwit.runtime.store.schema import is_migrated, migrate, migrate_room

T = TypeVar("T")
Inode = tuple[int, int, bool]
"""Which file it is: its device, its number there, and whether it is empty."""
_databases: dict[Path, Database] = {}
_databases_lock = threading.Lock()
_left_behind: list[object] = []
"""What a forked child inherits of its parent's connections: to close them would harm the parent."""


class Database:
    """The file of one project. Thread-safe; `of` gives every room of a process the same one."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.path = project.database
        self.generation = 0
        """Counts the files that were opened under this path; another number is another file."""
        self.coming = Coming()
        self._lock = threading.RLock()
        self._lock_file: int | None = None
        self._writer: apsw.Connection | None = None
        self._inode: Inode | None = None
        self._synchronous = ""
        self._rooms: dict[str, Sequence[str]] = {}
        self._readers: list[tuple[Inode, apsw.Connection]] = []
        self._empty: apsw.Connection | None = None

    @classmethod
    def of(cls, project: Project) -> Database:
        """The one database of a project in this process."""
        with _databases_lock:
            found = _databases.get(project.folder)
            if found is None:
                found = _databases[project.folder] = cls(project)
            return found

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[apsw.Connection]:
        """One IMMEDIATE transaction; `durable` outlives a loss of power too, else a crash only.

        The project's lock is held shared meanwhile, so that no other process moves the file away
        between the check of its inode and the commit.

        Raises:
            StoreError: As its class says. A damaged file has been moved aside then.
        """
        with self._lock:
            try:
                with store_errors(self.path):
                    yield from _immediate(self._open(durable))
            except StoreCorruptError:
                self.recover()
                raise
            finally:
                self._unlock()

    def write(self, work: Callable[[apsw.Connection], T], *, durable: bool = True) -> T:
        """Run `work` in one transaction, once more where it met a damaged file."""
        try:
            with self.transaction(durable=durable) as connection:
                return work(connection)
        except StoreCorruptError:
            with self.transaction(durable=durable) as connection:
                return work(connection)

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` on a connection that only reads, once more where it met a damaged file."""
        try:
            return self._read(work)
        except StoreCorruptError:
            self.recover()
            return self._read(work)

    def declare(self, room: str, migrations: Sequence[str]) -> None:
        """Contribute tables, brought to their version now and in any file begun later."""
        if self._rooms.get(room) == migrations:
            return
        self.write(lambda connection: migrate_room(connection, self.path, room, migrations))
        self._rooms[room] = migrations

    def recover(self) -> None:
        """Move a damaged file aside, unless another process has done so already."""
        with self._lock:
            try:
                self._flock(fcntl.LOCK_EX)
                with store_errors(self.path):
                    move_aside(self.path)
            finally:
                self._forget_writer()
                self._unlock()

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        with self._lock:
            self._forget_writer()
            while self._readers:
                self._readers.pop()[1].close(True)
            self._forget_lock()

    # Writing

    def _open(self, durable: bool) -> apsw.Connection:
        if self._inode != _inode_of(self.path):
            self._forget_lock()  # the whole folder may be another one
        self._flock(fcntl.LOCK_SH)
        writer = self._writer
        if writer is None or self._inode != _inode_of(self.path):
            writer = self._reopen()
        wanted = "FULL" if durable else "NORMAL"
        if wanted != self._synchronous:
            writer.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        return writer

    def _reopen(self) -> apsw.Connection:
        self._flock(fcntl.LOCK_EX)
        if is_emptied(self.path):
            move_aside(self.path)
        say_if_empty(self.path)
        self._forget_writer()  # not before: the last one to close a file removes its log
        connection = open_writer(self.path)
        try:
            migrate(connection, self.path)
            for room, migrations in self._rooms.items():
                with connection:
                    migrate_room(connection, self.path, room, migrations)
        except BaseException:
            connection.close(True)
            raise
        self._writer, self._inode = connection, _inode_of(self.path)
        self._synchronous = "NORMAL"
        self.generation += 1
        self._flock(fcntl.LOCK_SH)
        if self._inode != _inode_of(self.path):  # moved while the lock changed hands
            return self._reopen()
        return connection

    def _forget_writer(self) -> None:
        if self._writer is not None:
            self._writer.close(True)
            self._writer = None

    def _flock(self, kind: int) -> None:
        if self._lock_file is None:
            self.project.ensure()
            path = self.project.folder / "lock"
            try:
                self._lock_file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as exc:
                raise StoreReadOnlyError(path, exc.strerror or str(exc)) from exc
        deadline = time.monotonic() + BUSY_MS / 1000
        while True:
            try:
                return fcntl.flock(self._lock_file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreLockedError(self.path, BUSY_MS / 1000) from None
                time.sleep(0.002)

    def _unlock(self) -> None:
        if self._lock_file is not None:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _forget_lock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # Reading

    def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        with store_errors(self.path):
            inode = _inode_of(self.path)
            if inode is None:
                with self._lock:
                    return work(self._nothing())
            reader = self._take_reader(inode)
            try:
                return work(reader)
            finally:
                self._readers.append((inode, reader))

    def _take_reader(self, inode: Inode) -> apsw.Connection:
        while self._readers:
            try:
                found, connection = self._readers.pop()
            except IndexError:  # another thread was faster
                break
            if found == inode:
                return connection
            connection.close(True)
        connection = open_reader(self.path)
        if not is_migrated(connection, self.path):
            connection.close(True)
            with self.transaction():  # brings an older or half-made file to this version
                pass
            connection = open_reader(self.path)
        return connection

    def _nothing(self) -> apsw.Connection:
        """An empty record, for a project that has none: reading creates no folder."""
        if self._empty is None:
            self._empty = apsw.Connection(":memory:")
            migrate(self._empty, ":memory:")
        return self._empty


def _immediate(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _inode_of(path: Path) -> Inode | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise StoreReadOnlyError(path, exc.strerror or str(exc)) from exc
    return found.st_dev, found.st_ino, found.st_size == 0


def _after_fork() -> None:
    global _databases_lock  # noqa: PLW0603 - another thread may have held it when the fork came
    _databases_lock = threading.Lock()
    _left_behind.extend(_databases.values())
    _databases.clear()


os.register_at_fork(after_in_child=_after_fork)
