"""Pooling over cells of two sizes, mixed at random, so that an image shrinks by a ratio that is not an integer.

B. Graham, "Fractional max-pooling", 2014. Where the cells begin is one sequence for the rows and one for the columns,
which the ops give beside their result. TF 1's random numbers; an op that is `deterministic` draws the same ones again
at each run.
"""

from __future__ import annotations

import math
import secrets
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.scopes import get_seed
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import philox
from evergraph.ops.arguments import per_axis
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.static_values import as_shape


class _Generator:
    """Words of a Philox stream; each draw begins at a block of its own."""

    def __init__(self, seed: int, seed2: int) -> None:
        if not seed and not seed2:
            seed, seed2 = secrets.randbits(63), secrets.randbits(63)
        self._seeds, self._block = (seed, seed2), 0

    def words(self, count: int) -> np.ndarray:
        blocks = -(-count // 4)
        index = self._block + np.arange(blocks, dtype=np.uint64)
        self._block += blocks
        return np.stack(philox.blocks(np, index, *self._seeds), axis=-1).ravel()[:count].astype(np.int64)


def _sequence(size: int, outputs: int, generator: _Generator, pseudo_random: bool) -> np.ndarray:
    """Where the cells begin, and where the last one ends: int64, `outputs + 1` numbers."""
    k = size // outputs
    if pseudo_random:
        alpha = size / outputs
        most = min((k + 2) / alpha - 1, (size + 1 - k) / alpha - (outputs - 1))
        high, low = generator.words(2)
        bits = np.uint64((int(high) & 0xFFFFF) << 32 | int(low) | 0x3FF << 52)
        u = float(bits.view(np.float64) - 1.0) * most
        inner = [math.ceil(alpha * (i + u)) - 1 for i in range(1, outputs)]
        return np.array([0, *inner, size], np.int64)
    lengths = [k + (i < size % outputs) for i in range(outputs)]
    words = generator.words(outputs).tolist()
    for i in range(outputs - 1):
        j = i + words[i] % (outputs - i)
        lengths[i], lengths[j] = lengths[j], lengths[i]
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _cells(sequence: Any, size: int, overlapping: bool, axis: str = "Row") -> list[slice]:
    ends = np.minimum(sequence[1:] + (1 if overlapping else 0), size)
    if len(sequence) < 2 or sequence.min() < 0 or ends.min() < 1:
        raise kernel_error(f"{axis} sequence tensor values must not be negative, got {sequence.tolist()}")
    if (sequence[:-1] >= ends).any():
        raise kernel_error(f"{axis} sequence tensor values must rise, up to {size}, got {sequence.tolist()}")
    return [slice(int(start), int(end)) for start, end in zip(sequence[:-1], ends)]


def _sequences(
    value: Any, pooling_ratio: Any, pseudo_random: bool, deterministic: bool, seed: int, seed2: int
) -> tuple[np.ndarray, np.ndarray]:
    if len(pooling_ratio) != 4 or min(pooling_ratio) < 1:
        raise kernel_error(f"pooling_ratio must be four numbers of 1 or more, got: {list(pooling_ratio)}")
    if pooling_ratio[0] != 1 and pooling_ratio[3] != 1:
        kind = errors.UnimplementedError
        raise kernel_error("Fractional pooling is not yet supported on the batch nor channel dimension.", kind)
    if not deterministic and (seed or seed2):
        raise kernel_error(f"Both seed and seed2 should be 0 if deterministic is false, but are {seed} and {seed2}")
    if value.ndim != 4:
        raise kernel_error(f"value must be 4-dimensional, but has shape {list(value.shape)}")
    for i, (size, ratio) in enumerate(zip(value.shape, pooling_ratio)):
        if size < ratio:
            raise kernel_error(
                f"Pooling ratio is higher than input dimension size for dimension {i}. Input dim size: {size} pooling "
                f"ratio: {ratio}"
            )
    generator = _Generator(seed, seed2)
    rows, columns = (
        _sequence(value.shape[i], _output_size(value.shape[i], pooling_ratio[i]), generator, pseudo_random)
        for i in (1, 2)
    )
    return rows, columns


def _output_size(size: int, ratio: float) -> int:
    return math.floor(np.float32(size) / np.float32(ratio))


def _pooled(reduce: Any, value: Any, rows: Any, columns: Any, overlapping: bool) -> np.ndarray:
    """`reduce` over the cells, first down, then along."""
    down = [reduce(value[:, cell], axis=1) for cell in _cells(rows, value.shape[1], overlapping)]
    value = np.stack(down, axis=1)
    return np.stack(
        [reduce(value[:, :, cell], axis=2) for cell in _cells(columns, value.shape[2], overlapping, "Column")], axis=2
    )


def _counts(rows: Any, columns: Any, shape: Any, overlapping: bool) -> np.ndarray:
    """How many elements each cell has."""
    lengths = [
        np.array([cell.stop - cell.start for cell in _cells(sequence, size, overlapping)])
        for sequence, size in ((rows, shape[1]), (columns, shape[2]))
    ]
    return np.multiply.outer(*lengths)[None, :, :, None]


def _pool_shape(value: Any, *, pooling_ratio: Any) -> Any:
    value = with_rank(value, 4)
    if len(pooling_ratio) != 4:
        raise ShapeError("pooling_ratio field must specify 4 dimensions")
    if min(pooling_ratio) < 1:
        raise ShapeError(f"pooling_ratio cannot be smaller than 1, got: {min(pooling_ratio)}")
    sizes = tuple(None if n is None else _output_size(n, r) for n, r in zip(value, pooling_ratio))
    return [sizes, (sizes[1],), (sizes[2],)]


@op("FractionalMaxPool", host=True, shape=_pool_shape)
def fractional_max_pool_op(
    xp: Any,
    value: Any,
    *,
    pooling_ratio: Any,
    pseudo_random: bool,
    overlapping: bool,
    deterministic: bool,
    seed: int,
    seed2: int,
) -> Any:
    """The largest element of each cell, and where the cells begin."""
    rows, columns = _sequences(value, pooling_ratio, pseudo_random, deterministic, seed, seed2)
    return _pooled(np.max, value, rows, columns, overlapping), rows, columns


@op("FractionalAvgPool", host=True, shape=_pool_shape)
def fractional_avg_pool_op(
    xp: Any,
    value: Any,
    *,
    pooling_ratio: Any,
    pseudo_random: bool,
    overlapping: bool,
    deterministic: bool,
    seed: int,
    seed2: int,
) -> Any:
    """The mean of each cell, and where the cells begin."""
    rows, columns = _sequences(value, pooling_ratio, pseudo_random, deterministic, seed, seed2)

    def total(x: Any, axis: int) -> Any:
        return x.sum(axis=axis, dtype=x.dtype)

    totals = _pooled(total, value, rows, columns, overlapping)
    counts = _counts(rows, columns, value.shape, overlapping)
    if totals.dtype.kind == "i":
        mean = np.sign(totals) * (abs(totals) // counts)  # towards zero
    else:
        mean = totals / counts.astype(totals.dtype)
    return mean.astype(value.dtype), rows, columns


@op("FractionalMaxPoolGrad", host=True)
def fractional_max_pool_grad_op(
    xp: Any,
    orig_input: Any,
    orig_output: Any,
    out_backprop: Any,
    row_pooling_sequence: Any,
    col_pooling_sequence: Any,
    *,
    overlapping: bool,
) -> Any:
    """The gradient of FractionalMaxPool: it goes to the first largest element of each cell."""
    batch, height, width, depth = orig_input.shape
    rows = _cells(row_pooling_sequence, height, overlapping)
    columns = _cells(col_pooling_sequence, width, overlapping, "Column")
    wanted = (batch, len(rows), len(columns), depth)
    if out_backprop.shape != wanted or orig_output.shape != wanted:
        raise kernel_error(
            f"orig_output and out_backprop should have shape {list(wanted)}, but have {list(orig_output.shape)} and "
            f"{list(out_backprop.shape)}"
        )
    total = np.zeros(orig_input.shape, out_backprop.dtype)
    images, channels = np.arange(batch)[:, None], np.arange(depth)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            cell = orig_input[:, row, column]
            first = cell.reshape(batch, -1, depth).argmax(axis=1)
            y, x = np.divmod(first, cell.shape[2])
            total[images, row.start + y, column.start + x, channels] += out_backprop[:, i, j]
    return total


@fractional_max_pool_grad_op.shape
def fractional_max_pool_grad_shape(orig_input: Any, *rest: Any) -> Any:
    return with_rank(orig_input, 4)


@op("FractionalAvgPoolGrad", host=True, static=("orig_input_tensor_shape",))
def fractional_avg_pool_grad_op(
    xp: Any,
    orig_input_tensor_shape: Any,
    out_backprop: Any,
    row_pooling_sequence: Any,
    col_pooling_sequence: Any,
    *,
    overlapping: bool,
) -> Any:
    """The gradient of FractionalAvgPool: spread evenly over each cell."""
    shape = np.asarray(orig_input_tensor_shape)
    if shape.shape != (4,) or shape.min() <= 0:
        raise kernel_error(f"original input tensor shape must be four positive numbers, but is {shape.tolist()}")
    rows = _cells(row_pooling_sequence, int(shape[1]), overlapping)
    columns = _cells(col_pooling_sequence, int(shape[2]), overlapping, "Column")
    share = out_backprop / _counts(row_pooling_sequence, col_pooling_sequence, shape, overlapping).astype(np.float64)
    wide = np.zeros((*share.shape[:2], shape[2], shape[3]))
    for j, column in enumerate(columns):
        wide[:, :, column] += share[:, :, j : j + 1]
    total = np.zeros(tuple(shape))
    for i, row in enumerate(rows):
        total[:, row] += wide[:, i : i + 1]
    return total.astype(out_backprop.dtype)


@fractional_avg_pool_grad_op.shape
def fractional_avg_pool_grad_shape(orig_input_tensor_shape: Any, *rest: Any) -> Any:
    return as_shape(orig_input_tensor_shape) or (None,) * 4


@fractional_max_pool_op.gradient
def fractional_max_pool_grad(made: Any, grad: Tensor, *_: Any) -> Any:
    pooled, rows, columns = made.outputs
    return fractional_max_pool_grad_op(made.inputs[0], pooled, grad, rows, columns, made.attrs["overlapping"])


@fractional_avg_pool_op.gradient
def fractional_avg_pool_grad(made: Any, grad: Tensor, *_: Any) -> Any:
    _, rows, columns = made.outputs
    return fractional_avg_pool_grad_op(made.inputs[0].shape, grad, rows, columns, made.attrs["overlapping"])


def _public(declared: Any, name: str, what: str) -> Any:
    def pool(
        value: Any,
        pooling_ratio: Any,
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        seed: int = 0,
        seed2: int = 0,
        name: str | None = None,
    ) -> Any:
        return declared(value, pooling_ratio, pseudo_random, overlapping, deterministic, seed, seed2, name)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""Shrink images by a ratio that need not be an integer: {what} of each of many cells.

    Args:
        value: float32, float64, int32 or int64, shape `[batch, height, width, channels]`.
        pooling_ratio: `[1.0, rows, columns, 1.0]`, each 1 or more.
        pseudo_random: place the cells by one random number, rather than shuffle their sizes.
        overlapping: let neighbouring cells share a row or column.
        deterministic: the same cells at every run.
        seed: of the random numbers, with `deterministic`.
        seed2: of the random numbers, with `deterministic`.
        name: the op's name.

    Returns:
        The result, the rows and the columns where cells begin (and where the last one ends), int64.
    """
    return public(f"nn.{name}")(pool)


fractional_max_pool = _public(fractional_max_pool_op, "fractional_max_pool", "the largest element")
fractional_avg_pool = _public(fractional_avg_pool_op, "fractional_avg_pool", "the mean")


def _public_v2(declared: Any, name: str) -> Any:
    def pool(
        value: Any,
        pooling_ratio: Any,
        pseudo_random: bool = False,
        overlapping: bool = False,
        seed: int = 0,
        name: str | None = None,
    ) -> Any:
        seed1, seed2 = get_seed(seed) if seed else (0, 0)
        ratio = per_axis(pooling_ratio, 2, 3, "pooling_ratio")
        return declared(value, ratio, pseudo_random, overlapping, bool(seed), seed1, seed2, name)

    pool.__name__ = pool.__qualname__ = f"{name}_v2"
    pool.__doc__ = f"""Shrink images as `tf.nn.{name}` does; a `seed` makes the cells the same at every run.

    Args:
        value: as of `tf.nn.{name}`; a `pooling_ratio` may also be one number, or one each for rows and columns.
    """
    return public(f"compat.v2.nn.{name}")(pool)


_public_v2(fractional_max_pool_op, "fractional_max_pool")
_public_v2(fractional_avg_pool_op, "fractional_avg_pool")
