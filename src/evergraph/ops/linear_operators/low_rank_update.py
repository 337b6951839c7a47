"""Operators plus matrices of low rank."""

from __future__ import annotations

from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, dimension_at_index
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.assertions import convert_nonref_to_tensor
from evergraph.ops.linear_operators.diag import LinearOperatorDiag
from evergraph.ops.linear_operators.identity import LinearOperatorIdentity
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorLowRankUpdate")
class LinearOperatorLowRankUpdate(LinearOperator):
    """`L + U D Vᴴ` for an operator L, thin matrices U and V, and a diagonal one D.

    Solving takes one of `L`, and one of a matrix as small as D: the Woodbury identity.

    Args:
        base_operator: L, a `LinearOperator` of `[m, n]`.
        u: shape `batch + [m, k]`.
        diag_update: the diagonal of D, shape `batch + [k]`; 1 by default.
        v: shape `batch + [n, k]`; U by default.
        is_diag_update_positive: a hint.
        is_non_singular: a hint.
        is_self_adjoint: a hint; it follows from L's if V is U and the type is real.
        is_positive_definite: a hint; it follows from L's if V is U and D is positive.
        is_square: a hint.
        name: the name scope.
    """

    def __init__(
        self,
        base_operator: LinearOperator,
        u: Any,
        diag_update: Any = None,
        v: Any = None,
        is_diag_update_positive: bool | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowRankUpdate",
    ) -> None:
        dtype = base_operator.dtype
        if diag_update is None:
            if is_diag_update_positive is False:
                raise ValueError(
                    "Default diagonal is the identity, which is positive.  However, user set "
                    "'is_diag_update_positive' to False."
                )
            is_diag_update_positive = True
        elif is_diag_update_positive and dtype.is_complex:
            log.warn(
                "Note: setting is_diag_update_positive with a complex dtype means that diagonal is real and positive."
            )
        self._use_cholesky = (
            base_operator.is_positive_definite
            and base_operator.is_self_adjoint
            and is_diag_update_positive
            and v is None
        )
        if base_operator.is_self_adjoint and v is None and not dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    "A = L + UDU^H, with L self-adjoint and D real diagonal.  Since UDU^H is self-adjoint, "
                    "this must be a self-adjoint operator."
                )
            is_self_adjoint = True
        if self._use_cholesky:
            if is_positive_definite is False or is_self_adjoint is False or is_non_singular is False:
                raise ValueError("Arguments imply this is self-adjoint positive-definite operator.")
            is_positive_definite = is_self_adjoint = True
        with name_scope(name, values=[*base_operator.graph_parents, u, diag_update, v]):
            self._u = convert_nonref_to_tensor(u, name="u")
            self._v = self._u if v is None else convert_nonref_to_tensor(v, name="v")
            self._diag_update = convert_nonref_to_tensor(diag_update, name="diag_update")
            self._base_operator = base_operator
            own = [part for part in (self._u, self._diag_update, self._v) if part is not None]
            super().__init__(
                dtype=dtype,
                graph_parents=[*base_operator.graph_parents, *own],
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=is_square,
                name=name,
            )
            self._diag_operator: LinearOperator
            if diag_update is not None:
                self._diag_operator = LinearOperatorDiag(
                    self._diag_update, is_positive_definite=is_diag_update_positive
                )
            else:
                rank: Any = dimension_at_index(self._u.shape, -1).value
                rank = array.shape(self._u)[-1] if rank is None else rank
                self._diag_operator = LinearOperatorIdentity(num_rows=rank, dtype=dtype)
            self._is_diag_update_positive = is_diag_update_positive
            self._check_shapes()

    def _check_shapes(self) -> None:
        shape = array.broadcast_static_shape(self.u.shape, self.v.shape)
        batch = array.broadcast_static_shape(self.base_operator.batch_shape, shape[:-2])
        self.base_operator.domain_dimension.assert_is_compatible_with(shape[-2])
        if self._diag_update is not None:
            dimension_at_index(shape, -1).assert_is_compatible_with(self._diag_update.shape[-1])
            array.broadcast_static_shape(batch, self._diag_update.shape[:-1])

    @property
    def u(self) -> Any:
        """U."""
        return self._u

    @property
    def v(self) -> Any:
        """V."""
        return self._v

    @property
    def is_diag_update_positive(self) -> bool | None:
        """Whether D is positive, as far as hints tell."""
        return self._is_diag_update_positive

    @property
    def diag_update(self) -> Any:
        """The diagonal of D, or None."""
        return self._diag_update

    @property
    def diag_operator(self) -> LinearOperator:
        """D."""
        return self._diag_operator

    @property
    def base_operator(self) -> LinearOperator:
        """L."""
        return self._base_operator

    def _shape(self) -> TensorShape:
        batch = array.broadcast_static_shape(self.base_operator.batch_shape, self.u.shape[:-2])
        return batch.concatenate(self.base_operator.shape[-2:])

    def _shape_tensor(self) -> Tensor:
        own = self.base_operator.batch_shape_tensor()
        batch = array.broadcast_dynamic_shape(own, array.shape(self.u)[:-2])
        return array.concat([batch, self.base_operator.shape_tensor()[-2:]], axis=0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        left, right = (self.v, self.u) if adjoint else (self.u, self.v)
        leading = self.base_operator.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        inner = math.matmul(right, x, adjoint_a=True, adjoint_b=adjoint_arg)
        scaled = self.diag_operator.matmul(inner, adjoint=adjoint)
        return leading + math.matmul(left, scaled)

    def _determinant(self) -> Tensor:
        if self.is_positive_definite:
            return math.exp(self.log_abs_determinant())
        of_capacitance = linear_algebra.matrix_determinant(self._capacitance())
        of_diagonal = self.diag_operator.determinant()
        of_base = self.base_operator.determinant()
        return of_capacitance * of_diagonal * of_base

    def _log_abs_determinant(self) -> Tensor:
        of_diagonal = self.diag_operator.log_abs_determinant()
        of_base = self.base_operator.log_abs_determinant()
        if self._use_cholesky:
            diagonal = array.matrix_diag_part(linear_algebra.cholesky(self._capacitance()))
            of_capacitance = 2 * math.reduce_sum(math.log(diagonal), axis=[-1])
        else:
            determinant = linear_algebra.matrix_determinant(self._capacitance())
            of_capacitance = math.log(math.abs(determinant))
            if self.dtype.is_complex:
                of_capacitance = math.cast(of_capacitance, dtype=self.dtype)
        return of_capacitance + of_diagonal + of_base

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        if self.base_operator.is_non_singular is False:
            raise ValueError("Solve not implemented unless this is a perturbation of a non-singular LinearOperator.")
        left, right = (self.v, self.u) if adjoint else (self.u, self.v)
        leading = self.base_operator.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        inner = math.matmul(right, leading, adjoint_a=True)
        if self._use_cholesky:
            factor = linear_algebra.cholesky(self._capacitance())
            inner = batches.cholesky_solve_with_broadcast(factor, inner)
        else:
            inner = batches.matrix_solve_with_broadcast(self._capacitance(), inner, adjoint=adjoint)
        return leading - self.base_operator.solve(math.matmul(left, inner), adjoint=adjoint)

    def _capacitance(self) -> Tensor:
        """The small matrix of the Woodbury identity: `D⁻¹ + Vᴴ L⁻¹ U`."""
        inner = math.matmul(self.v, self.base_operator.solve(self.u), adjoint_a=True)
        return self._diag_operator.inverse().add_to_tensor(inner)
