"""Multiples of the identity matrix."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.assertions import (
    assert_compatible_matrix_dimensions,
    assert_not_ref_type,
    checked_size,
    convert_nonref_to_tensor,
)
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.static_values import get_static_value


class _IdentityFamily(LinearOperator):
    """What the identity and its multiples have in common."""

    _num_rows: Tensor
    _assert_proper_shapes: bool

    def _set_num_rows(self, num_rows: Any) -> None:
        size = batches.shape_tensor(num_rows, name="num_rows")
        self._num_rows_static = get_static_value(size)
        self._num_rows = checked_size(size, self._num_rows_static, "num_rows", 0, self._assert_proper_shapes)

    def _ones_diag(self) -> Tensor:
        shape: Any
        if self.shape.is_fully_defined():
            shape = self.batch_shape.concatenate([self._min_matrix_dim()])
        else:
            shape = array.concat([self.batch_shape_tensor(), [self._min_matrix_dim_tensor()]], axis=0)
        return array.ones(shape, dtype=self.dtype)

    def _batch_of_ones(self) -> Tensor:
        is_known = self.batch_shape.is_fully_defined()
        return array.ones(self.batch_shape if is_known else self.batch_shape_tensor(), dtype=self.dtype)

    def _checked_arg(self, x: Tensor) -> Tensor:
        if not self._assert_proper_shapes:
            return x
        return with_dependencies([assert_compatible_matrix_dimensions(self, x)], x)


@public("linalg.LinearOperatorIdentity")
class LinearOperatorIdentity(_IdentityFamily):
    """The identity matrix, or a batch of them.

    Args:
        num_rows: an int, or a scalar tensor.
        batch_shape: ints, or a vector; by default, one matrix that broadcasts with anything.
        dtype: the type of the elements, float32 by default.
        is_non_singular: must not be False; nor must the other hints.
        is_self_adjoint: likewise.
        is_positive_definite: likewise.
        is_square: likewise.
        assert_proper_shapes: whether sizes are checked when the graph runs.
        name: the name scope.
    """

    def __init__(
        self,
        num_rows: Any,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = True,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = True,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorIdentity",
    ) -> None:
        dtype = dtypes.as_dtype(dtype or dtypes.float32)
        self._assert_proper_shapes = assert_proper_shapes
        with name_scope(name):
            for hint, what in (
                (is_self_adjoint, "self adjoint"),
                (is_non_singular, "non-singular"),
                (is_positive_definite, "positive-definite"),
                (is_square, "square"),
            ):
                if not hint:
                    raise ValueError(f"An identity operator is always {what}.")
            super().__init__(
                dtype=dtype,
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=is_square,
                name=name,
            )
            assert_not_ref_type(num_rows, "num_rows")
            assert_not_ref_type(batch_shape, "batch_shape")
            self._set_num_rows(num_rows)
            self._batch_shape_arg: Tensor | None = None
            if batch_shape is not None:
                sizes = batches.shape_tensor(batch_shape, name="batch_shape_arg")
                self._batch_shape_static = get_static_value(sizes)
                self._batch_shape_arg = checked_size(
                    sizes, self._batch_shape_static, "batch_shape", 1, assert_proper_shapes
                )

    def _shape(self) -> TensorShape:
        matrix = TensorShape((self._num_rows_static, self._num_rows_static))
        return matrix if self._batch_shape_arg is None else TensorShape(self._batch_shape_static).concatenate(matrix)

    def _shape_tensor(self) -> Tensor:
        matrix = array.stack((self._num_rows, self._num_rows), axis=0)
        return matrix if self._batch_shape_arg is None else array.concat((self._batch_shape_arg, matrix), 0)

    def _assert_non_singular(self) -> Any:
        return no_op("assert_non_singular")

    def _assert_positive_definite(self) -> Any:
        return no_op("assert_positive_definite")

    def _assert_self_adjoint(self) -> Any:
        return no_op("assert_self_adjoint")

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        return in_batch_of(self, self._checked_arg(x))

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Tensor:
        return array.ones(self.batch_shape_tensor(), dtype=self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return array.zeros(self.batch_shape_tensor(), dtype=self.dtype)

    def _trace(self) -> Tensor:
        ones = self._batch_of_ones()
        size = self._min_matrix_dim()
        if size is not None:
            return size * ones
        return math.cast(self._min_matrix_dim_tensor(), self.dtype) * ones

    def _diag_part(self) -> Tensor:
        return self._ones_diag()

    def add_to_tensor(self, mat: Any, name: str = "add_to_tensor") -> Tensor:
        """The sum of the identity and the tensor `mat`."""
        with self._name_scope(name):
            mat = convert_to_tensor(mat, name="mat")
            return array.matrix_set_diag(mat, 1 + array.matrix_diag_part(mat))


def in_batch_of(operator: Any, x: Tensor) -> Tensor:
    """`x`, repeated to the batch shape that an operator was given, if it was."""
    if operator._batch_shape_arg is None:
        return x
    static = operator.batch_shape.concatenate([1, 1])
    result = array.broadcast_static_shape(x.shape, static)
    if not static.is_fully_defined():
        shape = array.concat((operator.batch_shape_tensor(), [1, 1]), 0)
        return x + array.zeros(shape, dtype=operator.dtype)
    return x if result == x.shape else x + array.zeros(static, dtype=operator.dtype)


@public("linalg.LinearOperatorScaledIdentity")
class LinearOperatorScaledIdentity(_IdentityFamily):
    """A multiple of the identity matrix, or a batch of them.

    Args:
        num_rows: an int, or a scalar tensor.
        multiplier: a tensor of the shape of the batch.
        is_non_singular: a hint.
        is_self_adjoint: a hint.
        is_positive_definite: a hint.
        is_square: must not be False.
        assert_proper_shapes: whether sizes are checked when the graph runs.
        name: the name scope.
    """

    def __init__(
        self,
        num_rows: Any,
        multiplier: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ) -> None:
        self._assert_proper_shapes = assert_proper_shapes
        with name_scope(name, values=[multiplier, num_rows]):
            self._multiplier = convert_nonref_to_tensor(multiplier, name="multiplier")
            if not self._multiplier.dtype.is_complex:
                if is_self_adjoint is False:
                    raise ValueError("A real diagonal operator is always self adjoint.")
                is_self_adjoint = True
            if not is_square:
                raise ValueError("A ScaledIdentity operator is always square.")
            assert_not_ref_type(num_rows, "num_rows")
            super().__init__(
                dtype=self._multiplier.dtype.base_dtype,
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=is_square,
                name=name,
            )
            self._set_num_rows(num_rows)
            self._num_rows_cast_to_dtype = math.cast(self._num_rows, self.dtype)
            self._num_rows_cast_to_real_dtype = math.cast(self._num_rows, self.dtype.real_dtype)

    @property
    def multiplier(self) -> Any:
        """What the identity is multiplied by."""
        return self._multiplier

    def _shape(self) -> TensorShape:
        return self.multiplier.shape.concatenate(TensorShape((self._num_rows_static, self._num_rows_static)))

    def _shape_tensor(self) -> Tensor:
        matrix = array.stack((self._num_rows, self._num_rows), axis=0)
        return array.concat((array.shape(self.multiplier), matrix), 0)

    def _assert_non_singular(self) -> Any:
        return checks.assert_positive(math.abs(self.multiplier), message="LinearOperator was singular")

    def _assert_positive_definite(self) -> Any:
        return checks.assert_positive(math.real(self.multiplier), message="LinearOperator was not positive definite.")

    def _assert_self_adjoint(self) -> Any:
        imaginary = math.imag(self.multiplier)
        message = "LinearOperator was not self-adjoint"
        return checks.assert_equal(array.zeros_like(imaginary), imaginary, message=message)

    def _as_matrix(self, conjugate: bool) -> Tensor:
        matrix = array.expand_dims(array.expand_dims(self.multiplier, -1), -1)
        return math.conj(matrix) if conjugate else matrix

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        return self._checked_arg(x) * self._as_matrix(conjugate=adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = linear_algebra.adjoint(rhs) if adjoint_arg else rhs
        return self._checked_arg(rhs) / self._as_matrix(conjugate=adjoint)

    def _determinant(self) -> Tensor:
        return self.multiplier**self._num_rows_cast_to_dtype

    def _log_abs_determinant(self) -> Tensor:
        return self._num_rows_cast_to_real_dtype * math.log(math.abs(self.multiplier))

    def _trace(self) -> Tensor:
        ones = self._batch_of_ones()
        size = self._min_matrix_dim()
        if size is not None:
            return self.multiplier * size * ones
        return self.multiplier * math.cast(self._min_matrix_dim_tensor(), self.dtype) * ones

    def _diag_part(self) -> Tensor:
        return self._ones_diag() * self.multiplier[..., None]

    def add_to_tensor(self, mat: Any, name: str = "add_to_tensor") -> Tensor:
        """The sum of the matrix and the tensor `mat`."""
        with self._name_scope(name):
            multiplier = array.expand_dims(self.multiplier, -1)
            mat = convert_to_tensor(mat, name="mat")
            return array.matrix_set_diag(mat, multiplier + array.matrix_diag_part(mat))
