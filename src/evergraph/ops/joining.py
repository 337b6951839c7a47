"""Arrays put together and taken apart: stack, concat, split, tile; and lists of tensors that turn into one."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor, is_tensor_like, register_tensor_conversion_function
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Dimension, Shape, ShapeError, TensorShape, merge, with_rank
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.constant import constant
from evergraph.ops.control_flow_context import output_context
from evergraph.ops.filling import fill
from evergraph.ops.identity import identity
from evergraph.ops.opdef import kernel_error, op, raw_op, require
from evergraph.ops.shaping import checked_axis, divided, expand_dims, rank, shape, shape_n, squeeze

# Along a new dimension


@op("Pack")
def pack(xp: Any, values: Any, *, axis: int) -> Any:
    """Arrays of one shape, one after the other along a new dimension."""
    if not hasattr(values[0], "shape"):  # handles: the objects themselves
        whole = np.empty(len(values), object)
        whole[:] = values
        return whole
    first = values[0].shape
    for i, v in enumerate(values):
        if v.shape != first:
            raise kernel_error(
                f"Shapes of all inputs must match: values[0].shape = {shapes.bracket_text(tuple(first))} != "
                f"values[{i}].shape = {shapes.bracket_text(tuple(v.shape))}"
            )
    return xp.stack(values, axis=checked_axis(axis, len(first) + 1))


@pack.shape
def pack_shape(values: list[Shape], *, axis: int) -> Any:
    common = values[-1]
    for i in range(len(values) - 2, -1, -1):
        try:
            common = merge(values[i], common)
        except ShapeError as error:
            raise ShapeError(f"{error}\n\tFrom merging shape {i} with other shapes.") from None
    if common is None:
        return [None]
    where = _checked(axis, len(common) + 1)
    return [(*common[:where], len(values), *common[where:])]


def _checked(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ShapeError(f"Invalid axis: {axis}; must be in [{-rank},{rank})")
    return axis % rank


@pack.gradient
def pack_grad(made: Any, grad: Tensor) -> list[Tensor]:
    return unstack(grad, num=len(made.inputs), axis=made.attrs["axis"])


@public("stack")
def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape, one after the other along a new dimension.

    Args:
        values: a list of `n` tensors of one dtype, shape `s`.
        axis: where the new dimension goes; negative counts from the end.
        name: the op's name.

    Returns:
        shape `s[:axis] + [n] + s[axis:]`.

    Raises:
        ValueError: if `axis` is out of range.

    >>> sess.run(tf.stack([[1, 2], [3, 4]], axis=1))
    array([[1, 3],
           [2, 4]], dtype=int32)
    """
    if axis == 0:
        try:
            return convert_to_tensor(values, name=name)
        except (TypeError, ValueError, NotImplementedError):
            pass  # as TF: what is no single tensor may yet be a list of them
    first = convert_to_tensor(values[0], name=name).static_shape
    if first is not None and not -len(first) - 1 <= axis < len(first) + 1:
        raise ValueError(f"axis = {axis} not in [{-len(first) - 1}, {len(first) + 1})")
    return pack(values, axis=axis, name=name)


@op("Unpack")
def unpack(xp: Any, value: Any, *, num: int, axis: int) -> Any:
    """The slices of an array along one dimension, which goes away."""
    where = checked_axis(axis, len(value.shape))
    if value.shape[where] != num:
        raise kernel_error(
            f"Input shape axis {where} must equal {num}, got shape {shapes.bracket_text(tuple(value.shape))}"
        )
    before = (slice(None),) * where
    return tuple(value[(*before, i)] for i in range(num))


@unpack.shape
def unpack_shape(value: Any, *, num: int, axis: int) -> Any:
    if value is None:
        return [None] * num
    where = _checked(axis, len(value))
    if value[where] not in (None, num):
        raise ShapeError(f"Dimension must be {num} but is {value[where]}")
    return [value[:where] + value[where + 1 :]] * num


@unpack.gradient
def unpack_grad(made: Any, *grads: Any) -> Tensor:
    return stack(list(grads), axis=made.attrs["axis"])


