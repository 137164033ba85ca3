"""What this version of inwit is and can do: features, types, versions, errors, commands."""

from __future__ import annotations

import re
from typing import Any

from inwit.introspection import error_pages, network, pages, platform
from inwit.introspection.analyses import search
from inwit.introspection.analyses.search import PACKAGE_ID
from inwit.introspection.claims import Draft, Ref, count, listed, platform_uri, short
from inwit.introspection.feature_names import features_in
from inwit.introspection.scene import Scene
from inwit.introspection.terms import TERMS, terms_in

NEAR_ENOUGH = 0.45
"""The score from which on a page is what was asked for, and not only near it."""
_TOPICS: tuple[tuple[str, str], ...] = (
    ("node-types", r"node types?|kinds? of nodes?|types? of nodes?"),
    ("edge-types", r"edge types?|(?:kinds?|types?|sorts?) of edges?"),
    ("states", r"(?:execution )?(?:states|statuses)\b(?! key)"),
    ("templates", r"templates?\b"),
    ("errors", r"error codes?|errors? (?:exist|are there|can)"),
    ("cli", r"commands?\b|command[- ]line|cli\b"),
    ("events", r"events? types?|(?:kinds?|types?) of events?"),
)  # fmt: skip
_ALL = r"what features|which features|list (?:of |the |all )?features|able to do|what can (?:you|it|inwit|this)|capabilit|features (?:does|do|are)"
_VERSION = r"version|release\b|licen[cs]\w*"
_COMMANDS = r"(?:which|what|list|show|all)\b.{0,20}\bcommands\b"
_OPEN = r"(?:\w+\W+){0,2}?(?:what|which|how|who|where|why|when|explain|describe|help)\b"
_SELF = r"who are you|what are you|introduce yourself|what is (?:inwit|this)|your name"
_IS_ON = r"(?:on )?by default|enabled\b|(?:switched|turned) on"
_HAS = (
    r"support|implement|there\b|have\b|has\b|had\b|can\b|could\b|may\b|available|default|enabled|exist|possible"
    r"|offer|provid|includ|come with|works?\b|runs?\b|us(?:e|ing)\b|built|on\b|off\b|do(?:es)? (?:it|you|inwit|this)"
)
"""What asks whether something is there, which "yes" or "no" answers."""
_STORAGE = r"checkpointers?\b.*(?:available|exist|are there|support)|storage backends?|(?:which|what) checkpointers?"


def answer(scene: Scene) -> Draft:
    """Answer from the manifest of features and the package's own API."""
    draft = Draft()
    if PACKAGE_ID.search(scene.words):
        return search.answer(scene)
    error = _named_error(scene.words)
    if error is not None:
        return _error(draft, error)
    meant = terms_in(scene.query.part or scene.query.text)
    if meant:
        return _terms(draft, meant)
    topic = next((name for name, said in _TOPICS if re.search(rf"\b(?:{said})", scene.words)), None)
    if re.search(rf"\b(?:{_STORAGE})", scene.words):
        return _features(
            draft,
            [
                "checkpointing",
                "sqlite-checkpointer",
                "network-checkpointers",
                "custom-checkpointers",
            ],
            says_yes=_is_yes_or_no(scene),
        )
    if re.search(rf"\b(?:{_COMMANDS})", scene.words):
        return _topic(scene, draft, "cli")
    named = features_in(scene.query.part or scene.query.text)
    if named:
        several = scene.says(r"difference|versus|vs\b|compare|differ")
        return _features(
            draft,
            named[: 2 if several else 1],
            says_yes=_is_yes_or_no(scene),
            asks_on=scene.says(_IS_ON),
        )
    if topic is not None:
        return _topic(scene, draft, topic)
    if scene.says(_ALL) or re.search(rf"\b(?:{_SELF})", scene.words):
        return _all(draft)
    if scene.says(_VERSION):
        return _version(draft)
    return _searched(scene, draft)


def _terms(draft: Draft, names: list[str]) -> Draft:
    known = {name: TERMS[name] for name in names}
    draft.data |= {"available": True, "terms": known}
    for name, sense in known.items():
        draft.say(f"{name.capitalize()}: {sense}", platform_uri("terms", name))
    return draft


def _version(draft: Draft) -> Draft:
    facts = platform.version()
    draft.data |= {"available": True, **facts}
    under = f", under {facts['licence']}" if facts["licence"] else ""
    needs = f" (it needs {facts['requires_python']})" if facts["requires_python"] else ""
    draft.say(
        f"This is inwit {facts['version']}{under}, on Python {facts['python']}{needs}.",
        platform_uri("version"),
    )
    return draft


def _all(draft: Draft) -> Draft:
    every = platform.features()["features"]
    there = [one["name"] for one in every if one["implemented"]]
    missing = [one["name"] for one in every if not one["implemented"]]
    draft.data |= {"available": True, "features": there, "not_implemented": missing}
    uri = platform_uri("features")
    draft.say(f"inwit {platform.installed_version()} has {listed(there, most=40)}.", uri)
    draft.say(f"It does not have {listed(missing, most=40)} yet.", uri)
    return draft


