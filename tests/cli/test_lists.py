from __future__ import annotations

import time
from pathlib import Path

from inwit.registry.search.catalogue import Catalogue
from tests.cli.conftest import Inwit
from tests.registry.test_catalogue import LIST


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
