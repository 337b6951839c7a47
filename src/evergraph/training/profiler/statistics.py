"""Statistics of ops by type, and how many float operations the ops have that TensorFlow 1.15 knows it of.

A statistic of one op is a function of its graph and its NodeDef:

    @RegisterStatistics("MyOp", "flops")
    def my_flops(graph, node):
        return OpStats("flops", 2 * tensor_shape_from_node_def_name(graph, node.input[0]).num_elements())

A function raises ValueError where a shape that it needs is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from evergraph.training.graph_util import tensor_shape_from_node_def_name

Statistic = Callable[[Any, Any], "OpStats"]
_FUNCTIONS: dict[tuple[str, str], Statistic] = {}


class OpStats:
    """A statistic of an op: what it is of ("flops", say), and its value, which is None where there is none."""

    def __init__(self, statistic_type: str, value: Any = None) -> None:
        self.statistic_type = statistic_type
        self.value = value

    def __iadd__(self, other: OpStats) -> OpStats:
        if other.statistic_type != self.statistic_type:
            raise ValueError(f"Can't add an OpStat of type {other.statistic_type} to one of {self.statistic_type}.")
        if self.value is None:
            self.value = other.value
        elif other.value is not None:
            self.value += other.value
        return self

    def __repr__(self) -> str:
        return f"OpStats({self.statistic_type!r}, {self.value!r})"


class RegisterStatistics:
    """A decorator for the function that gives a statistic of ops of one type.

    Raises:
        TypeError: for names that are no strings, or hold a comma.
        KeyError: if there is such a function already.
    """

    def __init__(self, op_type: str, statistic_type: str) -> None:
        for name, value in (("op_type", op_type), ("statistic_type", statistic_type)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string.")
            if "," in value:
                raise TypeError(f"{name} must not contain a comma.")
        self._key = op_type, statistic_type

    def __call__(self, function: Statistic) -> Statistic:
        if self._key in _FUNCTIONS:
            raise KeyError(f"{self._key[1]} of {self._key[0]} are registered already")
        _FUNCTIONS[self._key] = function
        return function


def get_stats_for_node_def(graph: Any, node: Any, statistic_type: str) -> OpStats:
    """The statistic of the op that `node` describes; its value is None if its type has no such statistic.

    Raises:
        ValueError: if a shape is needed and not known.
    """
    function = _FUNCTIONS.get((node.op, statistic_type))
    return OpStats(statistic_type) if function is None else function(graph, node)


def has_statistic(op_type: str, statistic_type: str) -> bool:
    return (op_type, statistic_type) in _FUNCTIONS


# Float operations


def _sizes(graph: Any, tensor_name: str) -> list[int]:
    shape = tensor_shape_from_node_def_name(graph, tensor_name)
    shape.assert_is_fully_defined()
    return [size for size in shape.as_list() if size is not None]


def _flops(*op_types: str) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Register a function that gives the number alone, for several types."""

    def register(count: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        for op_type in op_types:
            RegisterStatistics(op_type, "flops")(lambda graph, node: OpStats("flops", count(graph, node)))
        return count

    return register


def _for_each_input(per_element: int) -> Callable[[Any, Any], int]:
    return lambda graph, node: math.prod(_sizes(graph, node.input[0])) * per_element


def _for_each_output(per_element: int) -> Callable[[Any, Any], int]:
    return lambda graph, node: math.prod(_sizes(graph, node.name)) * per_element


_flops("Reciprocal", "Square", "Log", "Neg", "AssignSub", "AssignAdd", "BiasAdd")(_for_each_input(1))
_flops("Rsqrt")(_for_each_input(2))
_flops("Softmax")(_for_each_input(5))
_flops(
    "Add", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "Pow", "GreaterEqual", "Greater", "LessEqual", "Less",
    "Equal", "NotEqual",
)(_for_each_output(1))  # fmt: skip
_flops("SquaredDifference")(_for_each_output(2))
_flops("RsqrtGrad")(_for_each_output(4))


@_flops("L2Loss")
def l2_loss_flops(graph: Any, node: Any) -> int:
    return math.prod(_sizes(graph, node.input[0])) * 3 - 1


@_flops("Sum", "ArgMax", "ArgMin", "BiasAddGrad")
def reduction_flops(graph: Any, node: Any) -> int:
    """An addition, or a comparison, for each element but the first that goes into each result."""
    return math.prod(_sizes(graph, node.input[0])) - math.prod(_sizes(graph, node.name))


@_flops("Mean")
def mean_flops(graph: Any, node: Any) -> int:
    """As a sum, and a division for each result."""
    before = math.prod(_sizes(graph, node.input[0]))
    _sizes(graph, node.name)
    return before


@_flops("AddN")
def add_n_flops(graph: Any, node: Any) -> int:
    if not node.input:
        return 0
    return math.prod(_sizes(graph, node.input[0])) * (len(node.input) - 1)


@_flops("MatMul", "BatchMatMul")
def product_flops(graph: Any, node: Any) -> int:
    """A multiplication and an addition for each element of a row, for each result."""
    rows, columns = _sizes(graph, node.input[0])[-2:]
    inner = rows if node.attr["transpose_a"].b else columns
    return inner * math.prod(_sizes(graph, node.name)) * 2


@_flops("Conv2D", "Conv3D")
def convolution_flops(graph: Any, node: Any) -> int:
    _sizes(graph, node.input[0])
    *window, depth, _ = _sizes(graph, node.input[1])
    return math.prod(_sizes(graph, node.name)) * depth * math.prod(window) * 2


@_flops("DepthwiseConv2dNative", "Dilation2D")
def depthwise_flops(graph: Any, node: Any) -> int:
    _sizes(graph, node.input[0])
    height, width = _sizes(graph, node.input[1])[:2]
    return math.prod(_sizes(graph, node.name)) * height * width * 2


def _require_channels_last(node: Any) -> None:
    if node.attr["data_format"].s != b"NHWC":
        raise ValueError("Only NHWC format is supported in flops computations")


def _convolution_gradient_flops(node: Any, image: list[int], kernel: list[int]) -> float:
    """As the convolution: `image` is the shape of its input, `kernel` that of its filter."""
    strides = node.attr["strides"].list.i
    return 2 * math.prod(image) * math.prod(kernel) / (image[-1] * strides[1] * strides[2])


@_flops("Conv2DBackpropInput")
def convolution_input_gradient_flops(graph: Any, node: Any) -> float:
    _require_channels_last(node)
    return _convolution_gradient_flops(node, _sizes(graph, node.name), _sizes(graph, node.input[1]))


@_flops("Conv2DBackpropFilter")
def convolution_filter_gradient_flops(graph: Any, node: Any) -> float:
    _require_channels_last(node)
    return _convolution_gradient_flops(node, _sizes(graph, node.input[0]), _sizes(graph, node.name))


def _window(node: Any) -> int:
    _require_channels_last(node)
    return math.prod(node.attr["ksize"].list.i)


@_flops("AvgPool", "MaxPool")
def pooling_flops(graph: Any, node: Any) -> int:
    return _window(node) * math.prod(_sizes(graph, node.name))


@_flops("AvgPoolGrad")
def average_pooling_gradient_flops(graph: Any, node: Any) -> int:
    return _window(node) * math.prod(_sizes(graph, node.input[1])) * 2


@_flops("MaxPoolGrad")
def max_pooling_gradient_flops(graph: Any, node: Any) -> int:
    """The pooling again, and one operation for each of its results."""
    results = math.prod(_sizes(graph, node.input[1]))
    return _window(node) * results + results
