"""A real host on a real port, over a project in which a real graph has run."""

from __future__ import annotations

import asyncio
import operator
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict
from urllib.parse import urlsplit

import httpx
import pytest

from inwit import END, CompiledGraph, StateGraph
from inwit.runtime.project import Project
from inwit.server import lifecycle


class State(TypedDict, total=False):
    question: str
    found: Annotated[list[str], operator.add]
    tries: int
    answer: str


async def search(state: State) -> dict[str, Any]:
    """Look once more."""
    tries = state.get("tries", 0) + 1
    return {"tries": tries, "found": [f"passage {tries}"]}


async def write(state: State) -> dict[str, Any]:
    """Write the answer."""
    if "broken" in state["question"]:
        raise ValueError(f"cannot answer {state['question']!r}")
    return {"answer": f"{len(state['found'])} passages"}


def judge(state: State) -> str:
    return "again" if state["tries"] < 3 else "done"


def seeker(name: str = "seeker") -> CompiledGraph[State]:
    """A graph that searches three times and writes an answer."""
    graph = StateGraph(State)
    graph.add_node("search", search)
    graph.add_node("write", write)
    graph.set_entry_point("search")
    graph.add_conditional_edges("search", judge, {"again": "search", "done": "write"})
    graph.add_edge("write", END)
    return graph.compile(name=name)


@dataclass(frozen=True, slots=True)
class Ran:
    """A graph, and one execution of it that completed and one that failed."""

    graph: CompiledGraph[State]
    completed: str
    failed: str


@pytest.fixture
def ran(project: Path) -> Ran:
    graph = seeker()
    asyncio.run(_run(graph))
    failed = graph.last_execution_id
    asyncio.run(graph.ainvoke({"question": "what is it?"}, thread_id="t1"))
    completed = graph.last_execution_id
    asyncio.run(graph.flush())
    assert completed is not None
    assert failed is not None
    return Ran(graph, completed, failed)


async def _run(graph: CompiledGraph[State]) -> None:
    with pytest.raises(ValueError, match="cannot answer"):
        await graph.ainvoke({"question": "is it broken?"})


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    """The address of a host that serves the project."""
    running = lifecycle.start(Project.find(), port=0)
    yield running.url
    running.stop()


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the host closes."""
    place = urlsplit(url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.fixture
def raw(url: str) -> Any:
    """Exchange raw bytes with the host."""

    def send(head: str, body: bytes = b"") -> tuple[int, bytes]:
        lines = head.strip().splitlines()
        if not any(line.lower().startswith("host:") for line in lines):
            lines.append("Host: localhost")
        lines.append("Connection: close")
        received = exchange(url, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return int(received.split(b" ", 2)[1]), received.partition(b"\r\n\r\n")[2]

    return send
