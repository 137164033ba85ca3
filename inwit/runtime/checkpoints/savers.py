"""LangGraph's names for checkpointers. They are the same classes: each serves sync and async."""

from __future__ import annotations

from inwit.runtime.checkpoints.memory import InMemoryCheckpointer
from inwit.runtime.checkpoints.postgres import PostgresCheckpointer
from inwit.runtime.checkpoints.redis import RedisCheckpointer
from inwit.runtime.checkpoints.sqlite import SqliteCheckpointer

InMemorySaver = MemorySaver = InMemoryCheckpointer
SqliteSaver = AsyncSqliteSaver = SqliteCheckpointer
PostgresSaver = AsyncPostgresSaver = PostgresCheckpointer
RedisSaver = AsyncRedisSaver = RedisCheckpointer

__all__ = [
    "AsyncPostgresSaver",
    "AsyncRedisSaver",
    "AsyncSqliteSaver",
    "InMemorySaver",
    "MemorySaver",
    "PostgresSaver",
    "RedisSaver",
    "SqliteSaver",
]
