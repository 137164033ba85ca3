"""A copy of the tree with an interpreter of its own, in which one mutant after another is tried."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.forks import ALONE
from tests.mutants.places import ROOT

FAILED = re.compile(r"^(?:FAILED|ERROR) ((?:tests|manifests)/.+?)(?: - |$)", re.MULTILINE)
PLUGINS = ("-p", "anyio.pytest_plugin", "-p", "hypothesispytest")
FORKS = Path(__file__).with_name("forks.py")
COLLECTING_S = 900
FULL_SECOND = 10**9
TOLD = {0: "passed", 1: "failed", 2: "failed", 5: "passed", None: "out of time"}
"""By pytest's exit code."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the tests ended: passed, failed (by which test) or out of time."""

    told: str
    by: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A folder with `tree` and `venv`. The processes that tests start find the copy as well."""

    folder: Path
    server: subprocess.Popen[str]
    """It runs `forks.py`."""

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def output(self) -> Path:
        """What the last run wrote."""
        return self.folder / "output.txt"

    def run(
        self, tests: Sequence[str], *, limit_s: float, to_the_end: bool = False,
        but: Collection[str] = (),
    ) -> Outcome:  # fmt: skip
        """Run these tests, `but` some, until one fails, or all of them."""
        left_out = [f"--deselect={test}" for test in but if "::" in test]
        until = [] if to_the_end else ["-x"]
        begun = time.monotonic()
        code = self._pytest(["--tb=line", *tests, *left_out, *until], limit_s)
        told = TOLD.get(code, f"pytest ended with {code}")
        by = tuple(FAILED.findall(self.output.read_text("utf-8", "replace")))
        return Outcome(told=told, by=by, seconds=round(time.monotonic() - begun, 1))

    def collected(self) -> set[str]:
        """The tests that there are: a run that names any other one runs none."""
        code = self._pytest(["--collect-only", "tests", "manifests"], COLLECTING_S)
        lines = self.output.read_text("utf-8").splitlines()
        if code != 0:
            raise RuntimeError(f"tests cannot be collected: {lines[-1:]}")
        return {line for line in lines if "::" in line}

    def _pytest(self, arguments: Sequence[str], limit_s: float) -> int | None:
        """Its exit code, or None when time was out."""
        asked = {
            "arguments": ["-q", *PLUGINS, *arguments],
            "output": str(self.output),
            "limit_s": limit_s,
        }
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(json.dumps(asked) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        if not answer:
            raise RuntimeError("the server that forks for tests has ended; it says why on stderr")
        code: int | None = json.loads(answer)["code"]
        return code

    @contextmanager
    def changed(self, path: str, source: str, *, by: str) -> Iterator[None]:
        """Change the copy's file; its time of change tells it apart from others for .pyc: `by` is in hexadecimal."""
        file = self.tree / path
        original, before = file.read_text("utf-8"), file.stat()
        file.write_text(source, encoding="utf-8")
        second = int(by[:6], 16) + 1
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns - second * FULL_SECOND))
        try:
            yield
        finally:
            file.write_text(original, encoding="utf-8")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def copied(folder: Path, *, commit: str, also: Sequence[str] = ()) -> Path:
    """Put the tree of a commit here, with some files as they are now."""
    tree = folder / "tree"
    clone = ["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(tree)]
    subprocess.run(clone, check=True)
    subprocess.run(["git", "-C", str(tree), "checkout", "--quiet", commit], check=True)
    for name in {one.partition("::")[0] for one in also}:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    return tree


@contextmanager
def worker(folder: Path) -> Iterator[Worker]:
    """Start a server that runs tests in this folder's `tree`; it ends with all that tests left behind."""
    _interpreter(folder / "venv", folder / "tree")
    with subprocess.Popen(
        [str(folder / "venv" / "bin" / "python"), str(FORKS)], cwd=folder / "tree",
        env=_environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as server:  # fmt: skip
        yield Worker(folder=folder, server=server)


def _interpreter(folder: Path, tree: Path) -> None:
    """An environment that finds the copy first, then all that is installed here."""
    venv.create(folder, symlinks=True)
    scripts, packages = folder / "bin", sysconfig.get_path("purelib")
    (site,) = folder.glob("lib/python*/site-packages")
    lines = f"{tree}\nimport site; site.addsitedir({packages!r})\n"
    (site / "tree.pth").write_text(lines, encoding="utf-8")
    command = scripts / "inwit"
    calls = "import sys; from inwit.cli.main import main; sys.exit(main())"
    command.write_text(f"#!{scripts}/python\n{calls}\n", encoding="utf-8")
    command.chmod(0o755)


def _environment(folder: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith(("COVERAGE_", "PYTEST_"))
    }  # fmt: skip
    path = f"{folder / 'venv' / 'bin'}:{Path(sys.executable).parent}:{kept['PATH']}"
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others take a second to load
    return {**kept, **plugins, **ALONE, "PATH": path, "VIRTUAL_ENV": str(folder / "venv")}
