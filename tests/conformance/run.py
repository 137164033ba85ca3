"""`make conformance`: the official suite on the fixture and on the shipped host, then the inspector.

Nothing is expected to fail. What is left out is named: the extensions (tasks and skills), which
the SDK lacks and which this product does not offer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from inwit.plans import Effect, Plan, Validation
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.self_improve.plans import PlanBook

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".conformance" / "node_modules" / ".bin"
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}
VERSIONS = ("2025-11-25", "2026-07-28")
WITHOUT_FIXTURE = {
    "2025-11-25": (
        "server-initialize", "server-session-lifecycle", "ping", "completion-complete",
        "tools-list", "server-sse-multiple-streams", "resources-list", "resources-subscribe",
        "resources-unsubscribe", "prompts-list", "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "completion-complete", "tools-list", "server-sse-multiple-streams", "resources-list",
        "sep-2164-resource-not-found", "prompts-list", "dns-rebinding-protection", "caching",
        "http-header-validation", "input-required-result-unsupported-methods",
    ),
}  # fmt: skip
"""The scenarios that ask for no tool, resource or prompt of a certain name."""
GRAPH = '''
from typing import TypedDict
from inwit import END, START, StateGraph

class State(TypedDict, total=False):
    question: str
    answer: str

def reply(state: State) -> dict:
    """Answer the question."""
    return {"answer": state["question"].upper()}

graph = StateGraph(State)
graph.add_node("reply", reply)
graph.add_edge(START, "reply")
graph.add_edge("reply", END)
app = graph.compile(name="echo")
'''
CALLS: dict[str, dict[str, str]] = {
    "introspect_ask": {"question": "What did the last execution do?"},
    "introspect_search": {"query": "reply"},
    "introspect_get": {"uri": "graph://echo/architecture"},
    "list_executions": {"limit": "5"},
    "explain_execution": {"execution_id": "last"},
    "list_plans": {},
    "search_packages": {"query": "search"},
    "run_graph": {"graph": "echo", "input": '{"question": "hello"}'},
    "control_execution": {"execution_id": "last", "action": "cancel"},
    "decide_plan": {"plan_id": "0" * 12, "action": "reject", "expected_revision": "1"},
    "graph_echo": {"question": "hello"},
}
"""What each tool is called with; a tool that is not named here fails the run."""
REFUSED = ("control_execution", "decide_plan")
"""Of these the answer is a refusal: the execution is over, and there is no such plan."""
PLAN = "planned00001"
PROMPTS: dict[str, dict[str, str]] = {
    "diagnose_execution": {"execution_id": ""},
    "optimize_graph": {},
    "compare_executions": {"first": "", "second": ""},
    "review_plan": {"plan_id": PLAN},
}
"""The arguments of each prompt; an empty one is the execution's id."""


class NonconformingError(Exception):
    """Something does not conform."""


@contextmanager
def serving(command: Sequence[str], folder: Path) -> Iterator[str]:
    """A server that prints its address."""
    process = subprocess.Popen(
        command, cwd=folder, env={**ENV, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told = ""
        while (found := re.search(r"http://[\d.]+:\d+", told)) is None:
            if not (line := process.stdout.readline()):
                raise NonconformingError(f"{' '.join(command)} did not start: {told!r}")
            told += line
        yield f"{found[0]}/mcp"
    finally:
        process.terminate()
        process.wait(30)


def suite(url: str, version: str, *more: str) -> str:
    """Run scenarios and give their summary."""
    command = ["conformance", "server", "--url", url, "--spec-version", version, *more]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "-o", folder], env=ENV, capture_output=True, text=True, timeout=600,
            cwd=folder, check=False,
        )  # fmt: skip
    summary = done.stdout[done.stdout.rfind("=== SUMMARY") :] if "SUMMARY" in done.stdout else ""
    found = re.search(r"(\d+) passed, (\d+) failed|Passed: (\d+)/(\d+)", done.stdout)
    if done.returncode or found is None:
        raise NonconformingError(
            f"{' '.join(command)}\n{(summary or done.stdout)[-4000:]}\n{done.stderr[-2000:]}"
        )
    return summary


def on_fixture() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.conformance.fixture"]
        with serving(command, Path(folder)) as url:
            for version in VERSIONS:
                total = re.search(r"Total: .*", suite(url, version, "--suite", "all"))
                say(f"fixture, {version}, --suite all", total[0] if total else "")


