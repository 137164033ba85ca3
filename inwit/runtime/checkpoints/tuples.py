"""Reading a checkpointer in the shape that LangGraph's savers give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from inwit.events import timestamp
from inwit.runtime.checkpoints.base import BEFORE_INPUT, Checkpoint, Pending, Row, is_alone
from inwit.runtime.checkpoints.foreign import WRITE, Config, named_by, put_tuple, put_writes
from inwit.runtime.checkpoints.snapshots import fold, split
from inwit.runtime.progress import task_id
from inwit.runtime.serial import thaw


class CheckpointTuple(NamedTuple):
    """A saved state, with where it belongs and what is pending."""

    config: dict[str, Any]
    checkpoint: dict[str, Any]
    metadata: dict[str, Any]
    parent_config: dict[str, Any] | None = None
    pending_writes: list[tuple[str, str, Any]] | None = None


class ReadInTuples:
    """The methods of LangGraph's savers, over a checkpointer's own.

    ``put`` is the protocol's, and LangGraph's where it is called with a config and a checkpoint.
    """

    def put_tuple(
        self: Any,
        config: Any,
        checkpoint: Mapping[str, Any],
        metadata: Mapping[str, Any],
        new_versions: Any = None,  # noqa: ARG002 - keys have no versions
    ) -> Any:
        """Append a checkpoint that somebody else has made, and give the config that names it."""
        return put_tuple(self, config, checkpoint, metadata)

    def put_writes(
        self: Any,
        config: Config,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",  # noqa: ARG002 - what is pending is in the order of its writing
    ) -> None:
        """Keep what a task has written after the newest checkpoint, which `config` names."""
        put_writes(self, config, writes, task_id)

    async def aput(
        self: Any, config: Config, checkpoint: Any, metadata: Any, new_versions: Any
    ) -> dict[str, Any]:
        """Append a checkpoint that somebody else has made, and give the config that names it."""
        given = (config, checkpoint, metadata, new_versions)
        found: dict[str, Any] = await _apart(self.put, *given)
        return found

    async def aput_writes(
        self: Any,
        config: Config,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `put_writes`."""
        await _apart(self.put_writes, config, writes, task_id, task_path)

    def get_tuple(self: Any, config: Config) -> CheckpointTuple | None:
        """The newest, or the named, checkpoint of the thread that `config` names."""
        thread_id, ns, named = named_by(config)
        real = None if named is None else named.removesuffix(BEFORE_INPUT)
        found = _tuples(self, self.load(thread_id, real, ns=ns))
        return next((one for one in found if named in (None, _id(one))), None)

    def get(self: Any, config: Config) -> dict[str, Any] | None:
        """The checkpoint of `get_tuple` alone."""
        found = self.get_tuple(config)
        return None if found is None else dict(found.checkpoint)

    def list(
        self: Any,
        config: Config | None,
        *,
        filter: Mapping[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """The checkpoints of a thread, or of all of them, newest first.

        That of an input comes with the one before it, as in histories of states.

        Args:
            filter: What their metadata must hold.
            before: A config with the checkpoint_id before which to begin.
        """
        places = [named_by(config)] if config else [(name, "", None) for name in self.threads()]
        until = None if before is None else named_by(before)[2]
        count = 0
        for thread_id, ns, only in places:
            is_reached = until is None
            for found in self._listed(thread_id, ns):
                if limit is not None and count >= limit:
                    return
                if not is_reached:
                    is_reached = _id(found) == until
                elif only in (None, _id(found)) and _holds(found, filter or {}):
                    count += 1
                    yield found

    def _listed(self: Any, thread_id: str, ns: str) -> Iterator[CheckpointTuple]:
        for row in self.history(thread_id, ns=ns):
            yield from _tuples(self, self.load(thread_id, row.checkpoint_id, ns=ns))

    async def aget_tuple(self: Any, config: Config) -> CheckpointTuple | None:
        """See `get_tuple`."""
        found: CheckpointTuple | None = await _apart(self.get_tuple, config)
        return found

    async def aget(self: Any, config: Config) -> dict[str, Any] | None:
        """See `get`."""
        found: dict[str, Any] | None = await _apart(self.get, config)
        return found

    async def alist(
        self: Any, config: Config | None, **options: Any
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        for found in await _apart(lambda: [*self.list(config, **options)]):
            yield found

    async def adelete_thread(self: Any, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        await _apart(self.delete_thread, thread_id)


async def _apart(call: Callable[..., Any], *given: Any) -> Any:
    from inwit.runtime import loops  # asyncio is long to import, and most programs need no saver

    return await loops.apart(call, *given)


def _config(row: Checkpoint, checkpoint_id: str) -> dict[str, Any]:
    named = {"thread_id": row.thread_id, "checkpoint_ns": row.ns, "checkpoint_id": checkpoint_id}
    return {"configurable": named}


def _id(found: CheckpointTuple) -> str:
    return str(found.config["configurable"]["checkpoint_id"])


def _holds(found: CheckpointTuple, wanted: Mapping[str, Any]) -> bool:
    return wanted.items() <= found.metadata.items()


def _tuples(saver: Any, rows: Sequence[Row]) -> Iterator[CheckpointTuple]:
    """A checkpoint; that of an input with the one before it, which is kept as a part of it."""
    if not rows:
        return
    last, pending = split(rows)
    before = _before_input(saver, last)
    source, parent_id = last.source, last.parent_id
    if before is not None:
        parent_id = last.checkpoint_id + BEFORE_INPUT
    if source == "input" and (before is not None or is_alone(last)):
        source = "loop" if last.parts is None else "update"
    writes = [_write(row) for row in pending]
    yield _tuple(last, source, fold(rows), last.step, last.checkpoint_id, parent_id, writes)
    if before is not None:
        task = task_id(last.thread_id, last.ns, last.checkpoint_id, "__start__")
        given = [(task, key, thaw(value)) for key, value in last.update.items()]
        values = fold(before) if before else {}
        yield _tuple(last, "input", values, last.step - 1, str(parent_id), last.parent_id, given)


def _before_input(saver: Any, row: Checkpoint) -> Sequence[Row] | None:
    """What was kept before an input, where that counts as a step of its own: not of entry points."""
    if row.source != "input" or is_alone(row):
        return None
    found = () if row.parent_id is None else saver.load(row.thread_id, row.parent_id, ns=row.ns)
    step = split(found)[0].step if found else -2
    return found if row.step - step == 2 else None


def _tuple(  # noqa: PLR0917 - what a checkpoint is told with
    row: Checkpoint, source: str, values: dict[str, Any], step: int, checkpoint_id: str,
    parent_id: str | None, writes: list[tuple[str, str, Any]],
) -> CheckpointTuple:  # fmt: skip
    return CheckpointTuple(
        config=_config(row, checkpoint_id),
        checkpoint={
            "v": 1,
            "id": checkpoint_id,
            "ts": timestamp(row.ts_ns),
            "channel_values": values,
            "channel_versions": {},
            "versions_seen": {},
            "updated_channels": sorted(row.update),
        },
        metadata={"source": source, "step": step, "parents": {}, **(row.metadata or {})},
        parent_config=None if parent_id is None else _config(row, parent_id),
        pending_writes=writes,
    )


def _write(row: Pending) -> tuple[str, str, Any]:
    is_foreign = row.kind == "memo" and row.key.startswith(f"{WRITE} ")
    channel = row.key.removeprefix(f"{WRITE} ") if is_foreign else f"__{row.kind}__"
    return row.task, channel, thaw(row.value)
