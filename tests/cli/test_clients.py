"""What is written into the files of MCP clients: exactly that, beside what was there."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from inwit.runtime.project import Project
from inwit.server.hostfile import HostFile

GOLDEN = Path(__file__).parent / "golden"
CLIENTS = ("claude-code", "claude-desktop", "cursor", "vscode")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    found: Path = tmp_path / "user"
    found.mkdir()
    monkeypatch.setenv("HOME", str(found))
    monkeypatch.setattr(sys, "platform", "linux")
    return found


def _golden(name: str, root: Path) -> str:
    text = (GOLDEN / f"{name}.json").read_text()
    return text.replace("{python}", sys.executable).replace("{root}", str(root))


@pytest.mark.parametrize("client", CLIENTS)
def test_config_prints_the_golden_file(inwit, project, home, client) -> None:
    said = inwit("mcp", "config", client)

    assert said.out == _golden(client, project)


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
    ],
)
def test_install_writes_the_golden_file_where_there_was_none(
    inwit, project, home, client, file
) -> None:
    said = inwit("mcp", "install", client, "--json")

    assert said.json["action"] == "added"
    assert said.json["backup"] is None
    assert (project / file).read_text() == _golden(client, project)


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("claude-code", ".claude.json"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".config/Code/User/mcp.json"),
    ],
)
def test_install_for_the_user_goes_into_the_users_file(inwit, project, home, client, file) -> None:
    inwit("mcp", "install", client, "--user")

    assert json.loads((home / file).read_text()) == json.loads(_golden(client, project))


def test_other_entries_order_and_indentation_stay(inwit, project, home) -> None:
    file = project / ".vscode" / "mcp.json"
    file.parent.mkdir()
    file.write_text((GOLDEN / "vscode-before.json").read_text())

    inwit("mcp", "install", "vscode")

    assert file.read_text() == _golden("vscode-after", project)


def test_the_file_as_it_was_is_kept_beside_it(inwit, project, home) -> None:
    file = project / ".mcp.json"
    file.write_text('{"mcpServers": {"other": {"command": "x"}}}')
    file.chmod(0o600)

    backup = Path(inwit("mcp", "install", "claude-code", "--json").json["backup"])

    assert backup.read_text() == '{"mcpServers": {"other": {"command": "x"}}}'
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_installing_twice_changes_nothing_the_second_time(inwit, project, home) -> None:
    inwit("mcp", "install", "cursor")
    again = inwit("mcp", "install", "cursor", "--json").json

    assert again["action"] == "unchanged"
    assert [one.name for one in (project / ".cursor").iterdir()] == ["mcp.json"]


def test_an_entry_of_this_project_is_replaced(inwit, project, home) -> None:
    inwit("mcp", "install", "cursor")
    file = project / ".cursor" / "mcp.json"
    file.write_text(file.read_text().replace(sys.executable, "/old/python"))

    assert inwit("mcp", "install", "cursor", "--json").json["action"] == "replaced"
    assert file.read_text() == _golden("cursor", project)


def test_a_client_that_may_write_is_told_how_it_starts_such_a_server(inwit, project, home) -> None:
    given = ("--allow-write", "--tools", "run")
    said = inwit("mcp", "config", "cursor", *given)
    inwit("mcp", "install", "cursor", *given)
    refused = inwit("mcp", "config", "cursor", "--tools", "run")

    args = said.json["mcpServers"]["inwit"]["args"]
    assert args[2:] == ["mcp", "serve", *given, "--project", str(project)]
    assert "inwit mcp install cursor --allow-write --tools run" in said.err
    assert json.loads((project / ".cursor/mcp.json").read_text()) == said.json
    assert refused.code == 2


def test_another_way_to_the_same_project_takes_the_place_of_the_first(inwit, project, home) -> None:
    inwit("mcp", "install", "cursor")
    HostFile(address="http://127.0.0.1:1", pid=1, token="t").write(Project.find())

    inwit("mcp", "install", "cursor", "--http", "--allow-write")

    servers = json.loads((project / ".cursor/mcp.json").read_text())["mcpServers"]
    assert servers == {
        "inwit": {"url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer t"}}
    }


def test_an_entry_of_another_project_keeps_its_name(inwit, project, home) -> None:
    file = home / ".config" / "Claude" / "claude_desktop_config.json"
    file.parent.mkdir(parents=True)
    file.write_text(_golden("claude-desktop", Path("/elsewhere")))

    name = inwit("mcp", "install", "claude-desktop", "--json").json["name"]

    servers = json.loads(file.read_text())["mcpServers"]
    assert servers["inwit"]["args"][-1] == "/elsewhere"
    assert name != "inwit"
    assert servers[name]["args"][-1] == str(project)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{\n  // mine\n  "servers": {}\n}', "comments"),
        ("[]", "no JSON object"),
        ('{"servers": []}', "no JSON object"),
        ("\x00\x01", "no plain JSON"),
    ],
)
def test_a_file_that_would_be_harmed_is_left_alone(inwit, project, home, content, why) -> None:
    file = project / ".vscode" / "mcp.json"
    file.parent.mkdir()
    file.write_text(content)

    said = inwit("mcp", "install", "vscode")

    assert said.code == 1
    assert why in said.err
    assert file.read_text() == content


def test_a_dry_run_writes_nothing(inwit, project, home) -> None:
    said = inwit("mcp", "install", "claude-code", "--dry-run")

    assert "would be added" in said.out
    assert not (project / ".mcp.json").exists()


def test_a_linked_file_stays_a_link(inwit, project, home) -> None:
    kept = home / "dotfiles.json"
    kept.write_text("{}")
    (home / ".claude.json").symlink_to(kept)

    inwit("mcp", "install", "claude-code", "--user")

    assert (home / ".claude.json").is_symlink()
    assert "inwit" in json.loads(kept.read_text())["mcpServers"]


def test_uninstall_takes_out_that_entry_alone(inwit, project, home) -> None:
    file = project / ".mcp.json"
    file.write_text('{"mcpServers": {"other": {"command": "x"}}}')
    inwit("mcp", "install", "claude-code")

    said = inwit("mcp", "uninstall", "claude-code", "--json").json

    assert said["action"] == "removed"
    assert json.loads(file.read_text()) == {"mcpServers": {"other": {"command": "x"}}}
    assert inwit("mcp", "uninstall", "claude-code", "--json").json["action"] == "absent"


def test_the_doctor_knows_clients_and_says_what_mends_them(inwit, project, home) -> None:
    inwit("mcp", "install", "cursor")
    inwit("mcp", "install", "claude-code")
    file = project / ".mcp.json"
    file.write_text(file.read_text().replace(sys.executable, "/gone/python"))

    found = {one["name"]: one for one in inwit("doctor", "--json").json["checks"]}

    assert found["cursor"]["fix"] == ""
    assert found["claude-code"]["fix"].startswith("inwit mcp install claude-code --name inwit; ")
    assert "/gone/python" in found["claude-code"]["fix"]
    assert "vscode" not in found


def test_the_doctor_says_that_no_client_knows_of_the_project(inwit, project, home) -> None:
    found = {one["name"]: one for one in inwit("doctor", "--json").json["checks"]}

    assert found["clients"]["fix"].startswith("inwit mcp install CLIENT")
