"""Triangular and banded matrices made of vectors, for the parameters of distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, diagonal, math
from evergraph.ops.distributions.known_values import prefer_static_rank


def _side_of(length: int) -> np.int32:
    side = np.sqrt(0.25 + 2.0 * length) - 0.5
    if side != np.floor(side):
        raise ValueError(f"Input right-most shape ({length}) does not correspond to a triangular matrix.")
    return np.int32(side)


@public("contrib.distributions.fill_triangular")
def fill_triangular(x: Any, upper: bool = False, name: str | None = None) -> Tensor:
    """A triangular matrix of the numbers of a vector, put in along a clockwise spiral.

    Args:
        x: a vector of `n (n + 1) / 2` numbers, or a batch of them.
        upper: make the upper triangle rather than the lower.
        name: the name scope.

    Returns:
        shape `x.shape[:-1] + [n, n]`.

    Raises:
        ValueError: if no triangle has that many numbers.
    """
    with name_scope(name, "fill_triangular", values=[x]):
        x = convert_to_tensor(x, name="x")
        length = x.shape.with_rank_at_least(1).dims[-1].value if x.shape.ndims is not None else None
        n: Any
        if length is not None:
            n = _side_of(length)
            static = x.shape[:-1].concatenate([n, n])
        else:
            doubled = 2 * array.shape(x)[-1]
            n = math.cast(math.sqrt(0.25 + math.cast(doubled, dtype=dtypes.float32)), dtype=dtypes.int32)
            static = x.shape.with_rank_at_least(1)[:-1].concatenate([None, None])
        rank = prefer_static_rank(x)
        if upper:
            parts = [x, array.reverse(x[..., n:], axis=[rank - 1])]
        else:
            parts = [x[..., n:], array.reverse(x, axis=[rank - 1])]
        full: Any = static.as_list() if static.is_fully_defined() else array.concat([array.shape(x)[:-1], [n, n]], 0)
        square = array.reshape(array.concat(parts, axis=-1), full)
        made = diagonal.matrix_band_part(square, num_lower=0 if upper else -1, num_upper=-1 if upper else 0)
        made.set_shape(static)
        return made


@public("contrib.distributions.fill_triangular_inverse")
def fill_triangular_inverse(x: Any, upper: bool = False, name: str | None = None) -> Tensor:
    """The vector of which `fill_triangular` makes a triangular matrix.

    Args:
        x: a matrix, or a batch of them, shape `[..., n, n]`.
        upper: read the upper triangle rather than the lower.
        name: the name scope.

    Returns:
        shape `[..., n (n + 1) / 2]`.
    """
    with name_scope(name, "fill_triangular_inverse", values=[x]):
        x = convert_to_tensor(x, name="x")
        side = x.shape.with_rank_at_least(2).dims[-1].value if x.shape.ndims is not None else None
        n: Any
        length: Any
        if side is not None:
            n = np.int32(side)
            length = np.int32((n * (n + 1)) // 2)
            static = x.shape[:-2].concatenate([length])
        else:
            n = array.shape(x)[-1]
            length = (n * (n + 1)) // 2
            static = x.shape.with_rank_at_least(2)[:-2].concatenate([None])
        rank = prefer_static_rank(x)
        if upper:
            first, rest = x[..., 0, :], x[..., 1:, :]
        else:
            first = array.reverse(x[..., -1, :], axis=[rank - 2])
            rest = x[..., :-1, :]
        turned = array.reverse(array.reverse(rest, axis=[rank - 1]), axis=[rank - 2])
        both = rest + turned
        tail = array.reshape(both, array.concat([array.shape(x)[:-2], [n * (n - 1)]], axis=0))
        made = array.concat([first, tail[..., : length - n]], axis=-1)
        made.set_shape(static)
        return made


def _with_zero_ends(x: Tensor) -> Tensor:
    zero = array.zeros(array.concat([array.shape(x)[:-1], [1]], axis=0), dtype=x.dtype)
    return array.concat([zero, x, zero], axis=-1)


@public("contrib.distributions.tridiag")
def tridiag(below: Any = None, diag: Any = None, above: Any = None, name: str | None = None) -> Tensor:
    """A matrix with numbers on the diagonal and beside it, and zeros elsewhere.

    Args:
        below: the numbers below the diagonal, shape `[..., n - 1]`; None for zeros.
        diag: those of the diagonal, shape `[..., n]`; None for zeros.
        above: those above the diagonal, shape `[..., n - 1]`; None for zeros.
        name: the name scope.

    Raises:
        ValueError: if none of the three is given.
    """
    with name_scope(name, "tridiag", values=[below, diag, above]):
        parts = []
        if below is not None:
            padded = _with_zero_ends(convert_to_tensor(below, name="below"))
            parts.append(diagonal.matrix_diag(padded)[..., :-1, 1:])
        if diag is not None:
            parts.append(diagonal.matrix_diag(convert_to_tensor(diag, name="diag")))
        if above is not None:
            padded = _with_zero_ends(convert_to_tensor(above, name="above"))
            parts.append(diagonal.matrix_diag(padded)[..., 1:, :-1])
        if not parts:
            raise ValueError("Must specify at least one of `below`, `diag`, `above`.")
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


@public("contrib.distributions.matrix_diag_transform")
def matrix_diag_transform(
    matrix: Any, transform: Callable[[Tensor], Any] | None = None, name: str | None = None
) -> Tensor:
    """A matrix with a function applied to its diagonal.

    Args:
        matrix: a square matrix, or a batch of them.
        transform: from the diagonal to a new one; None to change nothing.
        name: the name scope.
    """
    with name_scope(name, "matrix_diag_transform", [matrix]):
        matrix = convert_to_tensor(matrix, name="matrix")
        if transform is None:
            return matrix
        return diagonal.matrix_set_diag(matrix, transform(diagonal.matrix_diag_part(matrix)))
