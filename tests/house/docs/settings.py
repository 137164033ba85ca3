"""docs/reference/settings.md: every setting of config.toml and every variable of the environment.

Names, types and defaults of tables come from the classes that read them, and what each means from
the sentence below it; the few that are read without a class are told here, and held to the code.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any

import msgspec

import inwit
from inwit.registry.peers import Peer
from inwit.registry.sources.base import LEVELS
from inwit.registry.sources.configured import GitEntry
from inwit.registry.trust import Policy
from inwit.runtime.project import Retention
from inwit.self_improve.budget import Budget
from inwit.self_improve.critique import Model
from inwit.self_improve.daemon import Settings
from inwit.server.auth_jwt import IssuerSettings
from inwit.server.limits import Limits
from tests.house.docs import MADE_BY, ROOT

VARIABLE = re.compile(r"INWIT_[A-Z]+(?:_[A-Z]+)*_?")
RETENTION = "INWIT_RETENTION_"
UNITS = {
    "per_s": "per second",
    "_s": "s",
    "_bytes": "bytes",
    "days": "days",
    "seconds": "s",
    "usd": "US dollars",
}


@dataclass(frozen=True)
class Row:
    """One setting as the page shows it."""

    name: str
    type: str
    default: str
    means: str

    @property
    def unit(self) -> str:
        return next((unit for end, unit in UNITS.items() if self.name.lower().endswith(end)), "")

    def written(self) -> str:
        cells = (f"`{self.name}`", self.type, self.default, self.unit, self.means)
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


TABLES: tuple[tuple[str, str, type], ...] = (
    ("[retention]", "How much of the record is kept; the oldest finished executions go first.", Retention),
    ("[self_improve]", "When `inwit self-improve daemon` looks, and whom it tells.", Settings),
    ("[self_improve.budget]", "What it may spend in a day, by UTC.", Budget),
    ("[[self_improve.models]]", "Models that are asked about new plans; none without.", Model),
    ("[auth]", "Who issues tokens for this host; without, the host's own token counts.", IssuerSettings),
    ("[limits]", "What one caller with an issuer's token may ask of a host.", Limits),
    ("[trust]", "What is asked of a package before it is used.", Policy),
    ("[[sources]]", "Repositories of a team that hold packages.", GitEntry),
    ("[[network.peers]]", "Hosts that are asked what this one does not know.", Peer),
)  # fmt: skip
PLAIN: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("", "Above the first table.", (
        Row("redaction", "`secrets` or `pii`", "`secrets`", "What readers of the record do not see: "
            "secrets, with `pii` also what tells of persons."),
        Row("prometheus_url", "text", "none", "A Prometheus server whose longer history answers use."),
    )),
    ("[registry]", "The registry that packages come from.", (
        Row("url", "text", "none", "Its address."),
        Row("fingerprint", "text", "none", "The fingerprint of its first root, where that is pinned."),
    )),
    ("[network]", "Other hosts.", (
        Row("name", "text", "machine and folder", "What this host calls itself."),
        Row("discover", "true or false", "false", "Whether hosts of the local network are looked for, "
            "and this one announces itself where it listens beyond this machine."),
        Row("install", "true or false", "false", "Whether packages are taken from peers."),
    )),
    ("[outgoing]", "The way out to other machines.", (
        Row("allow_private", "list of text", "empty", "Private names, addresses or networks, each with "
            "a port or not, that may be reached all the same."),
    )),
)  # fmt: skip
VARIABLES: tuple[Row, ...] = (
    Row("INWIT_HOME", "path", "found", "The project's folder; by default `.inwit` in the nearest parent "
        "that has one, else beside `pyproject.toml` or `.git`, else `~/.inwit/scratch`."),
    Row("INWIT_OFF", "`1` or `0`", "`0`", "Switches the record off for a process."),
    Row("INWIT_TOKEN", "text", "none", "`inwit serve --token`: every request is asked for it."),
    Row("INWIT_PRICES", "path", "none", "A TOML file with prices of models, asked before the shipped one."),
    Row("INWIT_CHECKPOINT_KEYS", "`id:key,id:key`", "none", "Keys of `EncryptedCheckpointer.from_env`, "
        "the newest first."),
    Row("INWIT_PROMETHEUS_URL", "text", "none", "Comes before `prometheus_url`."),
    Row("INWIT_REGISTRY_URL", "text", "none", "Comes before `url` of `[registry]`."),
    Row("INWIT_REGISTRY_FINGERPRINT", "text", "none", "Comes before `fingerprint` of `[registry]`."),
    Row("INWIT_REGISTRY_TOKEN", "text", "none", "The token of whoever publishes."),
    Row("OPENAI_API_KEY", "text", "none", "The key of models that are asked by name."),
    Row("OPENAI_BASE_URL", "text", "OpenAI's", "Where they are asked."),
    Row("OPENAI_MODEL", "text", "none", "Which is asked where a call names none."),
)  # fmt: skip
OPENING = """
What a project sets is in `config.toml` of its folder, `.inwit/`; it is read when a process starts. A
variable of the environment comes before it, and an option of a command before both. `inwit doctor`
says what cannot be meant. Roles of tenants are in `tenants.toml` beside it ([Security](../security.md)).
Durations are in seconds where a name ends in `_s`.
"""
_HEAD = "| name | type | default | unit | means |\n|---|---|---|---|---|\n"
_WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "None": "none",
}


def pages() -> dict[str, str]:
    """The page: a section for each table, then the environment's variables."""
    tables = [(header, said, rows_of(cls)) for header, said, cls in TABLES]
    text = f"# Settings\n\n{MADE_BY}{OPENING}\n## config.toml\n"
    for header, said, rows in sorted((*PLAIN, *tables), key=lambda one: one[0].strip("[]")):
        title = f"`{header}`" if header else "Settings of no table"
        text += f"\n### {title}\n\n{said}\n\n{_HEAD}" + "".join(
            f"{row.written()}\n" for row in rows
        )
    variables = sorted((*VARIABLES, *_limits()), key=lambda row: row.name)
    text += f"\n## Variables of the environment\n\n{_HEAD}"
    return {"docs/reference/settings.md": text + "".join(f"{row.written()}\n" for row in variables)}


