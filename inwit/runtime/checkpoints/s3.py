"""Checkpoints in S3, or in a storage that speaks its protocol and knows conditional writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

from inwit.runtime.checkpoints.aws import Client, aws_errors, code_of
from inwit.runtime.checkpoints.blocks import BlockCheckpointer
from inwit.runtime.checkpoints.group import Log

_LAST = 10**16
_READERS = 16
"""How many objects are read at once."""


class S3Checkpointer(BlockCheckpointer):
    """Keeps checkpoints as objects of a bucket; any number of processes may share it.

    Each put is one object, written with ``If-None-Match: *``. A named checkpoint that this process
    has not seen is looked for from the newest one backwards.

    Args:
        bucket: The bucket's name.
        prefix: What the names of all objects begin with.
        client: A client of boto3's; without one, `options` are what ``boto3.client("s3")`` takes,
            such as ``endpoint_url`` and ``region_name``.
    """

    def __init__(
        self, bucket: str, *, prefix: str = "inwit/", client: Any = None, **options: Any
    ) -> None:
        found = Client("S3Checkpointer", "s3", client, options)
        super().__init__("s3", _Objects(found, bucket, prefix))


class _Objects:
    """Blocks as objects, so named that a listing, which is by name, begins with the newest."""

    block_bytes = 1 << 20

    def __init__(self, client: Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._place = f"The bucket {bucket!r}"
        self._readers: ThreadPoolExecutor | None = None
        self._process = 0

    def create(self, log: Log, first: int, data: bytes, after: int) -> bool:
        from botocore.exceptions import ClientError

        s3, name = self._client.get(), self._name(log, first)
        with aws_errors(self._place):
            try:
                if after:
                    s3.head_object(Bucket=self._bucket, Key=self._name(log, after))
                s3.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
            except ClientError as exc:
                if code_of(exc) in ("PreconditionFailed", "412", "404", "NoSuchKey"):
                    return False
                raise
        return True

    def read(self, log: Log, first: int) -> bytes | None:
        with aws_errors(self._place):
            return self._get(self._name(log, first))

    def newest_first(self, log: Log, upto: int | None = None) -> Iterator[tuple[int, bytes]]:
        after = "" if upto is None else self._name(log, upto + 1)
        with aws_errors(self._place):
            names = self._list(self._folder(log), StartAfter=after)
            # Most readers want a few: more and more are read ahead.
            size = 1
            while chunk := list(islice(names, size)):
                for name, data in zip(chunk, self._get_all(chunk), strict=True):
                    if data is not None:
                        yield _LAST - int(name.rpartition("/")[2]), data
                size = min(size * 4, _READERS)

    def delete(self, log: Log, before: int | None = None) -> None:
        after = "" if before is None else self._name(log, before)
        with aws_errors(self._place):
            names = list(self._list(self._folder(log), StartAfter=after))
            for at in range(0, len(names), 1000):
                objects = [{"Key": name} for name in names[at : at + 1000]]
                self._client.get().delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
                )

    def spaces(self, thread_id: str) -> Iterable[str]:
        return self._folders(f"{self._prefix}{_quoted(thread_id)}/")

    def threads(self) -> Iterable[str]:
        return self._folders(self._prefix)

    def set_up(self) -> None:
        from botocore.exceptions import ClientError

        s3 = self._client.get()
        with aws_errors(self._place):
            try:
                s3.head_bucket(Bucket=self._bucket)
            except ClientError as exc:
                if code_of(exc) not in ("404", "NoSuchBucket"):
                    raise
                region = s3.meta.region_name
                where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
                s3.create_bucket(Bucket=self._bucket, **({} if region == "us-east-1" else where))

    def close(self) -> None:
        if self._readers is not None and self._process == os.getpid():
            self._readers.shutdown()
        self._client.close()

    def _folder(self, log: Log) -> str:
        thread_id, ns = log
        return f"{self._prefix}{_quoted(thread_id)}/={_quoted(ns)}/"

    def _name(self, log: Log, first: int) -> str:
        return f"{self._folder(log)}{_LAST - first:016d}"

    def _list(self, prefix: str, **options: Any) -> Iterator[str]:
        pages = self._client.get().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **options):
            for item in page.get("Contents", ()):
                yield item["Key"]

    def _folders(self, prefix: str) -> list[str]:
        pages = self._client.get().get_paginator("list_objects_v2")
        with aws_errors(self._place):
            return [
                unquote(item["Prefix"].rstrip("/").rpartition("/")[2].removeprefix("="))
                for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
                for item in page.get("CommonPrefixes", ())
            ]

    def _get(self, name: str) -> bytes | None:
        s3 = self._client.get()
        try:
            return bytes(s3.get_object(Bucket=self._bucket, Key=name)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    def _get_all(self, names: list[str]) -> Iterable[bytes | None]:
        if len(names) == 1:
            return [self._get(names[0])]
        if self._readers is None or self._process != os.getpid():
            self._readers = ThreadPoolExecutor(_READERS, "inwit-s3-reader")
            self._process = os.getpid()
        return self._readers.map(self._get, names)


def _quoted(name: str) -> str:
    return quote(name, safe="")
