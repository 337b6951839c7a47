"""Whose line built this op?

An error should point at the user's line, not at ours. Each op keeps the innermost few frames of the program that
built it, as (code object, instruction offset): cheap to take, turned into text only when somebody reads them.
"""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from types import CodeType, FrameType

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OWN: dict[CodeType, bool] = {}
KEPT = 6

Frames = tuple[tuple[CodeType, int], ...]


def user_frames(depth: int = 1) -> Frames:
    """The innermost `KEPT` frames outside this package, innermost first."""
    kept = []
    frame: FrameType | None = sys._getframe(depth)
    own = _OWN
    while frame is not None:
        code = frame.f_code
        ours = own.get(code)
        if ours is None:
            ours = own[code] = code.co_filename.startswith(PACKAGE) or code.co_filename.startswith("<frozen")
        if not ours:
            kept.append((code, frame.f_lasti))
            if len(kept) == KEPT:
                break
        frame = frame.f_back
    return tuple(kept)


def line_number(code: CodeType, lasti: int) -> int:
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno


def summaries(frames: Frames) -> list[traceback.FrameSummary]:
    """The frames, outermost first, as `traceback` has them."""
    return [
        traceback.FrameSummary(code.co_filename, line_number(code, lasti), code.co_name)
        for code, lasti in reversed(frames)
    ]


def built_at(frames: Frames) -> str:
    """`train.py:41: logits = dense(h, 10)`, or an empty string when nothing is known."""
    if not frames:
        return ""
    code, lasti = frames[0]
    line = line_number(code, lasti)
    source = linecache.getline(code.co_filename, line).strip()
    place = f"{os.path.basename(code.co_filename)}:{line}"
    return f"{place}: {source}" if source else place
