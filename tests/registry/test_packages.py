from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import jsonschema
import pytest

from inwit.errors import (
    InvalidPackageError,
    MalformedInputError,
    UnknownPackageError,
)
from inwit.registry import packages
from inwit.registry.manifest import KINDS, read_package, schema
from inwit.registry.packages import PackageIndex, load
from inwit.runtime.project import Project

MANIFESTS = Path(packages.__file__).parents[2] / "manifests"

GOOD = """
[package]
namespace = "acme"
name = "greeter"
version = "1.2.3"
kind = "tool-pack"
description = "Greets people in their own language."
keywords = ["hello", "welcome"]
authors = ["Ada"]
licence = "MIT"

[provides]
tools = ["greet"]

[entry_points]
default = "tools:greet"
"""
CODE = "def greet(name: str) -> str:\n    return f'Hello {name}'\n"


def write(
    folder: Path, manifest: str = GOOD, *, at: str = "acme/greeter", code: str = CODE
) -> Path:
    place = folder / at
    place.mkdir(parents=True)
    (place / "inwit-package.toml").write_text(manifest, encoding="utf-8")
    (place / "tools.py").write_text(code)
    return place


@pytest.fixture
def index(project: Path) -> PackageIndex:
    return PackageIndex.of(Project.find())


def names(index: PackageIndex, query: str, kind: str | None = None) -> list[str]:
    return [match.package.name for match in index.search(query, kind=kind)]


# Shipped packages


def test_packages_of_all_six_kinds_are_shipped(index: PackageIndex) -> None:
    found = index.list()

    assert {package.kind for package in found} == set(KINDS)
    assert len(found) >= 9
    assert {package.origin for package in found} == {"shipped"}
    assert index.faults() == ()


def test_every_shipped_package_loads_and_is_described_and_tested(index: PackageIndex) -> None:
    for package in index.list():
        folder = Path(package.folder)
        assert package.readme().startswith(f"# {package.name}"), package.id
        assert list(folder.glob("test_*.py")), package.id
        assert all(load(package.id, name) is not None for name in package.entry_points)


def test_the_published_schema_is_the_one_that_is_checked(index: PackageIndex) -> None:
    published = json.loads((MANIFESTS / "package.schema.json").read_text())

    assert published == json.loads(json.dumps(schema()))


def test_every_shipped_manifest_fits_the_published_schema(index: PackageIndex) -> None:
    import tomllib

    published = json.loads((MANIFESTS / "package.schema.json").read_text())
    for package in index.list():
        table = tomllib.loads((Path(package.folder) / "inwit-package.toml").read_text())
        jsonschema.validate(table, published)


# Search


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("What RAG packages exist?", "rag"),
        ("tool calling agent template", "react-agent"),
        ("an agent that reasons and uses tools", "react-agent"),
        ("several specialists and someone who picks between them", "supervisor"),
        ("process many chunks at the same time and combine them", "map-reduce"),
        ("save checkpoints on disk", "folder-checkpointer"),
        ("talk to a local model server such as ollama", "openai-compatible"),
        ("ready-made prompts for classification", "prompts"),
        ("calculator", "text-tools"),
        ("merge two rankings", "text-nodes"),
        ("answer questions from my documents", "rag"),
    ],
)
def test_a_description_finds_its_package(index: PackageIndex, query: str, best: str) -> None:
    assert names(index, query)[0] == best


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("rag", "rag"),
        ("ReAct Agent", "react-agent"),
        ("inwit/map-reduce", "map-reduce"),
        ("tell me more about map reduce", "map-reduce"),
        ("text", "text-nodes"),
        ("supervisr", "supervisor"),
        ("retreival", "rag"),
        ("promtps", "prompts"),
        ("checkpoints in a foldr", "folder-checkpointer"),
    ],
)
def test_names_prefixes_and_slips_find_their_package(
    index: PackageIndex, query: str, best: str
) -> None:
    assert names(index, query)[0] == best


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "?!",
        "asdf qwerty zxcv",
        "banana bread recipe",
        "who won the football world cup",
        "quantum chromodynamics",
        "weather in Paris tomorrow",
        "best hiking trails in the Alps",
        "tax return deadline",
        "symphony orchestra schedule",
        "wedding dress size chart",
        "\ud800",
        "DROP TABLE packages; --",
        "x:* AND [y TO z]^2~",
    ],
)
def test_what_no_package_is_about_finds_none(index: PackageIndex, query: str) -> None:
    assert names(index, query) == []


