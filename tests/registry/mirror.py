"""Whoever stands between a registry and its users: serves what was seen, as they like."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PREFIX = "/api/v1/tuf/"


@dataclass
class Mirror:
    """Files by their names below a registry's ``files``; what is done to them, clients see."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Mirror:
        """What a registry serves now."""
        made = cls()
        made.copy(folder)
        return made

    def copy(self, folder: Path) -> None:
        """Serve what the registry serves now."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it, and give its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix(PREFIX)
            mirror.asked.append(name)
            if name in mirror.redirects:
                self.send_response(302)
                self.send_header("Location", mirror.redirects[name])
                self.end_headers()
                return
            if name not in mirror.files:
                self.send_error(404)
                return
            self.send_response(200)
            if name in mirror.endless:
                self.end_headers()
                self._pour()
                return
            self.send_header("Content-Length", str(len(mirror.files[name])))
            self.end_headers()
            self.wfile.write(mirror.files[name])

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def _pour(self) -> None:
            try:
                for _ in range(4096):
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler
