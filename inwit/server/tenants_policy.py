"""Who may do what to which graph: grants of a file, judged by Cedar policies that deny by default.

`.inwit/tenants.toml` says which graphs are a project's of an organisation, and who has which role
where::

    [organisations.acme.projects.research]
    workflows = ["seeker", "acme-*"]

    [[grants]]
    to = "user:ada"               # user:…, service:…, group:… or organisation:… of a token
    role = "viewer"               # viewer, runner, editor or admin
    on = "organisation:acme"      # organisation:O, project:O/P or workflow:GRAPH
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from inwit.errors import HostError, MissingLibraryError, shorten
from inwit.server.auth import Caller

FILE: Final = "tenants.toml"
FOLDER: Final = "policies"
ROLES: Final = ("viewer", "runner", "editor", "admin")
"""Each has what the one before it has."""
_ATTRIBUTES: Final = {
    "viewers": "viewer",
    "runners": "runner",
    "editors": "editor",
    "admins": "admin",
}
_GRANTEES: Final = ("user", "service", "group", "organisation")
_PLAIN: Final = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"
_SCOPES: Final = ("organisation", "project", "workflow")

logger = logging.getLogger("inwit.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that somebody has somewhere."""

    to: str
    role: str
    on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a file says: the graphs of each project, in its order, and the grants."""

    projects: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    grants: tuple[Grant, ...] = ()

    def project_of(self, graph: str) -> tuple[str, str] | None:
        """The organisation and the project of a graph: the first whose pattern fits its name."""
        for organisation, project, patterns in self.projects:
            if any(fnmatchcase(graph, pattern) for pattern in patterns):
                return organisation, project
        return None


def read_holdings(path: Path) -> Holdings:
    """Read a file; where there is none, nobody has anything.

    Raises:
        HostError: It cannot be meant so.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Holdings()
    except (OSError, ValueError) as exc:
        raise HostError(f"{path} cannot be read: {exc}.", hint="It is TOML.") from exc
    try:
        projects = tuple(_projects(told.get("organisations", {})))
        grants = tuple(_grant(one) for one in told.get("grants", ()))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise HostError(f"{path} is wrong: {exc}.", hint="docs/security.md shows one.") from exc
    return Holdings(projects=projects, grants=grants)


