"""Bearer tokens of an OAuth issuer: this host as a resource server.

A token counts when one of the issuer's keys signed it with an algorithm that is allowed, it is for
this host (`aud`), within its time, and says whose it is. Nothing in a token's header leads anywhere:
keys come from the issuer's own address alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from inwit.errors import (
    FetchError,
    HostError,
    InvalidTokenError,
    MissingLibraryError,
    shorten,
)
from inwit.registry.fetch import Fetcher
from inwit.server.auth import SCOPES, Caller
from inwit.server.heads import is_loopback

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
"""What may sign a token. No shared secret is among them: a public key would pass for one."""
TOKEN_LIMIT: Final = 16_384
LEEWAY_S: Final = 30
"""How far the issuer's clock may be off."""
KEYS_FRESH_S: Final = 600.0
KEYS_STALE_S: Final = 3_600.0
"""How long keys are used when the issuer does not answer."""
KEYS_AGAIN_S: Final = 10.0
"""How often at most an unknown key makes the host ask the issuer again."""
KEYS_LIMIT_BYTES: Final = 512 << 10
_TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """Who issues tokens for this host: `[auth]` in config.toml."""

    issuer: str
    """Its address, as its tokens name it."""
    audience: str
    """What tokens must be for: the address of this host's MCP endpoint, as clients know it."""
    jwks_uri: str = ""
    """Where its keys are; by default its metadata says so."""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA", "Ed25519")
    """What may sign a token."""
    organisation_claim: str = "org"
    """The claim that names a caller's organisation."""
    groups_claim: str = "groups"
    """The claim that lists a caller's groups."""

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> IssuerSettings | None:
        """Read them from a project's settings; None where no issuer is named.

        Raises:
            HostError: They cannot be meant so.
        """
        table = settings.get("auth")
        if not isinstance(table, dict) or not table.get("issuer"):
            return None
        known = {name: table[name] for name in cls.__dataclass_fields__ if name in table}
        if "algorithms" in known:
            known["algorithms"] = tuple(known["algorithms"])
        found = cls(**{"audience": "", **known})
        found.check()
        return found

    def check(self) -> None:
        """Refuse settings that would let in what must not come in.

        Raises:
            HostError: They are such.
        """
        wrong = [name for name in self.algorithms if name not in ALGORITHMS]
        if wrong or not self.algorithms:
            raise HostError(
                f"[auth] algorithms has {shorten(wrong[0] if wrong else [])}.",
                hint=f"Allowed are {', '.join(ALGORITHMS)}.",
            )
        for name in ("issuer", "audience"):
            place = urlsplit(str(getattr(self, name)))
            if place.scheme not in ("http", "https") or not place.netloc:
                raise HostError(
                    f"[auth] {name} is {shorten(getattr(self, name))}.",
                    hint="Give the address, as tokens name it.",
                )
        keys = urlsplit(self.jwks_uri or self.issuer)
        if keys.scheme != "https" and not is_loopback(keys.hostname or ""):
            raise HostError(
                f"The keys of {shorten(self.issuer)} would come unprotected.",
                hint="Give an https address.",
            )

    @property
    def metadata_url(self) -> str:
        """Where the metadata of this resource is (RFC 9728): before the path of its address."""
        place = urlsplit(self.audience)
        path = place.path.rstrip("/")
        return f"{place.scheme}://{place.netloc}/.well-known/oauth-protected-resource{path}"

    @property
    def metadata(self) -> dict[str, Any]:
        """What clients are told of this resource."""
        return {
            "resource": self.audience,
            "authorization_servers": [self.issuer],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
            "resource_name": "inwit",
        }


@dataclass(slots=True)
class _Keys:
    by_id: dict[str, dict[str, Any]] = field(default_factory=dict)
    fetched: float = float("-inf")
    asked: float = float("-inf")


