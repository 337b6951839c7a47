"""Parts of an array: Slice, StridedSlice, and `tensor[...]` with everything that may stand between the brackets.

A StridedSlice carries a Python index as three vectors and five bit masks, one bit for each entry of the index:

    x[1:, ..., None, 0]    begin 1 0 0 0    end 0 0 0 1    strides 1 1 1 1
                           end_mask 0001 (no end)   ellipsis_mask 0010   new_axis_mask 0100   shrink_axis_mask 1000

`entries_of` reads that back as one entry for each dimension of the array and each new axis. The shape rule, the
kernels and the gradient all start from there.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Dimension, Shape, ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.constant import constant
from evergraph.ops.filling import ones_like
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import kernel_error, op, raw_op, require
from evergraph.ops.selecting import boolean_mask
from evergraph.ops.shaping import rank, reshape, shape
from evergraph.ops.traced_lists import Untraceable

_slice = slice  # Python's: this module's own stands in its way

# Slice: begin and size


@op("Slice", static=("begin", "size"), dynamic=("begin",))
def slice_op(xp: Any, input: Any, begin: Any, size: Any) -> Any:
    """`size` elements from `begin` on, in each dimension; a size of -1 goes to the end."""
    if not isinstance(begin, np.ndarray | np.generic):
        return _slice_from(xp, input, begin, np.ravel(size).tolist())
    starts, sizes = np.ravel(begin).tolist(), np.ravel(size).tolist()
    if np.ndim(begin) != 1 or np.ndim(size) != 1:
        raise kernel_error(
            f"Expected begin and size arguments to be 1-D tensors of size {len(input.shape)}, but got shapes "
            f"{list(np.shape(begin))} and {list(np.shape(size))} instead."
        )
    if not len(starts) == len(sizes) == len(input.shape):
        raise kernel_error(
            f"Expected begin and size arguments to be 1-D tensors of size {len(input.shape)}, but got shapes "
            f"[{len(starts)}] and [{len(sizes)}] instead."
        )
    index = []
    for i, (b, n, whole) in enumerate(zip(starts, sizes, input.shape, strict=True)):
        n = whole - b if n == -1 else n
        if not 0 <= b <= whole:
            raise kernel_error(f"Expected begin[{i}] in [0, {whole}], but got {b}")
        if not 0 <= n <= whole - b:
            raise kernel_error(f"Expected size[{i}] in [0, {whole - b}], but got {n}")
        index.append(_slice(b, b + n))
    return input[tuple(index)]


def _slice_from(xp: Any, input: Any, begin: Any, sizes: list[int]) -> Any:
    """A slice that begins at a traced position: how long it is has to be known."""
    from jax import lax

    if -1 in sizes:
        raise Untraceable("how much a Slice takes depends on a value")
    ends = begin + np.asarray(sizes, begin.dtype)
    inside = (begin >= 0) & (ends <= np.asarray(input.shape, begin.dtype))
    require(xp, inside, lambda: kernel_error(f"Expected begin in [0, {input.shape}], but got {begin}"))
    return lax.dynamic_slice(input, [begin[i] for i in range(len(sizes))], sizes)


@slice_op.shape
def slice_shape(input: Any, begin: Any, size: Any) -> Any:
    n = next((len(v) for v in (begin, size) if isinstance(v, list)), None)
    if isinstance(begin, list) and isinstance(size, list) and len(begin) != len(size):
        raise ShapeError(f"Dimensions must be equal, but are {len(begin)} and {len(size)}")
    if n is None:
        return None if input is None else (None,) * len(input)
    sizes = static_values.whole(size)
    whole = with_rank(input, n)
    if sizes is None:
        # A size that is known among others that are not counts, as a shape does: -1 is not known.
        return static_values.as_shape(size)
    starts = begin if isinstance(begin, list) else [None] * n
    out: list[int | None] = []
    for s, b, length in zip(whole, starts, sizes, strict=True):
        if length != -1:
            if length < -1:
                raise ShapeError(f"Negative size {length} in a slice")
            if s is not None and b is not None and b + length > s:
                raise ShapeError(f"slice from {b} of size {length} is out of range of a dimension of size {s}")
            out.append(length)
        else:
            if s is not None and b is not None and b > s:
                raise ShapeError(f"Negative dimension size caused by subtracting {b} from {s}")
            out.append(None if s is None or b is None else s - b)
    return tuple(out)


@slice_op.gradient
def slice_grad(made: Any, grad: Tensor) -> list[Any]:
    x, begin, _ = made.inputs
    dimensions = rank(x)
    size = shape(made.outputs[0])
    column = stack([dimensions, 1])
    before = reshape(begin, column)
    after = reshape(shape(x) - size - begin, column)
    return [raw_op("Pad")(grad, concat([before, after], 1)), None, None]


@public("slice")
def slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """`size` elements from `begin` on, in each dimension of `input_`.

    Args:
        input_: any dtype, rank `n`.
        begin: int32 or int64, shape `[n]`.
        size: the same; -1 goes to the end of a dimension.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if that leaves the array.

    >>> sess.run(tf.slice([[1, 2, 3], [4, 5, 6]], [1, 0], [1, -1]))
    array([[4, 5, 6]], dtype=int32)
    """
    return slice_op(input_, begin, size, name=name)


# StridedSlice


class Entry(NamedTuple):
    """What an index says of one dimension, or that a new one stands here."""

    dimension: int  # of the array; -1 for a new axis
    position: int = -1  # in begin, end and strides; -1 for a dimension that an ellipsis stands for
    shrink: bool = False
    open_begin: bool = True
    open_end: bool = True


class Masks(NamedTuple):
    begin: int = 0
    end: int = 0
    ellipsis: int = 0
    new_axis: int = 0
    shrink_axis: int = 0


def entries_of(n: int, rank: int, masks: Masks, error: Any = ShapeError) -> list[Entry]:
    """The index as one entry for each dimension (of `rank`) and new axis; `n` is the length of `begin`."""
    if masks.ellipsis & (masks.ellipsis - 1):
        raise error("Multiple ellipses in slice spec not allowed")
    ellipsis = masks.ellipsis.bit_length() - 1 if masks.ellipsis else n
    taken = sum(1 for i in range(n) if i != ellipsis and not masks.new_axis >> i & 1)
    if taken > rank:
        raise error(f"Index out of range using input dim {rank}; input has only {rank} dims")
    entries: list[Entry] = []
    dimension = 0
    for i in range(max(n, ellipsis + 1)):
        if i == ellipsis:
            entries.extend(Entry(dimension + k) for k in range(rank - taken))
            dimension += rank - taken
        elif masks.new_axis >> i & 1:
            entries.append(Entry(-1))
        else:
            entries.append(
                Entry(
                    dimension, i, bool(masks.shrink_axis >> i & 1), bool(masks.begin >> i & 1), bool(masks.end >> i & 1)
                )
            )
            dimension += 1
    return entries


def bounds(size: int, begin: int | None, end: int | None, stride: int) -> tuple[int, int, int]:
    """First element, stride and number of elements of Python's `begin:end:stride`."""
    first, last, step = _slice(begin, end, stride).indices(size)
    return first, step, len(range(first, last, step))


