"""The house: its layers, its wheel, its pages, and what must not be in it."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
).stdout.split("\0")[:-1]
WRITTEN = (
    "",
    ".css",
    ".html",
    ".js",
    ".json",
    ".jsonl",
    ".md",
    ".py",
    ".svg",
    ".toml",
    ".txt",
    ".yml",
)
TEXTS = [path for path in map(ROOT.joinpath, TRACKED) if path.suffix in WRITTEN and path.is_file()]
FOREIGN = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b|(?<![\w.])/(?:wor[k]|roo[t]|hom[e]/\w+)/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the tree."""
    built = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.parametrize(
    "part",
    [
        r"inwit/py\.typed",
        r"inwit/_manifests/packages/.+",
        r"inwit/_examples/librarian/app\.py",
        r"inwit/_docs/.+\.md",
        r"inwit/introspection/features\.toml",
        r"inwit/introspection/data/.+\.npz",
        r"inwit-.+\.dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_carries(wheel, part) -> None:
    assert [name for name in wheel.namelist() if re.fullmatch(part, name)]


def test_the_wheel_carries_nothing_of_the_work_around_it(wheel) -> None:
    foreign = [
        name for name in wheel.namelist()
        if not name.startswith(("inwit/", "inwit-")) or "__pycache__" in name or ".inwit/" in name
    ]  # fmt: skip

    assert foreign == []


def test_the_wheel_carries_nothing_that_the_router_is_trained_from(wheel) -> None:
    trained_from = ("questions.jsonl", "worlds.json", "train.py")

    assert [name for name in wheel.namelist() if name.endswith(trained_from)] == []


def test_the_wheel_stays_below_three_megabytes(wheel) -> None:
    assert sum(one.compress_size for one in wheel.infolist()) < 3_000_000


def test_every_module_says_in_its_first_line_what_lives_there() -> None:
    silent = [
        path.name
        for path in (ROOT / "inwit").rglob("*.py")
        if not re.match(r"[\w`].*[.:?!]$", _first_line(path))
    ]

    assert silent == []


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def test_every_dependency_has_a_floor_and_a_ceiling() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    every = [*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)]
    every = [one for one in every if not one.startswith("inwit[")]  # its own extras

    loose = [
        one for one in every if "==" not in one and not (">=" in one and "<" in one.split(">=")[1])
    ]

    assert loose == []


def test_each_pip_call_holds_mcp_where_it_is() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()

    calls = [line for line in lines if "pip install" in line or "$(PIP)" in line]

    assert calls
    assert [line for line in calls if "$(PIP)" not in line and "mcp>=2.3,<3" not in line] == []


def test_a_version_is_said_once() -> None:
    import inwit

    assert inwit.__version__ == PROJECT["project"]["version"]


@pytest.mark.parametrize(
    "name", ["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md"]
)
def test_the_house_has_its_papers(name) -> None:
    assert len((ROOT / name).read_text()) > 300


def test_no_page_links_to_what_is_not_there() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = [
        path.name
        for path in TEXTS
        if path.suffix == ".py" and len(path.read_text().splitlines()) > 600
    ]

    assert long == []


def test_the_tree_speaks_of_the_product_alone() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in TEXTS
        for match in FOREIGN.finditer(path.read_text(encoding="utf-8"))
    ]

    assert found == []
