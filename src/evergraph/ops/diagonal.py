"""Diagonals of arrays: read, written, and what lies on one side of them set to zero.

Diagonal `k` of a matrix holds the elements with `column - row == k`. Several neighbouring diagonals stand in one array,
the uppermost first, each from its upper left end on; what a shorter one leaves over is padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dispatch, shapes
from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with
from evergraph.framework.shapes import Shape, ShapeError, merge, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.joining import concat
from evergraph.ops.opdef import kernel_error, op, raw_op, unchanged_shape
from evergraph.ops.shaping import rank, shape

# Kernels: `band` is (lowest, highest) of the diagonals


def _band(k: Any, rows: int | None, columns: int | None, error: Any = kernel_error) -> tuple[int, int]:
    ends = np.ravel(k).tolist()
    if not 1 <= len(ends) <= 2:
        raise error(f"diag_index must have only one or two elements, received {len(ends)} elements.")
    low, high = ends[0], ends[-1]
    if rows is not None and columns is not None:
        for which, d in (("lower", low), ("upper", high)):
            if d and not -rows < d < columns:
                raise error(f"{which}_diag_index is out of bound: {d}. It must be between {-rows} and {columns}")
    if low > high:
        raise error(f"lower_diag_index must not be larger than upper_diag_index: {low} > {high}")
    return low, high


def _longest(rows: int, columns: int, band: tuple[int, int]) -> int:
    return min(rows + min(band[1], 0), columns - max(band[0], 0))


def _read(xp: Any, x: Any, band: tuple[int, int], padding: Any) -> Any:
    low, high = band
    if x.ndim < 2:
        raise kernel_error(f"input must be at least 2-dim, received shape: {shapes.bracket_text(tuple(x.shape))}")
    rows, columns = x.shape[-2:]
    n = _longest(rows, columns, band)
    d = np.arange(high, low - 1, -1)[:, None]
    row, column = np.arange(n) + np.maximum(-d, 0), np.arange(n) + np.maximum(d, 0)
    inside = (row < rows) & (column < columns)
    found = x[..., np.minimum(row, max(rows - 1, 0)), np.minimum(column, max(columns - 1, 0))] if n else None
    if found is None:
        found = xp.zeros((*x.shape[:-2], high - low + 1, n), x.dtype)
    found = found if inside.all() else xp.where(inside, found, padding)
    return found if low < high else found[..., 0, :]


def _require_diagonal(diagonal: Any) -> None:
    if not diagonal.ndim:
        raise kernel_error("diagonal must be at least 1-dim, received shape: []")


def _write(xp: Any, x: Any, diagonal: Any, band: tuple[int, int]) -> Any:
    low, high = band
    if x.ndim < 2:
        raise kernel_error(f"input must be at least 2-dim, received shape: {shapes.bracket_text(tuple(x.shape))}")
    _require_diagonal(diagonal)
    rows, columns = x.shape[-2:]
    n = _longest(rows, columns, band)
    wanted = (*x.shape[:-2], *((high - low + 1,) if low < high else ()), n)
    if diagonal.shape != wanted:
        raise kernel_error(
            "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not equal to "
            "the longests diagonal in range [lower_diag_index:upper_diag_index]: the diagonals must have shape "
            f"{shapes.bracket_text(wanted)}, received {shapes.bracket_text(diagonal.shape)}."
        )
    if not n:
        return x
    stacked = diagonal if low < high else xp.expand_dims(diagonal, -2)
    row, column = np.arange(rows)[:, None], np.arange(columns)
    d = column - row
    inside = (d >= low) & (d <= high)
    spread = stacked[..., np.clip(high - d, 0, high - low), np.minimum(np.minimum(row, column), n - 1)]
    return xp.where(inside, spread, x)


def _size_of_diagonals(rows: int, columns: int, n: int, band: tuple[int, int], error: Any) -> tuple[int, int]:
    """The size of the matrix that holds diagonals of length `n`; -1 where it is not given."""
    least_rows, least_columns = n - min(band[1], 0), n + max(band[0], 0)
    if rows == columns == -1:
        rows = columns = max(least_rows, least_columns)
    rows = least_rows if rows == -1 else rows
    columns = least_columns if columns == -1 else columns
    if rows < least_rows:
        raise error(f"num_rows is too small: {rows}")
    if columns < least_columns:
        raise error(f"num_cols is too small: {columns}")
    if rows != least_rows and columns != least_columns and rows != columns:
        raise error(
            f"num_rows and num_cols are not consistent with lower_diag_index, upper_diag_index, and the length of the "
            f"given diagonals: {rows} is not {least_rows} and {columns} is not {least_columns}"
        )
    return rows, columns


# The matrix ops


@op("MatrixDiag")
def matrix_diag_op(xp: Any, diagonal: Any) -> Any:
    """Square matrices with the given main diagonals and zeros elsewhere."""
    _require_diagonal(diagonal)
    n = diagonal.shape[-1]
    return xp.where(np.eye(n, dtype=np.bool_), diagonal[..., None], xp.zeros((), diagonal.dtype))


@matrix_diag_op.shape
def matrix_diag_shape(diagonal: Any) -> Any:
    with_rank_at_least(diagonal, 1)
    return None if diagonal is None else (*diagonal, diagonal[-1])


@matrix_diag_op.gradient
def matrix_diag_grad(made: Any, grad: Tensor) -> Tensor:
    return matrix_diag_part(grad)


@op("MatrixDiagPart")
def matrix_diag_part_op(xp: Any, input: Any) -> Any:
    """The main diagonals of matrices."""
    return _read(xp, input, (0, 0), 0)


@matrix_diag_part_op.shape
def matrix_diag_part_shape(input: Any) -> Any:
    with_rank_at_least(input, 2)
    return None if input is None else (*input[:-2], _smaller(*input[-2:]))


def _smaller(a: int | None, b: int | None) -> int | None:
    if 0 in (a, b):
        return 0
    return None if a is None or b is None else min(a, b)


@matrix_diag_part_op.gradient
def matrix_diag_part_grad(made: Any, grad: Tensor) -> Tensor:
    sizes = made.inputs[0].static_shape
    if sizes is not None and sizes[-1] is not None and sizes[-1] == sizes[-2]:
        return matrix_diag(grad)
    return matrix_set_diag(zeros_like(made.inputs[0]), grad)


@op("MatrixSetDiag")
def matrix_set_diag_op(xp: Any, input: Any, diagonal: Any) -> Any:
    """Matrices with their main diagonals replaced."""
    return _write(xp, input, diagonal, (0, 0))


@matrix_set_diag_op.shape
def matrix_set_diag_shape(input: Any, diagonal: Any) -> Any:
    with_rank_at_least(input, 2)
    with_rank_at_least(diagonal, 1)
    if input is not None:
        diagonal = with_rank(diagonal, len(input) - 1)
        shapes.merge_dim(_smaller(*input[-2:]), diagonal[-1])
    return input if diagonal is None else merge(input, (*diagonal[:-1], None, None))


@matrix_set_diag_op.gradient
def matrix_set_diag_grad(made: Any, grad: Tensor) -> list[Any]:
    sizes: Any = merge(made.inputs[0].static_shape, grad.static_shape)
    diagonal = made.inputs[1].static_shape
    known: Any = None
    if sizes is not None:
        batch = merge(sizes[:-2], None if diagonal is None else diagonal[:-1])
        assert batch is not None
        if None not in batch and None not in sizes[-2:]:
            known = [*batch, min(sizes[-2:])]
    if known is None:
        with colocate_with(grad):
            cut = raw_op("Slice")
            grad_shape, grad_rank = shape(grad), rank(grad)
            batch_shape = cut(grad_shape, [0], [grad_rank - 2])
            matrix_shape = cut(grad_shape, [grad_rank - 2], [2])
            smallest = raw_op("Min")(matrix_shape, [0])
            known = concat([batch_shape, [smallest]], 0)
    return [matrix_set_diag(grad, zeros(known, dtype=grad.dtype)), matrix_diag_part(grad)]


@op("MatrixDiagV2", static=("k", "num_rows", "num_cols"))
def matrix_diag_v2_op(xp: Any, diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any) -> Any:
    """Matrices with the given diagonals and `padding_value` elsewhere."""
    _require_diagonal(diagonal)
    band = _band(k, None, None)
    if band[0] < band[1] and (len(diagonal.shape) < 2 or diagonal.shape[-2] != band[1] - band[0] + 1):
        raise kernel_error(f"diagonal does not have {band[1] - band[0] + 1} rows: {diagonal.shape}")
    rows, columns = _size_of_diagonals(int(num_rows), int(num_cols), diagonal.shape[-1], band, kernel_error)
    batch = diagonal.shape[: -2 if band[0] < band[1] else -1]
    return _write(xp, xp.full((*batch, rows, columns), padding_value, dtype=diagonal.dtype), diagonal, band)


@matrix_diag_v2_op.shape
def matrix_diag_v2_shape(diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any) -> Any:
    with_rank_at_least(diagonal, 1)
    ends = static_values.whole(k)
    if diagonal is None or ends is None:
        return None
    band = _band(ends, None, None, ShapeError)
    batch = diagonal[: -2 if band[0] < band[1] else -1]
    rows, columns = static_values.whole_int(num_rows), static_values.whole_int(num_cols)
    if diagonal[-1] is None or rows is None or columns is None:
        known = [None if s in (None, -1) else s for s in (rows, columns)]
        return (*batch, *known)
    return (*batch, *_size_of_diagonals(rows, columns, diagonal[-1], band, ShapeError))


@matrix_diag_v2_op.gradient
def matrix_diag_v2_grad(made: Any, grad: Tensor) -> list[Any]:
    return [matrix_diag_part(grad, k=made.inputs[1]), None, None, None, None]


@op("MatrixDiagPartV2", static=("k",))
def matrix_diag_part_v2_op(xp: Any, input: Any, k: Any, padding_value: Any) -> Any:
    """Some neighbouring diagonals of matrices."""
    return _read(xp, input, _band(k, *input.shape[-2:]), padding_value)


@matrix_diag_part_v2_op.shape
def matrix_diag_part_v2_shape(input: Any, k: Any, padding_value: Any) -> Any:
    with_rank_at_least(input, 2)
    ends = static_values.whole(k)
    if input is None or ends is None:
        return None
    rows, columns = input[-2:]
    low, high = _band(ends, rows, columns, ShapeError)
    longest = None if None in (rows, columns) else _longest(rows, columns, (low, high))
    return (*input[:-2], *((high - low + 1,) if low < high else ()), longest)


@matrix_diag_part_v2_op.gradient
def matrix_diag_part_v2_grad(made: Any, grad: Tensor) -> list[Any]:
    x, k, _ = made.inputs
    sizes = x.static_shape
    if sizes is not None and None not in sizes[-2:]:
        return [matrix_diag(grad, k=k, num_rows=sizes[-2], num_cols=sizes[-1]), None, None]
    return [matrix_set_diag(zeros_like(x), grad, k=k), None, None]


@op("MatrixSetDiagV2", static=("k",))
def matrix_set_diag_v2_op(xp: Any, input: Any, diagonal: Any, k: Any) -> Any:
    """Matrices with some neighbouring diagonals replaced."""
    return _write(xp, input, diagonal, _band(k, *input.shape[-2:]))


@matrix_set_diag_v2_op.shape
def matrix_set_diag_v2_shape(input: Any, diagonal: Any, k: Any) -> Any:
    with_rank_at_least(input, 2)
    with_rank_at_least(diagonal, 1)
    ends = static_values.whole(k)
    if ends is None or diagonal is None:
        return input
    rows, columns = input[-2:] if input is not None else (None, None)
    low, high = _band(ends, rows, columns, ShapeError)
    if input is not None:
        with_rank(diagonal, len(input) - (low == high))
    return merge(input, (*diagonal[: -1 if low == high else -2], None, None))


@matrix_set_diag_v2_op.gradient
def matrix_set_diag_v2_grad(made: Any, grad: Tensor) -> list[Any]:
    # Zeros of the diagonals' own shape; TF works it out of the shape of `grad` when it is not known statically.
    _, diagonal, k = made.inputs
    return [matrix_set_diag(grad, zeros_like(diagonal), k=k), matrix_diag_part(grad, k=k), None]


@op("MatrixBandPart", shape=unchanged_shape)
def matrix_band_part(xp: Any, input: Any, num_lower: Any, num_upper: Any) -> Any:
    """Matrices with zeros outside a band: `num_lower` diagonals below the main one, `num_upper` above; -1 is all."""
    row, column = np.arange(input.shape[-2])[:, None], np.arange(input.shape[-1])
    below, above = row - column, column - row
    inside = ((num_lower < 0) | (below <= num_lower)) & ((num_upper < 0) | (above <= num_upper))
    return xp.where(inside, input, xp.zeros((), input.dtype))


@matrix_band_part.gradient
def matrix_band_part_grad(made: Any, grad: Tensor) -> list[Any]:
    _, num_lower, num_upper = made.inputs
    return [matrix_band_part(grad, num_lower, num_upper), None, None]


for _name, _same in {
    "BatchMatrixDiag": matrix_diag_op,
    "BatchMatrixDiagPart": matrix_diag_part_op,
    "BatchMatrixSetDiag": matrix_set_diag_op,
    "BatchMatrixBandPart": matrix_band_part,
}.items():
    _alias = op(_name, shape=_same.opdef.shape_rule)(_same.opdef.kernel)  # type: ignore[arg-type]  # ops of this module have a kernel

public("matrix_band_part", "linalg.band_part")(matrix_band_part)


def _is_default(*pairs: tuple[Any, Any]) -> bool:
    return all(isinstance(given, int | float | bool) and given == default for given, default in pairs)


@public("matrix_diag", "linalg.diag")
def matrix_diag(
    diagonal: Any, name: str | None = "diag", k: Any = 0, num_rows: Any = -1, num_cols: Any = -1, padding_value: Any = 0
) -> Tensor:
    """Matrices with the given diagonals.

    Args:
        diagonal: any dtype, shape `[..., n]`; or `[..., m, n]`: `m` neighbouring diagonals, the uppermost first.
        name: the op's name.
        k: which diagonal, 0 for the main one, positive above it; or a pair: the lowest and the highest.
        num_rows: the number of rows, by default as few as will do.
        num_cols: the same for columns.
        padding_value: the value of all other elements.

    >>> sess.run(tf.linalg.diag([1, 2]))
    array([[1, 0],
           [0, 2]], dtype=int32)
    """
    if _is_default((k, 0), (num_rows, -1), (num_cols, -1), (padding_value, 0)):
        return matrix_diag_op(diagonal, name=name)
    return matrix_diag_v2_op(diagonal, k, num_rows, num_cols, padding_value, name=name)


@public("matrix_diag_part", "linalg.diag_part")
@dispatch.dispatching
def matrix_diag_part(input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0) -> Tensor:
    """The diagonals of matrices.

    Args:
        input: any dtype, shape `[..., m, n]`.
        name: the op's name.
        k: which diagonal, 0 for the main one, positive above it; or a pair: the lowest and the highest.
        padding_value: what fills up the shorter ones of several diagonals.

    Returns:
        shape `[..., length]`; or `[..., number, length]` for a pair `k`, the uppermost diagonal first.
    """
    if _is_default((k, 0), (padding_value, 0)):
        return matrix_diag_part_op(input, name=name)
    return matrix_diag_part_v2_op(input, k, padding_value, name=name)


@public("matrix_set_diag", "linalg.set_diag")
def matrix_set_diag(input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0) -> Tensor:
    """Matrices with some of their diagonals replaced.

    Args:
        input: any dtype, shape `[..., m, n]`.
        diagonal: the same dtype; the shape that `matrix_diag_part(input, k=k)` has.
        name: the op's name.
        k: which diagonal, or a pair: the lowest and the highest.
    """
    if _is_default((k, 0)):
        return matrix_set_diag_op(input, diagonal, name=name)
    return matrix_set_diag_v2_op(input, diagonal, k, name=name)


# The tensor ops: an array of rank n and its diagonal of rank 2n


@op("Diag")
def tensor_diag(xp: Any, diagonal: Any) -> Any:
    """An array of twice the rank, with `diagonal` where the first half of the coordinates equals the second."""
    n = int(np.prod(diagonal.shape))
    square = xp.where(np.eye(n, dtype=np.bool_), xp.reshape(diagonal, (n, 1)), xp.zeros((), diagonal.dtype))
    return xp.reshape(square, diagonal.shape * 2)


@tensor_diag.shape
def tensor_diag_shape(diagonal: Any) -> Any:
    with_rank_at_least(diagonal, 1)
    return None if diagonal is None else diagonal * 2


@op("DiagPart")
def tensor_diag_part(xp: Any, input: Any) -> Any:
    """The elements whose first half of the coordinates equals the second."""
    half = len(input.shape) // 2
    if len(input.shape) % 2 or input.shape[:half] != input.shape[half:]:
        raise kernel_error(f"a diagonal needs the two halves of the shape to agree: {tuple(input.shape)}")
    n = int(np.prod(input.shape[:half]))
    return xp.reshape(xp.diagonal(xp.reshape(input, (n, n))), input.shape[:half])


@tensor_diag_part.shape
def tensor_diag_part_shape(input: Any) -> Shape:
    if input is None:
        return None
    if len(input) % 2 or not input:
        raise ShapeError(f"Input must have even and non-zero rank, input rank is {len(input)}")
    return merge(input[: len(input) // 2], input[len(input) // 2 :])


@tensor_diag.gradient
def tensor_diag_grad(made: Any, grad: Tensor) -> Tensor:
    return tensor_diag_part(grad)


@tensor_diag_part.gradient
def tensor_diag_part_grad(made: Any, grad: Tensor) -> Tensor:
    return tensor_diag(grad)


public("diag", "linalg.tensor_diag")(tensor_diag)
public("diag_part", "linalg.tensor_diag_part")(tensor_diag_part)

__all__ = ["matrix_band_part", "matrix_diag", "matrix_diag_part", "matrix_set_diag", "tensor_diag", "tensor_diag_part"]