def _projects(told: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for organisation, one in told.items():
        for project, fields in one.get("projects", {}).items():
            yield organisation, project, tuple(str(name) for name in fields["workflows"])


def _grant(told: Mapping[str, Any]) -> Grant:
    found = Grant(to=str(told["to"]), role=str(told["role"]), on=str(told["on"]))
    if found.role not in ROLES:
        raise ValueError(f"role is {shorten(found.role)}, one of {', '.join(ROLES)}")
    for value, kinds in ((found.to, _GRANTEES), (found.on, _SCOPES)):
        kind, _, name = value.partition(":")
        if kind not in kinds or not name:
            raise ValueError(f"{shorten(value)} is not {':…, '.join(kinds)}:…")
    return found


class Policies:
    """Judges what callers may do. Whatever goes wrong in judging is a no."""

    def __init__(self, folder: Path) -> None:
        try:
            import cedarpy
        except ImportError as exc:
            raise MissingLibraryError("Policies", "auth", "cedarpy") from exc
        self._cedar = cedarpy
        self._path = folder / FILE
        self._more = folder / FOLDER
        self._stamp: object = None
        self._holdings = Holdings()
        self._text = ""

    @property
    def stamp(self) -> object:
        """Another value after every change of the files."""
        return tuple(_stamp(path) for path in (self._path, *self._files()))

    def _files(self) -> list[Path]:
        return sorted(self._more.glob("*.cedar")) if self._more.is_dir() else []

    def check(self) -> Holdings:
        """Read the files, and give what they say.

        Raises:
            HostError: They cannot be meant so; until that is mended nobody sees anything.
        """
        self._load()
        return self._holdings

    def allowed(self, caller: Caller, action: str, graphs: Iterable[str]) -> frozenset[str]:
        """Those of the graphs to which a caller may do something."""
        try:
            self._load()
            return self._judged(caller, action, list(graphs))
        except HostError as error:
            logger.error("inwit: nobody sees anything: %s", error)  # noqa: TRY400 - it tells all
            return frozenset()

    def _load(self) -> None:
        stamp = self.stamp
        if stamp == self._stamp:
            return
        self._holdings = read_holdings(self._path)
        shipped = files("inwit.server").joinpath("policy.cedar").read_text(encoding="utf-8")
        try:
            own = [path.read_text(encoding="utf-8") for path in self._files()]
            self._text = "\n".join([shipped, *own])
            self._cedar.format_policies(self._text)
        except (OSError, ValueError) as exc:
            raise HostError(f"A policy in {self._more} cannot be read: {exc}.") from exc
        self._stamp = stamp

    def _judged(self, caller: Caller, action: str, graphs: Sequence[str]) -> frozenset[str]:
        principal = _principal(caller)
        entities = [*_people(caller, self._holdings, graphs), *_places(self._holdings, graphs)]
        requests = [
            {
                "principal": _uid(*principal),
                "action": _uid("Action", action),
                "resource": _uid("Workflow", graph),
                "context": {},
            }
            for graph in graphs
        ]
        if not requests:
            return frozenset()
        told = self._cedar.is_authorized_batch(requests, self._text, json.dumps(entities))
        return frozenset(
            graph
            for graph, one in zip(graphs, told, strict=True)
            if one.allowed and not one.diagnostics.errors
        )


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def _principal(caller: Caller) -> tuple[str, str]:
    kind, _, name = caller.id.partition(":")
    return ("Service" if kind == "service" else "User"), name or kind


def _people(caller: Caller, holdings: Holdings, graphs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The caller with its roles, and what each of them holds further down."""
    names = {caller.id, *(f"group:{group}" for group in caller.groups)}
    if caller.organisation:
        names.add(f"organisation:{caller.organisation}")
    held = {(one.role, one.on) for one in holdings.grants if one.to in names}
    parents = [*_role_ids(held), *(_reference("Group", name) for name in caller.groups)]
    kind, name = _principal(caller)
    yield _entity(kind, name, parents, {"organisation": caller.organisation})
    yield from (_entity("Group", group, []) for group in dict.fromkeys(caller.groups))
    pending, known = list(held), set(held)
    while pending:
        role, on = pending.pop()
        following = list(_held_by(role, on, holdings, graphs))
        yield _entity("Role", f"{role}@{on}", list(_role_ids(following)))
        fresh = [one for one in following if one not in known]
        known.update(fresh)
        pending += fresh


def _role_ids(held: Iterable[tuple[str, str]]) -> Iterator[dict[str, str]]:
    return (_reference("Role", f"{role}@{on}") for role, on in held)


def _held_by(
    role: str, on: str, holdings: Holdings, graphs: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """What a role holds as well: the one below it, and itself one level further down."""
    rank = ROLES.index(role)
    if rank:
        yield ROLES[rank - 1], on
    kind, _, name = on.partition(":")
    if kind == "organisation":
        for organisation, project, _ in holdings.projects:
            if organisation == name:
                yield role, f"project:{organisation}/{project}"
    elif kind == "project":
        for graph in graphs:
            if "/".join(holdings.project_of(graph) or ()) == name:
                yield role, f"workflow:{graph}"


def _places(holdings: Holdings, graphs: Sequence[str]) -> Iterator[dict[str, Any]]:
    organisations, projects = set(), set()
    for graph in graphs:
        found = holdings.project_of(graph)
        parents = []
        if found is not None:
            organisations.add(found[0])
            projects.add(found)
            parents = [_reference("Project", "/".join(found))]
        yield _place("Workflow", graph, f"workflow:{graph}", parents)
    for organisation, project in sorted(projects):
        name = f"{organisation}/{project}"
        parents = [_reference("Organisation", organisation)]
        yield _place("Project", name, f"project:{name}", parents)
    for organisation in sorted(organisations):
        yield _place("Organisation", organisation, f"organisation:{organisation}", [])


def _place(kind: str, name: str, on: str, parents: list[dict[str, str]]) -> dict[str, Any]:
    roles = {
        attribute: {"__entity": _reference("Role", f"{role}@{on}")}
        for attribute, role in _ATTRIBUTES.items()
    }
    return _entity(kind, name, parents, roles)


def _entity(
    kind: str, name: str, parents: list[dict[str, str]], attrs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"uid": _reference(kind, name), "attrs": dict(attrs or {}), "parents": parents}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": _id(name)}


def _uid(kind: str, name: str) -> str:
    """An entity's name as a request gives it."""
    return f'{kind}::"{_id(name)}"'


def _id(name: str) -> str:
    """A name as policies write it: what is no plain ASCII, a quote or a backslash as %XX."""
    return quote(name.encode("utf-8", "backslashreplace"), safe=_PLAIN)
