"""A daemon looks again and again: healthy traffic gives no plan, and a fault is found soon."""

from __future__ import annotations

from inwit.self_improve import Thresholds, examine
from tests.self_improve.traffic import window

LOOKS, STEP, WINDOW = 48, 20, 800


def looks(seed: int, since: int = 10**9) -> list[int]:
    """The executions after which something was found, of 48 looks at the newest 800."""
    whole = window(
        seed, 200 + LOOKS * STEP,
        slow=lambda node, at: 2.0 if node == "rank" and at >= since else 1.0,
    )  # fmt: skip
    found = []
    for number in range(LOOKS):
        last = 200 + (number + 1) * STEP
        first = max(last - WINDOW, 0)
        part = type(whole)(
            graph_name=whole.graph_name, graph_version=whole.graph_version, manifest=whole.manifest,
            executions=whole.executions[first:last], calls=whole.calls[5 * first : 5 * last],
        )  # fmt: skip
        if examine([(part, None)], Thresholds(is_continuous=True)).findings:
            found.append(last)
    return found


def test_forty_eight_looks_at_healthy_traffic_find_something_in_at_most_one_of_twenty_runs() -> (
    None
):
    false = [seed for seed in range(30) if looks(seed)]

    assert len(false) <= 2


def test_a_fault_is_found_within_two_hundred_and_fifty_executions() -> None:
    delays = [looks(seed, since=600)[:1] for seed in range(12)]

    assert sum(bool(one) and 600 < one[0] <= 850 for one in delays) >= 11
