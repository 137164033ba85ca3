"""Reports as JSON and Markdown."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from inwit.errors import MalformedInputError
from inwit.self_improve import Report, Thresholds, examine
from inwit.self_improve.analysis import make_plan
from inwit.self_improve.report import to_json, to_markdown, write

from .traffic import window


def regression() -> Report:
    slow = window(1, version="v2", slow=lambda n, _: 2.0 if n == "search" else 1.0)
    report = examine([(slow, window(1))], Thresholds(), window=400)
    return msgspec.structs.replace(report, plans=(make_plan(report.findings[0]),))


def test_a_report_says_what_was_looked_at_also_where_nothing_was_found() -> None:
    report = examine([(window(2), None)], Thresholds(), window=400)

    seen = report.looked_at
    assert report.findings == ()
    assert (seen.executions, seen.visits, seen.nodes, seen.window) == (200, 1000, 5, 400)
    assert seen.versions == ("flow@v1",)
    assert {"latency_regression", "error_burst", "serial_steps", "capability_gap"} <= set(
        seen.detectors
    )
    assert seen.tests >= 10
    text = to_markdown(report)
    assert "200 executions with 1,000 visits of 5 nodes" in text
    assert "None." in text


def test_a_report_in_json_is_plain_and_whole() -> None:
    shown = json.loads(json.dumps(to_json(regression())))

    assert shown["findings"][0]["detector"] == "latency_regression"
    assert shown["plans"][0]["evidence"][0]["uri"].startswith("execution://")
    assert shown["looked_at"]["thresholds"]["slowdown_floor"] == 1.2


def test_a_report_is_written_as_its_file_is_named(tmp_path: Path) -> None:
    report = regression()

    for name in ("report.json", "report.md"):
        write(report, str(tmp_path / name))

    text = (tmp_path / "report.json").read_text("utf-8")
    assert json.loads(text) == json.loads(json.dumps(to_json(report)))
    assert text.endswith("}\n")
    assert (tmp_path / "report.md").read_text("utf-8") == to_markdown(report)
    with pytest.raises(MalformedInputError, match="cannot be written"):
        write(report, str(tmp_path / "none" / "report.md"))


def test_a_report_in_markdown_names_effect_interval_evidence_and_plan() -> None:
    report = regression()

    text = to_markdown(report)

    effect = report.findings[0].effect
    assert f"effect {effect.point:.3g} ({effect.low:.3g} to {effect.high:.3g}) ratio" in text
    assert report.plans[0].id in text
    assert report.plans[0].evidence[0].uri.split("/")[-1] in text


def test_text_from_traces_is_no_markup_in_a_report() -> None:
    evil = "<script>x</script> [a](b)\n# head"
    slow = window(
        1, version="v2", slow=lambda n, _: 2.0 if n == "search" else 1.0,
        change=lambda seen, _: msgspec.structs.replace(seen, node=evil)
        if seen.node == "search" else seen,
    )  # fmt: skip
    old = window(
        1, change=lambda seen, _: msgspec.structs.replace(seen, node=evil)
        if seen.node == "search" else seen,
    )  # fmt: skip

    text = to_markdown(examine([(slow, old)], Thresholds()))

    assert "script" in text
    assert "<script>" not in text
    assert "\n# head" not in text
    assert "[a](b)" not in text
