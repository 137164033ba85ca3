"""What a host says of itself: one line each, readable or as JSON, and without secrets."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from inwit.events import timestamp

Form = Literal["text", "json"]
Level = Literal["error", "warning", "info", "debug"]
requests = logging.getLogger("inwit.requests")
"""A line for each request, at level info: method, path without its query, status, time taken."""


class Lines(logging.Formatter):
    """Writes a record as one line, or with its traceback; `hide` takes secrets out of it."""

    def __init__(self, form: Form, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._form = form
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """Write time (UTC), level, logger and message; what was logged beside them as fields."""
        message = self._hide(record.getMessage())
        told = self._hide(self.formatException(record.exc_info)) if record.exc_info else ""
        ts = timestamp(int(record.created * 1e9))
        given: dict[str, object] = getattr(record, "fields", {})
        fields = {
            name: self._hide(one) if isinstance(one, str) else one for name, one in given.items()
        }
        if self._form == "json":
            shown = {
                "ts": ts, "level": record.levelname.lower(), "logger": record.name,
                "message": message, **fields, **({"exception": told} if told else {}),
            }  # fmt: skip
            return msgspec.json.encode(shown, enc_hook=str).decode()
        line = f"{ts} {record.levelname} {record.name}: {' '.join(message.split())}"
        return f"{line}\n{told}" if told else line


def configure(form: Form, level: Level, hide: Callable[[str], str]) -> None:
    """Let this process log to stderr: its own from `level` on, that of libraries from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form, hide))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("inwit").setLevel(level.upper())


def request(method: str, path: str, status: int, begun: float, client: str) -> None:
    """Log a request that is over; `begun` is of `time.perf_counter`."""
    took_ms = round((time.perf_counter() - begun) * 1000, 1)
    fields = {
        "method": method, "path": path, "status": status, "duration_ms": took_ms, "client": client,
    }  # fmt: skip
    told = "%s %s %d in %s ms, for %s"
    requests.info(told, method, path, status, took_ms, client, extra={"fields": fields})
