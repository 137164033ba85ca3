"""The pages that are made from the code say what the code is; docs/README.md leads to every page."""

import inspect
import re
import xml.etree.ElementTree as ET

import pytest

from inwit.introspection import error_pages
from inwit.introspection.prometheus import SETTING as PROMETHEUS_URL
from tests.house.docs import (
    REMAKE,
    ROOT,
    commands,
    errors,
    llms,
    names,
    rooms,
    routes,
    settings,
    terms,
)

DOCS = ROOT / "docs"
UNLISTED = re.compile(r"reference/errors/.+\.\w+\.md|README\.md")


@pytest.mark.parametrize(
    "maker", [commands, routes, names, errors, settings, terms], ids=lambda one: one.__name__
)
def test_a_made_page_says_what_the_code_says_now(maker) -> None:
    late = [name for name, text in maker.pages().items() if not _is(name, text)]

    assert late == [], f"Out of date: run {REMAKE}"


def test_every_setting_and_variable_that_the_code_reads_is_told_with_what_it_means() -> None:
    rows = [row for _, _, cls in settings.TABLES for row in settings.rows_of(cls)]
    tables = {re.sub(r"\W.*", "", header.strip("[]")) for header, _, _ in settings.TABLES}
    tables |= {
        header.strip("[]") or row.name for header, _, plain in settings.PLAIN for row in plain
    }

    ours = {row.name for row in settings.VARIABLES if row.name.startswith("INWIT_")}
    assert ours == settings.variables_read()
    assert tables == settings.tables_read() | {PROMETHEUS_URL}
    assert [row.name for row in rows if not row.means] == []


def test_llms_txt_has_the_pages_in_the_order_of_the_index() -> None:
    assert _is("llms.txt", llms.pages(ROOT)["llms.txt"]), f"Out of date: run {REMAKE}"


def test_an_error_that_is_gone_has_no_page() -> None:
    pages = {path.stem for path in (DOCS / "reference" / "errors").glob("*.md")} - {"README"}

    assert pages == set(error_pages.classes()), f"Out of date: run {REMAKE}"


def test_every_page_is_in_the_index() -> None:
    linked = {path for _, links in llms.sections(ROOT) for _, path, _ in links}
    written = {path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")}

    unlisted = {path for path in written - linked if not UNLISTED.fullmatch(path[len("docs/") :])}
    assert unlisted == set()
    assert [path for path in linked if not (ROOT / path).is_file()] == []


def test_the_picture_shows_the_rooms_as_they_are() -> None:
    """Sizes may drift by a fifth before it is drawn anew."""
    drawn = ET.fromstring((DOCS / "rooms.svg").read_text(encoding="utf-8"))
    shown = {
        one.attrib["data-room"]: int(one.attrib["data-lines"])
        for one in drawn.iter() if "data-room" in one.attrib
    }  # fmt: skip
    now = {name: room.lines for name, room in rooms.measured().items()}

    assert set(shown) == set(now), f"Out of date: run {REMAKE}"
    far = [name for name in now if abs(shown[name] - now[name]) > max(now[name] / 5, 20)]
    assert far == [], f"Out of date: run {REMAKE}"
    assert _arcs((DOCS / "rooms.svg").read_text()) == _arcs(rooms.pages()["docs/rooms.svg"])


def test_what_is_public_is_told() -> None:
    """What programs import says in a sentence what it is or does, be it a class or a constant."""
    from importlib import import_module

    silent = []
    for package in names.PACKAGES:
        for name in names.names_of(package):
            found = getattr(import_module(package), name)
            is_ours = names.is_told(found) or inspect.ismodule(found)
            said = found.__doc__ if is_ours else names.assigned(name, found)[1]
            if not (said or "").strip():
                silent.append(f"{package}.{name}")

    assert silent == []


def _is(name: str, text: str) -> bool:
    path = ROOT / name
    return path.exists() and path.read_text(encoding="utf-8") == text


def _arcs(drawn: str) -> set[tuple[str, str]]:
    return set(re.findall(r'data-from="([^"]+)" data-to="([^"]+)"', drawn))
