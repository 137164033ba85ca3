"""Errors of the record on disk."""

from __future__ import annotations

from inwit.errors.base import InwitError, shorten


class StoreError(InwitError):
    """The record on disk cannot be read or written."""

    code = "store.error"
    status = 503


class StoreFullError(StoreError):
    """There is no room for the record."""

    code = "store.full"
    status = 507

    def __init__(self, path: object, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"There is no room to write {path}{because}.",
            hint="Free some space; recording goes on by itself.",
        )


class StoreLockedError(StoreError):
    """Another process holds the record and doesn't let go."""

    code = "store.locked"

    def __init__(self, path: object, waited_s: float | None = None) -> None:
        waited = "" if waited_s is None else f" after {waited_s:g} s"
        super().__init__(
            f"{path} is still locked by another process{waited}.",
            hint="Find who holds it (`fuser` names the process), or try again.",
        )


class StoreCorruptError(StoreError):
    """The record's file is damaged."""

    code = "store.corrupt"

    def __init__(self, path: object, reason: str = "") -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"{path} is damaged{because}.",
            hint="It is moved aside, never deleted, and a new one is begun.",
        )


class StoreReadOnlyError(StoreError):
    """The record's place cannot be written."""

    code = "store.read_only"

    def __init__(self, path: object, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"{path} cannot be written{because}.",
            hint="Set INWIT_HOME to a folder that can be, or INWIT_OFF=1 to record nothing.",
        )


class StoreVersionError(StoreError):
    """The record was written by a newer inwit."""

    code = "store.version"

    def __init__(self, path: object, found: int, known: int, *, room: str = "") -> None:
        part = f" (room {room!r})" if room else ""
        super().__init__(
            f"{path} has schema version {found}{part}; this inwit knows {known}.",
            hint="Update inwit, or set INWIT_HOME to another folder.",
        )


class FencedError(StoreError):
    """Another writer, or a reader that found it lost, has gone on with the execution."""

    code = "store.fenced"
    status = 409

    def __init__(self, execution_id: str, seq: int) -> None:
        super().__init__(
            f"Event {seq} of execution {shorten(execution_id)} was written by someone else.",
            hint="Nothing more of this process is recorded for it; run it under a new id.",
        )
        self.execution_id = execution_id


class ThreadTakenError(StoreError):
    """Another writer has gone on with a thread."""

    code = "store.thread_taken"
    status = 409

    def __init__(self, thread_id: str, ns: str, seq: int) -> None:
        place = f" in {shorten(ns)}" if ns else ""
        super().__init__(
            f"Row {seq} of the thread {shorten(thread_id)}{place} was written by someone else.",
            hint="Let one execution at a time run on a thread, or give each its own.",
        )
        self.thread_id = thread_id


class ThreadGapError(StoreError):
    """A row cannot follow the last one that is kept."""

    code = "store.thread_gap"
    status = 409

    def __init__(self, thread_id: str, ns: str, seq: int, last: int) -> None:
        place = f" in {shorten(ns)}" if ns else ""
        super().__init__(
            f"Row {seq} of the thread {shorten(thread_id)}{place} cannot follow row {last}.",
            hint="A save before it failed, or the thread was deleted; go on from what is kept.",
        )
        self.thread_id = thread_id


class ThreadBusyError(StoreError):
    """A living process is running an execution on the thread."""

    code = "store.thread_busy"
    status = 409

    def __init__(self, thread_id: str, owner: str) -> None:
        super().__init__(
            f"The thread {shorten(thread_id)} is being run by another process ({owner}).",
            hint="Wait until it is done, or give this execution a thread of its own.",
        )
        self.thread_id = thread_id


class UnserialisableError(StoreError):
    """A value's type cannot be written into a checkpoint, or not be read here."""

    code = "store.unserialisable"
    status = 422

    def __init__(self, kind: type | str, reason: str = "", *, key: str = "") -> None:
        self.kind, self.reason = kind, reason
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        because = f": {reason}" if reason else ""
        where = f", at key {key!r}," if key else ""
        super().__init__(
            f"A value of type {name}{where} cannot be kept{because}.",
            hint="Keep plain values, dataclasses or pydantic models in the state.",
        )

    def at(self, key: str) -> UnserialisableError:
        """The same, told with the state's key that holds the value."""
        return UnserialisableError(self.kind, self.reason, key=key)


class StoreUnreachableError(StoreError):
    """A server that keeps checkpoints does not answer."""

    code = "store.unreachable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place} does not answer: {reason.strip() or 'no reason given'}.",
            hint="What was acknowledged is kept; resume the thread when it answers again.",
        )


class MissingLibraryError(StoreError):
    """A backend needs a library that is not installed."""

    code = "store.missing_library"
    status = 501

    def __init__(self, backend: str, extra: str, library: str) -> None:
        super().__init__(
            f"{backend} needs {library}, which is not installed.",
            hint=f"pip install 'inwit[{extra}]'",
        )


class InvalidKeyError(StoreError):
    """A key cannot be used for encryption."""

    code = "store.invalid_key"
    status = 422

    def __init__(self, key_id: str, reason: str) -> None:
        super().__init__(
            f"The key {shorten(key_id)} cannot be used: {reason}.",
            hint="Make one with inwit.runtime.checkpoints.encrypted.new_key().",
        )


class WrongKeyError(StoreError):
    """A checkpoint cannot be decrypted with the keys that are set."""

    code = "store.wrong_key"
    status = 409

    def __init__(self, thread_id: str, seq: int, reason: str) -> None:
        super().__init__(
            f"Row {seq} of the thread {shorten(thread_id)} cannot be decrypted: {reason}.",
            hint="Give every key that wrote rows which are still kept, and the newest first.",
        )


class StateVersionError(StoreError):
    """A checkpoint has a later version of the state than the program knows."""

    code = "store.state_version"
    status = 409

    def __init__(self, thread_id: str, found: int, known: int) -> None:
        super().__init__(
            f"The thread {shorten(thread_id)} has state version {found}; the program knows {known}.",
            hint="Run the newer program, or add the migrations that it has.",
        )
