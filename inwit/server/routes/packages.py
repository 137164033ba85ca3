"""The registry: packages are published, found, proved and told of; `packages_files` gives them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import msgspec

from inwit.errors import (
    ForbiddenError,
    MalformedIdError,
    MalformedInputError,
    UnauthorizedError,
    shorten,
)
from inwit.introspection.platform import installed_version
from inwit.registry.package import KINDS
from inwit.registry.serve import Registry
from inwit.registry.serve_search import Wanted, checked
from inwit.registry.serve_tokens import Caller
from inwit.registry.store_releases import Published
from inwit.registry.trust_keys import PublicKey, ring_json
from inwit.server.asked import LIST_LIMIT, Asked
from inwit.server.auth import ANONYMOUS, current
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import INTEGER, OBJECT, STRING, array, maybe, record

API = "/api/v1"
SEARCHED = 20
BATCH = 100
BATCH_BYTES = 16 << 20
"""Bytes of archives that one answer holds at most."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
Answer = Callable[[Host, Asked], dict[str, Any]]


def caller() -> Caller:
    """Who asks, as the registry knows it."""
    found = current(ANONYMOUS)
    return Caller(name=found.id if found.is_known else "", scopes=tuple(sorted(found.scopes)))


def writer(host: Host) -> Caller:
    """Who asks, of a host that may write; what for they may is for the registry to check.

    Raises:
        ForbiddenError: The host only answers.
    """
    if not host.offers.allow_write:
        raise ForbiddenError(
            "This host only answers: it takes no packages and contributions.",
            hint="Start it with --allow-write, or serve a registry: `inwit registry serve`.",
        )
    return caller()


def digest(value: object) -> str:
    """Return what can be the hash of an archive.

    Raises:
        MalformedIdError: It is none.
    """
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise MalformedIdError("hash", str(value))
    return value


def _publish(host: Host, asked: Asked) -> dict[str, Any]:
    publisher = writer(host)
    if not publisher.name:
        raise UnauthorizedError
    content = _bytes(asked, "content_base64")
    envelope = asked.body.get("envelope") or ""
    if not isinstance(envelope, str):
        raise MalformedInputError("The envelope is no text.", hint="Send the DSSE envelope's JSON.")
    host.registry.initialise()
    key = _key(asked.body.get("key"))
    receipt = host.registry.publish(content, envelope.encode(), publisher, key=key)
    return {
        "package": receipt.release.to_json(),
        "is_new": receipt.is_new,
        "warnings": list(receipt.warnings),
        "lookalikes": list(receipt.lookalikes),
    }


def _list(host: Host, asked: Asked) -> dict[str, Any]:
    kind = asked.choice("kind", KINDS)
    found = [one.to_json() for one in host.registry.releases.latest(kind=kind)]
    return {"packages": found, "total_count": len(found)}


def _one(host: Host, asked: Asked) -> dict[str, Any]:
    one = host.registry.releases.by_digest(digest(asked.path["hash"]))
    warned = [msgspec.to_builtins(each) for each in host.registry.releases.advisories(one.id)]
    return {**one.to_json(), "archive": archive_url(one), "advisories": warned}


def _yank(host: Host, asked: Asked) -> dict[str, Any]:
    why = asked.text("why") or "withdrawn by its publisher"
    return host.registry.yank(digest(asked.path["hash"]), why, writer(host)).to_json()


def _advise(host: Host, asked: Asked) -> dict[str, Any]:
    fields = ("package", "affected", "severity", "summary")
    given = {name: asked.body.get(name) for name in fields}
    if not all(isinstance(value, str) and value for value in given.values()):
        raise MalformedInputError("The advisory is not whole.", hint=f"Give {', '.join(fields)}.")
    made = host.registry.advise(**{k: str(v) for k, v in given.items()}, caller=writer(host))
    shown: dict[str, Any] = msgspec.to_builtins(made)
    return shown


def _advisories(host: Host, _asked: Asked) -> dict[str, Any]:
    found = [msgspec.to_builtins(one) for one in host.registry.releases.advisories()]
    return {"advisories": found, "total_count": len(found)}


# Finding


