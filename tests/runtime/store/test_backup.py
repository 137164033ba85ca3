"""A copy of the folder is whole while others write, and is the project when it is put in its place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inwit.errors import StoreError
from inwit.runtime.project import Project
from inwit.runtime.store import audit
from inwit.runtime.store.backup import back_up
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import whole


def test_a_backup_is_whole_while_the_record_is_written(
    place: Project, journal: Journal, store: Store, tmp_path: Path
) -> None:
    for number in range(300):
        journal.begin(whole(f"aaaa{number:03}"))
        if number == 150:
            journal.flush()
            done = back_up(place, tmp_path / "kept")
    journal.flush()

    copy = Project(root=tmp_path, folder=tmp_path / "kept")
    of_copy = Store.of(copy)

    assert 151 <= done.executions <= 300
    assert of_copy.executions(limit=1).total_count == done.executions
    assert len(of_copy.events("aaaa000")) == len(store.events("aaaa000"))
    Database.of(copy).close()


def test_a_backup_holds_keys_and_settings_and_nothing_of_a_running_host(
    place: Project, journal: Journal, tmp_path: Path
) -> None:
    audit.append(
        place, actor="person:ada", action="plan.approve", target="plan://1", outcome="done"
    )
    (place.folder / "config.toml").write_text("[retention]\ndays = 3\n")
    (place.folder / "host.json").write_text("{}")
    (place.folder / "index").mkdir()

    back_up(place, tmp_path / "kept")

    copy = Project(root=tmp_path, folder=tmp_path / "kept")
    assert audit.verify(copy).is_intact
    assert copy.retention().days == 3
    assert not {"host.json", "index"} & {one.name for one in copy.folder.iterdir()}
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "kept" / "inwit.db").stat().st_mode & 0o777 == 0o600
    Database.of(copy).close()


def test_a_backup_takes_no_others_place(place: Project, journal: Journal, tmp_path: Path) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    (tmp_path / "kept").mkdir()

    with pytest.raises(StoreError, match="there already"):
        back_up(place, tmp_path / "kept")


GRAPH = """
from typing import TypedDict
from inwit import END, StateGraph
class State(TypedDict, total=False):
    n: int
graph = StateGraph(State)
graph.add_node("count", lambda state: {"n": 1})
graph.set_entry_point("count")
graph.add_edge("count", END)
app = graph.compile(name="counter")
app.invoke({"n": 0})
"""


def test_a_project_that_was_copied_goes_on_with_its_graphs(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / ".inwit").mkdir(parents=True)
    (first / "counter.py").write_text(GRAPH)
    subprocess.run([sys.executable, "counter.py"], cwd=first, check=True)
    back_up(Project(root=first, folder=first / ".inwit"), second / ".inwit")
    shutil.copy(first / "counter.py", second)

    said = subprocess.run(
        [sys.executable, "counter.py"], cwd=second, check=True, capture_output=True, text=True
    )
    copy = Project(root=second, folder=second / ".inwit")
    graphs = [graph.name for graph in Store.of(copy).graphs()]
    Database.of(copy).close()

    assert graphs == ["counter"]
    assert "Another file" not in said.stderr


def test_a_file_that_goes_while_it_is_copied_is_no_fault(
    place: Project, journal: Journal, tmp_path: Path
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    (place.folder / "draft").symlink_to("gone")

    done = back_up(place, tmp_path / "kept")

    assert done.executions == 1
    assert not (tmp_path / "kept" / "draft").exists()
