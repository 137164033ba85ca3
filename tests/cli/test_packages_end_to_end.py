"""A package from its publisher to another project and out of it again, by real processes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

INWIT = str(Path(sys.executable).with_name("inwit"))
RAG = '''
from typing import TypedDict

import inwit
from inwit import END, START, StateGraph


class State(TypedDict, total=False):
    question: str
    answer: str


def answer(state: State) -> dict:
    """Answer the question."""
    return {{"answer": inwit.load("acme/words")(state["question"]) + "{mark}"}}


def build() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph
'''
WORDS = 'def shout(text: str) -> str:\n    """Say it loudly."""\n    return text.upper()\n'
USE = """
import inwit
app = inwit.load("acme/rag").compile(name="answers") if hasattr(inwit.load("acme/rag"), "compile") \
    else inwit.load("acme/rag")().compile(name="answers")
print(app.invoke({"question": "who"})["answer"])
"""


class Terminal:
    """A project's terminal: `inwit` and `python` run in its folder, with a home of its own."""

    def __init__(self, folder: Path, home: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INWIT_")},
            "HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            **environment,
        }
        folder.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments: str, code: int = 0) -> Any:
        done = self._done(INWIT, *arguments, "--json")
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def python(self, program: str) -> str:
        done = self._done(sys.executable, "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _done(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A registry process, and a token of Ada's."""
    terminal = Terminal(tmp_path / "registry", tmp_path / "registry-home")
    process = subprocess.Popen(
        [INWIT, "registry", "serve", "--data", "data", "--port", "0", "--json"],
        cwd=terminal.folder, env=terminal.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the registry did not start"
            said += line
        scopes = ["--scope", "publish:acme", "--scope", "yank:acme"]
        token = terminal.run("registry", "token", "add", "ada", "--data", "data", *scopes)
        yield {**json.loads(said), "token": token["token"]}
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def write(folder: Path, name: str, version: str, code: str, *, more: str = "") -> Path:
    place = folder / f"{name}-{version}"
    place.mkdir()
    kind = "node-library" if name == "words" else "graph-template"
    entry = "words:shout" if name == "words" else "graph:build"
    (place / "inwit-package.toml").write_text(
        f'[package]\nnamespace = "acme"\nname = "{name}"\nversion = "{version}"\nkind = "{kind}"\n'
        f'description = "Answer questions over documents, loudly."\nauthors = ["Ada"]\n'
        f'licence = "MIT"\n{more}\n[entry_points]\ndefault = "{entry}"\n'
    )
    (place / f"{entry.partition(':')[0]}.py").write_text(code)
    return place


def disk(*folders: Path) -> dict[str, str]:
    """Every file below folders and what is in it, but for the record, which tells what was done."""
    record = ("inwit.db", "lock", ".gitignore", "audit.key", "redaction.key")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(record)
        and "__pycache__" not in path.parts
        and "registries" not in path.parts
    }


def test_a_package_goes_from_its_publisher_to_another_project_and_out_again(
    registry: dict[str, Any], tmp_path: Path
) -> None:
    known = {
        "INWIT_REGISTRY_URL": registry["url"],
        "INWIT_REGISTRY_FINGERPRINT": registry["fingerprint"],
    }
    ada = Terminal(
        tmp_path / "ada", tmp_path / "ada-home", INWIT_REGISTRY_TOKEN=registry["token"], **known
    )
    needs = '[dependencies]\n"acme/words" = ">=1,<2"\n'
    ada.run("pkg", "publish", str(write(tmp_path, "words", "1.0.0", WORDS)), "--owner", "ada")
    first = write(tmp_path, "rag", "1.0.0", RAG.format(mark="?"), more=needs)
    made = ada.run("pkg", "publish", str(first), "--owner", "ada")
    assert made["package"]["level"] == "community"

    home = tmp_path / "ben-home"
    ben = Terminal(tmp_path / "ben", home, **known)
    (ben.folder / ".inwit").mkdir()
    (ben.folder / "notes.txt").write_text("mine")
    before = disk(ben.folder, home)

    found = ben.run("pkg", "search", "answer questions", "--registry", registry["url"])
    assert "acme/rag" in [one["id"] for one in found["results"]]
    came = ben.run("pkg", "install", "acme/rag")
    assert {one["id"] for one in came["installed"]} == {"acme/rag", "acme/words"}
    assert ben.python(USE) == "WHO?"

    second = write(tmp_path, "rag", "1.1.0", RAG.format(mark="!"), more=needs)
    ada.run("pkg", "publish", str(second), "--owner", "ada")
    newer = ben.run("pkg", "outdated")["packages"]
    assert [(one["id"], one["newest"]) for one in newer] == [("acme/rag", "1.1.0")]
    ben.run("pkg", "update")
    assert ben.python(USE) == "WHO!"

    ada.run("pkg", "yank", "acme/rag", "1.1.0", "--why", "too loud")
    ada.run("pkg", "advise", "acme/words", "<2", "--severity", "low", "--summary", "shouts")
    told = ben.run("pkg", "audit", code=1)
    assert "too loud" in json.dumps(told) and "shouts" in json.dumps(told)
    ben.run("pkg", "install", "acme/rag==1.0.0")
    assert ben.python(USE) == "WHO?"
    assert all(one["ok"] for one in ben.run("pkg", "verify")["packages"])

    ben.run("pkg", "uninstall", "acme/rag")
    assert disk(ben.folder, home) == before
