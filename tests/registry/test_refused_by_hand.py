"""What is refused, left out or read again at the edges of packing, encoding, listing and asking."""

from __future__ import annotations

import io
import random
import socket
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inwit.errors import (
    ArchiveError,
    FetchFailedError,
    MalformedInputError,
    NamespaceError,
    RegistryRefusedError,
    RegistryUnreachableError,
    UnknownPackageError,
)
from inwit.registry import archive, encoder, serve_client
from inwit.registry.archive import Limits, build_archive, read_archive, unpack
from inwit.registry.fetch import Fetched, Fetcher
from inwit.registry.install.installer import Installer
from inwit.registry.install.lock import Wanted
from inwit.registry.packages import PackageIndex
from inwit.registry.peers_source import installed_archive
from inwit.registry.serve import REASON_LIMIT, _reason
from inwit.registry.serve_client import Place, RegistryClient
from inwit.registry.sources.configured import Sources
from inwit.runtime.project import Project
from tests.registry.test_installing import Shelf
from tests.registry.test_packages import write

pytestmark = pytest.mark.usefixtures("project")


# Packing


def test_a_link_to_a_folder_is_not_packed_nor_left_out_unsaid(tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArchiveError, match="a link"):
        build_archive(folder)


def test_a_hidden_or_compiled_file_is_left_out_of_a_package(tmp_path: Path) -> None:
    folder = write(tmp_path)
    before = {file.path for file in build_archive(folder).files}
    for name in (".secret", ".git/config", "__pycache__/code.cpython-311.pyc", "old.pyo", "x.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    (folder / "kept.txt").write_text("x")

    assert {file.path for file in build_archive(folder).files} == before | {"kept.txt"}


@pytest.mark.parametrize("limit", ["entries", "file_bytes", "total_bytes", "archive_bytes"])
def test_an_archive_may_be_as_large_as_its_limits(tmp_path: Path, limit: str) -> None:
    folder = write(tmp_path / "package")
    dice = random.Random(1)  # incompressible, so that the archive is larger than one reading
    (folder / "noise.bin").write_bytes(dice.randbytes(archive.CHUNK * 3))
    built = build_archive(folder)
    most = {"entries": len(built.files), "file_bytes": archive.CHUNK * 3,
            "archive_bytes": len(built.content)}  # fmt: skip
    if limit == "total_bytes":
        most["total_bytes"] = next(size for size in range(archive.CHUNK * 3, archive.CHUNK * 5, 512)
                                   if is_taken(built.content, limit, size))  # fmt: skip

    assert is_taken(built.content, limit, most[limit])
    assert not is_taken(built.content, limit, most[limit] - 1)


def is_taken(content: bytes, limit: str, most: int) -> bool:
    try:
        read_archive(content, Limits(**{limit: most}))
    except ArchiveError:
        return False
    return True


def test_what_may_be_run_stays_so_and_nothing_else(tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    for name, mode in (("run.sh", 0o755), ("mine.sh", 0o744), ("text.txt", 0o644)):
        (folder / name).write_text("x")
        (folder / name).chmod(mode)
    into = tmp_path / "into"
    into.mkdir()

    unpack(io.BytesIO(build_archive(folder).content), into)

    assert [bool((into / one).stat().st_mode & 0o100) for one in ("run.sh", "mine.sh", "text.txt")] == [
        True, True, False,
    ]  # fmt: skip


def test_a_package_holds_two_modes_whatever_those_of_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "package")
    for name, mode in (("run.sh", 0o711), ("text.txt", 0o600)):
        (folder / name).write_text("x")
        (folder / name).chmod(mode)

    with tarfile.open(fileobj=io.BytesIO(build_archive(folder).content)) as tar:
        modes = {one.name: one.mode for one in tar if one.name in ("run.sh", "text.txt")}

    assert modes == {"run.sh": 0o755, "text.txt": 0o644}


# Encoding


@given(st.lists(st.integers(1, 300), max_size=40))
def test_texts_are_encoded_together_as_long_as_they_fit_with_their_padding(
    lengths: list[int],
) -> None:
    groups = list(encoder._batches(lengths))

    assert sorted(row for rows in groups for row in rows) == list(range(len(lengths)))
    longest = [max(lengths[row] for row in rows) for rows in groups]
    assert longest == sorted(longest)
    for rows, long in zip(groups, longest, strict=True):
        assert len(rows) * long <= encoder.BATCH_TOKENS
    for rows, after in pairwise(groups):
        assert (len(rows) + 1) * lengths[after[0]] > encoder.BATCH_TOKENS


def test_a_text_that_is_too_long_for_a_batch_is_one_of_its_own() -> None:
    over = encoder.BATCH_TOKENS + 1

    assert list(encoder._batches([over, 1, over])) == [[1], [0], [2]]
    assert list(encoder._batches([])) == []


def test_an_encoder_is_named_by_eight_digits_of_its_file() -> None:
    assert encoder.OnnxEncoder.name.rpartition("-")[2] == encoder.MODEL_SHA256[:8]
    assert len(encoder.OnnxEncoder.name.rpartition("-")[2]) == 8


def test_a_text_is_cut_to_what_is_looked_at() -> None:
    assert encoder.printable("x" * (encoder.MAX_CHARACTERS + 1)) == "x" * encoder.MAX_CHARACTERS
    assert encoder.printable("a\ud800b") == "a?b"


# Listing


def test_faults_are_of_what_lies_there_now(tmp_path: Path) -> None:
    index = PackageIndex({"project": tmp_path})
    assert index.faults() == ()
    (tmp_path / "acme" / "x").mkdir(parents=True)
    (tmp_path / "acme" / "x" / "inwit-package.toml").write_text("no manifest")

    (fault,) = index.faults()

    assert fault.folder.endswith("acme/x")


# Installing


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", "acme", "team")


def here(shelf: Shelf) -> Installer:
    return Installer(Project.find(), Sources([cast("Any", shelf)]), inwit_version="2.0.0")


def test_what_is_not_installed_is_neither_removed_updated_nor_verified(shelf: Shelf) -> None:
    shelf.put("acme/app")
    here(shelf).install({"acme/app": Wanted(version="")})

    for way in ("uninstall", "update", "verify"):
        with pytest.raises(UnknownPackageError) as caught:
            getattr(here(shelf), way)(["acme/app", "acme/other"])
        assert "acme/other" in str(caught.value)
    assert here(shelf).verify() == {"acme/app": []}


def test_what_was_installed_from_a_registry_is_handed_on_as_it_came(shelf: Shelf) -> None:
    shelf.put("acme/app")
    here(shelf).install({"acme/app": Wanted(version="")})
    ((release, content),) = shelf.held["acme/app"]
    digest = str(release.sha256)

    assert installed_archive(Project.find(), digest) == content
    assert installed_archive(Project.find(), "0" * 64) is None
    (place,) = (Project.find().folder / "installed" / "acme").glob("*/*/code.py")
    place.write_text("# another")
    assert installed_archive(Project.find(), digest) is None


def test_what_was_installed_from_a_repository_is_not_handed_on(shelf: Shelf) -> None:
    shelf.put("acme/app")
    ((release, content),) = shelf.held["acme/app"]
    shelf.held["acme/app"] = [(msgspec.structs.replace(release, origin="local"), content)]
    here(shelf).install({"acme/app": Wanted(version="")})

    assert installed_archive(Project.find(), str(release.sha256)) is None


def test_a_namespace_does_not_move_to_another_source_unasked(tmp_path: Path, shelf: Shelf) -> None:
    shelf.put("acme/app")
    here(shelf).install({"acme/app": Wanted(version="")})
    other = Shelf(tmp_path / "other", "acme", name="https://other.test")
    other.put("acme/app", "1.1.0")

    with pytest.raises(NamespaceError, match="acme"):
        here(other).update()


# Asking a registry


@pytest.fixture
def closed() -> Iterator[str]:
    """An address of this machine at which nobody listens, and nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_a_registry_that_is_away_is_named(closed: str) -> None:
    place = Place(url=closed)
    client = RegistryClient(place, serve_client.fetcher_for(Project.find(), closed))

    with pytest.raises(RegistryUnreachableError) as caught:
        client.get("/packages")

    assert closed in str(caught.value)


@pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("too long")])
def test_a_name_that_leads_nowhere_is_named(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", found)

    with pytest.raises(FetchFailedError, match=r"the name 'nowhere\.test' is not known"):
        Fetcher().get("http://nowhere.test/")


def test_an_answer_is_an_object_that_says_why_it_refuses() -> None:
    def read(status: int, body: bytes) -> dict[str, object]:
        return serve_client._answer(
            "https://r.test", Fetched(status=status, headers={}, body=body, url="")
        )

    assert read(200, b'{"a": 1}') == {"a": 1}
    for body in (b"[1]", b"<html>", b"\xff"):
        with pytest.raises(RegistryUnreachableError):
            read(200, body)
    for body, why in (
        (b'{"detail": "too large", "title": "No"}', "too large"),
        (b'{"title": "No"}', "No"),
    ):
        with pytest.raises(RegistryRefusedError, match=why):
            read(400, body)


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "x" * (REASON_LIMIT + 1)])
def test_a_reason_is_one_line_of_some_length(text: str) -> None:
    with pytest.raises(MalformedInputError):
        _reason(text)
    assert _reason("x" * REASON_LIMIT) == "x" * REASON_LIMIT
