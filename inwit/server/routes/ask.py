"""Questions in plain language."""

from __future__ import annotations

from typing import Any

from inwit import answers
from inwit.answers import LEVELS
from inwit.introspection.resolve import VIEWS
from inwit.server import auth
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import BOOLEAN, NUMBER, OBJECT, STRING, array, record

EVIDENCE = record({"uri": STRING, "quote": STRING}, {"why": STRING})
ANSWER = {
    "level": STRING,
    "intent": STRING,
    "answer": STRING,
    "evidence": array(EVIDENCE),
    "confidence": NUMBER,
    "data": OBJECT,
    "follow_ups": array(STRING),
    "levels_tried": array(STRING),
}
LEVEL_NAMES = [level for level in LEVELS if level != "none"]


def _ask(host: Host, asked: Asked) -> dict[str, Any]:
    question = asked.question("q")
    level = asked.choice("level", LEVEL_NAMES)
    graph, execution_id = asked.text("graph"), asked.text("execution_id")
    is_tried = asked.flag("verify")
    if is_tried:
        auth.current().require(auth.RUN)  # nodes run, though only those declared pure
    answer = host.introspector.ask(
        question, level=level, graph=graph, execution_id=execution_id, verify=is_tried,
        conversation_id=host.own(asked.text("conversation_id")),
    )  # fmt: skip
    return answers.to_json(answer)


def _resolve(host: Host, asked: Asked) -> dict[str, Any]:
    uri = asked.query.get("uri") or ""
    found = host.introspector.resolve(uri, view=asked.choice("view", VIEWS) or "summary")
    return {"uri": found.uri, "title": found.title, "text": found.text, "data": found.data}


ENDPOINTS = (
    Endpoint(
        path="/mcp/resolve",
        summary="Give what a uri of the evidence names.",
        answer=_resolve,
        fields={"uri": STRING, "title": STRING, "text": STRING, "data": OBJECT},
        query=("uri", "view"),
    ),
    Endpoint(
        path="/mcp/introspect",
        summary="Answer a question, with the evidence of the answer.",
        answer=_ask,
        fields=ANSWER,
        query=("q", "level", "graph", "execution_id", "verify", "conversation_id"),
    ),
    Endpoint(
        path="/mcp/introspect",
        summary="Answer a question, with the evidence of the answer.",
        answer=_ask,
        fields=ANSWER,
        method="POST",
        takes=record(
            {"question": STRING},
            {"level": STRING, "graph": STRING, "execution_id": STRING, "verify": BOOLEAN}
            | {"conversation_id": STRING},
        ),
    ),
)
