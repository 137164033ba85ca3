"""The same question has the same answer by app.ask, HTTP, MCP and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

from inwit import answers
from inwit.answers import Answer
from inwit.cli.main import main
from tests.server.conftest import Ran

pytestmark = pytest.mark.anyio

QUESTIONS = (
    # platform
    "Is checkpointing on by default?", "Does inwit support subgraphs?", "What is a checkpoint?",
    "How do I add a conditional edge?", "Is distillation implemented?", "Which version of inwit is this?",
    "What does graph.unknown_node mean?", "What node types are there?", "How do I stream tokens?",
    # app
    "What graphs do I have?", "What nodes does seeker have?", "What comes after search?",
    "Who writes answer?", "What is the state schema?", "What could run after search?",
    "Which versions of seeker are there?", "What would break if write were removed?",
    # live
    "Why did search run 3 times?", "Why did the last execution fail?", "Why did search go to write?",
    "Why was the last execution slow?", "What if search were cached?",
    "What if search were twice as fast?", "How can I make seeker faster?",
    "How can I make seeker more reliable?", "Am I healthy?", "Is seeker slower than usual?",
    "When did seeker last fail?", "How often did search run?", "Since when is seeker slower?",
    "What is the value of answer?", "What is running now?", "What did write return?",
    "List the last two executions", "Find executions with the error cannot answer",
    "In what order did the nodes run?", "How many tokens have been used?",
    # network
    "What RAG packages exist?", "Which hosts are near?", "Who published inwit/rag?",
    # none
    "What is the weather in Berlin?", "Restart my kubernetes pod",
)  # fmt: skip
SHARED = (
    "answer",
    "level",
    "intent",
    "confidence",
    "evidence",
    "follow_ups",
    "levels_tried",
    "data",
)


def plain(answer: Answer | dict[str, Any]) -> dict[str, Any]:
    """What an answer says, as JSON that went over a wire."""
    shown = answers.to_json(answer) if isinstance(answer, Answer) else answer
    found: dict[str, Any] = json.loads(json.dumps({key: shown[key] for key in SHARED}))
    return found


def of_command_line(question: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["ask", question, "--graph", "seeker", "--json"]) == 0
    return plain(json.loads(capsys.readouterr().out))


async def of_mcp(client: Client, question: str) -> dict[str, Any]:
    given = {"question": question, "graph": "seeker", "max_chars": 45_000}
    result = await client.call_tool("introspect_ask", given)
    assert not result.is_error and isinstance(result.structured_content, dict)
    return plain(result.structured_content)


async def test_one_question_has_one_answer_everywhere(
    ran: Ran, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = set()
    async with Client(f"{url}/mcp", cache=None) as client, httpx.AsyncClient(base_url=url) as http:
        for question in QUESTIONS:
            told = plain(await ran.graph.aask(question))
            levels.add(told["level"])

            got = await http.get("/mcp/introspect", params={"q": question, "graph": "seeker"})
            posted = await http.post(
                "/mcp/introspect", json={"question": question, "graph": "seeker"}
            )
            assert plain(got.json()) == told, question
            assert plain(posted.json()) == told, question
            assert await of_mcp(client, question) == told, question
            by_command = await anyio.to_thread.run_sync(of_command_line, question, capsys)
            assert by_command == told, question

    assert levels == {"platform", "app", "live", "network", "none"}


async def test_other_processes_give_the_same_answer(ran: Ran, project: Path) -> None:
    question = "Why did search run 3 times?"
    told = plain(await ran.graph.aask(question))
    inwit = [sys.executable, "-m", "inwit"]

    asked = [*inwit, "ask", question, "--graph", "seeker", "--json"]
    by_command = await anyio.run_process(asked)
    over_stdio = StdioServerParameters(
        command=sys.executable, args=["-m", "inwit", "mcp", "serve"], cwd=project
    )
    with anyio.fail_after(60):
        async with Client(over_stdio, cache=None) as client:
            by_mcp = await of_mcp(client, question)
    by_http = await anyio.to_thread.run_sync(_over_http, inwit, question)

    assert plain(json.loads(by_command.stdout)) == told
    assert by_mcp == told
    assert by_http == told


def _over_http(inwit: list[str], question: str) -> dict[str, Any]:
    """Ask a host of its own process."""
    program = [*inwit, "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as host:
        try:
            assert host.stdout is not None
            said = b""
            while not said.strip().endswith(b"}"):
                line = host.stdout.readline()
                assert line, "the host ended"
                said += line
            body = {"question": question, "graph": "seeker"}
            place = json.loads(said)["url"]
            with httpx.Client(base_url=place, timeout=30, trust_env=False) as http:
                return plain(http.post("/mcp/introspect", json=body).json())
        finally:
            host.send_signal(signal.SIGTERM)
            host.wait(20)