def rows_of(cls: type) -> tuple[Row, ...]:
    """What a class of settings holds; fields that are tables of their own are left out."""
    said = _said(cls)
    return tuple(
        Row(name, _type(annotation), _shown(default), said.get(name, ""))
        for name, annotation, default in _fields(cls)
        if not isinstance(default, msgspec.Struct)
    )


def _limits() -> Iterator[Row]:
    for row in rows_of(Retention):
        yield Row(
            f"{RETENTION}{row.name.upper()}",
            row.type,
            row.default,
            f"Comes before `{row.name}` of `[retention]`.",
        )


def _fields(cls: Any) -> Iterator[tuple[str, str, Any]]:
    written = {name: str(kind) for name, kind in inspect.get_annotations(cls).items()}
    if issubclass(cls, msgspec.Struct):
        known = {one.name: one.default for one in msgspec.structs.fields(cls)}
        missing: Any = msgspec.NODEFAULT
    else:
        known, missing = {one.name: one.default for one in fields(cls)}, MISSING
    for name, default in known.items():
        yield name, written[name], inspect.Parameter.empty if default is missing else default


def _type(annotation: str) -> str:
    if annotation.startswith("tuple"):
        return "list of text"
    if annotation == "Level":
        return ", ".join(f"`{level}`" for level in LEVELS)
    parts = [part.strip() for part in annotation.split("|")]
    return " or ".join(_WORDS.get(part, "text") for part in parts if part != "None")


def _shown(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "must be given"
    if default in (None, "", ()):
        return "empty" if default == () else "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(f"`{one}`" for one in default)
    return f"{default:,g}".replace(",", " ") if isinstance(default, float) else (
        f"{default:,}".replace(",", " ") if isinstance(default, int) else f"`{default}`"
    )  # fmt: skip


def _said(cls: type) -> dict[str, str]:
    """The sentence below each field."""
    tree = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            continue
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(str(below.value.value).split()).replace("``", "`")
    return found


# What the code reads, to hold the page to it


@cache
def _constants() -> frozenset[str]:
    """Every string of the code that is no docstring."""
    found: set[str] = set()
    for path in (ROOT / inwit.__name__).rglob("*.py"):
        if "data" not in path.parts and "templates" not in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            told = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
            found |= {
                one.value for one in ast.walk(tree)
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in told
            }  # fmt: skip
    return frozenset(found)


def variables_read() -> set[str]:
    """The variables of our own that the code names."""
    return {name for name in _constants() if VARIABLE.fullmatch(name)} - {RETENTION}


def tables_read() -> set[str]:
    """The tables and settings that the code asks a project's settings for."""
    asked = re.compile(r"settings(?:\(\))?\.get\(\s*\"(\w+)\"|settings\(\)\.get\((\w+)\)")
    found = set()
    for path in (ROOT / inwit.__name__).rglob("*.py"):
        for word, _named in asked.findall(path.read_text(encoding="utf-8")):
            found |= {word} - {""}
    return found
