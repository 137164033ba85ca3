"""Search: packages, and on the live level executions and nodes; nothing is ever invented."""

from __future__ import annotations

import re
from typing import Any

from inwit.introspection import finding, network
from inwit.introspection.claims import Draft, Ref, count, listed, platform_uri, short
from inwit.introspection.scene import Scene

SHOWN = 8
_PUBLISHED = r"who (?:published|wrote|made|makes|maintains|owns|created|is behind)|author|publisher|maintainer|published by|written by"
_VERSION = r"version|newest|latest|newer|release|update"
_POPULAR = r"popular|downloads?|downloaded|most used|top\b|stars"
_FILLER = re.compile(
    r"\b(?:what|which|are|is|there|any|a|an|the|find|me|search|look|looking|for|in|registry|packages?"
    r"|pkg|exist|exists|offer|offers|have|has|got|something|need|that|can|does|do|you|i|know|of|list"
    r"|show|available|please|modules?|library|libraries|recommend|to|with|about|some|anybody|publish)\b"
)


def answer(scene: Scene) -> Draft:
    """Find packages, or on the live level what is on record."""
    if scene.query.level != "network":
        return _recorded(scene)
    if scene.says(_PUBLISHED):
        return _publisher(scene)
    if scene.says(_VERSION) and (scene.named("package") or scene.last_package):
        return _versions(scene)
    return _packages(scene)


def _recorded(scene: Scene) -> Draft:
    draft = Draft(data={"results": []})
    hits = finding.find(scene.store, scene.project, scene.words, limit=SHOWN)
    draft.data["results"] = [
        {"uri": hit.uri, "title": hit.title, "kind": hit.kind, "score": hit.score} for hit in hits
    ]
    if not hits:
        draft.say("Nothing on record fits that.", platform_uri("project"))
    for hit in hits:
        draft.say(
            f"{hit.title} ({hit.kind}): {short(hit.text, 160)}", Ref(uri=hit.uri, why=hit.why)
        )
    return draft


def _packages(scene: Scene) -> Draft:
    draft = Draft(data={"results": []})
    query = _FILLER.sub(" ", scene.words)
    query = " ".join(re.sub(r"[?!.:]", " ", query).split())
    found = network.packages(scene.project, query or None, limit=SHOWN)["packages"]
    draft.data |= {"results": found, "query": query, "source": "this project"}
    if not found:
        known = network.package_ids(scene.project)
        draft.say(
            f"No package that this project can see fits {short(query, 80)!r}, of "
            f"{count(len(known), 'package')}.",
            platform_uri("project"),
        )
        return draft
    scene.note_package(str(found[0]["id"]))
    draft.say(
        f"{count(len(found), 'package')} {'fits' if len(found) == 1 else 'fit'}: "
        f"{listed(str(one['id']) for one in found)}.",
        *(Ref(uri=str(one["uri"]), why=str(one.get("why", ""))) for one in found),
    )
    for one in found[:3]:
        draft.say(
            f"{one['id']} {one['version']}: {short(one['description'], 200)}", str(one["uri"])
        )
    if scene.says(_POPULAR):
        draft.admit("How often a package is downloaded is not known here.")
    draft.certainty = min(1.0, float(found[0].get("score", 1.0))) if query else 1.0
    return draft


def _meant(scene: Scene) -> tuple[dict[str, Any] | None, str]:
    """The package that the question names, or the last one that was, and how it was found."""
    named = scene.named("package")
    if named:
        found = next((one for one in network.packages(scene.project, limit=10_000)["packages"]
                      if named[0] in (one["id"], one["name"])), None)  # fmt: skip
        return found, "named in the question"
    if re.search(r"\b(?:it|that|this|them|the package)\b", scene.words) and scene.last_package:
        return network.package(scene.project, scene.last_package), "the last one that was named"
    query = re.sub(_PUBLISHED, " ", _FILLER.sub(" ", scene.words))
    hits = (
        network.packages(scene.project, query, limit=1)["packages"] if query.strip(" ?!.") else []
    )
    return (hits[0] if hits else None), "the nearest to the question"


def _publisher(scene: Scene) -> Draft:
    draft = Draft(data={"results": []})
    found, how = _meant(scene)
    if found is None:
        draft.admit("Which package is meant is not said, and none has been named before.")
        ids = network.package_ids(scene.project)
        draft.say(f"Known are {listed(ids) or 'none'}.", platform_uri("project"))
        return draft
    scene.note_package(str(found["id"]))
    authors = [str(one) for one in found["authors"]]
    draft.data |= {"results": [found], "authors": authors, "package": found["id"]}
    who = f"was published by {listed(authors)}" if authors else "names no author"
    draft.say(
        f"{found['id']} {found['version']} ({how}) {who}; its licence is {found['licence'] or 'unknown'}.",
        Ref(uri=str(found["uri"]), why="its manifest"),
    )
    return draft


def _versions(scene: Scene) -> Draft:
    draft = Draft(data={"results": []})
    found, how = _meant(scene)
    if found is None:
        draft.say("No package of that name is known here.", platform_uri("project"))
        return draft
    scene.note_package(str(found["id"]))
    draft.data |= {"results": [found], "version": found["version"]}
    draft.say(
        f"{found['id']} ({how}) is here in version {found['version']}; this version of inwit asks no "
        f"registry for newer ones.",
        str(found["uri"]),
    )
    return draft
