"""The same registry over a folder and SQLite, and over S3 and PostgreSQL."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from inwit.errors import MalformedIdError, MalformedInputError
from inwit.registry.serve import Registry
from inwit.registry.store_blobs import FolderBlobs, S3Blobs, checked_name, open_blobs
from tests.registry.shelf import ANYONE, package, publish, served, source
from tests.runtime.checkpoints.servers import Postgres, moto, running_postgres

Make = Callable[[Path], Registry]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a bucket."""
    given = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with moto() as endpoint:
        s3 = boto3.client("s3", endpoint_url=endpoint, **given)
        place = {"LocationConstraint": "eu-central-1"}
        s3.create_bucket(Bucket="packages", CreateBucketConfiguration=place)
        s3.close()
        options = "&".join(f"{name}={quote(value)}" for name, value in given.items())
        yield f"s3://packages/{{}}?endpoint_url={quote(endpoint)}&{options}"


@pytest.fixture(params=["folder and SQLite", "S3 and PostgreSQL"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Open a registry; opened twice, it is the same one."""
    opened: list[Registry] = []
    elsewhere: dict[str, str] = {}
    if request.param != "folder and SQLite":
        name = f"r{abs(hash(tmp_path))}"
        elsewhere["storage"] = request.getfixturevalue("bucket").format(name)
        elsewhere["metadata"] = request.getfixturevalue("postgres").place(name)

    def made(folder: Path) -> Registry:
        found = Registry(
            folder, storage=elsewhere.get("storage"), metadata=elsewhere.get("metadata")
        )
        found.initialise()
        opened.append(found)
        return found

    yield made
    for one in opened:
        one.close()
        if isinstance(one.blobs, S3Blobs):
            one.blobs.close()


def test_packages_are_published_served_yanked_and_found_again(make: Make, tmp_path: Path) -> None:
    registry = make(tmp_path / "registry")
    archive = package(tmp_path)
    digest = publish(registry, archive).release.digest

    again = make(tmp_path / "registry")
    with served(again) as url:
        central = source(url, tmp_path / "trusted")
        (release,) = central.releases("acme/rag")
        assert central.fetch(release, max_bytes=1 << 20) == archive.content
        again.yank(digest, "wrong", ANYONE)
        (yanked,) = source(url, tmp_path / "other").releases("acme/rag")

    assert yanked.yanked == "wrong"
    assert registry.releases.by_digest(digest).installs == 1
    assert registry.releases.by_digest(digest).yanked_why == "wrong"


def test_two_registries_over_one_storage_lose_nothing(make: Make, tmp_path: Path) -> None:
    first, second = make(tmp_path / "registry"), make(tmp_path / "registry")
    publish(first, package(tmp_path))
    archives = [package(tmp_path, version=f"1.{number}.0") for number in range(1, 7)]
    failed: list[Exception] = []

    def run(registry: Registry, mine: list[object]) -> None:
        try:
            for archive in mine:
                publish(registry, archive)  # type: ignore[arg-type]
        except Exception as exc:  # noqa: BLE001 - shown below
            failed.append(exc)

    threads = [
        threading.Thread(target=run, args=(first, archives[::2])),
        threading.Thread(target=run, args=(second, archives[1::2])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    with served(first) as url:
        found = source(url, tmp_path / "trusted").releases("acme/rag")
    assert {one.version for one in found} == {f"1.{number}.0" for number in range(7)}


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../b", "a//b", ".x", "a/.x", "a\0", "ü"]
)
def test_a_files_name_cannot_leave_its_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedIdError):
        checked_name(name)
    with pytest.raises(MalformedIdError):
        FolderBlobs(tmp_path).put(name, b"x")


def test_a_file_is_replaced_whole_and_listed_by_its_beginning(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.put("a/b.json", b"1")
    blobs.put("a/b.json", b"22")
    blobs.put("c.json", b"3")

    assert blobs.get("a/b.json") == b"22"
    assert list(blobs.names("a/")) == ["a/b.json"]
    blobs.delete("a/b.json")
    assert blobs.get("a/b.json") is None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["c.json"]


def test_an_address_without_a_bucket_is_refused() -> None:
    with pytest.raises(MalformedInputError):
        open_blobs("s3:///prefix")


def test_a_folder_that_is_made_for_files_is_its_owners_alone(tmp_path: Path) -> None:
    FolderBlobs(tmp_path / "made").put("a", b"1")

    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700


def test_a_bucket_that_is_closed_closes_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class S3:
        def put_object(self, **named: Any) -> None:
            told.append(f"put {named['Key']}")

        def close(self) -> None:
            told.append("close")

    monkeypatch.setattr(boto3.session.Session, "client", lambda *_, **__: S3())
    blobs = S3Blobs("packages", prefix="of")
    blobs.put("a", b"1")

    blobs.close()

    assert told == ["put of/a", "close"]
