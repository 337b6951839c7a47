"""The rules of algebra.py: adjoints, inverses, Cholesky factors, products and quotients of the kinds there are."""

from __future__ import annotations

from typing import Any

from evergraph.ops import linear_algebra, math
from evergraph.ops.linear_operators.adjoint import LinearOperatorAdjoint
from evergraph.ops.linear_operators.algebra import (
    RegisterAdjoint,
    RegisterCholesky,
    RegisterInverse,
    RegisterMatmul,
    RegisterSolve,
)
from evergraph.ops.linear_operators.block_diag import LinearOperatorBlockDiag
from evergraph.ops.linear_operators.circulant import LinearOperatorCirculant
from evergraph.ops.linear_operators.composition import LinearOperatorComposition
from evergraph.ops.linear_operators.diag import LinearOperatorDiag
from evergraph.ops.linear_operators.householder import LinearOperatorHouseholder
from evergraph.ops.linear_operators.identity import LinearOperatorIdentity, LinearOperatorScaledIdentity
from evergraph.ops.linear_operators.inversion import LinearOperatorInversion
from evergraph.ops.linear_operators.kronecker import LinearOperatorKronecker
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.linear_operators.lower_triangular import LinearOperatorLowerTriangular
from evergraph.ops.linear_operators.zeros import LinearOperatorZeros

Hints = dict[str, Any]


def _same(a: LinearOperator) -> LinearOperator:
    return a


def _hints(a: LinearOperator, **others: bool | None) -> Hints:
    """The hints of an operator that hold for its adjoint and its inverse, too."""
    return {
        "is_non_singular": a.is_non_singular,
        "is_self_adjoint": a.is_self_adjoint,
        "is_positive_definite": a.is_positive_definite,
        "is_square": True,
        **others,
    }


def _conjugate(x: Any) -> Any:
    return math.conj(x) if x.dtype.is_complex else x


# Adjoints


@RegisterAdjoint(LinearOperator)
def adjoint_of_any(a: LinearOperator) -> LinearOperatorAdjoint:
    return LinearOperatorAdjoint(a, **_hints(a, is_square=a.is_square))


@RegisterAdjoint(LinearOperatorAdjoint)
def adjoint_of_adjoint(a: LinearOperatorAdjoint) -> LinearOperator:
    return a.operator


RegisterAdjoint(LinearOperatorIdentity)(_same)
RegisterAdjoint(LinearOperatorHouseholder)(_same)


@RegisterAdjoint(LinearOperatorScaledIdentity)
def adjoint_of_scaled_identity(a: LinearOperatorScaledIdentity) -> LinearOperatorScaledIdentity:
    return LinearOperatorScaledIdentity(num_rows=a._num_rows, multiplier=_conjugate(a.multiplier), **_hints(a))


@RegisterAdjoint(LinearOperatorDiag)
def adjoint_of_diag(a: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=_conjugate(a.diag), **_hints(a))


@RegisterAdjoint(LinearOperatorBlockDiag)
def adjoint_of_block_diag(a: LinearOperatorBlockDiag) -> LinearOperatorBlockDiag:
    return LinearOperatorBlockDiag(operators=[operator.adjoint() for operator in a.operators], **_hints(a))


@RegisterAdjoint(LinearOperatorKronecker)
def adjoint_of_kronecker(a: LinearOperatorKronecker) -> LinearOperatorKronecker:
    return LinearOperatorKronecker(operators=[operator.adjoint() for operator in a.operators], **_hints(a))


@RegisterAdjoint(LinearOperatorCirculant)
def adjoint_of_circulant(a: LinearOperatorCirculant) -> LinearOperatorCirculant:
    return LinearOperatorCirculant(spectrum=_conjugate(a.spectrum), **_hints(a))


# Inverses


@RegisterInverse(LinearOperator)
def inverse_of_any(a: LinearOperator) -> LinearOperatorInversion:
    return LinearOperatorInversion(a, **_hints(a, is_square=a.is_square))


@RegisterInverse(LinearOperatorInversion)
def inverse_of_inverse(a: LinearOperatorInversion) -> LinearOperator:
    return a.operator


RegisterInverse(LinearOperatorIdentity)(_same)
RegisterInverse(LinearOperatorHouseholder)(_same)


