"""Toeplitz matrices: constant along each diagonal."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math, spectral
from evergraph.ops.linear_operators.circulant import LinearOperatorCirculant, complex_of
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorToeplitz")
class LinearOperatorToeplitz(LinearOperator):
    """A square matrix that is constant along each diagonal, or a batch of them.

    It is applied by way of a circulant one twice its size, of which it is a corner.

    Args:
        col: the first column, shape `batch + [n]`.
        row: the first row, shape `batch + [n]`; its first element is not looked at.
        is_non_singular: a hint.
        is_self_adjoint: a hint.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ) -> None:
        with name_scope(name, values=[row, col]):
            self._row = convert_to_tensor(row, name="row")
            self._col = convert_to_tensor(col, name="col")
            _check(self._row, self._col)
            zero = array.zeros_like(self._col[..., 0:1])
            column = array.concat([self._col, zero, array.reverse(self._row[..., 1:], axis=[-1])], axis=-1)
            self._circulant = LinearOperatorCirculant(
                spectral.fft(complex_of(column)), input_output_dtype=self._row.dtype
            )
            if is_square is False:
                raise ValueError("Only square Toeplitz operators currently supported.")
            super().__init__(
                dtype=self._row.dtype,
                graph_parents=[self._row, self._col],
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=True,
                name=name,
            )

    @property
    def col(self) -> Tensor:
        """The first column."""
        return self._col

    @property
    def row(self) -> Tensor:
        """The first row."""
        return self._row

    def _shape(self) -> TensorShape:
        shape = array.broadcast_static_shape(self.row.shape, self.col.shape)
        return shape.concatenate(shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = array.broadcast_dynamic_shape(array.shape(self.row), array.shape(self.col))
        return array.concat((shape, [shape[-1]]), 0)

    def _assert_self_adjoint(self) -> Any:
        message = "row and col are not the same, and so this operator is not self-adjoint."
        return checks.assert_equal(self.row, self.col, message=message)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        twice = array.concat([x, array.zeros_like(x)], axis=-2)
        result = self._circulant.matmul(twice, adjoint=adjoint, adjoint_arg=False)
        return math.cast(result[..., : self.domain_dimension_tensor(), :], self.dtype)

    def _trace(self) -> Tensor:
        return math.cast(self.domain_dimension_tensor(), dtype=self.dtype) * self.col[..., 0]

    def _diag_part(self) -> Tensor:
        return self.col[..., 0:1] * array.ones([self.domain_dimension_tensor()], self.dtype)


def _check(row: Tensor, col: Tensor) -> None:
    for name, vector in (("row", row), ("col", col)):
        if vector.shape.ndims == 0:
            raise ValueError(f"Argument {name} must have at least 1 dimension.  Found: {vector}")
    if row.shape[-1] != col.shape[-1]:
        raise ValueError("Expected square matrix, got row and col with mismatched dimensions.")
