"""Checkpoints in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from inwit.errors import (
    MissingLibraryError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnreachableError,
    ThreadGapError,
    ThreadTakenError,
)
from inwit.runtime.checkpoints.base import Checkpoint, Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.group import GroupWriter, Outcome, Put
from inwit.runtime.checkpoints.opening import Opened
from inwit.runtime.checkpoints.redis_scripts import APPEND, DELETE, HISTORY, LAST, LOAD, PRUNE

T = TypeVar("T")
PATIENCE_S = 5.0
"""How long a put tries a server that has gone away."""
_GRACE_S = 3600.0
"""After which a thread that was named and has no rows is one whose lifetime is over."""
_PLACE = "The Redis server"


class RedisCheckpointer(Opened):
    """Keeps checkpoints in Redis 6 or later; any number of processes may share it.

    A put is done when the server has it. Whether it survives the server's own end is the server's
    setting: with ``appendonly yes`` and ``appendfsync always`` it does.

    Args:
        conn: The server's URL, or a client of redis-py's, for where it leads to.
        prefix: What the names of all keys begin with.
        ttl_s: How long a thread is kept after its last row, by the server's own clock.
    """

    def __init__(
        self, conn: Any, *, prefix: str = "inwit:checkpoints", ttl_s: float | None = None
    ) -> None:
        self._redis = _client(conn)
        self._prefix, self._names = prefix, f"{prefix}:threads"
        self._ttl_ms = 0 if ttl_s is None else max(int(ttl_s * 1000), 1)
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (APPEND, LOAD, HISTORY, LAST, PRUNE, DELETE)
        }
        self._writer = GroupWriter("redis", self._commit)

    def _set_up(self) -> None:
        """See whether the server answers."""
        self._use(self._redis.ping)

    def close(self) -> None:
        """Write what waits and close the connections."""
        self._writer.close()
        self._redis.connection_pool.disconnect()

    def put(self, rows: Sequence[Row], *given: Any) -> Future[None]:
        """Append rows; the future is done when the server has them."""
        if given:
            return self.put_tuple(rows, *given)  # type: ignore[no-any-return] # a config
        return self._writer.put(rows)

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        given = [] if checkpoint_id is None else [checkpoint_id]
        return [decode(data) for data in self._ask(LOAD, thread_id, ns, given)]

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        if limit == 0:
            return []
        last = -1 if limit is None else limit - 1
        rows = [decode(data) for data in self._ask(HISTORY, thread_id, ns, [last])]
        return [row for row in rows if isinstance(row, Checkpoint)]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        return int(self._ask(LAST, thread_id, ns, []))

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        for ns in self._spaces(thread_id):
            self._ask(DELETE, thread_id, ns, [])
        self._use(lambda: self._redis.zrem(self._names, thread_id))

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        for ns in self._spaces(thread_id):
            self._ask(PRUNE, thread_id, ns, [keep])

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        self._writer.drain()
        names = self._use(lambda: self._redis.zrange(self._names, 0, -1, withscores=True))
        pipe = self._redis.pipeline(transaction=False)
        for name, _ in names:
            pipe.exists(f"{self._base(name.decode())}:spaces")
        # A thread is named before its first row is written, and outlives its lifetime.
        alive = self._use(pipe.execute) if names else []
        gone = [
            name
            for (name, named_at), is_there in zip(names, alive, strict=True)
            if not is_there and named_at < time.time() - _GRACE_S
        ]
        if gone:
            self._use(lambda: self._redis.zrem(self._names, *gone))
        return sorted(
            name.decode() for (name, _), is_there in zip(names, alive, strict=True) if is_there
        )

    def _base(self, thread_id: str) -> str:
        # In braces: all keys of a thread are in one slot of a cluster.
        return f"{self._prefix}:{{{thread_id}}}"

    def _keys(self, thread_id: str, ns: str) -> list[str]:
        base = self._base(thread_id)
        parts = ("rows", "checkpoints", "wholes", "last")
        return [f"{base}:spaces", *(f"{base}:{part}:{ns}" for part in parts)]

    def _spaces(self, thread_id: str) -> list[str]:
        self._writer.drain()
        key = f"{self._base(thread_id)}:spaces"
        return [name.decode() for name in self._use(lambda: self._redis.smembers(key))]

    def _ask(self, text: str, thread_id: str, ns: str, given: Sequence[Any]) -> Any:
        """Run a script on one log, after everything that was put before."""
        self._writer.drain()
        script = self._scripts[text]
        return self._use(lambda: script(keys=self._keys(thread_id, ns), args=[ns, *given]))

    def _use(self, work: Callable[[], T], *, patience_s: float = 0.0) -> T:
        """Do something that may be done twice: at least once more where a connection broke."""
        deadline = time.monotonic() + patience_s
        is_last = False
        while True:
            try:
                return work()
            except Exception as exc:
                if not _is_unreachable(exc) or is_last:
                    raise _typed(exc) from exc
                is_last = time.monotonic() >= deadline
                time.sleep(0.02)

    def _commit(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        tries = 0

        def write() -> list[Any]:
            nonlocal tries
            tries += 1
            return self._write(puts, is_again=tries > 1)

        answers = self._use(write, patience_s=PATIENCE_S)
        return [_outcome(put, answer) for put, answer in zip(puts, answers, strict=True)]

    def _write(self, puts: Sequence[Put], *, is_again: bool) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        script = self._scripts[APPEND]
        names = {put.log[0] for put in puts if put.rows[0].seq == 1 or is_whole(put.rows[0])}
        if names:
            pipe.zadd(self._names, dict.fromkeys(names, time.time()))
        for put in puts:
            script(keys=self._keys(*put.log), args=self._arguments(put, is_again), client=pipe)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        answers = answers[1:] if names else answers
        for answer in answers:
            if isinstance(answer, Exception) and _is_unreachable(answer):
                raise answer
        return answers

    def _arguments(self, put: Put, is_again: bool) -> list[Any]:
        may_begin = int(is_whole(put.rows[0]))
        given: list[Any] = [put.log[1], int(is_again), may_begin, self._ttl_ms, put.rows[0].seq]
        for row in put.rows:
            checkpoint_id = row.checkpoint_id if isinstance(row, Checkpoint) else ""
            given += [checkpoint_id, int(is_whole(row)), encode(row)]
        return given


def _client(conn: Any) -> Any:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as exc:
        raise MissingLibraryError("RedisCheckpointer", "redis", "redis") from exc
    # A second try has to know that it is one, so the library makes none by itself.
    retry = Retry(NoBackoff(), 0)
    if isinstance(conn, str):
        times = {"socket_connect_timeout": PATIENCE_S, "socket_timeout": 4 * PATIENCE_S}
        pool = redis.ConnectionPool.from_url(conn, retry=retry, **times)
    else:
        # The connections' settings are shared, not the connections: ours answer in bytes.
        given = conn.connection_pool
        settings = {**given.connection_kwargs, "decode_responses": False, "retry": retry}
        pool = redis.ConnectionPool(given.connection_class, **settings)
    return redis.Redis(connection_pool=pool)


def _outcome(put: Put, answer: Any) -> Outcome:
    if isinstance(answer, Exception):
        found = _typed(answer)
        return found if isinstance(found, StoreError) else StoreError(f"{_PLACE}: {answer!r}")
    if answer == -1:
        return None
    seq = put.rows[0].seq
    if seq <= answer:
        return ThreadTakenError(*put.log, seq)
    return ThreadGapError(*put.log, seq, answer)


def _is_unreachable(error: Exception) -> bool:
    import redis

    kinds = (redis.ConnectionError, redis.TimeoutError)
    return isinstance(error, kinds) and not isinstance(error, redis.AuthenticationError)


def _typed(error: Exception) -> Exception:
    """Say what an error of redis-py means; anything else is itself."""
    import redis

    if not isinstance(error, redis.RedisError):
        return error
    reason = " ".join(str(error).split())
    if _is_unreachable(error):
        return StoreUnreachableError(_PLACE, reason)
    if isinstance(error, redis.OutOfMemoryError) or "MISCONF" in reason or "OOM" in reason:
        return StoreFullError(_PLACE, reason)
    if isinstance(error, redis.ReadOnlyError) or "READONLY" in reason:
        return StoreReadOnlyError(_PLACE, reason)
    return StoreError(f"{_PLACE}: {reason}.")
