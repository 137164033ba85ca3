from __future__ import annotations

from typing import Any

import pytest

from inwit.registry.packages import PackageIndex, load
from inwit.runtime.project import Project

EXPECTED_BLANKS = {
    "summarise": ("sentences", "text"),
    "extract": ("fields", "text"),
    "classify": ("labels", "text"),
    "judge": ("question", "passages", "answer"),
    "rewrite-query": ("question", "tried"),
    "answer-from-passages": ("question", "passages"),
}


@pytest.fixture
def prompts() -> dict[str, Any]:
    found: dict[str, Any] = load("inwit/prompts")
    return found


def test_every_prompt_has_its_blanks_and_both_parts(prompts: dict[str, Any]) -> None:
    assert {name: prompt.blanks for name, prompt in prompts.items()} == EXPECTED_BLANKS
    assert all(prompt.system and prompt.user for prompt in prompts.values())


def test_the_manifest_names_the_prompts_that_there_are(prompts: dict[str, Any]) -> None:
    package = PackageIndex.of(Project.find()).get("inwit/prompts")

    assert set(package.provides["prompts"]) == set(prompts)


def test_a_filled_prompt_is_two_messages(prompts: dict[str, Any]) -> None:
    system, user = prompts["classify"].messages(text="It crashes.", labels=["bug", "wish"])

    assert system["role"] == "system"
    assert "- bug\n- wish" in user["content"]
    assert "{{" not in user["content"]


def test_a_value_with_blanks_is_not_filled_again(prompts: dict[str, Any]) -> None:
    _, user = prompts["classify"].messages(text="{{labels}}", labels=["secret"])

    assert "<text>\n{{labels}}\n</text>" in user["content"]


@pytest.mark.parametrize("values", [{"text": "x"}, {"text": "x", "labels": [], "mood": "glad"}])
def test_a_blank_left_out_or_made_up_is_named(
    prompts: dict[str, Any], values: dict[str, Any]
) -> None:
    with pytest.raises(KeyError, match=r"labels.*it has|mood"):
        prompts["classify"].messages(**values)
