"""What all linear operators have in common: shapes, hints, and slow ways by the dense matrix to whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from evergraph.framework import dtypes, log
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Dimension, TensorShape, dimension_at_index
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math
from evergraph.ops.linear_operators import algebra, batches
from evergraph.ops.linear_operators.assertions import is_ref


@public("linalg.LinearOperator")
class LinearOperator:
    """A matrix, or a batch of them, of shape `batch + [m, n]`, known by what it does.

    A subclass implements `_shape`, `_shape_tensor` and `_matmul`, and whatever of `_solve`, `_determinant`,
    `_to_dense`, `_diag_part`, ... it has a better way for than by the dense matrix.

    Args:
        dtype: the type of the elements.
        graph_parents: the tensors that the operator is made of.
        is_non_singular: a hint, taken on trust: True, False, or None if nobody knows.
        is_self_adjoint: likewise.
        is_positive_definite: likewise: the real part of `xᴴ A x` is positive for every `x` but 0.
        is_square: likewise.
        name: the name scope of what its methods build.

    Raises:
        ValueError: if hints contradict each other, or one of `graph_parents` is no tensor.
    """

    def __init__(
        self,
        dtype: Any,
        graph_parents: list[Any] | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        if is_positive_definite:
            if is_non_singular is False:
                raise ValueError("A positive definite matrix is always non-singular.")
            is_non_singular = True
        if is_non_singular:
            if is_square is False:
                raise ValueError("A non-singular matrix is always square.")
            is_square = True
        if is_self_adjoint:
            if is_square is False:
                raise ValueError("A self-adjoint matrix is always square.")
            is_square = True
        self._is_square_set_or_implied_by_hints = is_square
        parents = [] if graph_parents is None else graph_parents
        for i, t in enumerate(parents):
            if t is None or not (is_ref(t) or is_tensor_like(t)):
                raise ValueError(f"Graph parent item {i} is not a Tensor; {t}.")
        self._dtype = dtypes.as_dtype(dtype).base_dtype if dtype else dtype
        self._graph_parents = parents
        self._is_non_singular = is_non_singular
        self._is_self_adjoint = is_self_adjoint
        self._is_positive_definite = is_positive_definite
        self._name = name or type(self).__name__

    @contextmanager
    def _name_scope(self, name: str | None = None) -> Iterator[str]:
        with name_scope(self.name if name is None else f"{self.name}/{name}") as scope:
            yield scope

    # Properties

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self._dtype

    @property
    def name(self) -> str:
        """The name scope of what the methods build."""
        return self._name

    @property
    def graph_parents(self) -> list[Any]:
        """The tensors that the operator is made of."""
        return self._graph_parents

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that the operator is made of."""
        found: list[Any] = []
        for part in [*vars(self).values()]:
            for item in part if isinstance(part, list | tuple) else (part,):
                inside = item.variables if isinstance(item, LinearOperator) else (item,) if is_ref(item) else ()
                found.extend(v for v in inside if all(v is not other for other in found))
        return tuple(found)

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """Those of `variables` that are trainable."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def is_non_singular(self) -> bool | None:
        """Whether there is an inverse, as far as hints tell."""
        return self._is_non_singular

    @property
    def is_self_adjoint(self) -> bool | None:
        """Whether the operator is its own adjoint, as far as hints tell."""
        return self._is_self_adjoint

    @property
    def is_positive_definite(self) -> bool | None:
        """Whether the real part of `xᴴ A x` is positive for every `x` but 0, as far as hints tell."""
        return self._is_positive_definite

    @property
    def is_square(self) -> bool | None:
        """Whether there are as many rows as columns, as far as hints or the static shape tell."""
        is_known_square = self.domain_dimension == self.range_dimension
        hint = self._is_square_set_or_implied_by_hints
        if hint is False and is_known_square:
            raise ValueError("User set is_square hint to False, but the operator was square.")
        return is_known_square if hint is None else hint

    # Shapes

    def _shape(self) -> TensorShape:
        raise NotImplementedError("_shape is not implemented.")

    def _shape_tensor(self) -> Tensor:
        raise NotImplementedError("_shape_tensor is not implemented.")

    @property
    def shape(self) -> TensorShape:
        """`batch + [m, n]`, as far as it is known while the graph is built."""
        return self._shape()

    def shape_tensor(self, name: str = "shape_tensor") -> Tensor:
        """`batch + [m, n]`, an int32 vector."""
        with self._name_scope(name):
            if self.shape.is_fully_defined():
                return batches.shape_tensor(self.shape.as_list())
            return self._shape_tensor()

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of the batch, as far as it is known while the graph is built."""
        return self.shape[:-2]

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch, an int32 vector."""
        with self._name_scope(name):
            if self.batch_shape.is_fully_defined():
                return batches.shape_tensor(self.batch_shape.as_list(), name="batch_shape")
            return self.shape_tensor()[:-2]

    @property
    def tensor_rank(self) -> int | None:
        """How many axes the dense tensor has, if that is known."""
        return self.shape.ndims

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Tensor:
        """How many axes the dense tensor has."""
        with self._name_scope(name):
            rank = self.tensor_rank
            return array.size(self.shape_tensor()) if rank is None else convert_to_tensor(rank)

    @property
    def domain_dimension(self) -> Dimension:
        """How many columns there are: the size of the vectors that the operator is applied to."""
        return dimension_at_index(self.shape, -1)

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Tensor:
        """How many columns there are, a scalar tensor."""
        with self._name_scope(name):
            size = self.domain_dimension.value
            return self.shape_tensor()[-1] if size is None else convert_to_tensor(size)

    @property
    def range_dimension(self) -> Dimension:
        """How many rows there are: the size of the vectors that come out."""
        return dimension_at_index(self.shape, -2) if self.shape.ndims else Dimension(None)

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Tensor:
        """How many rows there are, a scalar tensor."""
        with self._name_scope(name):
            size = self.range_dimension.value
            return self.shape_tensor()[-2] if size is None else convert_to_tensor(size)

    def _min_matrix_dim(self) -> int | None:
        sizes = self.domain_dimension.value, self.range_dimension.value
        return None if None in sizes else min(sizes)  # type: ignore[type-var]  # both are known

    def _min_matrix_dim_tensor(self) -> Tensor:
        return math.reduce_min(self.shape_tensor()[-2:])

    # Assertions

    def assert_non_singular(self, name: str = "assert_non_singular") -> Any:
        """An op that fails if there is no inverse."""
        with self._name_scope(name):
            return self._assert_non_singular()

    def _assert_non_singular(self) -> Any:
        _warn_of_dense("assert_non_singular", "  Requires conversion to a dense matrix and O(N^3) operations.")
        if self._can_use_cholesky():
            return self.assert_positive_definite()
        singular_values = linear_algebra.svd(self.to_dense(), compute_uv=False)
        condition = math.reduce_max(singular_values, axis=-1) / math.reduce_min(singular_values, axis=-1)
        return checks.assert_less(
            condition,
            self._max_condition_number_to_be_non_singular(),
            message="Singular matrix up to precision epsilon.",
        )

    def _max_condition_number_to_be_non_singular(self) -> Tensor:
        with name_scope("max_nonsingular_condition_number"):
            sizes = [
                math.cast(self.range_dimension_tensor(), self.dtype),
                math.cast(self.domain_dimension_tensor(), self.dtype),
            ]
            largest = math.cast(math.reduce_max([100.0, *sizes]), self.dtype)
            return 1.0 / (largest * np.finfo(self.dtype.as_numpy_dtype).eps)

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        """An op that fails if the operator is not positive definite."""
        with self._name_scope(name):
            return self._assert_positive_definite()

    def _assert_positive_definite(self) -> Any:
        _warn_of_dense("assert_positive_definite", "  Requires conversion to a dense matrix and O(N^3) operations.")
        if not self.is_self_adjoint:
            raise NotImplementedError("assert_positive_definite is not implemented.")
        diagonal = array.matrix_diag_part(linear_algebra.cholesky(self.to_dense()))
        return checks.assert_positive(diagonal, message="Matrix was not positive definite.")

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Any:
        """An op that fails if the operator is not its own adjoint."""
        with self._name_scope(name):
            return self._assert_self_adjoint()

    def _assert_self_adjoint(self) -> Any:
        dense = self.to_dense()
        _warn_of_dense("assert_self_adjoint", "  Requires conversion to a dense matrix.")
        message = "Matrix was not equal to its adjoint."
        return checks.assert_equal(dense, linear_algebra.adjoint(dense), message=message)

    # Application

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """Apply the operator to the columns of `x`.

        Args:
            x: a tensor of shape `batch + [n, k]`, or a `LinearOperator`.
            adjoint: apply the adjoint of the operator.
            adjoint_arg: apply it to the adjoint of `x`.
            name: the name scope.

        Returns:
            A tensor of shape `batch + [m, k]`; a `LinearOperator` if `x` is one.

        Raises:
            ValueError: if the sizes do not agree.
            TypeError: if the types do not.
        """
        if isinstance(x, LinearOperator):
            left, right = self._as_operands(x, adjoint, adjoint_arg, "x")
            with self._name_scope(name):
                return algebra.matmul(left, right)
        with self._name_scope(name):
            x = convert_to_tensor(x, name="x")
            self._check_input_dtype(x)
            own = dimension_at_index(self.shape, -2 if adjoint else -1)
            own.assert_is_compatible_with(x.shape[-1 if adjoint_arg else -2])
            return self._matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        raise NotImplementedError("_matmul is not implemented.")

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Tensor:
        """Apply the operator to vectors.

        Args:
            x: a tensor of shape `batch + [n]`.
            adjoint: apply the adjoint of the operator.
            name: the name scope.

        Returns:
            A tensor of shape `batch + [m]`.
        """
        with self._name_scope(name):
            x = convert_to_tensor(x, name="x")
            self._check_input_dtype(x)
            dimension_at_index(self.shape, -2 if adjoint else -1).assert_is_compatible_with(x.shape[-1])
            return self._matvec(x, adjoint=adjoint)

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return array.squeeze(self.matmul(array.expand_dims(x, axis=-1), adjoint=adjoint), axis=-1)

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """What the operator has to be applied to so that `rhs` comes out.

        Args:
            rhs: a tensor of shape `batch + [m, k]`, or a `LinearOperator`.
            adjoint: solve for the adjoint of the operator.
            adjoint_arg: solve for the adjoint of `rhs`.
            name: the name scope.

        Returns:
            A tensor of shape `batch + [n, k]`; a `LinearOperator` if `rhs` is one.

        Raises:
            NotImplementedError: if the operator is known to be singular, or not to be square.
            ValueError: if the sizes do not agree.
            TypeError: if the types do not.
        """
        if self.is_non_singular is False:
            raise NotImplementedError("Exact solve not implemented for an operator that is expected to be singular.")
        if self.is_square is False:
            raise NotImplementedError("Exact solve not implemented for an operator that is expected to not be square.")
        if isinstance(rhs, LinearOperator):
            left, right = self._as_operands(rhs, adjoint, adjoint_arg, "rhs")
            with self._name_scope(name):
                return algebra.solve(left, right)
        with self._name_scope(name):
            rhs = convert_to_tensor(rhs, name="rhs")
            self._check_input_dtype(rhs)
            own = dimension_at_index(self.shape, -1 if adjoint else -2)
            own.assert_is_compatible_with(rhs.shape[-1 if adjoint_arg else -2])
            return self._solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        if self.is_square is False:
            raise NotImplementedError("Solve is not yet implemented for non-square operators.")
        _warn_of_dense("solve", "  Requires conversion to a dense matrix and O(N^3) operations.")
        rhs = linear_algebra.adjoint(rhs) if adjoint_arg else rhs
        if self._can_use_cholesky():
            return batches.cholesky_solve_with_broadcast(linear_algebra.cholesky(self.to_dense()), rhs)
        return batches.matrix_solve_with_broadcast(self.to_dense(), rhs, adjoint=adjoint)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Tensor:
        """What the operator has to be applied to so that the vectors `rhs` come out.

        Args:
            rhs: a tensor of shape `batch + [m]`.
            adjoint: solve for the adjoint of the operator.
            name: the name scope.

        Returns:
            A tensor of shape `batch + [n]`.
        """
        with self._name_scope(name):
            rhs = convert_to_tensor(rhs, name="rhs")
            self._check_input_dtype(rhs)
            dimension_at_index(self.shape, -1 if adjoint else -2).assert_is_compatible_with(rhs.shape[-1])
            return self._solvevec(rhs, adjoint=adjoint)

    def _solvevec(self, rhs: Tensor, adjoint: bool = False) -> Tensor:
        return array.squeeze(self.solve(array.expand_dims(rhs, axis=-1), adjoint=adjoint), axis=-1)

    def _as_operands(self, other: LinearOperator, adjoint: bool, adjoint_arg: bool, what: str) -> tuple[Any, Any]:
        left = self.adjoint() if adjoint else self
        right = other.adjoint() if adjoint_arg else other
        if right.range_dimension != left.domain_dimension:
            raise ValueError(
                f"Operators are incompatible. Expected `{what}` to have dimension {left.domain_dimension} "
                f"but got {right.range_dimension}."
            )
        return left, right

    def _check_input_dtype(self, arg: Tensor) -> None:
        if arg.dtype.base_dtype != self.dtype:
            raise TypeError(f"Expected argument to have dtype {self.dtype}.  Found: {arg.dtype} in tensor {arg}")

    # Determinants

    def determinant(self, name: str = "det") -> Tensor:
        """The determinant, of the shape of the batch.

        Raises:
            NotImplementedError: if the operator is known not to be square.
        """
        self._check_has_determinant()
        with self._name_scope(name):
            return self._determinant()

    def _determinant(self) -> Tensor:
        _warn_of_dense("determinant", "  Requires conversion to a dense matrix and O(N^3) operations.")
        if self._can_use_cholesky():
            return math.exp(self.log_abs_determinant())
        return linear_algebra.matrix_determinant(self.to_dense())

    def log_abs_determinant(self, name: str = "log_abs_det") -> Tensor:
        """The logarithm of the magnitude of the determinant, of the shape of the batch.

        Raises:
            NotImplementedError: if the operator is known not to be square.
        """
        self._check_has_determinant()
        with self._name_scope(name):
            return self._log_abs_determinant()

    def _log_abs_determinant(self) -> Tensor:
        _warn_of_dense("determinant", "  Requires conversion to a dense matrix and O(N^3) operations.")
        if self._can_use_cholesky():
            diagonal = array.matrix_diag_part(linear_algebra.cholesky(self.to_dense()))
            return 2 * math.reduce_sum(math.log(diagonal), axis=[-1])
        return linear_algebra.log_matrix_determinant(self.to_dense())[1]

    def _check_has_determinant(self) -> None:
        if self.is_square is False:
            raise NotImplementedError("Determinant not implemented for an operator that is expected to not be square.")

    # Other operators

    def adjoint(self, name: str = "adjoint") -> Any:
        """The operator of the conjugate transpose."""
        if self.is_self_adjoint is True:
            return self
        with self._name_scope(name):
            return algebra.adjoint(self)

    H = property(adjoint, None)

    def inverse(self, name: str = "inverse") -> Any:
        """The operator that undoes this one.

        Raises:
            ValueError: if the operator is known to be singular, or not to be square.
        """
        if self.is_square is False:
            raise ValueError("Cannot take the Inverse: This operator represents a non square matrix.")
        if self.is_non_singular is False:
            raise ValueError("Cannot take the Inverse: This operator represents a singular matrix.")
        with self._name_scope(name):
            return algebra.inverse(self)

    def cholesky(self, name: str = "cholesky") -> Any:
        """The lower triangular operator that makes this one, applied after its adjoint.

        Raises:
            ValueError: unless hints say that the operator is positive definite and its own adjoint.
        """
        if not self._can_use_cholesky():
            raise ValueError("Cannot take the Cholesky decomposition: Not a positive definite self adjoint matrix.")
        with self._name_scope(name):
            return algebra.cholesky(self)

    def _can_use_cholesky(self) -> bool | None:
        return self.is_self_adjoint and self.is_positive_definite

    # Elements

    def to_dense(self, name: str = "to_dense") -> Tensor:
        """The matrix as a tensor of shape `batch + [m, n]`."""
        with self._name_scope(name):
            return self._to_dense()

    def _to_dense(self) -> Tensor:
        batch = self.batch_shape if self.batch_shape.is_fully_defined() else self.batch_shape_tensor()
        size = self.domain_dimension.value
        n = self.domain_dimension_tensor() if size is None else size
        return self.matmul(linear_algebra.eye(num_rows=n, batch_shape=batch, dtype=self.dtype))

    def diag_part(self, name: str = "diag_part") -> Tensor:
        """The main diagonal, of shape `batch + [min(m, n)]`."""
        with self._name_scope(name):
            return self._diag_part()

    def _diag_part(self) -> Tensor:
        return array.matrix_diag_part(self.to_dense())

    def trace(self, name: str = "trace") -> Tensor:
        """The sum of the main diagonal, of the shape of the batch."""
        with self._name_scope(name):
            return self._trace()

    def _trace(self) -> Tensor:
        return math.reduce_sum(self.diag_part(), axis=-1)

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Tensor:
        """The sum of the matrix and the tensor `x`."""
        with self._name_scope(name):
            x = convert_to_tensor(x, name="x")
            self._check_input_dtype(x)
            return self._add_to_tensor(x)

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return self.to_dense() + x


def _warn_of_dense(method: str, cost: str) -> None:
    log.warn("Using (possibly slow) default implementation of %s.%s", method, cost)
