"""Tests from traces: runnable pytest files, each with the recorded executions that it runs again."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InwitError
from inwit.runtime.replay_record import read_rows
from inwit.runtime.views import Execution
from inwit.testing.traces import Case, Played, packed, structure_of

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.store import Store

LIMIT: Final = 20
GOLDEN: Final = "golden"
_LOOKED_AT: Final = 400


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    file: str
    golden: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Executions of which no test was made, and why."""
    changed: tuple[str, ...] = ()
    """Of an update: the golden files that are others now."""


def generate(
    store: Store, app: CompiledGraph[Any], target: str, folder: Path, *, limit: int = LIMIT
) -> Generated:
    """Write a test file for a graph, with a golden file for each execution that it runs again.

    The newest execution of each way through the graph comes first. One whose replay is not what was
    recorded is left out, and told.

    Args:
        target: FILE:NAME of the graph, seen from the working directory.
    """
    made: list[tuple[str, Case]] = []
    left_out: list[str] = []
    for one in _chosen(store, app.name):
        if len(made) >= limit:
            break
        case, why = _case(store, app, one, _seen_from(folder, target))
        if case is None:
            left_out.append(f"{one.execution_id}: {why}")
        else:
            made.append((_file_name(case), case))
    golden = folder / GOLDEN
    golden.mkdir(parents=True, exist_ok=True)
    for name, case in made:
        case.save(golden / name)
    path = folder / f"test_{_word(app.name)}_traces.py"
    if made:
        path.write_text(_source(app.name, target, made), encoding="utf-8")
    return Generated(
        file=str(path) if made else "", golden=tuple(str(golden / name) for name, _ in made),
        executions=tuple(case.execution_id for _, case in made), left_out=tuple(left_out),
    )  # fmt: skip


def update(folder: Path) -> Generated:
    """Renew what the golden files in a folder expect: as the graphs go now."""
    changed: list[str] = []
    known = sorted((folder / GOLDEN).glob("*.json"))
    for path in known:
        case = Case.load(path)
        app = case.app(folder)
        found = _expected(case, case.play(app), app)
        if found != case:
            found.save(path)
            changed.append(str(path))
    return Generated(file=str(folder), golden=tuple(map(str, known)), changed=tuple(changed))


# Choosing


def _chosen(store: Store, graph: str) -> Iterator[Execution]:
    """Executions that ended, of which each way through the graph comes once before any comes again."""
    newest = [
        one
        for one in store.newest(_LOOKED_AT, graph=graph)
        if one.status in ("completed", "failed")
    ]
    seen: set[tuple[Any, ...]] = set()
    later: list[Execution] = []
    for one in newest:
        way = (one.status, *(visit.node for visit in store.visits(one.execution_id)))
        if way in seen:
            later.append(one)
        else:
            seen.add(way)
            yield one
    yield from later


def _case(
    store: Store, app: CompiledGraph[Any], one: Execution, target: str
) -> tuple[Case | None, str]:
    from inwit.runtime.store import Store as Reader

    try:
        found, anchor_ns, rows = read_rows(store.project, one.execution_id)
        clean = Reader.of(store.project).redactor.value
        case = Case(
            graph=app.name, target=target, execution_id=found.execution_id,
            thread_id=found.thread_id or found.execution_id, begun_ns=anchor_ns + rows[0][2],
            path=[], state={}, status="", error="", steps=0, tool_calls=0, model_calls=0,
            structure={}, record=packed(rows, clean),
        )  # fmt: skip
        recorded = case.past()
        first, second = case.play(app), case.play(app)
    except InwitError as exc:
        return None, str(exc)
    unstable = sorted(
        key for key in {*first.state, *second.state}
        if first.state.get(key) != second.state.get(key)
    )  # fmt: skip
    case = _expected(msgspec.structs.replace(case, unstable=unstable), first, app)
    why = _unlike(case, first, [node for node, _ in recorded.visits], recorded.status)
    return (None, why) if why else (case, "")


def _unlike(case: Case, found: Played, path: Sequence[str], status: str) -> str:
    """Why a test of an execution could not pass, or would say another thing than the record."""
    if found.path != list(path) or found.status != status:
        told = f"{found.divergence}" if found.divergence else f"it ended as {found.status}"
        return f"run again it goes another way: {told}"
    divergence = found.divergence
    if divergence is not None and divergence.kind == "output":
        keys = {str(step.get("path", "")).split("/")[1] for step in divergence.patch}
        if keys <= set(case.unstable):
            return ""
    return "" if divergence is None else f"run again it gives something else: {divergence}"


def _expected(case: Case, found: Played, app: CompiledGraph[Any]) -> Case:
    declared = {one.name for one in app.manifest().fields}
    return msgspec.structs.replace(
        case, path=found.path, status=found.status, error=found.error, steps=found.steps,
        tool_calls=found.tool_calls, model_calls=found.model_calls, structure=structure_of(app),
        state={
            key: value for key, value in sorted(found.state.items())
            if key not in case.unstable and (key in declared or not declared)
        },
    )  # fmt: skip


# Writing

_HEAD = '''"""Executions of {graph} that were recorded, run again by the graph as it is now.

Written by `inwit self-improve generate-tests {target}`. Nodes run, with the recorded replies of tools
and models; those that are declared to have side effects give what they gave. Where the graph was
changed on purpose, `inwit self-improve generate-tests --update {folder}` renews what is expected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inwit.testing.traces import Case, structure_of

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"


@pytest.fixture(scope="module")
def app() -> Any:
    return Case.load(GOLDEN / {first!r}).app(HERE)


def test_the_graph_is_built_as_it_was(app: Any) -> None:
    case = Case.load(GOLDEN / {first!r})

    assert structure_of(app) == case.structure
'''

_TEST = """

def test_{name}(app: Any) -> None:
    case = Case.load(GOLDEN / {file!r})

    found = case.play(app)

    assert found.path == case.path
    assert found.status == case.status == {status!r}
    assert found.error == case.error
{fields}    assert found.divergence is None
    assert found.steps <= case.steps
    assert found.tool_calls <= case.tool_calls
    assert found.model_calls <= case.model_calls
"""


def _source(graph: str, target: str, made: Sequence[tuple[str, Case]]) -> str:
    head = _HEAD.format(graph=_safe(graph), target=_safe(target), folder="FOLDER", first=made[0][0])
    return head + "".join(_test(name, case) for name, case in made)


def _test(file: str, case: Case) -> str:
    fields = "".join(
        f"    assert found.state[{key!r}] == case.state[{key!r}]\n" for key in case.state
    )
    ways = "_".join(dict.fromkeys(_word(node) for node in case.path))[:60].strip("_")
    name = f"{_word(case.execution_id)[:8]}_{case.status}_by_{ways or 'nothing'}"
    return _TEST.format(name=name, file=file, status=case.status, fields=fields)


def _file_name(case: Case) -> str:
    return f"{_word(case.graph)}-{_word(case.execution_id)}.json"


def _word(name: str) -> str:
    """A name as a part of an identifier; what a trace says is never code."""
    found = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return f"{found}_" if keyword.iskeyword(found) else found or "x"


def _safe(text: str) -> str:
    """A text within a docstring: nothing that could end it."""
    return re.sub(r"[^\w .:/~@-]", "?", text, flags=re.ASCII)


def _seen_from(folder: Path, target: str) -> str:
    file, _, name = target.rpartition(":")
    return f"{os.path.relpath(Path(file).resolve(), folder.resolve())}:{name}"
