"""A report as a timeline for chrome://tracing: a row for each depth, nodes as long as they and all below them took.

Scope:0  |------------------ _TFProfRoot ------------------|
Scope:1  |------------- net -------------||--- gradients --|
Scope:2  |-- net/Relu --||- net/MatMul --|
"""

from __future__ import annotations

import json
from typing import Any


def tree_timeline(root: Any) -> str:
    """The timeline of a `GraphNodeProto` or `MultiGraphNodeProto`, as JSON."""
    events: list[dict[str, Any]] = []
    rows = 0
    waiting = [(root, 0, 0)]  # node, depth, when it begins
    while waiting:
        node, depth, start = waiting.pop()
        if depth == rows:
            events.append({"args": {"name": f"Scope:{depth}"}, "name": "process_name", "ph": "M", "pid": depth})
            rows += 1
        events.append(
            {
                "args": {"name": node.name, "op": node.name},
                "cat": "Op",
                "dur": node.total_exec_micros,
                "name": node.name,
                "ph": "X",
                "pid": depth,
                "tid": 0,
                "ts": start,
            }
        )
        below = []
        for child in node.children:
            if child.total_exec_micros > 0:
                below.append((child, depth + 1, start))
                start += child.total_exec_micros
        waiting.extend(reversed(below))
    return json.dumps({"traceEvents": events}, separators=(",", ":")) + "\n"
