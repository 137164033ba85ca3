"""`inwit doctor`: whether everything that inwit needs is in order, and what mends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command, Failure

if TYPE_CHECKING:
    from inwit.runtime.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `fix` is empty when it is in order."""

    name: str
    found: str
    fix: str = ""
    is_fatal: bool = False


@click.command("doctor", cls=Command, example="inwit doctor --json")
def command(as_json: bool) -> None:
    """Check the project, the record, the encoder, the host and clients, and say what mends each."""
    from inwit.cli import render
    from inwit.runtime.project import Project

    project = Project.find()
    checks = [check for look in CHECKS for check in look(project)]
    if as_json:
        render.json({"checks": checks})
    else:
        rows = [(_word(check), check.name, check.found, check.fix) for check in checks]
        render.table(("", "CHECK", "FOUND", "FIX"), rows)
    if any(check.is_fatal for check in checks):
        raise Failure("Something is broken; the fixes are above.")


def _word(check: Check) -> str:
    return "broken" if check.is_fatal else "note" if check.fix else "ok"


def _python(_project: Project) -> Iterator[Check]:
    from importlib import metadata

    yield Check(
        name="inwit", found=f"{metadata.version('inwit')} on Python {sys.version.split()[0]}"
    )
    version = metadata.version("mcp")
    wrong = not version.startswith("2.")
    yield Check(
        name="mcp", found=version, is_fatal=wrong,
        fix="pip install 'mcp>=2.3,<3'; another package has changed it" if wrong else "",
    )  # fmt: skip


def _folder(project: Project) -> Iterator[Check]:
    folder = project.folder
    if project.is_off():
        yield Check(name="record", found="off", fix="unset INWIT_OFF to record executions")
    if not folder.exists():
        yield Check(
            name="folder", found=f"{folder}, not made yet", fix="compile or run a graph here"
        )
        return
    can_write = os.access(folder, os.W_OK)
    yield Check(
        name="folder", found=str(folder), is_fatal=not can_write,
        fix="" if can_write else f"chmod u+rwx {folder}",
    )  # fmt: skip
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        fix = f"chmod 700 {folder}; others can read the record"
        yield Check(name="folder's mode", found=f"{mode:o}", fix=fix)


def _record(project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.runtime.store import Store

    if not project.database.exists():
        return
    try:
        store = Store.of(project)
        graphs = len(store.graphs())
        total = store.executions(limit=1).total_count
        verdict = str(store.read("PRAGMA quick_check(1)")[0][0])
    except InwitError as exc:
        yield Check(name="record", found=exc.message, fix=exc.hint or exc.code, is_fatal=True)
        return
    log = project.database.with_name(f"{project.database.name}-wal")
    files = [one for one in (project.database, log) if one.exists()]
    size = sum(one.stat().st_size for one in files) / 1e6
    found = f"{graphs} graphs, {total:,} executions, {size:.1f} MB"
    wrong = verdict != "ok"
    fix = f"move {project.database} aside; a new record begins" if wrong else ""
    yield Check(name="record", found=verdict if wrong else found, fix=fix, is_fatal=wrong)


def _encoder(_project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.registry.encoder import default_encoder

    try:
        encoder = default_encoder()
    except InwitError as exc:
        yield Check(name="encoder", found=exc.message, fix=exc.hint)
        return
    if encoder is None:
        fix = "pip install 'inwit[semantic]'; until then words are matched, not meaning"
        yield Check(name="encoder", found="not installed", fix=fix)
    else:
        yield Check(name="encoder", found=f"{encoder.name}, {encoder.dimension} dimensions")


def _sandbox(_project: Project) -> Iterator[Check]:
    from inwit.registry.sandbox.bubble import is_available

    if is_available():
        yield Check(name="sandbox", found="bubblewrap")
    else:
        fix = "install bubblewrap; until then code of unverified packages is refused"
        yield Check(name="sandbox", found="none", fix=fix)


def _host(project: Project) -> Iterator[Check]:
    import httpx

    from inwit.server import hostfile

    host = hostfile.read(project)
    if host is None:
        yield Check(name="host", found="none runs", fix="inwit serve")
        return
    try:
        answer = httpx.get(f"{host.address}/healthz", timeout=2.0, trust_env=False)
    except httpx.HTTPError as exc:
        fix = f"inwit serve; the last one left {project.folder / hostfile.NAME}"
        yield Check(
            name="host", found=f"{host.address} does not answer: {type(exc).__name__}", fix=fix
        )
        return
    fix = "" if answer.is_success else "inwit serve; something else listens there"
    yield Check(name="host", found=f"{host.address} answers {answer.status_code}", fix=fix)


def _port(project: Project) -> Iterator[Check]:
    import socket

    from inwit.server import hostfile
    from inwit.server.lifecycle import PORT

    if hostfile.read(project) is not None:
        return
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", PORT))
        except OSError as exc:
            fix = "inwit serve --port 0 takes a free one"
            yield Check(name="port", found=f"{PORT} cannot be had: {exc.strerror}", fix=fix)
            return
    yield Check(name="port", found=f"{PORT} is free")


def _clients(project: Project) -> Iterator[Check]:
    from inwit.cli import clients

    known = 0
    for client in clients.CLIENTS:
        for is_user in (False, True):
            file = clients.file_of(client, project.root, is_user=is_user)
            is_twice = not is_user and clients.CLIENTS[client].project is None
            if is_twice or not file.exists():
                continue
            for name, wrong in clients.entries_of(client, file, project.root):
                known += 1
                again = f"inwit mcp install {client}{' --user' if is_user else ''} --name {name}"
                fix = f"{again}; {wrong}" if wrong else ""
                yield Check(name=client, found=f"{name!r} in {file}", fix=fix)
    if not known:
        fix = f"inwit mcp install CLIENT, of {', '.join(clients.CLIENTS)}"
        yield Check(name="clients", found="none knows of this project", fix=fix)


CHECKS: tuple[Callable[[Project], Iterator[Check]], ...] = (
    _python, _folder, _record, _encoder, _sandbox, _host, _port, _clients,
)  # fmt: skip
