"""The command that puts a package's process under bubblewrap, and the filter of system calls."""

from __future__ import annotations

import platform
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import inwit
from inwit.errors import SandboxError
from inwit.registry.package import Permissions

PROGRAM = "bwrap"


@cache
def is_available() -> bool:
    """Whether bubblewrap is here and may make what it needs."""
    import subprocess

    program = shutil.which(PROGRAM)
    if program is None:
        return False
    command = [program, "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def command(
    folder: Path, permissions: Permissions, root: Path, *, filter_fd: int, proxy: Path | None
) -> list[str]:
    """What starts a worker for the package in `folder`; paths it may reach are below `root`.

    Raises:
        SandboxError: A permission is so wide that nothing would be kept from the package.
    """
    python = [sys.executable, "-I", "-B", "-m", "inwit.registry.sandbox.worker", str(folder)]
    given = ["--seccomp", str(filter_fd)] if filter_fd >= 0 else []
    return [
        PROGRAM, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--hostname", "sandbox", "--clearenv", *_environment(permissions, proxy),
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/tmp/home",  # noqa: S108
        *_system(), *_binds("--ro-bind", (str(folder),)),
        *_binds("--ro-bind", _reached(permissions.read, root)),
        *_binds("--bind", _reached(permissions.write, root)),
        *(["--ro-bind", str(proxy), PROXY] if proxy is not None else []),
        "--remount-ro", "/",
        *given, "--chdir", str(folder), "--", *python,
    ]  # fmt: skip


PROXY = "/tmp/proxy.sock"  # noqa: S108 - within the sandbox
PROXY_PORT = 18080


def _environment(permissions: Permissions, proxy: Path | None) -> Iterator[str]:
    import os

    given = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp/home", "LANG": "C.UTF-8",  # noqa: S108
        "INWIT_OFF": "1", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    given |= {name: os.environ[name] for name in permissions.environment if name in os.environ}
    if proxy is not None:
        url = f"http://127.0.0.1:{PROXY_PORT}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        given |= dict.fromkeys(names, url)
    for name, value in given.items():
        yield from ("--setenv", name, value)


def _system() -> Iterator[str]:
    """Python and the system's libraries, to be read; nothing else of the system."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
    for name in ("/etc/ld.so.cache", "/etc/ssl/certs", "/etc/localtime"):
        yield from ("--ro-bind-try", name, name)
    own = str(Path(inwit.__file__).parent)
    places = [sys.prefix, sys.base_prefix, own]
    seen = {place for place in places if not place.startswith("/usr/")}
    yield from _binds("--ro-bind", sorted(seen))


def _binds(option: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield from (option, path, path)


def _reached(paths: Iterable[str], root: Path) -> Iterator[str]:
    home = Path.home().resolve()
    for text in paths:
        path = (root / Path(text).expanduser()).resolve()
        if path in {Path("/"), home, root.resolve(), *home.parents} or ".inwit" in path.parts:
            hint = "Its permission would leave nothing to keep from it."
            raise SandboxError(f"A package may not reach {text!r} as a whole.", hint=hint)
        if path.exists():
            yield str(path)


# Numbers of system calls that are refused, by machine: those that trace, mount, load or share.
_REFUSED = {
    "x86_64": (101, 165, 166, 272, 308, 248, 249, 250, 321, 323, 298, 310, 311, 425, 426, 427),
    "aarch64": (117, 40, 39, 97, 268, 217, 218, 219, 280, 282, 241, 270, 271, 425, 426, 427),
}
_FORKS = {"x86_64": (57, 58), "aarch64": ()}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_CLONE_THREAD = 0x00010000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def call_filter(*, may_fork: bool) -> bytes | None:
    """The filter of system calls as the kernel reads it; None for a machine it is not known for.

    Without the permission to start programs a package cannot fork; threads can be made.
    """
    machine = platform.machine()
    if machine not in _ARCH:
        return None
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCH[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0),
    ]  # fmt: skip
    if machine == "x86_64":  # the calls of its other ABI have other numbers
        lines += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _EPERM)]
    for number in _REFUSED[machine] + (() if may_fork else _FORKS[machine]):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    if not may_fork:
        # Its flags are in memory, where no filter sees them; C libraries then use the old one.
        lines += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
        lines += [
            (_EQUAL, 0, 3, _CLONE[machine]), (_LOAD, 0, 0, 16),
            (_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _EPERM),
        ]  # fmt: skip
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
