import stat
from pathlib import Path

import pytest

from inwit.runtime.files import write_whole


def test_a_file_is_made_and_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "host.json"

    write_whole(path, b"one", mode=0o600)
    write_whole(path, b"two", mode=0o600)

    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["host.json"]


def test_what_cannot_be_written_leaves_what_was_and_nothing_else(tmp_path: Path) -> None:
    """A folder stands in the way of the last step, the renaming."""
    folder = tmp_path / "here"
    place = folder / "taken"
    (place / "within").mkdir(parents=True)

    with pytest.raises(OSError, match="taken"):
        write_whole(place, b"new")

    assert [one.name for one in folder.iterdir()] == ["taken"]
    assert (place / "within").is_dir()


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"kept")
    link.symlink_to(target)

    write_whole(link, b"new")

    assert (target.read_bytes(), link.read_bytes()) == (b"kept", b"new")
    assert not link.is_symlink()
