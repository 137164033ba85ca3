"""Names, paths and addresses: what each takes and refuses, case by case."""

from __future__ import annotations

import io
import ipaddress

import httpcore
import pytest

from inwit.errors import (
    ArchiveError,
    FetchFailedError,
    FetchTooLargeError,
    FetchUrlError,
    MalformedInputError,
    PrivateAddressError,
)
from inwit.registry import fetch, trust_names
from inwit.registry.addresses import checked_url, is_loopback
from inwit.registry.fetch import Allowed, Fetched
from inwit.registry.paths import MAX_DEPTH, MAX_LENGTH, Places, checked_path, skeleton
from inwit.registry.trust_names import Lookalike, lookalike

# Names


@pytest.mark.parametrize(
    ("name", "known", "why"),
    [
        ("acme/rag", "acme/rag", None), ("acme/rag", "acme/rog", None), ("acrne/rag", "acme/rag", "letters that look alike"),
        ("acme1/rag", "acmel/rag", "letters that look alike"), ("cloud/x", "doud/x", "letters that look alike"),
        ("ac-me/rag", "acme/rag", "other separators"), ("tool-box/x", "box-tool/x", "its parts swapped"),
        ("rag/acme", "acme/rag", "its parts swapped"), ("acmee/rag", "acme/rag", "one letter differs"),
        ("acm/rag", "acme/rag", None), ("acmy/rag", "acme/rag", "one letter differs"),
        ("amce/rag", "acme/rag", "one letter differs"), ("acmeee/rag", "acme/rag", None),
        ("abc/rag", "abd/rag", None), ("other/rags", "acme/rag", None), ("acmex/rag", "acme/rog", None),
        ("vvork/x", "work/x", "letters that look alike"), ("аcme/x", "acme/x", "letters that look alike"),
        ("me/acme-rag", "acme/rag", None),
    ],
)  # fmt: skip
def test_a_name_is_near_to_another_for_one_reason(name: str, known: str, why: str | None) -> None:
    told = lookalike(name, ["zzzz/unlike", known])

    assert told == (None if why is None else Lookalike(name=name, known=known, why=why))


def test_a_known_name_is_near_to_none_and_the_first_near_one_is_told() -> None:
    assert lookalike("acme/rag", ["acmy/rag", "acme/rag"]) is None
    near = lookalike("acmx/rag", ["acmy/rag", "acme/rag"])
    assert near is not None
    assert near.known == "acmy/rag"


def test_one_edit_is_one_letter_added_left_out_changed_or_two_swapped() -> None:
    letters = "abc"
    words = ["abca", "bbca", "abc", "abcab", "bacca"]
    for word in words:
        near = {word[:i] + word[i + 1 :] for i in range(len(word))}
        near |= {word[:i] + x + word[i:] for i in range(len(word) + 1) for x in letters}
        near |= {word[:i] + x + word[i + 1 :] for i in range(len(word)) for x in letters}
        near |= {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
        for other in {*words, *near, "", "cabca", "abcabab", "acba"}:
            assert trust_names._is_one_edit(word, other) == (other in near and other != word)


# Paths in archives


@pytest.mark.parametrize(
    ("path", "given"),
    [("./a.py", "a.py"), ("a/b.txt", "a/b.txt"), ("folder/", "folder"), ("a" * MAX_LENGTH, "a" * MAX_LENGTH),
     ("/".join("a" * MAX_DEPTH), "/".join("a" * MAX_DEPTH)), ("ü.txt", "ü.txt"), ("a b.txt", "a b.txt"),
     ("com", "com"), ("привет", "привет"), ("con-.txt", "con-.txt")],
)  # fmt: skip
def test_a_good_path_is_given_back(path: str, given: str) -> None:
    assert checked_path(path) == given


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        *[(path, "a path below the package") for path in ("", "/a", "a/../b", "..", ".", "a//b", "./", "a/./b")],
        ("a" * (MAX_LENGTH + 1), "at most 240 characters and 12 folders"),
        ("/".join("a" * (MAX_DEPTH + 1)), "at most 240 characters and 12 folders"),
        *[(path, "no control, direction or invisible signs") for path in ("a\nb", "a\u200bb", "a\u00a0b", "x/a\u202eb")],
        *[(path, "names that every system can hold") for path in ("a\\b", "c:x", " a", "a ", "a.", "con", "x/NUL.txt",
                                                                  "com0", "lpt9.x", "aux", "prn")],
        ("u\u0308.txt", "Unicode in its composed form (NFC)"),
        ("p\u0430ypal.txt", "letters of one script, since those of others look alike"),
        *[(f"ü{end}", "ASCII, since it names code") for end in (".py", ".toml", ".pth", ".so")],
    ],
)  # fmt: skip
def test_a_path_that_misleads_is_refused_with_its_reason(path: str, wanted: str) -> None:
    with pytest.raises(ArchiveError) as told:
        checked_path(path)

    assert (told.value.place, told.value.field) == ("the archive", "path")
    assert told.value.hint == f"Allowed: {wanted}."


