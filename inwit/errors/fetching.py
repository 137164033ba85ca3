"""Errors of what is fetched from other machines."""

from __future__ import annotations

from inwit.errors.base import InwitError, shorten


class FetchError(InwitError):
    """What was asked of another machine did not come."""

    code = "fetch.error"
    status = 502


class FetchUrlError(FetchError):
    """An address is not one that is fetched from."""

    code = "fetch.url"
    status = 422

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{shorten(url)} is not fetched: {why}.", hint="Give an http(s) address.")


class PrivateAddressError(FetchError):
    """A name leads to an address within this machine or its networks."""

    code = "fetch.private_address"
    status = 422

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            f"{shorten(host)} leads to {address}, which is not on the open internet.",
            hint=f'Where that is meant: [outgoing] allow_private = ["{address}"] in config.toml.',
        )


class FetchTooLargeError(FetchError):
    """An answer is larger than what is taken."""

    code = "fetch.too_large"

    def __init__(self, url: str, limit: int) -> None:
        super().__init__(
            f"What {shorten(url)} sends is over {limit:,} bytes.", hint="Nothing of it was kept."
        )


class FetchFailedError(FetchError):
    """The other machine does not answer, or not in time."""

    code = "fetch.failed"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{shorten(url)} does not answer: {why}.", hint="Try again later.")
