"""What is near: this project's host, and the peers that its user listed."""

from __future__ import annotations

from inwit.introspection import network
from inwit.introspection.analyses import search
from inwit.introspection.claims import Draft, count, listed, platform_uri
from inwit.introspection.scene import Scene

_PACKAGES = r"packages?\b|templates?\b|registry|tool packs?|licen[cs]e|publish"


def answer(scene: Scene) -> Draft:
    """Name this project's host and its peers; none is asked for that."""
    if scene.says(_PACKAGES) or scene.named("package"):
        return search.answer(scene)
    facts = network.peers(scene.project)
    draft = Draft(
        data={"peers": facts["peers"], "host": facts["host"], "values": {"host": facts["host"]}}
    )
    uri = platform_uri("network")
    if facts["host"]:
        draft.say(
            f"This project's host answers at {facts['host']['address']}, on this machine.", uri
        )
    else:
        draft.say(
            "No host of this project is running; `inwit serve` or app.serve() starts one.", uri
        )
    names = [peer["name"] for peer in facts["peers"]]
    if names:
        draft.say(
            f"{count(len(names), 'peer')} {'is' if len(names) == 1 else 'are'} listed: {listed(names)}.",
            uri,
        )
    else:
        draft.say("No peer is listed; `inwit network add NAME URL` names one.", uri)
    return draft
