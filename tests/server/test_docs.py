"""The pages of this version, read from a host."""

import re

import httpx
import pytest

from inwit.introspection import error_pages


def test_llms_txt_leads_to_pages_that_the_host_serves(client: httpx.Client) -> None:
    said = client.get("/llms.txt")

    assert said.headers["content-type"].startswith("text/plain")
    assert said.text.startswith("# inwit\n\n> ")
    links = re.findall(r"\]\(([^)]+)\)", said.text)
    assert len(links) > 20
    for link in links:
        page = client.get(f"/{link}")
        assert page.status_code == 200, link
        assert page.headers["content-type"].startswith("text/markdown")


@pytest.mark.parametrize("code", ["execution.recursion_limit", "store.full"])
def test_a_page_of_an_error_is_what_is_known_of_it(client: httpx.Client, code: str) -> None:
    page = client.get(f"/docs/reference/errors/{code}.md").text

    assert page == error_pages.to_markdown(error_pages.page(error_pages.classes()[code]))


@pytest.mark.parametrize(
    "path",
    ["no.md", "../pyproject.toml", "%2e%2e/pyproject.toml", "guide", "rooms.svg", "/etc/hosts"],
)
def test_nothing_but_pages_is_served(client: httpx.Client, path: str) -> None:
    refused = client.get(f"/docs/{path}")

    assert refused.status_code in (400, 404)
    assert refused.json()["code"] in ("request.unknown_route", "request.malformed_id")
