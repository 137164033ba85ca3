"""Contributions: bugs, improvements, requests and fixes of packages, sent, listed and reviewed."""

from __future__ import annotations

from typing import Any

from inwit.errors import MalformedInputError, UnauthorizedError
from inwit.registry.contributions import KINDS, STATUSES, read_report
from inwit.registry.serve_tokens import Caller
from inwit.runtime.store import audit
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.routes.packages import API, Answer, writer
from inwit.server.schema import INTEGER, OBJECT, STRING, array, maybe, record

_SHOWN = {"id": STRING, "kind": STRING, "package": STRING, "title": STRING, "status": STRING}


def _add(kind: str) -> Answer:
    def answer(host: Host, asked: Asked) -> dict[str, Any]:
        who = writer(host)
        who.need("contribute")
        given = {
            name: value for name, value in asked.body.items() if name not in ("envelope", "key")
        }
        report = read_report({**given, "kind": kind})
        envelope, key = asked.body.get("envelope") or "", asked.body.get("key") or ""
        if not isinstance(envelope, str) or not isinstance(key, str):
            raise MalformedInputError("The signature is no text.", hint="Send envelope and key.")
        made = host.contributions.add(report, envelope=envelope, key=key)
        _note(host, who, f"contribution.{kind}", made.id)
        return made.to_json()

    return answer


def _list(host: Host, asked: Asked) -> dict[str, Any]:
    found = host.contributions.list(
        kind=asked.choice("kind", KINDS),
        status=asked.choice("status", STATUSES),
        package=asked.text("package"),
    )
    return {"contributions": [one.to_json() for one in found], "total_count": len(found)}


def _review(host: Host, asked: Asked) -> dict[str, Any]:
    who = writer(host)
    who.need("review")
    if not who.name:
        raise UnauthorizedError
    verdict, comment = asked.text("verdict") or "", asked.body.get("comment") or ""
    if not isinstance(comment, str):
        raise MalformedInputError("The comment is no text.", hint="Send verdict and comment.")
    number = asked.id("contribution")
    made = host.contributions.review(number, by=who.name, verdict=verdict, comment=comment)
    _note(host, who, "contribution.review", made.id)
    return made.to_json()


def _note(host: Host, who: Caller, action: str, target: str) -> None:
    audit.append(
        host.project, actor=who.name, action=action, target=target, outcome="done", details={}
    )


_TAKES = record(
    {"package": STRING, "title": STRING, "reporter": OBJECT},
    {
        "description": STRING,
        "severity": STRING,
        "priority": STRING,
        "package_version": STRING,
        "execution_id": maybe(STRING),
        "evidence": OBJECT,
        "diff": STRING,
        "envelope": STRING,
        "key": STRING,
    },
)

ENDPOINTS = (
    *(
        Endpoint(
            path=f"{API}/contributions/{kind}",
            summary=f"Contribute: {kind}.",
            answer=_add(kind),
            fields=_SHOWN,
            method="POST",
            takes=_TAKES,
        )
        for kind in KINDS
    ),
    Endpoint(
        path=f"{API}/contributions",
        summary="Contributions, the newest first.",
        answer=_list,
        fields={"contributions": array(OBJECT), "total_count": INTEGER},
        query=("kind", "status", "package"),
        listed="contributions",
    ),
    Endpoint(
        path=f"{API}/contributions/{{id}}/review",
        summary="Say what is made of a contribution.",
        answer=_review,
        fields=_SHOWN,
        method="POST",
        takes=record({"verdict": STRING}, {"comment": STRING}),
    ),
)
