"""What is published about the server fits its schemas, and names this version."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVER = json.loads((ROOT / "manifests" / "server.json").read_text())
BUNDLE = json.loads((ROOT / "manifests" / "mcpb" / "manifest.json").read_text())


def _schema() -> dict[str, object]:
    version = SERVER["$schema"].split("/")[-2].replace("-", "_")
    folder = files("skillsaw") / "schemas" / "mcp_registry" / f"v{version}"
    found: dict[str, object] = json.loads((folder / "server.schema.json").read_text())
    return found


def test_the_registry_takes_the_servers_description() -> None:
    jsonschema.validate(SERVER, _schema())


@pytest.mark.parametrize(
    "broken", [{"name": "inwit"}, {"description": "x" * 101}, {"packages": [{"identifier": "x"}]}]
)
def test_the_schema_refuses_what_is_wrong(broken) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(SERVER | broken, _schema())


def test_all_name_the_version_of_this_package() -> None:
    bundled = tomllib.loads((ROOT / "manifests" / "mcpb" / "pyproject.toml").read_text())["project"]

    versions = {SERVER["version"], SERVER["packages"][0]["version"], BUNDLE["version"]}
    assert versions == {bundled["version"], PROJECT["version"]} == {PROJECT["version"]}
    assert bundled["dependencies"] == [f"{PROJECT['name']}[semantic]=={PROJECT['version']}"]


def test_the_readme_claims_the_name_in_the_registry() -> None:
    assert f"mcp-name: {SERVER['name']}" in (ROOT / "README.md").read_text()