def on_shipped(url: str) -> None:
    cases = [(version, name) for version in VERSIONS for name in WITHOUT_FIXTURE[version]]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda case: suite(url, case[0], "--scenario", case[1]), cases))
    for version in VERSIONS:
        say(f"shipped host, {version}", f"{len(WITHOUT_FIXTURE[version])} scenarios pass")


class Target(NamedTuple):
    """What the inspector is pointed at: a server, and how it is reached."""

    server: list[str]
    options: list[str]


def inspect(target: Target, method: str, *more: str) -> dict[str, Any]:
    """One call by the inspector."""
    options = [*target.options, "--method", method, *more]
    command = ["mcp-inspector", "--cli", *options, "--", *target.server]
    done = subprocess.run(
        command, env=ENV, capture_output=True, text=True, timeout=120, check=False
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise NonconformingError(
            f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        ) from None
    if not isinstance(found, dict):
        raise NonconformingError(f"{' '.join(command)} gave {found!r}")
    return found


def everything(target: Target, place: str) -> None:
    """List and call every tool, resource and prompt."""
    tools = [tool["name"] for tool in inspect(target, "tools/list", "--strict")["tools"]]
    if unknown := set(tools) - CALLS.keys():
        raise NonconformingError(f"The run does not know how to call {', '.join(unknown)}.")
    resources = [one["uri"] for one in inspect(target, "resources/list")["resources"]]
    templates = inspect(target, "resources/templates/list")["resourceTemplates"]
    prompts = [one["name"] for one in inspect(target, "prompts/list")["prompts"]]
    listed = _call(target, "list_executions")["structuredContent"]["executions"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: _call(target, name), tools))
        list(pool.map(lambda uri: _read(target, uri), resources))
        list(pool.map(lambda name: _prompt(target, name, listed[0]["execution_id"]), prompts))
    say(
        f"inspector over {place}",
        f"{len(tools)} tools, {len(resources)} resources, {len(templates)} templates,"
        f" {len(prompts)} prompts",
    )


def _call(target: Target, name: str) -> dict[str, Any]:
    given = [part for pair in CALLS[name].items() for part in ("--tool-arg", "=".join(pair))]
    result = inspect(target, "tools/call", "--tool-name", name, *given)
    if bool(result.get("isError")) != (name in REFUSED):
        raise NonconformingError(f"{name}: {json.dumps(result)[:2000]}")
    return result


def _read(target: Target, uri: str) -> None:
    if not inspect(target, "resources/read", "--uri", uri)["contents"]:
        raise NonconformingError(f"{uri} is empty")


def _prompt(target: Target, name: str, execution_id: str) -> None:
    pairs = [f"{key}={value or execution_id}" for key, value in PROMPTS[name].items()]
    given = [part for pair in pairs for part in ("--prompt-args", pair)]
    if not inspect(target, "prompts/get", "--prompt-name", name, *given)["messages"]:
        raise NonconformingError(f"{name} is empty")


def propose(root: Path) -> None:
    """Put a plan into the project."""
    effect = Effect(point=0.0, low=0.0, high=0.0, unit="ms", method="none")
    plan = Plan(
        id=PLAN, fingerprint=PLAN, title="A plan to be looked at", hypothesis="None.",
        category="test", graph_name="echo", evidence=(), baseline={}, candidate={}, effect=effect,
        expected_gain=None, confidence=0.0, actions=(), risk="none", rollback="nothing",
        validation=Validation(command="true", expected=""),
    )  # fmt: skip
    PlanBook.of(Store.of(Project.find(root))).propose(plan)


def say(what: str, result: str) -> None:
    print(f"{what}: {result}", flush=True)


def main() -> None:
    inwit = [sys.executable, "-m", "inwit"]
    on_fixture()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".inwit").mkdir()
        (root / "app.py").write_text(GRAPH)
        ran = [*inwit, "run", "app.py:app", "--input", '{"question": "hello"}']
        subprocess.run(ran, cwd=root, check=True, capture_output=True, env=ENV)
        propose(root)
        writing = ["--allow-write", "--tools", "run", "--port", "0", "--json"]
        with serving([*inwit, "serve", *writing], root) as url:
            on_shipped(url)
            token = json.loads((root / ".inwit" / "host.json").read_text())["token"]
            header = ["--header", f"Authorization: Bearer {token}"]
            everything(Target([url], ["--transport", "http", *header]), "HTTP")
        offered = ["--allow-write", "--tools", "run", "--project", folder]
        everything(Target([*inwit, "mcp", "serve", *offered], []), "stdio")
    say("not run", "the extensions (tasks, skills), which the SDK lacks")


if __name__ == "__main__":
    try:
        main()
    except NonconformingError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(1)
