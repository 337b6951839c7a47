"""Numbers, times, memory and options as reports write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from evergraph.framework import errors

_MINIMA = (
    "min_bytes", "min_peak_bytes", "min_residual_bytes", "min_output_bytes", "min_micros", "min_accelerator_micros",
    "min_cpu_micros", "min_params", "min_float_ops", "min_occurrence",
)  # fmt: skip
_REGEXES = (
    "account_type_regexes", "start_name_regexes", "trim_name_regexes", "show_name_regexes", "hide_name_regexes",
)  # fmt: skip
OUTPUTS = ("timeline", "stdout", "file", "pprof", "none")
_TO_FILES = ("file", "timeline", "pprof")

_SELECTED = {
    "accelerator_micros": "accelerator execution time: Time spent executing on the accelerator. This is normally "
    "measured by the actual hardware library.",
    "bytes": "requested bytes: The memory requested by the operation, accumulatively.",
    "cpu_micros": "cpu execution time: The time from the start to the end of the operation. It's the sum of actual cpu "
    "run time plus the time that it spends waiting if part of computation is launched asynchronously.",
    "device": "device: which device is placed on.",
    "float_ops": "flops: Number of float operations. Note: Please read the implementation for the math behind it.",
    "input_shapes": "input shape: The shape of input tensors",
    "occurrence": "occurrence: The number of times it occurs",
    "op_types": "op_types: The attributes of the operation, includes the Kernel name device placed on and user-defined "
    "strings.",
    "output_bytes": "output bytes: The memory that is output from the operation (not necessarilty allocated by the "
    "operation)",
    "params": "param: Number of parameters (in the Variable).",
    "peak_bytes": "peak bytes: The peak amount of memory that the operation is holding at some point.",
    "residual_bytes": "residual bytes: The memory not de-allocated after the operation finishes.",
    "tensor_value": "tensor_value: Not supported now.",
}
_SELECTED["micros"] = "\n".join(
    [
        "total execution time: Sum of accelerator execution time and cpu execution time.",
        _SELECTED["cpu_micros"],
        _SELECTED["accelerator_micros"],
    ]
)
_SCOPE = "scope: The nodes in the model graph are organized by their names, which is hierarchical like filesystem."
_REPORTS = {
    "scope": _SCOPE,
    "graph": _SCOPE,
    "code": "code: When python trace is available, the nodes are python lines and their are organized by the python "
    "call stack.",
    "op": "op: The nodes are operation kernel type, such as MatMul, Conv2D. Graph nodes belonging to the same type are "
    "aggregated together.",
}


def number(n: int) -> str:
    for limit, unit, sign in ((1000, 1, ""), (10**6, 10**3, "k"), (10**9, 10**6, "m")):
        if n < limit:
            return f"{n / unit:.2f}{sign}" if sign else str(n)
    return f"{n / 10**9:.2f}b"


def time(micros: int) -> str:
    if micros < 1000:
        return f"{micros}us"
    return f"{micros / 1000:.2f}ms" if micros < 10**6 else f"{micros / 10**6:.2f}sec"


def memory(count: int) -> str:
    if count < 1000:
        return f"{count}B"
    return f"{count / 1000:.2f}KB" if count < 10**6 else f"{count / 10**6:.2f}MB"


def shape(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


def input_shapes(shapes: dict[int, list[int]]) -> list[str]:
    return [f"{i}:{shape(sizes) if sizes else 'unknown'}" for i, sizes in shapes.items()]


@dataclass(frozen=True)
class Options:
    """What a report counts and shows: the dict that programs give, read."""

    max_depth: int = 10
    minima: dict[str, int] = field(default_factory=dict)
    step: int = -1
    order_by: str = "name"
    regexes: dict[str, list[str]] = field(default_factory=dict)
    account_displayed_op_only: bool = False
    select: frozenset[str] = frozenset()
    output: str = "stdout"
    outfile: str = ""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Read options.

        Raises:
            InvalidArgumentError: for an output that there is not, or an expression that is none.
        """
        output, outfile = _parsed_output(given.get("output", "stdout"))
        if given.get("dump_to_file"):
            output, outfile = "file", given["dump_to_file"]
        return cls(
            max_depth=given.get("max_depth", 10),
            minima={name: given.get(name, 0) for name in _MINIMA},
            step=given.get("step", -1),
            order_by=given.get("order_by", "name"),
            regexes={name: _checked(name, given.get(name, [])) for name in _REGEXES},
            account_displayed_op_only=given.get("account_displayed_op_only", False),
            select=frozenset(given.get("select", [])),
            output=output,
            outfile=outfile,
        )

    def text(self) -> str:
        """The options, one a line."""
        values: dict[str, Any] = {"max_depth": self.max_depth, **self.minima, "step": self.step}
        values["order_by"] = self.order_by
        values.update((name, ",".join(texts)) for name, texts in self.regexes.items())
        values["account_displayed_op_only"] = "true" if self.account_displayed_op_only else "false"
        values["select"] = ",".join(sorted(self.select))
        values["output"] = f"{self.output}:{f'outfile={self.outfile}' if self.outfile else ''}"
        return "".join(f"{'-' + name:<28}{value}\n" for name, value in values.items())

    def explained(self, command: str) -> str:
        """What the report and the selected attributes are."""
        lines = [_REPORTS[command], "\n".join(_SELECTED.get(s, f"Unknown select: {s}") for s in sorted(self.select))]
        return "\nDoc:\n" + "\n".join(lines) + "\n\n"


def _checked(name: str, expressions: Iterable[str]) -> list[str]:
    for expression in expressions:
        try:
            re.compile(expression)
        except re.error as error:
            raise errors.InvalidArgumentError(
                None, None, f"{name} has {expression!r}, which is no regular expression: {error}"
            ) from None
    return list(expressions)


def _parsed_output(given: str) -> tuple[str, str]:
    """ "file:outfile=path" taken apart."""
    output, _, rest = given.partition(":")
    output = output or "stdout"
    if output not in OUTPUTS:
        valid = ",".join(sorted(OUTPUTS))
        raise errors.InvalidArgumentError(None, None, f"E.g. Unknown output type: {output}, Valid types: {valid}")
    outfile = ""
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise errors.InvalidArgumentError(None, None, "Visualize format: -output timeline:key=value,key=value,...")
        if key != "outfile" or output not in _TO_FILES:
            raise errors.InvalidArgumentError(None, None, f"Unrecognized options {key} for output_type: {output}")
        outfile = value
    if output in _TO_FILES and not outfile:
        raise errors.InvalidArgumentError(
            None, None, f"Missing required output_options for {output}\nE.g. -output {output}:outfile=..."
        )
    return output, outfile
