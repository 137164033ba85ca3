"""Tokens of an issuer: which count, which do not, and how keys change."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from inwit.errors import HostError, InvalidTokenError
from inwit.registry.fetch import Fetcher
from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.auth_jwt import KEYS_AGAIN_S, Issuer, IssuerSettings
from tests.server.issuing import AUDIENCE, IssuerHere, issuing, settings


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerHere]:
    with issuing() as found:
        yield found


def _issuer(issuer: IssuerHere, **more: Any) -> Issuer:
    known = IssuerSettings(
        issuer=issuer.url, audience=AUDIENCE, algorithms=("ES256", "RS256", "EdDSA", "Ed25519")
    )
    return Issuer(known, Fetcher(allow=["127.0.0.1"]), **more)


def test_a_token_of_the_issuer_says_who_asks_and_what_for(issuer: IssuerHere) -> None:
    token = issuer.token(scope="read run everything", org="acme", groups=["ops"])

    found = _issuer(issuer).caller(token)

    assert found is not None
    assert (found.id, found.scopes) == ("user:ada", frozenset({"read", "run"}))
    assert (found.organisation, found.groups, found.is_tenant) == ("acme", ("ops",), True)


def test_a_client_that_asks_for_itself_is_a_service(issuer: IssuerHere) -> None:
    found = _issuer(issuer).caller(issuer.token(sub="ci", client_id="ci"))

    assert found is not None
    assert found.id == "service:ci"


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"aud": "https://other.example/mcp"}, "another host"),
        ({"aud": None}, "another host"),
        ({"aud": AUDIENCE + "/"}, "another host"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"exp": int(time.time()) - 60}, "is over"),
        ({"exp": None}, "is over"),
        ({"exp": True}, "is over"),
        ({"nbf": int(time.time()) + 10**6}, "not come"),
        ({"iat": int(time.time()) + 10**6}, "not come"),
        ({"sub": None}, "whose it is"),
        ({"sub": ""}, "whose it is"),
        ({"sub": "ada\nroot"}, "whose it is"),
        ({"sub": {"a": 1}}, "whose it is"),
    ],
)
def test_a_token_whose_claims_are_not_for_this_host_is_refused(
    issuer: IssuerHere, claims: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidTokenError, match=told):
        _issuer(issuer).caller(issuer.token(**claims))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"typ": "id+jwt"}, "no access token"),
        ({"crit": ["exp"]}, "no access token"),
        ({"kid": "unknown"}, "no key of the issuer"),
    ],
)
def test_a_token_whose_header_is_odd_is_refused(
    issuer: IssuerHere, header: dict[str, Any], told: str
) -> None:
    key = issuer.keys["one"]
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 60}
    head = {"alg": "ES256", "kid": "one", **header}
    parts = [json.dumps(head), json.dumps(claims)]
    signed = ".".join(base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in parts)
    if "crit" in header:
        token = f"{signed}.AAAA"
    else:
        token = jwt.encode(head, claims, key, algorithms=["ES256"])

    with pytest.raises(InvalidTokenError, match=told):
        _issuer(issuer).caller(token)


def test_no_algorithm_and_a_shared_secret_made_of_the_public_key_are_refused(
    issuer: IssuerHere,
) -> None:
    head, claims, _ = issuer.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').decode().rstrip("=")
    public = json.dumps(issuer.keys["one"].as_dict(private=False)).encode()
    confused = jwt.encode(
        {"alg": "HS256", "kid": "one"},
        {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 60},
        OctKey.import_key(public.ljust(64)),
        algorithms=["HS256"],
    )
    known = _issuer(issuer)

    for token in (f"{none}.{claims}.", f"{none}.{claims}.AAAA", confused):
        with pytest.raises(InvalidTokenError, match="algorithm"):
            known.caller(token)
    for broken in (f"{head}.{claims}.AAAA", f"{head}.e30.AAAA", "...", "a.b.c", ".."):
        if broken.count(".") == 2:
            with pytest.raises(InvalidTokenError):
                known.caller(broken)


def test_another_key_under_a_known_name_is_refused(issuer: IssuerHere) -> None:
    with issuing() as evil:
        token = evil.token(iss=issuer.url)

    with pytest.raises(InvalidTokenError, match="signature"):
        _issuer(issuer).caller(token)


@pytest.mark.parametrize(("kind", "alg"), [("RSA", "RS256"), ("OKP", "Ed25519")])
def test_other_kinds_of_keys_sign_as_well(issuer: IssuerHere, kind: str, alg: str) -> None:
    issuer.add(kind, kind)

    found = _issuer(issuer).caller(issuer.token(kid=kind, alg=alg))

    assert found is not None


def test_keys_are_kept_and_a_new_one_is_fetched_now_and_then(issuer: IssuerHere) -> None:
    elapsed = [0.0]
    known = _issuer(issuer, elapsed=lambda: elapsed[0])
    known.caller(issuer.token())
    asked = len(issuer.asked)
    known.caller(issuer.token())
    assert len(issuer.asked) == asked

    issuer.add("two")
    with pytest.raises(InvalidTokenError):  # it was asked a moment ago
        known.caller(issuer.token(kid="two"))
    elapsed[0] = 11.0
    assert known.caller(issuer.token(kid="two")) is not None
    del issuer.keys["two"]
    elapsed[0] = 1_000.0
    assert known.caller(issuer.token()) is not None
    assert len(issuer.asked) == asked + 4


@pytest.mark.parametrize("kid", ["one", None])
def test_a_key_that_takes_the_place_of_another_counts_at_once_and_the_old_no_more(
    kid: str | None,
) -> None:
    with issuing() as issuer:
        ticks = [0.0]
        known = _issuer(issuer, elapsed=lambda: ticks[0])
        old = issuer.token(header={"kid": kid})
        known.caller(old)
        issuer.add("one")
        ticks[0] = KEYS_AGAIN_S

        new = known.caller(issuer.token(header={"kid": kid}))

        assert new is not None
        for _ in range(50):  # however often: the issuer was asked twice in all
            with pytest.raises(InvalidTokenError, match="signature"):
                known.caller(old)
        assert issuer.asked.count("/keys") == 2


def test_an_issuer_that_is_away_is_borne_for_a_while(issuer: IssuerHere) -> None:
    elapsed = [0.0]
    known = _issuer(issuer, elapsed=lambda: elapsed[0])
    token = issuer.token()
    known.caller(token)
    issuer.is_down = True
    try:
        elapsed[0] = 3_000.0
        assert known.caller(token) is not None
        elapsed[0] = 4_000.0
        with pytest.raises(InvalidTokenError, match="cannot be had"):
            known.caller(token)
    finally:
        issuer.is_down = False


def test_keys_within_this_machine_are_not_fetched_unless_that_is_meant(issuer: IssuerHere) -> None:
    known = Issuer(IssuerSettings(issuer=issuer.url, audience=AUDIENCE), Fetcher())

    with pytest.raises(InvalidTokenError, match="cannot be had"):
        known.caller(issuer.token())


@pytest.mark.parametrize("algorithms", [("HS256",), ("none",), (), ("ES256", "HS512")])
def test_settings_that_allow_a_shared_secret_are_refused(algorithms: tuple[str, ...]) -> None:
    table = {"issuer": "https://i.example", "audience": AUDIENCE, "algorithms": list(algorithms)}

    with pytest.raises(HostError, match="algorithms"):
        IssuerSettings.read({"auth": table})


def test_an_issuer_whose_keys_would_come_unprotected_is_refused() -> None:
    with pytest.raises(HostError, match="unprotected"):
        IssuerSettings.read({"auth": {"issuer": "http://i.example", "audience": AUDIENCE}})


def test_an_issuer_without_an_audience_is_refused() -> None:
    with pytest.raises(HostError, match="audience"):
        IssuerSettings.read({"auth": {"issuer": "https://i.example"}})


# Over HTTP


@pytest.fixture
def guarded(issuer: IssuerHere, project: Path) -> Iterator[str]:
    """The address of a host whose callers have tokens of the issuer."""
    (project / ".inwit" / "config.toml").write_text(settings(issuer))
    running = lifecycle.start(Project.find(), port=0)
    yield running.url
    running.stop()


def test_every_route_asks_for_a_token_but_the_one_that_says_where_they_are_issued(
    guarded: str, issuer: IssuerHere
) -> None:
    with httpx.Client(base_url=guarded) as client:
        told = client.get("/.well-known/oauth-protected-resource/mcp")
        refused = [
            client.request(method, path)
            for method, path in [
                ("GET", "/healthz"), ("GET", "/mcp/live/events"), ("POST", "/mcp"), ("GET", "/"),
                ("GET", "/metrics"), ("GET", "/mcp/live/executions"), ("GET", "/openapi.json"),
                ("POST", "/.well-known/oauth-protected-resource"),
            ]
        ]  # fmt: skip
        allowed = client.get("/healthz", headers={"Authorization": f"Bearer {issuer.token()}"})

    assert told.json()["resource"] == AUDIENCE
    assert told.json()["authorization_servers"] == [issuer.url]
    assert {one.status_code for one in refused[:-1]} <= {401, 415}
    assert refused[-1].status_code in (401, 405, 415)
    metadata = "https://inwit.example/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in refused[0].headers["www-authenticate"]
    assert allowed.status_code == 200


def test_a_token_reaches_as_far_as_its_scopes(guarded: str, issuer: IssuerHere) -> None:
    reader = {"Authorization": f"Bearer {issuer.token(scope='read')}"}
    nothing = {"Authorization": f"Bearer {issuer.token(scope='')}"}
    with httpx.Client(base_url=guarded) as client:
        refused = client.post("/mcp/plans/x/approve", json={}, headers=reader)
        empty = client.get("/mcp/plans", headers=nothing)

    assert (refused.status_code, refused.json()["code"]) == (403, "request.scope")
    assert 'error="insufficient_scope", scope="plan"' in refused.headers["www-authenticate"]
    assert empty.status_code == 403


def test_a_host_answers_to_the_name_that_tokens_give_it(guarded: str, issuer: IssuerHere) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}", "Host": "inwit.example"}

    assert httpx.get(f"{guarded}/healthz", headers=headers).status_code == 200
    evil = {**headers, "Host": "evil.example"}
    assert httpx.get(f"{guarded}/healthz", headers=evil).status_code == 403


def test_a_token_in_the_address_is_no_token(guarded: str, issuer: IssuerHere) -> None:
    answered = httpx.get(f"{guarded}/healthz", params={"access_token": issuer.token()})

    assert answered.status_code == 401
