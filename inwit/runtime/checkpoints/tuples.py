"""Reading a checkpointer in the shape that LangGraph's savers give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from inwit.events import timestamp
from inwit.runtime.checkpoints.base import Checkpoint, Pending, Row
from inwit.runtime.checkpoints.foreign import WRITE, Config, named_by, put_tuple, put_writes
from inwit.runtime.checkpoints.snapshots import fold, split
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
        found: dict[str, Any] = await _in_thread(self.put, *given)
        return found

    async def aput_writes(
        self: Any,
        config: Config,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `put_writes`."""
        await _in_thread(self.put_writes, config, writes, task_id, task_path)

    def get_tuple(self: Any, config: Config) -> CheckpointTuple | None:
        """The newest, or the named, checkpoint of the thread that `config` names."""
        thread_id, ns, checkpoint_id = named_by(config)
        return _tuple(self.load(thread_id, checkpoint_id, ns=ns))

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

        Args:
            filter: What their metadata must hold.
            before: A config with the checkpoint_id before which to begin.
        """
        places = [named_by(config)] if config else [(name, "", None) for name in self.threads()]
        until = None if before is None else named_by(before)[2]
        count = 0
        for thread_id, ns, only in places:
            is_reached = until is None
            for row in self.history(thread_id, ns=ns):
                if limit is not None and count >= limit:
                    return
                if not is_reached:
                    is_reached = row.checkpoint_id == until
                    continue
                if only is not None and row.checkpoint_id != only:
                    continue
                found = _tuple(self.load(thread_id, row.checkpoint_id, ns=ns))
                if found is not None and (filter or {}).items() <= found.metadata.items():
                    count += 1
                    yield found

    async def aget_tuple(self: Any, config: Config) -> CheckpointTuple | None:
        """See `get_tuple`."""
        found: CheckpointTuple | None = await _in_thread(self.get_tuple, config)
        return found

    async def aget(self: Any, config: Config) -> dict[str, Any] | None:
        """See `get`."""
        found: dict[str, Any] | None = await _in_thread(self.get, config)
        return found

    async def alist(
        self: Any, config: Config | None, **options: Any
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        for found in await _in_thread(lambda: [*self.list(config, **options)]):
            yield found

    async def adelete_thread(self: Any, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        await _in_thread(self.delete_thread, thread_id)


async def _in_thread(call: Callable[..., Any], *args: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(call, *args)


def _config(row: Checkpoint, checkpoint_id: str) -> dict[str, Any]:
    named = {"thread_id": row.thread_id, "checkpoint_ns": row.ns, "checkpoint_id": checkpoint_id}
    return {"configurable": named}


def _tuple(rows: Sequence[Row]) -> CheckpointTuple | None:
    if not rows:
        return None
    last, pending = split(rows)
    return CheckpointTuple(
        config=_config(last, last.checkpoint_id),
        checkpoint=_checkpoint(rows, last),
        metadata={
            "source": last.source,
            "step": last.step,
            "parents": {},
            **(last.metadata or {}),
        },
        parent_config=None if last.parent_id is None else _config(last, last.parent_id),
        pending_writes=[_write(row) for row in pending],
    )


def _checkpoint(rows: Sequence[Row], last: Checkpoint) -> dict[str, Any]:
    return {
        "v": 1,
        "id": last.checkpoint_id,
        "ts": timestamp(last.ts_ns),
        "channel_values": fold(rows),
        "channel_versions": {},
        "versions_seen": {},
        "updated_channels": sorted(last.update),
    }


def _write(row: Pending) -> tuple[str, str, Any]:
    is_foreign = row.kind == "memo" and row.key.startswith(f"{WRITE} ")
    channel = row.key.removeprefix(f"{WRITE} ") if is_foreign else f"__{row.kind}__"
    return row.task, channel, thaw(row.value)
