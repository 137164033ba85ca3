"""Confirming what changes something: a person says yes, or the client asks twice.

A client that can ask its person does so by a form. Any other is given a token, valid once, for
this call alone and for five minutes; doing it takes a second call with that token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from mcp_types import CallToolResult, ElicitResult, InputRequiredResult

from inwit.errors import NotConfirmedError
from inwit.server import auth
from inwit.server.host import Host
from inwit.server.mcp import reply
from inwit.server.mcp.asking import Call, ask, can_ask

VALID_S: Final = 300
_KEPT_S: Final = 3_600
"""How long a used confirmation is remembered: longer than any is valid."""
_USED: Final = "confirmed"
"""The folder of the project in which used confirmations are files, so that all its hosts know."""
_SECRET: Final = "seal.key"  # noqa: S105 - the name of a file
_HEAD: Final = struct.Struct(">I8s")
_FORM: Final = {
    "type": "object",
    "properties": {"yes": {"type": "boolean", "title": "Do it", "default": False}},
    "required": ["yes"],
}
_HINT: Final = (
    "Call again without `confirm` for another: each is for one call with the same arguments,"
    f" within {VALID_S // 60} minutes."
)


async def confirm(
    call: Call, what: str, given: str | None, arguments: Mapping[str, Any], name: str = "confirm"
) -> InputRequiredResult | CallToolResult | None:
    """Let a call be confirmed: None where it is, else what the client is given instead.

    `what` says in words what would be done; `given` is the token of an earlier call, which comes as
    the argument `name`.

    Raises:
        NotConfirmedError: The person did not say yes, or the token is not for this call.
    """
    host, tool = call.host, call.params.name
    if not host.offers.confirms:
        return None
    if can_ask(call.context):
        return await confirm_by_person(call, what)
    if given:
        check_token(host, given, tool, arguments)
        return None
    return _told(what, mint_token(host, tool, arguments), name)


async def confirm_by_person(call: Call, what: str) -> InputRequiredResult | None:
    """Ask the person behind the client: None once they said yes.

    Raises:
        NotConfirmedError: They did not.
    """
    once = secrets.token_hex(8)
    answer = await ask(call, "confirm", what, _FORM, json.dumps({"asked": what, "once": once}))
    if isinstance(answer, InputRequiredResult):
        return answer
    check_yes(answer)
    if call.params.request_state is not None:
        _use_up(call.host, str(json.loads(call.params.request_state).get("once")).encode())
    return None


def check_yes(answer: ElicitResult) -> None:
    """Go on only where the person said yes.

    Raises:
        NotConfirmedError: They did not.
    """
    if answer.action != "accept" or (answer.content or {}).get("yes") is not True:
        raise NotConfirmedError(
            "The person who was asked did not say yes.", hint="Nothing was done."
        )


def mint_token(host: Host, tool: str, arguments: Mapping[str, Any]) -> str:
    """A token for one call with these arguments, by whoever asks now."""
    head = _HEAD.pack(int(time.time()) + VALID_S, secrets.token_bytes(8))
    return urlsafe_b64encode(head + _sign(host, head, tool, arguments)).decode().rstrip("=")


def check_token(host: Host, token: str, tool: str, arguments: Mapping[str, Any]) -> None:
    """Use up the token of an earlier call.

    Raises:
        NotConfirmedError: It is for another call or caller, too old, or was used.
    """
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        head, signature = raw[: _HEAD.size], raw[_HEAD.size :]
        until, nonce = _HEAD.unpack(head)
    except (ValueError, struct.error):
        until, nonce, head, signature = 0, b"", b"", b""
    is_ours = hmac.compare_digest(signature, _sign(host, head, tool, arguments))
    if not is_ours or until < time.time():
        raise NotConfirmedError("The token does not confirm this call.", hint=_HINT)
    _use_up(host, nonce)


def _use_up(host: Host, nonce: bytes) -> None:
    """Let a confirmation count once, at whichever host of the project it is given.

    Raises:
        NotConfirmedError: It was given before.
        OSError: The project's folder cannot be written.
    """
    folder = host.project.ensure() / _USED
    folder.mkdir(mode=0o700, exist_ok=True)
    _forget_old(folder)
    try:
        (folder / hashlib.sha256(nonce).hexdigest()[:32]).touch(exist_ok=False)
    except FileExistsError:
        raise NotConfirmedError("This confirmation was used.", hint=_HINT) from None


def _forget_old(folder: Path) -> None:
    too_old = time.time() - _KEPT_S
    for used in folder.iterdir():
        with suppress(FileNotFoundError):  # another host forgets too
            if used.stat().st_mtime < too_old:
                used.unlink()


def _sign(host: Host, head: bytes, tool: str, arguments: Mapping[str, Any]) -> bytes:
    said = json.dumps([tool, dict(arguments), str(auth.current().principal)], sort_keys=True)
    key = host.project.secret(_SECRET)
    return hmac.digest(key, b"confirm:" + head + said.encode(), hashlib.sha256)[:16]


def _told(what: str, token: str, name: str) -> CallToolResult:
    text = (
        f"Nothing was done yet. {what}\n"
        f"If the person you act for wants this, call again with the same arguments and"
        f" {name}={token!r}."
    )
    return reply.made(text, {"status": "unconfirmed", "confirm": token, "would": what})
