"""What the doctor says of what is broken: each state is made for real, and each has its way out."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import tomllib
from types import SimpleNamespace

import pytest

from inwit.cli.settings import slips
from inwit.runtime.project import Project
from inwit.runtime.store import Database, audit
from inwit.server import lifecycle
from tests.house.docs import settings as docs


def found(inwit) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in inwit("doctor", "--json").json["checks"]}


def test_a_disk_that_is_nearly_full_is_broken(inwit, counted, monkeypatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=4096))

    disk = found(inwit)["disk"]

    assert disk["is_fatal"]
    assert "retention" in str(disk["fix"])


def test_a_clock_that_is_behind_the_record_is_told(inwit, counted, project) -> None:
    ahead_ns = time.time_ns() + 3_600 * 10**9
    Database.of(Project.find()).write(
        lambda connection: connection.execute("UPDATE executions SET last_ns = ?", (ahead_ns,))
    )

    clock = found(inwit)["clock"]

    assert "behind the newest record" in str(clock["found"])
    assert "set the clock" in str(clock["fix"])


def test_a_taken_port_is_told_beside_a_host_that_was_killed(inwit, project, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(lifecycle, "PORT", taken.getsockname()[1])
        (project / ".inwit" / "host.json").write_text(
            '{"address": "http://127.0.0.1:9", "pid": 1, "token": null}'
        )
        checks = found(inwit)

    assert "does not answer" in str(checks["host"]["found"])
    assert "cannot be had" in str(checks["port"]["found"])
    assert "--port 0" in str(checks["port"]["fix"])


def test_a_record_that_was_damaged_is_named_until_someone_has_seen_to_it(
    inwit, counted, project
) -> None:
    kept = project / ".inwit" / "inwit.db.damaged-20260101T000000Z"
    kept.write_bytes(b"what is left")

    damaged = found(inwit)["damaged record"]

    assert damaged["found"] == str(kept)
    assert "backup" in str(damaged["fix"])


def as_another(*args: str) -> subprocess.CompletedProcess[str]:
    """Run a command without the superuser's power to pass by permissions."""
    dropping = "import ctypes, os, sys; libc = ctypes.CDLL(None)\n"
    dropping += "[libc.prctl(24, one, 0, 0, 0) for one in range(40)]\n"
    dropping += "os.execv(sys.executable, [sys.executable, '-m', 'inwit', *sys.argv[1:]])\n"
    return subprocess.run(
        [sys.executable, "-c", dropping, *args], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


@pytest.mark.parametrize("command", [("doctor",), ("executions", "list"), ("serve", "--port", "0")])
def test_a_folder_that_is_closed_is_told_by_every_command_without_a_traceback(
    counted, project, command
) -> None:
    folder = project / ".inwit"
    Database.of(Project.find()).close()
    folder.chmod(0)
    try:
        said = as_another(*command)
    finally:
        folder.chmod(0o700)

    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert "ermi" in said.stderr or "chmod" in said.stdout


def test_a_graph_runs_where_the_folder_is_closed(counted, project) -> None:
    folder = project / ".inwit"
    Database.of(Project.find()).close()
    folder.chmod(0)
    try:
        said = as_another("run", "counter.py:app", "--input", '{"limit": 2}')
    finally:
        folder.chmod(0o700)

    assert said.returncode == 0, said.stderr
    assert "n: 2" in said.stdout
    assert "not in the record" in said.stderr


def test_a_settings_file_that_is_no_toml_is_named(inwit, counted, project) -> None:
    (project / ".inwit" / "config.toml").write_text("[retention\nexecutions = 1")

    said = inwit("serve", "--port", "0")

    assert said.code == 1
    assert "config.toml is no TOML" in said.err


def test_an_audit_log_that_was_changed_is_broken(inwit, counted) -> None:
    project = Project.find()
    audit.append(
        project, actor="person:ada", action="plan.approve", target="plan://1", outcome="done"
    )
    whole = found(inwit)["audit log"]
    Database.of(project).write(
        lambda connection: connection.execute("UPDATE audit SET actor = 'person:bo'")
    )

    changed = found(inwit)["audit log"]

    assert whole["found"] == "1 entries, intact"
    assert changed["is_fatal"]
    assert changed["found"] == "Entry 1 was changed."


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("[retention", "is no TOML"),
        ('[retention]\ndays = "all"', "days = 'all' is no number"),
        ("[retention]\ndays = -3", "days = '-3' is less than 0"),
        ('redaction = "pi"', "redaction = 'pi'"),
        ('[self_improve]\ninterval_s = "often"', "self_improve.interval_s = 'often'"),
        ("trust = 3", "trust = 3"),
        ('[auth]\nissuer = "https://login.example.com"', "audience"),
    ],
)
def test_settings_that_cannot_be_meant_are_broken(inwit, counted, project, settings, told) -> None:
    (project / ".inwit" / "config.toml").write_text(settings)

    wrong = found(inwit)["settings"]

    assert told in str(wrong["found"])
    assert wrong["is_fatal"]
    assert wrong["fix"]


