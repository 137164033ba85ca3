"""Checkpoints in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from inwit.errors import StoreError
from inwit.runtime.checkpoints.aws import Client, aws_errors, code_of
from inwit.runtime.checkpoints.blocks import BlockCheckpointer
from inwit.runtime.checkpoints.group import Log

_PART_BYTES = 380_000
"""An item has at most 400 KB with its names."""
_LIMIT_BYTES = 10 * _PART_BYTES
"""A transaction has at most 4 MB."""
_THREADS = "threads"


class DynamoDBCheckpointer(BlockCheckpointer):
    """Keeps checkpoints in a table; any number of processes may share it.

    Each put is one transaction. A put of more than 3.8 MB is refused: compress, or use S3.

    Args:
        table: The table's name; `setup` makes one that is billed by request.
        client: A client of boto3's; without one, `options` are what ``boto3.client("dynamodb")``
            takes, such as ``endpoint_url`` and ``region_name``.
    """

    def __init__(self, table: str, *, client: Any = None, **options: Any) -> None:
        found = Client("DynamoDBCheckpointer", "dynamodb", client, options)
        super().__init__("dynamodb", _Items(found, table))


class _Items:
    """Blocks as items, in parts where they are large.

    Each log has a small item beside its blocks that names the newest one. Who writes a block changes
    it, under the condition that it still names the predecessor.
    """

    block_bytes = 300_000

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table
        self._place = f"The table {table!r}"

    def create(self, log: Log, first: int, data: bytes, after: int) -> bool:
        from botocore.exceptions import ClientError

        if len(data) > _LIMIT_BYTES:
            raise StoreError(
                f"{len(data):,} bytes are too many for one transaction of DynamoDB.",
                hint=f"At most {_LIMIT_BYTES:,} are taken: compress the checkpoints, or use S3.",
            )
        actions = [*self._claim(log, first, after), *self._parts(log, first, data)]
        with aws_errors(self._place):
            try:
                self._client.get().transact_write_items(TransactItems=actions)
            except ClientError as exc:
                reasons = {item.get("Code") for item in exc.response.get("CancellationReasons", ())}
                if "ConditionalCheckFailed" in reasons:
                    return False
                if code_of(exc) == "TransactionCanceledException" and reasons & _TRANSIENT:
                    exc.response["Error"]["Code"] = "TransactionInProgressException"
                raise
        return True

    def _claim(self, log: Log, first: int, after: int) -> list[dict[str, Any]]:
        """What makes this the newest block of its log."""
        thread_id, ns = log
        head = _key(f"heads {thread_id}", f"={ns}")
        if after:
            condition = {
                "ConditionExpression": "newest = :after",
                "ExpressionAttributeValues": {":first": _number(first), ":after": _number(after)},
            }
        else:
            condition = {
                "ConditionExpression": "attribute_not_exists(newest)",
                "ExpressionAttributeValues": {":first": _number(first)},
            }
        update = {"UpdateExpression": "SET newest = :first", "Key": head, **condition}
        found = [{"Update": {"TableName": self._table, **update}}]
        if not after:
            item = {"TableName": self._table, "Item": _key(_THREADS, thread_id)}
            found.append({"Put": item})
        return found

    def _parts(self, log: Log, first: int, data: bytes) -> Iterator[dict[str, Any]]:
        for part, at in enumerate(range(0, len(data), _PART_BYTES)):
            key = _key(_log_name(log), f"{_name(first)}.{part:02d}")
            item = {**key, "data": {"B": data[at : at + _PART_BYTES]}}
            yield {"Put": {"TableName": self._table, "Item": item}}

    def read(self, log: Log, first: int) -> bytes | None:
        pages = self._query(
            _log_name(log),
            "begins_with(place, :place)",
            {":place": {"S": _name(first)}},
            ScanIndexForward=True,
        )
        parts = [item["data"]["B"] for item in pages]
        return b"".join(parts) if parts else None

    def newest_first(self, log: Log, upto: int | None = None) -> Iterator[tuple[int, bytes]]:
        condition, values = "", {}
        if upto is not None:
            condition, values = "place < :place", {":place": {"S": _name(upto + 1)}}
        items = self._query(_log_name(log), condition, values, ScanIndexForward=False)
        for name, parts in groupby(items, lambda item: item["place"]["S"].partition(".")[0]):
            data = [part["data"]["B"] for part in parts]
            yield int(name), b"".join(reversed(data))

    def delete(self, log: Log, before: int | None = None) -> None:
        thread_id, ns = log
        condition, values = "", {}
        if before is not None:
            condition, values = "place < :place", {":place": {"S": _name(before)}}
        else:
            self._delete([_key(f"heads {thread_id}", f"={ns}")])
            if not list(self.spaces(thread_id)):
                self._delete([_key(_THREADS, thread_id)])
        items = self._query(_log_name(log), condition, values, ProjectionExpression="log_id, place")
        self._delete([{"log_id": item["log_id"], "place": item["place"]} for item in items])

    def spaces(self, thread_id: str) -> Iterable[str]:
        items = self._query(f"heads {thread_id}", "", {}, ProjectionExpression="place")
        return [item["place"]["S"][1:] for item in items]

    def threads(self) -> Iterable[str]:
        items = self._query(_THREADS, "", {}, ProjectionExpression="place")
        return [item["place"]["S"] for item in items]

    def set_up(self) -> None:
        from botocore.exceptions import ClientError

        client = self._client.get()
        schema = [("log_id", "HASH"), ("place", "RANGE")]
        with aws_errors(self._place):
            try:
                client.create_table(
                    TableName=self._table,
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in schema],
                    AttributeDefinitions=[
                        {"AttributeName": name, "AttributeType": "S"} for name, _ in schema
                    ],
                )
            except ClientError as exc:
                if code_of(exc) != "ResourceInUseException":
                    raise
            client.get_waiter("table_exists").wait(TableName=self._table)

    def close(self) -> None:
        self._client.close()

    def _query(
        self, log: str, condition: str, values: dict[str, Any], **options: Any
    ) -> Iterator[dict[str, Any]]:
        wanted = f"log_id = :log AND {condition}" if condition else "log_id = :log"
        pages = self._client.get().get_paginator("query")
        with aws_errors(self._place):
            for page in pages.paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression=wanted,
                ExpressionAttributeValues={":log": {"S": log}, **values},
                **options,
            ):
                yield from page["Items"]

    def _delete(self, keys: list[dict[str, Any]]) -> None:
        client = self._client.get()
        with aws_errors(self._place):
            for at in range(0, len(keys), 25):
                left = [{"DeleteRequest": {"Key": key}} for key in keys[at : at + 25]]
                while left:
                    answer = client.batch_write_item(RequestItems={self._table: left})
                    left = answer.get("UnprocessedItems", {}).get(self._table, [])


_TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


def _log_name(log: Log) -> str:
    thread_id, ns = log
    return f"rows {thread_id}\n{ns}"


def _name(first: int) -> str:
    return f"{first:016d}"


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _key(log: str, place: str) -> dict[str, Any]:
    return {"log_id": {"S": log}, "place": {"S": place}}
