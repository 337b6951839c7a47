"""Kronecker products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.grouping import group
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.linear_operators.operator_lists import batch_shape_of, checked_operators, hint_of_all, parents_of


@public("linalg.LinearOperatorKronecker")
class LinearOperatorKronecker(LinearOperator):
    """The Kronecker product of operators: each element of one is multiplied by the whole of the next.

    Args:
        operators: `LinearOperator`s.
        is_non_singular: a hint; it follows from those of the operators, as the next two do.
        is_self_adjoint: likewise.
        is_positive_definite: likewise.
        is_square: a hint.
        name: the name scope; those of the operators with "_x_" between them by default.
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operators = checked_operators(operators, "a list of >=1")
        hints = {}
        for hint, given, what in (
            ("is_non_singular", is_non_singular, "non-singular"),
            ("is_self_adjoint", is_self_adjoint, "self-adjoint"),
            ("is_positive_definite", is_positive_definite, "positive-definite"),
        ):
            message = f"The Kronecker product of {what} operators is always {what}."
            hints[hint] = hint_of_all(self._operators, hint, given, message)
        parents = parents_of(self._operators)
        name = "_x_".join(operator.name for operator in self._operators) if name is None else name
        with name_scope(name, values=parents):
            super().__init__(
                dtype=self._operators[0].dtype, graph_parents=parents, is_square=is_square, name=name, **hints
            )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return self._operators

    def _shape(self) -> TensorShape:
        columns, rows = self.operators[0].domain_dimension, self.operators[0].range_dimension
        for operator in self.operators[1:]:
            columns *= operator.domain_dimension
            rows *= operator.range_dimension
        return batch_shape_of(self.operators).concatenate(TensorShape([rows, columns]))

    def _shape_tensor(self) -> Tensor:
        columns = self.operators[0].domain_dimension_tensor()
        for operator in self.operators[1:]:
            columns *= operator.domain_dimension_tensor()
        rows = self.operators[0].range_dimension_tensor()
        for operator in self.operators[1:]:
            rows *= operator.range_dimension_tensor()
        batch = self.operators[0].batch_shape_tensor()
        for operator in self.operators[1:]:
            batch = array.broadcast_dynamic_shape(batch, operator.batch_shape_tensor())
        return array.concat((batch, [rows, columns]), 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._factor_by_factor(
            x,
            adjoint,
            adjoint_arg,
            lambda operator, part: operator.matmul(part, adjoint=adjoint, adjoint_arg=False),
            lambda operator, part: operator.matvec(part, adjoint=adjoint),
        )

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._factor_by_factor(
            rhs,
            adjoint,
            adjoint_arg,
            lambda operator, part: operator.solve(part, adjoint=adjoint, adjoint_arg=False),
            lambda operator, part: operator.solvevec(part, adjoint=adjoint),
        )

    def _factor_by_factor(
        self,
        x: Tensor,
        adjoint: bool,
        adjoint_arg: bool,
        to_matrix: Callable[[LinearOperator, Tensor], Tensor],
        to_vector: Callable[[LinearOperator, Tensor], Tensor],
    ) -> Tensor:
        """Apply one factor after another, each to its own axis of what is, but for the shape, a tensor of many axes.

        By `(A ⊗ B) vec(X) = vec(B X Aᵀ)`; the columns of `x` are put in front, where they are a batch.
        """
        if adjoint_arg:
            x = linear_algebra.adjoint(x)
        ones = array.concat([array.ones_like(self.batch_shape_tensor()), [1, 1]], 0)
        x += array.zeros(ones, dtype=x.dtype.base_dtype)
        output = _rotate_last_axis(x, to_front=True)[None, ...]
        for operator in self.operators[:-1]:
            size = operator.range_dimension_tensor() if adjoint else operator.domain_dimension_tensor()
            output = array.matrix_transpose(_as_matrix(output, size))
            output = array.matrix_transpose(to_matrix(operator, output))
            output = _as_vector(_rotate_last_axis(output, to_front=False))
            output = _rotate_last_axis(output, to_front=True)
        output = to_vector(self.operators[-1], output)
        output = _as_vector(_rotate_last_axis(output, to_front=False))
        output = _rotate_last_axis(output, to_front=False)
        if x.shape.is_fully_defined():
            batch = array.broadcast_static_shape(x.shape[:-2], self.batch_shape)
            rows = self.domain_dimension if adjoint else self.range_dimension
            output.set_shape(batch.concatenate([rows, x.shape[-1]]))
        return output

    def _determinant(self) -> Tensor:
        total = self.domain_dimension_tensor()
        determinant: Any = 1.0
        for operator in self.operators:
            own = operator.determinant()
            determinant *= own ** math.cast(total / operator.domain_dimension_tensor(), dtype=operator.dtype)
        return determinant

    def _log_abs_determinant(self) -> Tensor:
        total = self.domain_dimension_tensor()
        log_det: Any = 0.0
        for operator in self.operators:
            own = operator.log_abs_determinant()
            log_det += own * math.cast(total / operator.domain_dimension_tensor(), dtype=operator.dtype)
        return log_det

    def _trace(self) -> Tensor:
        trace: Any = 1.0
        for operator in self.operators:
            trace *= operator.trace()
        return trace

    def _diag_part(self) -> Tensor:
        diagonal = self.operators[0].diag_part()
        for operator in self.operators[1:]:
            diagonal = diagonal[..., :, None]
            diagonal *= operator.diag_part()[..., None, :]
            shape = array.concat([array.shape(diagonal)[:-2], [-1]], axis=0)
            diagonal = array.reshape(diagonal, shape=shape)
        size = self.domain_dimension if self.range_dimension > self.domain_dimension else self.range_dimension
        diagonal.set_shape(self.batch_shape.concatenate([size]))
        return diagonal

    def _to_dense(self) -> Tensor:
        product = self.operators[0].to_dense()
        for operator in self.operators[1:]:
            product = product[..., :, None, :, None]
            product *= operator.to_dense()[..., None, :, None, :]
            batch = array.shape(product)[:-4]
            rows = array.shape(product)[-4] * array.shape(product)[-3]
            columns = array.shape(product)[-2] * array.shape(product)[-1]
            product = array.reshape(product, shape=array.concat([batch, [rows, columns]], axis=0))
        product.set_shape(self.shape)
        return product

    def _assert_non_singular(self) -> Any:
        if not all(operator.is_square for operator in self.operators):
            message = "All Kronecker factors must be square for the product to be invertible."
            raise errors.InvalidArgumentError(None, None, message)
        return group([operator.assert_non_singular() for operator in self.operators])

    def _assert_self_adjoint(self) -> Any:
        if not all(operator.is_square for operator in self.operators):
            message = "All Kronecker factors must be square for the product to be self adjoint."
            raise errors.InvalidArgumentError(None, None, message)
        return group([operator.assert_self_adjoint() for operator in self.operators])


def _as_vector(matrix: Tensor) -> Tensor:
    """The columns one below another."""
    transposed = array.matrix_transpose(matrix)
    return array.reshape(transposed, array.concat([array.shape(matrix)[:-2], [-1]], axis=0))


def _as_matrix(vector: Tensor, columns: Tensor) -> Tensor:
    """The columns that are one below another, side by side."""
    shape = array.concat([array.shape(vector)[:-1], [columns, -1]], axis=0)
    return array.matrix_transpose(array.reshape(vector, shape))


def _rotate_last_axis(x: Tensor, to_front: bool) -> Tensor:
    """The last axis first, or the first one last."""
    rank = array.rank(x)
    if to_front:
        perm = array.concat([[rank - 1], math.range(0, rank - 1)], axis=0)
    else:
        perm = array.concat([math.range(1, rank), [0]], axis=0)
    return array.transpose(x, perm)