class Issuer:
    """Knows the callers of an issuer's tokens. Thread-safe."""

    def __init__(
        self,
        settings: IssuerSettings,
        fetcher: Fetcher,
        *,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        _library()
        self._settings = settings
        self._fetcher = fetcher
        self._clock = clock
        self._elapsed = elapsed
        self._keys = _Keys()
        self._lock = threading.Lock()

    def caller(self, token: str) -> Caller | None:
        """Find a token's caller; None where it is no JWT.

        Raises:
            InvalidTokenError: It is one, and not to be trusted.
        """
        if token.count(".") != 2:
            return None
        if len(token) > TOKEN_LIMIT:
            raise InvalidTokenError("it is too long")
        header = _header(token)
        claims = self._verified(token, header)
        self._check(claims)
        return self._caller(claims)

    def _verified(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import import_key

        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise InvalidTokenError("its algorithm is not allowed")
        if "crit" in header or str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise InvalidTokenError("it is no access token")
        known = self._key(header.get("kid"), algorithm)
        while True:
            try:
                decoded = jwt.decode(token, import_key(known), algorithms=[algorithm])
                return dict(decoded.claims)
            except (JoseError, ValueError, TypeError) as exc:
                renewed = self._renewed(known, header.get("kid"), algorithm)
                if renewed is None:
                    raise InvalidTokenError("its signature is wrong") from exc
                known = renewed

    def _check(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._settings.issuer:
            raise InvalidTokenError("another issuer made it")
        if self._settings.audience not in audiences:
            raise InvalidTokenError("it is for another host")
        if _moment(claims, "exp") is None or now > (_moment(claims, "exp") or 0) + LEEWAY_S:
            raise InvalidTokenError("it is over")
        for name in ("nbf", "iat"):
            if name in claims and now < (_moment(claims, name) or float("inf")) - LEEWAY_S:
                raise InvalidTokenError("its time has not come")

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        subject, client = claims.get("sub"), claims.get("client_id", claims.get("azp"))
        if not isinstance(subject, str) or not 0 < len(subject) <= 200 or not subject.isprintable():
            raise InvalidTokenError("it does not say whose it is")
        given = claims.get("scope", claims.get("scp", ""))
        words = given.split() if isinstance(given, str) else _words(given)
        organisation = claims.get(self._settings.organisation_claim)
        groups = claims.get(self._settings.groups_claim)
        kind = "service" if client == subject else "user"
        return Caller(
            id=f"{kind}:{subject}",
            scopes=frozenset(words) & frozenset(SCOPES),
            is_tenant=True,
            organisation=organisation if isinstance(organisation, str) else "",
            groups=_words(groups),
            issuer=self._settings.issuer,
            expires_at=(_moment(claims, "exp") or 0.0) + LEEWAY_S,
        )

    # The issuer's keys

    def _key(self, kid: object, algorithm: str) -> dict[str, Any]:
        """The issuer's key of that name; where it is unknown, the issuer is asked, now and then."""
        now = self._elapsed()
        found = _pick(self._keys.by_id, kid, algorithm)
        if found is None or now - self._keys.fetched >= KEYS_FRESH_S:
            # One caller asks the issuer; others wait for it only where there are no keys at all.
            if self._lock.acquire(blocking=not self._keys.by_id):
                try:
                    self._refresh(now)
                finally:
                    self._lock.release()
            found = _pick(self._keys.by_id, kid, algorithm)
        if found is None:
            raise InvalidTokenError("no key of the issuer signed it")
        return found

    def _renewed(
        self, old: Mapping[str, Any], kid: object, algorithm: str
    ) -> dict[str, Any] | None:
        """Another key of that name, where the issuer has one by now; it is asked now and then."""
        if self._lock.acquire(blocking=False):
            try:
                self._refresh(self._elapsed())
            finally:
                self._lock.release()
        found = _pick(self._keys.by_id, kid, algorithm)
        return None if found == old else found

    def _refresh(self, now: float) -> None:
        keys = self._keys
        if now - keys.asked < KEYS_AGAIN_S:
            return
        keys.asked = now
        try:
            keys.by_id = _signing_keys(self._fetcher, self._settings)
            keys.fetched = now
        except (FetchError, HostError) as exc:
            if now - keys.fetched > KEYS_STALE_S:
                keys.by_id = {}
                raise InvalidTokenError("the issuer's keys cannot be had") from exc


def _signing_keys(fetcher: Fetcher, settings: IssuerSettings) -> dict[str, dict[str, Any]]:
    found = fetcher.get(
        settings.jwks_uri or _jwks_uri(fetcher, settings), limit_bytes=KEYS_LIMIT_BYTES
    )
    listed = found.json().get("keys") if found.is_success else None
    if not isinstance(listed, list):
        raise HostError("The issuer's keys are of another form.")
    kept = [
        key for key in listed
        if isinstance(key, dict) and key.get("use", "sig") == "sig" and key.get("kty") != "oct"
    ]  # fmt: skip
    return {str(key.get("kid", f"#{place}")): key for place, key in enumerate(kept)}


def _jwks_uri(fetcher: Fetcher, settings: IssuerSettings) -> str:
    """Ask the issuer's metadata, in the two forms that there are, where its keys are."""
    place = urlsplit(settings.issuer)
    origin, path = f"{place.scheme}://{place.netloc}", place.path.rstrip("/")
    for url in (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    ):
        found = fetcher.get(url, limit_bytes=KEYS_LIMIT_BYTES)
        told = found.json() if found.is_success else None
        if isinstance(told, dict) and told.get("issuer") == settings.issuer:
            return str(told.get("jwks_uri"))
    raise HostError(f"{shorten(settings.issuer)} does not say where its keys are.")


def _pick(keys: Mapping[str, dict[str, Any]], kid: object, algorithm: str) -> dict[str, Any] | None:
    """The key of that name, or the only one that fits where the token names none."""
    fitting = {name: key for name, key in keys.items() if key.get("alg", algorithm) == algorithm}
    if kid is not None:
        return fitting.get(str(kid))
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _header(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise InvalidTokenError("it is no token") from exc
    if not isinstance(found, dict):
        raise InvalidTokenError("it is no token")
    return found


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None


def _words(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _library() -> None:
    try:
        import joserfc  # noqa: F401 - whether it is there
    except ImportError as exc:
        raise MissingLibraryError("An issuer of tokens", "auth", "joserfc") from exc
