"""Our update code behind the command line that the public conformance suite of TUF speaks.

python tests/conformance/tuf_client.py --metadata-dir DIR init ROOT
python tests/conformance/tuf_client.py --metadata-dir DIR --metadata-url URL refresh
python tests/conformance/tuf_client.py --metadata-dir DIR --metadata-url URL \
        --target-name PATH --target-base-url URL --target-dir DIR download
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from inwit.errors import InwitError
from inwit.registry.fetch import Fetcher
from inwit.registry.trust_update import Updates


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-name", default="")
    parser.add_argument("--target-base-url", default="")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(arguments)
    fetcher = Fetcher(allow=("localhost", "127.0.0.1"))  # the suite serves on this machine
    updates = Updates(given.metadata_url, given.target_base_url, given.metadata_dir, fetcher)
    try:
        if given.command == "init":
            updates.initialise(given.trusted_root.read_bytes())
        else:
            updates.refresh()
        if given.command == "download":
            download(updates, given.target_name, given.target_dir)
    except InwitError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def download(updates: Updates, name: str, folder: Path) -> None:
    """Download one target into a folder, under its quoted path.

    Raises:
        InwitError: The repository has no such target, or it does not hold.
    """
    found = updates.find(name)
    if found is None:
        raise InwitError(f"No target {name!r}.")
    updates.download(found, folder / quote(name, ""))


if __name__ == "__main__":
    sys.exit(main())
