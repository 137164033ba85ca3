"""Where ours differs from LangGraph on purpose; each reason is a row of docs/langgraph.md.

`BY_DEFAULT` is what ``compile(defaults="langgraph")`` switches off; `ALWAYS` is what stays.
"""

from __future__ import annotations

_CHECKPOINTS = "checkpoints"
_COMPILING = "compiling"
_KEYS = "misspelt keys"
_MODELS = "pydantic states"
_NOTHING = "an execution that writes nothing"

BY_DEFAULT = {
    "breakpoints.a_breakpoint_before_one_of_two_stops_both": _NOTHING,
    "breakpoints.a_breakpoint_in_a_cycle_stops_each_time": _NOTHING,
    "breakpoints.stopping_everywhere": _NOTHING,
    "contexts.a_context_schema_by_its_name": _NOTHING,
    "streams.values_of_a_state_that_stays_empty": _NOTHING,
    "edges.a_cycle_without_an_end_meets_the_limit": _COMPILING,
    "edges.a_decision_for_an_unmapped_label_fails": _COMPILING,
    "edges.the_limit_holds_for_async_too": _COMPILING,
    "validation.dead_ends_and_orphans_are_fine": _COMPILING,
    "failures.retries_by_default_leave_programming_errors_alone": "retries",
    "interrupts.an_answer_needs_a_checkpointer": _CHECKPOINTS,
    "running.graphs_without_a_checkpointer_remember_nothing": _CHECKPOINTS,
    "subgraphs.a_memory_of_its_own_needs_a_parent": _CHECKPOINTS,
    "threads.updates_need_a_checkpointer": _CHECKPOINTS,
    "running.a_checkpointer_needs_a_thread": "`thread_id`",
    "states.misspelt_keys_of_an_update_are_ignored": _KEYS,
    "states.a_pydantic_state_of_the_last_node_is_not_checked": _MODELS,
    "states.pydantic_states_are_checked_on_the_way_in": _MODELS,
    "states.pydantic_states_check_what_a_node_reads": _MODELS,
    "states.pydantic_validators_and_nested_models_hold": _MODELS,
}
ALWAYS = {
    "agents.an_agent_that_runs_out_of_steps_says_so": "the recursion limit",
    "edges.the_limit_counts_steps_exactly": "the recursion limit",
    "contexts.the_config_is_there_without_one": "a config's `thread_id`",
    "contexts.stores_async": "emptied namespaces of a store",
    "edges.two_decisions_of_one_name_are_refused": "two routers of one name",
    "interrupts.a_router_may_ask": "`interrupt` in a router",
    "interrupts.an_answer_may_have_to_fit_a_schema": "answers of another type",
    "interrupts.an_async_answer_to_nothing": "answers that nothing waits for",
    "interrupts.falsy_answers_are_answers": "an empty dict as an answer",
    "running.a_compiled_graph_says_its_name": "a graph's name",
    "running.async_nodes_need_async_methods": "async nodes",
    "sends.a_command_to_an_unknown_node_is_let_go": "a way to an unknown node",
    "sends.a_send_to_an_unknown_node_is_refused": "a way to an unknown node",
    "subgraphs.subgraphs_without_memory_lose_their_question": "`interrupt` under `checkpointer=False`",
    "time_travel.an_answer_at_an_old_checkpoint": "an answer at an old checkpoint",
    "validation.names_with_slashes_and_long_ones": "names of nodes",
}
