"""A worker's process: started when it is needed, asked one thing at a time, killed when it is late."""

from __future__ import annotations

import atexit
import inspect
import os
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from inwit.errors import PackageCodeError, SandboxError
from inwit.registry.package import Permissions
from inwit.registry.sandbox import bubble, frames
from inwit.registry.sandbox.proxy import Proxy

TIMEOUT_S = 60.0
"""The wall clock for one call, from which on the worker and all that it started are killed."""


class Worker:
    """The process of one package. Safe to use from several threads, which wait for each other.

    A worker that was killed is started again by the next call; what it held is made again by the
    path that leads to it.
    """

    def __init__(
        self,
        package: str,
        folder: Path,
        permissions: Permissions,
        root: Path,
        *,
        timeout_s: float = TIMEOUT_S,
        is_sandboxed: bool = True,
        allow_private: Sequence[str] = (),
    ) -> None:
        self.package = package
        self.folder, self._permissions, self._root = folder, permissions, root
        self.timeout_s = timeout_s
        self._is_sandboxed = is_sandboxed
        self._allow_private = tuple(allow_private)
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._proxy: Proxy | None = None
        self._functions: dict[int, Callable[..., Any]] = {}
        _workers.add(self)

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a question and give what the worker describes.

        Raises:
            PackageCodeError: The package's code raised.
            SandboxError: It took too long, ended, or what it gave cannot come out.
        """
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            deadline = time.monotonic() + self.timeout_s
            try:
                frames.write(process.stdin.fileno(), message, functions=self._handed)
                answer = self._answer(process, deadline)
            except frames.FrameError as exc:
                self.close()
                hint = "Its process and all that it started were ended."
                raise SandboxError(f"{self.package}: {exc}.", hint=hint) from exc
            except TypeError as exc:
                raise SandboxError(f"{self.package}: {exc}", hint="Give plain values.") from exc
            if "error" in answer:
                raise PackageCodeError(self.package, answer["error"])
            found: dict[str, Any] = answer["value"]
            return found

    def _answer(self, process: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
        """The answer; until it comes, the worker may call the functions that it was handed."""
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            answer = frames.read(process.stdout.fileno(), deadline=deadline)
            if not isinstance(answer, dict) or not {"value", "error", "call"} & answer.keys():
                raise frames.FrameError("it sends what is no answer")
            if "call" not in answer:
                return answer
            frames.write(process.stdin.fileno(), self._called(answer), functions=self._handed)

    def _handed(self, function: Any) -> int:
        self._functions[id(function)] = function
        return id(function)

    def _called(self, asked: dict[str, Any]) -> dict[str, Any]:
        function = self._functions.get(asked["call"])
        if function is None:
            return {"error": "There is no such function."}
        try:
            found = function(*asked["args"], **asked["kwargs"])
            if inspect.isawaitable(found):
                found = _awaited(found)
        except Exception as exc:  # noqa: BLE001 - told to the package, whose call it was
            return {"error": f"{type(exc).__name__}: {exc}"}
        return {"value": found}

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        if self._is_sandboxed and self._permissions.network:
            self._proxy = Proxy(self._permissions.network, allow=self._allow_private)
        self._process = self._bubbled() if self._is_sandboxed else self._plain()
        return self._process

    def _bubbled(self) -> subprocess.Popen[bytes]:
        calls = bubble.call_filter(may_fork=self._permissions.process)
        source, target = os.pipe()
        try:
            os.write(target, calls or b"")
            os.close(target)
            command = bubble.command(
                self.folder, self._permissions, self._root,
                filter_fd=source if calls else -1,
                proxy=self._proxy.path if self._proxy else None,
            )  # fmt: skip
            # bubblewrap dies with the thread that started it, so that one lasts.
            return _starter().submit(
                subprocess.Popen,
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                pass_fds=(source,), env={"PATH": os.environ.get("PATH", os.defpath)}, bufsize=0,
            ).result()  # fmt: skip
        finally:
            os.close(source)

    def _plain(self) -> subprocess.Popen[bytes]:
        """A process of its own without bounds, where the user consented to that."""
        import sys

        command = [sys.executable, "-B", "-m", "inwit.registry.sandbox.worker", str(self.folder)]
        return subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0, start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        if process is not None:
            # bubblewrap dies with its parent's word, and the whole process namespace with it.
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None


@cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def close_all() -> None:
    """End every worker of this process."""
    for worker in list(_workers):
        worker.close()


def _awaited(found: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await found

    # This thread may have a loop of its own, which is waiting for us.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, wait()).result()