def test_paths_that_cannot_be_told_apart_are_one() -> None:
    def taken(*paths: str) -> str:
        places = Places()
        try:
            for path in paths:
                (places.add_folder if path.endswith("/") else places.add_file)(path.rstrip("/"))
        except ArchiveError as exc:
            return f"{exc.value} {exc.hint}"
        return ""

    assert taken("a/b", "a/c", "a/", "d/e/f", "d/g") == ""
    assert taken("a", "A") == "A Allowed: a path that cannot be taken for 'a'."
    assert taken("a", "a") == "a Allowed: a path that cannot be taken for 'a'."
    assert taken("a", "a/b") == "a Allowed: a path that cannot be taken for 'a'."
    assert taken("a/b", "a") == "a Allowed: a path that cannot be taken for 'a'."
    assert taken("a/b", "A/c") == "A Allowed: a path that cannot be taken for 'a'."
    assert taken("a/", "A/") == "A Allowed: a path that cannot be taken for 'a'."
    assert taken("x/a/b", "x/a") == "x/a Allowed: a path that cannot be taken for 'x/a'."
    assert skeleton("ＡсE") == "ace"


# Addresses


@pytest.mark.parametrize(
    ("allow", "host", "port", "address", "is_let"),
    [
        ((), "x", 80, "93.184.216.34", True), ((), "x", 80, "10.0.0.1", False), ((), "x", 80, "224.0.0.1", False),
        (("10.0.0.0/8",), "x", 80, "10.9.9.9", True), (("10.0.0.0/8:443",), "x", 80, "10.9.9.9", False),
        (("10.0.0.0/8:80",), "x", 80, "10.9.9.9", True), (("10.0.0.1",), "x", 80, "10.0.0.2", False),
        (("Inner",), "inner", 80, "10.0.0.1", True), (("inner:81",), "inner", 80, "10.0.0.1", False),
        (("inner:80",), "inner", 80, "127.0.0.1", True), (("inner",), "other", 80, "10.0.0.1", False),
        (("inner",), "inner", 80, "169.254.169.254", False), (("inner",), "inner", 80, "0.0.0.0", False),
        (("inner",), "inner", 80, "224.0.0.1", False), (("169.254.169.254",), "x", 80, "169.254.169.254", True),
        (("[::1]:80",), "x", 80, "::1", True), (("::1",), "x", 80, "::1", True), (("[::1]:81",), "x", 80, "::1", False),
        ((), "x", 80, "::ffff:10.0.0.1", False), ((), "x", 80, "64:ff9b::a00:1", False),
        ((), "x", 80, "64:ff9b::5db8:d822", True), (("10.0.0.0/8",), "x", 80, "::1", False),
        ((), "x", 80, "2002:a00:1::1", False),
    ],
)  # fmt: skip
def test_private_addresses_are_let_by_name_address_or_network(
    allow: tuple[str, ...], host: str, port: int, address: str, is_let: bool
) -> None:
    allowed = Allowed(allow)
    if is_let:
        allowed.check(host, port, ipaddress.ip_address(address))
    else:
        with pytest.raises(PrivateAddressError, match=host):
            allowed.check(host, port, ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("entry_", "parts"),
    [("a:80", ("a", 80)), ("a", ("a", None)), ("::1", ("::1", None)), ("[::1]:8", ("::1", 8)), ("[::1]", ("::1", None)),
     ("a:x", ("a:x", None))],
)  # fmt: skip
def test_a_port_is_parted_from_what_it_follows(entry_: str, parts: tuple[str, int | None]) -> None:
    assert fetch._with_port(entry_) == parts


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://a/", "it is neither http nor https"), ("http://a b/", "it holds characters that no address has"),
        ("http://ü/", "it holds characters that no address has"), ("http://a\\b/", "it holds characters that no address has"),
        ("http:///x", "it names no host"), ("http://a:0/", "it names no host"), ("http://u@a/", "it holds a user's name"),
        ("http://a:99999/", "Port out of range 0-65535"),
    ],
)  # fmt: skip
def test_an_odd_address_is_refused_with_its_reason(url: str, why: str) -> None:
    with pytest.raises(FetchUrlError) as told:
        fetch._parsed(url)

    assert f"is not fetched: {why}." in told.value.message


