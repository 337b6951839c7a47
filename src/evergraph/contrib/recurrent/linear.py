"""A linear map of several inputs side by side, with variables of the current scope."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.ops import array, initializers
from evergraph.ops.bias import bias_add
from evergraph.ops.constant import constant
from evergraph.ops.products import matmul
from evergraph.ops.variable_scope import get_variable, get_variable_scope, variable_scope


def _input_size(args: Any) -> int:
    if args is None or (nest.is_nested(args) and not args):
        raise ValueError("`args` must be specified")
    total = 0
    shapes = [a.shape for a in args]
    for shape in shapes:
        if shape.rank != 2:
            raise ValueError(f"linear is expecting 2D arguments: {shapes}")
        size = shape.as_list()[1]
        if size is None:
            raise ValueError(f"linear expects shape[1] to be provided for shape {shape}, but saw {size}")
        total += size
    return total


def _bias(outer_scope: Any, output_size: int, dtype: Any, initializer: Any) -> Any:
    with variable_scope(outer_scope) as inner_scope:
        inner_scope.set_partitioner(None)
        if initializer is None:
            initializer = initializers.Constant(0.0, dtype=dtype)
        return get_variable("bias", [output_size], dtype=dtype, initializer=initializer)


class Linear:
    """`sum(args[i] * W[i]) + b`; the variables are made once, in the scope where the object is.

    Args:
        args: a tensor `[batch, size]`, or a list of them.
        output_size: the size of the result.
        build_bias: whether there is a bias.
        bias_initializer: what it starts with.
        kernel_initializer: what the weights start with.
    """

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        self._is_sequence = nest.is_nested(args)
        args = args if self._is_sequence or args is None else [args]
        rows = _input_size(args)
        dtype = args[0].dtype
        self._biases = None
        with variable_scope(get_variable_scope()) as outer_scope:
            self._weights = get_variable("kernel", [rows, output_size], dtype=dtype, initializer=kernel_initializer)
            if build_bias:
                self._biases = _bias(outer_scope, output_size, dtype, bias_initializer)

    def __call__(self, args: Any) -> Any:
        args = args if self._is_sequence else [args]
        if len(args) == 1:
            result = matmul(args[0], self._weights)
        else:
            one = constant(1, dtype=dtypes.int32)
            result = matmul(array.concat(args, one), self._weights)
        return result if self._biases is None else bias_add(result, self._biases)


def linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None, kernel_initializer: Any = None
) -> Any:
    """`sum(args[i] * W[i]) + b`, with variables got in the current scope."""
    args = args if nest.is_nested(args) or args is None else [args]
    rows = _input_size(args)
    dtype = args[0].dtype
    with variable_scope(get_variable_scope()) as outer_scope:
        weights = get_variable("kernel", [rows, output_size], dtype=dtype, initializer=kernel_initializer)
        result = matmul(args[0] if len(args) == 1 else array.concat(args, 1), weights)
        return bias_add(result, _bias(outer_scope, output_size, dtype, bias_initializer)) if bias else result


public("contrib.rnn._Linear")(Linear)
public("contrib.rnn._linear")(linear)
