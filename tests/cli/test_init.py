"""`inwit init`: a folder, and a section in the files that AIs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from inwit.cli.init import BEGIN, END


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    root: Path = tmp_path / "new"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.delenv("INWIT_HOME", raising=False)
    return root


def test_init_makes_the_project_folder_private(inwit, empty) -> None:
    first, second = inwit("init", "--json").json, inwit("init", "--json").json

    assert (first["is_new"], second["is_new"]) == (True, False)
    assert (empty / ".inwit").stat().st_mode & 0o777 == 0o700
    assert (empty / ".inwit" / ".gitignore").read_text() == "*\n"


def test_agents_are_told_in_both_files(inwit, empty) -> None:
    said = inwit("init", "--agents", "--json").json

    assert said["files"] == {"AGENTS.md": "made", "CLAUDE.md": "made"}
    for name in said["files"]:
        text = (empty / name).read_text()
        assert text.startswith(BEGIN)
        assert "introspect_ask" in text


def test_what_was_written_by_others_stays(inwit, empty) -> None:
    (empty / "AGENTS.md").write_text("# House rules\n\nBe kind.\n")

    inwit("init", "--agents")
    (empty / "AGENTS.md").write_text((empty / "AGENTS.md").read_text() + "\nMore rules.\n")
    again = inwit("init", "--agents", "--json").json

    text = (empty / "AGENTS.md").read_text()
    assert text.startswith("# House rules\n\nBe kind.\n\n")
    assert text.endswith("\nMore rules.\n")
    assert text.count(BEGIN) == 1
    assert again["files"]["AGENTS.md"] == "unchanged"


def test_an_older_section_is_written_anew_in_its_place(inwit, empty) -> None:
    (empty / "AGENTS.md").write_text(f"a\n{BEGIN}\nold words\n{END}\nz\n")

    inwit("init", "--agents")

    text = (empty / "AGENTS.md").read_text()
    assert "old words" not in text
    assert text.startswith("a\n<!-- inwit")
    assert text.endswith(f"{END}\nz\n")


def test_a_file_that_reads_the_other_is_left_alone(inwit, empty) -> None:
    (empty / "CLAUDE.md").write_text("@AGENTS.md\n")

    said = inwit("init", "--agents", "--json").json

    assert said["files"]["CLAUDE.md"] == "reads AGENTS.md"
    assert (empty / "CLAUDE.md").read_text() == "@AGENTS.md\n"
