"""What differs between two executions, or between two saved states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import UndiffableError
from inwit.runtime.patches import Patch, patch_between
from inwit.runtime.serial import pack, plain

if TYPE_CHECKING:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.runtime.views import Visit


class PathChange(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the path that only one of two executions took, or each in its own way."""

    step: int
    """The visit before which the paths part, counted from 1 in the first execution."""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two that are compared."""

    id: str
    """The id of an execution or a checkpoint."""
    state: Any
    path: tuple[str, ...] = ()
    output: Any = None
    status: str = ""
    error: str = ""


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What is different in the second of two. Equal content is no difference."""

    before: str
    after: str
    path: tuple[PathChange, ...] = ()
    visits: dict[str, tuple[int, int]] = {}
    """How often each node ran, where that differs."""
    state: Patch = []
    """An RFC 6902 patch that makes the second state of the first."""
    output: Patch = []
    status: tuple[str, str] | None = None
    error: tuple[str, str] | None = None

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (
            self.path or self.visits or self.state or self.output or self.status or self.error
        )

    @property
    def changed(self) -> tuple[str, ...]:
        """The state's keys that differ."""
        keys = (op["path"].split("/")[1] for op in self.state if op["path"])
        return tuple(dict.fromkeys(key.replace("~1", "/").replace("~0", "~") for key in keys))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        return {"is_same": self.is_same, **shown}


def diff(before: Any, after: Any, *, project: Project | None = None) -> Diff:
    """Compare two executions, by their ids, or two saved states: snapshots or mappings.

    Ids are looked up in the project of the working directory; a few digits are enough. Secrets in
    what the record holds are compared by their hash and not shown.

    Raises:
        UnknownExecutionError: There is no such execution.
        UndiffableError: It is nothing that can be compared.
    """
    return between(_side(before, project), _side(after, project))


def between(before: Side, after: Side) -> Diff:
    """Compare two sides."""
    return Diff(
        before=before.id,
        after=after.id,
        path=tuple(_path_changes(before.path, after.path)),
        visits=_visit_changes(before.path, after.path),
        state=patch_between(before.state, after.state),
        output=patch_between(before.output, after.output),
        status=_changed(before.status, after.status),
        error=_changed(before.error, after.error),
    )


def _side(given: Any, project: Project | None) -> Side:
    if isinstance(given, str) or hasattr(given, "execution_id"):
        return execution_side(_store(project), str(getattr(given, "execution_id", given)))
    if hasattr(given, "values") and hasattr(given, "config"):
        named = (given.config or {}).get("configurable", {})
        return Side(id=str(named.get("checkpoint_id") or ""), state=_shown(given.values))
    if hasattr(given, "update") and hasattr(given, "checkpoint_id") and given.state is not None:
        from inwit.runtime.serial import thaw

        state = {key: thaw(value) for key, value in given.state.items()}
        return Side(id=given.checkpoint_id, state=_shown(state))
    if isinstance(given, Mapping):
        return Side(id="", state=_shown(dict(given)))
    raise UndiffableError(given)


def _store(project: Project | None) -> Store:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Journal, Store

    found = Project.find() if project is None else project
    Journal.of(found).flush()
    return Store.of(found)


def execution_side(store: Store, execution_id: str) -> Side:
    """What is compared of a recorded execution."""
    found = store.execution(execution_id)
    ended = store.events(found.execution_id, types=("execution_completed",))
    state = store.state_at(found.execution_id)
    return Side(
        id=found.execution_id,
        state=state,
        path=path_of(store.visits(found.execution_id)),
        output=getattr(ended[-1], "output", None) if ended else None,
        status=found.status,
        error="" if found.error is None else f"{found.error.type}: {found.error.message}",
    )


def checkpoint_side(store: Store, checkpoint_id: str, thread_id: str | None) -> Side:
    """What is compared of a checkpoint that the record tells of.

    Raises:
        UnknownCheckpointError: No execution of the thread made it.
    """
    from inwit.errors import UnknownCheckpointError

    cursor: str | None = None
    while True:
        page = store.executions(thread_id=thread_id, limit=500, cursor=cursor)
        for execution in page.items:
            for event in store.events(execution.execution_id, types=("checkpoint_created",)):
                if str(getattr(event, "checkpoint_id", "")) == checkpoint_id:
                    state = store.state_at(execution.execution_id, event.seq)
                    return Side(id=checkpoint_id, state=state)
        cursor = page.cursor
        if cursor is None:
            raise UnknownCheckpointError(thread_id or "", checkpoint_id)


def path_of(visits: Sequence[Visit]) -> tuple[str, ...]:
    """The nodes that ran, in the order of their beginnings."""
    return tuple(visit.node for visit in visits)


def _path_changes(before: Sequence[str], after: Sequence[str]) -> Iterator[PathChange]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "equal":
            yield PathChange(step=i1 + 1, before=tuple(before[i1:i2]), after=tuple(after[j1:j2]))


def _visit_changes(before: Sequence[str], after: Sequence[str]) -> dict[str, tuple[int, int]]:
    one, two = Counter(before), Counter(after)
    names = dict.fromkeys([*before, *after])
    return {name: (one[name], two[name]) for name in names if one[name] != two[name]}


def _changed(before: str, after: str) -> tuple[str, str] | None:
    return None if before == after else (before, after)


def _shown(value: Any) -> Any:
    """A value as readers of the record see it."""
    return plain(pack(value, strict=False))


__all__ = ["Diff", "PathChange", "diff"]