def test_a_limit_of_the_environment_is_told_with_its_range_and_its_name(
    inwit, counted, monkeypatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_DAYS", "-3")

    wrong = found(inwit)["settings"]

    assert wrong["found"] == "INWIT_RETENTION_DAYS = '-3' is less than 0."
    assert "a number from 0 on, as usual 30" in str(wrong["fix"])


@pytest.mark.parametrize(
    ("settings", "told", "meant"),
    [
        ("[retension]\ndays = 3", "[retension] is read by nobody", "'retention'"),
        ("[retention]\nday = 3", "retention.day is read by nobody", "'days'"),
        ('redactoin = "pii"', "redactoin is read by nobody", "'redaction'"),
        ('[[network.peers]]\nnme = "ada"', "network.peers.nme is read by nobody", "'name'"),
        ("[self_improve.budget]\ndollars = 3", "self_improve.budget.dollars is read", "usd"),
    ],
)
def test_settings_that_nobody_reads_are_told(project, settings, told, meant) -> None:
    (slip,) = slips(tomllib.loads(settings))

    assert slip.is_unknown
    assert told in slip.found
    assert meant in slip.fix


def test_every_setting_of_the_reference_is_known_to_the_doctor() -> None:
    told = [(header, [row.name for row in rows]) for header, _, rows in docs.PLAIN]
    told += [(header, [row.name for row in docs.rows_of(cls)]) for header, _, cls in docs.TABLES]

    text = "".join(
        f"{header}\n" + "".join(f"{name} = 3\n" for name in names) for header, names in told
    )

    assert [one.found for one in slips(tomllib.loads(text)) if one.is_unknown] == []


def test_a_record_that_is_damaged_is_told_with_where_it_is_kept(inwit, counted, project) -> None:
    Database.of(Project.find()).close()
    file = project / ".inwit" / "inwit.db"
    for log in project.glob(".inwit/inwit.db-*"):
        log.unlink()
    file.write_bytes(b"\x17" * 40_000)

    first, second = inwit("doctor", "--json"), found(inwit)

    assert "Traceback" not in first.err
    assert "No such file" not in first.err
    assert ".damaged-" in str(second["damaged record"]["found"])


@pytest.mark.parametrize(
    "wrong", ["[[grants", '[[grants]]\nto = "user:ada"\nrole = "owner"\non = "organisation:acme"\n']
)
def test_tenants_that_cannot_be_meant_are_broken(inwit, project, wrong) -> None:
    (project / ".inwit" / "tenants.toml").write_text(wrong)

    told = found(inwit)["tenants"]

    assert told["is_fatal"]
    assert "tenants.toml" in str(told["found"])


def test_a_policy_that_is_none_is_broken(inwit, project) -> None:
    (project / ".inwit" / "tenants.toml").write_text("")
    (project / ".inwit" / "policies").mkdir()
    (project / ".inwit" / "policies" / "own.cedar").write_text("permit everything")

    assert found(inwit)["tenants"]["is_fatal"]


def test_a_role_on_what_the_file_does_not_name_is_told(inwit, project) -> None:
    (project / ".inwit" / "tenants.toml").write_text(
        '[organisations.acme.projects.main]\nworkflows = ["a-*"]\n'
        '[[grants]]\nto = "user:ada"\nrole = "viewer"\non = "project:acme/other"\n'
        '[[grants]]\nto = "user:bob"\nrole = "viewer"\non = "project:acme/main"\n'
    )

    told = found(inwit)

    assert told["tenants"]["found"] == "1 projects, 2 grants"
    assert "[auth]" in str(told["tenants"]["fix"])  # nobody issues tokens here
    assert told["grant"]["found"] == "user:ada has a role on project:acme/other, which is not there"
