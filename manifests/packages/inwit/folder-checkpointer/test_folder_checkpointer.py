from __future__ import annotations

import operator
import stat
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import Checkpoint, StateGraph
from inwit.registry.packages import load
from inwit.testing import Check, checkpointer_suite

ROOT = Path(__file__).resolve().parents[4]


class Talk(TypedDict, total=False):
    said: Annotated[list[str], operator.add]
    count: int


def talking(folder: Path, **options: Any) -> Any:
    graph = StateGraph(Talk)
    graph.add_node("count", lambda state: {"count": len(state["said"])})
    graph.add_node("reply", lambda state: {"said": [f"reply {state['count']}"]})
    graph.set_entry_point("count")
    graph.add_edge("count", "reply")
    graph.set_finish_point("reply")
    saver = load("inwit/folder-checkpointer")(folder, **options)
    return graph.compile(name="talk", checkpointer=saver)


def checkpoint(number: int, thread_id: str = "t", *, is_whole: bool = True) -> Checkpoint:
    return Checkpoint(
        checkpoint_id=f"e:{number}", thread_id=thread_id, seq=number, execution_id="e", step=number,
        ts_ns=number, update={"n": number}, state={"n": number} if is_whole else None,
    )  # fmt: skip


def ids(found: Any) -> list[str]:
    return [one.checkpoint_id for one in found]


def test_a_thread_goes_on_in_another_process_object(tmp_path: Path) -> None:
    talking(tmp_path).invoke({"said": ["one"]}, thread_id="ada")

    result = talking(tmp_path).invoke({"said": ["two"]}, thread_id="ada")

    assert result["said"] == ["one", "reply 1", "two", "reply 3"]


def test_the_state_and_its_history_are_read_back(tmp_path: Path) -> None:
    app = talking(tmp_path)
    app.invoke({"said": ["one"]}, thread_id="ada")
    config = {"configurable": {"thread_id": "ada"}}

    history = list(app.get_state_history(config))

    assert app.get_state(config).values == {"said": ["one", "reply 1"], "count": 1}
    assert history[0].values["said"] == ["one", "reply 1"]
    assert len(history) >= 2


def test_threads_are_kept_apart_and_one_is_forgotten_alone(tmp_path: Path) -> None:
    saver = load("inwit/folder-checkpointer")(tmp_path)
    saver.put([checkpoint(1, "a/../b")])
    saver.put([checkpoint(2, "a")])

    saver.delete_thread("a")

    assert ids(saver.load("a/../b")) == ["e:1"]
    assert not saver.load("a")


def test_reading_begins_with_the_last_whole_state_before_the_named_checkpoint(
    tmp_path: Path,
) -> None:
    saver = load("inwit/folder-checkpointer")(tmp_path)
    for number, is_whole in enumerate([True, False, True, False, False], start=1):
        saver.put([checkpoint(number, is_whole=is_whole)])

    assert ids(saver.load("t")) == ["e:3", "e:4", "e:5"]
    assert ids(saver.load("t", "e:2")) == ["e:1", "e:2"]
    assert not saver.load("t", "e:9")
    assert ids(saver.history("t", limit=2)) == ["e:5", "e:4"]


def test_older_checkpoints_go_but_none_that_a_kept_one_needs(tmp_path: Path) -> None:
    saver = load("inwit/folder-checkpointer")(tmp_path, keep=2)
    for number, is_whole in enumerate([True, False, True, False, True], start=1):
        saver.put([checkpoint(number, is_whole=is_whole)])

    assert ids(saver.history("t")) == ["e:5", "e:4", "e:3"]
    assert ids(saver.load("t", "e:4")) == ["e:3", "e:4"]


def test_files_are_private_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    saver = load("inwit/folder-checkpointer")(tmp_path / "deep")
    saver.put([checkpoint(1)])

    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not [path for path in files if path.name.startswith("new-")]


def test_of_two_processes_each_row_is_from_one(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from inwit import Checkpoint\n"
        "from inwit.errors import ThreadTakenError\n"
        "from inwit.registry.packages import load\n"
        "saver = load('inwit/folder-checkpointer')(sys.argv[1])\n"
        "n = 0\n"
        "while n < 20:\n"
        "    try:\n"
        "        saver.put([Checkpoint(checkpoint_id=f'{sys.argv[2]}:{n}', thread_id='t',\n"
        "            seq=saver.last_seq('t') + 1, execution_id='e', step=n, ts_ns=n,\n"
        "            update={}, state={})])\n"
        "        n += 1\n"
        "    except ThreadTakenError:\n"
        "        pass\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], cwd=ROOT)
        for name in ("a", "b")
    ]

    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]

    history = load("inwit/folder-checkpointer")(tmp_path).history("t")
    assert sorted(ids(history)) == sorted(f"{name}:{n}" for name in "ab" for n in range(20))
    assert [one.seq for one in history] == list(range(40, 0, -1))


@pytest.mark.parametrize("check", checkpointer_suite(), ids=str)
def test_it_keeps_the_protocol(check: Check, tmp_path: Path) -> None:
    saver = load("inwit/folder-checkpointer")

    check(lambda name: saver(tmp_path / name))


def test_at_least_one_checkpoint_has_to_stay(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        load("inwit/folder-checkpointer")(tmp_path, keep=0)
