"""Which paths an archive may name: none that leads out, hides, or looks like another."""

from __future__ import annotations

import unicodedata

from inwit.errors import ArchiveError

MAX_LENGTH = 240
MAX_DEPTH = 12
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
)
_CONFUSED = str.maketrans("аеорсухіјѕԁһνοαρτυικⅼɡ", "aeopcyxijsdhvoaptuiklg")
"""Letters of other scripts that are drawn like Latin ones."""


def checked_path(path: str) -> str:
    """Give back a path with ``/`` that stays below its root and can be read as it is written.

    Raises:
        ArchiveError: It is absolute, leads up, is too long, or holds signs that mislead.
    """
    path = path.removeprefix("./")
    parts = path.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise _refused(path, "a path below the package")
    if len(path) > MAX_LENGTH or len(parts) > MAX_DEPTH:
        raise _refused(path, f"at most {MAX_LENGTH} characters and {MAX_DEPTH} folders")
    for part in parts:
        _check_part(path, part)
    if path.endswith((".py", ".toml", ".pth", ".so")) and not path.isascii():
        raise _refused(path, "ASCII, since it names code")
    return "/".join(parts)


class Places:
    """The paths of one archive: each once, also where case or look are the only difference."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add_file(self, path: str) -> None:
        """Take a file's path, or refuse it.

        Raises:
            ArchiveError: Another one cannot be told from it, or has it as a folder.
        """
        parts = path.split("/")
        for end in range(1, len(parts)):
            self.add_folder("/".join(parts[:end]))
        key = skeleton(path)
        if key in self._files or key in self._folders:
            known = self._files.get(key) or self._folders[key]
            raise _refused(path, f"a path that cannot be taken for {known!r}")
        self._files[key] = path

    def add_folder(self, path: str) -> None:
        """Take a folder's path, or refuse it.

        Raises:
            ArchiveError: As for `add_file`; the same folder may come again.
        """
        key = skeleton(path)
        known = self._files.get(key) or self._folders.get(key, path)
        if key in self._files or known != path:
            raise _refused(path, f"a path that cannot be taken for {known!r}")
        self._folders[key] = path


def skeleton(text: str) -> str:
    """Bring together what looks alike: case, compatibility forms, letters of other scripts."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_CONFUSED)


def _check_part(path: str, part: str) -> None:
    if any(unicodedata.category(char)[0] in "CZ" and char != " " for char in part):
        raise _refused(path, "no control, direction or invisible signs")
    if "\\" in part or ":" in part or part != part.strip() or part.endswith("."):
        raise _refused(path, "names that every system can hold")
    if part.split(".", maxsplit=1)[0].casefold() in _RESERVED:
        raise _refused(path, "names that every system can hold")
    if unicodedata.normalize("NFC", part) != part:
        raise _refused(path, "Unicode in its composed form (NFC)")
    scripts = {_script(char) for char in part if char.isalpha()}
    if len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1:
        raise _refused(path, "letters of one script, since those of others look alike")


def _script(char: str) -> str:
    return unicodedata.name(char, "?").split(" ", maxsplit=1)[0]


def _refused(path: str, wanted: str) -> ArchiveError:
    return ArchiveError("the archive", "path", path, wanted)
