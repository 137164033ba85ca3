from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from inwit.errors import ArchiveError, InvalidPackageError
from inwit.registry.archive import Limits, build_archive, read_archive, unpack
from tests.registry.test_packages import write

Add = Callable[[tarfile.TarFile], None]


def packed(*adds: Add) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for add in adds:
            add(tar)
    return out.getvalue()


def file(name: str, content: bytes = b"x") -> Add:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    return add


def special(name: str, kind: bytes, target: str = "") -> Add:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)

    return add


def refused(tmp_path: Path, content: bytes, limits: Limits | None = None) -> ArchiveError:
    """Unpack, see that it fails and that nothing is written beside the folder."""
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "secret").write_text("as it was")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ArchiveError) as caught:
        unpack(io.BytesIO(content), into, limits)

    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "secret").read_text() == "as it was"
    return caught.value


# Building


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    other = write(tmp_path / "other")
    (one / "a.txt").write_text("a")
    (one / "b.txt").write_text("b")
    (other / "b.txt").write_text("b")
    (other / "a.txt").write_text("a")
    os.utime(other / "a.txt", (1, 1))
    (other / "a.txt").chmod(0o600)
    (other / "__pycache__").mkdir()
    (other / "__pycache__/tools.cpython-311.pyc").write_bytes(b"cache")
    (other / ".hidden").write_text("not part of it")

    built = build_archive(one)

    assert build_archive(other).content == built.content
    assert built.sha256 == hashlib.sha256(built.content).hexdigest()
    assert built.file_name == "acme.greeter-1.2.3.tar.gz"
    assert [one.path for one in built.files] == ["a.txt", "b.txt", "inwit-package.toml", "tools.py"]


def test_what_is_built_is_read_and_unpacked_as_it_was(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    (folder / "texts").mkdir()
    (folder / "texts/要約.txt").write_text("要約してください")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    built = build_archive(folder)
    into = tmp_path / "into"
    into.mkdir()

    read = read_archive(built.content)
    unpacked = unpack(io.BytesIO(built.content), into)

    assert read == built
    assert unpacked == built.files
    assert build_archive(into).sha256 == built.sha256
    assert (into / "texts/要約.txt").read_text() == "要約してください"
    assert os.access(into / "run.sh", os.X_OK)


def test_a_link_in_the_folder_is_not_packed(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "link.txt").symlink_to("/etc/passwd")

    with pytest.raises(ArchiveError, match="a link"):
        build_archive(folder)


def test_an_archive_without_a_manifest_or_its_modules_is_refused(tmp_path: Path) -> None:
    manifest = (write(tmp_path) / "inwit-package.toml").read_bytes()

    with pytest.raises(ArchiveError, match=r"inwit-package\.toml"):
        read_archive(packed(file("tools.py")))
    with pytest.raises(InvalidPackageError, match=r"no file tools\.py"):
        read_archive(packed(file("inwit-package.toml", manifest)))


# Attacks


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "a/../../secret",
        "/etc/cron.d/evil",
        "a//b",
        "a/./b",
        "..",
        "a\\..\\..\\secret",
        "C:/evil",
        "con.txt",
        "tail.",
        " lead",
        "new\nline",
        "right\u202etxt.py",
        "zero\u200bwidth.txt",
        "tооls.py",
        "pаypal.txt",
        "\uff4d.py",
        "e\u0301.txt",
        "/".join("abcdefghijklmnop"),
        "a" * 300,
    ],
)
def test_a_path_that_leads_out_or_misleads_is_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path, packed(file(name, b"taken over")))


@pytest.mark.parametrize(
    "add",
    [
        special("link", tarfile.SYMTYPE, "../secret"),
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "inside"),
        special("link", tarfile.LNKTYPE, "../secret"),
        special("device", tarfile.CHRTYPE),
        special("device", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
        special("odd", b"Z"),
    ],
)
def test_links_devices_and_pipes_are_refused(tmp_path: Path, add: Add) -> None:
    error = refused(tmp_path, packed(file("inside"), add))

    assert error.field == "type"


def test_a_file_below_a_link_is_not_written_through_it(tmp_path: Path) -> None:
    refused(tmp_path, packed(special("d", tarfile.SYMTYPE, ".."), file("d/secret", b"taken over")))


def test_a_folder_that_became_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "away").mkdir()
    (into / "d").symlink_to(tmp_path / "away")

    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        unpack(io.BytesIO(packed(file("d/x"))), into)

    assert list((tmp_path / "away").iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tools.py", "tools.py"),
        ("a/x", "A/y"),
        ("straße.txt", "strasse.txt"),
        ("same.txt", "same.txt"),
        ("сор.txt", "cop.txt"),
        ("a", "a/b"),
        ("a/b", "a"),
    ],
)
def test_two_paths_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, one: str, other: str
) -> None:
    error = refused(tmp_path, packed(file(one), file(other)))

    assert error.field == "path"


def test_a_bomb_is_refused_while_it_streams(tmp_path: Path) -> None:
    bomb = packed(file("big", b"\0" * (40 << 20)))

    error = refused(tmp_path, bomb)

    assert error.field == "ratio of unpacked to packed bytes"
    assert sum(path.stat().st_size for path in (tmp_path / "into").iterdir()) < 12 << 20


def test_a_claimed_size_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40
    content = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)

    assert refused(tmp_path, content).field == "size in bytes"


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    content = packed(*(file(f"f{number}") for number in range(30)))

    assert refused(tmp_path, content, Limits(entries=20)).field == "number of entries"


def test_too_much_in_all_is_refused(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(1 << 20)
    content = packed(file("a", noise), file("b", noise[::-1]))

    assert refused(tmp_path, content, Limits(total_bytes=1 << 20)).field == "unpacked size in bytes"


def test_an_endless_chain_of_long_names_ends(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    link = info.tobuf(tarfile.GNU_FORMAT) + b"a" + b"\0" * 511

    refused(tmp_path, gzip.compress(link * 20_000))


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", gzip.compress(b"x" * 2000)[:-20]],
    ids=["empty", "text", "cut short"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_give_a_typed_error_or_the_same_files(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(build_archive(write(tmp_path / "one")).content)
    for _ in range(chance.randrange(1, 5)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    into = tmp_path / "into"
    into.mkdir()

    with suppress(ArchiveError):
        written = unpack(io.BytesIO(bytes(content)), into)
        assert {one.path for one in written} <= {"inwit-package.toml", "tools.py"}


def test_what_would_not_be_accepted_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        build_archive(write(tmp_path / "one"), Limits(entries=1))

    assert caught.value.field == "number of entries"
