"""The pages of this version as the host serves them: /llms.txt and /docs/."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inwit.errors import UnknownRouteError
from inwit.introspection import error_pages, platform
from inwit.server import openapi

MARKDOWN = "text/markdown; charset=utf-8"
LLMS, PAGES = "/llms.txt", "/docs/{page:path}"
_ERRORS = "reference/errors/"
OTHERS = {
    LLMS: {"get": openapi.operation("What there is to read, for models.", "text/plain")},
    openapi.public_path(PAGES): {
        "get": openapi.operation("A page of the docs.", "text/markdown", path=PAGES)
    },
}
"""These routes in /openapi.json."""


def routes() -> list[Route]:
    """Make the routes."""
    return [Route(LLMS, _llms, methods=["GET"]), Route(PAGES, _page, methods=["GET"])]


async def _llms(request: Request) -> Response:
    text = await anyio.to_thread.run_sync(_served_llms)
    if not text:
        raise UnknownRouteError(request.url.path)
    return Response(text, media_type="text/plain; charset=utf-8")


async def _page(request: Request) -> Response:
    text = await anyio.to_thread.run_sync(_text_of, request.path_params["page"])
    if text is None:
        raise UnknownRouteError(request.url.path)
    return Response(text, media_type=MARKDOWN)


def _text_of(page: str) -> str | None:
    """A page by its path below docs/; those of errors are written when they are asked for."""
    cls = error_pages.classes().get(page.removeprefix(_ERRORS).removesuffix(".md"))
    if page.startswith(_ERRORS) and cls is not None:
        return error_pages.to_markdown(error_pages.page(cls))
    known = _known()
    return known[page].read_text(encoding="utf-8") if page in known else None


@cache
def _known() -> dict[str, Path]:
    """The pages that ship with this version: a path from outside is only ever looked up here."""
    folder = platform.docs_folder()
    if folder is None:
        return {}
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.md")}


@cache
def _served_llms() -> str:
    """llms.txt, less the lines that point at what a host does not serve."""
    folder = platform.docs_folder()
    places = [folder / "llms.txt", folder.parent / "llms.txt"] if folder is not None else []
    path = next((one for one in places if one.is_file()), None)
    if path is None:
        return ""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(one for one in lines if "](" not in one or "](docs/" in one)
