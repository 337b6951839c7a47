"""The ops on lists of tensors, which are variants (values.py says what is in one).

While a graph is built, a list carries the type and the static shape of its elements along (`Tensor._handle_data`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, merge, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.opdef import kernel_error, op, partial_value
from evergraph.ops.tensor_lists.traced import TracedTensorList
from evergraph.ops.tensor_lists.values import TensorList, fitting, is_fitting
from evergraph.ops.traced_lists import Untraceable

# What kernels have in common


def _the_list(handle: Any) -> Any:
    """The list that a scalar variant holds."""
    if isinstance(handle, TensorList | TracedTensorList):
        return handle
    if isinstance(handle, np.ndarray):
        if handle.ndim:
            raise kernel_error(f"Input list must be a scalar saw: {bracket_text(handle.shape)}")
        handle = handle.item()
        if isinstance(handle, TensorList):
            return handle
    raise kernel_error(f"Input handle is not a list. Saw: '{handle!r}'")


def _typed_list(handle: Any, kind: DType) -> Any:
    found = _the_list(handle)
    if found.element_dtype is not kind:
        raise kernel_error(f"Invalid data types; op elements {kind.name} but list elements {found.element_dtype.name}")
    return found


def _declared(element_shape: Any) -> Shape:
    """A shape operand: the scalar -1 is the unknown shape, -1 in a vector an unknown size; so is what is not known."""
    if not isinstance(element_shape, np.ndarray | np.generic):
        return None
    if not np.ndim(element_shape):
        if int(element_shape) != -1:
            raise kernel_error("The only valid scalar shape tensor is the fully unknown shape specified as -1.")
        return None
    return tuple(None if d < 0 else int(d) for d in element_shape.tolist())


def _wanted(found: Any, element_shape: Any) -> Shape:
    return fitting(_declared(element_shape), found.element_shape)


def _check_fits(found: Any, value: Any, what: str) -> None:
    if not is_fitting(found.element_shape, tuple(value.shape)):
        raise kernel_error(
            f"Tried to {what}: {bracket_text(tuple(value.shape))} list shape: {bracket_text(found.element_shape)}"
        )


def _check_rows(tensor: Any) -> None:
    if not tensor.shape:
        raise kernel_error("Tensor must be at least a vector, but saw shape: []")


def _rows(tensor: Any) -> list[Any]:
    """The elements of `tensor` along its first dimension."""
    return [
        tensor[i, ...] if tensor.ndim > 1 or tensor.dtype != object else _scalar(tensor[i]) for i in range(len(tensor))
    ]


def _scalar(value: Any) -> Any:
    return value if isinstance(value, TensorList) else np.asarray(value, object)


# What shape rules have in common


def _shape_operand(t: Tensor) -> Shape:
    found = static_values.as_shape(partial_value(t))
    if found is None and t.static_shape is not None and len(t.static_shape) == 1 and t.static_shape[0] is not None:
        return (None,) * t.static_shape[0]
    return found


def _element(made: Operation, what: str) -> Shape:
    """The static shape of the elements of the first input, whose type has to be that of the op."""
    data = made.inputs[0]._handle_data
    if data is None:
        return None
    shape, kind = data
    wanted = made.attrs["element_dtype"]
    if kind is not wanted:
        raise ShapeError(
            f"Trying to {what} list with wrong element dtype. List has type {kind.name} but expected type {wanted.name}"
        )
    return shape


def _gives_list(made: Operation, shape: Shape) -> tuple[()]:
    made.outputs[0]._handle_data = shape, made.attrs["element_dtype"]
    return ()


# Making lists


@op("EmptyTensorList", static=("element_shape", "max_num_elements"), dynamic=("element_shape", "max_num_elements"))
def empty_tensor_list(xp: Any, element_shape: Any, max_num_elements: Any, *, element_dtype: DType) -> Any:
    """A list without elements."""
    if np.ndim(max_num_elements):
        raise kernel_error(
            f"max_num_elements expected to be a scalar but got shape: {bracket_text(np.shape(max_num_elements))}"
        )
    if xp is np:
        return TensorList(element_dtype, _declared(element_shape), (), int(max_num_elements))
    if not isinstance(max_num_elements, np.ndarray | np.generic) or int(max_num_elements) != -1:
        raise Untraceable("a list of tensors has a largest length")
    return TracedTensorList.reserved(xp, element_dtype, _declared(element_shape), 0)


def _empty_shape(made: Operation) -> Any:
    return _gives_list(made, _shape_operand(made.inputs[0]))


empty_tensor_list.shape_from_op(_empty_shape)


@op("TensorListReserve", static=("element_shape", "num_elements"), dynamic=("element_shape",), differentiable=False)
def tensor_list_reserve(xp: Any, element_shape: Any, num_elements: Any, *, element_dtype: DType) -> Any:
    """A list of `num_elements` elements that are not set."""
    count = int(num_elements)
    if count < 0:
        raise kernel_error(f"The num_elements to reserve must be a non negative number, but got {count}")
    if xp is np:
        return TensorList(element_dtype, _declared(element_shape), [None] * count)
    return TracedTensorList.reserved(xp, element_dtype, _declared(element_shape), count)


tensor_list_reserve.shape_from_op(_empty_shape)
empty_tensor_list.opdef.differentiable = False


@op("TensorListFromTensor", static=("element_shape",), dynamic=("element_shape",))
def tensor_list_from_tensor(xp: Any, tensor: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    """The rows of `tensor` as a list."""
    _check_rows(tensor)
    shape = _declared(element_shape)
    if not is_fitting(shape, tuple(tensor.shape[1:])):
        raise kernel_error(
            f"Specified a list with shape {bracket_text(shape)} from a tensor with shape "
            f"{bracket_text(tuple(tensor.shape[1:]))}"
        )
    if xp is np:
        return TensorList(element_dtype, shape, _rows(tensor))
    return TracedTensorList(element_dtype, shape, tensor.shape[0], xp.asarray(tensor), xp.asarray(True))


@tensor_list_from_tensor.shape_from_op
def from_tensor_shape(made: Operation) -> Any:
    rows = made.inputs[0].static_shape
    shape = _shape_operand(made.inputs[1])
    merge(None if rows is None else rows[1:], shape)
    return _gives_list(made, shape)


@op("TensorListSplit", static=("element_shape", "lengths"), dynamic=("element_shape",))
def tensor_list_split(xp: Any, tensor: Any, element_shape: Any, lengths: Any, *, element_dtype: DType) -> Any:
    """`tensor`, cut along its first dimension into elements of the given lengths."""
    shape = _declared(element_shape)
    if shape == ():
        raise kernel_error("TensorListSplit requires element_shape to be at least of rank 1, but saw: []")
    _check_rows(tensor)
    without_first = (None, *tensor.shape[1:])
    if not is_fitting(shape, without_first):
        raise kernel_error(
            f"tensor shape {bracket_text(tuple(tensor.shape))} is not compatible with element_shape "
            f"{bracket_text(shape)}"
        )
    if np.ndim(lengths) != 1:
        raise kernel_error(f"Expected lengths to be a vector, received shape: {bracket_text(np.shape(lengths))}")
    parts, start, total = [], 0, tensor.shape[0]
    for length in lengths.tolist():
        if length < 0:
            raise kernel_error(f"Invalid value in lengths: {length}")
        if start + length > total:
            raise kernel_error(f"Attempting to slice [{start}, {start + length}] from tensor with length {total}")
        parts.append(tensor[start : start + length])
        start += length
    if start != total:
        raise kernel_error(f"Unused values in tensor. Length of tensor: {total} Values used: {start}")
    if xp is np:
        return TensorList(element_dtype, shape, parts)
    if len({part.shape[0] for part in parts}) != 1:
        raise Untraceable("a list of tensors has elements of several shapes")
    return TracedTensorList(element_dtype, shape, len(parts), xp.stack(parts), xp.asarray(True))


@tensor_list_split.shape_from_op
def split_shape(made: Operation) -> Any:
    rows = with_rank_at_least(made.inputs[0].static_shape, 1)
    with_rank(made.inputs[2].static_shape, 1)
    shape = _shape_operand(made.inputs[1])
    merge(None if rows is None else (None, *rows[1:]), shape)
    return _gives_list(made, shape)


def _scattered(xp: Any, tensor: Any, indices: Any, element_shape: Any, count: Any, element_dtype: DType) -> Any:
    shape, count = _declared(element_shape), int(count)
    if count < -1:
        raise kernel_error(f"TensorListScatter expects num_elements >= -1, found: {count}")
    _check_rows(tensor)
    if not is_fitting(shape, tuple(tensor.shape[1:])):
        raise kernel_error(
            f"Specified a list with shape {bracket_text(shape)} from a tensor with shape "
            f"{bracket_text(tuple(tensor.shape[1:]))}"
        )
    if np.size(indices) != tensor.shape[0]:
        raise kernel_error(
            f"Invalid number of rows in input tensor. Expected: {np.size(indices)} Actual: {tensor.shape[0]}"
        )
    where = np.ravel(indices).tolist()
    if any(i < 0 for i in where):
        raise kernel_error("Indices in TensorListScatter must all be non-negative.")
    if count != -1 and any(i >= count for i in where):
        raise kernel_error(f"TensorListScatter: Trying to scatter at index {max(where)} in list with size {count}")
    size = max(max(where, default=-1) + 1, count)
    if xp is np:
        return TensorList(element_dtype, shape, [None] * size).scattered(xp, where, _rows(tensor))
    made = TracedTensorList.reserved(xp, element_dtype, shape, size)
    return made.scattered(xp, np.asarray(where, np.int32), tensor)


@op("TensorListScatter", static=("indices", "element_shape"), dynamic=("element_shape",))
def tensor_list_scatter_op(xp: Any, tensor: Any, indices: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    """A list with the rows of `tensor` at `indices`."""
    return _scattered(xp, tensor, indices, element_shape, -1, element_dtype)


@op("TensorListScatterV2", static=("indices", "element_shape", "num_elements"), dynamic=("element_shape",))
def tensor_list_scatter_v2(
    xp: Any, tensor: Any, indices: Any, element_shape: Any, num_elements: Any, *, element_dtype: DType
) -> Any:
    """A list with the rows of `tensor` at `indices`, of `num_elements` elements unless that is -1."""
    return _scattered(xp, tensor, indices, element_shape, num_elements, element_dtype)


def _scatter_shape(made: Operation) -> Any:
    return _gives_list(made, _shape_operand(made.inputs[2]))


tensor_list_scatter_op.shape_from_op(_scatter_shape)
tensor_list_scatter_v2.shape_from_op(_scatter_shape)


# From list to list


@op("TensorListPushBack")
def tensor_list_push_back(xp: Any, input_handle: Any, tensor: Any, *, element_dtype: DType) -> Any:
    """The list with `tensor` at its end."""
    found = _the_list(input_handle)
    _check_fits(found, tensor, "append a tensor with incompatible shape to a list. Op element shape")
    _typed_list(found, element_dtype)
    most = getattr(found, "max_num_elements", -1)
    if most != -1 and found.length >= most:
        raise kernel_error(f"Tried to push item into a full list list size: {found.length} max_num_elements: {most}")
    return found.pushed(xp, tensor)


@tensor_list_push_back.shape_from_op
def push_back_shape(made: Operation) -> Any:
    return _gives_list(made, _element(made, "push to"))


@op("TensorListPushBackBatch", host=True, differentiable=False)
def tensor_list_push_back_batch(xp: Any, input_handles: Any, tensor: Any, *, element_dtype: DType) -> Any:
    """Each list of a vector with a row of `tensor` at its end."""
    if not tensor.shape:
        raise kernel_error("Expected tensor to be at least a vector, but saw shape: []")
    if np.ndim(input_handles) != 1:
        raise kernel_error(
            f"Expected input_handles to be a vector, but saw shape: {bracket_text(np.shape(input_handles))}"
        )
    if tensor.shape[0] != len(input_handles):
        raise kernel_error(
            f"Expected tensor.shape[0] == input_handles.size, but saw {tensor.shape[0]} vs. {len(input_handles)}"
        )
    made = np.empty(len(input_handles), object)
    for b, (found, row) in enumerate(zip(input_handles, _rows(tensor), strict=True)):
        if not isinstance(found, TensorList):
            raise kernel_error(f"Input handle at index {b} is not a list. Saw: '{found!r}'")
        _check_fits(found, row, f"append a tensor with incompatible shape to a list at index {b}. Op element shape")
        if found.element_dtype is not element_dtype:
            raise kernel_error(
                f"Invalid data type at index {b}; op elements {element_dtype.name} but list elements "
                f"{found.element_dtype.name}"
            )
        made[b] = found.pushed(xp, row)
    return made


@tensor_list_push_back_batch.shape_from_op
def push_back_batch_shape(made: Operation) -> Any:
    handles = with_rank(made.inputs[0].static_shape, 1)
    tensor = with_rank_at_least(made.inputs[1].static_shape, 1)
    _gives_list(made, _element(made, "push to"))
    return handles if tensor is None else merge(handles, tensor[:1])


@op("TensorListPopBack", static=("element_shape",), dynamic=("element_shape",))
def tensor_list_pop_back(xp: Any, input_handle: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    """The list without its last element, and that element."""
    found = _typed_list(input_handle, element_dtype)
    if isinstance(found.length, int) and not found.length:
        raise kernel_error("Trying to pop from an empty list.")
    return found.popped(xp, _wanted(found, element_shape))


@tensor_list_pop_back.shape_from_op
def pop_back_shape(made: Operation) -> Any:
    shape = _element(made, "read from")
    if made.inputs[0]._handle_data is not None:
        _gives_list(made, shape)
    return (), shape


@op("TensorListSetItem")
def tensor_list_set_item(xp: Any, input_handle: Any, index: Any, item: Any, *, element_dtype: DType) -> Any:
    """The list with `item` at `index`."""
    found = _typed_list(input_handle, element_dtype)
    _check_fits(found, item, "set a tensor with incompatible shape at a list index. Item element shape")
    return found.with_item(xp, index, item)


@tensor_list_set_item.shape_from_op
def set_item_shape(made: Operation) -> Any:
    data = made.inputs[0]._handle_data
    if data is not None:
        merge(made.inputs[2].static_shape, data[0])
    made.outputs[0]._handle_data = data or (None, made.attrs["element_dtype"])
    return ()


@op("TensorListResize", static=("size",))
def tensor_list_resize(xp: Any, input_handle: Any, size: Any) -> Any:
    """The list with so many elements: those at the end left out, or more that are not set."""
    if int(size) < 0:
        raise kernel_error(f"TensorListSlice expects size to be non-negative. Got: {int(size)}")
    return _the_list(input_handle).resized(xp, size)


@tensor_list_resize.shape_from_op
def resize_shape(made: Operation) -> Any:
    with_rank(made.inputs[1].static_shape, 0)
    made.outputs[0]._handle_data = made.inputs[0]._handle_data
    return ()


@op("TensorListScatterIntoExistingList", static=("indices",))
def tensor_list_scatter_into_existing_list(
    xp: Any, input_handle: Any, tensor: Any, indices: Any, *, element_dtype: DType
) -> Any:
    """The list with the rows of `tensor` at `indices`, longer than before if need be."""
    found = _the_list(input_handle)
    if found.element_dtype is not element_dtype:
        raise kernel_error(
            f"Invalid data types; input tensor type: {element_dtype.name} list element_type: {found.element_dtype.name}"
        )
    _check_rows(tensor)
    if np.ndim(indices) != 1:
        raise kernel_error(f"Expected indices to be a vector, but received shape: {bracket_text(np.shape(indices))}")
    if len(indices) != tensor.shape[0]:
        raise kernel_error(f"Expected len(indices) == tensor.shape[0], but saw: {len(indices)} vs. {tensor.shape[0]}")
    if any(i < 0 for i in indices.tolist()):
        raise kernel_error("Indices in TensorListScatter must all be non-negative.")
    return found.scattered(xp, indices, _rows(tensor) if xp is np else tensor)


@tensor_list_scatter_into_existing_list.shape_from_op
def scatter_into_shape(made: Operation) -> Any:
    with_rank_at_least(made.inputs[1].static_shape, 1)
    with_rank(made.inputs[2].static_shape, 1)
    return _gives_list(made, _element(made, "scatter to"))


@op("TensorListConcatLists", differentiable=False)
def tensor_list_concat_lists(xp: Any, input_a: Any, input_b: Any, *, element_dtype: DType) -> Any:
    """The elements of two lists in one; or of two tensors of lists, pair by pair."""
    if np.shape(input_a) != np.shape(input_b):
        raise kernel_error(
            f"Incompatible input TensorList tensor shapes: {bracket_text(np.shape(input_a))} vs. "
            f"{bracket_text(np.shape(input_b))}"
        )
    if isinstance(input_a, np.ndarray) and input_a.ndim:
        made = np.empty(input_a.shape, object)
        for i in range(input_a.size):
            made.flat[i] = _joined(xp, input_a.flat[i], input_b.flat[i], element_dtype, i)
        return made
    return _joined(xp, _the_list(input_a), _the_list(input_b), element_dtype, 0)


def _joined(xp: Any, a: Any, b: Any, kind: DType, i: int) -> Any:
    for name, found in (("input_a", a), ("input_b", b)):
        if not isinstance(found, TensorList | TracedTensorList):
            raise kernel_error(f"{name} is not a TensorList at index {i}.  Saw: '{found!r}'")
        if found.element_dtype is not kind:
            raise kernel_error(f"{name}[{i}].dtype != element_dtype.  Saw: {found.element_dtype.name} vs. {kind.name}")
    if a.element_shape != b.element_shape:
        raise kernel_error(
            f"input_a and input_b TensorList element shapes are not identical at index {i}.  Saw "
            f"{bracket_text(a.element_shape)} vs. {bracket_text(b.element_shape)}"
        )
    return a.joined(xp, b)


@tensor_list_concat_lists.shape_from_op
def concat_lists_shape(made: Operation) -> Any:
    kind, found = made.attrs["element_dtype"], None
    for t in made.inputs:
        if t._handle_data is not None:
            if t._handle_data[1] is not kind:
                raise ShapeError(f"input_a.type != element_dtype: {t._handle_data[1].name} vs. {kind.name}")
            found = merge(found, t._handle_data[0])
    made.outputs[0]._handle_data = found, kind
    return merge(made.inputs[0].static_shape, made.inputs[1].static_shape)


# From list to tensor


@op("TensorListLength", differentiable=False)
def tensor_list_length(xp: Any, input_handle: Any) -> Any:
    """How many elements a list has."""
    length = _the_list(input_handle).length
    return np.int32(length) if isinstance(length, int) else length


@tensor_list_length.shape_from_op
def length_shape(made: Operation) -> Any:
    return ()


@op("TensorListElementShape", differentiable=False)
def tensor_list_element_shape(xp: Any, input_handle: Any, *, shape_type: DType) -> Any:
    """The static shape of the elements: -1 for a size that is not known, the scalar -1 for an unknown shape."""
    shape = _the_list(input_handle).element_shape
    return np.array(-1 if shape is None else [-1 if d is None else d for d in shape], shape_type.np)


@tensor_list_element_shape.shape_from_op
def element_shape_shape(made: Operation) -> Any:
    data = made.inputs[0]._handle_data
    return (None,) if data is None or data[0] is None else (len(data[0]),)


@op("TensorListGetItem", static=("element_shape",), dynamic=("element_shape",))
def tensor_list_get_item(xp: Any, input_handle: Any, index: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    """The element at `index`; zeros, if none was set."""
    found = _typed_list(input_handle, element_dtype)
    return found.item(xp, index, _wanted(found, element_shape))


@tensor_list_get_item.shape_from_op
def get_item_shape(made: Operation) -> Any:
    return merge(_element(made, "read from"), _shape_operand(made.inputs[2]))


@op("TensorListStack", static=("element_shape",), dynamic=("element_shape",))
def tensor_list_stack(
    xp: Any, input_handle: Any, element_shape: Any, *, element_dtype: DType, num_elements: int
) -> Any:
    """All elements, stacked; zeros where none was set."""
    found = _typed_list(input_handle, element_dtype)
    if num_elements != -1 and isinstance(found.length, int) and found.length != num_elements:
        raise kernel_error(
            f"Operation expected a list with {num_elements} elements but got a list with {found.length} elements."
        )
    return found.stacked(xp, _wanted(found, element_shape))


@tensor_list_stack.shape_from_op
def stack_shape(made: Operation) -> Any:
    shape = merge(_element(made, "read from"), _shape_operand(made.inputs[1]))
    count = made.attrs["num_elements"]
    return None if shape is None else (None if count == -1 else count, *shape)


@op("TensorListGather", static=("element_shape",), dynamic=("element_shape",))
def tensor_list_gather(xp: Any, input_handle: Any, indices: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    """The elements at `indices`, stacked; zeros where none was set."""
    found = _typed_list(input_handle, element_dtype)
    return found.gathered(xp, indices, _wanted(found, element_shape))


@tensor_list_gather.shape_from_op
def gather_shape(made: Operation) -> Any:
    shape = merge(_element(made, "read from"), _shape_operand(made.inputs[2]))
    rows = made.inputs[1].static_shape
    return None if shape is None or rows is None else (*rows, *shape)


def _concatenated(xp: Any, handle: Any, wanted: Shape, leading: Any, kind: DType) -> tuple[Any, Any]:
    found = _typed_list(handle, kind)
    if isinstance(found, TracedTensorList):
        return _concatenated_rows(xp, found, wanted)
    wanted = fitting(wanted, found.element_shape)
    if wanted == ():
        raise kernel_error("Concat requires elements to be at least vectors, found scalars instead.")
    first, rest = (None, None) if wanted is None else (wanted[0], wanted[1:])
    if not found.values and not shapes.is_static(rest):
        raise kernel_error(
            "All except the first dimension must be fully defined when concating an empty tensor list. element_shape: "
            f"{bracket_text(rest)}"
        )
    for i, value in enumerate(found.values):
        if value is not None:
            if not value.shape:
                raise kernel_error(f"Concat saw a scalar shape at index {i} but requires at least vectors.")
            rest = fitting(rest, tuple(value.shape[1:]))
            if first is not None and value.shape[0] != first:
                raise kernel_error(
                    "First entry of element_shape input does not match the first dim of list element at index: "
                    f"{i} Expected: {first} Actual: {value.shape[0]}"
                )
    if not shapes.is_static(rest):
        raise kernel_error(
            "Trying to concat list with only uninitialized tensors but element_shape_except_first_dim_ is not fully "
            f"defined: {bracket_text(rest)}"
        )
    heads = {value.shape[0] for value in found.values if value is not None}
    if first is None and leading is not None and not len(leading) and len(heads) == 1:
        (first,) = heads  # all elements that are set agree
    parts, lengths = [], []
    for i, value in enumerate(found.values):
        if value is None:
            if first is None and leading is None:
                raise kernel_error(
                    "Concating lists with uninitialized tensors is not supported in this version of TensorListConcat. "
                    "Consider updating your GraphDef to run the newer version."
                )
            if first is None and i >= len(leading):
                raise kernel_error(
                    f"List contains uninitialized tensor at index {i} but leading_dims has only {len(leading)} "
                    "elements."
                )
            value = found.zeros(xp, (int(leading[i]) if first is None else first, *(rest or ())), "concat")
        parts.append(value)
        lengths.append(value.shape[0])
    joined = xp.concatenate(parts) if parts else xp.zeros((0, *(rest or ())), kind.np)
    return joined, np.array(lengths, np.int64)


def _concatenated_rows(xp: Any, found: TracedTensorList, wanted: Shape) -> tuple[Any, Any]:
    rows = found.read(xp, fitting(wanted, found.element_shape))
    if rows.ndim < 2:
        raise kernel_error("Concat saw a scalar shape at index 0 but requires at least vectors.")
    joined = rows.reshape(rows.shape[0] * rows.shape[1], *rows.shape[2:])
    return joined, np.full(rows.shape[0], rows.shape[1], np.int64)


@op("TensorListConcat")
def tensor_list_concat_op(xp: Any, input_handle: Any, *, element_dtype: DType, element_shape: Shape) -> Any:
    """All elements joined along their first dimension, and the length of each."""
    return _concatenated(xp, input_handle, element_shape, None, element_dtype)


@op(
    "TensorListConcatV2", static=("element_shape", "leading_dims"), dynamic=("element_shape", "leading_dims"),
)  # fmt: skip
def tensor_list_concat_v2(
    xp: Any, input_handle: Any, element_shape: Any, leading_dims: Any, *, element_dtype: DType
) -> Any:
    """`TensorListConcat`, elements that are not set being zeros of the length that `leading_dims` says."""
    return _concatenated(xp, input_handle, _declared(element_shape), leading_dims, element_dtype)


def _concat_shape(made: Operation, shape: Shape) -> Any:
    shape = merge(shape, _element(made, "read from"))
    return (None if shape is None else (None, *shape[1:])), (None,)


tensor_list_concat_op.shape_from_op(lambda made: _concat_shape(made, made.attrs["element_shape"]))
tensor_list_concat_v2.shape_from_op(lambda made: _concat_shape(made, _shape_operand(made.inputs[1])))