def _chosen(entry: Entry, size: int, begin: Any, end: Any, strides: Any, error: Any) -> int | tuple[int, int, int]:
    """What `entry` takes of a dimension of known size: one element's number, or (first, stride, count)."""
    if entry.position < 0:
        return 0, 1, size
    i = entry.position
    stride = _stride(entry, strides, error)
    if entry.shrink:
        at = begin[i] + size if begin[i] < 0 else begin[i]
        if not 0 <= at < size:
            raise error(f"slice index {begin[i]} of dimension {entry.dimension} out of bounds.")
        return at
    return bounds(size, None if entry.open_begin else begin[i], None if entry.open_end else end[i], stride)


def _stride(entry: Entry, strides: Any, error: Any) -> int:
    stride = strides[entry.position]
    if stride == 0:
        raise error(f"strides[{entry.position}] must be non-zero")
    if entry.shrink and stride < 0:
        raise error("only stride 1 allowed on non-range indexing.")
    return stride


def strided_static(x: Shape, begin: Any, end: Any, strides: Any, masks: Masks) -> Shape:
    """The static shape of a strided slice."""
    n = next((len(v) for v in (begin, end, strides) if isinstance(v, list)), None)
    for v in (begin, end, strides):
        if isinstance(v, int):
            raise ShapeError("Shape must be rank 1 but is rank 0")
        if isinstance(v, list) and len(v) != n:
            raise ShapeError(f"Dimension {n} in both shapes must be equal, but are {n} and {len(v)}")
    steps = static_values.whole(strides)
    if x is None or n is None or steps is None:
        return None
    first, last = static_values.whole(begin), static_values.whole(end)
    out: list[int | None] = []
    for entry in entries_of(n, len(x), masks):
        if entry.dimension < 0:
            out.append(1)
            continue
        size = x[entry.dimension]
        if entry.position >= 0:
            _stride(entry, steps, ShapeError)
        if entry.shrink:
            if size is not None and first is not None and last is not None:
                _chosen(entry, size, first, last, steps, ShapeError)
        elif size is None:
            out.append(None)
        elif entry.position < 0 or entry.open_begin and entry.open_end or first is not None and last is not None:
            out.append(_chosen(entry, size, first, last, steps, ShapeError)[2])  # type: ignore[index]  # no single position: a slice
        else:
            out.append(None)
    return tuple(out)


