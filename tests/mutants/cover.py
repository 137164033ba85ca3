"""Run the whole suite under coverage, some folders at once: `make coverage`.

Each line is kept with the tests that ran it, also in processes that tests start; only what a test
kills outright, or starts with an empty environment, is not seen. A folder that is done is not run
again until the commit is another one. It ends with 1 when tests fail or a share falls short.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import coverage

from tests.mutants.places import COMMIT, CONFIG, DATA, KEPT, ROOT, TIMES

SHARES = {"inwit/*": 92.0, "inwit/runtime/*": 98.0}
"""How much has to be covered of which files, in percent of lines and branches."""


def main() -> None:
    """Run what was not run yet, then tell the shares and what is not covered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="run every folder again")
    asked = parser.parse_args()
    _begin(again=asked.again)
    folders = sorted(_folders(), key=_files, reverse=True)
    with ThreadPoolExecutor(
        2 * (os.cpu_count() or 1)
    ) as pool:  # tests wait for disks half the time
        passed = list(pool.map(_run, folders))
    failed = [folder for folder, is_passed in zip(folders, passed, strict=True) if not is_passed]
    _combine()
    short = [files for files, share in SHARES.items() if _share(files) < share]
    sys.exit(f"failed: {failed}; too little covered: {short}" if failed or short else 0)


def _begin(*, again: bool) -> None:
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout
    if again or not COMMIT.exists() or COMMIT.read_text("utf-8") != commit:
        shutil.rmtree(KEPT / "parts", ignore_errors=True)
        TIMES.unlink(missing_ok=True)
    (KEPT / "parts").mkdir(parents=True, exist_ok=True)
    COMMIT.write_text(commit, encoding="utf-8")


def _folders() -> list[list[str]]:
    """The folders of the suite; the files that lie beside folders are one part."""
    parts: list[list[str]] = [["manifests"]]
    for folder in (ROOT / "tests", ROOT / "tests" / "runtime"):
        holding = {path.relative_to(folder).parts[0] for path in folder.rglob("test_*.py")}
        names = [folder.relative_to(ROOT) / name for name in sorted(holding)]
        parts.append([str(name) for name in names if name.suffix])
        parts += [[str(name)] for name in names if not name.suffix and name.name != "runtime"]
    return parts


def _files(folder: list[str]) -> int:
    return sum(len(list((ROOT / name).rglob("test_*.py"))) for name in folder)


def _run(folder: list[str]) -> bool:
    """Run one part; a part that came to its end is kept, also when tests of it failed."""
    name = folder[0].removesuffix(".py").replace("/", "-")
    part = KEPT / "parts" / name
    if part.with_suffix(".done").exists():
        return True
    print(f"{' '.join(folder)[:80]} ...", file=sys.stderr, flush=True)
    measure = ["coverage", "run", f"--rcfile={CONFIG}", "-m", "pytest", "-q"]
    command = [sys.executable, "-m", *measure, "-p", "tests.mutants.contexts", *folder]
    told = {"COVERAGE_DATA": str(part), "COVERAGE_ROOT": str(ROOT), "COVERAGE_TIMES": str(TIMES)}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **told, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if code in {0, 1}:
        _join(part, sorted(part.parent.glob(f"{name}.*")))
        part.with_suffix(".done").touch()
    return code == 0


def _combine() -> None:
    done = sorted((KEPT / "parts").glob("*.done"))
    _join(DATA, [one.with_suffix("") for one in done], keep=True)


def _join(into: Path, parts: list[Path], *, keep: bool = False) -> None:
    into.unlink(missing_ok=True)
    joined = coverage.Coverage(data_file=str(into), config_file=False)
    joined.combine([str(part) for part in parts], strict=True, keep=keep)
    joined.save()


def _share(files: str) -> float:
    """Print what is covered of these files, and say how much that is, in percent."""
    os.environ["COVERAGE_ROOT"] = str(ROOT)
    read = coverage.Coverage(data_file=str(DATA), config_file=str(CONFIG))
    read.load()
    include = [str(ROOT / files)]
    return float(read.report(include=include, skip_covered=True, show_missing=True, precision=1))


if __name__ == "__main__":
    main()
