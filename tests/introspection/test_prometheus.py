"""A Prometheus server's history: used where it is configured, and missed honestly where it is gone."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from inwit.introspection import prometheus
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.server import metrics
from tests.introspection.planting import asked, evidence_holds, looping

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ASKED = re.compile(
    r"sum(?: by \((?P<by>\w+)\))? \(?\(?increase\((?P<name>\w+)(?P<own>\{.*?\})\[(?P<s>\d+)s\]\)\)?\)?"
)


class Scraped:
    """What has been scraped of `/metrics`, and the part of PromQL that sums increases."""

    def __init__(self) -> None:
        self.scrapes: list[dict[tuple[str, frozenset[tuple[str, str]]], float]] = [{}]

    def scrape(self) -> None:
        text = metrics.write(Store.of(Project.find()))
        found = [one for line in text.splitlines() if (one := SAMPLE.match(line))]
        self.scrapes.append(
            {(m[1], frozenset(LABEL.findall(m[2] or ""))): float(m[3]) for m in found}
        )

    def query(self, expression: str) -> list[dict[str, object]]:
        said = ASKED.fullmatch(expression.replace("sum(", "sum ("))
        assert said is not None, expression
        own, sums = set(LABEL.findall(said["own"])), dict[str, float]()
        for (name, labels), value in self.scrapes[-1].items():
            if name == said["name"] and own <= labels:
                before = self.scrapes[0].get((name, labels), 0.0)
                key = dict(labels).get(said["by"] or "", "")
                sums[key] = sums.get(key, 0.0) + value - before
        by = said["by"]
        return [
            {"metric": {by: key} if by else {}, "value": [time.time(), str(value)]}
            for key, value in sums.items()
        ]


@contextmanager
def serving(scraped: Scraped, reply: bytes | None = None) -> Iterator[str]:
    """A server of Prometheus' query API; with `reply` it says that to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            found = {"resultType": "vector", "result": [] if reply else scraped.query(query)}
            body = reply or json.dumps({"status": "success", "data": found}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def anew() -> None:
    prometheus._silent.clear()
    prometheus._asked.cache_clear()


def configure(project: Path, url: str) -> None:
    (project / ".inwit" / "config.toml").write_text(f'prometheus_url = "{url}"\n')


def test_its_history_says_the_numbers_of_metrics(project: Path) -> None:
    app = looping()
    for query in ("rain", "snow", "boom"):
        try:
            app.invoke(asked(query))
        except ValueError:
            assert query == "boom"
    Journal.of(app.project).flush()
    scraped = Scraped()
    scraped.scrape()
    with serving(scraped) as url:
        configure(project, url)

        answer = app.ask("How many executions failed?")

        told = answer.data["prometheus"]
        assert told["status"] == "answered"
        assert told["executions"] == {"completed": 2, "failed": 1}
        assert "By Prometheus' history" in answer.text
        assert any(one.uri.startswith("prometheus://") for one in answer.evidence)
        assert evidence_holds(answer)


def test_when_it_is_gone_the_traces_alone_answer_and_the_answer_says_so(project: Path) -> None:
    app = looping()
    app.invoke(asked())
    with serving(Scraped()) as url:
        configure(project, url)

    answer = app.ask("Am I healthy?")

    assert answer.data["prometheus"]["status"] == "gone"
    assert "the traces alone answer" in answer.text
    assert answer.data["verdicts"] and evidence_holds(answer)


@pytest.mark.parametrize(
    "reply",
    [b"<html>", b"{}", b'{"status":"success","data":{"resultType":"vector","result":[{}]}}'],
)
def test_what_is_not_prometheus_is_taken_for_gone(project: Path, reply: bytes) -> None:
    app = looping()
    app.invoke(asked())
    with serving(Scraped(), reply) as url:
        configure(project, url)

        answer = app.ask("How many executions failed?")

    assert answer.data["prometheus"]["status"] == "gone"
    assert "the traces alone answer" in answer.text


def test_what_is_asked_of_one_execution_is_not_asked_of_it(project: Path) -> None:
    app = looping()
    app.invoke(asked())
    configure(project, "http://127.0.0.1:9")

    answer = app.ask("Why did search run 3 times?")

    assert "prometheus" not in answer.data
