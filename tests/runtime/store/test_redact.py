"""Secrets stay in the record and out of what readers get."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inwit.events import Failure
from inwit.runtime.project import Project
from inwit.runtime.serial import freeze
from inwit.runtime.store.forms import INSIDE, PLAIN, is_clean
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.redact import Redactor, secret_kind
from tests.runtime.store.rows import custom, end, recording, start, visit

SECRETS = {
    "openai": "sk-proj-" + "a1B2" * 8,
    "anthropic": "sk-ant-api03-" + "Zz9_" * 6,
    "aws": "AKIA" + "ABCDEFGH12345678",
    "github": "ghp_" + "a1b2" * 9,
    "github_fine": "github_pat_" + "a1b2" * 9,
    "slack": "xoxb-1234567890-abcdefghij",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
    "google": "AIza" + "Sy0123456789abcdefghijklmnopqrstuvw",
    "stripe": "sk_live_" + "abcdef0123456789",
}


def redactor(profile: str = "secrets") -> Redactor:
    return Redactor(lambda: b"key", profile)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_known_by_its_form(secret: str) -> None:
    shown = redactor().text(f"call failed with {secret} in it")

    assert secret not in shown
    assert shown.startswith("call failed with [redacted:")
    assert shown.endswith("] in it")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456", "postgres://ada:hunter22@db/x",
        "login?password=hunter22&next=/", "API_KEY=hunter22xyz", '{"api_key": "hunter22xyz"}',
        "Cookie: session=hunter22xyz", "client_secret='hunter22'", "export DB_PASSWORD=hunter22",
    ],
)  # fmt: skip
def test_a_secret_is_known_by_what_stands_before_it(text: str) -> None:
    shown = redactor().text(text)

    assert "hunter22" not in shown
    assert "abcdef123456" not in shown
    assert "[redacted:" in shown


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "db_password", "apiKey", "api_key", "x-api-key", "openaiApiKey",
        "Authorization", "access_token", "refreshToken", "Set-Cookie", "client_secret", "secret",
        "aws_secret_access_key", "privateKey", "password_hash", "credentials",
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_key(key: str) -> None:
    shown = redactor().value({key: "hunter2", "other": ["hunter3"]})

    assert "hunter2" not in json.dumps(shown)
    assert shown["other"] == ["hunter3"]


@pytest.mark.parametrize(
    "key",
    [
        "input_tokens", "output_tokens", "cached_tokens", "max_tokens", "token_count", "tokens",
        "keyboard", "monkey", "key", "primary_key", "passage", "author", "secretary", "bypass",
        "token_type", "passing", "compass", "pinned", "cookbook",
    ],
)  # fmt: skip
def test_harmless_keys_keep_their_values(key: str) -> None:
    assert secret_kind(key) is None
    assert redactor().value({key: 12}) == {key: 12}


@pytest.mark.parametrize(
    "text",
    [
        "the token of my esteem", "https://example.org/a?b=c", "ask-me-anything-about-everything",
        "a basic question", "Why did search run 3 times?", "user:name@example", "12:30@noon",
        "pass the salt", "secretary = anna", "key: value", "sk-",
    ],
)  # fmt: skip
def test_harmless_texts_stay_as_they_are(text: str) -> None:
    assert redactor().text(text) == text


def test_equal_secrets_look_equal_and_others_do_not() -> None:
    one, two = redactor().value({"password": "a"}), redactor().value({"password": "a"})
    other = redactor().value({"password": "b"})
    elsewhere = Redactor(lambda: b"another key").value({"password": "a"})

    assert one == two
    assert one != other
    assert one != elsewhere


def test_persons_are_hidden_by_the_named_profile_only() -> None:
    text = "Ada ada.l@example.org paid with 4111 1111 1111 1111 for order 1234567890123456."

    assert redactor().text(text) == text
    shown = redactor("pii").text(text)
    assert "ada.l@" not in shown
    assert "4111" not in shown
    assert "1234567890123456" in shown


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redactor("pii").value({"note": text, "password": text})

    assert redactor("pii").value(once) == once


PIECES = [
    *SECRETS.values(), "password", "PassWD", "api_key", "Access-Key", "client_secret", "token",
    "Authorization", "bearer ", "Basic ", "set-cookie", "Cookie", "postgres://ada:", "://", "@",
    "sk-", "rk_live_", "hf_", "r8-", "SG.", "pypi-", "xoxb-", "eyJ", "AKIA", "ASIA", "A", "gsk_",
    "https://hooks.slack.com/services/", "-----BEGIN ", "PRIVATE KEY-----", "hunter22", "a1B2" * 8,
    "_", "-", "=", ":", " ", "\n", "'", '"', "ſ", "İ", "\u212a", "ß", "x", "1", "É",
]  # fmt: skip


def is_clean_by_forms(text: str) -> bool:
    return not any(form.search(text) for form in (PLAIN, *(form for _, form in INSIDE)))


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
@settings(max_examples=1000)
def test_the_quick_look_at_a_text_says_what_its_forms_say(text: str) -> None:
    assert is_clean(text) == is_clean_by_forms(text)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join))
def test_what_is_encoded_is_looked_into_where_it_holds_a_secret(text: str) -> None:
    shown = redactor().value({text: [text]})

    assert shown == {text: [text]} or redactor().may_hold(msgspec.msgpack.encode({text: [text]}))


def test_nothing_that_the_store_serves_shows_a_secret(
    place: Project, journal: Journal, store: Store
) -> None:
    secret, big = SECRETS["openai"], "page " * 3000
    rec = recording("aaaa1")
    start(rec, {"question": f"use {secret}", "password": "hunter2"})
    visit(rec, "work", 1, {"doc": freeze([big + secret]), "apiKey": freeze({"a": "hunter2"})},
          target=("next", "yes", {"password": "hunter2", "note": secret}, None))  # fmt: skip
    patch = [{"op": "add", "path": "/password", "value": "hunter2"}]
    rec.add_event("state_changed", None, None, None, {"patch": patch})
    rec.add_event("llm_completed", "work", 1, 1, {
        "call_id": "c", "model": "m", "output": {"headers": {"Authorization": "hunter2"}},
        "input_tokens": 12, "output_tokens": 3,
    })  # fmt: skip
    custom(rec, {"nested": [{"token": "hunter2"}]})
    end(rec, "failed", Failure(type="E", message=f"bad key {secret}", traceback=f"x={secret}"))
    journal.begin(rec)
    store.record_metric("calls", 1.0, "counter", {"api_key": "hunter2"})
    journal.emit("plan_changed", plan_id="p", status="proposed", actor=f"Bearer {secret}")
    journal.flush()

    served = [
        store.events("aaaa1"), store.visits("aaaa1"), store.state_at("aaaa1"),
        store.execution("aaaa1"), store.executions(), store.tail(0), store.project_events(),
        store.metrics(), [store.blob(d) for (d,) in store.read("SELECT digest FROM blobs")],
    ]  # fmt: skip

    shown = msgspec.json.encode(served).decode()
    assert secret not in shown
    assert "hunter2" not in shown
    assert store.execution("aaaa1").input_tokens == 12
    whole = msgspec.json.encode(Store.unredacted(place).events("aaaa1")).decode()
    assert secret in whole
    assert "hunter2" in whole


def test_the_key_of_the_hashes_is_the_users_alone(
    place: Project, journal: Journal, store: Store
) -> None:
    rec = recording("aaaa1")
    start(rec, {"password": "hunter2"})
    end(rec)
    journal.begin(rec)
    journal.flush()
    store.events("aaaa1")

    key = place.folder / "redaction.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert [path.name for path in place.folder.glob("redaction.key*")] == ["redaction.key"]


def test_the_profile_is_named_in_the_projects_settings(project: Path, journal: Journal) -> None:
    (project / ".inwit" / "config.toml").write_text('redaction = "pii"\n')
    rec = recording("aaaa1")
    start(rec, {"who": "ada@example.org"})
    end(rec)
    journal.begin(rec)
    journal.flush()

    shown = Store.of(Project.find()).state_at("aaaa1")

    assert str(shown["who"]).startswith("[redacted:email:")
