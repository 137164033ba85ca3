"""What `config.toml` may say, to tell of what nobody reads, and of what cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import msgspec

from inwit.errors import nearest, shorten

PLAIN: Mapping[str, Mapping[str, Any]] = {
    "": {"redaction": Literal["secrets", "pii"], "prometheus_url": str},
    "registry": {"url": str, "fingerprint": str},
    "network": {"name": str, "discover": bool, "install": bool},
    "outgoing": {"allow_private": list[str]},
}
"""Settings that are read one by one, by their tables; "" stands for what is above the first."""


def tables() -> Mapping[str, type]:
    """The classes that tables are read into."""
    from inwit.registry.peers import Peer
    from inwit.registry.sources.configured import GitEntry
    from inwit.registry.trust import Policy
    from inwit.runtime.project import Retention
    from inwit.self_improve.budget import Budget
    from inwit.self_improve.critique import Model
    from inwit.self_improve.daemon import Settings
    from inwit.server.auth_jwt import IssuerSettings
    from inwit.server.limits import Limits

    return {
        "auth": IssuerSettings, "limits": Limits, "network.peers": Peer, "retention": Retention,
        "self_improve": Settings, "self_improve.budget": Budget, "self_improve.models": Model,
        "sources": GitEntry, "trust": Policy,
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A setting that nobody reads, or whose value cannot be meant."""

    place: str
    found: str
    fix: str
    is_unknown: bool


def slips(settings: Mapping[str, Any]) -> Iterator[Slip]:
    """Go through what a config.toml says."""
    known: dict[str, dict[str, Any]] = {place: dict(names) for place, names in PLAIN.items()}
    for place, kind in tables().items():
        known.setdefault(place, {}).update(get_type_hints(kind))
    return _slips(settings, "", known)


def _slips(
    table: Mapping[str, Any], place: str, known: Mapping[str, Mapping[str, Any]]
) -> Iterator[Slip]:
    for name, value in table.items():
        path = f"{place}.{name}" if place else name
        if path in known:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping):
                    yield from _slips(one, path, known)
                else:
                    yield _wrong(path, value, f"write [{path}] and its settings below")
        elif name in known[place]:
            yield from _unmeant(path, value, known[place][name])
        else:
            inner = [one.rpartition(".") for one in known if one]
            names = {*known[place], *(end for start, _, end in inner if start == place)}
            shown = f"[{path}]" if isinstance(value, Mapping) else path
            found = f"{shown} is read by nobody"
            yield Slip(place=path, found=found, fix=nearest(name, names), is_unknown=True)


def _unmeant(path: str, value: Any, kind: Any) -> Iterator[Slip]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        yield _wrong(path, value, str(exc))


def _wrong(path: str, value: Any, why: str) -> Slip:
    return Slip(place=path, found=f"{path} = {shorten(value)}", fix=why, is_unknown=False)
