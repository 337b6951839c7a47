"""Functions of `tf.linalg` that take operators too: `tf.matmul(operator, x)`, `tf.linalg.solve(operator, x)`, ..."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dispatch
from evergraph.ops import diagonal, linear_algebra, products
from evergraph.ops.linear_operators.linear_operator import LinearOperator


def _of_operator(x: Any, method: Any) -> Any:
    return method(x) if isinstance(x, LinearOperator) else NotImplemented


def _logdet(operator: LinearOperator, name: str | None) -> Any:
    if operator.is_positive_definite and operator.is_self_adjoint:
        return operator.log_abs_determinant(*_named(name))
    raise ValueError("Expected matrix to be self-adjoint positive definite.")


def _named(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


dispatch.add(linear_algebra.adjoint, lambda matrix, name=None: _of_operator(matrix, lambda o: o.adjoint(*_named(name))))
dispatch.add(linear_algebra.cholesky, lambda input, name=None: _of_operator(input, lambda o: o.cholesky(*_named(name))))
dispatch.add(
    linear_algebra.matrix_determinant,
    lambda input, name=None: _of_operator(input, lambda o: o.determinant(*_named(name))),
)
dispatch.add(linear_algebra.trace, lambda x, name=None: _of_operator(x, lambda o: o.trace(*_named(name))))
dispatch.add(linear_algebra.logdet, lambda matrix, name=None: _of_operator(matrix, lambda o: _logdet(o, name)))
dispatch.add(
    diagonal.matrix_diag_part,
    lambda input, name="diag_part", k=0, padding_value=0: _of_operator(input, lambda o: o.diag_part(*_named(name))),
)


def _inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    if not isinstance(input, LinearOperator):
        return NotImplemented
    inverse = input.inverse(*_named(name))
    return inverse.adjoint() if adjoint else inverse


def _solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    if isinstance(matrix, LinearOperator):
        return matrix.solve(rhs, adjoint, False, *_named(name))
    if isinstance(rhs, LinearOperator):
        raise ValueError("Passing in `matrix` as a Tensor and `rhs` as a LinearOperator is not supported.")
    return NotImplemented


def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    if not isinstance(a, LinearOperator) and not isinstance(b, LinearOperator):
        return NotImplemented
    if transpose_a or transpose_b:
        raise ValueError("Transposing not supported at this time.")
    if a_is_sparse or b_is_sparse:
        raise ValueError("Sparse methods not supported at this time.")
    if isinstance(a, LinearOperator):
        return a.matmul(b, adjoint_a, adjoint_b, *_named(name))
    product = b.matmul(a, not adjoint_b, not adjoint_a, *_named(name))
    return linear_algebra.adjoint(product)


dispatch.add(linear_algebra.matrix_inverse, _inverse)
dispatch.add(linear_algebra.matrix_solve, _solve)
dispatch.add(products.matmul, _matmul)