def test_a_match_says_why(index: PackageIndex) -> None:
    exact = index.search("rag")[0]
    described = index.search("retrieve passages with citations")[0]

    assert "'rag' is its name" in exact.why
    assert "retrieve, passages" in described.why
    assert 1 >= exact.score > described.score > 0


def test_the_packages_can_be_gone_through_and_counted(index: PackageIndex) -> None:
    assert [package.id for package in index] == [package.id for package in index.list()]
    assert len(index) == len(index.list())


def test_a_kind_narrows_list_and_search(index: PackageIndex) -> None:
    assert {package.kind for package in index.list("tool-pack")} == {"tool-pack"}
    assert names(index, "agent tools", kind="tool-pack") == ["text-tools"]


def test_an_unknown_kind_is_refused_with_the_nearest(index: PackageIndex) -> None:
    with pytest.raises(MalformedInputError, match="Did you mean 'tool-pack'"):
        index.search("x", kind="tool-packs")


def test_a_megabyte_of_query_is_answered(index: PackageIndex) -> None:
    assert isinstance(index.search("rag agent " * 100_000), list)


# Sources


def test_a_project_s_package_is_found_as_soon_as_it_is_there(
    index: PackageIndex, project: Path
) -> None:
    assert names(index, "greet people in their language") == []

    write(project / ".inwit/packages")

    [match] = index.search("greet people in their language")
    assert (match.package.id, match.package.origin) == ("acme/greeter", "project")
    assert match.package.source == "package://acme/greeter"
    assert load("acme/greeter")("Ada") == "Hello Ada"


def test_the_project_goes_before_the_user_and_the_user_before_what_is_shipped(
    index: PackageIndex, project: Path
) -> None:
    shipped = GOOD.replace("acme", "inwit").replace("greeter", "rag")
    write(Path.home() / ".inwit/packages", shipped, at="inwit/rag")
    write(Path.home() / ".inwit/packages")
    write(project / ".inwit/packages")

    assert index.get("inwit/rag").origin == "user"
    assert index.get("acme/greeter").origin == "project"
    assert len([one for one in index.list() if one.id == "acme/greeter"]) == 1


def test_an_empty_registry_gives_an_empty_list(tmp_path: Path) -> None:
    index = PackageIndex({"project": tmp_path / "nothing"})

    assert index.list() == []
    assert index.search("anything") == []


