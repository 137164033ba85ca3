"""Questions to graphs as guides write them; each answer was read, and was wrong once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.introspection import documented, golden
from tests.introspection.planting import evidence_holds

ASKED: dict[str, list[tuple[str, str]]] = {
    "weather": [
        ("How much did the Tokyo run cost?", "1 execution called with 'tokyo'"),
        ("How many times did act run for Berlin?", "act ran 3 times"),
        ("Which tool failed?", "get_weather once"),
        ("How long does get_weather take?", "get_weather was called 8 times"),
        ("What if get_weather were cached?", "get_weather is a tool"),
        ("Which city fails?", "Atlantis: 100% failed, 1 execution"),
        ("What is the average cost per city?", "Berlin: $0.000840"),
        ("How often was get_weather called?", "get_weather was called 8 times"),
        ("What did get_weather return?", "gave sunny"),
        ("Why did the agent stop?", "It went to END"),
        ("Can agent ever reach itself?", "Yes: agent → act → agent"),
        ("What is the reducer of messages?", "with reducer append"),
        ("Is the agent stuck in a loop?", "Not stuck"),
        ("What would it cost with gpt-4o?", "With gpt-4o an execution would cost $0.007000"),
        ("Which model does the agent use?", "gpt-4o-mini twice"),
        ("What if we switched to gpt-9-ultra?", "no price table has it"),
    ],
    "factory": [
        ("Why did the execution with politics fail?", "node_failed of joke: ValueError"),
        ("How often does joke fail?", "ValueError: “no jokes about politics” (once)"),
        ("What did joke receive?", "which is not in the record"),
        ("What if joke were cached?", "is sent inputs of its own by Send"),
        ("What runs in parallel?", "Up to 4 visits of joke ran in one step"),
        ("Why did joke run 4 times?", "Visits 1 to 4, each for the same reason"),
        ("Is anything dead in this graph?", "Every node of factory can be reached"),
        ("What if at most 1 branch ran at once?", "by 1 recorded execution; 100% of them change"),
    ],
    "orders": [
        ("What was decided in order-0?", "The answer was no"),
        ("Was order-1 approved?", "The answer was yes"),
        ("How many orders were rejected?", "4 were answered: “yes” 3 times and “no” once; 1 waits"),
        ("What if pay never failed?", "0 of the last 4 executions of orders would not have failed"),
        ("How long did order-1 wait for approval?", "in thread order-1"),
        ("What happens after approve?", "pay (by its Command) or refuse (by its Command)"),
        ("How much error budget is left?", "100% of the error budget is left"),
        ("Do I meet my SLO?", "orders keeps its objectives"),
        ("What if pay were not retried?", "If pay were called once"),
        ("Why did the run not finish?", "waits for a person's answer"),
        ("Why did pay fail?", "A further attempt succeeded"),
    ],
    "library": [
        ("What is the slowest node?", "the time goes to"),
        ("What was the value of rewrites after rewrite?", "rewrites was 2 after visit 2 of rewrite"),
        ("What did judge decide in the last execution?", "It went to generate"),
        ("Where does the time go?", "On the critical path"),
        ("What is the bottleneck?", "the time goes to generate"),
        ("How many executions went to odd?", "Called with 'odd': 1 execution, 0 failed"),
        ("How many executions ran with each version?", "4 executions"),
        ("Am I getting slower?", "Latency: "),
        ("How much does an execution cost?", "An execution uses 1,000 tokens at the median, $0.001400"),
        ("What changed?", "library has 1 version"),
        ("Show the last 2 executions", "The last 2 executions of 4"),
        (
            "which node is the bottleneck of library and what would caching it give",
            "If generate were cached",
        ),
    ],
    "team": [
        ("What happens if coder fails?", "When its last attempt fails, the execution fails"),
        ("Which graph has the most nodes?", "team has the most nodes, 4"),
        ("Can reporter run before lead?", "No: the edges lead from lead to reporter"),
        ("Which branch is taken most often?", "After lead the way led to"),
        ("When was reporter added?", "reporter is in team since the first version"),
        ("Why did the run with the task bad fail?", "coding failed in execution"),
        ("Why did coder fail?", "The failure came from inside: coding failed"),
        ("Is there a path from coder to researcher?", "Yes: coder → lead → researcher"),
        ("Why does it never reach reporter?", "and not to reporter"),
        ("Who decides what runs next?", "After lead its own Command decides"),
        ("What could run after lead?", "researcher (by its Command), coder (by its Command) or"),
        ("What comes after coder?", "After coder came lead once on record"),
        ("Why did lead go to researcher?", "more for the same reason"),
        ("Which keys are never read?", "spare is neither read nor written"),
        ("Where can it end?", "team begins at lead"),
        ("why did it fail and how do I fix that?", "Let lead come to an end"),
    ],
}  # fmt: skip
GRAPHS: dict[str, Any] = {
    "weather": documented.weather, "factory": documented.factory, "orders": documented.shop,
    "library": documented.library, "team": documented.team,
}  # fmt: skip


@pytest.mark.parametrize("name", list(GRAPHS))
def test_what_was_answered_wrongly_once_is_answered_so(project: Path, name: str) -> None:
    app = GRAPHS[name]()

    for question, said in ASKED[name]:
        answer = app.ask(question)

        assert said in answer.text, f"{question}\n{answer.text}"
        assert evidence_holds(answer), question


@pytest.mark.parametrize("name", list(GRAPHS))
def test_whole_answers_are_those_that_were_found_right(project: Path, name: str) -> None:
    golden.check(GRAPHS[name](), name)


def test_a_node_that_calls_a_model_lasts_as_long_as_it_ran(project: Path) -> None:
    app = documented.library()

    shown = app.ask("How long does generate usually take?").data["usual"]

    assert shown["point"] > 19