@public("unstack")
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices of `value` along `axis`, as a list.

    Args:
        value: any dtype, shape `s`.
        num: how many there are; needed if `s[axis]` is not known statically.
        axis: int; negative counts from the end.
        name: the op's name.

    Raises:
        ValueError: if `num` is neither given nor known, or `axis` is out of range.
    """
    if num is None:
        value = convert_to_tensor(value)
        sizes = value.static_shape
        if sizes is not None:
            if not -len(sizes) <= axis < len(sizes):
                raise ValueError(f"axis = {axis} not in [{-len(sizes)}, {len(sizes)})")
            num = sizes[axis]
        if num is None:
            raise ValueError(f"Cannot infer num from shape {value.shape}")
    return unpack(value, num=num, axis=axis, name=name)


@op("ParallelConcat")
def parallel_concat(xp: Any, values: Any, *, shape: Any) -> Any:
    """Arrays whose first dimension is 1, one after the other."""
    return xp.concatenate(values, axis=0)


@parallel_concat.shape
def parallel_concat_shape(values: Any, *, shape: Any) -> Any:
    if shape is None or None in shape:
        raise ShapeError("shape attr must be fully defined")
    for i, v in enumerate(values):
        if v is None or None in v:
            raise ShapeError("All input shapes must be fully defined.")
        if v[0] != 1:
            raise ShapeError("Size of first dimension must be 1.")
        if v[1:] != shape[1:]:
            raise ShapeError(f"the shape of value {i} is {v}, not {(1, *shape[1:])}")
    return [shape]


@public("parallel_stack")
def parallel_stack(values: Any, name: str = "parallel_stack") -> Tensor:
    """As `stack` along axis 0, for tensors whose static shapes are fully known."""
    with name_scope(name):
        first = convert_to_tensor(values[0])
        made = TensorShape([len(values)]).concatenate(first.shape)
        return parallel_concat([expand_dims(value, 0) for value in values], shape=made)


# Lists with tensors in them convert to tensors

_PLAIN = frozenset((int, float, complex, bool, bytes, str, np.ndarray, *np.sctypeDict.values()))


def _has_tensors(value: Any) -> bool:
    """Whether a nested list may hold tensors: something else than Python and NumPy data."""
    for v in value:
        if type(v) in _PLAIN:
            continue
        if isinstance(v, list | tuple):
            if _has_tensors(v):
                return True
        else:
            return True
    return False


def _type_in(values: Sequence[Any]) -> DType | None:
    for v in values:
        if is_tensor_like(v):
            return v.dtype.base_dtype
        if isinstance(v, list | tuple):
            found = _type_in(v)
            if found is not None:
                return found
    return None


def _cast_all(values: Any, dtype: DType) -> Any:
    if isinstance(values, list | tuple):
        return [_cast_all(v, dtype) for v in values]
    if is_tensor_like(values) and values.dtype.base_dtype is not dtype:
        return raw_op("Cast")(values, dtype)
    return values


def _packed(values: Any, dtype: DType, name: str) -> Any:
    """One tensor of a nested list with tensors in it; a list without stays as it is."""
    with name_scope(name) as scope:
        parts: list[Any] = []
        found = False
        for i, v in enumerate(values):
            if isinstance(v, list | tuple) and not is_tensor_like(v):
                v = _packed(v, dtype, str(i))
            elif is_tensor_like(v) and v.dtype.base_dtype is not dtype:
                raise TypeError(
                    f"Cannot convert a list containing a tensor of dtype {v.dtype} to {dtype} (Tensor is: {v!r})"
                )
            found = found or is_tensor_like(v)
            parts.append(v)
        if not found:
            return parts
        tensors = [v if is_tensor_like(v) else constant(v, dtype, name=str(i)) for i, v in enumerate(parts)]
        return pack(tensors, name=scope)


def _convert_list(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    if as_ref or not _has_tensors(value):
        return NotImplemented
    found = _type_in(value)
    if found is None:
        return NotImplemented
    if dtype is not None and dtype.base_dtype is not found:
        value = _cast_all(value, dtype.base_dtype)
        found = dtype.base_dtype
    return _packed(value, found, name or "packed")


register_tensor_conversion_function((list, tuple), _convert_list, 99)

# Along a dimension that is there


def _concatenated(xp: Any, values: Any, axis: Any) -> Any:
    axis = np.asarray(axis)
    if axis.ndim:
        raise kernel_error(
            f"ConcatOp : axis tensor should be a scalar integer, but got shape {shapes.bracket_text(axis.shape)}"
        )
    rank = len(values[0].shape)
    if rank == 0:
        raise kernel_error(f"ConcatOp : Expected concatenating dimensions in the range [0, 0), but got {axis.item()}")
    where = checked_axis(axis.item(), rank, "concat_dim")
    for i, v in enumerate(values):
        if len(v.shape) != rank:
            raise kernel_error(
                "ConcatOp : Ranks of all input tensors should match: "
                f"shape[0] = {shapes.bracket_text(tuple(values[0].shape))} vs. "
                f"shape[{i}] = {shapes.bracket_text(tuple(v.shape))}"
            )
        if any(a != b for k, (a, b) in enumerate(zip(v.shape, values[0].shape, strict=True)) if k != where):
            raise kernel_error(
                "ConcatOp : Dimensions of inputs should match: "
                f"shape[0] = {shapes.bracket_text(tuple(values[0].shape))} vs. "
                f"shape[{i}] = {shapes.bracket_text(tuple(v.shape))}"
            )
    return xp.concatenate(values, axis=where)


def concat_static(values: list[Shape], axis: Any) -> Shape:
    """The shape of a concatenation."""
    dim = static_values.whole_int(axis)
    known = next((v for v in values if v is not None), None)
    if dim is None:
        if known is None:
            return None
        if not known:
            raise ShapeError("Can't concatenate scalars (use tf.stack instead)")
        for v in values:
            with_rank(v, len(known))
        return (None,) * len(known)
    least = -dim if dim < 0 else dim + 1
    for v in values:
        if v is not None and len(v) < least:
            raise ShapeError(f"Shape must be at least rank {least} but is rank {len(v)}")
    if known is None:
        return None
    where = dim % len(known)
    total: int | None = 0
    around: Shape = None
    for v in reversed(values):
        if v is None:
            total = None
            continue
        middle = v[where] if len(v) == len(known) else None
        total = None if total is None or middle is None else total + middle
        around = merge(v[:where] + (None,) + v[where + 1 :], around)
    assert around is not None
    return (*around[:where], total, *around[where + 1 :])


@op("ConcatV2", static=("axis",))
def concat_op(xp: Any, values: Any, axis: Any) -> Any:
    """Arrays one after the other along a dimension."""
    return _concatenated(xp, values, axis)


@concat_op.shape
def concat_shape(values: Any, axis: Any) -> Any:
    return [concat_static(values, axis)]


@op("Concat", static=("concat_dim",))
def concat_v1_op(xp: Any, concat_dim: Any, values: Any) -> Any:
    """Arrays one after the other along a dimension."""
    return _concatenated(xp, values, concat_dim)


@concat_v1_op.shape
def concat_v1_shape(concat_dim: Any, values: Any) -> Any:
    return [concat_static(values, concat_dim)]


@concat_op.gradient
def concat_grad(made: Any, grad: Any) -> list[Any]:
    return [*_parts_of_concat(made.inputs[:-1], made.inputs[-1], grad), None]


@concat_v1_op.gradient
def concat_v1_grad(made: Any, grad: Any) -> list[Any]:
    return [None, *_parts_of_concat(made.inputs[1:], made.inputs[0], grad)]


def _parts_of_concat(inputs: Sequence[Tensor], dim: Tensor, grad: Any) -> list[Any]:
    if len(inputs) == 1:
        return [grad]
    if isinstance(grad, Tensor) and dim.op.type == "Const" and output_context(grad.op) is not output_context(dim.op):
        dim = constant(dim.op.attrs["value"], dim.dtype)  # its own, rather than one that enters the gradient's loop
    axis = dim % rank(inputs[0])
    if isinstance(grad, IndexedSlices):
        return _parts_of_sparse_concat(inputs, dim, axis, grad)
    sizes: Any = []
    for x in inputs:
        found = shape(x)
        if found.op.type != "Const":
            sizes = shape_n(list(inputs))
            break
        sizes.append(found)
    if len(sizes) > 16:
        along = squeeze(raw_op("Slice")(stack(sizes, axis=1), [axis, 0], [1, -1]))
        return split(grad, along, axis)
    offsets = concat_offset(axis, sizes)
    return [raw_op("Slice")(grad, begin, length) for begin, length in zip(offsets, sizes, strict=True)]


def _parts_of_sparse_concat(inputs: Sequence[Tensor], dim: Tensor, axis: Tensor, grad: IndexedSlices) -> list[Any]:
    static_axis = static_values.get_static_value(dim)
    if static_axis is None:
        raise ValueError("Can only compute IndexedSlices gradient with statically-known concat_dim")
    if static_axis < 0:
        dimensions = static_values.get_static_value(rank(inputs[0]))
        if dimensions is None:
            raise ValueError(
                "Can only compute IndexedSlices gradient with negative concat_dim when first value rank is "
                "statically-known."
            )
        static_axis %= dimensions
    sizes = [shape(x) for x in inputs]
    cut = raw_op("Slice")
    parts = []
    if static_axis > 0:
        dimensions = shape(sizes[0])
        mask = concat(
            [fill(expand_dims(axis, 0), 0), [1], fill(dimensions - axis - 1, 0)],
            0,
        )
        begin = fill(dimensions, 0)
        for sizes_of_one in sizes:
            values = cut(grad.values, begin, concat([[-1], cut(sizes_of_one, [1], [-1])], 0))
            parts.append(IndexedSlices(values, grad.indices, sizes_of_one))
            begin = raw_op("AddV2")(begin, sizes_of_one * mask, name="Add")
        return parts
    start = constant(0, dtype=grad.indices.dtype)
    gather = raw_op("GatherV2")
    for sizes_of_one in sizes:
        rows = gather(sizes_of_one, axis, 0)
        if rows.dtype is not grad.indices.dtype:
            rows = raw_op("Cast")(rows, grad.indices.dtype)
        end = start + rows
        inside = raw_op("LogicalAnd")(grad.indices >= start, grad.indices < end)
        chosen = squeeze(raw_op("Where")(inside), axis=[1])
        indices = gather(grad.indices, chosen, 0) - start
        values = gather(grad.values, chosen, 0)
        parts.append(IndexedSlices(values, indices, sizes_of_one))
        start = end
    return parts


@public("concat")
def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """Tensors one after the other along a dimension that they have.

    Args:
        values: a list of tensors of one dtype, whose shapes agree except along `axis`.
        axis: int, or a scalar int tensor; negative counts from the end.
        name: the op's name.

    >>> sess.run(tf.concat([[[1, 2]], [[3, 4]]], axis=0))
    array([[1, 2],
           [3, 4]], dtype=int32)
    """
    if not isinstance(values, list | tuple):
        values = [values]
    if len(values) == 1:
        with name_scope(name):
            convert_to_tensor(axis, dtypes.int32, name="concat_dim").shape.assert_has_rank(0)
            return identity(values[0], name=name)
    return concat_op(values, axis, name=name)


@op("ConcatOffset", differentiable=False)
def concat_offset(xp: Any, concat_dim: Any, shape: Any) -> Any:
    """Where each of several arrays starts in their concatenation."""
    if np.ndim(concat_dim):
        raise kernel_error(f"Concat dim tensor should be a scalar integer, but got shape {list(concat_dim.shape)}")
    if len(shape[0].shape) != 1:
        raise kernel_error(f"input 0 should be a vector, but got shape {list(shape[0].shape)}")
    rank = len(shape[0])
    for i, sizes in enumerate(shape[1:], 1):
        if sizes.shape != shape[0].shape:
            raise kernel_error(f"input {i} should contain {rank} elements, but got {int(np.prod(sizes.shape))}")
    require(
        xp,
        (concat_dim >= -rank) & (concat_dim < rank),
        lambda: kernel_error(f"Concat dim is out of range: {int(concat_dim)} vs. {rank}"),
    )
    along = np.arange(len(shape[0])) == xp.where(concat_dim < 0, concat_dim + len(shape[0]), concat_dim)
    offsets, before = [], xp.zeros_like(shape[0])
    for sizes in shape:
        require(xp, along | (sizes == shape[0]), lambda: _offset_error(concat_dim, shape))
        offsets.append(before)
        before = before + xp.where(along, sizes, 0).astype(sizes.dtype)
    return tuple(offsets)


def _offset_error(concat_dim: Any, shape: Any) -> Exception:
    rank = len(shape[0])
    axis = int(concat_dim) % rank
    i = next(i for i, sizes in enumerate(shape) for j in range(rank) if j != axis and sizes[j] != shape[0][j])
    shown = ["[" + " ".join(map(str, np.asarray(sizes).tolist())) + "]" for sizes in (shape[i], shape[0])]
    return kernel_error(
        f"All dimensions except {axis} must match. Input {i} has shape {shown[0]} and doesn't match input 0 with "
        f"shape {shown[1]}."
    )


@concat_offset.shape
def concat_offset_shape(concat_dim: Any, shape: Any) -> Any:
    return shape


# Taken apart


@op("Split", static=("split_dim",))
def split_op(xp: Any, split_dim: Any, value: Any, *, num_split: int) -> Any:
    """Equal parts of an array along a dimension."""
    where = checked_axis(int(split_dim), len(value.shape), "split_dim")
    if value.shape[where] % num_split:
        raise kernel_error(
            f"Number of ways to split should evenly divide the split dimension, but got split_dim {where} "
            f"(size = {value.shape[where]}) and num_split {num_split}"
        )
    return tuple(xp.split(value, num_split, axis=where))


@split_op.shape
def split_shape(split_dim: Any, value: Any, *, num_split: int) -> Any:
    dim = static_values.whole_int(split_dim)
    if dim is None or value is None:
        return [None if value is None else (None,) * len(value)] * num_split
    if not -len(value) <= dim < len(value):
        raise ShapeError(f"Dimension size, given by scalar input {dim} must be in range [{-len(value)}, {len(value)})")
    where = dim % len(value)
    try:
        part = divided(value[where], num_split)
    except ShapeError as error:
        raise ShapeError(f"{error}\n\tNumber of ways to split should evenly divide the split dimension") from None
    return [(*value[:where], part, *value[where + 1 :])] * num_split


@split_op.gradient
def split_grad(made: Any, *grads: Any) -> list[Any]:
    return [None, concat(list(grads), made.inputs[0])]


@op("SplitV", static=("size_splits", "split_dim"))
def split_v_op(xp: Any, value: Any, size_splits: Any, split_dim: Any, *, num_split: int) -> Any:
    """Parts of given sizes of an array along a dimension; one size may be -1: what is left."""
    if np.size(split_dim) != 1:
        raise kernel_error("split_dim_tensor must have exactly one element.")
    where = checked_axis(np.asarray(split_dim).item(), len(value.shape), "split_dim")
    sizes = np.ravel(size_splits).tolist()
    whole = value.shape[where]
    if -1 in sizes:
        sizes[sizes.index(-1)] = whole - sum(s for s in sizes if s != -1)
    if sum(sizes) != whole or min(sizes) < 0:
        raise kernel_error(
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be less "
            f"than the size of the input along split_dim if not fully specified. Got: {sum(sizes)}"
        )
    return tuple(xp.split(value, np.cumsum(sizes)[:-1].tolist(), axis=where))


@split_v_op.shape
def split_v_shape(value: Any, size_splits: Any, split_dim: Any, *, num_split: int) -> Any:
    if value is None:
        return [None] * num_split
    if not value:
        raise ShapeError("Can't split scalars")
    dim, sizes = static_values.whole_int(split_dim), static_values.whole(size_splits)
    if dim is None:
        return [(None,) * len(value)] * num_split
    if not -len(value) <= dim < len(value):
        raise ShapeError(f"Dimension size, given by scalar input {dim} must be in range [{-len(value)}, {len(value)})")
    where = dim % len(value)
    if sizes is None:
        return [(*value[:where], None, *value[where + 1 :])] * num_split
    if len(sizes) != num_split:
        raise ShapeError("Length of size_splits should be equal to num_outputs")
    if sizes.count(-1) > 1:
        raise ShapeError("size_splits can only have one -1")
    total, whole = sum(s for s in sizes if s != -1), value[where]
    if whole is not None and (total > whole if -1 in sizes else total != whole):
        raise ShapeError(f"can't split axis of size {whole} into pieces of size [{','.join(map(str, sizes))}]")
    known: list[int | None] = [s if s != -1 else None if whole is None else whole - total for s in sizes]
    return [(*value[:where], s, *value[where + 1 :]) for s in known]


@split_v_op.gradient
def split_v_grad(made: Any, *grads: Any) -> list[Any]:
    return [concat(list(grads), made.inputs[2]), None, None]


@public("split")
def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """Parts of `value` along `axis`, as a list.

    Args:
        value: any dtype, shape `s`.
        num_or_size_splits: how many equal parts; or the size of each, where one may be -1: what is left.
        axis: int, or a scalar int32 tensor.
        num: how many parts, if the length of `num_or_size_splits` is not known statically.
        name: the op's name.

    Raises:
        ValueError: if the parts do not add up to `s[axis]`, or their number is not known.

    >>> [part.tolist() for part in sess.run(tf.split([1, 2, 3], [1, -1]))]
    [[1], [2, 3]]
    """
    sizes = convert_to_tensor(num_or_size_splits)
    if isinstance(num_or_size_splits, int | Dimension):
        return split_op(axis, value, num_or_size_splits, name)
    if sizes._rank == 0:
        raise ValueError(
            "Rank-0 tensors are not supported as the num_or_size_splits argument to split. Argument provided: "
            f"{num_or_size_splits}"
        )
    if num is None:
        if sizes.static_shape:
            num = sizes.static_shape[0]
        if num is None:
            raise ValueError(f"Cannot infer num from shape {num_or_size_splits}")
    return split_v_op(value, sizes, axis, num, name)


# Repeated


@op("Tile", static=("multiples",))
def tile(xp: Any, input: Any, multiples: Any) -> Any:
    """An array repeated along each of its dimensions."""
    if np.ndim(multiples) != 1:
        raise kernel_error(f"Expected multiples to be 1-D, but got shape {list(np.shape(multiples))}")
    counts = np.ravel(multiples).tolist()
    if len(counts) != len(input.shape):
        raise kernel_error(
            f"Expected multiples argument to be a vector of length {len(input.shape)} but got length {len(counts)}"
        )
    if any(n < 0 for n in counts):
        raise kernel_error(
            f"Expected multiples[{next(i for i, n in enumerate(counts) if n < 0)}] >= 0, but got {min(counts)}"
        )
    if prod(input.shape) * prod(counts) >= 2**63:  # XLA ends the process
        raise kernel_error(f"an array of shape {list(input.shape)} tiled {counts} times has too many elements to count")
    return xp.tile(input, counts)


@tile.shape
def tile_shape(input: Any, multiples: Any) -> Any:
    counts = static_values.as_shape(multiples)
    if counts is None:
        return None if input is None else (None,) * len(input)
    return tuple(
        0 if 0 in (s, n) else None if None in (s, n) else s * n  # type: ignore[operator]  # both are known here
        for s, n in zip(with_rank(input, len(counts)), counts, strict=True)
    )


public("tile", "manip.tile")(tile)

__all__ = ["concat", "pack", "parallel_stack", "split", "stack", "tile", "unstack"]