def test_addresses_are_parsed_followed_and_told_apart() -> None:
    assert fetch._parsed("http://A.example#x").geturl() == "http://A.example/"
    assert fetch._parsed("https://a.example:1/p?q").geturl() == "https://a.example:1/p?q"
    origins = [
        fetch._origin(fetch._parsed(url)) for url in ("http://a/", "https://a/", "http://a:443/x")
    ]
    assert origins == [("http", "a", 80), ("https", "a", 443), ("http", "a", 443)]
    assert fetch._next("https://a/x/y", "z") == "https://a/x/z"
    assert fetch._next("http://a/", "https://b/") == "https://b/"
    assert fetch._next("http://a/", "http://b/") == "http://b/"
    with pytest.raises(FetchUrlError, match="a redirect leads there from https"):
        fetch._next("https://a/", "http://b/")


def test_a_body_is_taken_up_to_its_limit() -> None:
    file = io.BytesIO()

    assert fetch._taken("u", iter([b"ab", b"c"]), 3, None) == b"abc"
    assert fetch._taken("u", iter([b"ab", b"c"]), 3, file) == b""
    assert file.getvalue() == b"abc"
    with pytest.raises(FetchTooLargeError, match="over 2 bytes"):
        fetch._taken("u", iter([b"ab", b"c"]), 2, None)


def test_what_came_is_a_success_from_200_on_and_json_where_it_is() -> None:
    def got(status: int, body: bytes = b"{}") -> Fetched:
        return Fetched(status=status, headers={}, body=body, url="u")

    assert [got(status).is_success for status in (199, 200, 299, 300)] == [False, True, True, False]
    assert got(200, b'{"a":1}').json() == {"a": 1}
    for body in (b"no", b"\xff", b"[" * 100_000):
        with pytest.raises(FetchFailedError, match="what it sent is no JSON"):
            got(200, body).json()
    assert fetch._why(httpcore.ReadTimeout("x")) == "not in time"
    assert fetch._why(httpcore.ConnectError("x")) == "x"
    assert fetch._why(httpcore.ConnectError()) == "ConnectError"


@pytest.mark.parametrize("header", [{"a": "b\n"}, {"a\n": "b"}, {"a": "ü"}])
def test_headers_hold_what_headers_may(header: dict[str, str]) -> None:
    place = fetch._parsed("http://a.example:81/")
    good = fetch._Asked(method="GET", place=place, headers={"x": "y"}, content=None)

    assert good.raw_headers == [
        (b"user-agent", b"inwit"), (b"accept-encoding", b"identity"), (b"x", b"y"), (b"host", b"a.example:81")
    ]  # fmt: skip
    with pytest.raises(FetchUrlError, match="a header holds what no header may"):
        _ = fetch._Asked(method="GET", place=place, headers=header, content=None).raw_headers


def test_registries_have_plain_addresses() -> None:
    assert checked_url(" https://a.example/x/ ") == "https://a.example/x"
    for url in (
        "a.example",
        "ftp://a",
        "https://u@a",
        "https://a?x",
        "https://a#x",
        "https://",
        "http://[x",
    ):
        with pytest.raises(MalformedInputError, match="is no address of a registry"):
            checked_url(url)
    assert [is_loopback(host) for host in ("127.0.0.9", "::1", "Localhost", "10.0.0.1", "a.example")] == [
        True, True, True, False, False
    ]  # fmt: skip
