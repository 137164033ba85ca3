"""Frames that no client should send, made from a seed: valid requests, and what can go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzzer", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("introspect_ask", {"question": "What ran?"}),
    ("introspect_search", {"query": "search", "limit": 3}),
    ("introspect_get", {"uri": "platform://version", "view": "full"}),
    ("list_executions", {"status": "failed", "since": "2h"}),
    ("explain_execution", {"execution_id": "last", "mode": "why"}),
    ("list_plans", {"status": "proposed"}),
    ("search_packages", {"query": "react"}),
    ("run_graph", {"graph": "seeker", "input": {"question": "?"}, "confirm": "no"}),
    ("control_execution", {"execution_id": "last", "action": "cancel", "confirm": "no"}),
    ("decide_plan", {"plan_id": "a", "action": "reject", "expected_revision": 1, "confirm": "no"}),
    ("graph_seeker", {"question": "?", "inwit_confirm": "no"}),
)
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("server/discover", {}),
    ("ping", {}),
    ("tools/list", {"cursor": "bzA"}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "graph://seeker/about"}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "diagnose_execution", "arguments": {"execution_id": "last"}}),
    ("resources/subscribe", {"uri": "graph://seeker/about"}),
    ("resources/unsubscribe", {"uri": "graph://seeker/about"}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "graph://{name}/{topic}"},
            "argument": {"name": "topic", "value": "a"},
        },
    ),
    ("notifications/cancelled", {"requestId": 1}),
    ("logging/setLevel", {"level": "info"}),
    *(("tools/call", {"name": name, "arguments": given}) for name, given in CALLS),
    *(
        ("tools/call", {
            "name": "run_graph", "arguments": {"graph": "seeker", "input": {}},
            "inputResponses": {"confirm": {"action": "accept", "content": {"yes": True}}},
            "requestState": state,
        })
        for state in ("v1.AAAA", "", "{}")
    ),
    ("no/such/method", {}),
)  # fmt: skip


class Raw(str):
    """Text that goes into the frame as it is, valid JSON or not."""

    __slots__ = ()


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**30, 1.5, -0.0, "", " ", "a" * 5_000,
    "\x00", "../../etc/passwd", "%2e%2e%2f", "execution://", "graph:///", "'; DROP TABLE x; --",
    "\u202e\u0000é\U0001f600", [], [[]], {}, {"": None}, [None] * 50, {"a": {"b": {"c": []}}},
    {"$ref": "#"}, {"__class__": "x"}, Raw("1e999"), Raw("-1e999"), Raw("NaN"), Raw("Infinity"),
    Raw("9" * 400), Raw("-" + "9" * 5_000), Raw("0." + "1" * 400), Raw('"\\ud800"'),
    Raw('"\\udfff\\ud800"'), Raw('"\\u0000"'), Raw('{"a": 1, "a": 2}'), Raw("[" * 80 + "]" * 80),
    Raw('{"a":' * 70 + "1" + "}" * 70), Raw("tru"), Raw("'single'"), Raw("0x10"), Raw("01"),
)  # fmt: skip


@dataclass(kw_only=True)
class FrameSent:
    """One frame: its bytes, and the headers that go with it over HTTP."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def frames(seed: int, count: int) -> Iterator[FrameSent]:
    """So many frames; equal seeds give equal frames."""
    chance = Random(seed)
    for number in range(count):
        yield _frame(chance, number + 1)


def _frame(chance: Random, number: int) -> FrameSent:
    method, params = chance.choice(REQUESTS)
    is_modern = chance.random() < 0.6
    given: dict[str, Any] = json.loads(json.dumps(params))
    if is_modern:
        given["_meta"] = json.loads(json.dumps(META))
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        chance.choice(SPOILING)(chance, message)
    headers = _headers(chance, message, method, params) if is_modern else {}
    text = written(message)
    if chance.random() < 0.06:
        text = f"[{text},{text}]"
    body = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.08:
        body = _cut(chance, body)
    return FrameSent(body=body.replace(b"\n", b" "), headers=headers)


def written(value: Any) -> str:
    """JSON of a value, with `Raw` text and repeated keys as they are."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))}:{written(one)}" for key, one in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def _headers(
    chance: Random, message: dict[str, Any], method: str, params: dict[str, Any]
) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if "name" in params or "uri" in params:
        headers["Mcp-Name"] = str(params.get("name", params.get("uri")))
    if chance.random() < 0.1:
        headers[chance.choice(list(headers))] = chance.choice(
            ("", "x", "2099-01-01", "tools/call", "=?base64?!!!?=", "a" * 2_000)
        )
    if chance.random() < 0.05:
        headers.pop(chance.choice(list(headers)))
    return headers


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place within a message: its container and its key there."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        found.append((value, key))
        if isinstance(one, dict | list):
            found += _places(one)
    return found


def _odd(chance: Random, message: dict[str, Any]) -> None:
    container, key = chance.choice(_places(message))
    container[key] = deepcopy(chance.choice(ODD))


def _gone(chance: Random, message: dict[str, Any]) -> None:
    container, key = chance.choice(_places(message))
    if isinstance(container, dict):
        del container[key]


def _more(chance: Random, message: dict[str, Any]) -> None:
    containers = [one for one, _ in _places(message) if isinstance(one, dict)] or [message]
    name = chance.choice(("extra", "__proto__", "id", "params", "\u0000", "a" * 300, "_meta"))
    chance.choice(containers)[name] = deepcopy(chance.choice(ODD))


def _twice(chance: Random, message: dict[str, Any]) -> None:
    key = chance.choice(list(message) or ["id"])
    inner = f"{json.dumps(key)}:{written(message.get(key))}"
    message["twice"] = Raw(f"1,{inner},{inner}")


def _odd_argument(chance: Random, message: dict[str, Any]) -> None:
    params = message.get("params")
    given = params.get("arguments") if isinstance(params, dict) else None
    if isinstance(given, dict) and given:
        given[chance.choice(list(given))] = deepcopy(chance.choice(ODD))


SPOILING: tuple[Callable[[Random, dict[str, Any]], None], ...] = (
    _odd, _odd, _gone, _more, _twice, _odd_argument, _odd_argument,
)  # fmt: skip


def _cut(chance: Random, body: bytes) -> bytes:
    match chance.randrange(4):
        case 0:
            return body[: chance.randrange(len(body) + 1)]
        case 1:
            return b"\xff\xfe" + body
        case 2:
            place = chance.randrange(len(body) + 1)
            return body[:place] + bytes([chance.randrange(256)]) + body[place:]
        case _:
            return body + body
