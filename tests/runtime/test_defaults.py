"""Who leaves something out gets what he always got."""

from __future__ import annotations

import json

from tests.runtime.defaults import KEPT, found


def test_what_is_left_out_is_taken_as_it_always_was() -> None:
    kept, now = json.loads(KEPT.read_text("utf-8")), found()

    changed = {
        place: (kept[place], now[place])
        for place in kept.keys() & now.keys()
        if kept[place] != now[place]
    }
    assert changed == {}, "If it is meant so: python -m tests.runtime.defaults"
    assert len(kept.keys() & now.keys()) > 500
