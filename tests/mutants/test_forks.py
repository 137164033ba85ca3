"""Tests that are run in forks notice changes as those in processes of their own do, and leave nothing behind."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.forks import children
from tests.mutants.moving import moved
from tests.mutants.worker import Worker, worker

COUNTING = "def doubled(n):\n    return 2 * n\n\n\ndef unasked(n):\n    return 3 * n\n"
TESTS = """
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis.strategies import integers

from counting import doubled


def test_two():
    assert doubled(2) == 4


@given(integers())
def test_any(n):
    assert doubled(n) == n + n


@pytest.mark.anyio
async def test_awaited():
    await anyio.sleep(0)


@pytest.mark.parametrize("python", [sys.executable, "python"])
def test_another_process(tmp_path, python):
    code = "import counting, sys; print(counting.doubled(2), sys.stdin.read())"
    ran = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert ran.stdout.split() == [b"4"]


def test_left_behind():
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path("left").write_text(str(left.pid))


def test_its_environment():
    assert not os.environ.keys() & {"PYTHONHASHSEED", "OPENBLAS_NUM_THREADS"}
    assert os.environ["VIRTUAL_ENV"] == sys.prefix and sys.path[0] == str(Path.cwd())
"""
TWO, ANY, OTHER = (
    f"tests/test_counting.py::test_{name}" for name in ("two", "any", "another_process")
)
LEFT = "tests/test_counting.py::test_left_behind"


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker whose tree has one module and its tests."""
    folder = tmp_path_factory.mktemp("worker")
    for name in ("tests", "manifests"):
        (folder / "tree" / name).mkdir(parents=True)
    (folder / "tree" / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\npythonpath = ['.']\n"
    )
    (folder / "tree" / "counting.py").write_text(COUNTING)
    (folder / "tree" / "tests" / "test_counting.py").write_text(TESTS)
    with worker(folder) as started:
        yield started
    assert started.server.returncode == 0


def test_all_tests_are_found_and_pass_when_nothing_is_changed(free: Worker) -> None:
    collected = free.collected()

    assert len(collected) == 7 and {TWO, ANY, LEFT} < collected
    assert free.run(sorted(collected), limit_s=60).told == "passed"
    assert "7 passed" in free.output.read_text()


@pytest.mark.parametrize(
    ("test", "factor", "by"),
    [(TWO, "3", "000001"), (TWO, "4", "000002"), (ANY, "4", "000002"), (OTHER, "3", "000001")],
)
def test_a_change_is_noticed_and_gone_afterwards(
    free: Worker, test: str, factor: str, by: str
) -> None:
    with free.changed("counting.py", COUNTING.replace("2", factor), by=by):
        changed = free.run([test], limit_s=60)

    assert changed.told == "failed" and changed.by[0].startswith(test)
    assert free.run([test], limit_s=60).told == "passed"
    assert (free.tree / "counting.py").read_text() == COUNTING


def test_a_change_that_no_test_asks_for_lives(free: Worker) -> None:
    with free.changed("counting.py", COUNTING.replace("3", "4"), by="000003"):
        assert free.run([TWO, ANY], limit_s=60).told == "passed"


def test_all_failures_are_told_when_asked_and_some_tests_left_out(free: Worker) -> None:
    with free.changed("counting.py", COUNTING.replace("2", "5"), by="000004"):
        to_the_end = free.run([TWO, ANY], limit_s=60, to_the_end=True)
        without = free.run([TWO, LEFT], limit_s=60, but=[TWO])

    assert to_the_end.by == (TWO, ANY)
    assert without.told == "passed"


def test_a_change_that_hangs_runs_out_of_time_and_what_it_started_is_ended(free: Worker) -> None:
    starting = "import subprocess\nsubprocess.Popen(['sleep', '600'])\n"
    hanging = COUNTING.replace("return 2", "while n:\n        pass\n    return 2")
    with free.changed("counting.py", starting + hanging, by="000005"):
        outcome = free.run([TWO], limit_s=2)

    assert (outcome.told, outcome.by) == ("out of time", ())
    assert outcome.seconds >= 2
    assert not list(children(free.server.pid))


def test_a_process_that_a_test_left_behind_is_ended(free: Worker) -> None:
    assert free.run([LEFT], limit_s=60).told == "passed"
    assert not _is_there(int((free.tree / "left").read_text()))


def test_a_run_that_dies_is_told_by_its_exit_code(free: Worker) -> None:
    dying = "import os\nos.abort()\n" + COUNTING
    with free.changed("counting.py", dying, by="000006"):
        assert free.run([TWO], limit_s=60).told == "pytest ended with -6"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (COUNTING, COUNTING.replace("2", "7")),
        ("import os\n\n" + COUNTING, "import os\n\n" + COUNTING.replace("2", "7")),
        (COUNTING.replace("2", "4"), None),
        (COUNTING.replace("2", "7"), None),
        (None, None),
    ],
    ids=["same file", "other lines", "that line", "made already", "no file"],
)
def test_a_change_moves_to_a_later_file_unless_its_line_is_another_there(
    tmp_path: Path, after: str | None, expected: str | None
) -> None:
    before = tmp_path / "before.py"
    before.write_text(COUNTING)
    later = tmp_path / "after.py"
    if after is not None:
        later.write_text(after)

    assert moved(before, COUNTING.replace("2", "7"), later) == expected


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
