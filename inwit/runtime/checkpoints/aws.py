"""What S3 and DynamoDB have in common: clients of boto3's, and their errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inwit.errors import (
    MissingLibraryError,
    StoreError,
    StoreReadOnlyError,
    StoreUnreachableError,
)

CONNECTIONS = 32
_REFUSED = {"AccessDenied", "AccessDeniedException", "403", "AllAccessDisabled"}
_MISSING = {"NoSuchBucket", "ResourceNotFoundException"}
_BUSY = {
    "500", "502", "503", "504", "InternalError", "InternalServerError", "ServiceUnavailable",
    "SlowDown", "ThrottlingException", "ProvisionedThroughputExceededException",
    "RequestLimitExceeded", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict",
    "TransactionInProgressException",
}  # fmt: skip


class Client:
    """A client of one service: the given one, or one of our own for each process."""

    def __init__(self, backend: str, service: str, given: Any, options: dict[str, Any]) -> None:
        try:
            import boto3
        except ImportError as exc:
            raise MissingLibraryError(backend, service, "boto3") from exc
        self._boto3 = boto3
        self._service = service
        self._given = given
        self._options = options
        self._made: Any = None
        self._process = 0

    def get(self) -> Any:
        """The client."""
        if self._given is not None:
            return self._given
        if self._process != os.getpid():
            from botocore.config import Config

            config = Config(connect_timeout=5, read_timeout=20, max_pool_connections=CONNECTIONS)
            session = self._boto3.session.Session()
            self._made = session.client(self._service, **{"config": config, **self._options})
            self._process = os.getpid()
        return self._made

    def close(self) -> None:
        """Close the client's connections, if it is our own."""
        if self._made is not None and self._process == os.getpid():
            self._made.close()
            self._made, self._process = None, 0


def code_of(error: Any) -> str:
    """The service's code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def aws_errors(place: str) -> Iterator[None]:
    """Turn botocore's errors into those of the store."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnectionError

    try:
        yield
    except (HTTPClientError, NoConnectionError) as exc:
        raise StoreUnreachableError(place, str(exc)) from exc
    except ClientError as exc:
        raise _typed(place, code_of(exc), str(exc)) from exc
    except BotoCoreError as exc:
        raise StoreError(f"{place}: {exc}") from exc


def _typed(place: str, code: str, reason: str) -> StoreError:
    if code in _BUSY:
        return StoreUnreachableError(place, reason)
    if code in _REFUSED:
        return StoreReadOnlyError(place, reason)
    hint = "Call setup(), which makes what is missing." if code in _MISSING else ""
    return StoreError(f"{place}: {reason}.", hint=hint)