def _index(shape: Any, begin: Any, end: Any, strides: Any, masks: Masks) -> tuple[tuple[Any, ...], list[Entry]]:
    """A strided slice of an array of that shape, as the index that NumPy takes."""
    first, last, steps = (np.ravel(v).tolist() for v in (begin, end, strides))
    entries = entries_of(len(first), len(shape), masks, kernel_error)
    index: list[Any] = []
    for entry in entries:
        if entry.dimension < 0:
            index.append(None)
            continue
        chosen = _chosen(entry, shape[entry.dimension], first, last, steps, kernel_error)
        if isinstance(chosen, int):
            index.append(chosen)
        else:
            start, step, count = chosen
            stop = start + count * step
            index.append(_slice(start, None if stop < 0 else stop, step))
    return tuple(index), entries


@op("StridedSlice", static=("begin", "end", "strides"), dynamic=("begin", "end"))
def strided_slice_op(
    xp: Any,
    input: Any,
    begin: Any,
    end: Any,
    strides: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    """The elements that a Python index takes."""
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    if not _are_known(begin, end):
        return xp.asarray(input)[_traced_index(xp, input.shape, begin, end, strides, masks)[0]]
    return input[_index(input.shape, begin, end, strides, masks)[0]]


def _are_known(*vectors: Any) -> bool:
    return all(isinstance(v, np.ndarray | np.generic) for v in vectors)


def _traced_index(
    xp: Any, shape: Any, begin: Any, end: Any, strides: Any, masks: Masks
) -> tuple[tuple[Any, ...], list[Entry]]:
    """As `_index`, where begin and end are traced: single elements can be taken, not ranges with such ends."""
    steps = np.ravel(strides).tolist()
    entries = entries_of(len(steps), len(shape), masks, kernel_error)
    index: list[Any] = []
    for entry in entries:
        if entry.dimension < 0:
            index.append(None)
        elif entry.shrink:
            _stride(entry, steps, kernel_error)
            at, size = begin[entry.position], shape[entry.dimension]
            dimension = entry.dimension
            require(
                xp,
                (at >= -size) & (at < size),
                lambda: kernel_error(f"slice index of dimension {dimension} out of bounds."),  # noqa: B023
            )
            index.append(xp.where(at < 0, at + size, at))
        elif entry.position < 0 or entry.open_begin and entry.open_end:
            chosen = _chosen(
                entry, shape[entry.dimension], [None] * len(steps), [None] * len(steps), steps, kernel_error
            )
            assert not isinstance(chosen, int)
            start, step, count = chosen
            stop = start + count * step
            index.append(_slice(start, None if stop < 0 else stop, step))
        else:
            raise Untraceable("where a strided slice begins or ends depends on a value")
    return tuple(index), entries


@strided_slice_op.shape
def strided_slice_shape(
    input: Any,
    begin: Any,
    end: Any,
    strides: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return strided_static(input, begin, end, strides, masks)


@strided_slice_op.gradient
def strided_slice_grad(made: Any, grad: Tensor) -> list[Any]:
    x, begin, end, strides = made.inputs
    sizes = shape(x, out_type=begin.dtype)
    return [strided_slice_grad_op(sizes, begin, end, strides, grad, **_masks_of(made)), None, None, None]


_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _masks_of(made: Any) -> dict[str, Any]:
    return {name: made.attrs[name] for name in _MASKS}


@op("StridedSliceGrad", static=("shape", "begin", "end", "strides"), dynamic=("begin", "end"))
def strided_slice_grad_op(
    xp: Any,
    shape: Any,
    begin: Any,
    end: Any,
    strides: Any,
    dy: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    """An array of zeros, with `dy` where StridedSlice took its elements from."""
    from jax import lax

    sizes = np.ravel(shape).tolist()
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    if not _are_known(begin, end):
        index, entries = _traced_index(xp, sizes, begin, end, strides, masks)
        axes = [e for e in entries if not e.shrink]
        new = tuple(i for i, e in enumerate(axes) if e.dimension < 0)
        return xp.zeros(sizes, dy.dtype).at[tuple(i for i in index if i is not None)].set(xp.squeeze(dy, new))
    index, entries = _index(sizes, begin, end, strides, masks)
    kept = dict(zip((e.dimension for e in entries), index, strict=True))
    whole = xp.reshape(dy, [_taken(kept[d], s) for d, s in enumerate(sizes)])
    backwards = [d for d in range(len(sizes)) if isinstance(kept[d], _slice) and kept[d].step < 0]
    if 0 in whole.shape:
        return xp.zeros(sizes, dy.dtype)
    padding = []
    for d, size in enumerate(sizes):
        part, count = kept[d], whole.shape[d]
        first, step = (part, 1) if isinstance(part, int) else (part.start, part.step)
        low = first if step > 0 else first + (count - 1) * step
        between = abs(step) - 1 if count > 1 else 0
        padding.append((low, size - low - count - (count - 1) * between, between))
    whole = xp.flip(whole, backwards) if backwards else whole
    return lax.pad(whole, xp.zeros((), dy.dtype), padding)


def _taken(part: Any, size: int) -> int:
    return 1 if isinstance(part, int) else len(range(*part.indices(size)))


@strided_slice_grad_op.numpy
def strided_slice_grad_numpy(
    xp: Any,
    shape: Any,
    begin: Any,
    end: Any,
    strides: Any,
    dy: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    sizes = np.ravel(shape).tolist()
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    out = np.zeros(sizes, dy.dtype)
    out[_index(sizes, begin, end, strides, masks)[0]] = dy
    return out


@strided_slice_grad_op.shape
def strided_slice_grad_shape(shape: Any, begin: Any, end: Any, strides: Any, dy: Any) -> Any:
    return static_values.as_shape(shape)


@strided_slice_grad_op.gradient
def strided_slice_grad_grad(made: Any, grad: Tensor) -> list[Any]:
    _, begin, end, strides, _ = made.inputs
    return [None, None, None, None, strided_slice(grad, begin, end, strides, **_masks_of(made))]


# Assigning to a part of a variable


def _assigned(xp: Any, x: Any, begin: Any, end: Any, strides: Any, value: Any, masks: Masks) -> Any:
    index, _ = _index(x.shape, begin, end, strides, masks)
    taken = np.empty(x.shape, np.bool_)[index].shape if not np.size(x) else None
    try:
        if xp is np:
            out = np.array(x)
            out[index] = value.item() if out.dtype == object and not value.ndim else value
            return out
        return x.at[index].set(value)
    except ValueError:
        raise kernel_error(
            f"a value of shape {shapes.bracket_text(tuple(value.shape))} does not fit into the slice of a variable of "
            f"shape {shapes.bracket_text(tuple(x.shape))}{'' if taken is None else f', which is {taken}'}"
        ) from None


def _assign(
    xp: Any,
    ref: Any,
    begin: Any,
    end: Any,
    strides: Any,
    value: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    """Set the elements of a variable that a Python index takes."""
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return _assigned(xp, ref, begin, end, strides, value, masks)


_BOUNDS = ("begin", "end", "strides")
strided_slice_assign = op("StridedSliceAssign", static=_BOUNDS, updates=("ref",), differentiable=False)(_assign)
resource_strided_slice_assign = op(
    "ResourceStridedSliceAssign", static=_BOUNDS, updates=("ref",), differentiable=False
)(_assign)
tensor_strided_slice_update = op("TensorStridedSliceUpdate", static=_BOUNDS)(_assign)


@strided_slice_assign.shape
def strided_slice_assign_shape(ref: Any, begin: Any, end: Any, strides: Any, value: Any) -> Any:
    return ref


@tensor_strided_slice_update.shape
def tensor_strided_slice_update_shape(input: Any, begin: Any, end: Any, strides: Any, value: Any) -> Any:
    return input


@public("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """The elements of `input_` that a Python index takes, given as vectors and bit masks.

    Bit `i` of a mask is about entry `i` of the three vectors. `tensor[...]` is the pleasant way to write this.

    Args:
        input_: any dtype and shape.
        begin: int32 or int64, shape `[n]`.
        end: the same.
        strides: the same; ones by default.
        begin_mask: `begin[i]` does not count: start at the first element.
        end_mask: `end[i]` does not count: go to the last.
        ellipsis_mask: entry `i` stands for all dimensions not named by the others.
        new_axis_mask: entry `i` is a new dimension of size 1.
        shrink_axis_mask: entry `i` takes the one element `begin[i]`, and the dimension goes away.
        var: the variable that `input_` is the value of; then the result has a method `assign`.
        name: the op's name.
    """
    if strides is None:
        strides = ones_like(begin)
    masks = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    made = strided_slice_op(input_, begin, end, strides, **masks, name=name)

    def assign(val: Any, name: str | None = None, parent: str | None = name) -> Any:
        """Set these elements of the variable to `val`."""
        if var is None:
            raise ValueError("Sliced assignment is only supported for variables")
        return var._strided_slice_assign(
            begin=begin, end=end, strides=strides, value=val, name=name or f"{parent}_assign", **masks
        )

    made.assign = assign
    return made


# tensor[...]


def _checked_index(index: Any) -> Any:
    if isinstance(index, int | Dimension):
        return index
    kind = getattr(index, "dtype", None)
    if kind is None or dtypes.as_dtype(kind)._base not in (dtypes.int32, dtypes.int64) or len(index.shape or ()) == 1:
        raise TypeError(
            "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors "
            f"are valid indices, got {index!r}"
        )
    return index


def _is_given(bound: Any) -> bool:
    return bound is not None and (isinstance(bound, Tensor) or not isinstance(bound, int) or bound != sys.maxsize)


def sliced(tensor: Any, spec: Any, var: Any = None) -> Tensor:
    """`tensor[spec]`; with `var`, the variable that `tensor` is the value of, it can be assigned to."""
    if (
        isinstance(spec, bool)
        or isinstance(spec, Tensor | np.ndarray)
        and spec.dtype == (dtypes.bool if isinstance(spec, Tensor) else np.bool_)
    ):
        return boolean_mask(tensor, spec)
    entries = spec if isinstance(spec, list | tuple) else [spec]
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks = dict.fromkeys(_MASKS, 0)
    for i, entry in enumerate(entries):
        bit = 1 << i
        first, last, step = 0, 0, 1
        if isinstance(entry, _slice):
            if _is_given(entry.start):
                first = _checked_index(entry.start)
            else:
                masks["begin_mask"] |= bit
            if _is_given(entry.stop):
                last = _checked_index(entry.stop)
            else:
                masks["end_mask"] |= bit
            if entry.step is not None:
                step = _checked_index(entry.step)
        elif entry is Ellipsis:
            masks["ellipsis_mask"] |= bit
        elif entry is None:
            masks["new_axis_mask"] |= bit
        else:
            first = _checked_index(entry)
            last = entry + 1
            masks["shrink_axis_mask"] |= bit
        begin.append(first)
        end.append(last)
        strides.append(step)
    with name_scope(None, "strided_slice", [tensor, *begin, *end, *strides]) as scope:
        if begin:
            vectors = [stack(begin), stack(end), stack(strides)]
            if any(v.dtype is dtypes.int64 for v in vectors):
                vectors = [v if v.dtype is dtypes.int64 else raw_op("Cast")(v, dtypes.int64) for v in vectors]
        else:
            vectors = [constant([], dtypes.int32)] * 3
        return strided_slice(tensor, *vectors, var=var, name=scope, **masks)  # type: ignore[arg-type, misc]  # three vectors, and masks only


publish("newaxis", None)
Tensor.__getitem__ = sliced  # type: ignore[method-assign]  # `Tensor` comes before its ops

__all__ = ["slice", "sliced", "strided_slice"]
