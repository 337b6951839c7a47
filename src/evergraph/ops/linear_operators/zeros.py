"""The zero matrix."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.assertions import (
    assert_compatible_matrix_dimensions,
    assert_not_ref_type,
    checked_size,
)
from evergraph.ops.linear_operators.identity import in_batch_of
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.static_values import get_static_value


@public("linalg.LinearOperatorZeros")
class LinearOperatorZeros(LinearOperator):
    """A matrix of zeros, or a batch of them.

    Args:
        num_rows: an int, or a scalar tensor.
        num_columns: likewise; as many as rows by default.
        batch_shape: ints, or a vector; by default, one matrix that broadcasts with anything.
        dtype: the type of the elements, float32 by default.
        is_non_singular: must not be True.
        is_self_adjoint: must not be False for a square matrix.
        is_positive_definite: must not be True.
        is_square: must not be True for a matrix that is not.
        assert_proper_shapes: whether sizes are checked when the graph runs.
        name: the name scope.
    """

    def __init__(
        self,
        num_rows: Any,
        num_columns: Any = None,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = False,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = False,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorZeros",
    ) -> None:
        dtype = dtypes.as_dtype(dtype or dtypes.float32)
        self._assert_proper_shapes = assert_proper_shapes
        with name_scope(name):
            if not is_self_adjoint and is_square:
                raise ValueError("A zero operator is always self adjoint.")
            if is_non_singular:
                raise ValueError("A zero operator is always singular.")
            if is_positive_definite:
                raise ValueError("A zero operator is always not positive-definite.")
            super().__init__(
                dtype=dtype,
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=is_square,
                name=name,
            )
            for argument, what in ((num_rows, "num_rows"), (num_columns, "num_columns"), (batch_shape, "batch_shape")):
                assert_not_ref_type(argument, what)
            rows = batches.shape_tensor(num_rows, name="num_rows")
            self._num_rows_static = get_static_value(rows)
            columns = batches.shape_tensor(num_rows if num_columns is None else num_columns, name="num_columns")
            self._num_columns_static = get_static_value(columns)
            self._num_rows = checked_size(rows, self._num_rows_static, "num_rows", 0, assert_proper_shapes)
            self._num_columns = checked_size(columns, self._num_columns_static, "num_columns", 0, assert_proper_shapes)
            sizes = self._num_rows_static, self._num_columns_static
            if is_square and None not in sizes and sizes[0] != sizes[1]:
                raise ValueError(
                    f"LinearOperatorZeros initialized as is_square=True, but got num_rows({sizes[0]}) != "
                    f"num_columns({sizes[1]})"
                )
            self._batch_shape_arg: Tensor | None = None
            if batch_shape is not None:
                batch = batches.shape_tensor(batch_shape, name="batch_shape_arg")
                self._batch_shape_static = get_static_value(batch)
                self._batch_shape_arg = checked_size(
                    batch, self._batch_shape_static, "batch_shape", 1, assert_proper_shapes
                )

    def _shape(self) -> TensorShape:
        matrix = TensorShape((self._num_rows_static, self._num_columns_static))
        return matrix if self._batch_shape_arg is None else TensorShape(self._batch_shape_static).concatenate(matrix)

    def _shape_tensor(self) -> Tensor:
        matrix = array.stack((self._num_rows, self._num_columns), axis=0)
        return matrix if self._batch_shape_arg is None else array.concat((self._batch_shape_arg, matrix), 0)

    def _assert_non_singular(self) -> Any:
        raise errors.InvalidArgumentError(None, None, "Zero operators are always non-invertible.")

    def _assert_positive_definite(self) -> Any:
        raise errors.InvalidArgumentError(None, None, "Zero operators are always non-positive definite.")

    def _assert_self_adjoint(self) -> Any:
        return no_op("assert_self_adjoint")

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        if self._assert_proper_shapes:
            x = linear_algebra.adjoint(x) if adjoint_arg else x
            x = with_dependencies([assert_compatible_matrix_dimensions(self, x)], x)
        if not self.is_square:
            shape = array.shape(x)
            n = self._num_columns if adjoint else self._num_rows
            m = shape[-2] if adjoint_arg else shape[-1]
            shape = array.concat([shape[:-2], [n, m]], axis=0)
        elif adjoint_arg:
            batch = array.shape(x)[:-2]
            shape = array.concat([batch, [array.shape(x)[-1], array.shape(x)[-2]]], axis=0)
        else:
            shape = array.shape(x)
        return in_batch_of(self, array.zeros(shape, dtype=x.dtype))

    def _determinant(self) -> Tensor:
        return self._batch_of_zeros()

    def _trace(self) -> Tensor:
        return self._batch_of_zeros()

    def _batch_of_zeros(self) -> Tensor:
        is_known = self.batch_shape.is_fully_defined()
        return array.zeros(self.batch_shape if is_known else self.batch_shape_tensor(), dtype=self.dtype)

    def _diag_part(self) -> Tensor:
        shape: Any
        if self.shape.is_fully_defined():
            shape = self.batch_shape.concatenate([self._min_matrix_dim()])
        else:
            shape = array.concat([self.batch_shape_tensor(), [self._min_matrix_dim_tensor()]], axis=0)
        return array.zeros(shape, dtype=self.dtype)

    def add_to_tensor(self, mat: Any, name: str = "add_to_tensor") -> Tensor:
        """The tensor `mat`, repeated to the shape of the batch."""
        return in_batch_of(self, mat)
