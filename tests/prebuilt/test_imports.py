from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "{'pydantic', 'langchain_core', 'httpx', 'numpy', 'mcp', 'starlette'}"


@pytest.mark.parametrize(
    "names", ["ToolNode, tool, add_messages", "create_react_agent, supervisor"]
)
def test_what_is_prebuilt_imports_nothing_heavy(names: str) -> None:
    program = f"""
import sys
from inwit import {names}
heavy = {HEAVY} & {{name.partition(".")[0] for name in sys.modules}}
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


CLASSES = """
import warnings
warnings.simplefilter("error")
{first}
{second}
from langchain_core.messages.tool import ToolOutputMixin
from langchain_core.tools.base import (
    InjectedToolArg, InjectedToolCallId as TheirCallId, ToolException as TheirException,
    _DirectlyInjectedToolArg,
)
assert issubclass(Command, ToolOutputMixin)
assert issubclass(InjectedState, InjectedToolArg) and issubclass(InjectedStore, InjectedToolArg)
assert issubclass(InjectedToolCallId, TheirCallId)
assert issubclass(ToolRuntime, _DirectlyInjectedToolArg)
assert issubclass(ToolInvocationError, TheirException)
assert ToolRuntime[None, dict] and InjectedState("x").field == "x"
"""
OURS = """
from inwit import Command
from inwit.prebuilt import (
    InjectedState, InjectedStore, InjectedToolCallId, ToolInvocationError, ToolRuntime,
)
"""
THEIRS = "from langchain_core.tools import tool"


@pytest.mark.parametrize(
    "order", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours first", "theirs first"]
)
def test_our_classes_are_of_langchains_families_in_whichever_order_they_come(
    order: tuple[str, str],
) -> None:
    program = CLASSES.format(first=order[0], second=order[1])

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
