"""How to: a runnable example of the installed version, and the API that it uses."""

from __future__ import annotations

import re

from inwit.introspection import pages, platform
from inwit.introspection.analyses import whatis_platform
from inwit.introspection.claims import Draft, Ref, platform_uri
from inwit.introspection.scene import Scene

NEAR_FROM = 0.3
"""The score from which on a public name or command is worth pointing at."""
MIXED_FROM = 0.12
"""The score under which no example is near enough to be quoted."""
_ASKING = re.compile(
    r"\b(?:how|do|does|can|could|would|should|to|i|one|you|we|please|is|are|the|a|an|show|me|give"
    r"|steps|guide|syntax|code|sample|example|examples|of|for|it|that|written|where|my)\b"
)


def answer(scene: Scene) -> Draft:
    """Quote the example that does what is asked; say so where the version cannot do it."""
    draft = Draft(data={"examples": [], "api": []})
    query = " ".join(_ASKING.sub(" ", re.sub(r"[?!.,]", " ", scene.words)).split()) or scene.words
    examples = pages.find(scene.project, query, kind="example", limit=3)
    features = pages.find(scene.project, query, kind="feature", limit=1)
    missing = _missing(features[0].id) if features else None
    near = examples[0].score if examples else 0.0
    if missing and features[0].score > near:
        return whatis_platform.answer_feature(draft, missing)
    if examples and near >= MIXED_FROM:
        name = examples[0].id.rpartition("/")[2]
        found = platform.entry("examples", name)
        if found is not None:
            draft.data |= {"examples": [match.id for match in examples], "code": found["code"]}
            draft.say(
                f"{found['description']}\n\n```python\n{found['code']}\n```",
                Ref(
                    uri=platform_uri("examples", name), why=examples[0].why or "a runnable example"
                ),
            )
            draft.certainty = min(1.0, max(near, 0.0))
    _say_api(scene, draft, query)
    if not draft.claims:
        return whatis_platform.answer(scene)
    return draft


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
