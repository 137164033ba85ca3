"""The client's side of The Update Framework: what a registry says is checked before it is believed.

Root, timestamp, snapshot and targets are refreshed by python-tuf in the order that its
specification sets down, kept in a folder of the user, and never go back: rollback, freeze, mix and
match, endless data and wrong keys end in a `MetadataError`, and what was trusted before stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from inwit.errors import (
    FetchError,
    FetchTooLargeError,
    FetchUrlError,
    InwitError,
    MetadataError,
    PrivateAddressError,
    RegistryUnreachableError,
    WrongRootError,
)
from inwit.ids import new_id
from inwit.registry.fetch import Fetcher

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile
    from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

logger = logging.getLogger("inwit")

ROOT_LIMIT = 512_000
SNAPSHOT_LIMIT = 16 << 20
"""A hundred bytes for each namespace."""
TARGETS_LIMIT = 32 << 20
"""A few hundred bytes for each namespace, in the top-level role, or for each release, in its own."""
MAX_ROOT_ROTATIONS = 256
MAX_DELEGATIONS = 64
LARGEST = 64 << 20


class Updates:
    """The trusted state of one registry in a folder. One `refresh` for each instance.

    Args:
        metadata_url: Where the metadata is, such as ``…/api/v1/tuf/metadata``.
        targets_url: Where the targets are.
        folder: Keeps what is trusted; one process at a time works in it.
        fetcher: How addresses are read.
    """

    def __init__(self, metadata_url: str, targets_url: str, folder: Path, fetcher: Fetcher) -> None:
        self._metadata_url = metadata_url.rstrip("/")
        self._targets_url = targets_url.rstrip("/")
        self._name = self._metadata_url.removesuffix("/api/v1/tuf/metadata")
        self._folder = folder
        self._fetcher = fetcher
        self._held: Updater | None = None

    @property
    def is_initialised(self) -> bool:
        """Whether a root is trusted."""
        return (self._folder / "root.json").exists()

    def initialise(self, root: bytes) -> None:
        """Trust a root that was had in another way. What was trusted before is forgotten.

        Raises:
            MetadataError: It is none, or its own signatures do not suffice.
        """
        from tuf.api.exceptions import RepositoryError
        from tuf.api.metadata import Metadata, Root

        try:
            held = Metadata[Root].from_bytes(root)
            held.verify_delegate("root", held)
        except (RepositoryError, ValueError, TypeError) as exc:
            raise MetadataError(self._name, f"its root does not hold ({exc})") from exc
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("timestamp.json", "snapshot.json", "targets.json"):
            (self._folder / name).unlink(missing_ok=True)
        place = self._folder / "root.json"
        draft = self._folder / f".{new_id()}"
        draft.write_bytes(root)
        draft.replace(place)

    def trust_first(self, fingerprint: str | None) -> str:
        """Fetch the first root and trust it, where none is trusted yet; give its fingerprint.

        With a `fingerprint` it must have that sha256; without one it is trusted as it is, and only
        what comes later is proved by it.

        Raises:
            WrongRootError: It has another fingerprint.
            RegistryUnreachableError: It cannot be fetched.
        """
        kept = self._folder / "fingerprint"
        known = kept.read_text().strip() if self.is_initialised and kept.exists() else None
        if known is not None and fingerprint in (None, known):
            return known
        root = self._first_root()
        found = hashlib.sha256(root).hexdigest()
        if fingerprint is None:
            logger.warning(
                "inwit: note: %s is trusted from now on, as it showed itself: fingerprint %s",
                self._name, found,
            )  # fmt: skip
        elif found != fingerprint:
            raise WrongRootError(self._name, found, fingerprint)
        self.initialise(root)
        kept.write_text(found)
        return found

    def refresh(self) -> None:
        """Bring the top-level metadata up to date.

        Raises:
            MetadataError: What came breaks a rule; what was trusted before stays.
            RegistryUnreachableError: The registry does not answer.
        """
        with self._errors(), self._alone():
            self._held = self._updater()
            self._held.refresh()

    def find(self, path: str) -> TargetFile | None:
        """What the registry's metadata says of a target; None where it has none."""
        with self._errors(), self._alone():
            if self._held is None:
                self._held = self._updater()
            return self._held.get_targetinfo(path)

    def read(self, path: str) -> bytes | None:
        """The checked content of a small target."""
        found = self.find(path)
        if found is None:
            return None
        name = hashlib.sha256(f"{found.hashes}".encode()).hexdigest()
        place = self._folder / "targets" / name
        self.download(found, place)
        return place.read_bytes()

    def download(self, found: TargetFile, to: Path) -> Path:
        """Download a target, limited to its length and checked, unless `to` is it already."""
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        updater = self._held
        assert updater is not None
        with self._errors():
            if updater.find_cached_target(found, str(to)) is None:
                draft = to.with_name(f".{new_id()}")
                try:
                    updater.download_target(found, str(draft), self._targets_url)
                    draft.replace(to)
                finally:
                    draft.unlink(missing_ok=True)
        return to

    def _first_root(self) -> bytes:
        with self._errors():
            return _adapted(self._fetcher).download_bytes(
                f"{self._metadata_url}/1.root.json", ROOT_LIMIT
            )

    def _updater(self) -> Updater:
        from tuf.ngclient import Updater

        return Updater(
            metadata_dir=str(self._folder),
            metadata_base_url=self._metadata_url,
            target_base_url=self._targets_url,
            fetcher=_adapted(self._fetcher),
            config=_config(),
            bootstrap=None,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes that refresh one folder at once could leave the older state."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from tuf.api import exceptions

        try:
            yield
        except InwitError:
            raise
        except exceptions.DownloadLengthMismatchError as exc:
            raise MetadataError(self._name, f"more came than may come ({exc})") from exc
        except exceptions.DownloadError as exc:
            if isinstance(exc.__cause__, PrivateAddressError | FetchUrlError):
                raise exc.__cause__ from exc
            raise RegistryUnreachableError(self._name, str(exc)) from exc
        except (exceptions.RepositoryError, ValueError) as exc:
            raise MetadataError(self._name, str(exc)) from exc
        except OSError as exc:
            raise MetadataError(self._name, f"{self._folder}: {exc}") from exc


def _config() -> UpdaterConfig:
    from tuf.ngclient import UpdaterConfig

    return UpdaterConfig(
        max_root_rotations=MAX_ROOT_ROTATIONS,
        max_delegations=MAX_DELEGATIONS,
        root_max_length=ROOT_LIMIT,
        snapshot_max_length=SNAPSHOT_LIMIT,
        targets_max_length=TARGETS_LIMIT,
    )


def _adapted(fetcher: Fetcher) -> FetcherInterface:
    """Let python-tuf fetch through the one way out."""
    from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
    from tuf.ngclient import FetcherInterface

    class Adapted(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            with self.download_file(url, LARGEST) as file:
                yield file.read()

        @contextmanager
        def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
            with tempfile.TemporaryFile() as file:
                try:
                    found = fetcher.get(url, limit_bytes=max_length, to=file)
                except FetchTooLargeError as exc:
                    raise DownloadLengthMismatchError(str(exc)) from exc
                except FetchError as exc:
                    raise DownloadError(exc.message) from exc
                if not found.is_success:
                    raise DownloadHTTPError(f"{url} answered {found.status}", found.status)
                file.seek(0)
                yield file

    return Adapted()
