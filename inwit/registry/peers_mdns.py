"""Finding hosts on the local network by mDNS: opt-in, and what is found is only shown.

A host announces itself where ``[network] discover = true`` and it listens beyond this machine.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inwit.errors import MissingLibraryError

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

SERVICE = "_inwit._tcp.local."
LOOK_S = 2.0
MOST = 256
"""Hosts that are listed at most: anybody may announce as many as they like."""


class Announcement:
    """Says on the local network that a host is here, until it is closed."""

    def __init__(
        self, name: str, key_id: str, port: int, addresses: Sequence[str], *, interfaces: Any = None
    ) -> None:
        from zeroconf import ServiceInfo

        self._zeroconf = _zeroconf(interfaces)
        label = "".join(char if char.isalnum() or char in "-_ " else "-" for char in name)[:50]
        self._info: ServiceInfo = ServiceInfo(
            SERVICE,
            f"{label} {key_id[:8]}.{SERVICE}",
            port=port,
            addresses=[socket.inet_aton(one) for one in addresses],
            properties={"name": name[:200], "key": key_id, "path": "/.well-known/inwit.json"},
            server=f"inwit-{key_id[:16]}.local.",
        )
        self._zeroconf.register_service(self._info)

    def close(self) -> None:
        """Take it back."""
        self._zeroconf.unregister_service(self._info)
        self._zeroconf.close()


def look(
    seconds: float = LOOK_S, *, interfaces: Any = None, enough: int = MOST
) -> list[dict[str, str]]:
    """Listen for hosts that announce themselves: name, url and key id, as they say them.

    It ends early when `enough` are found. Nothing of it is trusted: a peer is added by hand.
    """
    from zeroconf import ServiceBrowser, ServiceStateChange

    found: dict[str, dict[str, str]] = {}
    is_enough = threading.Event()
    zeroconf = _zeroconf(interfaces)

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Added or len(found) >= MOST:
            return
        info = zeroconf.get_service_info(service_type, name, timeout=1000)
        if info is not None and info.parsed_addresses():
            found[name] = _shown(info)
            if len(found) >= enough:
                is_enough.set()

    try:
        browser = ServiceBrowser(zeroconf, SERVICE, handlers=[changed])
        is_enough.wait(seconds)
        browser.cancel()
    finally:
        zeroconf.close()
    return sorted(found.values(), key=lambda one: one["url"])


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine beyond itself."""
    import ifaddr

    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return [one for one in found if isinstance(one, str) and not one.startswith("127.")]


def _shown(info: ServiceInfo) -> dict[str, str]:
    said = {
        key.decode("utf-8", "replace"): (value or b"").decode("utf-8", "replace")
        for key, value in info.properties.items()
    }
    address = info.parsed_addresses()[0]
    host = f"[{address}]" if ":" in address else address
    return {
        "name": said.get("name", "")[:200],
        "url": f"http://{host}:{info.port}",
        "key_id": said.get("key", "")[:64],
    }


def _zeroconf(interfaces: Any) -> Zeroconf:
    try:
        from zeroconf import InterfaceChoice, Zeroconf
    except ImportError as exc:
        raise MissingLibraryError("Finding peers", "peers", "zeroconf") from exc
    return Zeroconf(interfaces=interfaces or InterfaceChoice.All)
