from __future__ import annotations

from pathlib import Path

import pytest

from inwit.runtime.capture.prices import Usage, cost_of


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini", "gpt-4o-mini-latest"]
)
def test_a_model_is_priced_by_its_name_without_prefix_and_snapshot(name: str) -> None:
    cost = cost_of(name, Usage(input=1_000_000, output=1_000_000))

    assert cost.usd == pytest.approx(0.15 + 0.60)
    assert cost.date


def test_a_snapshot_with_a_price_of_its_own_keeps_it() -> None:
    assert cost_of("gpt-4o-2024-05-13", Usage(input=1_000_000, output=0)).usd == pytest.approx(5)


def test_a_model_that_no_table_has_costs_nothing_known() -> None:
    assert cost_of("home-made-7b", Usage(input=10, output=10)) == (None, None)


def test_without_counted_tokens_there_is_no_cost() -> None:
    assert cost_of("gpt-4o-mini", Usage()) == (None, None)


def test_a_call_with_cached_tokens_is_not_priced_where_their_price_is_unknown() -> None:
    assert cost_of("gpt-4-turbo", Usage(input=10, output=10, cached=5)).usd is None


def test_a_long_prompt_is_priced_as_such() -> None:
    short = cost_of("claude-sonnet-4-5", Usage(input=200_000, output=0)).usd
    long = cost_of("claude-sonnet-4-5", Usage(input=200_001, output=0)).usd

    assert short == pytest.approx(0.6)
    assert long == pytest.approx(200_001 * 6 / 1e6)


def test_tokens_written_to_the_cache_have_their_own_price() -> None:
    usage = Usage(input=1000, output=0, cached=300, cache_write=200)

    assert cost_of("claude-haiku-4-5", usage).usd == pytest.approx(
        (500 * 1 + 300 * 0.1 + 200 * 1.25) / 1e6
    )


def test_an_own_table_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('date = "2030-01"\n[models]\n"home-made-7b" = { input = 1, output = 2 }\n')
    monkeypatch.setenv("INWIT_PRICES", str(table))

    cost = cost_of("home-made-7b", Usage(input=1_000_000, output=1_000_000))

    assert cost == (3.0, "2030-01")
    assert cost_of("gpt-4o-mini", Usage(input=1_000_000)).usd == pytest.approx(0.15)


def test_a_broken_own_table_is_warned_of_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "broken.toml"
    table.write_text("date = ")
    monkeypatch.setenv("INWIT_PRICES", str(table))

    with pytest.warns(RuntimeWarning, match="no price table"):
        cost = cost_of("gpt-4o-mini", Usage(input=1_000_000))

    assert cost.usd == pytest.approx(0.15)
