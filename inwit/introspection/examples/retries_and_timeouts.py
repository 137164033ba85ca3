"""Set retries and a time-out for a node: retry_policy and timeout_s of add_node.

retry policy, time-out, timeout, attempts, backoff, transient errors, limits, side effects
"""

from typing import TypedDict

from inwit import RetryPolicy, StateGraph


class State(TypedDict):
    pages: int


calls: list[int] = []


def fetch(state: State) -> dict[str, object]:
    calls.append(1)
    if len(calls) < 3:
        raise ConnectionError("the network is away")
    return {"pages": 7}


graph = StateGraph(State)
graph.add_node(
    "fetch", fetch, retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.01), timeout_s=5
)
graph.set_entry_point("fetch")
graph.set_finish_point("fetch")
print(graph.compile(name="fetcher").invoke({"pages": 0}))
