"""Arithmetic with the indices of sparse tensors, for kernels.

`indices` has one row an element and one column a dimension. *In order* means row-major order, without repeats: most
kernels rely on it, and some check it. How many elements there are is a static size, so what keeps their number runs on
devices; what drops or finds elements runs on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework.shapes import bracket_text
from evergraph.ops.opdef import kernel_error, require


def require_parts(indices: Any, values: Any, sizes: Any) -> None:
    """Insist that the three parts of a sparse tensor fit each other."""
    if indices.ndim != 2:
        raise kernel_error(f"Input indices should be a matrix but received shape {bracket_text(indices.shape)}")
    if values.ndim != 1:
        raise kernel_error(f"Input values should be a vector but received shape {bracket_text(values.shape)}")
    if sizes.ndim != 1:
        raise kernel_error(f"Input shape should be a vector but received shape {bracket_text(sizes.shape)}")
    if indices.shape[0] != values.shape[0]:
        raise kernel_error(
            f"indices and values rows (indexing dimension) must match. (indices = {indices.shape[0]}, values = "
            f"{values.shape[0]})"
        )
    if indices.shape[1] != sizes.shape[0]:
        raise kernel_error(
            f"Shape rank must be SparseTensor rank: the shape has {sizes.shape[0]} sizes, indices have "
            f"{indices.shape[1]} columns"
        )


def checked_sizes(sizes: Any) -> list[int]:
    """The entries of a shape vector.

    Raises:
        InvalidArgumentError: if one is negative, or there are more elements than can be numbered.
    """
    found = [int(size) for size in np.ravel(sizes).tolist()]
    total = 1
    for i, size in enumerate(found):
        if size < 0:
            raise kernel_error(f"Dimension {size} must be >= 0 (size {i} of the shape {bracket_text(tuple(found))})")
        total *= size
    if total >= 1 << 63:
        raise kernel_error(f"Shape {bracket_text(tuple(found))} would have more than 2**63 - 1 elements")
    return found


def strides(sizes: Sequence[int]) -> list[int]:
    """How far apart neighbours along each dimension are in row-major order."""
    found = [1] * len(sizes)
    for i in range(len(sizes) - 1, 0, -1):
        found[i - 1] = found[i] * sizes[i]
    return found


def positions(xp: Any, indices: Any, sizes: Sequence[int]) -> Any:
    """The row-major number of each row of `indices`: int64."""
    at = xp.zeros(indices.shape[0], np.int64)
    for column, stride in enumerate(strides(sizes)):
        at = at + indices[:, column].astype(np.int64) * np.int64(stride)
    return at


def unraveled(xp: Any, at: Any, sizes: Sequence[int]) -> Any:
    """The rows of indices that row-major numbers stand for."""
    columns = []
    for stride in strides(sizes):
        stride = max(stride, 1)
        columns.append(at // np.int64(stride))
        at = at % np.int64(stride)
    return xp.stack(columns, axis=1) if columns else xp.zeros((at.shape[0], 0), np.int64)


def compared(xp: Any, a: Any, b: Any) -> Any:
    """-1, 0 or 1 for each pair of rows: whether that of `a` comes before, is, or comes after that of `b`."""
    result = xp.zeros(a.shape[0], np.int8)
    for column in range(a.shape[1] - 1, -1, -1):
        sign = xp.sign(a[:, column] - b[:, column]).astype(np.int8)
        result = xp.where(sign != 0, sign, result)
    return result


def in_bounds(xp: Any, indices: Any, sizes: Sequence[int]) -> Any:
    """Whether each row names an element of a tensor of the shape `sizes`."""
    limits = np.array(sizes, indices.dtype)
    return xp.all((indices >= 0) & (indices < limits), axis=1)


def require_in_order(xp: Any, indices: Any, sizes: Sequence[int], what: str = "") -> None:
    """Insist that indices are in bounds, in row-major order and without repeats."""
    if not indices.shape[0]:
        return
    inside = in_bounds(xp, indices, sizes)
    steps = compared(xp, indices[1:], indices[:-1])
    if not isinstance(inside, np.ndarray):
        require(xp, inside, lambda: kernel_error("indices"))  # run again op by op, the kernel says which
        require(xp, steps > 0, lambda: kernel_error("indices"))
        return
    before = np.concatenate([[np.int8(1)], steps])
    bad = ~inside | (before <= 0)
    if not bad.any():
        return
    row = int(np.argmax(bad))
    text = f"{what}indices[{row}] = [{','.join(map(str, indices[row].tolist()))}]"
    if not inside[row]:
        raise kernel_error(f"{text} is out of bounds: need 0 <= index < {bracket_text(tuple(sizes))}")
    if before[row] < 0:
        raise kernel_error(
            f"{text} is out of order. Many sparse ops require sorted indices.\n"
            "    Use `tf.sparse.reorder` to create a correctly ordered copy.\n\n"
        )
    raise kernel_error(f"{text} is repeated")


def row_major_order(xp: Any, indices: Any) -> Any:
    """The permutation that puts rows in row-major order; it leaves equal rows as they follow each other."""
    n = indices.shape[0]
    if not indices.shape[1] or n < 2:
        return np.arange(n)
    if isinstance(indices, np.ndarray):
        if (compared(np, indices[1:], indices[:-1]) >= 0).all():
            return np.arange(n)
        return np.lexsort(indices.T[::-1])
    import jax

    # A sort costs far more than finding out that it is not needed, which is the rule.
    is_ordered = xp.all(compared(xp, indices[1:], indices[:-1]) >= 0)
    keys = tuple(indices[:, column] for column in range(indices.shape[1] - 1, -1, -1))
    return jax.lax.cond(is_ordered, lambda: xp.arange(n), lambda: xp.lexsort(keys).astype(xp.arange(n).dtype))


def runs(xp: Any, indices: Any) -> Any:
    """The number of the run of equal rows that each row belongs to, counted from 0."""
    n = indices.shape[0]
    if not n:
        return xp.zeros(0, np.int64)
    starts = compared(xp, indices[1:], indices[:-1]) != 0
    return xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(starts, dtype=np.int64)])


def run_starts(indices: np.ndarray) -> np.ndarray:
    """Where each run of equal rows begins."""
    n = indices.shape[0]
    if not n:
        return np.zeros(0, np.int64)
    return np.concatenate([[0], 1 + np.flatnonzero(compared(np, indices[1:], indices[:-1]) != 0)])


def found_in(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Where each row of `rows` is in `among`; -1 for one that is not there. Of equal rows of `among`, the first."""
    n = len(among)
    both = np.concatenate([among, rows])
    order = np.lexsort(both.T[::-1]) if both.shape[1] else np.arange(len(both))
    ordered = both[order]
    first = order[run_starts(ordered)][runs(np, ordered)]  # the earliest of the equal rows: of `among`, if it is there
    result = np.empty(len(both), np.int64)
    result[order] = np.where(first < n, first, -1)
    return result[n:]
