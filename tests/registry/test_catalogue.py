from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inwit.errors import MalformedInputError, UnknownPackageError
from inwit.registry.encoder import Vectors, default_encoder
from inwit.registry.search.catalogue import Catalogue, prior_of_rank
from inwit.registry.search.filters import Filters
from inwit.registry.search.importing import read_list
from inwit.registry.search.listed import Listed
from inwit.registry.search.listvectors import ListVectors

LIST = """name\tversion\tsummary\tpopularity\tloads
requests\t2.32.0\tPython HTTP for Humans.\t1\t900
httpx\t0.28.1\tThe next generation HTTP client.\t2\t800
beautifulsoup4\t4.13.0\tScreen-scraping library that parses HTML\t3\t700
numpy\t2.3.0\tFundamental package for array computing\t4\t600
web-framework\t0.0.1\tabandoned\t\t0
reqeusts\t0.1\tdo not use\t\t1
flask\t3.1.0\tA simple framework for building complex web applications.\t5\t500
redis\t7.0.0\tClient for the key-value store of that name\t6\t400
redis-om\t0.3\tObject mappings for the key-value store\t\t10
geopandas\t1.1\tGeographic extensions of data frames\t7\t300
"""


class Counting:
    """The default encoder, counting what it was given."""

    def __init__(self) -> None:
        encoder = default_encoder()
        assert encoder is not None
        self._encoder = encoder
        self.name, self.dimension = encoder.name, encoder.dimension
        self.texts: list[str] = []
        self.fails_after = 10**9

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(self.texts) + len(texts) > self.fails_after:
            raise KeyboardInterrupt
        self.texts += texts
        return self._encoder.encode(texts)


def entries(count: int = 0) -> list[Listed]:
    """The list above and as many fillers as are asked for."""
    rows = [line.split("\t") for line in LIST.splitlines()[1:]]
    named = [
        Listed(
            id=name, name=name, version=version, description=summary,
            prior=prior_of_rank(float(rank), 10) if rank else 0.0,
        )
        for name, version, summary, rank, _ in rows
    ]  # fmt: skip
    fillers = [Listed(f"filler-{n}", f"filler-{n}", "1.0", f"Number {n}") for n in range(count)]
    return named + fillers


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    made = Catalogue.build(tmp_path / "list", entries())
    made.make_vectors()
    return made


def names(catalogue: Catalogue, query: str, filters: Filters | None = None) -> list[str]:
    return [hit.name for hit in catalogue.search(query, filters=filters)]


def test_an_exact_name_comes_first_whoever_is_used_more(catalogue: Catalogue) -> None:
    for entry in entries():
        assert names(catalogue, entry.name)[0] == entry.name


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("requets", "requests"),
        ("requestss", "requests"),
        ("nunpy", "numpy"),
        ("falsk", "flask"),
        ("Geo_Pandas", "geopandas"),
        ("beautifulsoup", "beautifulsoup4"),
    ],
)
def test_a_name_with_one_slip_or_cut_short_is_found(
    catalogue: Catalogue, query: str, meant: str
) -> None:
    assert meant in names(catalogue, query)[:3]


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("http client library", "httpx"),
        ("parse web pages", "beautifulsoup4"),
        ("web framework", "flask"),
        ("numeric arrays", "numpy"),
        ("maps and geography", "geopandas"),
    ],
)
def test_a_description_finds_by_meaning(catalogue: Catalogue, query: str, meant: str) -> None:
    assert names(catalogue, query)[0] == meant


def test_each_result_says_why(catalogue: Catalogue) -> None:
    exact, slip = catalogue.search("redis")[0], catalogue.search("redsi")[0]
    described = catalogue.search("building web applications")[0]

    assert "'redis' is its name" in exact.why
    assert "one letter from its name 'redis'" in slip.why
    assert "web" in described.why and "near in meaning" in described.why
    assert 1 >= exact.score > described.score > 0


@pytest.mark.parametrize("query", ["", "   ", "zxqv wkjh", "\ud800", "a:b AND (", "x" * 100_000])
def test_odd_queries_are_answered(catalogue: Catalogue, query: str) -> None:
    assert isinstance(catalogue.search(query), list)


def test_words_find_while_there_are_no_vectors(tmp_path: Path) -> None:
    made = Catalogue.build(tmp_path / "list", entries())

    assert names(made, "framework for building web applications")[0] == "flask"
    assert names(made, "nunpy")[0] == "numpy"


def test_an_interrupted_encoding_goes_on_where_it_was_left(tmp_path: Path) -> None:
    encoder = Counting()
    encoder.fails_after = 700
    made = Catalogue.build(tmp_path / "list", entries(1200), encoder=encoder)
    with pytest.raises(KeyboardInterrupt):
        made.make_vectors()
    encoder.fails_after = 10**9

    again = Catalogue(tmp_path / "list", encoder=encoder)
    again.make_vectors()

    assert again.facts()["by_meaning"] == 1210
    assert len(encoder.texts) == 1210


def test_a_torn_write_costs_one_vector(tmp_path: Path) -> None:
    made = Catalogue.build(tmp_path / "list", entries())
    made.make_vectors()
    file = tmp_path / "list/vectors/vectors.f16"
    file.write_bytes(file.read_bytes()[:-5])
    encoder = default_encoder()
    assert encoder is not None

    assert len(ListVectors(tmp_path / "list/vectors", encoder)) == 9