def _search(how: str) -> Answer:
    def answer(host: Host, asked: Asked) -> dict[str, Any]:
        query = asked.body.get("query", asked.body.get("capability", asked.query.get("q")))
        if not isinstance(query, str) or not query.strip() or len(query) > 2000:
            raise MalformedInputError(f"The query is {shorten(query)}.", hint="Give a text.")
        find = getattr(host.registry_search, how)
        found = find(query, wanted=_wanted(asked), limit=_limit(asked))
        return {"results": found, "total_count": len(found), "source": "registry"}

    return answer


def _wanted(asked: Asked) -> Wanted:
    return checked(
        Wanted(
            kind=asked.choice("kind", KINDS),
            trust=asked.text("trust"),
            licence=asked.text("licence"),
            version=asked.text("version"),
        )
    )


def _limit(asked: Asked) -> int:
    given = asked.body.get("limit", asked.number("limit", SEARCHED, low=1, high=LIST_LIMIT))
    if not isinstance(given, int) or not 1 <= given <= LIST_LIMIT:
        raise MalformedInputError(f"limit is {shorten(given)}.", hint=f"1 to {LIST_LIMIT}.")
    return given


# Trust


def _verify(host: Host, asked: Asked) -> dict[str, Any]:
    if "hash" in asked.body:
        verdict = host.registry.verify(digest(asked.body["hash"]))
    else:
        envelope = str(asked.body.get("envelope") or "").encode()
        verdict = host.registry.check(_bytes(asked, "content_base64"), envelope)
    shown: dict[str, Any] = msgspec.to_builtins(verdict)
    return {**shown, "is_valid": not verdict.faults and verdict.is_signed}


def _keys(host: Host, _asked: Asked) -> dict[str, Any]:
    registry = host.registry
    return {
        **ring_json(registry.ring()),
        "fingerprint": registry.trust.fingerprint() if registry.exists else None,
    }


def _lineage(host: Host, asked: Asked) -> dict[str, Any]:
    return host.registry.lineage(digest(asked.path["hash"]))


# Many at once


def _resolve(host: Host, asked: Asked) -> dict[str, Any]:
    return _resolved(host.registry, asked.body.get("requirements"))


def _batch_resolve(host: Host, asked: Asked) -> dict[str, Any]:
    listed = _items(asked, "requests")
    return {"results": [_resolved_or_not(host.registry, one) for one in listed]}


def _batch_download(host: Host, asked: Asked) -> dict[str, Any]:
    left, found = BATCH_BYTES, []
    for one in [host.registry.releases.by_digest(digest(one)) for one in _items(asked, "hashes")]:
        shown = {
            "id": one.id,
            "version": one.version,
            "hash": one.digest,
            "archive": archive_url(one),
        }
        if one.size_bytes <= left:
            left -= one.size_bytes
            content = host.registry.content(one.digest)
            shown["content_base64"] = base64.b64encode(content).decode()
        found.append(shown)
    return {"packages": found, "total_count": len(found)}


def _resolved(registry: Registry, requirements: object) -> dict[str, Any]:
    from inwit.registry.serve_resolve import resolve

    if not isinstance(requirements, list) or not all(isinstance(one, str) for one in requirements):
        raise MalformedInputError("There are no requirements.", hint='Send ["acme/rag>=1"].')
    if not 1 <= len(requirements) <= BATCH:
        raise MalformedInputError("There are too few or too many.", hint=f"Send 1 to {BATCH}.")
    return resolve(registry, requirements, installed_version())


def _resolved_or_not(registry: Registry, one: object) -> dict[str, Any]:
    from inwit.errors import InwitError
    from inwit.server.problems import describe

    try:
        return _resolved(registry, one.get("requirements") if isinstance(one, dict) else None)
    except InwitError as exc:
        return {"problem": describe(exc)}


def _items(asked: Asked, name: str) -> list[Any]:
    found = asked.body.get(name)
    if not isinstance(found, list) or not 1 <= len(found) <= BATCH:
        raise MalformedInputError(f"{name} is no list.", hint=f"Send 1 to {BATCH} of them.")
    return found


def archive_url(one: Published) -> str:
    """Where the archive of a release is."""
    return f"{API}/packages/{one.digest}/archive"


def _bytes(asked: Asked, name: str) -> bytes:
    try:
        return base64.b64decode(asked.body.get(name) or "", validate=True)
    except (binascii.Error, TypeError, ValueError) as exc:
        raise MalformedInputError(
            f"{name} is no base64.", hint="Send the archive's bytes so."
        ) from exc


