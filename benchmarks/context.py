"""What a server takes of its client's context: its tools, its answers, and what a task needs.

Beside the tools of other servers for traces, runs and errors, from the package indexes; they are
started with addresses that lead nowhere, since only what they list is read.

    python benchmarks/context.py [--no-peers] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import anyio
import context_client
import quicktok
import report
from mcp import Client, StdioServerParameters
from mcp_types import Tool

PEERS_FOLDER = Path(".peers")
NOWHERE = "http://127.0.0.1:9"
TASKS = Path(__file__).with_name("context_tasks.jsonl")
MOST_TOOLS, MOST_TOKENS, MOST_INSTRUCTIONS = 8, 1_500, 150
MOST_CHARACTERS, MOST_SKELETON, MOST_CALLS = 20_000, 4_000, 2.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server: where it comes from, and how it is started."""

    package: str
    version: str
    program: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    index: str = "pypi"


PEERS = (
    Peer("mcp-grafana", "2.1.1", ("mcp-grafana",),
         (("GRAFANA_URL", NOWHERE), ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "none"))),
    Peer("langsmith-mcp-server", "0.1.1", ("langsmith-mcp-server",), (("LANGSMITH_API_KEY", "none"),)),
    Peer("mlflow[mcp]", "3.17.2", ("mlflow", "mcp", "run"), (("MLFLOW_TRACKING_URI", NOWHERE),)),
    Peer("prefect-mcp", "0.0.1b13", ("prefect-mcp-server",), (("PREFECT_API_URL", f"{NOWHERE}/api"),)),
    Peer("@sentry/mcp-server", "0.36.0", ("sentry-mcp", "--access-token=none"), (), "npm"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """What a server's list takes."""

    name: str
    tools: int
    tokens: int
    instructions: int


_encoding = quicktok.get_encoding("o200k_base")


def tokens(text: str) -> int:
    """How many o200k tokens a text has."""
    return len(_encoding.encode(text))


async def all_tools(client: Client) -> list[Tool]:
    """All pages of a server's tools."""
    found, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return found


def listed(name: str, tools: list[Tool], instructions: str | None) -> Listed:
    """Count a list as it is sent."""
    plain = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in tools]
    told = json.dumps({"tools": plain}, separators=(",", ":"), ensure_ascii=False)
    return Listed(name, len(tools), tokens(told), tokens(instructions or ""))


def install(peer: Peer) -> Path:
    """Install a peer into a folder of its own; give its programs' folder."""
    folder = PEERS_FOLDER.resolve() / peer.package.strip("@").replace("/", "-").replace(
        "[", "-"
    ).rstrip("]")
    programs = folder / ("node_modules/.bin" if peer.index == "npm" else "bin")
    if (programs / peer.program[0]).exists():
        return programs
    print(f"installing {peer.package} {peer.version} …", file=sys.stderr)
    if peer.index == "npm":
        command = [
            "npm",
            "install",
            "--silent",
            "--prefix",
            str(folder),
            f"{peer.package}@{peer.version}",
        ]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(programs / "pip"), "install", "-q", f"{peer.package}=={peer.version}"]
    subprocess.run(command, check=True)
    return programs


async def list_peer(peer: Peer) -> Listed:
    """Start a peer and read its list."""
    programs = install(peer)
    env = {**os.environ, **dict(peer.env)}
    server = StdioServerParameters(
        command=str(programs / peer.program[0]), args=list(peer.program[1:]), env=env
    )
    async with asyncio.timeout(120), Client(server) as client:
        return listed(
            f"{peer.package} {peer.version}", await all_tools(client), client.instructions
        )


@dataclass(slots=True)
class Own:
    """What our own server takes."""

    listed: Listed
    largest: int
    """The characters of the longest result among those of all tasks."""
    skeleton: int
    """Those of an execution of more than 10,000 events as a skeleton."""
    attempts: list[context_client.Attempt]


async def measure_own(folder: Path) -> Own:
    """Make a project, and do the tasks in it through MCP alone."""
    made = Path(__file__).with_name("context_world.py")
    told = (await anyio.run_process([sys.executable, str(made), str(folder)])).stdout
    ids = json.loads(told.splitlines()[-1])
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "inwit", "mcp", "serve", "--project", str(folder)],
        env=dict(os.environ),
    )
    async with Client(server) as client:
        tools = await all_tools(client)
        found = listed("inwit", tools, client.instructions)
        attempts, largest = [], 0
        for task in map(json.loads, TASKS.read_text().splitlines()):
            question, expect = (
                _filled(task["question"], ids),
                [_filled(e, ids) for e in task["expect"]],
            )
            one = await context_client.attempt(client, tools, question, expect)
            largest = max(largest, one.characters)
            attempts.append(one)
        shown = await client.call_tool(
            "introspect_get", {"uri": f"execution://{ids['long']}/history", "view": "skeleton"}
        )
        skeleton = sum(len(getattr(one, "text", "")) for one in shown.content)
        skeleton += len(json.dumps(shown.structured_content or {}))
    return Own(found, largest, skeleton, attempts)


def _filled(text: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def page(own: Own, peers: list[Listed]) -> str:
    """All of it, as Markdown."""
    done = [one for one in own.attempts if one.is_done]
    calls = mean(len(one.calls) for one in own.attempts)
    taken = mean(tokens(one.text) for one in own.attempts)
    mine = own.listed
    goals: list[tuple[str, Any, Any, bool]] = [
        ("tools", mine.tools, MOST_TOOLS, mine.tools <= MOST_TOOLS),
        ("tokens of `tools/list`", mine.tokens, MOST_TOKENS, mine.tokens <= MOST_TOKENS),
        ("tokens of `instructions`", mine.instructions, MOST_INSTRUCTIONS, mine.instructions <= MOST_INSTRUCTIONS),
        ("longest result, characters", own.largest, MOST_CHARACTERS, own.largest <= MOST_CHARACTERS),
        ("skeleton of 10,000 events, characters", own.skeleton, MOST_SKELETON, own.skeleton <= MOST_SKELETON),
        (f"tasks done of {len(own.attempts)}", len(done), len(own.attempts), len(done) == len(own.attempts)),
        ("calls a task, mean", round(calls, 2), MOST_CALLS, calls <= MOST_CALLS),
    ]  # fmt: skip
    lines = ["| what | measured | asked | reached |", "|---|---|---|---|"]
    lines += [f"| {w} | {m:,} | {a:,} | {'yes' if ok else '**no**'} |" for w, m, a, ok in goals]
    lines += ["", f"A task takes {taken:,.0f} tokens of arguments and results on average."]
    lines += [
        "",
        "| server | tools | tokens of `tools/list` | × inwit | of instructions |",
        "|---|---|---|---|---|",
    ]
    for one in [mine, *sorted(peers, key=lambda one: one.tokens)]:
        ratio = one.tokens / mine.tokens
        lines.append(
            f"| {one.name} | {one.tools} | {one.tokens:,} | {ratio:.1f} | {one.instructions:,} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print or write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-peers", action="store_true", help="only our own server")
    parser.add_argument("--tasks", action="store_true", help="show every task")
    parser.add_argument("--markdown", type=Path, help="the page to write the tables into")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = asyncio.run(measure_own(Path(folder) / "project"))
    peers = [] if options.no_peers else [asyncio.run(list_peer(one)) for one in PEERS]
    text = page(own, peers)
    print(text)
    if options.tasks:
        for one in own.attempts:
            print("done" if one.is_done else "NOT ", one.calls, one.question)
    if options.markdown:
        report.write_between(options.markdown, "context", text)


if __name__ == "__main__":
    main()
