"""`make conformance`: the public conformance suite of The Update Framework, where it can be had.

Its client under test is `tuf_client.py`, over our own update code. The suite is not on PyPI: it is
cloned at a fixed tag, or taken from the folder that TUF_CONFORMANCE names, and gets a virtual
environment of its own, since it pins another python-tuf. Where neither can be had, that is said,
and its scenarios, rebuilt in `test_tuf.py`, have run in any case.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".tuf-conformance"
SUITE = "https://github.com/theupdateframework/tuf-conformance"
TAG = "v2.4.0"
CLONE_S = 60


def main() -> int:
    rebuilt = [sys.executable, "-m", "pytest", "-q", "tests/conformance/test_tuf.py"]
    failed = subprocess.run(rebuilt, cwd=ROOT, check=False).returncode
    if failed:
        return failed
    suite = found()
    if suite is None:
        print(f"The public suite of TUF cannot be had here ({SUITE}); its scenarios ran rebuilt.")
        return 0
    if shutil.which("faketime") is None:
        print("error: the suite needs faketime: apt-get install faketime", file=sys.stderr)
        return 1
    python = installed(suite)
    client = f"{sys.executable} {ROOT / 'tests/conformance/tuf_client.py'}"
    ran = [python, "-m", "pytest", "-q", str(suite / "tuf_conformance"), "--entrypoint", client]
    return subprocess.run(ran, cwd=suite, check=False).returncode


def found() -> Path | None:
    """The folder of the suite; None where it cannot be had."""
    given = os.environ.get("TUF_CONFORMANCE")
    if given:
        return Path(given).resolve()
    place = FOLDER / "suite"
    if place.is_dir():
        return place
    FOLDER.mkdir(exist_ok=True)
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", TAG, SUITE, str(place)]
    try:
        done = subprocess.run(clone, check=False, timeout=CLONE_S, capture_output=True)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return place if done.returncode == 0 else None


def installed(suite: Path) -> str:
    """The interpreter of a virtual environment that has the suite's own requirements."""
    python = FOLDER / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-e", str(suite)], check=True)
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
