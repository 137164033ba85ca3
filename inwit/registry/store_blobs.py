"""Where a registry keeps its files: in a folder, or in a bucket of S3 or what speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from inwit.errors import MalformedIdError, MalformedInputError, StoreFullError, StoreReadOnlyError
from inwit.runtime.checkpoints.aws import Client, aws_errors, code_of
from inwit.runtime.files import write_whole


class Blobs(Protocol):
    """Named byte strings. A name is of letters, digits and ``. _ - + ~ / %``; a put is whole or not at all."""

    def get(self, name: str) -> bytes | None:
        """What lies under a name; None where nothing does."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Put bytes under a name, instead of what lay there; it outlives a loss of power."""
        ...

    def delete(self, name: str) -> None:
        """Take a name away, if it is there."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""
        ...


class FolderBlobs:
    """Files of a folder; each is written beside its place and moved there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as exc:
            kind = StoreFullError if exc.errno in (28, 122) else StoreReadOnlyError
            raise kind(path, exc.strerror or str(exc)) from exc

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[str]:
        root = self._folder
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if name.startswith(prefix) and path.is_file() and not path.name.startswith("."):
                yield name

    def _path(self, name: str) -> Path:
        return self._folder / checked_name(name)


class S3Blobs:
    """Objects of a bucket. `options` are those of ``boto3.client("s3")``."""

    def __init__(
        self, bucket: str, *, prefix: str = "", client: Any = None, **options: Any
    ) -> None:
        self._client = Client("A registry in S3", "s3", client, options)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._place = f"The bucket {bucket!r}"

    def get(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        with aws_errors(self._place):
            try:
                found = self._client.get().get_object(Bucket=self._bucket, Key=self._key(name))
            except ClientError as exc:
                if code_of(exc) in ("404", "NoSuchKey"):
                    return None
                raise
            with found["Body"] as body:
                return bytes(body.read())

    def put(self, name: str, data: bytes) -> None:
        with aws_errors(self._place):
            self._client.get().put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def delete(self, name: str) -> None:
        with aws_errors(self._place):
            self._client.get().delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, prefix: str) -> Iterator[str]:
        pages = self._client.get().get_paginator("list_objects_v2")
        with aws_errors(self._place):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for one in page.get("Contents", ()):
                    yield one["Key"][len(self._prefix) :]

    def close(self) -> None:
        """Close the connections to the bucket."""
        self._client.close()

    def _key(self, name: str) -> str:
        return self._prefix + checked_name(name)


def open_blobs(place: str | Path) -> Blobs:
    """Open a folder, or ``s3://bucket/prefix?endpoint_url=…&region_name=…``.

    Raises:
        MalformedInputError: The address names no bucket.
    """
    if not str(place).startswith("s3://"):
        return FolderBlobs(Path(place))
    found = urlsplit(str(place))
    if not found.netloc:
        raise MalformedInputError(f"{place!r} names no bucket.", hint="Give s3://bucket/prefix.")
    options = {name: values[-1] for name, values in parse_qs(found.query).items()}
    return S3Blobs(found.netloc, prefix=found.path, **options)


def checked_name(name: str) -> str:
    """Return a name that cannot leave its place.

    Raises:
        MalformedIdError: It climbs, is hidden, empty or absolute, or holds other characters.
    """
    parts = name.split("/")
    is_plain = all(part and part[0] != "." for part in parts) and len(name) <= 500
    if not is_plain or not all(
        char.isascii() and (char.isalnum() or char in "._-+/%~") for char in name
    ):
        raise MalformedIdError("file", name)
    return name
