"""Asks every route that /openapi.json describes for whatever its description allows, and more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FINE = (501,)
"""What is over 499 and yet no fault: a part that is not in this version."""


def described(url: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """Every operation of a host, streams apart, since they do not end."""
    document = httpx.get(f"{url}/openapi.json", headers=dict(headers), timeout=20).json()
    found: Any
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if not operation.path.endswith("/events"):
            yield operation


def faults(
    url: str, headers: Mapping[str, str], examples: int, known: Mapping[str, list[str]]
) -> tuple[int, list[str]]:
    """How many requests were sent, and those to which a host answered that it failed.

    `known` are names that exist, for parameters of these names: without them most requests end
    at the first look-up.
    """
    told: list[str] = []
    asked = 0
    for operation in described(url, headers):

        @settings(
            max_examples=examples, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), derandomize=True,
        )  # fmt: skip
        @given(case=operation.as_strategy(), data=st.data())
        def ask(case: Any, data: st.DataObject) -> None:
            nonlocal asked
            asked += 1
            for parameters in (case.path_parameters, case.query):
                for name in set(parameters or {}) & set(known):
                    if data.draw(st.booleans()):
                        parameters[name] = data.draw(st.sampled_from(known[name]))
            answered = case.call(base_url=url, headers=dict(headers), timeout=30)
            if answered.status_code >= 500 and answered.status_code not in FINE:
                told.append(f"{case.operation.label}: {answered.text[:300]}")

        ask()
    return asked, told
