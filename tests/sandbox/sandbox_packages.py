"""Code of unverified packages, kept by bubblewrap: `make test-sandbox` installs it and runs these."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import inwit
from inwit.errors import InvalidPackageError, PackageCodeError, SandboxError
from inwit.registry.install.installer import Consent, Installer
from inwit.registry.install.lock import Wanted
from inwit.registry.package import Permissions
from inwit.registry.sandbox import bubble, process
from inwit.registry.sandbox.process import Worker
from inwit.registry.sandbox.rules import Rule
from inwit.registry.sandbox.standins import fetch
from inwit.registry.sources.configured import Sources
from inwit.registry.sources.local import PathSource
from inwit.runtime.project import Project
from tests.registry.test_installing import make

Install = Callable[..., Any]


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """End the workers of each test."""
    assert bubble.is_available(), "bubblewrap is needed: `make test-sandbox` installs it"
    yield
    process.close_all()


@pytest.fixture
def install(project: Path, tmp_path: Path) -> Install:
    """Install a package from its code, as an archive of unknown origin, and load it."""

    def installed(code: str, more: str = "", *, consent: Consent | None = None) -> Any:
        place = make(tmp_path / "made", "acme/odd", more=more, code=code)
        found = Project.find()
        sources = Sources.of(found, named=(PathSource(place),))
        installer = Installer(found, sources, inwit_version=inwit.__version__)
        installer.install({"acme/odd": Wanted()}, consent=consent)
        return inwit.load("acme/odd")

    return installed


# What works


def test_a_function_is_called_over_there(install: Install) -> None:
    greet = install(
        "import os\ndef greet(name, *, loud=False):\n    'Greets.'\n    return {'pid': os.getpid(), 'text': name.upper() if loud else name}\n"
    )

    told = greet("Ada", loud=True)

    assert told["text"] == "ADA"
    assert told["pid"] != os.getpid() and told["pid"] < 100  # a process namespace of its own
    assert greet.__name__ == "greet" and greet.__doc__ == "Greets."


def test_a_function_of_ours_can_be_called_from_there(install: Install) -> None:
    greet = install("def greet(ask, names):\n    return [ask(name) for name in names]\n")
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return f"hi {name}"

    async def later(name: str) -> str:
        return f"later {name}"

    assert greet(ask, ["Ada", "Bo"]) == ["hi Ada", "hi Bo"]
    assert greet(later, ["Ada"]) == ["later Ada"]
    assert asked == ["Ada", "Bo"]


GRAPH = """
import operator
import os
from typing import Annotated, TypedDict
from inwit import END, START, Send, StateGraph

class State(TypedDict, total=False):
    n: int
    steps: Annotated[list, operator.add]
    best: Annotated[int, lambda a, b: max(a or 0, b)]
    pids: Annotated[list, operator.add]

def larger(a, b):
    return a if (a or 0) > b else b

class Own(TypedDict, total=False):
    n: int
    steps: Annotated[list, operator.add]
    top: Annotated[int, larger]
    pid: int

def count(state):
    return {"n": state["n"] + 1, "steps": ["count"], "top": state["n"], "pid": os.getpid()}

async def rest(state):
    return {"steps": ["rest"]}

def onward(state):
    return "again" if state["n"] < 3 else "done"

def greet():
    graph = StateGraph(Own)
    graph.add_node("count", count)
    graph.add_node("rest", rest)
    graph.add_edge(START, "count")
    graph.add_conditional_edges("count", onward, {"again": "count", "done": "rest"})
    graph.add_edge("rest", END)
    return graph
