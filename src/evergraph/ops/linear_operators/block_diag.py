"""Operators side by side along a diagonal."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.grouping import group
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.linear_operators.operator_lists import (
    batch_shape_of,
    batch_shape_tensor_of,
    checked_operators,
    hint_of_all,
    parents_of,
)


@public("linalg.LinearOperatorBlockDiag")
class LinearOperatorBlockDiag(LinearOperator):
    """The direct sum of square operators: each is applied to its own part of a vector.

    Args:
        operators: square `LinearOperator`s.
        is_non_singular: a hint; it follows from those of the operators, as the next two do.
        is_self_adjoint: likewise.
        is_positive_definite: likewise.
        is_square: must not be False.
        name: the name scope; those of the operators with "_ds_" between them by default.
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        self._operators = checked_operators(operators, "a non-empty list of")
        hints = {}
        for hint, given, what in (
            ("is_non_singular", is_non_singular, "non-singular"),
            ("is_self_adjoint", is_self_adjoint, "self-adjoint"),
            ("is_positive_definite", is_positive_definite, "positive definite"),
        ):
            message = f"The direct sum of {what} operators is always {what}."
            hints[hint] = hint_of_all(self._operators, hint, given, message)
        if not (is_square and all(operator.is_square for operator in self._operators)):
            raise ValueError("Can only represent a block diagonal of square matrices.")
        parents = parents_of(self._operators)
        name = "_ds_".join(operator.name for operator in self._operators) if name is None else name
        with name_scope(name, values=parents):
            super().__init__(dtype=self._operators[0].dtype, graph_parents=parents, is_square=True, name=name, **hints)

    @property
    def operators(self) -> list[LinearOperator]:
        """The blocks."""
        return self._operators

    def _shape(self) -> TensorShape:
        columns, rows = self.operators[0].domain_dimension, self.operators[0].range_dimension
        for operator in self.operators[1:]:
            columns += operator.domain_dimension
            rows += operator.range_dimension
        return batch_shape_of(self.operators).concatenate(TensorShape([columns, rows]))

    def _shape_tensor(self) -> Tensor:
        if self.shape.is_fully_defined():
            return convert_to_tensor(self.shape.as_list(), dtype=dtypes.int32, name="shape")
        columns = self.operators[0].domain_dimension_tensor()
        rows = self.operators[0].range_dimension_tensor()
        for operator in self.operators[1:]:
            columns += operator.domain_dimension_tensor()
            rows += operator.range_dimension_tensor()
        matrix = array.stack([columns, rows])
        return array.concat((batch_shape_tensor_of(self.operators), matrix), 0)

    def _parts(self, x: Tensor, axis: int) -> list[Tensor]:
        """What of `x` each block is applied to."""
        sizes: list[Any]
        if self.shape.is_fully_defined():
            sizes = [operator.domain_dimension.value for operator in self.operators]
        else:
            sizes = [operator.domain_dimension_tensor() for operator in self.operators]
        return array.split(x, sizes, axis=axis)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        results = [
            operator.matmul(part, adjoint=adjoint, adjoint_arg=adjoint_arg)
            for operator, part in zip(self.operators, self._parts(x, -1 if adjoint_arg else -2), strict=True)
        ]
        return array.concat(batches.broadcast_matrix_batch_dims(results), axis=-2)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        solutions = [
            operator.solve(part, adjoint=adjoint, adjoint_arg=adjoint_arg)
            for operator, part in zip(self.operators, self._parts(rhs, -1 if adjoint_arg else -2), strict=True)
        ]
        return array.concat(batches.broadcast_matrix_batch_dims(solutions), axis=-2)

    def _determinant(self) -> Tensor:
        result = self.operators[0].determinant()
        for operator in self.operators[1:]:
            result *= operator.determinant()
        return result

    def _log_abs_determinant(self) -> Tensor:
        result = self.operators[0].log_abs_determinant()
        for operator in self.operators[1:]:
            result += operator.log_abs_determinant()
        return result

    def _diag_part(self) -> Tensor:
        columns = [operator.diag_part()[..., None] for operator in self.operators]
        diagonal = array.concat(batches.broadcast_matrix_batch_dims(columns), axis=-2)
        return array.squeeze(diagonal, axis=-1)

    def _trace(self) -> Tensor:
        result = self.operators[0].trace()
        for operator in self.operators[1:]:
            result += operator.trace()
        return result

    def _to_dense(self) -> Tensor:
        done: Any = 0
        rows = []
        for block in batches.broadcast_matrix_batch_dims([operator.to_dense() for operator in self.operators]):
            row_shape = array.shape(block)[:-1]
            before = array.zeros(array.concat([row_shape, [done]], axis=-1), dtype=block.dtype)
            done += array.shape(block)[-1]
            after_shape = array.concat([row_shape, [self.domain_dimension_tensor() - done]], axis=-1)
            after = array.zeros(after_shape, dtype=block.dtype)
            rows.append(array.concat([before, block, after], axis=-1))
        matrix = array.concat(rows, axis=-2)
        matrix.set_shape(self.shape)
        return matrix

    def _assert_non_singular(self) -> Any:
        return group([operator.assert_non_singular() for operator in self.operators])

    def _assert_self_adjoint(self) -> Any:
        return group([operator.assert_self_adjoint() for operator in self.operators])

    def _assert_positive_definite(self) -> Any:
        return group([operator.assert_positive_definite() for operator in self.operators])
