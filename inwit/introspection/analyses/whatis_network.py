"""What is near: hosts and peers. This version asks none, and says so."""

from __future__ import annotations

from inwit.introspection import network
from inwit.introspection.analyses import search
from inwit.introspection.claims import Draft, platform_uri
from inwit.introspection.scene import Scene

_PACKAGES = r"packages?\b|templates?\b|registry|tool packs?|licen[cs]e|publish"


def answer(scene: Scene) -> Draft:
    """Name this project's host, and say that no other is known."""
    if scene.says(_PACKAGES) or scene.named("package"):
        return search.answer(scene)
    facts = network.peers(scene.project)
    draft = Draft(data={"peers": [], "host": facts["host"], "values": {"host": facts["host"]}})
    uri = platform_uri("network")
    if facts["host"]:
        draft.say(
            f"This project's host answers at {facts['host']['address']}, on this machine.", uri
        )
    else:
        draft.say(
            "No host of this project is running; `inwit serve` or app.serve() starts one.", uri
        )
    draft.say(
        "This version of inwit looks for no other hosts, so which are near is not known.",
        platform_uri("features", "peers"),
    )
    return draft
