"""What of a report is shown: by name, by depth, and by numbers."""

from __future__ import annotations

import re
from typing import Any

from evergraph.training.profiler import profile
from evergraph.training.profiler.text import Options

_TOTALS = {
    "min_bytes": profile.BYTES, "min_peak_bytes": profile.PEAK, "min_residual_bytes": profile.RESIDUAL,
    "min_output_bytes": profile.OUTPUT, "min_micros": profile.MICROS,
    "min_accelerator_micros": profile.ACCELERATOR_MICROS, "min_cpu_micros": profile.CPU_MICROS,
}  # fmt: skip


def matches_any(text: str, regexes: list[str]) -> bool:
    """Whether all of `text` matches one of the expressions."""
    return any(regex == ".*" or re.fullmatch(regex, text) is not None for regex in regexes)


def takes_all(regexes: list[str]) -> bool:
    return regexes == [".*"]


def is_shown(shown: Any, options: Options, depth: int) -> bool:
    """Whether a node (with `name`, `totals`, `least` and `occurrence`) is shown at this depth."""
    if shown.name == profile.ROOT:
        return True
    minima, regexes = options.minima, options.regexes
    if depth > options.max_depth or shown.occurrence < minima["min_occurrence"]:
        return False
    parameters, float_ops = shown.least
    if parameters < minima["min_params"] or float_ops < minima["min_float_ops"]:
        return False
    if any(shown.totals[measure] < minima[name] for name, measure in _TOTALS.items()):
        return False
    return matches_any(shown.name, regexes["show_name_regexes"]) and not matches_any(
        shown.name, regexes["hide_name_regexes"]
    )
