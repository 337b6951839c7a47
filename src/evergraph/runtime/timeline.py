"""Step statistics as a Chrome trace: load the text in chrome://tracing or Perfetto.

    metadata = tf.RunMetadata()
    sess.run(fetches, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    text = timeline.Timeline(metadata.step_stats).generate_chrome_trace_format()

Each device is a process of the trace; ops that overlap in time are on different lanes (threads) of it; arrows go from
an op to those that take its outputs.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LABEL = re.compile(r".* = (\w+)\((.*)\)$")


class Timeline:
    """Turns a `StepStats` message into a Chrome trace."""

    def __init__(self, step_stats: Any, graph: Any = None) -> None:
        self._step_stats = step_stats

    def generate_chrome_trace_format(self, show_dataflow: bool = True, show_memory: bool = False) -> str:
        """The trace, as JSON.

        Args:
            show_dataflow: draw arrows along the inputs of ops.
            show_memory: accepted; memory is not recorded.
        """
        events: list[dict[str, Any]] = []
        arrows: list[dict[str, Any]] = []
        made: dict[str, dict[str, Any]] = {}
        for pid, device in enumerate(self._step_stats.dev_stats):
            events.append({"name": "process_name", "ph": "M", "pid": pid, "args": {"name": f"{device.device} Compute"}})
            lanes: list[int] = []  # when the last op of each lane ends
            for stats in sorted(device.node_stats, key=lambda stats: stats.all_start_micros):
                start, duration = stats.all_start_micros, max(1, stats.op_end_rel_micros)
                free = [lane for lane, end in enumerate(lanes) if end <= start]
                lane = free[0] if free else len(lanes)
                lanes[lane : lane + 1] = [start + duration]
                kind, inputs = _parts(stats)
                arguments = {
                    "name": stats.node_name,
                    "op": kind,
                    **{f"input{i}": name for i, name in enumerate(inputs)},
                }
                event = {
                    "ph": "X", "cat": "Op", "name": kind, "pid": pid, "tid": lane, "ts": start, "dur": duration,
                    "args": arguments,
                }  # fmt: skip
                events.append(event)
                made[stats.node_name] = event
                arrows += [_arrow(made[name], event) for name in map(_op_name, inputs) if name in made]
        if show_dataflow:
            for number, arrow in enumerate(arrows):
                events += [{**arrow[end], "id": number, "cat": "DataFlow"} for end in ("from", "to")]
        return json.dumps({"traceEvents": events}, indent=4)


def _parts(stats: Any) -> tuple[str, list[str]]:
    """The type of an op and the names of its inputs, from its label `name = Type(input, ...)`."""
    match = _LABEL.match(stats.timeline_label)
    if match is None:
        return stats.timeline_label or stats.node_name, []
    return match.group(1), [name for name in match.group(2).split(", ") if name]


def _op_name(tensor_name: str) -> str:
    return tensor_name.removeprefix("^").partition(":")[0]


def _arrow(source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    start = {"ph": "s", "name": source["args"]["name"], "pid": source["pid"], "tid": source["tid"]}
    end = {"ph": "t", "name": source["args"]["name"], "pid": target["pid"], "tid": target["tid"]}
    return {"from": {**start, "ts": source["ts"] + source["dur"]}, "to": {**end, "ts": target["ts"]}}
