"""The measured figures as Markdown, and their place in `docs/benchmarks.md`."""

from __future__ import annotations

import datetime as dt
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import goals
from memory import Memory
from timing import Row

PACKAGES = (
    "inwit", "langgraph", "langgraph-checkpoint-sqlite", "pydantic-graph", "apache-burr",
    "penguiflow",
)  # fmt: skip
COLUMNS = ("inwit", "LangGraph", "pydantic-graph", "Burr", "PenguiFlow", "bare")


def machine() -> str:
    """Name the machine and the versions that were measured."""
    cpu, count = platform.machine(), 1
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        cpu, count = (models[0], len(models)) if models else (cpu, count)
    release = Path("/etc/os-release")
    named = re.search(r'PRETTY_NAME="(.*)"', release.read_text()) if release.exists() else None
    system = named[1] if named else platform.system()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"Measured on {today} on a virtual machine with {count} cores ({cpu}), {system}, "
        f"Python {platform.python_version()}: {versions}."
    )


def ratios(rows: list[Row]) -> str:
    """How much faster than LangGraph, beside what was asked."""
    lines = [
        "| shape | × LangGraph | by the least | sustained | × bare | must | aim | × bare at most | reached |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        goal, over = goals.goal_of(row.shape), goals.over_bare(row)
        kept = row.sustained
        cells = [
            row.shape,
            f"{goals.faster(row):,.1f}",
            f"{goals.faster(row, least=True):,.1f}",
            f"{kept['LangGraph'] / kept['inwit']:,.1f}" if kept else "–",
            "–" if over is None else f"{over:.1f}",
            f"{goal.must:g}",
            f"{goal.aim:g}",
            "–" if goal.over_bare is None else f"{goal.over_bare:g}",
            goals.verdict(row),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def times(rows: list[Row]) -> str:
    """Every library's median and, in brackets, its least time."""
    lines = [f"| shape, µs | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in rows:
        cells = [
            f"{found.median:,.1f} ({found.least:,.1f})" if found else "–"
            for found in map(row.figures.get, COLUMNS)
        ]
        lines.append(f"| {row.shape} | {' | '.join(cells)} |")
    return "\n".join(lines)


def memory_table(found: list[Memory]) -> str:
    """What fixed loads take, in MiB."""
    heads = ("program: inwit", "LangGraph", "a fifth", "load alone: inwit", "LangGraph", "a fifth",
             "process: inwit", "LangGraph")  # fmt: skip
    lines = [f"| load, MiB | {' | '.join(heads)} |", "|---" * 9 + "|"]
    for one in found:
        cells = [one.load]
        for values, has_goal in ((one.program, True), (one.alone, True), (one.process, False)):
            cells += [f"{values[name] / 1024:.2f}" for name in ("inwit", "LangGraph")]
            if has_goal:
                cells.append(goals.verdict_on_memory(values["inwit"], values["LangGraph"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(rows: list[Row], memories: list[Memory], imports: dict[str, float]) -> str:
    """All of it."""
    parts = [machine(), ratios(rows), times(rows), memory_table(memories)]
    parts.append(
        "\n".join(f"- `{code}`: {ms:.0f} ms over bare Python." for code, ms in imports.items())
    )
    return "\n\n".join(parts)


def write_between(path: Path, name: str, text: str) -> None:
    """Replace what stands between a page's markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text().partition(begin)
    if not found or end not in rest:
        sys.exit(f"error: {path} has no {begin} … {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