"""


def test_a_graph_s_nodes_run_over_there_and_its_rules_in_the_interpreter(install: Install) -> None:
    app = install(GRAPH)().compile(name="counter")

    state = app.invoke({"n": 0})

    assert (state["n"], state["steps"], state["top"]) == (3, ["count", "count", "count", "rest"], 2)
    assert state["pid"] < 100
    assert [node.name for node in app.manifest().nodes] == ["count", "rest"]
    [node, _] = app.manifest().nodes
    assert node.source is not None and node.source.file.endswith("/code.py")
    assert node.reads == ("n",) and set(node.writes) == {"n", "steps", "top", "pid"}
    told = app.introspect().dependencies()["dependencies"]
    assert {"name": "acme/odd", "version": "1.0.0", "purpose": "Greets people."} in told


def test_what_the_package_raises_is_told(install: Install) -> None:
    greet = install("def greet(x):\n    return 1 / x\n")

    with pytest.raises(PackageCodeError, match="acme/odd raised ZeroDivisionError") as caught:
        greet(0)

    assert "return 1 / x" in caught.value.trace
    assert greet(2) == 0.5


def test_what_cannot_be_imported_is_told(install: Install) -> None:
    with pytest.raises(InvalidPackageError, match="RuntimeError: not today"):
        install("raise RuntimeError('not today')\n")


def test_values_that_are_not_plain_do_not_go_over(install: Install) -> None:
    greet = install("def greet(x=None):\n    return object()\n")

    with pytest.raises(SandboxError, match="cannot go"):
        greet(object())
    with pytest.raises(SandboxError, match="cannot go"):
        greet()


# Attacks


def test_it_sees_no_home_no_keys_and_no_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Path.home() / ".ssh/id_ed25519"
    secret.parent.mkdir()
    secret.write_text("secret")
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.setenv("GIVEN", "given")
    greet = install(
        "import os\nfrom pathlib import Path\n"
        "def greet(path):\n"
        "    try:\n        text = Path(path).read_text()\n"
        "    except OSError as exc:\n        text = type(exc).__name__\n"
        "    return text, os.environ.get('API_KEY'), os.environ.get('GIVEN'), os.path.expanduser('~')\n",
        '[permissions]\nenvironment = ["GIVEN"]',
    )

    assert greet(str(secret)) == ["FileNotFoundError", None, "given", "/tmp/home"]
    assert greet("/etc/shadow")[0] == "FileNotFoundError"
    assert greet(str(Path.home()))[0] == "FileNotFoundError"
    assert greet("/proc/1/environ")[0] != "secret"


def test_it_writes_nowhere_but_where_it_may(install: Install, project: Path) -> None:
    (project / "out").mkdir()
    (project / "data").mkdir()
    (project / "data/in.txt").write_text("read me")
    greet = install(
        "from pathlib import Path\n"
        "def greet(path):\n"
        "    try:\n        Path(path).write_text('written')\n"
        "    except OSError as exc:\n        return exc.errno\n"
        "    return 0\n",
        '[permissions]\nread = ["data"]\nwrite = ["out"]',
    )
    folder = next(project.glob(".inwit/installed/acme/odd/*/"))

    refused = [greet(str(path)) for path in (
        project / "app.py", project / ".inwit/inwit.db", project / "data/in.txt",
        folder / "code.py", Path(inwit.__file__), "/usr/bin/evil", "/etc/passwd",
        Path.home() / "x",
    )]  # fmt: skip
    allowed = greet(str(project / "out/result.txt"))

    # What lies below /tmp here is its own there: it writes, and nothing of it is on the disk.
    assert all(refused[2:]) and allowed == 0
    assert (project / "out/result.txt").read_text() == "written"
    assert (project / "data/in.txt").read_text() == "read me"
    assert not (project / "app.py").exists()
    assert (project / ".inwit/inwit.db").read_bytes().startswith(b"SQLite")


def test_it_opens_no_way_to_the_network(install: Install) -> None:
    listening = _served()
    greet = install(
        "import socket\n"
        "def greet(host, port):\n"
        "    try:\n        socket.create_connection((host, port), timeout=2).close()\n"
        "    except OSError as exc:\n        return type(exc).__name__\n"
        "    return 'connected'\n"
    )

    with listening as port:
        assert greet("127.0.0.1", port) != "connected"
        assert greet("10.255.255.1", 80) != "connected"
    assert listening.seen == []


def test_listed_hosts_are_reached_through_the_proxy_and_no_others(
    project: Path, tmp_path: Path
) -> None:
    place = make(
        tmp_path / "made", "acme/odd",
        code="import urllib.request, urllib.error\n"
        "def greet(url):\n"
        "    try:\n        return urllib.request.urlopen(url, timeout=5).read().decode()\n"
        "    except urllib.error.HTTPError as exc:\n        return str(exc.code)\n"
        "    except OSError as exc:\n        return type(exc).__name__\n",
    )  # fmt: skip
    listening = _served()
    with listening as port:
        hosts = Permissions(network=(f"localhost:{port}", f"127.0.0.1:{port}"))
        allowed = Worker(
            "acme/odd", place, hosts, project, allow_private=("127.0.0.1", "localhost")
        )
        greet = fetch(allowed, (("entry", "default"),))

        reached = greet(f"http://127.0.0.1:{port}/hello?x=1")
        other_port = greet("http://127.0.0.1:1/hello")
        other_host = greet("http://example.org/")
        careful = Worker("acme/odd", place, hosts, project)
        private = fetch(careful, (("entry", "default"),))(f"http://127.0.0.1:{port}/")

    assert reached == "GET /hello?x=1"
    assert (other_port, other_host) == ("403", "403")
    assert private != "GET /"
    assert listening.seen == ["/hello?x=1"]


def test_forks_without_end_end(install: Install) -> None:
    greet = install(
        "import os\n"
        "def greet():\n"
        "    try:\n        os.fork()\n"
        "    except OSError as exc:\n        return exc.errno\n"
        "    return 0\n"
    )

    assert greet() == 1  # EPERM


def test_programs_are_started_only_with_the_permission(install: Install) -> None:
    code = (
        "import subprocess\n"
        "def greet():\n"
        "    try:\n        return subprocess.run(['/bin/echo', 'hi'], capture_output=True).stdout\n"
        "    except OSError as exc:\n        return exc.errno\n"
    )

    assert install(code)() == 1
    allowed = install(code, "[permissions]\nprocess = true", consent=Consent(permissions=True))
    assert allowed() == b"hi\n"


def test_threads_can_be_made(install: Install) -> None:
    greet = install(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def greet():\n"
        "    with ThreadPoolExecutor(3) as pool:\n        return sum(pool.map(abs, [-1, -2]))\n"
    )

    assert greet() == 3


def test_what_never_ends_is_killed_with_all_that_it_started(project: Path, tmp_path: Path) -> None:
    place = make(
        tmp_path / "made", "acme/odd",
        code="import os, time\n"
        "def greet(mark):\n"
        "    while True:\n        os.fork(); time.sleep(0.05); open('/tmp/x', 'w').close()\n",
    )  # fmt: skip
    allowed = Permissions(process=True)
    worker = Worker("acme/odd", place, allowed, project)
    greet = fetch(worker, (("entry", "default"),))
    worker.timeout_s = 0.6
    before = _children()
    started = time.monotonic()

    with pytest.raises(SandboxError, match="took too long"):
        greet("x")

    assert time.monotonic() - started < 20
    deadline = time.monotonic() + 10
    while _children() - before and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel ends a whole namespace after its first process
    assert not _children() - before


def test_a_killed_worker_is_made_anew_by_the_next_call(install: Install) -> None:
    greet = install(
        "import os\ndef greet(die):\n    if die:\n        os._exit(1)\n    return 'here'\n"
    )

    with pytest.raises(SandboxError, match="has ended"):
        greet(die=True)

    assert greet(die=False) == "here"


def test_what_fills_memory_is_stopped(install: Install) -> None:
    greet = install("def greet():\n    return len(bytearray(6 << 30))\n")

    with pytest.raises(PackageCodeError, match="MemoryError"):
        greet()


@pytest.mark.parametrize(
    "junk", [b"\xff" * 64, b"\x00\x00\x00\x01\xc1", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01\x90"]
)
def test_a_worker_that_is_taken_over_can_only_be_ended(install: Install, junk: bytes) -> None:
    greet = install(
        "import os\n"
        "def greet(junk):\n"
        "    for fd in range(3, 20):\n"
        "        try:\n            os.write(fd, junk)\n"
        "        except OSError:\n            pass\n"
        "    os._exit(0)\n"
    )

    with pytest.raises(SandboxError):
        greet(junk)


@pytest.mark.parametrize("wide", ["/", "~", ".", "/usr/../", ".inwit/inwit.db"])
def test_a_permission_for_everything_is_refused(project: Path, tmp_path: Path, wide: str) -> None:
    place = make(tmp_path / "made", "acme/odd")
    worker = Worker("acme/odd", place, Permissions(write=(wide,)), project)

    with pytest.raises(SandboxError, match="may not reach"):
        fetch(worker, (("entry", "default"),))


# Without bubblewrap


def test_without_bubblewrap_it_is_refused_unless_consented(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubble, "is_available", lambda: False)

    with pytest.raises(SandboxError, match="--allow-unsandboxed"):
        install("def greet():\n    return 'here'\n")
    assert inwit.load("acme/odd", allow_unsandboxed=True)() == "here"


def test_the_consent_given_at_install_is_kept(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubble, "is_available", lambda: False)

    greet = install("def greet():\n    return 'here'\n", consent=Consent(unsandboxed=True))

    assert greet() == "here"


# Rules


def _never(*_: object) -> Any:
    raise AssertionError("the sandbox was asked")


def test_a_rule_runs_in_the_interpreter() -> None:
    rule = Rule("longer", "def longer(state):\n    return len(state['text']) > 3\n", _never)

    assert rule({"text": "long"}) is True
    assert rule({"text": "ab"}) is False


@pytest.mark.parametrize(
    "body",
    [
        "import os\n    return os.environ['HOME']",
        "return open('/etc/passwd').read()",
        "return __import__('subprocess').run(['id'])",
        "return ().__class__.__base__.__subclasses__()",
    ],
)
def test_a_rule_that_reaches_out_gets_nothing(body: str) -> None:
    asked = []
    rule = Rule("evil", f"def evil(state):\n    {body}\n", lambda *values: asked.append(values))

    assert rule({}) is None
    assert asked == [({},)]  # what the interpreter does not know is left to the sandbox


def test_a_rule_without_end_ends() -> None:
    rule = Rule("spin", "def spin(state):\n    while True:\n        pass\n", _never)

    with pytest.raises(SandboxError, match="over its limit"):
        rule({})


class _served:  # noqa: N801 - read as a function
    """A small server on a free port of the loopback, which notes what it was asked."""

    def __enter__(self) -> int:
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.path)
                content = f"GET {self.path}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.server_address[1]

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _children() -> set[int]:
    """Every process below this one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = {os.getpid()}
    grown = True
    while grown:
        more = {one for one, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {os.getpid()}