@RegisterInverse(LinearOperatorDiag)
def inverse_of_diag(a: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(1.0 / a.diag, **_hints(a))


@RegisterInverse(LinearOperatorScaledIdentity)
def inverse_of_scaled_identity(a: LinearOperatorScaledIdentity) -> LinearOperatorScaledIdentity:
    hints = _hints(a, is_self_adjoint=True)
    return LinearOperatorScaledIdentity(num_rows=a._num_rows, multiplier=1.0 / a.multiplier, **hints)


@RegisterInverse(LinearOperatorBlockDiag)
def inverse_of_block_diag(a: LinearOperatorBlockDiag) -> LinearOperatorBlockDiag:
    return LinearOperatorBlockDiag(operators=[operator.inverse() for operator in a.operators], **_hints(a))


@RegisterInverse(LinearOperatorKronecker)
def inverse_of_kronecker(a: LinearOperatorKronecker) -> LinearOperatorKronecker:
    return LinearOperatorKronecker(operators=[operator.inverse() for operator in a.operators], **_hints(a))


@RegisterInverse(LinearOperatorCirculant)
def inverse_of_circulant(a: LinearOperatorCirculant) -> LinearOperatorCirculant:
    return LinearOperatorCirculant(spectrum=1.0 / a.spectrum, **_hints(a))


# Cholesky factors

_POSITIVE: Hints = {
    "is_non_singular": True,
    "is_self_adjoint": True,
    "is_positive_definite": True,
    "is_square": True,
}
_TRIANGULAR: Hints = {"is_non_singular": True, "is_self_adjoint": False, "is_square": True}


@RegisterCholesky(LinearOperator)
def cholesky_of_any(a: LinearOperator) -> LinearOperatorLowerTriangular:
    return LinearOperatorLowerTriangular(linear_algebra.cholesky(a.to_dense()), **_TRIANGULAR)


@RegisterCholesky(LinearOperatorDiag)
def cholesky_of_diag(a: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(math.sqrt(a.diag), **_POSITIVE)


@RegisterCholesky(LinearOperatorIdentity)
def cholesky_of_identity(a: LinearOperatorIdentity) -> LinearOperatorIdentity:
    return LinearOperatorIdentity(num_rows=a._num_rows, batch_shape=a.batch_shape, dtype=a.dtype, **_POSITIVE)


@RegisterCholesky(LinearOperatorScaledIdentity)
def cholesky_of_scaled_identity(a: LinearOperatorScaledIdentity) -> LinearOperatorScaledIdentity:
    return LinearOperatorScaledIdentity(num_rows=a._num_rows, multiplier=math.sqrt(a.multiplier), **_POSITIVE)


@RegisterCholesky(LinearOperatorBlockDiag)
def cholesky_of_block_diag(a: LinearOperatorBlockDiag) -> LinearOperatorBlockDiag:
    return LinearOperatorBlockDiag(operators=[operator.cholesky() for operator in a.operators], **_TRIANGULAR)


@RegisterCholesky(LinearOperatorKronecker)
def cholesky_of_kronecker(a: LinearOperatorKronecker) -> LinearOperatorKronecker:
    return LinearOperatorKronecker(operators=[operator.cholesky() for operator in a.operators], **_TRIANGULAR)


# What is known of a product


def _is_square(a: LinearOperator, b: LinearOperator) -> bool | None:
    if a.is_square and b.is_square:
        return True
    if a.is_square is False and b.is_square is False:
        return a.range_dimension == b.domain_dimension
    if a.is_square != b.is_square and a.is_square is not None:
        return False
    return None


def _is_non_singular(a: LinearOperator, b: LinearOperator) -> bool | None:
    if a.is_non_singular is False or b.is_non_singular is False:
        return False
    return a.is_non_singular and b.is_non_singular


def _hints_of_commuting(a: LinearOperator, b: LinearOperator) -> Hints:
    """The hints of the product of operators that may be applied in either order."""
    self_adjoint = {a.is_self_adjoint, b.is_self_adjoint}
    is_positive = all(x.is_positive_definite is True and x.is_self_adjoint is True for x in (a, b))
    return {
        "is_non_singular": _is_non_singular(a, b),
        "is_self_adjoint": True if self_adjoint == {True} else False if self_adjoint == {True, False} else None,
        "is_positive_definite": True if is_positive else None,
        "is_square": True,
    }


def _hints_of_product(a: LinearOperator, b: LinearOperator) -> Hints:
    is_square = _is_square(a, b)
    if is_square:
        return {"is_non_singular": _is_non_singular(a, b), "is_square": is_square}
    if is_square is False:
        return dict.fromkeys(("is_non_singular", "is_self_adjoint", "is_positive_definite", "is_square"), False)
    return {}


# Products


@RegisterMatmul(LinearOperator, LinearOperator)
def product_of_any(a: LinearOperator, b: LinearOperator) -> LinearOperatorComposition:
    return LinearOperatorComposition(operators=[a, b], **_hints_of_product(a, b))


@RegisterMatmul(LinearOperatorIdentity, LinearOperator)
def product_with_identity_left(identity: LinearOperatorIdentity, a: LinearOperator) -> LinearOperator:
    return a


@RegisterMatmul(LinearOperator, LinearOperatorIdentity)
def product_with_identity_right(a: LinearOperator, identity: LinearOperatorIdentity) -> LinearOperator:
    return a


def _check_both_square(a: LinearOperator, b: LinearOperator) -> None:
    if not a.is_square or not b.is_square:
        raise ValueError(
            "Matmul with non-square `LinearOperator`s or non-square `LinearOperatorZeros` not supported at this time."
        )


@RegisterMatmul(LinearOperator, LinearOperatorZeros)
def product_with_zeros_right(a: LinearOperator, zeros: LinearOperatorZeros) -> LinearOperatorZeros:
    _check_both_square(zeros, a)
    return zeros


@RegisterMatmul(LinearOperatorZeros, LinearOperator)
def product_with_zeros_left(zeros: LinearOperatorZeros, a: LinearOperator) -> LinearOperatorZeros:
    _check_both_square(zeros, a)
    return zeros


@RegisterMatmul(LinearOperatorDiag, LinearOperatorDiag)
def product_of_diags(a: LinearOperatorDiag, b: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=a.diag * b.diag, **_hints_of_commuting(a, b))


@RegisterMatmul(LinearOperatorDiag, LinearOperatorScaledIdentity)
def product_of_diag_and_scaled_identity(a: LinearOperatorDiag, b: LinearOperatorScaledIdentity) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=a.diag * b.multiplier, **_hints_of_commuting(a, b))


@RegisterMatmul(LinearOperatorScaledIdentity, LinearOperatorDiag)
def product_of_scaled_identity_and_diag(a: LinearOperatorScaledIdentity, b: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=b.diag * a.multiplier, **_hints_of_commuting(a, b))


@RegisterMatmul(LinearOperatorDiag, LinearOperatorLowerTriangular)
def product_of_diag_and_triangle(
    a: LinearOperatorDiag, b: LinearOperatorLowerTriangular
) -> LinearOperatorLowerTriangular:
    hints = _hints_of_commuting(a, b) | {"is_positive_definite": None}
    return LinearOperatorLowerTriangular(tril=a.diag[..., None] * b.to_dense(), **hints)


@RegisterMatmul(LinearOperatorLowerTriangular, LinearOperatorDiag)
def product_of_triangle_and_diag(
    a: LinearOperatorLowerTriangular, b: LinearOperatorDiag
) -> LinearOperatorLowerTriangular:
    hints = _hints_of_commuting(a, b) | {"is_positive_definite": None}
    return LinearOperatorLowerTriangular(tril=a.to_dense() * b.diag, **hints)


@RegisterMatmul(LinearOperatorCirculant, LinearOperatorCirculant)
def product_of_circulants(a: LinearOperatorCirculant, b: LinearOperatorCirculant) -> LinearOperatorCirculant:
    return LinearOperatorCirculant(spectrum=a.spectrum * b.spectrum, **_hints_of_commuting(a, b))


# Quotients


@RegisterSolve(LinearOperator, LinearOperator)
def quotient_of_any(a: LinearOperator, b: LinearOperator) -> LinearOperatorComposition:
    hints = _hints_of_product(a, b)
    return LinearOperatorComposition(operators=[LinearOperatorInversion(a), b], **hints)


@RegisterSolve(LinearOperatorInversion, LinearOperator)
def quotient_of_inverse(a: LinearOperatorInversion, b: LinearOperator) -> LinearOperator:
    return a.operator.matmul(b)


@RegisterSolve(LinearOperatorIdentity, LinearOperator)
def quotient_by_identity(identity: LinearOperatorIdentity, b: LinearOperator) -> LinearOperator:
    return b


@RegisterSolve(LinearOperatorDiag, LinearOperatorDiag)
def quotient_of_diags(a: LinearOperatorDiag, b: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=b.diag / a.diag, **_hints_of_commuting(a, b))


@RegisterSolve(LinearOperatorDiag, LinearOperatorScaledIdentity)
def quotient_by_diag(a: LinearOperatorDiag, b: LinearOperatorScaledIdentity) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=b.multiplier / a.diag, **_hints_of_commuting(a, b))


@RegisterSolve(LinearOperatorScaledIdentity, LinearOperatorDiag)
def quotient_by_scaled_identity(a: LinearOperatorScaledIdentity, b: LinearOperatorDiag) -> LinearOperatorDiag:
    return LinearOperatorDiag(diag=b.diag / a.multiplier, **_hints_of_commuting(a, b))


@RegisterSolve(LinearOperatorDiag, LinearOperatorLowerTriangular)
def quotient_of_triangle_by_diag(
    a: LinearOperatorDiag, b: LinearOperatorLowerTriangular
) -> LinearOperatorLowerTriangular:
    hints = _hints_of_commuting(a, b) | {"is_positive_definite": None}
    return LinearOperatorLowerTriangular(tril=b.to_dense() / a.diag[..., None], **hints)


@RegisterSolve(LinearOperatorCirculant, LinearOperatorCirculant)
def quotient_of_circulants(a: LinearOperatorCirculant, b: LinearOperatorCirculant) -> LinearOperatorCirculant:
    return LinearOperatorCirculant(spectrum=b.spectrum / a.spectrum, **_hints_of_commuting(a, b))
