"""The Python functions on lists of tensors, and the gradients of their ops: TF's `python/ops/list_ops.py`."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Dimension, TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import filling, joining, shaping, slicing
from evergraph.ops.cond import cond
from evergraph.ops.tensor_lists import list_ops

_INT32 = dtypes.int32


def element_shape_operand(shape: Any) -> Any:
    """A shape as the ops take it: -1 for an unknown one, -1 in the place of unknown sizes."""
    if isinstance(shape, Tensor):
        return shape
    if isinstance(shape, TensorShape):
        shape = None if shape.ndims is None else shape.as_list()
    if shape is None:
        return -1
    if not len(shape):
        return convert_to_tensor([], _INT32)
    sizes = [d.value if isinstance(d, Dimension) else d for d in shape]
    return [-1 if d is None else d for d in sizes]


def empty_tensor_list(
    element_shape: Any, element_dtype: Any, max_num_elements: Any = None, name: str | None = None
) -> Tensor:
    """A list without elements."""
    most = -1 if max_num_elements is None else max_num_elements
    return list_ops.empty_tensor_list(element_shape_operand(element_shape), most, element_dtype, name=name)


def tensor_list_reserve(element_shape: Any, num_elements: Any, element_dtype: Any, name: str | None = None) -> Tensor:
    """A list of `num_elements` elements that are not set."""
    return list_ops.tensor_list_reserve(element_shape_operand(element_shape), num_elements, element_dtype, name=name)


def tensor_list_from_tensor(tensor: Any, element_shape: Any, name: str | None = None) -> Tensor:
    """The rows of `tensor` as a list."""
    return list_ops.tensor_list_from_tensor(tensor, element_shape_operand(element_shape), name=name)


def tensor_list_get_item(
    input_handle: Any, index: Any, element_dtype: Any, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """The element at `index`."""
    shape = element_shape_operand(element_shape)
    return list_ops.tensor_list_get_item(input_handle, index, shape, element_dtype, name=name)


def tensor_list_pop_back(input_handle: Any, element_dtype: Any, name: str | None = None) -> Any:
    """The list without its last element, and that element."""
    return list_ops.tensor_list_pop_back(input_handle, -1, element_dtype, name=name)


def tensor_list_gather(
    input_handle: Any, indices: Any, element_dtype: Any, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """The elements at `indices`, stacked."""
    shape = element_shape_operand(element_shape)
    return list_ops.tensor_list_gather(input_handle, indices, shape, element_dtype, name=name)


def tensor_list_scatter(
    tensor: Any, indices: Any, element_shape: Any = None, input_handle: Any = None, name: str | None = None
) -> Tensor:
    """A list with the rows of `tensor` at `indices`: a new one, or `input_handle` with them."""
    if input_handle is not None:
        return list_ops.tensor_list_scatter_into_existing_list(input_handle, tensor, indices, name=name)
    return list_ops.tensor_list_scatter_v2(tensor, indices, element_shape_operand(element_shape), -1, name=name)


def tensor_list_stack(
    input_handle: Any, element_dtype: Any, num_elements: int = -1, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """All elements, stacked."""
    shape = element_shape_operand(element_shape)
    return list_ops.tensor_list_stack(input_handle, shape, element_dtype, num_elements, name=name)


def tensor_list_concat(
    input_handle: Any, element_dtype: Any, element_shape: Any = None, name: str | None = None
) -> Tensor:
    """All elements, joined along their first dimension."""
    shape = element_shape_operand(element_shape)
    none = convert_to_tensor([], dtypes.int64)
    return list_ops.tensor_list_concat_v2(input_handle, shape, none, element_dtype, name=name)[0]


def tensor_list_split(tensor: Any, element_shape: Any, lengths: Any, name: str | None = None) -> Tensor:
    """`tensor`, cut along its first dimension into elements of the given lengths."""
    return list_ops.tensor_list_split(tensor, element_shape_operand(element_shape), lengths, name=name)


def tensor_list_set_item(
    input_handle: Any, index: Any, item: Any, resize_if_index_out_of_bounds: bool = False, name: str | None = None
) -> Tensor:
    """The list with `item` at `index`; longer, if `index` is past its end and that is asked for."""
    if resize_if_index_out_of_bounds:
        size = list_ops.tensor_list_length(input_handle)
        given = input_handle
        input_handle = cond(index >= size, lambda: list_ops.tensor_list_resize(given, index + 1), lambda: given)
    return list_ops.tensor_list_set_item(input_handle, index, item, name=name)


# Gradients


def _element_shape(handle: Tensor) -> Tensor:
    return list_ops.tensor_list_element_shape(handle, shape_type=_INT32)


def _sizes_after_first(t: Tensor) -> Tensor:
    return slicing.slice(shaping.shape(t), [1], [-1])


@list_ops.tensor_list_push_back.gradient
def push_back_grad(op: Operation, grad: Tensor) -> Any:
    return list_ops.tensor_list_pop_back(grad, shaping.shape(op.inputs[1]), op.attrs["element_dtype"])


@list_ops.tensor_list_pop_back.gradient
def pop_back_grad(op: Operation, list_grad: Any, grad: Any) -> Any:
    if grad is None:  # elements without gradients, as integers
        grad = filling.zeros_like(op.outputs[1])
    if list_grad is None:
        list_grad = empty_tensor_list(_element_shape(op.outputs[0]), grad.dtype)
    return list_ops.tensor_list_push_back(list_grad, grad), None


@list_ops.tensor_list_stack.gradient
def stack_grad(op: Operation, grad: Tensor) -> Any:
    return tensor_list_from_tensor(grad, element_shape=grad.shape[1:]), None


def _concat_grad(op: Operation, grad: Tensor, _: Any) -> Any:
    made = tensor_list_split(grad, _element_shape(op.inputs[0]), op.outputs[1])
    return made if op.type == "TensorListConcat" else (made, None, None)


list_ops.tensor_list_concat_op.gradient(_concat_grad)
list_ops.tensor_list_concat_v2.gradient(_concat_grad)


@list_ops.tensor_list_split.gradient
def split_grad(op: Operation, grad: Tensor) -> Any:
    tensor, _, lengths = op.inputs
    shape = joining.concat([[-1], _sizes_after_first(tensor)], axis=0)
    return list_ops.tensor_list_concat_v2(grad, shape, lengths, tensor.dtype)[0], None, None


@list_ops.tensor_list_from_tensor.gradient
def from_tensor_grad(op: Operation, grad: Any) -> Any:
    tensor = op.inputs[0]
    count = tensor.static_shape[0] if tensor.static_shape else None
    if grad is None:
        grad = empty_tensor_list(_element_shape(op.outputs[0]), tensor.dtype)
    sizes = _sizes_after_first(tensor)
    return list_ops.tensor_list_stack(grad, sizes, tensor.dtype, -1 if count is None else count), None


@list_ops.tensor_list_get_item.gradient
def get_item_grad(op: Operation, grad: Tensor) -> Any:
    handle, index, _ = op.inputs
    size = list_ops.tensor_list_length(handle)
    none = list_ops.tensor_list_reserve(_element_shape(handle), size, grad.dtype)
    return list_ops.tensor_list_set_item(none, index, grad), None, None


@list_ops.tensor_list_set_item.gradient
def set_item_grad(op: Operation, grad: Tensor) -> Any:
    _, index, item = op.inputs
    list_grad = list_ops.tensor_list_set_item(grad, index, filling.zeros_like(item))
    return list_grad, None, tensor_list_get_item(grad, index, item.dtype, shaping.shape(item))


@list_ops.tensor_list_resize.gradient
def resize_grad(op: Operation, grad: Tensor) -> Any:
    return list_ops.tensor_list_resize(grad, list_ops.tensor_list_length(op.inputs[0])), None


@list_ops.tensor_list_gather.gradient
def gather_grad(op: Operation, grad: Tensor) -> Any:
    handle, indices, _ = op.inputs
    shape = _element_shape(handle)
    none = tensor_list_reserve(shape, list_ops.tensor_list_length(handle), grad.dtype)
    return tensor_list_scatter(grad, indices, input_handle=none), None, None


def _scatter_grad(op: Operation, grad: Tensor) -> Any:
    tensor, indices, *rest = op.inputs
    back = list_ops.tensor_list_gather(grad, indices, _sizes_after_first(tensor), tensor.dtype)
    return back, None, *[None] * len(rest)


list_ops.tensor_list_scatter_op.gradient(_scatter_grad)
list_ops.tensor_list_scatter_v2.gradient(_scatter_grad)


@list_ops.tensor_list_scatter_into_existing_list.gradient
def scatter_into_grad(op: Operation, grad: Tensor) -> Any:
    _, tensor, indices = op.inputs
    back = list_ops.tensor_list_gather(grad, indices, _sizes_after_first(tensor), tensor.dtype)
    zeros = filling.zeros_like(tensor)
    return tensor_list_scatter(zeros, indices, indices, input_handle=grad), back, None
