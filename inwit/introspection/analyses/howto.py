"""How to: a runnable example of the installed version, and the API that it uses."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from inwit.introspection import pages, platform
from inwit.introspection.analyses import whatis_platform
from inwit.introspection.claims import Draft, Ref, platform_uri
from inwit.introspection.feature_names import features_in
from inwit.introspection.scene import Scene
from inwit.registry.search import Match

NEAR_FROM = 0.3
"""The score from which on a public name or command is worth pointing at."""
MIXED_FROM = 0.12
"""The score under which no example is near enough to be quoted."""
SURE_FROM = 0.45
"""The score from which on an example is quoted though it does not name what is asked for."""
_OFF = r"turn(?:ing)? (?:\w+ ){0,3}off|disabl|switch(?:ing)? (?:\w+ ){0,3}off|opt(?:ing)? out|deactivat|without\b|get rid|stop\b|remove\b"
_ASKING = re.compile(
    r"\b(?:how|do|does|can|could|would|should|to|i|one|you|we|please|is|are|the|a|an|show|me|give"
    r"|steps|guide|syntax|code|sample|example|examples|of|for|it|that|written|where|my)\b"
)


def answer(scene: Scene) -> Draft:
    """Quote the example that does what is asked; say so where the version cannot do it."""
    draft = Draft(data={"examples": [], "api": []})
    named = features_in(scene.query.part or scene.query.text)
    feature = platform.entry("features", named[0]) if named else None
    if feature is not None and feature["opt_out_method"] and scene.says(_OFF):
        _say_off(draft, feature)
        return draft
    query = " ".join(_ASKING.sub(" ", re.sub(r"[?!.,]", " ", scene.words)).split()) or scene.words
    examples = pages.find(scene.project, query, kind="example", limit=20)
    features = pages.find(scene.project, query, kind="feature", limit=1)
    missing = _missing(features[0].id) if features else None
    if feature is not None and feature["implemented"]:
        examples = _about(examples, feature)
        _say_feature(draft, feature)
    near = examples[0].score if examples else 0.0
    is_nearer = bool(missing) and features[0].score > max(near, NEAR_FROM)
    if missing and is_nearer and not (examples and _names(query, examples[0])):
        return whatis_platform.answer_feature(draft, missing)
    if examples and near >= MIXED_FROM:
        name = examples[0].id.rpartition("/")[2]
        found = platform.entry("examples", name)
        if found is not None:
            draft.data |= {"examples": [match.id for match in examples[:3]], "code": found["code"]}
            draft.say(
                f"{found['description']}\n\n```python\n{found['code']}\n```",
                Ref(
                    uri=platform_uri("examples", name), why=examples[0].why or "a runnable example"
                ),
            )
            is_named = feature is not None and bool(feature["implemented"])
            draft.certainty = 1.0 if is_named else min(1.0, max(near, 0.0))
    _say_api(scene, draft, query)
    if not draft.claims:
        return whatis_platform.answer(scene)
    return draft


def _say_off(draft: Draft, feature: dict[str, Any]) -> None:
    method = str(feature["opt_out_method"])
    uri = platform_uri("features", str(feature["name"]))
    name = str(feature["name"]).replace("-", " ")
    first, _, rest = method.partition(", ")
    is_method = first.startswith("without_")
    how = f"`app.{first}` gives the same graph without" if is_method else f"`{first}` switches off"
    name += f", {rest}" if rest else ""
    draft.data |= {"opt_out_method": method, "feature": feature["name"]}
    draft.say(f"{how} {name}. {feature['description']}", Ref(uri=uri, why="how to switch it off"))


def _say_feature(draft: Draft, feature: dict[str, Any]) -> None:
    uri = platform_uri("features", str(feature["name"]))
    name = str(feature["name"]).replace("-", " ")
    draft.data["feature"] = feature["name"]
    draft.say(f"{name.capitalize()}: {feature['description']}", Ref(uri=uri, why="what there is"))


def _about(examples: list[Match], feature: dict[str, Any]) -> list[Match]:
    """The examples that speak of a feature; else those that are near by meaning."""
    words = {str(name).lower().replace("-", " ") for name in (*feature["also"], feature["name"])}
    texts = {one.id: _text(one.id) for one in examples}
    said = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words))
    speak = [one for one in examples if said.search(texts[one.id])]
    return speak or [one for one in examples if one.score >= SURE_FROM]


def _names(query: str, example: Match) -> bool:
    """Whether an example is about two words of a query that stand together: "system prompt"."""
    text = _text(example.id)
    return any(f"{one} {two}" in text for one, two in pairwise(query.split()))


def _text(uri: str) -> str:
    found = platform.entry("examples", uri.rpartition("/")[2]) or {}
    text = f"{found.get('name')} {found.get('description')} {found.get('keywords')}".lower()
    return text.replace("command line", "terminal")


def _missing(uri: str) -> str | None:
    """The feature of a uri, where this version lacks it."""
    name = uri.rpartition("/")[2]
    found = platform.entry("features", name)
    return name if found is not None and not found["implemented"] else None


def _say_api(scene: Scene, draft: Draft, query: str) -> None:
    for kind in ("api", "command"):
        found = pages.find(scene.project, query, kind=kind, limit=2)
        for match in (match for match in found if match.score >= NEAR_FROM):
            draft.data["api"].append(match.id)
            resolved = scene.resolver.resolve(match.id)
            draft.say(f"See also {resolved.quote.rstrip('.')}.", Ref(uri=match.id, why=match.why))
