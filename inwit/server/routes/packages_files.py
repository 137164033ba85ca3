"""The registry's files: archives, signed metadata, and an index that can be mirrored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inwit.errors import UnknownPackageError, UnknownRouteError
from inwit.registry.peers_source import installed_archive
from inwit.registry.store_blobs import checked_name
from inwit.registry.store_releases import Published
from inwit.registry.trust_repository import METADATA, TARGETS
from inwit.server import openapi
from inwit.server.host import Host
from inwit.server.routes.packages import API, archive_url, digest

GZIP, JSON = "application/gzip", "application/json"
SIMPLE = "application/vnd.inwit.simple.v1+json"
FOREVER = "public, max-age=31536000, immutable"
"""For what is named by its content."""
NOW = "no-cache"

Give = Callable[[Host, Request], tuple[bytes, str, str]]
"""Gives a body, its media type, and how long it may be kept."""


def _archive(host: Host, request: Request) -> tuple[bytes, str, str]:
    wanted = digest(request.path_params["hash"])
    try:
        return host.registry.content(wanted), GZIP, FOREVER
    except UnknownPackageError:
        found = installed_archive(host.project, wanted)
        if found is None:
            raise
        return found, GZIP, FOREVER


def _metadata(host: Host, request: Request) -> tuple[bytes, str, str]:
    name = checked_name(request.path_params["name"])
    if name == "timestamp.json":
        host.registry.keep_fresh()
    is_fixed = name[:1].isdigit()
    return _file(host, METADATA + name, request), JSON, FOREVER if is_fixed else NOW


def _target(host: Host, request: Request) -> tuple[bytes, str, str]:
    path = checked_name(request.path_params["path"])
    content = _file(host, TARGETS + path, request)
    name = path.rpartition("/")[2]
    if name.endswith(".tar.gz"):
        host.registry.releases.count_install(name.partition(".")[0])
        return content, GZIP, FOREVER
    return content, JSON, FOREVER


def _file(host: Host, name: str, request: Request) -> bytes:
    found = host.registry.blobs.get(name)
    if found is None:
        raise UnknownRouteError(request.url.path)
    return found


def _projects(host: Host, _request: Request) -> tuple[bytes, str, str]:
    listed = [{"name": name} for name in host.registry.releases.ids()]
    return _index({"projects": listed}), SIMPLE, NOW


def _project(host: Host, request: Request) -> tuple[bytes, str, str]:
    name = f"{request.path_params['namespace']}/{request.path_params['name']}"
    found = host.registry.releases.of(name)
    if not found:
        raise UnknownPackageError(name, host.registry.releases.ids())
    versions = [one.version for one in reversed(found)]
    files = [_listed(one) for one in reversed(found)]
    return _index({"name": name, "versions": versions, "files": files}), SIMPLE, NOW


def _listed(one: Published) -> dict[str, Any]:
    return {
        "filename": one.path.rpartition("/")[2],
        "url": archive_url(one),
        "hashes": {"sha256": one.digest},
        "size": one.size_bytes,
        "upload-time": one.published_at,
        "yanked": False if one.yanked_at is None else one.yanked_why or True,
        "requires-inwit": one.manifest["package"].get("inwit") or None,
    }


def _index(said: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"meta": {"api-version": "1.1"}, **said})


async def _serve(give: Give, host: Host, request: Request) -> Response:
    content, media_type, kept = await anyio.to_thread.run_sync(give, host, request)
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": kept}
    known = [
        one.strip().removeprefix("W/")
        for one in request.headers.get("if-none-match", "").split(",")
    ]
    if etag in known or known == ["*"]:
        return Response(None, 304, headers)
    return Response(content, 200, headers, media_type)


_FILES: tuple[tuple[str, Give, str, str], ...] = (
    (f"{API}/packages/{{hash}}/archive", _archive, GZIP, "The archive of a release."),
    (f"{API}/tuf/metadata/{{name}}", _metadata, JSON, "Signed metadata (TUF)."),
    (f"{API}/tuf/targets/{{path:path}}", _target, JSON, "What the metadata vouches for (TUF)."),
    (f"{API}/simple/", _projects, SIMPLE, "The names of all packages, as PEP 691 lists them."),
    (f"{API}/simple/{{namespace}}/{{name}}/", _project, SIMPLE, "The files of one package."),
)
OTHERS = {
    openapi.public_path(path): {"get": openapi.operation(summary, media_type, path=path)}
    for path, _, media_type, summary in _FILES
}
"""These routes in /openapi.json."""


def routes(host: Host) -> list[Route]:
    """Make the routes."""
    return [Route(path, partial(_serve, give, host), methods=["GET"]) for path, give, *_ in _FILES]
