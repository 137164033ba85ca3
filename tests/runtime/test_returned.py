"""What nodes return is kept and given back: updates, commands, overwrites, and lists of them."""

from __future__ import annotations

from typing import Any

import pytest

from inwit import Command, Overwrite, Send
from inwit.runtime.returned import pack_returned, unpack_returned


@pytest.mark.parametrize(
    "returned",
    [
        None,
        {"a": [1, 2]},
        [("a", 1), ("b", 2)],
        Overwrite([1]),
        {"a": Overwrite([1]), "b": 2},
        Command(update={"a": 1}, goto=["left", Send("right", {"n": 1})]),
        Command(update={"a": Overwrite([])}, goto=["left"], graph=Command.PARENT),
        [{"a": 1}, Command(goto=["left"]), {"b": Overwrite(2)}],
    ],
)
def test_what_was_kept_is_what_was_returned(returned: Any) -> None:
    found = unpack_returned(pack_returned(returned))

    assert repr(found) == repr(returned)
