"""Writing to a checkpointer in the way that those who call LangGraph's savers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from inwit.errors import MalformedInputError
from inwit.events import epoch_ns
from inwit.ids import new_id
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Pending, Row, Source
from inwit.runtime.checkpoints.snapshots import split
from inwit.runtime.serial import freeze

Config = Mapping[str, Any]
WRITE = "write"
"""The key of a pending row that `put_writes` wrote begins so; what follows is the channel's name."""
_SOURCES = get_args(Source)


def named_by(config: Config) -> tuple[str, str, str | None]:
    """The thread, the namespace and the checkpoint that a config names."""
    named = config["configurable"]
    return (
        str(named["thread_id"]),
        str(named.get("checkpoint_ns") or ""),
        named.get("checkpoint_id"),
    )


def put_tuple(
    saver: Checkpointer, config: Config, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """Append a checkpoint that somebody else has made, whole, and give the config that names it.

    It ends what the thread did: nothing follows it.

    Raises:
        UnserialisableError: One of its values cannot be kept.
    """
    thread_id, ns, parent_id = named_by(config)
    values = checkpoint.get("channel_values", {})
    state = {key: freeze(value, strict=True) for key, value in values.items()}
    source = metadata.get("source", "update")
    row = Checkpoint(
        thread_id=thread_id,
        ns=ns,
        seq=saver.last_seq(thread_id, ns=ns) + 1,
        checkpoint_id=str(checkpoint.get("id") or new_id()),
        execution_id=new_id(),
        step=int(metadata.get("step", -1)),
        ts_ns=epoch_ns(checkpoint["ts"]),
        update=state,
        state=state,
        source=source if source in _SOURCES else "update",
        parent_id=parent_id,
        metadata={k: v for k, v in metadata.items() if k not in ("source", "step", "parents")}
        or None,
    )
    _put(saver, [row])
    named = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": row.checkpoint_id}
    return {"configurable": named}


def put_writes(
    saver: Checkpointer, config: Config, writes: Sequence[tuple[str, Any]], task_id: str
) -> None:
    """Keep what a task has written after the newest checkpoint.

    Raises:
        MalformedInputError: The config names another one.
    """
    thread_id, ns, checkpoint_id = named_by(config)
    rows = saver.load(thread_id, ns=ns)
    last = split(rows)[0] if rows else None
    if last is None or checkpoint_id not in (None, last.checkpoint_id):
        raise MalformedInputError(
            f"{checkpoint_id!r} is not the newest checkpoint of the thread {thread_id!r}.",
            hint="What is pending follows the newest one.",
        )
    _put(saver, [
        Pending(
            thread_id=thread_id, ns=ns, seq=rows[-1].seq + 1 + at, checkpoint_id=last.checkpoint_id,
            execution_id=last.execution_id, ts_ns=last.ts_ns, kind="memo", task=task_id,
            key=f"{WRITE} {channel}", value=freeze(value, strict=True),
        )
        for at, (channel, value) in enumerate(writes)
    ])  # fmt: skip


def _put(saver: Checkpointer, rows: list[Row]) -> None:
    done = saver.put(rows) if rows else None
    if done is not None:
        done.result()
