"""Telling people: on the console, in a file, by a signed webhook. SSE and MCP read the record's events.

A receiver that hangs or fails holds nothing up: it has a time limit, and is told of again next time.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InwitError
from inwit.plans import Plan
from inwit.self_improve import tables

if TYPE_CHECKING:
    from inwit.runtime.project import Project

TIMEOUT_S: Final = 5.0
SIGNATURE: Final = "x-inwit-signature"
TIMESTAMP: Final = "x-inwit-timestamp"
KEY_FILE: Final = "webhook.key"
_logger = logging.getLogger("inwit")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a plan that people should know."""

    at: str
    plan_id: str
    status: str
    title: str
    graph_name: str
    text: str
    revision: int


Sink = Callable[[Alert], None]


def alert_of(plan: Plan) -> Alert:
    """Say what a plan has become."""
    last = plan.history[-1] if plan.history else None
    why = last.reason if last is not None else ""
    return Alert(
        at=last.at if last is not None else tables.now(), plan_id=plan.id, status=plan.status,
        title=plan.title, graph_name=plan.graph_name, revision=plan.revision,
        text=f"{plan.status}: {plan.title}. {why}".strip(),
    )  # fmt: skip


class Alerts:
    """All places that are told. One that fails is said in the log, once."""

    def __init__(self, sinks: Iterable[Sink] = ()) -> None:
        self._sinks = tuple(sinks)
        self.failures: list[str] = []

    def tell(self, plans: Iterable[Plan]) -> int:
        """Tell of plans; gives how many receivers failed."""
        failed = 0
        for alert in map(alert_of, plans):
            for sink in self._sinks:
                try:
                    sink(alert)
                except (InwitError, OSError) as exc:
                    failed += 1
                    self._note(f"an alert could not be delivered: {exc}")
        return failed

    def _note(self, text: str) -> None:
        if text not in self.failures:
            self.failures.append(text)
            _logger.warning("inwit: warning: %s", text)


def to_file(path: str | Path) -> Sink:
    """Append alerts to a file, one JSON object a line."""

    def write(alert: Alert) -> None:
        with Path(path).open("ab") as file:
            file.write(msgspec.json.encode(alert) + b"\n")

    return write


def to_webhook(project: Project, url: str, **limits: Any) -> Sink:
    """Send alerts by POST, signed with the project's `webhook.key`.

    The signature is the HMAC-SHA256 of the time stamp, a full stop and the body. The address is
    checked as all outgoing requests are: private ones have to be allowed in config.toml.
    """
    from inwit.registry.fetch import Fetcher

    fetcher = Fetcher.of(project, timeout_s=TIMEOUT_S, limit_bytes=65_536, **limits)

    def send(alert: Alert) -> None:
        body = msgspec.json.encode(alert)
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/json", TIMESTAMP: stamp,
            SIGNATURE: f"sha256={sign(project.secret(KEY_FILE), stamp, body)}",
        }  # fmt: skip
        found = fetcher.post(url, body, headers=headers)
        if not found.is_success:
            raise OSError(f"{url} answered with {found.status}")

    return send


def sign(secret: bytes, stamp: str, body: bytes) -> str:
    """The signature of a body that was sent at a time."""
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
