"""Where an error was raised: the place in the user's code that a traceback ends in."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import NamedTuple

from inwit import events
from inwit.introspection.claims import Draft, Ref, quoted, short
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

ASKED = r"\bstack ?traces?\b|\btracebacks?\b|\b(?:which|what) line\b.*\b(?:rais|fail|err|crash|thr[eo]w)"
"""Words that ask for it, and for nothing else."""
FRAMES = 6
"""Places of a traceback that are told where it is asked for."""
_FRAMES = re.compile(
    r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<name>.+)\n(?P<code>.*)', re.MULTILINE
)
_OWN = "/inwit/runtime/"
"""In the path of inwit's own frames, wherever the program that was recorded had it."""
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


class Place(NamedTuple):
    """A line of code."""

    file: str
    line: int
    function: str
    code: str


def say(scene: Scene, draft: Draft, execution: Execution) -> None:
    """Tell the line that raised the error of an execution, and what it was called with."""
    for event in scene.events(execution.execution_id):
        if isinstance(event, events.ExecutionStarted) and event.input:
            draft.say(f"It was called with {short(event.input, 200)}.", event.uri)
        if isinstance(event, events.ExecutionFailed) and event.error is not None:
            _say_place(scene, draft, Ref(uri=event.uri, why="its traceback"), event.error.traceback)


def is_asked(words: str) -> bool:
    """Whether a question is for the place of an error."""
    return re.search(ASKED, words.lower()) is not None


def _say_place(scene: Scene, draft: Draft, ref: Ref, traceback: str) -> None:
    places = places_of(traceback)
    if not places:
        return
    draft.data["raised_at"] = places[-1]._asdict()
    draft.say(f"It was raised in {_told(places[-1], scene.project.root)}.", ref)
    if is_asked(scene.words):
        draft.data["traceback"] = traceback
        for place in places[-2:-FRAMES:-1]:
            draft.say(f"Called from {_told(place, scene.project.root)}.", ref)


def _told(place: Place, root: Path) -> str:
    path = Path(place.file)
    file = path.relative_to(root) if path.is_relative_to(root) else path
    code = f": {quoted(place.code, 120)}" if place.code else ""
    return f"{place.function}, {file}, line {place.line}{code}"


def places_of(traceback: str) -> list[Place]:
    """The places of a traceback that are in no library, the innermost last; all where each is."""
    places = [
        Place(found["file"], int(found["line"]), found["name"], _code(found["code"]))
        for found in _FRAMES.finditer(traceback)
    ]
    return [one for one in places if not _is_foreign(one.file)] or places


def _is_foreign(file: str) -> bool:
    return file.startswith((*_LIBRARIES, "<")) or _OWN in file.replace("\\", "/")


def _code(line: str) -> str:
    text = line.strip()
    return "" if text.startswith('File "') or set(text) <= set("^~ ") else text