def _key(given: object) -> PublicKey | None:
    try:
        return None if given is None else msgspec.convert(given, PublicKey)
    except msgspec.ValidationError as exc:
        raise MalformedInputError(
            f"The key: {exc}.", hint="Send id, public, owner and times."
        ) from exc


PACKAGE = {
    "id": STRING,
    "version": STRING,
    "hash": STRING,
    "level": STRING,
    "yanked": maybe(STRING),
}
FOUND = {"results": array(OBJECT), "total_count": INTEGER, "source": STRING}
_FILTERS = {"kind": STRING, "trust": STRING, "licence": STRING, "version": STRING, "limit": INTEGER}


def _post(path: str, summary: str, answer: Answer, fields: Any, takes: Any) -> Endpoint:
    return Endpoint(
        path=API + path, summary=summary, answer=answer, fields=fields, method="POST", takes=takes
    )


def _get(path: str, summary: str, answer: Answer, fields: Any, **more: Any) -> Endpoint:
    return Endpoint(path=API + path, summary=summary, answer=answer, fields=fields, **more)


ENDPOINTS = (
    _post(
        "/packages",
        "Publish a package that its publisher signed.",
        _publish,
        {"package": OBJECT, "is_new": {"type": "boolean"}, "warnings": array(STRING)},
        record({"content_base64": STRING, "envelope": STRING}, {"key": OBJECT}),
    ),
    _get(
        "/packages",
        "The newest release of each package.",
        _list,
        {"packages": array(OBJECT), "total_count": INTEGER},
        query=("kind",),
        listed="packages",
    ),
    _post(
        "/packages/resolve",
        "Choose versions that fit requirements and each other.",
        _resolve,
        {"packages": array(OBJECT)},
        record({"requirements": array(STRING)}),
    ),
    _get("/packages/{hash}", "One release.", _one, {**PACKAGE, "archive": STRING}),
    _get(
        "/packages/{hash}",
        "Yank a release: nobody should take it anew.",
        _yank,
        PACKAGE,
        method="DELETE",
        query=("why",),
    ),
    _post(
        "/advisories",
        "Warn of versions of a package.",
        _advise,
        {"id": STRING, "package": STRING, "affected": STRING, "severity": STRING},
        record({"package": STRING, "affected": STRING, "severity": STRING, "summary": STRING}),
    ),
    _get(
        "/advisories",
        "All warnings.",
        _advisories,
        {"advisories": array(OBJECT), "total_count": INTEGER},
        listed="advisories",
    ),
    _post(
        "/search",
        "Find packages by names, words, meaning and use.",
        _search("search"),
        FOUND,
        record({"query": STRING}, _FILTERS),
    ),
    _post(
        "/search/semantic",
        "Find packages by meaning alone.",
        _search("semantic"),
        FOUND,
        record({"query": STRING}, _FILTERS),
    ),
    _get(
        "/search/keyword",
        "Find packages by words alone.",
        _search("keyword"),
        FOUND,
        query=("q", "kind", "trust", "licence", "limit"),
    ),
    _post(
        "/search/capability",
        "Find the packages that provide a capability.",
        _search("capability"),
        FOUND,
        record({"capability": STRING}, _FILTERS),
    ),
    _post(
        "/trust/verify",
        "Check the signatures of a release, or of an archive and its envelope.",
        _verify,
        {"is_valid": {"type": "boolean"}, "level": STRING, "faults": array(STRING)},
        record({}, {"hash": STRING, "content_base64": STRING, "envelope": STRING}),
    ),
    _get(
        "/trust/keys",
        "Whose keys count for what.",
        _keys,
        {"keys": OBJECT, "namespaces": OBJECT, "fingerprint": maybe(STRING)},
    ),
    _get(
        "/trust/lineage/{hash}",
        "What a release was built from, and by whom.",
        _lineage,
        {"id": STRING, "lineage": OBJECT, "provenance": OBJECT},
    ),
    _post(
        "/batch/resolve",
        "Resolve several sets of requirements.",
        _batch_resolve,
        {"results": array(OBJECT)},
        record({"requests": array(OBJECT)}),
    ),
    _post(
        "/batch/download",
        "Several archives at once; what is too large is named by its address.",
        _batch_download,
        {"packages": array(OBJECT), "total_count": INTEGER},
        record({"hashes": array(STRING)}),
    ),
)