def _topic(scene: Scene, draft: Draft, topic: str) -> Draft:
    if topic == "templates":
        found = network.templates(scene.project)["templates"]
        draft.data |= {"available": bool(found), "templates": [one["id"] for one in found]}
        if not found:
            draft.say("No package with a graph template is known here.", platform_uri("templates"))
            return draft
        draft.say(
            f"{count(len(found), 'graph template')}: {listed(one['id'] for one in found)}.",
            *(
                Ref(uri=f"package://{one['id']}", why=short(one["description"], 80))
                for one in found[:8]
            ),
        )
        return draft
    entries = platform.entries(topic)
    draft.data |= {"available": True, topic.replace("-", "_"): [one["name"] for one in entries]}
    names = [f"{one['name']} ({short(one['description'], 90)})" for one in entries[:12]]
    more = f", and {len(entries) - 12} more" if len(entries) > 12 else ""
    draft.say(
        f"{len(entries)} {topic.replace('-', ' ')}: {'; '.join(names)}{more}.", platform_uri(topic)
    )
    return draft


def answer_feature(draft: Draft, name: str) -> Draft:
    """Say whether one feature is implemented and on."""
    return _features(draft, [name])


def _named_error(words: str) -> dict[str, Any] | None:
    """The error whose code or class stands in the question."""
    said = set(re.findall(r"[\w.]+", words.rstrip("?!. ")))
    for one in platform.entries("errors"):
        if one["name"] in said or str(one.get("class", "")).lower() in said:
            return one
    return None


def _error(draft: Draft, error: dict[str, Any]) -> Draft:
    page = error_pages.page(error_pages.classes()[error["name"]])
    hint = next((one.hint for one in page.said if one.hint), "")
    draft.data |= {"available": True, "error": error["name"], "class": error.get("class")}
    draft.data |= {"hint": hint} if hint else {}
    draft.say(
        f"{error['name']} is the code of {error.get('class')}: {error['description']}",
        Ref(uri=platform_uri("errors", error["name"]), why="the error"),
    )
    if len(page.said) == 1 and hint:
        draft.say(f"The way out: {hint}", platform_uri("errors", error["name"]))
    return draft


def _is_yes_or_no(scene: Scene) -> bool:
    words = scene.words.strip()
    if not re.search(rf"\b(?:{_HAS})", words):
        return False
    return not re.match(_OPEN, words) and not re.search(r"\b(?:than|better|worse|vs)\b", words)


def _features(
    draft: Draft, names: list[str], *, says_yes: bool = True, asks_on: bool = False
) -> Draft:
    found = [one for name in names if (one := platform.entry("features", name))]
    for feature in found:
        is_off = asks_on and feature["implemented"] and feature["default"] == "off"
        _say_feature(draft, feature, says_yes=says_yes, is_off=is_off)
    first = found[0]
    draft.data |= {
        "available": any(one["implemented"] for one in found),
        "feature": first["name"],
        "implemented": first["implemented"],
        "default": first["default"],
        "enabled_by_default": first["default"] == "on" if first["implemented"] else False,
        "opt_out_method": first["opt_out_method"],
        "features": [one["name"] for one in found],
        "near": first["near"],
    }
    return draft


def _say_feature(
    draft: Draft, feature: dict[str, Any], *, says_yes: bool = True, is_off: bool = False
) -> None:
    uri = platform_uri("features", feature["name"])
    name = feature["name"].replace("-", " ")
    verb = "are" if name.endswith("s") else "is"
    if not feature["implemented"]:
        draft.say(
            f"{'No: ' + name if says_yes else name.capitalize()} {verb} not implemented in inwit {platform.installed_version()}. It would be: "
            f"{_lower(feature['description'])}",
            Ref(uri=uri, why="not implemented"),
        )
        for near in feature["near"]:
            one = platform.entry("features", near)
            if one is not None:
                near_uri = platform_uri("features", near)
                draft.say(f"Near to it is {near.replace('-', ' ')}: {one['description']}", near_uri)
        return
    them = "them" if verb == "are" else "it"
    state = {"on": " and on by default", "off": f", and off until you use {them}"}.get(
        feature["default"], ""
    )
    off = f" {feature['opt_out_method']} switches it off." if feature["opt_out_method"] else ""
    says = f"{name.capitalize()} {verb} implemented{state}" if state else name.capitalize()
    if says_yes:
        says = f"Yes: {name} {verb} implemented{state}"
    if is_off:
        says = f"No: {name} {verb} off until you use {them}"
    joint = "." if says_yes or state else ":"
    draft.say(
        f"{says}{joint} {feature['description']}{off}",
        Ref(uri=uri, why="what the installed version has"),
        *(
            Ref(uri=platform_uri("api", one), why="in the installed package's API")
            for one in feature["api"]
        ),
    )


def _searched(scene: Scene, draft: Draft) -> Draft:
    matches = pages.find(scene.project, scene.words, limit=5)
    good = [match for match in matches if match.score >= NEAR_ENOUGH]
    if not good:
        draft.data |= {"available": False, "near": [match.id for match in matches[:3]]}
        draft.admit("Nothing in this version's features, API or pages is about that.")
        for match in matches[:2]:
            told = scene.resolver.resolve(match.id).quote.rstrip(".")
            draft.say(f"The nearest is {told}.", match.id)
        draft.certainty = 0.0
        return draft
    first = good[0]
    if first.id.startswith("platform://features/"):
        name = first.id.rpartition("/")[2]
        draft.certainty = min(1.0, first.score)
        return _features(draft, [name])
    draft.data |= {"available": True, "pages": [match.id for match in good]}
    for match in good[:3]:
        told = scene.resolver.resolve(match.id).quote.rstrip(".")
        draft.say(f"{told}.", Ref(uri=match.id, why=match.why))
    draft.certainty = min(1.0, first.score)
    return draft


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
