"""How fast the host answers, streams and starts, beside the bare SDK and a bare route.

Every server is a process of its own and takes its turn; so do the client and the program whose events
are streamed.

    python benchmarks/server.py [--quick] [--readers N] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import report
import server_stored
from server_client import Connection, call, get

HERE = Path(__file__).parent
VERSION = "/mcp/platform/version"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside what is asked of it; `is_most` says that less is better."""

    what: str
    measured: float
    asked: float | None
    unit: str = ""
    is_most: bool = True

    @property
    def verdict(self) -> str:
        if self.asked is None:
            return "–"
        is_reached = self.measured <= self.asked if self.is_most else self.measured >= self.asked
        return "yes" if is_reached else "**no**"


@contextmanager
def serving(*command: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Start a server; give the address that it prints, and its process. Its log is told where it fails."""
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            if not line:
                log.seek(0)
                sys.exit(f"error: {' '.join(command)} ended before it served\n{log.read()}")
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
        try:
            yield found[0], process.pid
        finally:
            process.terminate()
            process.wait(10)


async def in_turns(requests: dict[str, tuple[str, bytes]], rounds: int) -> dict[str, float]:
    """The median microseconds of requests that are sent in turns, each on its own connection."""
    open_ = {name: await Connection.to(url) for name, (url, _) in requests.items()}
    times: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(rounds + 20):
        for name, (_, request) in requests.items():
            start = time.perf_counter()
            status, body = await open_[name].ask(request)
            took = time.perf_counter() - start
            if status != 200:
                sys.exit(f"error: {name} answered {status}: {body[:200]!r}")
            if number >= 20:
                times[name].append(took * 1e6)
    for one in open_.values():
        one.close()
    return {name: median(values) for name, values in times.items()}


def measure_requests(host: str, folder: Path, rounds: int) -> list[Line]:
    """One call of a tool and one GET, beside what is the least that they can cost."""
    peers = str(HERE / "server_peers.py")
    body = asyncio.run(_body(host))
    with ExitStack() as stack:
        guarded, _ = stack.enter_context(serving(peers, "guarded", folder=folder))
        bare, _ = stack.enter_context(serving(peers, "bare", folder=folder))
        route, _ = stack.enter_context(serving(peers, "json", body, folder=folder))
        found = asyncio.run(
            in_turns(
                {
                    "ours": (
                        host,
                        call(host, "introspect_get", {"uri": "platform://version"}),
                    ),
                    "guarded": (guarded, call(guarded, "echo", {"text": body})),
                    "bare": (bare, call(bare, "echo", {"text": body})),
                    "get": (host, get(host, VERSION)),
                    "route": (route, get(route, "/")),
                },
                rounds,
            )
        )
    return [
        Line("introspect_get × an echo tool behind our middleware", found["ours"] / found["guarded"], 1.15, "×"),
        Line("our middleware × none, on that echo tool", found["guarded"] / found["bare"], None, "×"),
        Line("introspect_get", found["ours"] / 1e3, None, "ms"),
        Line("GET × a bare route with the same body", found["get"] / found["route"], 1.5, "×"),
        Line("GET", found["get"] / 1e3, None, "ms"),
    ]  # fmt: skip


async def _body(host: str) -> str:
    connection = await Connection.to(host)
    _, body = await connection.ask(get(host, VERSION))
    connection.close()
    return body.decode()


def measure_start(folder: Path, rounds: int) -> list[Line]:
    """How long a server over standard input and output takes until it has answered."""
    ours = ["-m", "inwit", "mcp", "serve", "--project", str(folder)]
    bare = [str(HERE / "server_peers.py"), "stdio"]
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        times["ours"].append(_first_answer(ours))
        times["bare"].append(_first_answer(bare))
    found, least = median(times["ours"]), median(times["bare"])
    return [
        Line("first answer of `inwit mcp serve` × the bare SDK's", found / least, 1.2, "×"),
        Line("first answer of `inwit mcp serve`", found, None, "s"),
    ]


def _first_answer(command: list[str]) -> float:
    message = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                   "clientInfo": {"name": "bench", "version": "1"}},
    }  # fmt: skip
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        if '"result"' not in process.stdout.readline():
            sys.exit(f"error: {' '.join(command)} did not answer")
        took = time.perf_counter() - start
        process.stdin.close()
        process.wait(20)
    return took


def resident_mb(pid: int) -> float:
    """The memory that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def stream(host: str, folder: Path, readers: int, rate: float, seconds: float) -> dict[str, float]:
    """What readers in another process hear of a program that emits events in a third."""
    listening = subprocess.Popen(
        [sys.executable, str(HERE / "server_client.py"), host, str(readers), str(seconds + 2)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert listening.stderr is not None
    if "listening" not in listening.stderr.readline():
        sys.exit(f"error: the readers did not come in: {listening.stderr.read()}")
    emitted = subprocess.run(
        [sys.executable, str(HERE / "server_events.py"), str(rate), str(seconds)],
        cwd=folder, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    told, _ = listening.communicate(timeout=seconds + 120)
    heard: dict[str, float] = json.loads(told)
    heard["emitted"] = json.loads(emitted.stdout)["emitted"]
    return heard


def measure_streams(host: str, pid: int, folder: Path, readers: int, seconds: float) -> list[Line]:
    """Many readers at once; as many deliveries as go through; and one that never reads."""
    calm = stream(host, folder, readers, 20, seconds)
    busy = stream(host, folder, readers, 60, seconds)
    before, after = _with_one_that_never_reads(host, pid, folder, seconds)
    missing = 1 - calm["customs"] / (calm["emitted"] * readers)
    return [
        Line(f"{readers:,} readers at 20 events/s, p99", calm["p99"], 100, "ms"),
        Line("of it, p50", calm["p50"], None, "ms"),
        Line("of it, not delivered", missing * 100, 0, "%"),
        Line("deliveries a second at 60 events/s", busy["customs"] / seconds, 50_000, "", False),
        Line("of them, gaps told", busy["gaps"], None),
        Line("memory with one reader that never reads, growth", after - before, 10, "MB"),
    ]


def _with_one_that_never_reads(
    host: str, pid: int, folder: Path, seconds: float
) -> tuple[float, float]:
    async def hold() -> tuple[float, float]:
        connection = await Connection.to(host)
        connection._writer.write(get(host, "/mcp/live/events"))
        await asyncio.to_thread(emit)  # fills what buffers there are
        before = resident_mb(pid)
        await asyncio.to_thread(emit)
        after = resident_mb(pid)
        connection.close()
        return before, after

    def emit() -> None:
        subprocess.run(
            [sys.executable, str(HERE / "server_events.py"), "1000", str(seconds)],
            cwd=folder, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip

    return asyncio.run(hold())


def measure_lists(folder: Path, graphs: int, executions: int, rounds: int) -> list[Line]:
    """Lists of a large record: the worst of all of them."""
    if not (folder / ".inwit" / "inwit.db").exists():
        fill = [str(HERE / "server_stored.py"), str(folder), str(graphs), str(executions)]
        subprocess.run([sys.executable, *fill], check=True)
    with serving("-m", "inwit", "serve", "--port", "0", "--json", folder=folder) as (host, _):
        took = asyncio.run(server_stored.measure(host, graphs, rounds))
    every = sorted(ms for values in took.values() for ms in values)
    name, slow = max(took.items(), key=lambda one: one[1][-1])
    for path, values in took.items():
        print(f"{median(values):7.2f} ms, most {values[-1]:7.2f}: {path}", file=sys.stderr)
    p99 = every[min(len(every) - 1, len(every) * 99 // 100)]
    return [
        Line(f"lists of {graphs:,} graphs and {executions:,} executions, p99", p99, 50, "ms"),
        Line(f"of them the slowest, {name}, median", median(slow), None, "ms"),
    ]


def table(lines: list[Line]) -> str:
    """The figures as Markdown."""
    rows = ["| what | measured | asked | reached |", "|---|---|---|---|"]
    for one in lines:
        asked = "–" if one.asked is None else f"{one.asked:,g} {one.unit}".rstrip()
        rows.append(f"| {one.what} | {one.measured:,.2f} {one.unit} | {asked} | {one.verdict} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, and print or write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, few readers")
    parser.add_argument("--readers", type=int, default=1_000)
    parser.add_argument("--stored", type=Path, help="a folder with a large record, made if missing")
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--graphs", type=int, default=1_000)
    parser.add_argument("--markdown", type=Path, help="the page to write the table into")
    options = parser.parse_args()
    readers, seconds = (50, 2.0) if options.quick else (options.readers, 10.0)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / ".inwit").mkdir()
        with serving("-m", "inwit", "serve", "--port", "0", "--json", folder=folder) as (host, pid):
            time.sleep(1)
            lines.append(Line("idle host", resident_mb(pid), 90, "MB"))
            lines += measure_requests(host, folder, 50 if options.quick else 500)
            lines += measure_start(folder, 2 if options.quick else 7)
            lines += measure_streams(host, pid, folder, readers, seconds)
        stored = options.stored or folder / "stored"
        executions = 5_000 if options.quick else options.executions
        graphs = 20 if options.quick else options.graphs
        lines += measure_lists(stored, graphs, executions, 5 if options.quick else 100)
    text = table(lines)
    print(text)
    if options.markdown:
        report.write_between(options.markdown, "server", text)


if __name__ == "__main__":
    main()
