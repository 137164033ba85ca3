"""A real issuer of tokens on this machine: its metadata, its keys, and what they sign."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

AUDIENCE = "https://inwit.example/mcp"


@dataclass
class IssuerHere:
    """An issuer, and the keys that it publishes now."""

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_down: bool = False

    def add(self, kid: str, kind: str = "EC") -> Key:
        """Publish another key."""
        made: Key
        if kind == "RSA":
            made = RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
        elif kind == "OKP":
            made = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})
        elif kind == "oct":
            made = OctKey.generate_key(256, {"kid": kid})
        else:
            made = ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})
        self.keys[kid] = made
        return made

    def token(
        self,
        *,
        kid: str = "one",
        alg: str = "ES256",
        header: dict[str, Any] | None = None,
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token; a claim that is None is left out."""
        now = int(time.time())
        usual = {
            "iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "iat": now,
            "scope": "read", "client_id": "editor",
        }  # fmt: skip
        told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        head = {"alg": alg, "kid": kid, "typ": "at+jwt", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, told, key or self.keys[kid], algorithms=[alg])


@contextmanager
def issuing() -> Iterator[IssuerHere]:
    """Serve an issuer with one key, called `one`."""
    issuer = IssuerHere()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            told: dict[str, Any] | None = None
            if self.path == "/.well-known/oauth-authorization-server":
                told = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
            elif self.path == "/keys":
                told = {"keys": [key.as_dict(private=False) for key in issuer.keys.values()]}
            if told is None or issuer.is_down:
                self.send_error(503)
                return
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    issuer.add("one")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(issuer: IssuerHere) -> str:
    """What config.toml says of it."""
    return (
        f'[auth]\nissuer = "{issuer.url}"\naudience = "{AUDIENCE}"\n'
        'algorithms = ["ES256", "RS256", "EdDSA", "Ed25519"]\n'
        '[outgoing]\nallow_private = ["127.0.0.1"]\n'
    )
