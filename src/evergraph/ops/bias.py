"""Biases: a vector added to every position, along the channels."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, merge_dim, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.activations import relu
from evergraph.ops.filling import ones_like
from evergraph.ops.joining import concat, tile
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.shaping import rank, reshape, shape


def _is_second(data_format: bytes) -> bool:
    return data_format == b"NCHW"


def _add(value: Any, bias: Any, data_format: bytes) -> Any:
    axis = 1 if _is_second(data_format) else value.ndim - 1
    if value.shape[axis] != bias.shape[0]:
        raise kernel_error(
            "Must provide as many biases as the last dimension of the input tensor: "
            f"{list(bias.shape)} vs. {list(value.shape)}"
        )
    return value + bias.reshape(-1, *[1] * (value.ndim - axis - 1))


@op("BiasAdd")
def bias_add_op(xp: Any, value: Any, bias: Any, *, data_format: Any) -> Any:
    """`value` plus the vector `bias` along the channels: the last axis, or the second for "NCHW"."""
    return _add(value, bias, data_format)


@bias_add_op.shape
def bias_add_shape(value: Shape, bias: Shape, *, data_format: Any) -> Shape:
    return _biased(value, bias, data_format)


def _biased(value: Shape, bias: Shape, data_format: Any) -> Shape:
    (size,) = with_rank(bias, 1)
    value = with_rank_at_least(value, 3 if _is_second(data_format) else 2)
    if value is None:
        return None
    axis = 1 if _is_second(data_format) else len(value) - 1
    return (*value[:axis], merge_dim(value[axis], size), *value[axis + 1 :])


@op("BiasAddV1")
def bias_add_v1_op(xp: Any, value: Any, bias: Any) -> Any:
    """`value` plus the vector `bias` along the last axis."""
    return _add(value, bias, b"NHWC")


@bias_add_v1_op.shape
def bias_add_v1_shape(value: Shape, bias: Shape) -> Shape:
    return _biased(value, bias, b"NHWC")


@op("BiasAddGrad")
def bias_add_grad_op(xp: Any, out_backprop: Any, *, data_format: Any) -> Any:
    """The sum over everything but the channels: the gradient of BiasAdd to its bias."""
    axis = 1 if _is_second(data_format) else out_backprop.ndim - 1
    return out_backprop.sum(tuple(i for i in range(out_backprop.ndim) if i != axis), dtype=out_backprop.dtype)


@bias_add_grad_op.shape
def bias_add_grad_shape(out_backprop: Shape, *, data_format: Any) -> Shape:
    if out_backprop is None:
        return (None,)
    with_rank_at_least(out_backprop, 3 if _is_second(data_format) else 2)
    return (out_backprop[1 if _is_second(data_format) else -1],)


@bias_add_op.gradient
def bias_add_grad(made: Any, grad: Tensor) -> Any:
    return grad, bias_add_grad_op(grad, data_format=made.attrs["data_format"])


@bias_add_v1_op.gradient
def bias_add_v1_grad(made: Any, grad: Tensor) -> Any:
    axes = math.range(rank(grad) - 1)
    return grad, math.reduce_sum(grad, axes)


@bias_add_grad_op.gradient
def bias_add_grad_grad(made: Any, grad: Tensor) -> Tensor:
    sizes = shape(made.inputs[0])
    bias_size = shape(grad)
    if _is_second(made.attrs["data_format"]):
        expanded = concat([ones_like(sizes[:1]), bias_size, ones_like(sizes[2:])], 0)
        copies = concat([sizes[:1], [1], sizes[2:]], 0)
    else:
        expanded = concat([ones_like(sizes[:-1]), bias_size], 0)
        copies = concat([sizes[:-1], [1]], 0)
    return tile(reshape(grad, expanded), copies)


@public("nn.bias_add")
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """Add the vector `bias` to `value` along its channels.

    Args:
        value: any numbers, of rank 2 or more.
        bias: the same type, shape `[channels]`.
        data_format: "N...C" (the default), channels last, or "NC...", channels second.
        name: the op's name.

    Raises:
        ValueError: for another `data_format`, or if the sizes differ.
    """
    with name_scope(name, "BiasAdd", [value, bias]) as scope:
        if data_format is not None:
            if data_format.startswith("NC"):
                data_format = "NCHW"
            elif data_format.startswith("N") and data_format.endswith("C"):
                data_format = "NHWC"
            else:
                raise ValueError("data_format must be of the form `N...C` or `NC...`")
        value = convert_to_tensor(value, name="input")
        bias = convert_to_tensor(bias, dtype=value.dtype, name="bias")
        return bias_add_op(value, bias, data_format=data_format, name=scope)


@public("nn.xw_plus_b")
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """`matmul(x, weights) + biases`, for `x` of shape `[batch, inputs]` and `weights` of `[inputs, outputs]`."""
    with name_scope(name, "xw_plus_b", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return bias_add(math.matmul(x, weights), biases, name=scope)


@public("nn.relu_layer")
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """`relu(matmul(x, weights) + biases)`."""
    with name_scope(name, "relu_layer", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return relu(bias_add(math.matmul(x, weights), biases), name=scope)
