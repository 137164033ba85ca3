"""What a manifest may hold, and what is said of one that does not; archives and vectors at their limits."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inwit.errors import (
    ArchiveError,
    InvalidPackageError,
    MalformedInputError,
    UnknownContributionError,
)
from inwit.registry.archive import File, Limits, build_archive, read_archive, unpack
from inwit.registry.contributions import ContributionBook, read_report
from inwit.registry.manifest import module_file, parse_manifest, read_manifest, read_package
from inwit.registry.package import MAX_BYTES, Dependency, PackageManifest, Permissions
from inwit.registry.vectors import CHUNK, encode_cached
from inwit.runtime.project import Project
from tests.registry.test_installing import make

GOOD = """[package]
namespace = "acme"
name = "app"
version = "1.0.0"
kind = "node-library"
description = "Greets."
authors = ["Ada"]
licence = "MIT"
inwit = ">=0.1"
{more}
[entry_points]
default = "code:greet"
"""


def parsed(more: str = "", **changed: str) -> PackageManifest:
    text = GOOD.format(more=more)
    for name, line in changed.items():
        lines = [line if one.startswith(f"{name} =") else one for one in text.splitlines()]
        text = "\n".join(lines)
    return parse_manifest(text.encode(), "place.toml")


@pytest.mark.parametrize(
    ("more", "changed", "field", "value", "hint"),
    [
        ("", {"version": 'version = "odd"'}, "package.version", "odd", "A version is written as PEP 440 says, as 1.2.0 or 2.0rc1."),
        ("", {"inwit": 'inwit = "new"'}, "package.inwit", "new", 'A range is written as PEP 440 says, as ">=1.2,<2".'),
        ('[dependencies]\n"acme/b" = "x"', {}, "dependencies.acme/b", "x", 'A range is written as PEP 440 says, as ">=1.2,<2".'),
        ('[extras.fast]\n"acme/b" = "x"', {}, "extras.fast.acme/b", "x", 'A range is written as PEP 440 says, as ">=1.2,<2".'),
        ("", {"kind": 'kind = "node-libary"'}, "package.kind", "node-libary", "Did you mean 'node-library'?"),
        ("", {"licence": 'license = "MIT"'}, "package.license", "MIT", "No such field. Did you mean 'licence'?"),
        ("", {"licence": ""}, "package.licence", None, "Add it; it is required."),
        ("[permission]", {}, "permission", {}, "No such field. Did you mean 'permissions'?"),
        ("[permissions]\nnetwerk = []", {}, "permissions.netwerk", [], "No such field. Did you mean 'network'?"),
        ("", {"default": 'other = "code"'}, "entry_points", ["other"], "Add `default`: what loading the package gives."),
        ("", {"authors": "authors = [3]"}, "package.authors.0", 3, "Expected `str`, got `int`."),
    ],
)  # fmt: skip
def test_a_field_that_does_not_hold_what_it_must_is_named_with_the_way_out(
    more: str, changed: dict[str, str], field: str, value: Any, hint: str
) -> None:
    with pytest.raises(InvalidPackageError) as told:
        parsed(more, **changed)

    assert (told.value.field, told.value.value, told.value.hint) == (field, value, hint)
    assert "place.toml" in told.value.message


@pytest.mark.parametrize(
    ("content", "field", "hint"),
    [(b"x" * (MAX_BYTES + 1), "its size in bytes", "At most 65,536 bytes are read."), (b"a = '\xff'", "its text", "Save it as UTF-8."),
     (b"no toml", "its syntax", "It must be TOML.")],
)  # fmt: skip
def test_what_is_no_manifest_is_told_apart(content: bytes, field: str, hint: str) -> None:
    with pytest.raises(InvalidPackageError) as told:
        parse_manifest(content)

    assert (told.value.field, told.value.hint) == (field, hint)
    padded = GOOD.format(more="").encode() + b"#" * MAX_BYTES
    assert parse_manifest(padded[:MAX_BYTES]).id == "acme/app"


def test_what_a_package_stands_on_grows_with_its_extras() -> None:
    made = parsed(
        '[dependencies]\n"acme/b" = ">=1"\n[extras.x]\n"acme/b" = { version = "<2", extras = ["y"] }\n"acme/c" = ""'
    )

    assert made.needs() == {"acme/b": (Dependency(version=">=1"),)}
    assert made.needs(("x", "none")) == {
        "acme/b": (Dependency(version=">=1"), Dependency(version="<2", extras=("y",))), "acme/c": (Dependency(),)
    }  # fmt: skip


def test_permissions_are_lines_and_grow_by_those_that_are_new() -> None:
    asked = Permissions(
        network=("b.example", "a.example"),
        read=("r",),
        write=("w",),
        environment=("E",),
        models=("m",),
        process=True,
    )

    assert asked.lines() == (
        "network a.example", "network b.example", "read r", "write w", "environment E", "models m", "process"
    )  # fmt: skip
    assert asked.growth(Permissions(network=("a.example",), process=True)) == (
        "network b.example", "read r", "write w", "environment E", "models m"
    )  # fmt: skip
    assert Permissions().lines() == Permissions().growth(asked) == ()


def test_a_package_is_where_its_id_says_and_has_the_modules_that_it_names(tmp_path: Path) -> None:
    place = make(tmp_path, "acme/app")
    found = read_package(place, "user")
    assert (found.id, found.version, found.origin, found.folder, found.source) == (
        "acme/app", "1.0.0", "user", str(place), "package://acme/app"
    )  # fmt: skip
    assert found.readme() == ""
    (place / "README.md").write_text("Hello")
    assert found.readme() == "Hello"
    assert module_file(place, "code") == place / "code.py"
    (place / "deep").mkdir()
    (place / "deep" / "__init__.py").write_text("")
    assert module_file(place, "deep") == place / "deep" / "__init__.py"
    assert module_file(place, "none") is None

    moved = place.rename(tmp_path / "acme" / "other")
    with pytest.raises(InvalidPackageError) as told:
        read_package(moved, "user")
    assert (told.value.field, told.value.value) == ("package.name", "app")
    assert told.value.hint == "Its folder is 'other'; give both the same name."
    assert read_package(moved, "installed", in_place=False).id == "acme/app"
    (moved / "code.py").unlink()
    with pytest.raises(InvalidPackageError) as lacking:
        read_manifest(moved)
    assert (lacking.value.field, lacking.value.hint) == (
        "entry_points.default", "The package has no file code.py."
    )  # fmt: skip
    (moved / "inwit-package.toml").unlink()
    with pytest.raises(InvalidPackageError) as gone:
        read_manifest(moved)
    assert (gone.value.field, gone.value.value, gone.value.hint) == (
        "the file", "No such file or directory", "Make it readable."
    )  # fmt: skip


def test_an_archive_is_taken_up_to_each_of_its_limits(tmp_path: Path) -> None:
    made = build_archive(make(tmp_path, "acme/app"))
    sizes = {file.path: file.size for file in made.files}
    with tarfile.open(fileobj=io.BytesIO(made.content)) as tar:
        whole = sum(512 + -(-one.size // 512) * 512 for one in tar.getmembers())

    def told(**limits: int) -> tuple[str, Any]:
        try:
            read_archive(made.content, Limits(**limits))
            unpacked = unpack(io.BytesIO(made.content), _new(tmp_path), Limits(**limits))
        except ArchiveError as exc:
            return exc.field, exc.value
        assert unpacked == made.files
        return "", None

    assert made.file_name == "acme.app-1.0.0.tar.gz"
    assert told() == told(archive_bytes=len(made.content)) == told(entries=2) == ("", None)
    assert told(archive_bytes=len(made.content) - 1) == ("size in bytes", len(made.content))
    assert told(entries=1) == ("number of entries", 2)
    largest = max(sizes.values())
    assert told(file_bytes=largest) == ("", None)
    assert told(file_bytes=largest - 1) == ("size in bytes", largest)
    assert told(total_bytes=whole - 1)[0] == "unpacked size in bytes"
    assert made.files == tuple(sorted(made.files, key=lambda one: one.path))
    assert all(isinstance(one, File) for one in made.files)


def _new(folder: Path) -> Path:
    place = folder / f"new-{len(list(folder.iterdir()))}"
    place.mkdir()
    return place


class Counting:
    """An encoder that counts what it is asked."""

    name = "counting"
    dimension = 2

    def __init__(self) -> None:
        self.asked: list[int] = []

    def encode(self, texts: Any) -> Any:
        self.asked.append(len(texts))
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_vectors_are_encoded_once_chunk_by_chunk(tmp_path: Path) -> None:
    encoder: Any = Counting()
    told: list[tuple[int, int]] = []
    texts = ["x" * at for at in range(CHUNK + 5)]

    first = encode_cached(texts, tmp_path / "v", encoder, lambda *one: told.append(one))
    again = encode_cached(
        [*texts[:3], "new text"], tmp_path / "v", encoder, lambda *one: told.append(one)
    )

    assert encoder.asked == [CHUNK, 5, 1]
    assert told == [(0, CHUNK + 5), (CHUNK, CHUNK + 5), (CHUNK + 5, CHUNK + 5), (3, 4), (4, 4)]
    assert first[:, 0].tolist() == [float(at) for at in range(CHUNK + 5)]
    assert again.tolist() == [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [8.0, 1.0]]
    encoder.dimension = 1
    encoder.encode = lambda texts: np.zeros((len(texts), 1), dtype=np.float32)
    assert encode_cached(texts[:2], tmp_path / "v", encoder).tolist() == [[0.0], [0.0]]
    (file,) = (tmp_path / "v").iterdir()
    file.write_bytes(b"no database at all, but long enough to be looked at as one" * 20)
    assert encode_cached(["x"], tmp_path / "v", encoder).tolist() == [[0.0]]
    (tmp_path / "plain").write_text("")
    assert encode_cached(["x"], tmp_path / "plain", encoder).tolist() == [[0.0]]


def test_contributions_are_reviewed_by_others_and_linked(project: Path) -> None:
    book = ContributionBook.of(Project.find())
    said: dict[str, Any] = {
        "kind": "bug", "package": "acme/rag", "title": "t", "reporter": {"kind": "ai", "name": "a", "version": "5"}
    }  # fmt: skip
    one, other = (
        book.add(read_report({**said, "package": name})) for name in ("acme/rag", "acme/x")
    )

    assert [made.id for made in book.list()] == [other.id, one.id]
    assert [made.id for made in book.list(package="acme/rag", status="open")] == [one.id]
    assert book.list(package="acme/rag", status="accepted") == []
    shown = one.to_json()
    assert (shown["kind"], shown["package"], shown["status"], shown["signed_by"], shown["reviews"]) == (
        "bug", "acme/rag", "open", None, ()
    )  # fmt: skip
    assert not {"report", "envelope"} & set(shown)
    assert book.link(one.id, "plan-1").plan_id == book.get(one.id).plan_id == "plan-1"
    book.review(one.id, by="b", verdict="accepted", comment="x" * 20_000)
    twice = book.review(one.id, by="c", verdict="rejected", comment="")
    assert [(review.by, review.verdict) for review in twice.reviews] == [
        ("b", "accepted"),
        ("c", "rejected"),
    ]
    assert book.get(one.id) == twice
    assert [made.id for made in book.list(status="rejected")] == [one.id]
    for by, verdict, comment, hint in (
        ("a", "accepted", "", "Somebody else reviews a contribution."), ("b", "acepted", "", "Did you mean 'accepted'?"),
        ("b", "accepted", "x" * 20_001, "At most 20,000 characters."),
    ):  # fmt: skip
        with pytest.raises(MalformedInputError) as told:
            book.review(one.id, by=by, verdict=verdict, comment=comment)
        assert told.value.hint == hint
    with pytest.raises(UnknownContributionError):
        book.get("none")
    with pytest.raises(MalformedInputError, match="The contribution: "):
        read_report({"kind": "bug"})
