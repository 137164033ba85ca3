"""What is said of an error is the same wherever it is asked, and true of the code."""

import importlib
import pkgutil
import re

import pytest

import inwit
from inwit import errors
from inwit.errors import GraphRecursionError, InwitError, UnknownWorkerError
from inwit.introspection import error_pages, platform


def below(cls: type[InwitError]) -> list[type[InwitError]]:
    return [cls, *(one for sub in cls.__subclasses__() for one in below(sub))]


def test_every_error_of_the_package_has_a_page() -> None:
    for _, name, _ in pkgutil.walk_packages(inwit.__path__, "inwit."):
        if not name.endswith("__main__") and "._" not in name:
            importlib.import_module(name)

    defined = {cls.code for cls in below(InwitError) if cls.__module__.startswith("inwit.")}

    assert defined == set(error_pages.classes())
    assert [one["name"] for one in platform.errors()["errors"]] == sorted(defined)


def test_the_tree_that_is_drawn_is_the_tree_that_is() -> None:
    drawn = re.findall(r"^([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)

    above: dict[int, str] = {0: "InwitError"}
    pairs = set()
    for indent, name in drawn:
        depth = len(indent) // 4
        above[depth] = name
        pairs.add((above[depth - 1], name))

    listed = [getattr(errors, name) for name in errors.__all__]
    classes = [one for one in listed if isinstance(one, type) and one is not InwitError]
    assert {name for _, name in pairs} == {cls.__name__ for cls in classes}
    assert [
        pair for pair in pairs if not issubclass(getattr(errors, pair[1]), getattr(errors, pair[0]))
    ] == []


@pytest.mark.parametrize("code", sorted(error_pages.classes()))
def test_an_error_says_what_it_means_in_a_sentence(code: str) -> None:
    cls = error_pages.classes()[code]

    first = (cls.__doc__ or "").strip().partition("\n")[0]

    assert first[:1].isupper()
    assert first.rstrip().endswith((".", ","))
    assert 400 <= cls.status < 600


def test_a_page_says_the_words_of_the_error_itself() -> None:
    page = error_pages.page(GraphRecursionError)

    (said,) = page.said
    assert str(GraphRecursionError(25)) == f"{said.message} {said.hint}".replace("{limit}", "25")
    assert page.raised_by == ("inwit.runtime.engine",)


def test_a_value_in_quotes_and_a_nearest_name_are_shown_as_they_will_be() -> None:
    (said,) = error_pages.page(UnknownWorkerError).said

    shown = said.message.replace("{name}", "sumarise").replace("{names}", "summarise")
    assert str(UnknownWorkerError("sumarise", ["summarise"])).startswith(shown)
    assert said.hint == "Did you mean '{name}'?"


@pytest.mark.parametrize("named", ["execution.recursion_limit", "GraphRecursionError"])
def test_an_error_is_found_by_its_code_and_by_its_class(named: str) -> None:
    assert error_pages.find(named) is GraphRecursionError


def test_what_is_unknown_is_not_found() -> None:
    assert error_pages.find("no.such.code") is None
