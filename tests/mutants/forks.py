"""A server that has loaded what tests import from elsewhere, and forks for each run of pytest.

A program for Linux, which starts in the tree whose tests it runs and imports nothing of that tree:
each fork reads it anew. It is asked by lines of JSON on stdin and answers on stdout, one at a time:
`{"arguments": [...], "output": path, "limit_s": seconds}`, then `{"code": exit code, or null}`
when time was out. Whatever a run has started is ended before the answer, also when whoever asks has gone.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    *("pytest", "hypothesis", "_hypothesis_pytestplugin", "asyncio", "concurrent.futures.process"),
    *("anyio._backends._asyncio", "apsw", "boto3", "cedarpy", "click", "httpcore", "httpx"),
    *("httpx2", "joserfc.jwt", "jsonschema", "langchain_core.tools", "langgraph.graph", "mcp"),
    *("msgspec", "numpy", "packaging.specifiers", "pdb", "psycopg_pool", "pydantic", "redis"),
    *("scipy.stats", "starlette.applications", "statistics", "tantivy", "tokenizers", "tomllib"),
    *("tuf.ngclient", "uvicorn.protocols.http.h11_impl", "zeroconf"),
)
"""What takes long to import and starts no thread."""
FOREIGN = frozenset({"inwit", "tests", "manifests", "coverage", "xdist"})
"""What a fork has to find unread, or must not have at all."""
ALONE = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
"""What the server is started with, and neither tests nor their processes see: sets in the same order each time, no threads."""
ADOPT = 36  # PR_SET_CHILD_SUBREAPER
PAUSE_S = 0.01


def main() -> None:
    """Load, then fork for each line that is asked."""
    sys.path[0] = str(Path.cwd())  # as `python -m pytest` has it
    _load()
    assert ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0) == 0  # orphans become our children
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(asked["arguments"], asked["output"])
        print(json.dumps({"code": _ended(child, asked["limit_s"])}), flush=True)


def _load() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in ALONE:
        os.environ.pop(name, None)
    read = FOREIGN & {name.partition(".")[0] for name in sys.modules}
    assert not read, f"loaded before the fork: {sorted(read)}"
    threads = list(Path("/proc/self/task").iterdir())
    assert threading.active_count() == 1 == len(threads), "a library has started a thread"
    gc.collect()
    gc.freeze()  # or each fork's collector would copy every page


def _run(arguments: list[str], output: str) -> NoReturn:
    """Become `python -m pytest`, in a session of its own; it ends as that does, with threads and exit functions."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(written)
    sys.argv = ["pytest", *arguments]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    sys.exit(0)


def _ended(child: int, limit_s: float) -> int | None:
    ends = time.monotonic() + limit_s
    code = None
    while code is None and time.monotonic() < ends:
        has_gone, _, _ = select.select([sys.stdin], [], [], PAUSE_S)
        if has_gone:  # nobody asks while a run goes on: it is the end of the file
            _end_all()
            sys.exit()
        code = _reaped().get(child)
    _end_all()
    return code


def _reaped() -> dict[int, int]:
    """The exit codes of all children that have ended, also of orphans, which others wait to see gone."""
    codes: dict[int, int] = {}
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            codes[ended[0]] = os.waitstatus_to_exitcode(ended[1])
    return codes


def _end_all() -> None:
    """End every child; theirs become ours then, until there are none."""
    while left := list(children(os.getpid())):
        for child in left:
            os.kill(child, signal.SIGKILL)
        time.sleep(PAUSE_S)
        _reaped()


def children(parent: int) -> Iterator[int]:
    """Those that are running, or ended and not waited for yet."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            after_name = status.read_text("utf-8", "replace").rpartition(")")[2].split()
            if after_name[1] == str(parent):
                yield int(status.parent.name)


if __name__ == "__main__":
    main()