def test_entries_are_added_replaced_and_removed(catalogue: Catalogue) -> None:
    fresh = Listed("typer", "typer", "0.1", "Build command line programs from functions")
    catalogue.add([fresh, Listed("numpy", "numpy", "3.0", "Arrays", prior=0.9)])
    found_by_words = names(catalogue, "command line programs")
    catalogue.make_vectors()
    catalogue.remove(["requests"])

    assert "typer" in found_by_words
    assert "typer" in names(catalogue, "make terminal tools")
    assert [hit.version for hit in catalogue.search("numpy") if hit.name == "numpy"] == ["3.0"]
    assert "requests" not in names(catalogue, "requests")
    assert len(catalogue) == 10
    assert len(Catalogue(catalogue.folder)) == 10


def test_what_is_near_to_an_entry_is_found(catalogue: Catalogue) -> None:
    assert catalogue.similar("redis", limit=1)[0].name == "redis-om"
    assert "near in meaning to 'redis'" in catalogue.similar("redis", limit=1)[0].why
    with pytest.raises(UnknownPackageError):
        catalogue.similar("nothing")


def test_filters_narrow_by_all_they_name(tmp_path: Path) -> None:
    told = [
        Listed("a/one", "one", "1.0", "Parses HTML", "tool-pack", "official", "MIT", ("parse",)),
        Listed("a/two", "two", "2.0", "Parses HTML", "node-library", "community", "MIT", ()),
        Listed("a/six", "six", "3.0rc1", "Parses HTML", "tool-pack", "", "GPL-3.0", ("parse",)),
    ]
    made = Catalogue.build(tmp_path / "list", told)

    def found(**wanted: str) -> set[str]:
        return set(names(made, "parses html", Filters(**wanted)))

    for step in ("words", "vectors"):
        assert found(kind="tool-pack") == {"one", "six"}, step
        assert found(capability="parse", licence="MIT") == {"one"}
        assert found(trust="community") == {"one", "two"}
        assert found(trust="official") == {"one"}
        assert found(version=">=2") == {"two", "six"}
        made.make_vectors()
    with pytest.raises(MalformedInputError):
        found(version="two")
    with pytest.raises(MalformedInputError, match="official"):
        found(trust="offical")


def test_many_vectors_are_searched_by_a_graph_as_well_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = Catalogue.build(tmp_path / "flat", entries(600))
    one_by_one.make_vectors()
    monkeypatch.setattr("inwit.registry.search.listvectors.FLAT_BELOW", 10)
    by_graph = Catalogue.build(tmp_path / "graph", entries(600))
    by_graph.make_vectors()

    for query in ("http client library", "parse web pages", "number 311"):
        assert names(by_graph, query) == names(one_by_one, query)


# Importing


def test_downloads_rank_the_other_way(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text(LIST)

    by_rank, _ = read_list(tmp_path / "list.tsv", {"rank": "popularity"})
    by_loads, _ = read_list(tmp_path / "list.tsv", {"downloads": "loads"})
    plain, _ = read_list(tmp_path / "list.tsv")

    top = [one.name for one in sorted(by_rank, key=lambda one: -one.prior)][:7]
    assert [one.name for one in sorted(by_loads, key=lambda one: -one.prior)][:7] == top
    assert {one.prior for one in plain} == {0.0}


@pytest.mark.parametrize(
    ("content", "maps", "hint"),
    [
        (LIST, {"rank": "popularty"}, "Did you mean 'popularity'"),
        (LIST, {"rnk": "popularity"}, "Did you mean 'rank'"),
        ("a\tb\n1\t2\n", {}, "--map name=COLUMN"),
        ("", {}, "--map name=COLUMN"),
    ],
)
def test_a_list_that_lacks_a_column_is_refused_with_the_way_out(
    tmp_path: Path, content: str, maps: dict[str, str], hint: str
) -> None:
    (tmp_path / "list.tsv").write_text(content)

    with pytest.raises(MalformedInputError) as caught:
        read_list(tmp_path / "list.tsv", maps)

    assert hint in str(caught.value)


def test_torn_lines_and_odd_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_bytes(
        b"\xef\xbb\xbfname\tversion\tsummary\r\nshort\r\n\t1\tno name\r\nlatin\t1\tcaf\xe9\r\nmore\t1\tx\ty\tz\r\n"
    )

    found, left_out = read_list(tmp_path / "list.tsv")

    assert [one.name for one in found] == ["short", "latin", "more"]
    assert left_out == 1


def test_two_processes_that_index_at_once_make_one_index(tmp_path: Path) -> None:
    Catalogue.build(tmp_path / "data/catalogue", entries(600)).close()
    command = [sys.executable, "-m", "inwit", "registry", "index", "--json", "--data",
               str(tmp_path / "data")]  # fmt: skip

    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    told = [json.loads(one.communicate(timeout=120)[0]) for one in both]

    assert [one["by_meaning"] for one in told] == [610, 610]
    assert (tmp_path / "data/catalogue/vectors/vectors.f16").stat().st_size == 610 * 384 * 2


def test_an_open_catalogue_sees_what_another_process_goes_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "data/catalogue"
    Catalogue.build(folder, entries()).close()
    opened = Catalogue(folder)
    before = [hit.why for hit in opened.search("numeric arrays")]

    subprocess.run(
        [sys.executable, "-m", "inwit", "registry", "index", "--data", str(tmp_path / "data")],
        check=True, capture_output=True,
    )  # fmt: skip
    by_meaning = opened.search("numeric arrays")[0].why
    Catalogue.build(folder, [Listed("django", "django", "6.0", "A web framework")]).close()

    assert not any("meaning" in why for why in before)
    assert "near in meaning" in by_meaning
    assert names(opened, "flask") == []
    assert names(opened, "django") == ["django"]


def test_several_threads_search_at_once(tmp_path: Path) -> None:
    made = Catalogue.build(tmp_path / "list", entries(300))
    made.make_vectors()
    asked = ["requets", "parse web pages", "number 77", "redis"] * 15
    alone = [names(made, query) for query in asked]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda query: names(made, query), asked))

    assert together == alone
