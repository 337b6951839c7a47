"""The gradient of an op that has no rule of its own: the derivative of its kernel, as one op."""

from __future__ import annotations

from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.kernel_gradient import FLOATING, Forward, kernel_gradient, static_arguments
from evergraph.ops.opdef import grouped_inputs, raw_op


def applies_to(opdef: OpDef) -> bool:
    """Whether ops of this type are pure functions with a kernel that can be differentiated."""
    return (
        opdef.kernel is not None
        and not opdef.host
        and not opdef.is_stateful
        and not opdef.updates
        and opdef.random_blocks is None
    )


def derivative_of_kernel(forward: Operation, *grads: Tensor | None) -> list[Tensor | None]:
    """The rule that stands in where an op has none."""
    inputs: list[Tensor] = []
    statics: list[Tensor] = []
    position_of_output: list[int | None] = []
    outputs = 0
    for is_static, group in zip(static_arguments(forward.opdef), grouped_inputs(forward), strict=True):
        for t in group:
            floating = not is_static and t.dtype._base in FLOATING
            position_of_output.append(outputs if floating else None)
            outputs += floating
            (statics if is_static else inputs).append(t)
    given = [
        raw_op("ZerosLike")(t, name="zeros_like") if grad is None else grad
        for t, grad in zip(forward.outputs, grads, strict=True)
        if t.dtype._base in FLOATING
    ]
    if not outputs or not given:
        return [None] * len(forward.inputs)
    attrs = {name: value for name, value in forward.attrs.items() if name in forward.opdef.attr_map}
    kinds = [t.dtype._base for t in inputs if t.dtype._base in FLOATING]
    found = kernel_gradient(inputs, statics, given, Forward(forward.type, attrs), kinds)
    return [None if i is None else found[i] for i in position_of_output]
