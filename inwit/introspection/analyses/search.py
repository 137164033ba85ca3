"""Search: packages, and on the live level executions and nodes; nothing is ever invented."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from inwit.events import Status
from inwit.introspection import finding, network, platform, quotes
from inwit.introspection.analyses import planned
from inwit.introspection.claims import Draft, Ref, count, listed, platform_uri, quoted, short
from inwit.introspection.feature_names import features_in, is_there
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import Said, thread_of, with_value

SHOWN = 8
_PUBLISHED = r"who (?:published|publish(?:es)?|wrote|made|makes|maintains|owns|created|is behind)|author|publisher|maintainer|published by|written by"
_VERSION = r"version|newest|latest|newer|release|update"
_POPULAR = r"popular|downloads?|downloaded|most used|top\b|stars"
_RUNS = r"executions?\b|runs?\b|traces?\b|invocations?\b"
_ENDED: tuple[tuple[str, Status], ...] = (
    (r"failed|failing|that fail|crashed|broken|errored", "failed"),
    (r"cancel", "cancelled"),
    (r"completed|successful|succeeded|finished", "completed"),
    (r"running|active|ongoing", "running"),
)
_OF_KIND: tuple[tuple[str, str], ...] = (
    (r"tool[- ]?packs?\b", "tool-pack"),
    (r"graph[- ]templates?\b", "graph-template"),
    (r"node[- ]librar(?:y|ies)\b", "node-library"),
    (r"prompt[- ]librar(?:y|ies)\b", "prompt-library"),
)
FITS = 0.2
"""The score from which on a package fits a query, and is not only the nearest to it."""
EVERY = 100
"""Packages that are listed where none is searched for."""
_NO_CONTENT = re.compile(
    r"\b(?:executions?|runs?|traces?|invocations?|fail(?:ed|ing|s)?|crashed|broken|errored|running"
    r"|active|ongoing|cancell?ed|completed|successful|succeeded|finished|where|whose|which|contain"
    r"|contains|containing|mention|mentions|mentioning|error|errors|input|output|text|word|words"
    r"|all|on|from|by|at|was|were|had|this|my|and|or|like|give|ones?|every)\b"
)
_SOUGHT = re.compile(r"[\w.@-]{2,}")
_DESCRIBED = r"licen[cs]e|provid|requir|contain|depend|what is in|do(?:es)?\b|describe|details?"
_SINGLE = re.compile(r"\b(?:it|the [\w-]+ (?:package|template|pack|library))\b")
PACKAGE_ID = re.compile(r"(?<![\w/.:])([a-z0-9][\w-]*/[a-z0-9][\w-]*)(?![\w/])")
_FILLER = re.compile(
    r"\b(?:how many|number of|count of|what|which|are|is|there|any|a|an|the|find|me|search|look|looking|for|in|registry|packages?"
    r"|pkg|exist|exists|offer|offers|have|has|got|something|need|that|can|does|do|you|i|know|of|list"
    r"|show|all|every|everything|see|there|available|please|modules?|library|libraries|recommend|to|with|about|some|anybody|publish)\b"
)


def answer(scene: Scene) -> Draft:
    """Find packages, or on the live level what is on record."""
    if scene.query.level == "live" and scene.says(planned.ASKED):
        return planned.answer(scene)
    if scene.query.level in ("live", "app"):
        return _executions(scene) if scene.says(_RUNS) else _recorded(scene)
    if scene.says(_PUBLISHED):
        return _publisher(scene)
    if scene.says(_VERSION) and (scene.named("package") or scene.last_package):
        return _versions(scene)
    names_one = scene.named("package") or PACKAGE_ID.search(scene.words)
    if names_one or (scene.says(_DESCRIBED) and _SINGLE.search(scene.words)):
        return _described(scene)
    return _packages(scene)


def _executions(scene: Scene) -> Draft:
    """Find executions by the words of their errors, inputs and outputs, or by how they ended."""
    draft = Draft(data={"results": []})
    # How they ended is linked as the executions that are meant, and so among the plain words no more.
    status = next((name for said, name in _ENDED if re.search(rf"\b(?:{said})", scene.words)), None)
    query = " ".join(_SOUGHT.findall(_FILLER.sub(" ", _NO_CONTENT.sub(" ", scene.words))))
    valued = with_value(scene)
    if valued is not None:
        return _valued(scene, draft, valued, status)
    found = finding.executions(
        scene.store, query, SHOWN, graph=scene.scope, status=status, thread_id=thread_of(scene)
    )
    draft.data |= {"query": query, "status": status}
    draft.data["results"] = [
        {"uri": hit.uri, "title": hit.title, "kind": hit.kind, "score": hit.score} for hit in found
    ]
    said = f" {status}" if status else ""
    about = f" with {short(query, 80)!r}" if query else ""
    uri = scene.graph_uri("executions") or platform_uri("project")
    if not found:
        draft.say(f"No{said} execution{about} is on record.", uri)
        return draft
    more = " or more" if len(found) == SHOWN else ""
    fit = "fits" if len(found) == 1 else "fit"
    draft.say(f"{count(len(found), f'{said} execution'.strip())}{more} {fit}{about}.", uri)
    for hit in found:
        draft.say(f"{short(hit.text, 240)} ({hit.why}).", Ref(uri=hit.uri, why=hit.why))
    return draft


def _valued(scene: Scene, draft: Draft, said: Said, status: Status | None) -> Draft:
    """List the executions that were called with a value."""
    page = scene.store.executions(
        graph=scene.scope, status=status, thread_id=thread_of(scene), limit=HISTORY
    )
    mine = [one for one in page.items if said.holds(one)]
    draft.data |= {"query": said.words, "status": status}
    draft.data["results"] = [
        {
            "uri": one.uri,
            "title": f"execution {one.execution_id}",
            "kind": "execution",
            "score": 1.0,
        }
        for one in mine
    ]
    ones = f" {status} ones" if status else ""
    draft.say(
        f"{count(len(mine), 'execution')} of the last {len(page.items)}{ones} "
        f"{'was' if len(mine) == 1 else 'were'} called with {said.words}.",
        scene.graph_uri("executions") or platform_uri("project"),
    )
    for one in mine[:SHOWN]:
        draft.say(f"{short(quotes.execution(one), 240)}.", Ref(uri=one.uri, why="called with it"))
    return draft


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
    kind = next((kind for said, kind in _OF_KIND if scene.says(said)), None)
    if kind is not None:
        query = " ".join(re.sub("|".join(said for said, _ in _OF_KIND), " ", query).split())
    page = network.packages(scene.project, query or None, kind, SHOWN if query else EVERY)
    found = page["packages"]
    draft.data |= {"results": found, "query": query, "source": "this project"}
    for name in features_in(scene.query.part or scene.query.text):
        if not is_there(name):
            about = platform.entry("features", name) or {}
            draft.say(
                f"This version of inwit has no {name.replace('-', ' ')}: {about['description']}",
                platform_uri("features", name),
            )
    if not found:
        known = network.package_ids(scene.project)
        draft.say(
            f"No package that this project can see fits {short(query, 80)!r}, of "
            f"{count(len(known), 'package')}.",
            platform_uri("project"),
        )
        if not scene.says(r"packages?\b|pkg|registry|template|librar"):
            for hit in finding.executions(scene.store, query, 3):
                draft.say(f"On record is {short(hit.text, 240)}.", Ref(uri=hit.uri, why=hit.why))
        return draft
    scene.note_package(str(found[0]["id"]))
    if query and float(found[0].get("score", 1.0)) < FITS:
        return _nearest(draft, query, found)
    draft.say(
        f"{count(len(found), 'package')} {'fits' if len(found) == 1 else 'fit'}: "
        f"{listed(str(one['id']) for one in found)}.",
        *(Ref(uri=str(one["uri"]), why=str(one.get("why", ""))) for one in found),
    )
    for one in found[:3]:
        draft.say(
            f"{one['id']} {one['version']}: {quoted(one['description'], 200)}", str(one["uri"])
        )
    if scene.says(_POPULAR):
        draft.admit("How often a package is downloaded is not known here.")
    draft.certainty = min(1.0, float(found[0].get("score", 1.0))) if query else 1.0
    return draft


def _nearest(draft: Draft, query: str, found: list[dict[str, Any]]) -> Draft:
    """Say that nothing fits, and what is least far from it."""
    first = found[0]
    draft.say(
        f"No package that this project can see fits {short(query, 80)!r}; the nearest is "
        f"{first['id']}: {quoted(first['description'], 200)}",
        Ref(uri=str(first["uri"]), why=str(first.get("why", ""))),
    )
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


def _unknown_id(scene: Scene, draft: Draft) -> bool:
    """Say that there is no package of the id that the question names, and which is near."""
    given = PACKAGE_ID.search(scene.words)
    if given is None or scene.named("package"):
        return False
    known = network.package_ids(scene.project)
    near = [one for one in known if one.startswith(given[1])]
    near += get_close_matches(given[1], known, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    draft.say(f"No package {short(given[1], 80)!r} is known here.{meant}", platform_uri("project"))
    return True


def _described(scene: Scene) -> Draft:
    """Tell what one package is, or that there is none of that name, and which is near."""
    draft = Draft(data={"results": []})
    if _unknown_id(scene, draft):
        return draft
    found, how = _meant(scene)
    if found is None:
        return _packages(scene)
    scene.note_package(str(found["id"]))
    draft.data |= {"results": [found], "package": found["id"]}
    draft.say(
        f"{found['id']} {found['version']} ({how}) is a {found['kind']}: "
        f"{quoted(found['description'], 300)}",
        str(found["uri"]),
    )
    told = [
        f"{name} {listed(map(str, found[name]))}"
        for name in ("provides", "requires")
        if found.get(name)
    ]
    draft.say(
        f"It {'; it '.join(told) or 'names nothing that it provides or requires'}; its licence is "
        f"{found['licence'] or 'unknown'}.",
        str(found["uri"]),
    )
    return draft


def _publisher(scene: Scene) -> Draft:
    draft = Draft(data={"results": []})
    if _unknown_id(scene, draft):
        return draft
    if scene.says(r"(?:the|these|all|your|those) packages\b") and not scene.named("package"):
        return _publishers(scene, draft)
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


def _publishers(scene: Scene, draft: Draft) -> Draft:
    """Name who published each of the packages."""
    by: dict[str, list[str]] = {}
    found = network.packages(scene.project, limit=EVERY)["packages"]
    for one in found:
        by.setdefault(listed(map(str, one["authors"])) or "nobody named", []).append(str(one["id"]))
    draft.data |= {"results": found, "authors": list(by)}
    for who, ids in by.items():
        draft.say(
            f"{listed(ids, most=30)} {'was' if len(ids) == 1 else 'were'} published by {who}.",
            *(Ref(uri=f"package://{one}", why="its manifest") for one in ids[:SHOWN]),
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
