"""How a host finds out who asks it: its own token, an issuer's, those of service accounts."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inwit.registry.fetch import Fetcher
from inwit.registry.serve import Registry
from inwit.runtime.project import Project
from inwit.server.auth import Authenticator, Tokens
from inwit.server.auth_jwt import Issuer, IssuerSettings
from inwit.server.limits import Meter, read_limits
from inwit.server.registry_tokens import RegistryTokens

HOST_KEY = "host.key"
CURSOR_KEY = "cursor.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What stands before a host's routes."""

    authenticator: Authenticator
    meter: Meter
    issuer: IssuerSettings | None
    """Who issues tokens; with an issuer every caller is a tenant."""
    cursor_key: bytes
    """What binds cursors to tenants; the same for all hosts of the project."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What clients are told of the issuer."""
        return self.issuer.metadata if self.issuer else None

    @property
    def hosts(self) -> frozenset[str]:
        """The name that tokens give this host, which it answers to behind a proxy."""
        name = urlsplit(self.issuer.audience).hostname if self.issuer else None
        return frozenset({name}) if name else frozenset()

    @property
    def metadata_url(self) -> str | None:
        return self.issuer.metadata_url if self.issuer else None


def entrance(project: Project, token: str | None) -> Entrance:
    """Read a project's settings.

    A `token` is asked of everyone. Without it and without an issuer reading is open, and writing
    asks for the token of `host.json`.

    Raises:
        HostError: The settings of the issuer cannot be meant so.
        MissingLibraryError: An issuer is named, and the extra `auth` is not installed.
    """
    settings = project.settings()
    issuer = IssuerSettings.read(settings)
    others: tuple[Tokens, ...] = ()
    if issuer is not None:
        others = (Issuer(issuer, Fetcher.of(project, timeout_s=10.0)),)
    elif (project.folder / "registry").is_dir():
        others = (RegistryTokens(Registry(project.folder / "registry")),)
    authenticator = Authenticator(
        token=token or host_token(project),
        asks_everyone=token is not None or issuer is not None,
        others=others,
    )
    return Entrance(
        authenticator=authenticator,
        meter=Meter(read_limits(settings)),
        issuer=issuer,
        cursor_key=project.secret(CURSOR_KEY),
    )


def host_token(project: Project) -> str:
    """The token that a project's hosts ask for before they change anything.

    It stays the same from host to host; remove `host.key` to make another.
    """
    return urlsafe_b64encode(project.secret(HOST_KEY)).decode().rstrip("=")


def has_issuer(project: Project) -> bool:
    """Whether a project names who issues tokens for its hosts."""
    return IssuerSettings.read(project.settings()) is not None
