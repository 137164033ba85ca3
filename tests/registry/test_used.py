"""Who uses an installed package is told, before it is removed and after."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TypedDict

import pytest

from inwit import END, StateGraph
from inwit.registry.install.lock import Lock
from inwit.registry.install.used import used_by
from inwit.runtime.project import Project
from inwit.runtime.store import Journal


class State(TypedDict, total=False):
    name: str


def test_graphs_with_nodes_of_a_package_use_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project / ".inwit" / "installed" / "acme" / "words" / "1.0.0-abc"
    place.mkdir(parents=True)
    (place / "words.py").write_text("def shout(state):\n    return {'name': 'ADA'}\n")
    spec = importlib.util.spec_from_file_location("acme_words", place / "words.py")
    assert spec is not None
    assert spec.loader is not None
    words = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "acme_words", words)
    spec.loader.exec_module(words)
    for name, node in (("loud", words.shout), ("calm", lambda _state: {})):
        graph = StateGraph(State)
        graph.add_node("say", node)
        graph.set_entry_point("say")
        graph.add_edge("say", END)
        graph.compile(name=name)
    Journal.of(Project.find()).flush()

    found = used_by(Project.find(), Lock(), "acme/words", place)

    assert found == [f"graph loud ({__file__})"]
