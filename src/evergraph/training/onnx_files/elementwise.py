"""Element-wise ops, comparisons, casts and selections as ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.training.onnx_files.writer import NotMapped, Writer, maps, rank_of

_SAME = {
    name: name
    for name in (
        "Relu Elu Selu Sigmoid Tanh Softplus Softsign Exp Log Sqrt Reciprocal Neg Abs Sign Floor Ceil Erf Sin Cos Tan "
        "Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Identity"
    ).split()
}
UNARY = {
    **_SAME,
    "Inv": "Reciprocal",
    "Round": "Round",
    "Rint": "Round",
    "LogicalNot": "Not",
    "IsNan": "IsNaN",
    "IsInf": "IsInf",
    "StopGradient": "Identity",
    "PreventGradient": "Identity",
    "CheckNumerics": "Identity",
    "Snapshot": "Identity",
    "PlaceholderWithDefault": "Identity",
}
BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "RealDiv": "Div",
    "TruncateDiv": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Pow": "Pow",
    "Equal": "Equal",
    "Greater": "Greater",
    "Less": "Less",
    "GreaterEqual": "GreaterOrEqual",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
}


def apart(w: Writer, op: Operation, kind: str, *more: str, **attrs: Any) -> Any:
    """A node of one tensor, element by element, in the layout that the tensor has."""
    (t,) = op.inputs
    if w.is_nchw(t):
        w.put_nchw(op.outputs[0], w.node(kind, [w.nchw(t), *more], **attrs))
        return None
    return w.node(kind, [w.name(t), *more], **attrs)


@maps(*UNARY)
def unary(w: Writer, op: Operation) -> Any:
    return apart(w, op, UNARY[op.type])


@maps("Relu6")
def relu6(w: Writer, op: Operation) -> Any:
    (t,) = op.inputs
    return apart(w, op, "Clip", w.like(t, 0), w.like(t, 6))


@maps("LeakyRelu")
def leaky_relu(w: Writer, op: Operation) -> Any:
    return apart(w, op, "LeakyRelu", alpha=float(op.attrs["alpha"]))


@maps("Cast")
def cast(w: Writer, op: Operation) -> Any:
    return apart(w, op, "Cast", to=w.type_of(op.outputs[0].dtype._base.np))


@maps("Rsqrt")
def rsqrt(w: Writer, op: Operation) -> Any:
    return w.node("Reciprocal", [w.node("Sqrt", w.names(op))])


@maps("Square")
def square(w: Writer, op: Operation) -> Any:
    return w.node("Mul", w.names(op) * 2)


@maps("Log1p")
def log1p(w: Writer, op: Operation) -> Any:
    return w.node("Log", [w.node("Add", [*w.names(op), w.like(op.inputs[0], 1)])])


@maps("Expm1")
def expm1(w: Writer, op: Operation) -> Any:
    return w.node("Sub", [w.node("Exp", w.names(op)), w.like(op.inputs[0], 1)])


@maps(*BINARY, "Div")
def binary(w: Writer, op: Operation) -> Any:
    kind = BINARY.get(op.type, "Div")
    x, y = op.inputs
    for first, second in ((x, y), (y, x)):
        # A vector of channels beside an image that is NCHW goes along its second dimension.
        value = w.known.get(second)
        if w.is_nchw(first) and value is not None and value.ndim <= 1:
            channels = w.constant(value if value.size == 1 else value.reshape(-1, 1, 1))
            pair = [w.nchw(first), channels] if first is x else [channels, w.nchw(first)]
            w.put_nchw(op.outputs[0], w.node(kind, pair))
            return None
    if x is not y and w.is_nchw(x) and w.is_nchw(y) and x.static_shape is not None and y.static_shape is not None:
        w.put_nchw(op.outputs[0], w.node(kind, [w.nchw(x), w.nchw(y)]))
        return None
    return w.node(kind, w.names(op))


@maps("NotEqual")
def not_equal(w: Writer, op: Operation) -> Any:
    return w.node("Not", [w.node("Equal", w.names(op))])


@maps("IsFinite")
def is_finite(w: Writer, op: Operation) -> Any:
    return w.node("Not", [w.node("Or", [w.node("IsNaN", w.names(op)), w.node("IsInf", w.names(op))])])


@maps("SquaredDifference")
def squared_difference(w: Writer, op: Operation) -> Any:
    difference = w.node("Sub", w.names(op))
    return w.node("Mul", [difference, difference])


@maps("FloorMod")
def floor_mod(w: Writer, op: Operation) -> Any:
    x, y = w.names(op)
    if op.inputs[0].dtype.is_integer:
        return w.node("Mod", [x, y])
    return w.node("Sub", [x, w.node("Mul", [w.node("Floor", [w.node("Div", [x, y])]), y])])


@maps("FloorDiv")
def floor_div(w: Writer, op: Operation) -> Any:
    x, y = w.names(op)
    if op.inputs[0].dtype.is_integer:
        return w.node("Div", [w.node("Sub", [x, w.node("Mod", [x, y])]), y])
    return w.node("Floor", [w.node("Div", [x, y])])


@maps("AddN")
def add_n(w: Writer, op: Operation) -> Any:
    return w.node("Sum", w.names(op))


@maps("BiasAdd", "BiasAddV1")
def bias_add(w: Writer, op: Operation) -> Any:
    x, bias = op.inputs
    if op.attrs.get("data_format", b"NHWC") == b"NCHW":
        shape = w.ints(1, -1, *[1] * (rank_of(x) - 2))
        return w.node("Add", [w.name(x), w.node("Reshape", [w.name(bias), shape])])
    return binary(w, op) if op.type == "BiasAddV1" or bias in w.known else w.node("Add", w.names(op))


BINARY.update(BiasAdd="Add", BiasAddV1="Add")


@maps("Select", "SelectV2")
def select(w: Writer, op: Operation) -> Any:
    condition, x, y = w.names(op)
    if op.type == "Select" and rank_of(op.inputs[0]) == 1 and rank_of(op.inputs[1]) > 1:
        condition = w.node("Reshape", [condition, w.ints(-1, *[1] * (rank_of(op.inputs[1]) - 1))])
    return w.node("Where", [condition, x, y])


@maps("ClipByValue")
def clip_by_value(w: Writer, op: Operation) -> Any:
    if any(rank_of(t) for t in op.inputs[1:]):
        raise NotMapped("its limits are no scalars")
    return w.node("Clip", w.names(op))


@maps("ZerosLike", "OnesLike")
def filled_like(w: Writer, op: Operation) -> Any:
    value = np.array([op.type == "OnesLike"], op.outputs[0].dtype._base.np)
    shape = w.node("Shape", w.names(op))
    return w.node("ConstantOfShape", [shape], value=w.onnx.numpy_helper.from_array(value))
