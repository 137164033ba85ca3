"""A Prometheus server that has scraped this project's `/metrics`: its history, beyond the traces.

`prometheus_url` in `config.toml`, or ``INWIT_PROMETHEUS_URL``, names it. What it says is data of
somebody else: numbers and labels are read from it and nothing besides.
"""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from inwit.errors import FetchError, FetchTooLargeError, UnknownUriError
from inwit.introspection.claims import short
from inwit.runtime.project import Project

SETTING = "prometheus_url"
TIMEOUT_S = 2.0
REST_S = 30.0
"""How long a server that did not answer is not asked again."""
ANSWER_MOST = 4 << 20
SCHEME = "prometheus"
_silent: dict[str, tuple[float, str]] = {}


class HistoryGoneError(Exception):
    """The server does not answer, or not as Prometheus does; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value."""

    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, name: str) -> str:
        """A label's value; empty without one."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class History:
    """A Prometheus server."""

    url: str

    @classmethod
    def of(cls, project: Project) -> History | None:
        """The server of a project; None where none is configured."""
        found = os.environ.get("INWIT_PROMETHEUS_URL") or project.settings().get(SETTING)
        return cls(found.rstrip("/")) if isinstance(found, str) and found else None

    @property
    def shown(self) -> str:
        """Its address without a password."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def query(self, expression: str, at_s: int) -> Sequence[Sample]:
        """The value of an expression at a time, in seconds since 1970, by each series.

        Raises:
            HistoryGoneError: The server does not answer so.
        """
        rests = _silent.get(self.url)
        if rests is not None and time.monotonic() < rests[0]:
            raise HistoryGoneError(rests[1])
        try:
            return _asked(self.url, expression, at_s)
        except HistoryGoneError as exc:
            _silent[self.url] = (time.monotonic() + REST_S, str(exc))
            raise

    def uri(self, expression: str, at_s: int) -> str:
        """Name a value of an expression."""
        return f"{SCHEME}://{urllib.parse.quote(expression, safe='')}@{at_s}"


def resolved(project: Project, path: str) -> tuple[str, str, dict[str, Any]]:
    """Give what the uri of a value names, by asking the server again.

    Raises:
        UnknownUriError: There is no server, it does not answer, or the uri names no value.
    """
    quoted, _, at = path.rpartition("@")
    history = History.of(project)
    if history is None or not quoted or not at.isdecimal() or len(at) > 12:
        raise UnknownUriError(path, hint=f"{SETTING} is not set, or the uri has no time.")
    expression = urllib.parse.unquote(quoted)
    try:
        found = history.query(expression, int(at))
    except HistoryGoneError as exc:
        raise UnknownUriError(path, hint=f"Prometheus does not answer: {exc}") from exc
    rows = [{"labels": dict(one.labels), "value": one.value} for one in found]
    told = ", ".join(f"{' '.join(v for _, v in one.labels)} {one.value:g}".strip() for one in found)
    line = f"{short(expression, 160)} = {short(told, 200) or 'nothing'}"
    return (
        "a value of Prometheus",
        line,
        {"expression": expression, "at_s": int(at), "series": rows},
    )


@lru_cache(maxsize=256)
def _asked(url: str, expression: str, at_s: int) -> tuple[Sample, ...]:
    from inwit.registry.fetch import Fetcher

    place = urllib.parse.urlsplit(url)
    if place.scheme not in ("http", "https"):
        raise HistoryGoneError(f"{short(url, 80)} is no http address")
    query = urllib.parse.urlencode({"query": expression, "time": at_s})
    # Whoever configured this address means it, private or not; no redirect leads to another such.
    fetcher = Fetcher(allow=[place.netloc], limit_bytes=ANSWER_MOST, timeout_s=TIMEOUT_S)
    try:
        found = fetcher.get(f"{url}/api/v1/query?{query}")
    except FetchTooLargeError as exc:
        raise HistoryGoneError("its answer is over 4 MiB") from exc
    except FetchError as exc:
        raise HistoryGoneError(short(exc.message)) from exc
    if not found.is_success:
        raise HistoryGoneError(f"it answers {found.status}")
    return _samples(found.body)


def _samples(raw: bytes) -> tuple[Sample, ...]:
    try:
        found = json.loads(raw)
        if found["status"] != "success" or found["data"]["resultType"] != "vector":
            raise HistoryGoneError("its answer is no vector")
        return tuple(
            Sample(
                tuple(sorted((str(k), str(v)) for k, v in one["metric"].items())),
                float(one["value"][1]),
            )
            for one in found["data"]["result"]
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as exc:
        raise HistoryGoneError("its answer is not Prometheus'") from exc
