"""What is registered, and files that are begun anew: each condition by a case on either side."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inwit.errors import (
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from inwit.runtime.manifest import to_json
from inwit.runtime.project import Project
from inwit.runtime.store import (
    backup,
    coming,
    edits,
    graphs,
    registrar,
)
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About
from inwit.runtime.store.intake import Intake
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.registrar import Registrar, Registration
from tests.runtime.store.rows import whole
from tests.runtime.store.test_bounds import handles
from tests.runtime.store.test_reader import manifest

ABOUT = About(execution_id="e", graph_name="g", graph_version="v")
MS = 1_000_000


# Registering


class Given:
    """A database that takes what is written, or refuses it."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors, self.coming = list(errors), coming.Coming()
        self.project = SimpleNamespace(root=Path("/nowhere"))

    def write(self, _work: Any, *, durable: bool) -> Any:
        assert durable is False
        error = self.errors.pop(0)
        if error is not None:
            raise error
        return graphs.Registered(manifest=manifest("g~2", "v1"), is_new=True)


def test_a_graph_is_registered_when_it_is_due_and_again_where_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = SimpleNamespace(s=100.0, time_ns=time.time_ns)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(registrar, "time", now)
    database, told, emitted = Given(StoreError("no"), None, None), list[Any](), list[Any]()
    names: list[str] = []
    one = Registrar(database, Intake(), lambda *given: told.append(given), lambda *given, **more: emitted.append((given, more)))  # type: ignore[arg-type]  # fmt: skip
    registration = Registration(lambda: manifest("g", "v1"), names.append)
    one.add(registration)

    def ran(s: float) -> tuple[int, int, bool]:
        now.s = s
        one.run(is_all=False)
        return len(database.errors), len(database.coming._futures), registration.done.done()

    assert [ran(s) for s in (100.019, 100.02, 101.0, 101.02)] == [
        (3, 1, False), (2, 0, False), (2, 0, False), (1, 0, True),
    ]  # fmt: skip
    assert (registration.done.result(), names, one.waiting) == ("g~2", ["g~2"], [])
    assert told == [
        ("store.error", "no"),
        ("name g~2", "Another file has a graph 'g'; this one is 'g~2'."),
    ]
    assert emitted == [(
        ("graph_registered",),
        {"graph_name": "g~2", "graph_version": "v1", "file": "/nowhere/a.py", "line": 3},
    )]  # fmt: skip
    assert one._intake.aliases == {("g", "v1"): "g~2"}
    one.repeat()
    one.run(is_all=True)
    assert (len(database.errors), one._written) == (0, [manifest("g", "v1")])


def test_a_graph_that_cannot_be_described_fails_no_program() -> None:
    told: list[Any] = []
    one = Registrar(Given(), Intake(), lambda *given: told.append(given), lambda *_: None)  # type: ignore[arg-type]

    def fails() -> Any:
        raise ValueError("odd")

    registration, taken_back = Registration(fails, None), Registration(fails, None)
    taken_back.done.cancel()
    for each in (registration, taken_back):
        one.add(each)
    one.run(is_all=True)

    assert isinstance(registration.done.exception(), ValueError)
    assert told == [
        ("graph ValueError('odd')", "A graph could not be registered: ValueError('odd').")
    ]
    assert one.waiting == []
    done = Registration(fails, None)
    done.done.set_result("first")
    done.finish("second")
    assert done.done.result() == "first"