def test_a_broken_package_hides_no_other_and_is_listed_as_a_fault(
    index: PackageIndex, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(project / ".inwit/packages")
    write(project / ".inwit/packages", "[package", at="acme/broken")

    with caplog.at_level(logging.WARNING):
        found = {package.id for package in index.list()}
        [fault] = index.faults()

    assert {"acme/greeter", "inwit/rag"} <= found
    assert fault.folder.endswith("acme/broken")
    assert (fault.code, fault.origin) == ("registry.invalid_package", "project")
    assert len([one for one in caplog.records if "acme/broken" in one.getMessage()]) == 1


def test_nothing_of_a_package_runs_before_it_is_loaded(index: PackageIndex, project: Path) -> None:
    write(project / ".inwit/packages", code="raise RuntimeError('ran')")

    index.list()
    index.search("greeter")
    with pytest.raises(InvalidPackageError, match="RuntimeError: ran"):
        load("acme/greeter")


def test_search_leaves_no_folder_where_none_was(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = elsewhere / "bare"
    (place / ".git").mkdir(parents=True)
    monkeypatch.chdir(place)

    PackageIndex.of(Project.find()).search("agent")

    assert [path.name for path in place.iterdir()] == [".git"]


def test_without_the_extra_names_and_words_still_find(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "default_encoder", lambda: None)
    index = PackageIndex({"shipped": MANIFESTS / "packages"})

    assert names(index, "What RAG packages exist?")[0] == "rag"
    assert names(index, "tool calling agent template")[0] == "react-agent"
    assert names(index, "banana bread recipe") == []


# Faults


@pytest.mark.parametrize(
    ("old", "new", "field", "hint"),
    [
        ('kind = "tool-pack"', 'kind = "tool-pak"', "package.kind", "Did you mean 'tool-pack'?"),
        ('version = "1.2.3"', 'version = "1.2.x"', "package.version", "PEP 440"),
        ('licence = "MIT"', 'licence = "MIT"\ninwit = "1.2"', "package.inwit", "PEP 440"),
        (
            "[provides]",
            '[dependencies]\n"acme/x" = ">>1"\n[provides]',
            "dependencies.acme/x",
            "PEP",
        ),
        ("[provides]", "[permissions]\nnetwrk = []\n[provides]", "permissions.netwrk", "'network'"),
        ('version = "1.2.3"', "version = 1", "package.version", "Expected `str`"),
        ('version = "1.2.3"\n', "", "package.version", "required"),
        ('licence = "MIT"', 'license = "MIT"', "package.licen", ""),
        ('keywords = ["hello", "welcome"]', 'keywords = ["hello", 2]', "package.keywords", "str"),
        ('authors = ["Ada"]', "authors = []", "package.authors", "length >= 1"),
        ('name = "greeter"', 'name = "Greeter!"', "package.name", "matching regex"),
        ('name = "greeter"', 'name = "waver"', "package.name", "'greeter'"),
        ('default = "tools:greet"', 'other = "tools:greet"', "entry_points", "default"),
        ("tools:greet", "../tools:greet", "entry_points", "matching regex"),
        ("tools:greet", "missing:greet", "entry_points.default", "missing.py"),
        ("[provides]", "[provides]\ntools = 3\n[x]", "provides", "array"),
    ],
)
def test_a_fault_names_file_field_value_and_the_way_out(
    tmp_path: Path, old: str, new: str, field: str, hint: str
) -> None:
    assert old in GOOD
    folder = write(tmp_path, GOOD.replace(old, new))

    with pytest.raises(InvalidPackageError) as caught:
        read_package(folder, "project")

    assert caught.value.file == str(folder / "inwit-package.toml")
    assert caught.value.field.startswith(field)
    assert hint in caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[package]\nname = ", b"x" * 70_000])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path)
    (folder / "inwit-package.toml").write_bytes(content)

    with pytest.raises(InvalidPackageError):
        read_package(folder, "project")


def test_an_unknown_package_is_named_with_the_nearest(index: PackageIndex) -> None:
    with pytest.raises(UnknownPackageError, match="Did you mean 'inwit/rag'"):
        index.get("inwit/rags")


def test_a_name_alone_is_enough_where_it_is_the_only_one(index: PackageIndex) -> None:
    assert index.get("supervisor").id == "inwit/supervisor"


@pytest.mark.parametrize("package_id", ["", "../../etc/passwd", "inwit/../inwit/rag", "a" * 10_000])
def test_a_malformed_id_is_unknown_and_opens_no_file(index: PackageIndex, package_id: str) -> None:
    with pytest.raises(UnknownPackageError):
        index.get(package_id)


def test_an_entry_point_that_is_not_there_is_named_with_the_nearest(index: PackageIndex) -> None:
    with pytest.raises(InvalidPackageError, match="Did you mean 'default'"):
        load("inwit/rag", "defaults")


def test_an_attribute_that_is_not_there_is_named_with_the_nearest(project: Path) -> None:
    write(project / ".inwit/packages", code=CODE.replace("greet(", "greets("))

    with pytest.raises(InvalidPackageError, match="Did you mean 'greets'"):
        load("acme/greeter")


def test_a_missing_requirement_says_what_to_install(project: Path) -> None:
    manifest = GOOD.replace('licence = "MIT"', 'licence = "MIT"\nrequires = ["nosuchmodule>=1"]')
    write(project / ".inwit/packages", manifest, code="import nosuchmodule\n")

    with pytest.raises(InvalidPackageError, match="pip install 'nosuchmodule>=1'"):
        load("acme/greeter")


def test_modules_of_a_package_import_each_other(project: Path) -> None:
    folder = write(project / ".inwit/packages", code="from .words import greet\n")
    (folder / "words.py").write_text(CODE)

    assert load("acme/greeter")("Ada") == "Hello Ada"
    assert "words" not in sys.modules
