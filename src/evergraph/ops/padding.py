"""A border around an array: of one value, or mirrored from the inside."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.api import public
from evergraph.framework.convert import is_tensor_like
from evergraph.framework.shapes import Shape, ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.joining import stack
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.shaping import rank, reshape, shape


def _widths(paddings: Any, n: int) -> list[tuple[int, int]]:
    given = np.asarray(paddings).astype(np.int64)
    if given.shape != (n, 2):
        raise kernel_error(
            f"The first dimension of paddings must be the rank of inputs [{n},2]: {shapes.bracket_text(given.shape)}"
        )
    if (given < 0).any():
        raise kernel_error(f"Paddings must be non-negative: {given.tolist()}")
    return [(int(before), int(after)) for before, after in given]


def _padded_shape(x: Shape, paddings: Any, sign: int = 1) -> Shape:
    """The shape with a border around, or with it taken away. `paddings` is an array once it is known."""
    if not isinstance(paddings, np.ndarray):
        return None if x is None else (None,) * len(x)
    if paddings.ndim != 2 or paddings.shape[1] != 2:
        raise ShapeError(f"paddings must have shape [n, 2], not {shapes.bracket_text(paddings.shape)}")
    if (paddings < 0).any():
        raise ShapeError("Paddings must be non-negative")
    sums = (sign * paddings.sum(1)).tolist()
    sizes = [None if s is None else s + n for s, n in zip(with_rank(x, len(sums)), sums, strict=True)]
    if prod(s for s in sizes if s is not None) > np.iinfo(np.int64).max:
        raise ShapeError(f"Encountered overflow when multiplying the sizes {shapes.bracket_text(tuple(sizes))}")
    if any(s is not None and s < 0 for s in sizes):
        raise ShapeError(f"Negative dimension size caused by subtracting {sums} from {shapes.bracket_text(x)}")
    return tuple(sizes)


def _pad_shape(made: Any, sign: int = 1) -> Shape:
    x, paddings = made.inputs[0].static_shape, made.inputs[1]
    n, two = with_rank(paddings.static_shape, 2)
    if two not in (None, 2):
        raise ShapeError(f"Dimension must be 2 but is {two}")
    if n is not None:
        x = with_rank(x, n)
    return _padded_shape(x, static_values.known_value(paddings), sign)


@op("Pad", static=("paddings",))
def pad_op(xp: Any, input: Any, paddings: Any) -> Any:
    """An array with a border of zeros."""
    if input.dtype == object:
        return _padded_strings(input, _widths(paddings, len(input.shape)), b"")
    return _padded(xp, input, _widths(paddings, len(input.shape)))


@op("PadV2", static=("paddings",))
def pad_v2_op(xp: Any, input: Any, paddings: Any, constant_values: Any) -> Any:
    """An array with a border of `constant_values`, a scalar."""
    if input.dtype == object:
        return _padded_strings(input, _widths(paddings, len(input.shape)), np.asarray(constant_values, object).item())
    return _padded(xp, input, _widths(paddings, len(input.shape)), constant_values=constant_values)


def _padded(xp: Any, input: Any, widths: Any, **options: Any) -> Any:
    return xp.pad(input, widths, **options) if widths else input


def _padded_strings(input: Any, widths: Any, value: bytes) -> np.ndarray:
    sizes = [size + before + after for size, (before, after) in zip(input.shape, widths, strict=True)]
    out = np.full(sizes, value, object)
    out[tuple(slice(before, before + size) for size, (before, _) in zip(input.shape, widths, strict=True))] = input
    return out


pad_op.shape_from_op(_pad_shape)
pad_v2_op.shape_from_op(_pad_shape)


def _pad_grad(made: Any, grad: Tensor) -> list[Any]:
    x, paddings = made.inputs[:2]
    cut = raw_op("Slice")
    before = cut(paddings, [0, 0], stack([rank(x), 1]))
    begin = reshape(before, [-1])
    return [cut(grad, begin, shape(x)), *[None] * (len(made.inputs) - 1)]


pad_op.gradient(_pad_grad)
pad_v2_op.gradient(_pad_grad)


def _check_mirror(paddings: list[tuple[int, int]], sizes: Any, mode: bytes) -> None:
    less = 1 if mode == b"REFLECT" else 0
    for i, ((before, after), size) in enumerate(zip(paddings, sizes, strict=True)):
        if max(before, after) > size - less:
            raise kernel_error(
                f"paddings must be {'less than' if less else 'no greater than'} the dimension size: {before}, {after} "
                f"{'not less than' if less else 'greater than'} {size} in dimension {i}"
            )


@op("MirrorPad", static=("paddings",))
def mirror_pad(xp: Any, input: Any, paddings: Any, *, mode: bytes) -> Any:
    """An array with a border that mirrors what is inside: with the edge itself (SYMMETRIC) or without (REFLECT)."""
    widths = _widths(paddings, len(input.shape))
    _check_mirror(widths, input.shape, mode)
    return xp.pad(input, widths, mode="reflect" if mode == b"REFLECT" else "symmetric")


mirror_pad.shape_from_op(_pad_shape)


@mirror_pad.gradient
def mirror_pad_op_grad(made: Any, grad: Tensor) -> list[Any]:
    return [mirror_pad_grad(grad, made.inputs[1], mode=made.attrs["mode"]), None]


@op("MirrorPadGrad", static=("paddings",))
def mirror_pad_grad(xp: Any, input: Any, paddings: Any, *, mode: bytes) -> Any:
    """The inside of an array with a border, and to each element the elements of the border that mirror it added."""
    widths = _widths(paddings, len(input.shape))
    offset = 1 if mode == b"REFLECT" else 0
    x = input
    for axis, (before, after) in enumerate(widths):
        n = x.shape[axis] - before - after
        ahead = (slice(None),) * axis
        inside = x[(*ahead, slice(before, before + n))]
        for part, at in (
            (x[(*ahead, slice(0, before))], offset),
            (x[(*ahead, slice(before + n, None))], n - offset - after),
        ):
            if not part.shape[axis]:
                continue
            spread = [(0, 0)] * len(x.shape)
            spread[axis] = (at, n - at - part.shape[axis])
            inside = inside + xp.pad(xp.flip(part, axis), spread)
        x = inside
    return x


@mirror_pad_grad.shape_from_op
def mirror_pad_grad_shape(made: Any) -> Any:
    return _pad_shape(made, -1)


@mirror_pad_grad.gradient
def mirror_pad_grad_grad(made: Any, grad: Tensor) -> list[Any]:
    return [mirror_pad(grad, made.inputs[1], mode=made.attrs["mode"]), None]


@public("pad")
def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """An array with a border.

    Args:
        tensor: any dtype, rank `n`.
        paddings: int32 or int64, shape `[n, 2]`: how many elements before and after, in each dimension.
        mode: "CONSTANT", "REFLECT" (mirrored, without the edge itself) or "SYMMETRIC" (with it).
        name: the op's name.
        constant_values: a scalar, the value of the border if `mode` is "CONSTANT".

    Raises:
        ValueError: if `mode` is none of the three.

    >>> sess.run(tf.pad([[1, 2]], [[0, 1], [1, 0]]))
    array([[0, 1, 2],
           [0, 0, 0]], dtype=int32)
    """
    mode = mode.upper()
    if mode == "CONSTANT":
        if not is_tensor_like(constant_values) and np.ndim(constant_values) == 0 and constant_values == 0:
            made = pad_op(tensor, paddings, name=name)
        else:
            made = pad_v2_op(tensor, paddings, constant_values, name=name)
    elif mode in ("REFLECT", "SYMMETRIC"):
        made = mirror_pad(tensor, paddings, mode=mode, name=name)
    else:
        raise ValueError(f"Unknown padding mode: {mode}")
    _refine(made)
    return made


def _refine(made: Tensor) -> None:
    """The static shape where only some of the paddings are known: TF looks through a Pack of them."""
    sizes = made.op.inputs[0].static_shape
    known = static_values.get_static_value(made.op.inputs[1], partial=True)
    if sizes is None or known is None or shapes.is_static(made.static_shape):
        return
    refined: list[int | None] = []
    for widths, size in zip(known, sizes, strict=False):
        unknown = size is None or widths is None or any(w is None for w in np.ravel(widths))
        refined.append(None if unknown else size + int(sum(np.ravel(widths))))  # type: ignore[operator]  # `size` is known here
    made.set_shape(refined)


__all__ = ["mirror_pad", "pad"]
