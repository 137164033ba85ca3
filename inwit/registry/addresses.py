"""Addresses of registries and hosts, checked before anything is asked of them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from inwit.errors import MalformedInputError


def checked_url(url: str) -> str:
    """Return the address of a registry without its last slash.

    Raises:
        MalformedInputError: It is no address over http(s), or holds a password.
    """
    try:
        place = urlsplit(url.strip())
        is_fine = place.scheme in ("http", "https") and place.hostname and "@" not in place.netloc
    except ValueError:
        is_fine = False
    if not is_fine or place.query or place.fragment:
        raise MalformedInputError(
            f"{url!r} is no address of a registry.", hint="Set it as https://packages.example.org."
        )
    return url.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