def test_graphs_of_one_name_are_told_apart_by_their_files(store: Store, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.py", "b.py", "c.py")]
    for file in files:
        file.touch()

    def registered(file: Path, version: str = "v1", name: str = "g") -> tuple[str, bool]:
        made = manifest(name, version, str(file))
        done = store.write(lambda held: graphs.register(held, made, tmp_path))
        return done.manifest.name, done.is_new

    assert [registered(file) for file in (*files, files[1])] == [
        ("g", True), ("g~2", True), ("g~3", True), ("g~2", False),
    ]  # fmt: skip
    assert registered(files[0], "v2") == ("g", True)
    files[0].unlink()
    assert registered(tmp_path / "moved.py", "v2") == ("g", False)
    assert store.read("SELECT name, version, file FROM graphs ORDER BY name, version") == [
        ("g", "v1", str(files[0])), ("g", "v2", str(tmp_path / "moved.py")),
        ("g~2", "v1", str(files[1])), ("g~3", "v1", str(files[2])),
    ]  # fmt: skip
    assert store.read("SELECT max(seen), count(DISTINCT seen) FROM graphs") == [(6, 4)]


def test_a_file_is_the_same_where_its_project_was_copied(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for root in (first, second):
        (root / "deep").mkdir(parents=True)
        (root / "deep" / "a.py").touch()
        (root / "b.py").touch()
    (tmp_path / "inwit" / "prebuilt").mkdir(parents=True)
    prebuilt = tmp_path / "inwit" / "prebuilt" / "agents.py"
    prebuilt.touch()
    old, new = str(first / "deep" / "a.py"), str(second / "deep" / "a.py")

    assert graphs._is_same(old, old, None)
    assert graphs._is_same("", new, None) and graphs._is_same(old, "", None)
    assert graphs._is_same(str(tmp_path / "gone.py"), new, None)
    assert graphs._is_same(old, new, second)
    assert not graphs._is_same(old, new, None)
    assert not graphs._is_same(old, new, first)
    assert not graphs._is_same(old, new, tmp_path)
    assert not graphs._is_same(str(first / "b.py"), new, second)
    assert graphs._is_same(str(prebuilt), new, None)
    assert not graphs._is_same(str(prebuilt), new, second)
    assert "nodes" in to_json(manifest("g", "v")) and "metadata" not in to_json(manifest("g", "v"))


def test_a_look_for_graphs_waits_for_those_that_come(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[Any] = []
    monkeypatch.setattr(coming, "wait", lambda futures, s: waited.append((len(futures), s)))
    found_ = coming.Coming()
    found_.settle()
    assert waited == []
    one: Future[str] = Future()
    other: Future[str] = Future()
    found_.add(one)
    found_.add(other)
    found_.settle()
    found_.settle(0.5)
    found_.worker = threading.get_ident()
    found_.settle()
    found_.worker = None
    one.set_result("g")
    found_.settle()
    found_.give_up(other)
    found_.settle()

    assert waited == [(2, 5.0), (2, 0.5), (1, 5.0)]
    assert edits.KEPT == 100


# Files


def test_a_folder_that_was_exchanged_is_locked_anew(place: Project) -> None:
    database = Database.of(place)
    database.write(lambda _: None)
    moved = place.folder.with_name("moved")
    place.folder.rename(moved)

    database.write(lambda _: None)

    assert handles(place.folder / "lock") == 1
    assert handles(moved) == 0
    assert place.database.exists()
    assert database.generation == 2
    database.close()


def test_a_file_without_a_byte_is_told_of_when_it_is_opened(
    place: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    place.ensure()
    place.database.touch()

    Database.of(place).write(lambda _: None)

    assert f"the record {place.database} is empty" in capsys.readouterr().err
    Database.of(place).close()


def test_a_backup_is_made_in_a_folder_that_is_not_there_yet(
    place: Project, journal: Journal, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="has no record") as raised:
        backup.back_up(place, tmp_path / "kept")
    assert raised.value.hint == "Run a graph there first."
    for number in range(2):
        journal.begin(whole(f"aaaa{number}"))
    journal.flush()
    (place.folder / "some.key").write_text("secret")
    (place.folder / "some.key").chmod(0o600)

    done = backup.back_up(place, tmp_path / "deep" / "er" / "kept")

    assert (done.path, done.executions) == (tmp_path / "deep" / "er" / "kept", 2)
    files = [file for file in done.path.rglob("*") if file.is_file()]
    assert done.size_bytes == sum(file.stat().st_size for file in files) > 0
    assert (done.path / "some.key").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in (tmp_path / "deep" / "er").iterdir()] == ["kept"]
    assert handles(done.path) == 0
    with pytest.raises(StoreError, match="is there already") as raised:
        backup.back_up(place, done.path)
    assert raised.value.hint == "Name a folder that is not."


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFullError), (errno.EACCES, StoreReadOnlyError)]
)
def test_a_backup_that_cannot_be_written_leaves_nothing(
    number: int, kind: type[StoreError], place: Project, journal: Journal, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    journal.begin(whole("aaaa1"))
    journal.flush()

    def fails(*_given: Any, **_more: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(shutil, "copytree", fails)
    with pytest.raises(kind):
        backup.back_up(place, tmp_path / "kept")

    assert [one.name for one in tmp_path.iterdir() if "kept" in one.name] == []
    assert handles(tmp_path / ".kept") == 0
