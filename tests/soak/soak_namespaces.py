"""Three hosts in network namespaces of their own, on one bridge: real addresses, real mDNS.

It needs the right to make namespaces (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN) and `ip`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.checkpoints.servers import wait_until

NAMES = ("ada", "ben", "cy")
PREFIX = f"iw{os.getpid() % 10000}"
TOKEN = "a token that the peers know"
INWIT = str(Path(sys.executable).with_name("inwit"))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def address(name: str) -> str:
    return f"10.77.0.{NAMES.index(name) + 1}"


@pytest.fixture
def network() -> Iterator[None]:
    """A namespace for each host and one for the bridge between them."""
    made = [f"{PREFIX}{name}" for name in (*NAMES, "hub")]
    try:
        for one in made:
            ip("netns", "add", one)
        hub = made[-1]
        ip("-n", hub, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        ip("-n", hub, "link", "set", "br0", "up")
        for name in NAMES:
            own = f"{PREFIX}{name}"
            ip("-n", own, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", hub)
            ip("-n", hub, "link", "set", name, "master", "br0", "up")
            ip("-n", own, "addr", "add", f"{address(name)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", own, "link", "set", device, "up")
            ip("-n", own, "route", "add", "default", "dev", "eth0")
        yield
    finally:
        for one in made:
            subprocess.run(["ip", "netns", "del", one], check=False, capture_output=True)


@pytest.fixture
def hosts(network: None, tmp_path: Path) -> Iterator[Path]:
    """A host in each namespace, that announces itself."""
    running = []
    for name in NAMES:
        (tmp_path / name / ".inwit").mkdir(parents=True)
        config = f'[network]\nname = "{name}"\ndiscover = true\n'
        (tmp_path / name / ".inwit" / "config.toml").write_text(config)
        command = ["serve", "--host", address(name), "--port", "8765", "--token", TOKEN]
        running.append(
            subprocess.Popen(within(name, *command), cwd=tmp_path / name, env=environment(tmp_path))
        )
    try:
        for name in NAMES:
            wait_until(partial(answers, name, tmp_path), f"The host {name}")
        yield tmp_path
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def within(name: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", f"{PREFIX}{name}", INWIT, *arguments]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}


def run(name: str, folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        within(name, *arguments, "--json"), cwd=folder / name, env=environment(folder),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answers(name: str, folder: Path) -> bool:
    probe = f"import socket; socket.create_connection(('{address(name)}', 8765), 1)"
    command = ["ip", "netns", "exec", f"{PREFIX}{name}", sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, check=False, env=environment(folder))
    return done.returncode == 0


def test_three_hosts_find_each_other_are_introduced_and_answer(hosts: Path) -> None:
    found = run("ada", hosts, "network", "peers", "--found")["found"]
    assert {one["name"] for one in found} == set(NAMES)

    for name in NAMES:
        for other in NAMES:
            if other != name:
                url = f"http://{address(other)}:8765"
                run(name, hosts, "network", "add", other, url, "--peer-token", TOKEN)
    answer = run(
        "ada", hosts, "ask", "--peer", "all", "--within", "40", "Is checkpointing on by default?"
    )
    sent = run("ben", hosts, "network", "send", "cy", "status", "well")

    assert "[ben] Yes" in answer["answer"]
    assert "[cy] Yes" in answer["answer"]
    assert sent["status"] == "acknowledged"
    (kept,) = run("cy", hosts, "network", "inbox")["messages"]
    assert (kept["from"], kept["body"]) == ("ben", {"text": "well"})


def test_a_host_that_is_cut_off_is_missing_and_gets_its_messages_when_it_is_back(
    hosts: Path,
) -> None:
    url = f"http://{address('ben')}:8765"
    run("ada", hosts, "network", "add", "ben", url, "--peer-token", TOKEN)
    run(
        "ben",
        hosts,
        "network",
        "add",
        "ada",
        f"http://{address('ada')}:8765",
        "--peer-token",
        TOKEN,
    )
    ip("-n", f"{PREFIX}hub", "link", "set", "ben", "down")

    answer = run("ada", hosts, "ask", "--peer", "ben", "Is checkpointing on by default?")
    sent = run("ada", hosts, "network", "send", "ben", "status", "are you there")
    ip("-n", f"{PREFIX}hub", "link", "set", "ben", "up")

    assert answer["data"]["partial"] is True
    assert sent["status"] == "waiting"
    wait_until(
        lambda: bool(run("ben", hosts, "network", "inbox")["messages"]), "The message's delivery"
    )
