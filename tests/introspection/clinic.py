"""A project of two graphs: patients who are taken in by what they suffer from, and bills that insurers pay."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

from inwit import (
    END,
    START,
    CompiledGraph,
    InMemoryCheckpointer,
    RetryPolicy,
    StateGraph,
    interrupt,
)
from inwit.runtime.context import Context
from tests.introspection.chosen import Clock

SYMPTOMS = (
    ["cough"],
    ["rash"],
    ["chest pain", "cough"],
    ["fever", "rash"],
    ["fever"],
    ["chest pain"],
)
AGES = (20, 75, 50, 35, 80)
INSURERS = ("Acme", "Slowpay", "Umbrella")
AMOUNTS = (50, 300, 600, 120, 950)


class Patient(TypedDict, total=False):
    age: int
    symptoms: list[str]
    urgency: str
    doctor: str
    notes: Annotated[list[str], operator.add]
    card: str


class Bill(TypedDict, total=False):
    patient: str
    amount: int
    insurer: str
    paid: bool


def _intake(clock: Clock) -> CompiledGraph[Any]:
    def assess(state: Patient, ctx: Context) -> dict[str, Any]:
        """Judge how urgent it is."""
        said = {"call_id": f"{ctx.node}-{ctx.visit}", "model": "medi-large", "provider": "scripted"}
        ctx.emit("llm_started", **said)
        clock.takes(20 if state["age"] < 70 else 60)
        used = 200 + 20 * len(state["symptoms"])
        ctx.emit(
            "llm_completed",
            **said,
            output="so",
            input_tokens=used,
            output_tokens=10,
            cost_usd=0.004,
        )
        return {"urgency": "high" if "chest pain" in state["symptoms"] else "low"}

    def emergency(_state: Patient) -> dict[str, Any]:
        clock.takes(4)
        return {"doctor": "ER", "notes": ["called"]}

    def find_doctor(state: Patient) -> dict[str, Any]:
        clock.takes(10)
        if "rash" in state["symptoms"]:
            raise LookupError("no dermatologist is free")
        return {"doctor": "Ng"}

    graph = StateGraph(Patient)
    for name, node in (("assess", assess), ("emergency", emergency), ("find_doctor", find_doctor)):
        graph.add_node(name, node)
    graph.add_edge(START, "assess")
    graph.add_conditional_edges(
        "assess", lambda state: "emergency" if state["urgency"] == "high" else "find_doctor",
        ["emergency", "find_doctor"],
    )  # fmt: skip
    graph.add_edge("emergency", END)
    graph.add_edge("find_doctor", END)
    return graph.compile(name="intake")


def _charging(clock: Clock) -> Callable[[Bill], dict[str, Any]]:
    tried: dict[str, int] = {}

    def charge(state: Bill) -> dict[str, Any]:
        tried[state["patient"]] = tried.get(state["patient"], 0) + 1
        clock.takes(8)
        if state["insurer"] == "Slowpay" and tried[state["patient"]] < 3:
            raise TimeoutError("the insurer did not answer")
        return {"paid": True}

    return charge


def _billing(clock: Clock) -> CompiledGraph[Any]:
    def approve(state: Bill) -> None:
        if state["amount"] > 500:
            interrupt({"question": "Approve it?", "amount": state["amount"]})

    again = RetryPolicy(max_attempts=4, initial_interval=0.0001)
    graph = StateGraph(Bill)
    graph.add_node("approve", approve)
    graph.add_node("charge", _charging(clock), retry_policy=again)
    graph.add_edge(START, "approve")
    graph.add_edge("approve", "charge")
    graph.add_edge("charge", END)
    return graph.compile(name="billing", checkpointer=InMemoryCheckpointer())


def run(clock: Clock) -> CompiledGraph[Any]:
    """Thirty patients, of whom ten have a rash and ten chest pain, and fifteen bills, of which six wait."""
    intake, billing = _intake(clock), _billing(clock)
    for number in range(30):
        with suppress(LookupError):
            patient: Any = {"age": AGES[number % 5], "symptoms": SYMPTOMS[number % 6]}
            intake.invoke(patient | {"card": f"R-{number}"}, thread_id=f"p{number}")
    for number in range(15):
        bill: Any = {
            "patient": f"p{number}",
            "amount": AMOUNTS[number % 5],
            "insurer": INSURERS[number % 3],
        }
        billing.invoke(bill, thread_id=f"b{number}")
    return billing
