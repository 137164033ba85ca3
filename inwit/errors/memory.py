"""Errors of long-term memory."""

from __future__ import annotations

from inwit.errors.executions import ExecutionError


class InvalidNamespaceError(ExecutionError, ValueError):
    """A namespace of long-term memory cannot be used."""

    code = "memory.invalid_namespace"
    status = 422

    def __init__(self, namespace: object, reason: str) -> None:
        super().__init__(
            f"The namespace {namespace!r} {reason}.",
            hint='Give a tuple of words such as ("users", "ada"), without points or empty ones.',
        )


class EmbeddingError(ExecutionError, ValueError):
    """Texts cannot be turned into vectors, or the vectors do not fit the index."""

    code = "memory.embedding"
    status = 422
