"""Where the librarian example is: in the source tree, or within an installed package."""

from __future__ import annotations

from pathlib import Path

from inwit.errors import NotInThisVersionError

PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder of the example.

    Raises:
        NotInThisVersionError: This installation carries no examples.
    """
    for place in (PACKAGE / "_examples", PACKAGE.parent / "examples"):
        if (place / "librarian").is_dir():
            return place / "librarian"
    raise NotInThisVersionError("The librarian example")
