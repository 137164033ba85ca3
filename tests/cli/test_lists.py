from __future__ import annotations

import time
from pathlib import Path

import msgspec

from inwit.registry.search.catalogue import Catalogue
from tests.cli.conftest import Inwit
from tests.registry.test_catalogue import LIST
from tests.self_improve.conftest import book
from tests.self_improve.test_shadow import plan_of


def test_a_list_is_imported_and_searched_from_the_terminal(tmp_path: Path, inwit: Inwit) -> None:
    (tmp_path / "list.tsv").write_text(LIST)
    made = inwit("registry", "import", str(tmp_path / "list.tsv"), "--data", str(tmp_path / "data"),
                 "--map", "rank=popularity", "--json")  # fmt: skip
    found = inwit("pkg", "search", "requets", "--registry", str(tmp_path / "data"), "--limit", "2",
                  "--json")  # fmt: skip

    assert (made.json["entries"], made.json["by_meaning"], made.json["has_usage"]) == (10, 10, True)
    shown = inwit("pkg", "search", "requets", "--registry", str(tmp_path / "data")).out
    first = found.json["results"][0]
    assert set(first) == {"id", "name", "version", "description", "kind", "score", "why"}
    assert (first["id"], first["version"]) == ("requests", "2.32.0")
    assert 0 < found.json["took_ms"] < 5_000
    assert "requests" in shown.splitlines()[1] and "one letter from its name" in shown


def test_without_waiting_the_vectors_come_behind(tmp_path: Path, inwit: Inwit) -> None:
    (tmp_path / "list.tsv").write_text(LIST)
    data = tmp_path / "data"

    made = inwit("registry", "import", str(tmp_path / "list.tsv"), "--data", str(data),
                 "--no-wait", "--json")  # fmt: skip
    deadline = time.monotonic() + 120
    while not (data / "catalogue/vectors/index.faiss").exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # another process makes them

    assert made.json["entries"] == 10
    assert Catalogue(data / "catalogue").facts()["by_meaning"] == 10


def test_what_may_close_a_gap_is_found_by_the_words_of_its_plan(inwit: Inwit) -> None:
    gap = plan_of("helper")
    told = msgspec.structs.replace(
        gap,
        title="Executions fail for want of arithmetic",
        hypothesis="A calculator tool for agents closes the gap.",
    )
    kept = book().enter(told).plan

    found = inwit("pkg", "search", "--for-plan", kept.id, "--json").json
    missing = inwit("pkg", "search", "--for-plan", "nothing")

    assert found["results"][0]["id"] == "inwit/text-tools"
    assert "calculator" in found["query"]
    assert missing.code == 3


def test_what_is_near_to_a_package_is_found_and_narrowed(inwit: Inwit) -> None:
    near = inwit("pkg", "search", "--similar-to", "inwit/react-agent", "--json").json["results"]
    narrowed = inwit("pkg", "search", "agent", "--kind", "tool-pack", "--licence", "Apache-2.0",
                     "--version", ">=1", "--json").json["results"]  # fmt: skip
    none = inwit("pkg", "search", "agent", "--version", ">=99", "--json").json["results"]
    wrong = inwit("pkg", "search", "agent", "--trust", "offical")

    assert "inwit/react-agent" not in [one["id"] for one in near] and near
    assert [one["id"] for one in narrowed] == ["inwit/text-tools"]
    assert none == []
    assert wrong.code == 2 and "official" in wrong.err
    assert inwit("pkg", "search").code == 2
