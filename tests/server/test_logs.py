"""What a host logs: readable lines or JSON, each request where that is asked, and no secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.server.logs import Form, Lines

SECRET = "sk-abcdefghijklmnopqrstuvwxyz123456"


def told(form: Form) -> str:
    lines = Lines(form, Store.of(Project.find()).redactor.text)
    try:
        raise ValueError(f"refused for {SECRET}")
    except ValueError:
        record = logging.LogRecord(
            "inwit.server", logging.ERROR, __file__, 1, "failed with %s\nand more", (SECRET,),
            sys.exc_info(),
        )  # fmt: skip
    return lines.format(record)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_logged(project: Path, form: Form) -> None:
    line = told(form)

    assert SECRET not in line
    assert "failed with [redacted:api_key:" in line
    assert "ValueError: refused for [redacted:api_key:" in line


def test_a_line_of_json_holds_the_message_and_its_traceback(project: Path) -> None:
    shown = json.loads(told("json"))

    assert set(shown) == {"ts", "level", "logger", "message", "exception"}
    assert (shown["level"], shown["logger"]) == ("error", "inwit.server")


def test_a_message_is_one_line_however_it_was_written(project: Path) -> None:
    first = told("text").splitlines()[0]

    assert first.endswith("and more")
    assert " ERROR inwit.server: " in first


def test_each_request_is_logged_on_demand_without_its_query(project: Path) -> None:
    arguments = ["serve", "--port", "0", "--json", "--log-level", "info", "--log-json"]
    with subprocess.Popen(
        [sys.executable, "-m", "inwit", *arguments], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as host:  # fmt: skip
        try:
            assert host.stdout is not None
            url = json.loads("".join(iter(host.stdout.readline, "}\n")) + "}")["url"]
            httpx.get(f"{url}/mcp/live/executions?cursor={SECRET}", timeout=30)
            httpx.get(f"{url}/{SECRET}", timeout=30)
            host.terminate()
            _, logged = host.communicate(timeout=20)
        finally:
            host.kill()

    lines = [json.loads(line) for line in logged.splitlines()]
    found = [(one["method"], one["path"], one["status"]) for one in lines if "path" in one]
    assert found[0] == ("GET", "/mcp/live/executions", 400)
    assert (found[1][0], found[1][2]) == ("GET", 404)
    assert SECRET not in logged
    assert all(one["duration_ms"] > 0 for one in lines if "path" in one)
